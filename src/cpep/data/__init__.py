"""Recordings in, windows out."""
