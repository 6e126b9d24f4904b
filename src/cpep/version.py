"""The version of cpep, which checkpoints and reports name."""

__version__ = "0.1.0"
