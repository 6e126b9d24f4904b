"""Makers of valid inputs, and readers of them, by kind."""
