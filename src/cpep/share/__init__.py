"""Checkpoints for other people: model cards, the hub, the shipped one."""
