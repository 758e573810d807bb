"""One scene at a time: false positives, coverage, false claims and power of every test and interval, as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.stats_scenes import (
    ALPHA,
    CLAIMS,
    MARGIN,
    METHODS,
    ONE_WAY,
    RESAMPLES,
    SHIFT,
    Method,
    Sample,
    Scene,
    samples,
)
from rise_bench.stats.agreement import krippendorff_alpha
from rise_bench.stats.estimate import Estimate, Floats
from rise_bench.stats.power import detectable_difference
from rise_bench.stats.predicted import predicted_mean
from rise_bench.stats.ranks import rank_intervals

__all__ = ["BINS", "Histogram", "Row", "level_rows", "other_rows", "power_rows"]

BINS = 20

OTHER = ("ranks", "prediction-powered mean", "alpha")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: of what, of which method, where, its Monte Carlo error, what it should be, and whether it is.

    `difference` is the one at which power was simulated; None for the other kinds.
    """

    kind: str
    method: str
    clusters: int
    even: bool
    icc: float
    attempts: int
    discordance: float
    value: float
    error: float
    aim: float
    verdict: str
    difference: float | None = None

    @property
    def scene(self) -> Scene:
        """Where."""
        return Scene(self.clusters, self.even, self.icc, self.attempts, self.discordance)


@dataclass(frozen=True, slots=True)
class Histogram:
    """p values of a test where there is no difference, in `BINS` bins of equal width; None (no p) are counted apart."""

    method: str
    clusters: int
    icc: float
    counts: tuple[int, ...]
    without: int


def level_rows(scene: Scene, count: int, only: str) -> Iterator[Row | Histogram]:
    """False positives without a difference; coverage with one; false claims at the margin."""
    asked = CLAIMS if scene.discordance == ONE_WAY else METHODS + CLAIMS
    methods = [one for one in asked if only in one.name and not (one.simple and scene.attempts > 1)]
    if not methods:
        return
    drawn = {kind: list(samples(scene.design, difference, count, seed)) for kind, difference, seed in KINDS}
    for method in methods:
        if method.interval is not None:
            held = sum(holds(method.interval(one), SHIFT) for one in drawn["coverage"])
            yield judged("coverage", method, scene, held, count, 1 - ALPHA, more=True)
        if method.p is not None:
            kind = "false claims" if method in CLAIMS else "false positives"
            found = [method.p(one) for one in drawn[kind]]
            yield judged(kind, method, scene, sum(p is not None and p <= ALPHA for p in found), count, ALPHA)
            if kind == "false positives" and scene.even and scene.attempts == 1:
                yield histogram(method.name, scene, found)


KINDS = (("false positives", 0.0, 1), ("coverage", SHIFT, 2), ("false claims", -MARGIN, 3))
"""What is looked at, the true difference there, the seed."""


def judged(kind: str, method: Method, scene: Scene, hits: int, count: int, aim: float, *, more: bool = False) -> Row:
    """A rate with its verdict; `more` = it should be no less than its aim, else no more."""
    rate, error = hits / count, math.sqrt(aim * (1 - aim) / count)
    missed = rate < aim - 2 * error if more else rate > aim + 2 * error
    slack = rate > aim + 2 * error if more else rate < aim - 2 * error
    verdict = "not claimed" if not method.claims(scene) else "MISSED" if missed else "cautious" if slack else "at level"
    return _row(kind, method.name, scene, rate, error, aim, verdict)


def histogram(name: str, scene: Scene, found: list[float | None]) -> Histogram:
    """The p values of a test, counted."""
    ps = [p for p in found if p is not None]
    counts, _ = np.histogram(ps, bins=BINS, range=(0.0, 1.0))
    return Histogram(name, scene.clusters, scene.icc, tuple(counts.tolist()), len(found) - len(ps))


