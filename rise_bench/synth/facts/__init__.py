"""What may be asked of a chain's results, and the rule by which each value follows from them."""
