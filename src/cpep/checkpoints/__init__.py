"""Checkpoints: weights, and all that is needed to use and to judge them."""
