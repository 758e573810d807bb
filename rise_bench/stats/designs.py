"""How paired differences arise: from a paired table with clusters, or as a pilot drawn again."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rise_bench.errors import InputError
from rise_bench.stats.cr2 import cr2_moments
from rise_bench.stats.estimate import Floats, Indices, cluster_index, finite_vector

__all__ = ["Design", "Growth", "Observed", "observed_differences"]

Growth = Literal["clusters", "tasks"]
"""How a comparison grows: more clusters of the sizes it has, or more tasks in each cluster that it has."""

_CHUNK = 4_000_000
"""Numbers held at once: 32 MB of each kind."""


@dataclass(frozen=True, slots=True)
class Design:
    """A comparison of two systems on the same tasks, by its paired table.

    An attempt's difference is +1 with probability (discordance + d) / 2, -1 with (discordance - d) / 2, else 0, where d is
    the true mean difference. Tasks of one cluster, and attempts at one task, copy a shared draw so often that their
    differences have exactly the correlations given here.

    Args:
        sizes: tasks in each cluster; `(1,) * n` = independent tasks.
        discordance: share of pairs of attempts in which just one of the two systems succeeds, (b + c) / n, in (0, 1].
        icc: correlation of the differences (mean over the attempts) of two tasks in one cluster, in [0, 1].
        attempts: attempts at each task by each system.
        repeat: correlation of the differences of two attempts at one task, in [0, 1]; 1 = repeating teaches nothing.

    Raises:
        InputError: shares outside their range, no tasks, or an icc that attempts so different do not allow.
    """

    sizes: tuple[int, ...]
    discordance: float
    icc: float = 0.0
    attempts: int = 1
    repeat: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.sizes or min(self.sizes) < 1:
            raise InputError("a cluster without tasks, or no clusters", where="sizes")
        if not 0.0 < self.discordance <= 1.0:
            raise InputError(f"{self.discordance:g} is not above 0 and at most 1", where="discordance")
        if self.attempts < 1:
            raise InputError(f"{self.attempts}, the least is 1", where="attempts")
        if not 0.0 <= self.icc <= 1.0 or not 0.0 <= self.repeat <= 1.0:
            raise InputError(f"icc {self.icc:g} or repeat {self.repeat:g} is not in [0, 1]", where="icc")
        if self._shared > 1.0:
            raise InputError(
                f"tasks cannot correlate by {self.icc:g} while attempts at one task do by {self.repeat:g}",
                where="icc",
                remedy="give a larger repeat or a smaller icc",
            )

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return sum(self.sizes)

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.sizes)

    @property
    def largest(self) -> float:
        """The largest mean difference there can be: all discordant pairs go one way."""
        return self.discordance

    def resized(self, tasks: int, more: Growth) -> Design:
        """The same kind of comparison with about this many tasks (exactly as many where `more` is "clusters")."""
        if more == "tasks":
            factor = tasks / self.tasks
            return replace(self, sizes=tuple(max(1, round(size * factor)) for size in self.sizes))
        rounds, rest = divmod(max(tasks, 1), self.tasks)
        sizes = list(self.sizes * rounds)
        for size in self.sizes:
            if rest > 0:
                sizes.append(min(size, rest))
            rest -= size
        return replace(self, sizes=tuple(sizes))

    def standard_error(self, difference: float) -> float:
        """Of the mean difference: Kish's design effect for clusters, Miettinen's variance for the pairs (1968)."""
        sizes = np.array(self.sizes, dtype=np.float64)
        effect = 1.0 + (float((sizes**2).sum() / sizes.sum()) - 1.0) * self.icc
        return float(((self.discordance - difference**2) * self._kept * effect / self.tasks) ** 0.5)

    def draw(self, difference: float, draws: int, seed: int) -> Iterator[tuple[Floats, Indices]]:
        """(differences: some draws x tasks, group of each task), `draws` in all.

        The same seed uses the same random numbers at every difference, so that power hardly falls as it grows.
        """
        index = np.repeat(np.arange(self.clusters), self.sizes)
        step = max(1, _CHUNK // (self.tasks * self.attempts))
        above, below = (self.discordance + difference) / 2, (self.discordance - difference) / 2
        for start in range(0, draws, step):
            u = self._uniform(index, min(step, draws - start), np.random.default_rng([seed, start]))
            signs = (u < above).astype(np.float64) - (u > 1.0 - below)
            yield signs.mean(axis=2), index

    def _uniform(self, index: Indices, draws: int, rng: np.random.Generator) -> Floats:
        """Uniform numbers, draws x tasks x attempts, copied from task and cluster so often that they correlate as asked."""
        own = rng.random((draws, self.tasks))
        if self.icc > 0:
            copied = rng.random(own.shape) < self._shared**0.5
            own = np.where(copied, rng.random((draws, self.clusters))[:, index], own)
        if self.attempts == 1:
            return own[:, :, None]
        each = rng.random((*own.shape, self.attempts))
        same: Floats = np.where(rng.random(each.shape) < self.repeat**0.5, own[:, :, None], each)
        return same

    @property
    def _kept(self) -> float:
        """Variance of a task's mean over its attempts, in parts of that of one attempt."""
        return 1.0 if self.attempts == 1 else self.repeat + (1.0 - self.repeat) / self.attempts

    @property
    def _shared(self) -> float:
        """Correlation of what the tasks of a cluster share, before attempts add their own noise."""
        if self.attempts == 1 or self.icc == 0:
            return self.icc
        return self.icc * self._kept / self.repeat if self.repeat > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Observed:
    """Differences of a pilot, centred, by cluster; `clusters` of them are drawn with replacement for each comparison.

    Made by `observed_differences`.
    """

    groups: tuple[Floats, ...]
    clusters: int
    discordance: float
    error: float
    """CR2 standard error of the pilot's own mean difference."""

    @property
    def tasks(self) -> int:
        """Number of tasks, on average over the draws."""
        return round(self.clusters * sum(group.size for group in self.groups) / len(self.groups))

    @property
    def largest(self) -> float:
        """The largest mean difference there can be."""
        return 1.0

    def resized(self, tasks: int, more: Growth) -> Observed:
        """The same kind of comparison with about this many tasks.

        Raises:
            InputError: clusters of a pilot cannot be made larger.
        """
        if more == "tasks":
            raise InputError(
                "a pilot says nothing about larger clusters", where="more", remedy='use "clusters", or a Design'
            )
        size = sum(group.size for group in self.groups) / len(self.groups)
        return replace(self, clusters=max(2, round(tasks / size)))

    def standard_error(self, difference: float) -> float:
        """Of the mean difference: that of the pilot, brought to this number of clusters. The same at every difference."""
        del difference
        return float(self.error * (len(self.groups) / self.clusters) ** 0.5)

    def draw(self, difference: float, draws: int, seed: int) -> Iterator[tuple[Floats, Indices]]:
        """(differences: some draws x tasks, group of each task), `draws` in all; the same clusters at every difference."""
        rng = np.random.default_rng(seed)
        sizes = np.array([group.size for group in self.groups])
        if (sizes == sizes[0]).all():
            values = np.stack(self.groups) + difference
            index = np.repeat(np.arange(self.clusters), sizes[0])
            step = max(1, _CHUNK // index.size)
            for start in range(0, draws, step):
                chosen = rng.integers(len(sizes), size=(min(step, draws - start), self.clusters))
                yield values[chosen].reshape(len(chosen), -1), index
            return
        for _ in range(draws):
            chosen = rng.integers(len(sizes), size=self.clusters)
            row = np.concatenate([self.groups[one] for one in chosen]) + difference
            yield row[None], np.repeat(np.arange(self.clusters), sizes[chosen])


def observed_differences(differences: ArrayLike, clusters: Sequence[Hashable] | None = None) -> Observed:
    """Paired differences of a pilot as a source to simulate from; their own mean is taken out.

    Args:
        differences: per task, mean over its attempts of (one system - the other), in [-1, 1].
        clusters: label of each task's cluster; None = independent tasks.

    Raises:
        InputError: differences that are not finite numbers in [-1, 1] or show no spread, or fewer than two clusters.
    """
    vector = finite_vector(differences, "differences")
    if vector.size and np.abs(vector).max() > 1:
        raise InputError("a difference of two success rates is in [-1, 1]", where="differences")
    index, groups = cluster_index(clusters, vector.size)
    variance = float(cr2_moments(vector[None], index, groups)[1][0]) if groups > 1 else 0.0
    if variance <= 1e-24:
        raise InputError(
            f"{groups} clusters that do not differ: nothing to draw from",
            where="differences",
            remedy="give a Design with an assumed discordance",
        )
    centred = vector - vector.mean()
    parts = tuple(centred[index == group] for group in range(groups))
    return Observed(parts, groups, float(np.abs(vector).mean()), variance**0.5)
