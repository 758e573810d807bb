"""Statistics: arrays in, small frozen estimates out; nothing here knows what a task or a run is."""

from rise_bench.stats.agreement import kappa
from rise_bench.stats.estimate import Estimate
from rise_bench.stats.means import mean_interval, ratio_interval
from rise_bench.stats.passes import pass_at_k, pass_hat_k

__all__ = ["Estimate", "kappa", "mean_interval", "pass_at_k", "pass_hat_k", "ratio_interval"]
