"""Settings: what they are, which values they take, presets, and how they are written down."""
