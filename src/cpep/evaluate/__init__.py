"""Scores of frozen vectors, and protocols of evaluation: from arrays to results, without models, stores or paths."""
