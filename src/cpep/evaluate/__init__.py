"""Scores of frozen vectors and protocols of evaluation: arrays in, results out, without models, stores and paths."""
