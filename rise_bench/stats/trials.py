"""Power by simulation: comparisons are drawn, tested and counted, and the smallest size that reaches a power is looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.designs import Design, Observed
from rise_bench.stats.estimate import Floats, Indices

__all__ = ["PairedTest", "Power", "Trial", "drawn_seed", "smallest"]

PairedTest = Callable[[Floats, Indices], Floats]
"""(differences: draws x tasks, group number of each task) -> a two-sided p of each draw."""


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
class Trial:
    """How power is simulated: everything but the comparison itself. `power` is the one that is looked for."""

    power: float
    alpha: float
    test: PairedTest
    draws: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse levels that cannot be, and too few draws."""
        if not 0.0 < self.alpha < self.power < 1.0:
            found = f"alpha {self.alpha:g} and power {self.power:g}: needed is 0 < alpha < power < 1"
            raise InputError(found, where="power")
        if self.draws < 100:
            raise InputError(f"{self.draws} draws say nothing", where="draws", remedy="give at least 100, better 2000")

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


def drawn_seed(rng: np.random.Generator | int) -> int:
    """A seed from a generator or a seed: every trial uses the same random numbers."""
    return int(np.random.default_rng(rng).integers(2**32))


def smallest(
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
