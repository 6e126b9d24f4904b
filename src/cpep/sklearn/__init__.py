"""Estimators for scikit-learn: EMG windows (windows, channels, samples) in, features or names of gestures out."""

from __future__ import annotations

from cpep.live.book.book import GestureBook
from cpep.sklearn.classifier import CpepClassifier
from cpep.sklearn.features import EmgFeatures
from cpep.sklearn.zero_shot import ZeroShotClassifier

__all__ = ["CpepClassifier", "EmgFeatures", "GestureBook", "ZeroShotClassifier"]
