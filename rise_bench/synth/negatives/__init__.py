"""Departures from intent on purpose: operators, and their mutants executed and observed (DESIGN 5.6)."""
