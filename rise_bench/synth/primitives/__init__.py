"""What exists in a world, which calls are proposed over it, and which of them hold (DESIGN 5.1)."""
