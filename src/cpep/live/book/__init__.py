"""The gesture book: what a live recogniser knows."""
