"""Which rows a table has, how they are trained, and how they are evaluated."""
