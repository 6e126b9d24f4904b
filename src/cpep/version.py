"""The version of cpep, which checkpoints, reports and the package itself name."""

__version__ = "0.2.0"
