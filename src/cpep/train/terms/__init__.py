"""What the alignment minimises: one module a term."""
