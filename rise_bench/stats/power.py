"""How small a difference a paired comparison can show, and how many tasks it needs to show a given one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.designs import Design, Growth, Observed
from rise_bench.stats.estimate import Floats, Indices

__all__ = ["PairedTest", "Power", "detectable_difference", "detectable_table", "sample_size", "simulated_power"]

PairedTest = Callable[[Floats, Indices], Floats]
"""(differences: draws x tasks, group number of each task) -> a two-sided p of each draw."""

_MOST_TASKS = 100_000


@dataclass(frozen=True, slots=True)
class Power:
    """What a paired comparison of this size can show.

    `power` is the simulated power at `difference` with `tasks` in `clusters`. `error` is the Monte Carlo standard error of
    the figure that was looked for, and `formula` what the closed form gives for it: the difference, the tasks, or the
    power. Where it does not exist, it is None and `reason` says why.
    """

    difference: float | None
    tasks: int | None
    clusters: int
    discordance: float
    power: float
    alpha: float
    error: float | None
    formula: float | None
    method: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Trial:
    """How power is simulated: everything but the comparison itself."""

    power: float
    alpha: float
    test: PairedTest
    draws: int
    seed: int

    def rate(self, source: Design | Observed, difference: float) -> float:
        """Share of the simulated comparisons in which the test shows the difference."""
        shown = sum(
            int((self.test(*batch) <= self.alpha).sum()) for batch in source.draw(difference, self.draws, self.seed)
        )
        return shown / self.draws

    def record(
        self,
        source: Design | Observed,
        difference: float | None,
        rate: float,
        *,
        error: float | None,
        formula: float | None,
        reason: str = "",
    ) -> Power:
        """The result, with the method in words."""
        name = getattr(self.test, "__name__", type(self.test).__name__)
        method = f"{name}, {self.draws} simulated comparisons"
        size = (source.tasks, source.clusters, source.discordance)
        return Power(difference, *size, rate, self.alpha, error, formula, method, reason)

    @property
    def relative_error(self) -> float:
        """Monte Carlo standard error of a difference found by bisection, in parts of it: that of power over its slope."""
        reached = float(special.ndtri(self.power))
        slope = np.exp(-(reached**2) / 2) / np.sqrt(2 * np.pi) * (reached - float(special.ndtri(self.alpha / 2)))
        return float((self.power * (1 - self.power) / self.draws) ** 0.5 / slope)


def simulated_power(
    source: Design | Observed,
    difference: float,
    *,
    alpha: float = 0.05,
    test: PairedTest = cr2_test,
    draws: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Power:
    """Share of simulated comparisons in which a two-sided test shows the difference.

    Args:
        source: how paired differences arise: a `Design` (paired table), or the differences of a pilot to be drawn again.
        difference: true mean difference; for a `Design` at most its discordance in size, for a pilot at most 1.
        alpha: level of the test.
        test: vectorised test; the CR2 t test unless given.
        draws: simulated comparisons, at least 100.
        rng: generator or seed; the same seed gives the same figure.

    Raises:
        InputError: shares outside their range, or too few draws.
    """
    trial = _trial(0.8, alpha, test, draws, rng)
    _reachable(source, difference)
    rate = trial.rate(source, difference)
    spread = source.standard_error(difference)
    formula = None
    if source.clusters > 1 and spread > 0:
        critical = _quantile(source, 1 - alpha / 2) * source.standard_error(0.0)
        formula = float(special.ndtr((abs(difference) - critical) / spread))
    return trial.record(source, difference, rate, error=(rate * (1 - rate) / draws) ** 0.5, formula=formula)


def detectable_difference(
    source: Design | Observed,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    test: PairedTest = cr2_test,
    draws: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Power:
    """Smallest true difference that a two-sided test shows with the given power, by simulation.

    Starts from a closed form (Miettinen 1968, Connor 1987 for discordant pairs, with t quantiles and a design effect for
    clusters) and bisects on common random numbers. Other arguments and errors as in `simulated_power`.

    Args:
        power: share of comparisons that should show the difference, in (alpha, 1).
    """
    trial = _trial(power, alpha, test, draws, rng)
    formula = _closed_difference(source, power, alpha)
    best = trial.rate(source, source.largest)
    if best < power:
        why = f"even {source.largest:g}, the largest difference there can be, is shown with power {best:.2f} only"
        return trial.record(source, None, best, error=None, formula=formula, reason=why)
    start = min(formula or source.largest / 2, source.largest)
    found, rate = _smallest(lambda size: trial.rate(source, size), power, start, (source.largest, best), 0.003)
    return trial.record(source, found, rate, error=found * trial.relative_error, formula=formula)


def sample_size(
    difference: float,
    source: Design | Observed,
    *,
    more: Growth = "clusters",
    power: float = 0.8,
    alpha: float = 0.05,
    test: PairedTest = cr2_test,
    draws: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Power:
    """Fewest tasks with which a two-sided test shows `difference` with the given power, by simulation.

    Args:
        difference: true mean difference to be shown, not 0.
        source: the kind of comparison; how many tasks it has itself plays no part.
        more: whether it grows by more clusters of the sizes it has, or (a `Design` only) by more tasks in each of its
            clusters, which helps little where these resemble each other.

    Other arguments and errors as in `detectable_difference`. At most 100,000 tasks are tried.
    """
    trial = _trial(power, alpha, test, draws, rng)
    _reachable(source, difference)
    if difference == 0:
        raise InputError("no number of tasks shows a difference of 0", where="difference")
    formula = _closed_tasks(source, abs(difference), power, alpha, more)
    if formula is None:
        why = f"by the closed form not even {_MOST_TASKS:,} tasks show it" + ("; add clusters" * (more == "tasks"))
        return Power(difference, None, 0, source.discordance, 0.0, alpha, None, None, "closed form", why)

    def rate(tasks: float) -> float:
        return trial.rate(source.resized(round(tasks), more), difference)

    most = float(min(8 * formula + 100, 2 * _MOST_TASKS))
    found, reached = _smallest(rate, power, float(formula), (most, 1.0), 0.005)
    resized = source.resized(round(found), more)
    # the tasks needed go with the square of the difference
    error = 2 * trial.relative_error * resized.tasks
    return trial.record(resized, difference, reached, error=error, formula=float(formula))


def detectable_table(
    tasks: Sequence[int] = (100, 200, 300, 500, 1000),
    discordances: Sequence[float] = (0.1, 0.2, 0.3),
    *,
    cluster_size: int = 1,
    icc: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
    test: PairedTest = cr2_test,
    draws: int = 2000,
    rng: np.random.Generator | int = 0,
) -> tuple[Power, ...]:
    """Detectable differences of one attempt, for each number of tasks (outer) and each discordance (inner).

    Args:
        cluster_size: tasks in each cluster; the last may have fewer.

    Other arguments and errors as in `detectable_difference` and `Design`.
    """
    seed = _seed(rng)
    kinds = [Design((cluster_size,), share, icc) for share in discordances]
    return tuple(
        detectable_difference(
            kind.resized(count, "clusters"), power=power, alpha=alpha, test=test, draws=draws, rng=seed
        )
        for count in tasks
        for kind in kinds
    )


def _trial(power: float, alpha: float, test: PairedTest, draws: int, rng: np.random.Generator | int) -> _Trial:
    if not 0.0 < alpha < power < 1.0:
        raise InputError(f"alpha {alpha:g} and power {power:g}: needed is 0 < alpha < power < 1", where="power")
    if draws < 100:
        raise InputError(f"{draws} draws say nothing", where="draws", remedy="give at least 100, better 2000")
    return _Trial(power, alpha, test, draws, _seed(rng))


def _seed(rng: np.random.Generator | int) -> int:
    return int(np.random.default_rng(rng).integers(2**32))


def _reachable(source: Design | Observed, difference: float) -> None:
    if not abs(difference) <= source.largest:
        raise InputError(f"{difference:g} is beyond {source.largest:g}, the largest there can be", where="difference")


def _smallest(
    rate: Callable[[float], float], target: float, start: float, top: tuple[float, float], tolerance: float
) -> tuple[float, float]:
    """(smallest argument whose rate reaches the target, its rate) between 0 and `top`, which reaches it; by bisection."""
    low, (high, reached) = 0.0, top
    guess, factor = start, 0.0
    while low < guess < high and (high - low) > tolerance * high:
        share = rate(guess)
        if share >= target:
            high, reached, step = guess, share, 0.85
        else:
            low, step = guess, 1.18
        # walk away from the start until the target lies between, then halve
        if factor in (0.0, step) and (low == 0.0 or high == top[0]):
            guess, factor = guess * step, step
        else:
            guess, factor = (low + high) / 2, -1.0
    return high, reached


def _quantile(source: Design | Observed, share: float) -> float:
    return float(special.stdtrit(max(source.clusters - 1, 1), share))


def _closed_difference(source: Design | Observed, power: float, alpha: float) -> float | None:
    """d = t(1 - alpha / 2) SE(0) + t(power) SE(d), by repeated substitution; None where it exceeds the largest."""
    if source.clusters < 2:
        return None
    critical, reached = _quantile(source, 1 - alpha / 2), _quantile(source, power)
    found = 0.0
    for _ in range(60):
        found = critical * source.standard_error(0.0) + reached * source.standard_error(found)
        if found > source.largest:
            return None
    return found


def _closed_tasks(source: Design | Observed, difference: float, power: float, alpha: float, more: Growth) -> int | None:
    """Fewest tasks at which the closed form shows the difference; None where `_MOST_TASKS` do not."""

    def enough(tasks: int) -> bool:
        found = _closed_difference(source.resized(tasks, more), power, alpha)
        return found is not None and found <= difference

    low, high = 1, _MOST_TASKS
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return source.resized(high, more).tasks
