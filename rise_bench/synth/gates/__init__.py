"""What may teach, and in which part of the split it stands (DESIGN 5.6)."""
