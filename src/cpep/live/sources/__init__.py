"""Where live EMG comes from: one module a kind of source."""
