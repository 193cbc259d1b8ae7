"""A social feed of many visits, engagement against well-being; catalogue and users are generated."""
