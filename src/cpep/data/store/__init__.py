"""Prepared recordings: memory-mapped arrays with an index."""
