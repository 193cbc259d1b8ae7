"""What agents read off pairs of user and item without learning it: cosines, crossed features, clusters."""
