"""Runs and measured baselines side by side, on the same tasks: what differs, what follows from it, and what does not."""

from rise_bench.compare.comparison import compare
from rise_bench.compare.records import Comparison
from rise_bench.compare.sides import Side, side_of_baseline, side_of_run, sides_of_baselines, sides_of_runs

__all__ = ["Comparison", "Side", "compare", "side_of_baseline", "side_of_run", "sides_of_baselines", "sides_of_runs"]
