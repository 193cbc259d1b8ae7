"""Text encoders that learn from people: a user tower and an item tower, fitted on what was liked together."""
