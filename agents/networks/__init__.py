"""What scores candidates: inputs, layers, networks, readers of a session's history."""
