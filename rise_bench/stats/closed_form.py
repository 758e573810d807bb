"""Detectable differences and sample sizes by formula: where a simulation starts, and what its figure stands beside."""

from __future__ import annotations

from scipy import special

from rise_bench.stats.designs import Design, Growth, Observed

__all__ = ["MOST_TASKS", "closed_difference", "closed_tasks", "t_quantile"]

MOST_TASKS = 100_000


def t_quantile(source: Design | Observed, share: float) -> float:
    """t quantile with as many degrees of freedom as clusters less one."""
    return float(special.stdtrit(max(source.clusters - 1, 1), share))


def closed_difference(source: Design | Observed, power: float, alpha: float) -> float | None:
    """d = t(1 - alpha / 2) SE(0) + t(power) SE(d), by repeated substitution; None where it exceeds the largest."""
    if source.clusters < 2:
        return None
    critical, reached = t_quantile(source, 1 - alpha / 2) * source.standard_error(0.0), t_quantile(source, power)
    found = 0.0
    for _ in range(60):
        before, found = found, critical + reached * source.standard_error(found)
        if found > source.largest:
            return None
        if abs(found - before) <= 1e-12:
            break
    return found


def closed_tasks(source: Design | Observed, difference: float, power: float, alpha: float, more: Growth) -> int | None:
    """Fewest tasks at which the closed form shows the difference; None where `MOST_TASKS` do not."""

    def enough(tasks: int) -> bool:
        found = closed_difference(source.resized(tasks, more), power, alpha)
        return found is not None and found <= difference

    low, high = 1, MOST_TASKS
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return source.resized(high, more).tasks
