"""Gesture recognition on a stream: sources, embeddings, the gesture book, events."""