def holds(found: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth; none at all claims nothing, so it does."""
    return found.low is None or found.high is None or found.low - 1e-12 <= truth <= found.high + 1e-12


def power_rows(scene: Scene, count: int, only: str) -> Iterator[Row]:
    """Power of every test at the difference that is predicted to be shown by the CR2 t test with power 0.8."""
    simple = scene.attempts == 1 and scene.icc == 0
    methods = [one for one in METHODS if one.p is not None and only in one.name and (simple or not one.simple)]
    if not methods:
        return
    predicted = detectable_difference(scene.design, draws=2000)
    if predicted.difference is None:
        return
    drawn = list(samples(scene.design, predicted.difference, count, 4))
    for method in methods:
        rate = sum(_shown(method, one) for one in drawn) / count
        # both this rate and the prediction were simulated
        error = math.sqrt(0.16 / count + 0.16 / 2000)
        side = "above" if rate > 0.8 else "below"
        verdict = "as predicted" if abs(rate - 0.8) <= 2 * error else f"{side} prediction"
        yield _row("power", method.name, scene, rate, error, 0.8, verdict, predicted.difference)


def _shown(method: Method, sample: Sample) -> bool:
    """Whether the test claims something; without a p it does not."""
    p = method.p(sample) if method.p is not None else None
    return p is not None and p <= ALPHA


def other_rows(clusters: int, count: int, only: str) -> Iterator[Row]:
    """Rank intervals, prediction-powered means and alpha: how often their intervals hold the truth."""
    rng = np.random.default_rng([5, clusters])
    scene = Scene(clusters, True, 0.1, 1)
    labels = np.repeat(np.arange(clusters), scene.design.sizes)
    held = {name: 0 for name in OTHER if only in name}
    for _ in range(count if held else 0):
        shared = rng.random((5, clusters))[:, labels]
        u = np.where(rng.random(shared.shape) < 0.1**0.5, shared, rng.random(shared.shape))
        for name in held:
            held[name] += OTHERS[name](u, labels.tolist(), rng)
    for name, hits in held.items():
        yield judged("coverage", Method(name, about=name == "alpha"), scene, hits, count, 1 - ALPHA, more=True)


def _ranks(u: Floats, labels: list[int], rng: np.random.Generator) -> bool:
    """Five systems, the last of which is better: whether all rank intervals hold all true ranks."""
    del rng
    boards = rank_intervals(u < np.array([0.5, 0.5, 0.5, 0.5, 0.6])[:, None], labels)
    return all(one.best <= 2 and one.worst == 5 for one in boards[:4]) and boards[4].best == 1


def _predicted(u: Floats, labels: list[int], rng: np.random.Generator) -> bool:
    """A third of the units has a label, and the judge is right on most."""
    truth = (u[0] < 0.6).astype(np.float64)
    judge = (rng.random(truth.size) < np.where(truth == 1, 0.9, 0.25)).astype(np.float64)
    seen = np.where(rng.permutation(truth.size) < truth.size // 3, truth, np.nan)
    return holds(predicted_mean(judge, seen, labels).corrected, 0.6)


def _alpha(u: Floats, labels: list[int], rng: np.random.Generator) -> bool:
    """One rater repeats the other with probability 0.6, else guesses with the same shares: alpha is 0.6."""
    truth = (u[0] < 0.6).astype(np.float64)
    again = np.where(rng.random(truth.size) < 0.6, truth, rng.random(truth.size) < 0.6)
    pair = [truth.tolist(), again.tolist()]
    return holds(krippendorff_alpha(pair, labels, resamples=RESAMPLES, rng=rng), 0.6)


OTHERS = {"ranks": _ranks, "prediction-powered mean": _predicted, "alpha": _alpha}


def _row(
    kind: str,
    method: str,
    scene: Scene,
    value: float,
    error: float,
    aim: float,
    verdict: str,
    difference: float | None = None,
) -> Row:
    where = (scene.clusters, scene.even, scene.icc, scene.attempts, scene.discordance)
    return Row(kind, method, *where, value, error, aim, verdict, difference)
