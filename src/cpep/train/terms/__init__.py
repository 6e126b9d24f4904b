"""The terms of the loss that the alignment minimises, one module each."""
