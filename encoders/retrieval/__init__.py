"""Retrieval behind one protocol: exact and approximate indices, and inner products told as cosines."""
