"""Scores of frozen vectors: ``(vectors, labels, users) -> result``; nothing here knows models or files."""
