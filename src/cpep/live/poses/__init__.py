"""Poses beside a live stream: from a glove, from landmarks, from a camera, or shown to the person who follows."""
