"""Checkpoints as ONNX graphs that need no torch."""
