"""Experiments: the rows of a table, their training and their evaluation."""
