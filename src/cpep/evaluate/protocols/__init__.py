"""Protocols of evaluation: embeddings of windows, their people and sessions in, answers for the people tested out."""
