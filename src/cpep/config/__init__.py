"""Settings: their fields, the values they may take, presets, the rows of a table, and settings as JSON."""
