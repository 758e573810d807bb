"""Which arguments of a chain are intent-critical: what can be got wrong, how, and whether it mattered (DESIGN 5.3)."""
