"""Files of other people in, recordings out: one module a format."""
