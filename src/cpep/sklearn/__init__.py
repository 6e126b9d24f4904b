"""Estimators for scikit-learn's pipelines: EMG windows (windows, channels, samples) in, names of gestures out."""

from __future__ import annotations

from cpep.sklearn.features import EmgFeatures

__all__ = ["EmgFeatures"]
