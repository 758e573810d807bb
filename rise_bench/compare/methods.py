"""One score of two sides as numbers: which estimand, which test, which interval (DESIGN 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from rise_bench.compare.records import Estimand, Outlook
from rise_bench.compare.sides import Floats, Side
from rise_bench.stats import (
    Equivalence,
    Estimate,
    Test,
    mcnemar,
    mean_interval,
    non_inferior,
    paired_difference,
    sign_flip,
    smallest_p,
    task_differences,
    task_means,
)
from rise_bench.stats.cr2 import cr2_moments
from rise_bench.stats.estimate import cluster_index

__all__ = ["POWER", "Method", "chosen_estimand", "outlook"]

POWER = 0.8

_MOST = 1_000_000
"""Tasks beyond which nobody is told how many more it takes."""


def chosen_estimand(sides: Sequence[Side], wanted: Estimand | None) -> tuple[Estimand, str]:
    """(what the differences are about, why): the one that was asked for, else the one that the suite's clusters allow."""
    if wanted is not None:
        return wanted, "as asked for"
    attempted = {
        task.id: task.cluster for side in sides for task, made in zip(side.tasks, side.made, strict=True) if made.any()
    }
    clusters = len(set(attempted.values()))
    if clusters == len(attempted):
        return "suite", "each task is a cluster of its own"
    if clusters < 2:
        return "suite", f"all {len(attempted)} tasks stand in one cluster, which says nothing about other ones"
    return (
        "servers",
        f"the {len(attempted)} tasks stand in {clusters} clusters, and tasks of one cluster resemble each other",
    )


@dataclass(frozen=True, slots=True)
class Method:
    """How a score is compared: by tasks (`clusters` None) or by clusters.

    Args:
        clusters: cluster of each task; None = tasks are the units.
        paired: one verdict of 0 or 1 for each task on either side, so that McNemar's and Tango's methods hold.
        seed: of what is drawn.
    """

    clusters: tuple[str, ...] | None
    paired: bool
    seed: int

    @classmethod
    def of(cls, first: Floats, second: Floats, clusters: Sequence[str], estimand: Estimand, seed: int) -> Method:
        """The method for these verdicts (tasks x attempts)."""
        if estimand == "servers":
            return cls(tuple(clusters), False, seed)
        one = first.shape[1] == 1 and bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
        return cls(None, one, seed)

    @property
    def name(self) -> str:
        """Test and interval in words."""
        if self.paired:
            return "mid-p McNemar over tasks; Tango's score interval"
        if self.clusters is None:
            return "sign-flip permutation of tasks; t interval over tasks"
        return "sign-flip permutation of clusters; CR2 interval over clusters"

    def least_p(self, units: int) -> float:
        """The least p that any result of so many units (clusters, or tasks) can have."""
        return smallest_p(units) / (2.0 if self.paired else 1.0)

    def mean(self, values: Floats) -> Estimate:
        """Mean over tasks of one side."""
        return mean_interval(task_means(values), self.clusters)

    def difference(self, first: Floats, second: Floats) -> Estimate:
        """Mean over tasks of second - first."""
        if self.paired:
            return paired_difference(first[:, 0], second[:, 0], method="Tango")
        return paired_difference(first, second, self.clusters)

    def test(self, first: Floats, second: Floats) -> Test:
        """Two-sided test that there is no difference."""
        if self.paired:
            return mcnemar(first[:, 0], second[:, 0])
        return sign_flip(task_differences(first, second), self.clusters, rng=self.seed)

    def not_worse(self, first: Floats, second: Floats, delta: float, alpha: float) -> Equivalence:
        """One-sided test that the second is worse by less than delta."""
        if self.paired:
            return non_inferior(first[:, 0], second[:, 0], delta, alpha=alpha, method="Tango")
        return non_inferior(first, second, delta, self.clusters, alpha=alpha)


def outlook(method: Method, first: Floats, second: Floats, alpha: float) -> Outlook:
    """What the comparison can show at this level, by the closed form (t(1 - alpha/2) + t(power)) * standard error.

    It is never below what can be shown where all differences go one way: a test has a least p for every number of units that
    differ, so that many of them must, by chance, be there (a binomial count of units, each of which holds several attempts).
    That also serves where nothing differs at all.
    """
    differences = task_differences(first, second)
    n = differences.size
    index, groups = cluster_index(method.clusters, n)
    bare = Outlook(detectable=None, alpha=alpha, power=POWER, tasks=None, clusters=None)
    needed = _least_discordant(alpha, mid_p=method.paired)
    if needed > groups:
        what = ("task" if method.clusters is None else "cluster") + ("s" if groups != 1 else "")
        why = f"the least p of {groups} {what} is {method.least_p(groups):.2g}"
        return bare.model_copy(update={"too_few": True, "reason": why})
    units = float(special.betaincinv(needed, groups - needed + 1, POWER))
    floor = 1.0 - (1.0 - units) ** (groups / int((~np.isnan(first)).sum()))
    _, variances, degrees = cr2_moments(differences[None], index, groups)
    quantiles = float(special.stdtrit(degrees, 1 - alpha / 2) + special.stdtrit(degrees, POWER))
    spread = quantiles * math.sqrt(max(float(variances[0]), 0.0))
    detectable = max(spread, floor)
    if detectable > 1:
        return bare.model_copy(update={"reason": "not even a difference of 100 points is shown with this power"})
    seen = abs(float(differences.mean()))
    # the spread falls with the root of the tasks, the count of discordant units with their number
    more = max((spread / seen) ** 2, floor / seen) if seen > 1e-12 else math.inf
    enough = n * more <= _MOST
    return Outlook(
        detectable=detectable,
        alpha=alpha,
        power=POWER,
        tasks=math.ceil(n * more) if enough else None,
        clusters=math.ceil(groups * more) if enough else None,
    )


def _least_discordant(alpha: float, *, mid_p: bool) -> int:
    """The fewest units that must differ, all one way, for p <= alpha: 2**(1 - m), half of it by mid-p."""
    return max(1, math.ceil(math.log2(1 / alpha) + (0 if mid_p else 1) - 1e-9))
