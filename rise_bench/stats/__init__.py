"""Statistics: arrays in, small frozen estimates out; nothing here knows what a task or a run is."""

from rise_bench.stats.agreement import ac1, kappa, krippendorff_alpha
from rise_bench.stats.bootstrap import cluster_bootstrap, paired_bootstrap
from rise_bench.stats.designs import Design, Observed, observed_differences
from rise_bench.stats.equivalence import Equivalence, equivalent, non_inferior
from rise_bench.stats.estimate import Estimate
from rise_bench.stats.flips import sign_flip, smallest_p
from rise_bench.stats.means import mean_interval, ratio_interval
from rise_bench.stats.multiplicity import benjamini_hochberg, holm
from rise_bench.stats.outcome import Alternative, Test, task_differences, task_means
from rise_bench.stats.paired import mcnemar, paired_difference
from rise_bench.stats.passes import pass_at_k, pass_hat_k
from rise_bench.stats.power import Power, detectable_difference, detectable_table, sample_size, simulated_power
from rise_bench.stats.predicted import PredictedMean, predicted_mean
from rise_bench.stats.ranks import RankInterval, rank_intervals
from rise_bench.stats.wild import wild_interval, wild_test

__all__ = [
    "Alternative",
    "Design",
    "Equivalence",
    "Estimate",
    "Observed",
    "Power",
    "PredictedMean",
    "RankInterval",
    "Test",
    "ac1",
    "benjamini_hochberg",
    "cluster_bootstrap",
    "detectable_difference",
    "detectable_table",
    "equivalent",
    "holm",
    "kappa",
    "krippendorff_alpha",
    "mcnemar",
    "mean_interval",
    "non_inferior",
    "observed_differences",
    "paired_bootstrap",
    "paired_difference",
    "pass_at_k",
    "pass_hat_k",
    "predicted_mean",
    "rank_intervals",
    "ratio_interval",
    "sample_size",
    "sign_flip",
    "simulated_power",
    "smallest_p",
    "task_differences",
    "task_means",
    "wild_interval",
    "wild_test",
]
