"""Needs, purchases, returns and trust in a shop; catalogue and users are generated."""
