"""How small a difference a paired comparison can show, and how many tasks it needs to show a given one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.closed_form import MOST_TASKS, closed_difference, closed_tasks, t_quantile
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.designs import Design, Growth, Observed
from rise_bench.stats.trials import PairedTest, Power, Trial, drawn_seed, smallest

__all__ = ["PairedTest", "Power", "detectable_difference", "detectable_table", "sample_size", "simulated_power"]


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
    trial = Trial(0.8, alpha, test, draws, drawn_seed(rng))
    _reachable(source, difference)
    rate = trial.rate(source, difference)
    spread = source.standard_error(difference)
    formula = None
    if source.clusters > 1 and spread > 0:
        critical = t_quantile(source, 1 - alpha / 2) * source.standard_error(0.0)
        sides = [(side * difference - critical) / spread for side in (-1, 1)]
        formula = float(special.stdtr(max(source.clusters - 1, 1), sides).sum())
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
    trial = Trial(power, alpha, test, draws, drawn_seed(rng))
    formula = closed_difference(source, power, alpha)
    best = trial.rate(source, source.largest)
    if best < power:
        why = f"even {source.largest:g}, the largest difference there can be, is shown with power {best:.2f} only"
        return trial.record(source, None, best, error=None, formula=formula, reason=why)
    start = min(formula or source.largest / 2, source.largest)
    found, rate = smallest(lambda size: trial.rate(source, size), power, start, (source.largest, best), 0.003)
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
    trial = Trial(power, alpha, test, draws, drawn_seed(rng))
    _reachable(source, difference)
    if difference == 0:
        raise InputError("no number of tasks shows a difference of 0", where="difference")
    formula = closed_tasks(source, abs(difference), power, alpha, more)
    if formula is None:
        why = f"by the closed form not even {MOST_TASKS:,} tasks show it" + ("; add clusters" * (more == "tasks"))
        return Power(difference, None, 0, source.discordance, 0.0, alpha, None, None, "closed form", why)

    def rate(tasks: float) -> float:
        return trial.rate(source.resized(round(tasks), more), difference)

    most = float(min(8 * formula + 100, 2 * MOST_TASKS))
    found, reached = smallest(rate, power, float(formula), (most, 1.0), 0.005)
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
    seed = drawn_seed(rng)
    kinds = [Design((cluster_size,), share, icc) for share in discordances]
    return tuple(
        detectable_difference(
            kind.resized(count, "clusters"), power=power, alpha=alpha, test=test, draws=draws, rng=seed
        )
        for count in tasks
        for kind in kinds
    )


def _reachable(source: Design | Observed, difference: float) -> None:
    if not abs(difference) <= source.largest:
        raise InputError(f"{difference:g} is beyond {source.largest:g}, the largest there can be", where="difference")
