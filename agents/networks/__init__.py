"""What scores candidates: what is read of an observation, layers, networks, trackers of a session's history."""
