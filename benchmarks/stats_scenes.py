"""What the simulations of `stats` run: comparisons to draw, and every test and interval as a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rise_bench.stats.bootstrap import cluster_bootstrap
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.designs import Design
from rise_bench.stats.equivalence import equivalent, non_inferior
from rise_bench.stats.estimate import Estimate, Floats
from rise_bench.stats.flips import sign_flip
from rise_bench.stats.outcome import Test
from rise_bench.stats.paired import mcnemar, paired_difference
from rise_bench.stats.wild import wild_interval, wild_test

__all__ = [
    "ALPHA",
    "CLAIMS",
    "CLUSTERS",
    "MARGIN",
    "METHODS",
    "ONE_WAY",
    "RESAMPLES",
    "SHIFT",
    "Method",
    "Sample",
    "Scene",
    "samples",
    "scenes",
]

ALPHA = 0.05
RESAMPLES = 999
"""Of every bootstrap and permutation inside a simulation; (RESAMPLES + 1) * ALPHA is whole, so that p may be at the level."""

CLUSTERS = (5, 8, 20, 100)
DISCORDANCE, REPEAT, SHIFT, MARGIN = 0.3, 0.5, 0.08, 0.1

ONE_WAY = 0.12
"""Discordance at which a system that is worse by MARGIN loses eleven of twelve tasks on which the two differ."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One simulated comparison: difference of each task, its cluster, a seed for what the method draws."""

    differences: Floats
    labels: list[int]
    seed: int

    @property
    def first(self) -> Floats:
        """Scores of one system; with `second` they have these differences."""
        return np.maximum(-self.differences, 0.0)

    @property
    def second(self) -> Floats:
        """Scores of the other."""
        return np.maximum(self.differences, 0.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """Clusters of a simulated comparison."""

    clusters: int
    even: bool
    icc: float
    attempts: int
    discordance: float = DISCORDANCE

    @property
    def design(self) -> Design:
        """Ten tasks a cluster (five where there are 100); uneven: the largest is eight times the smallest."""
        size = 5 if self.clusters >= 100 else 10
        shares = np.ones(self.clusters) if self.even else np.geomspace(1, 8, self.clusters)
        sizes = np.maximum(1, np.round(shares / shares.mean() * size)).astype(int)
        return Design(tuple(sizes.tolist()), self.discordance, self.icc, self.attempts, REPEAT)

    def __str__(self) -> str:
        """In words."""
        kind = "even" if self.even else "uneven"
        return f"{self.clusters} {kind} clusters, ICC {self.icc:g}, k {self.attempts}, discordance {self.discordance:g}"


@dataclass(frozen=True, slots=True)
class Method:
    """A test or an interval of the mean paired difference, and which comparisons it claims to be right for."""

    name: str
    p: Callable[[Sample], float | None] | None = None
    interval: Callable[[Sample], Estimate] | None = None
    simple: bool = False
    """For one attempt at independent tasks only."""
    about: bool = False
    """Claims its level with many clusters only."""
    everywhere: bool = False
    """Claims its level also where clusters are alike and differences go one way."""

    def claims(self, scene: Scene) -> bool:
        """Whether the level should hold there."""
        one_way = scene.discordance == ONE_WAY and scene.icc > 0 and not self.everywhere
        return not one_way and not (self.simple and scene.icc > 0) and not (self.about and scene.clusters < 100)


METHODS = (
    Method("CR2 t", p=lambda s: float(cr2_test(s.differences[None], np.array(s.labels))[0])),
    Method("CR2 t", interval=lambda s: paired_difference(s.first, s.second, s.labels)),
    Method("score", interval=lambda s: paired_difference(s.first, s.second, s.labels, method="score")),
    Method("sign-flip", p=lambda s: sign_flip(s.differences, s.labels, draws=RESAMPLES, rng=s.seed).p),
    Method("wild, Rademacher", p=lambda s: wild_test(s.differences, s.labels, draws=RESAMPLES, rng=s.seed).p),
    Method("wild, Webb", p=lambda s: wild_test(s.differences, s.labels, weights="webb", draws=RESAMPLES, rng=s.seed).p),
    Method("wild", interval=lambda s: wild_interval(s.differences, s.labels, draws=RESAMPLES, rng=s.seed)),
    Method(
        "percentile bootstrap",
        interval=lambda s: cluster_bootstrap(
            s.differences, s.labels, method="percentile", resamples=RESAMPLES, rng=s.seed
        ),
        about=True,
    ),
    Method(
        "BCa bootstrap",
        interval=lambda s: cluster_bootstrap(s.differences, s.labels, method="bca", resamples=RESAMPLES, rng=s.seed),
        about=True,
    ),
    Method("mid-p McNemar", p=lambda s: mcnemar(s.first, s.second).p, simple=True),
    Method("exact McNemar", p=lambda s: mcnemar(s.first, s.second, method="exact").p, simple=True),
    Method("Tango", interval=lambda s: paired_difference(s.first, s.second, method="Tango"), simple=True),
)


def _unwarned(sample: Sample) -> float | None:
    """p of a claim that carries no warning."""
    found = non_inferior(sample.first, sample.second, MARGIN, sample.labels)
    return None if found.warning else found.p


def _above(sample: Sample) -> Test:
    return wild_test(
        sample.differences, sample.labels, null=-MARGIN, alternative="greater", draws=RESAMPLES, rng=sample.seed
    )


CLAIMS = (  # how often a claim is made though the difference is -MARGIN, the edge at which it becomes false
    Method("not worse, score", p=lambda s: non_inferior(s.first, s.second, MARGIN, s.labels).p),
    Method("not worse, score, unwarned", p=_unwarned, everywhere=True),
    Method("not worse, CR2", p=lambda s: non_inferior(s.first, s.second, MARGIN, s.labels, method="CR2").p, about=True),
    Method("not worse, wild", p=lambda s: _above(s).p, about=True),
    Method("equivalent, score", p=lambda s: equivalent(s.first, s.second, MARGIN, s.labels).p),
    Method("not worse, Tango", p=lambda s: non_inferior(s.first, s.second, MARGIN, method="Tango").p, simple=True),
)


def scenes(full: bool, discordance: float = DISCORDANCE) -> Iterator[Scene]:
    """All combinations; without `full` what lies between is left out."""
    for clusters in CLUSTERS:
        for even in (True, False):
            for icc in (0.0, 0.1, 0.3) if full else (0.0, 0.3):
                for attempts in (1, 5):
                    yield Scene(clusters, even, icc, attempts, discordance)


def samples(design: Design, difference: float, count: int, seed: int) -> Iterator[Sample]:
    """Simulated comparisons, the same for every method."""
    number = 0
    for rows, index in design.draw(difference, count, seed):
        labels = index.tolist()
        for row in rows:
            yield Sample(row, labels, number)
            number += 1
