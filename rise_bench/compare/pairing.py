"""Two sides on what they share: the same tasks, the same attempts, the same scorers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rise_bench.baselines import Score
from rise_bench.compare.frame import SideTask
from rise_bench.compare.records import Unshared
from rise_bench.compare.sides import SCORES, Booleans, Floats, Side
from rise_bench.errors import InputError
from rise_bench.types import LabelName

__all__ = ["Shared", "refuse_unlike", "shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """The shared tasks of two sides. Arrays are tasks x attempts; NaN where one of the two has no verdict or no attempt.

    Only tasks with at least one attempt that both made and were judged in are here.
    """

    first: Side
    second: Side
    tasks: tuple[SideTask, ...]
    values: dict[Score, tuple[Floats, Floats]]
    zeroed: dict[Score, tuple[Floats, Floats]]
    """With 0 for every attempt that both made and one of them has no verdict of; over all tasks that both attempted."""
    zeroed_clusters: tuple[str, ...]
    missing: int
    """Attempts that both made and that one of them has no verdict of."""
    labels: dict[LabelName, tuple[Floats, Floats]] | None
    unshared: Unshared

    @property
    def clusters(self) -> tuple[str, ...]:
        """Cluster of each task."""
        return tuple(task.cluster for task in self.tasks)


def refuse_unlike(sides: Sequence[Side], *, common: bool) -> None:
    """Check that the sides can be compared at all.

    Raises:
        InputError: fewer than two, one twice, different ground modes, scorers or (without `common`) suites, verdicts that
            are no shares.
    """
    if len(sides) < 2:
        raise InputError(f"{len(sides)} side(s): nothing to compare", remedy="name at least two runs")
    head = sides[0]
    for number, side in enumerate(sides):
        if any(side.path == other.path for other in sides[:number]):
            raise InputError("is there twice", where=side.run, remedy="name each run once")
        if any(side.name == other.name for other in sides[:number]):
            raise InputError("two sides have this name", where=side.name, remedy="tell them apart (`told_apart`)")
        _refuse_values(side)
        _refuse_mode(head, side)
        if not common:
            _refuse_suite(head, side)
            _refuse_scorers(head, side)


def _refuse_values(side: Side) -> None:
    shape = (len(side.tasks), side.attempts)
    for score in SCORES:
        values = side.values(score)
        if values.shape != shape:
            raise InputError(f"{score} has shape {values.shape}, not {shape}", where=side.run)
        seen = values[~np.isnan(values)]
        if seen.size and not ((seen >= 0) & (seen <= 1)).all():
            wrong = seen[~((seen >= 0) & (seen <= 1))][0]
            raise InputError(f"{score} holds {wrong}", where=side.run, remedy="verdicts are in [0, 1], NaN for none")
        if len(side.scorers[score]) > 1:
            mixed = ", ".join(side.scorers[score])
            what = f"holds verdicts of several versions of {score} ({mixed})"
            raise InputError(what, where=side.run, remedy=f"rise-bench score {side.run}")


def _refuse_mode(head: Side, side: Side) -> None:
    if side.spec.mode != head.spec.mode:
        what = (
            f"ground mode {side.spec.mode}, {head.run} has {head.spec.mode}: their verdicts rest on different evidence"
        )
        raise InputError(what, where=side.run, remedy="compare runs of one ground mode")


def _refuse_suite(head: Side, side: Side) -> None:
    here, there = side.spec, head.spec
    if here.suite_digest != there.suite_digest:
        what = (
            f"suite {here.suite} {here.suite_version} ({here.suite_digest[:12]}), "
            f"{head.run} has {there.suite} {there.suite_version} ({there.suite_digest[:12]})"
        )
        raise InputError(what, where=side.run, remedy="--common compares the tasks that are the same in both")


def _refuse_scorers(head: Side, side: Side) -> None:
    for score in SCORES:
        if side.scorers[score] != head.scorers[score]:
            what = f"{score} {_version(side, score)}, {head.run} has {_version(head, score)}"
            remedy = "score both again with `rise-bench score`, or compare the scores of one version with --common"
            raise InputError(what, where=side.run, remedy=remedy)


def _version(side: Side, score: Score) -> str:
    return f"version {', '.join(side.scorers[score]) or '-'}"


def shared(first: Side, second: Side, scores: Sequence[Score] = SCORES) -> Shared:
    """Two sides on what they share; an attempt counts where both were judged in it, by every scorer that they share.

    Raises:
        InputError: they share no scorer, no task, or no judged attempt.
    """
    where = f"{first.name}, {second.name}"
    alike = [score for score in scores if first.scorers[score] == second.scorers[score]]
    if not alike:
        raise InputError("share no scorer version", where=where, remedy="score both again with `rise-bench score`")
    here, there = _positions(first, second)
    if not here.size:
        raise InputError("share no task", where=where, remedy="compare runs on one suite")
    width = min(first.attempts, second.attempts)
    made_a, made_b = first.made[here, :width], second.made[there, :width]
    both: Booleans = made_a & made_b
    judged_a, judged_b = _judged(first, alike)[here, :width], _judged(second, alike)[there, :width]
    used: Booleans = both & judged_a & judged_b
    rows: Booleans = np.any(used, axis=1)
    any_rows: Booleans = np.any(both, axis=1)
    if not rows.any():
        raise InputError("share no judged attempt", where=where, remedy="see their faults with `rise-bench report`")
    pairs = {score: (first.values(score)[here, :width], second.values(score)[there, :width]) for score in alike}
    kept = [first.tasks[position] for position in here]
    return Shared(
        first=first,
        second=second,
        tasks=tuple(task for task, keep in zip(kept, rows, strict=True) if keep),
        values={s: (_where(used, a)[rows], _where(used, b)[rows]) for s, (a, b) in pairs.items()},
        zeroed={s: (_zeroed(both, a)[any_rows], _zeroed(both, b)[any_rows]) for s, (a, b) in pairs.items()},
        zeroed_clusters=tuple(task.cluster for task, keep in zip(kept, any_rows, strict=True) if keep),
        missing=int((both & ~used).sum()),
        labels=_labels(first, second, here[rows], there[rows], used[rows]),
        unshared=Unshared(
            tasks_first=int(first.made.any(axis=1).sum() - any_rows.sum()),
            tasks_second=int(second.made.any(axis=1).sum() - any_rows.sum()),
            attempts_first=int(first.made[here][any_rows].sum() - both.sum()),
            attempts_second=int(second.made[there][any_rows].sum() - both.sum()),
            none_first=int((both & ~judged_a).sum()),
            none_second=int((both & ~judged_b).sum()),
            scores=tuple(
                f"{score}: {_version(first, score)} against {_version(second, score)}"
                for score in scores
                if score not in alike
            ),
        ),
    )


def _positions(first: Side, second: Side) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the tasks that both suites have stand in the first, and in the second."""
    if first.spec.suite_digest == second.spec.suite_digest:
        everything = np.arange(len(first.tasks))
        return everything, everything
    place = {task.id: number for number, task in enumerate(second.tasks)}
    found = [
        (number, place[task.id])
        for number, task in enumerate(first.tasks)
        if task.id in place and task.digest == second.tasks[place[task.id]].digest
    ]
    positions = np.array(found, dtype=np.intp).reshape(-1, 2)
    return positions[:, 0], positions[:, 1]


def _judged(side: Side, scores: Sequence[Score]) -> Booleans:
    found: Booleans = np.logical_and.reduce([~np.isnan(side.values(score)) for score in scores])
    return found


def _where(used: Booleans, values: Floats) -> Floats:
    return np.where(used, values, np.nan)


def _zeroed(both: Booleans, values: Floats) -> Floats:
    return np.where(both, np.nan_to_num(values, nan=0.0), np.nan)


def _labels(
    first: Side, second: Side, here: NDArray[np.intp], there: NDArray[np.intp], used: Booleans
) -> dict[LabelName, tuple[Floats, Floats]] | None:
    """Label -> (is it there in the first, in the second), NaN where the attempt is not compared."""
    if first.labels is None or second.labels is None:
        return None
    found: dict[LabelName, tuple[Floats, Floats]] = {}
    for name in sorted(first.labels.keys() | second.labels.keys()):
        a, b = (
            _where(used, side.labels[name][at, : used.shape[1]].astype(np.float64))
            if side.labels is not None and name in side.labels
            else _where(used, np.zeros(used.shape))
            for side, at in ((first, here), (second, there))
        )
        found[name] = (a, b)
    return found
