"""A run or a measured baseline as a comparison looks at it: arrays over tasks and attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rise_bench.baselines import MeasuredBaseline, Score
from rise_bench.compare.frame import Frame, SideTask
from rise_bench.errors import InputError
from rise_bench.report import FAULT_LIMIT
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Conditions, LabelName, RunSpec, Scored

__all__ = [
    "SCORES",
    "Side",
    "side_of_baseline",
    "side_of_run",
    "sides_of_baselines",
    "sides_of_runs",
    "told_apart",
]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

SCORES: tuple[Score, ...] = ("acc_intent", "acc_task")
"""What is compared, the claim first, then its gate."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the compared: a run, or a measured baseline. Arrays are tasks x attempts, tasks in the suite's order.

    A verdict is in [0, 1], NaN where there is none: the attempt was not made, faulted, or could not be judged.
    """

    name: str
    """What tables call it: the model, or the baseline."""
    run: str
    """Name of the run's folder, or of the baseline's entry."""
    path: str
    """Where it was read from; the same path twice is the same run twice."""
    spec: RunSpec
    conditions: tuple[Conditions, ...]
    margin: float
    """The suite's non-inferiority margin of Acc_task, as a share."""
    tasks: tuple[SideTask, ...]
    scorers: Mapping[Score, tuple[str, ...]]
    """Versions that its verdicts are of; more than one where they are mixed."""
    acc_task: Floats
    acc_intent: Floats
    made: Booleans
    """Was the attempt made?"""
    faults: Booleans
    """Of a baseline every attempt without a verdict: it does not tell faults from what could not be judged."""
    labels: Mapping[LabelName, Booleans] | None
    """Label -> attempts that carry it; None where nobody kept them (baselines)."""

    def values(self, score: Score) -> Floats:
        """The verdicts of one scorer."""
        return self.acc_task if score == "acc_task" else self.acc_intent

    @property
    def attempts(self) -> int:
        """Attempts that were asked for per task."""
        return self.spec.attempts

    @property
    def not_ranked(self) -> str:
        """Why no claim is made about this side (DESIGN 4.2); empty = claims are made."""
        share = float(self.faults.sum() / self.made.sum())
        return (
            f"{self.name} has {100 * share:.1f} % faults (limit {100 * FAULT_LIMIT:.0f} %)"
            if share > FAULT_LIMIT
            else ""
        )


def side_of_run(run: Run, loaded: LoadedSuite | None = None) -> Side:
    """A run as one side.

    Args:
        run: an existing run; it may be unfinished.
        loaded: the suite that it was made on; None = the one that its spec names.

    Raises:
        InputError: another suite, a broken file, an attempt at another task or beyond those asked for, or no attempt.
    """
    return _side_of_run(run, Frame.of(loaded or load_suite(run.spec().suite)))


def _side_of_run(run: Run, frame: Frame) -> Side:
    spec = run.spec()
    frame.refuse_other(spec, str(run.path))
    filled = _Filling.of(len(frame.tasks), spec.attempts)
    place = {task.id: number for number, task in enumerate(frame.tasks)}
    for row in run.scored():
        if row.task not in place or row.attempt >= spec.attempts:
            what = f"attempt {row.attempt} at {row.task!r} is not one of {len(place)} tasks x {spec.attempts}"
            raise InputError(what, where=str(run.path), remedy="use the suite that the run was made on")
        filled.add(place[row.task], row)
    if not filled.made.any():
        raise InputError("holds no scored attempt", where=str(run.path), remedy="run it, or `rise-bench score` it")
    return Side(
        name=spec.model,
        run=run.path.name,
        path=str(run.path.resolve()),
        spec=spec,
        conditions=run.conditions(),
        margin=frame.margin,
        tasks=frame.tasks,
        scorers={score: tuple(sorted(filled.versions[score])) for score in SCORES},
        acc_task=filled.values["acc_task"],
        acc_intent=filled.values["acc_intent"],
        made=filled.made,
        faults=filled.faults,
        labels=filled.labels,
    )


def side_of_baseline(measured: MeasuredBaseline, loaded: LoadedSuite) -> Side:
    """A measured baseline as one side; its labels are not known.

    Raises:
        InputError: it was measured on another suite or version.
    """
    return sides_of_baselines([measured], loaded)[0]


def sides_of_baselines(entries: Iterable[MeasuredBaseline], loaded: LoadedSuite) -> tuple[Side, ...]:
    """As `side_of_baseline`, for several of one suite."""
    frame = Frame.of(loaded)
    return tuple(_side_of_baseline(measured, frame) for measured in entries)


def _side_of_baseline(measured: MeasuredBaseline, frame: Frame) -> Side:
    frame.refuse_other(measured.spec, f"baseline {measured.name}")
    values: dict[Score, Floats] = {
        score: np.array(measured.values(score), dtype=np.float64).T.copy() for score in SCORES
    }
    made = np.array(measured.made(), dtype=np.bool_).T.copy()
    return Side(
        name=measured.name,
        run=measured.name,
        path=f"baseline:{measured.name}",
        spec=measured.spec,
        conditions=measured.conditions,
        margin=frame.margin,
        tasks=frame.tasks,
        scorers={score: (measured.scorers[score],) for score in SCORES},
        acc_task=values["acc_task"],
        acc_intent=values["acc_intent"],
        made=made,
        faults=made & np.isnan(values["acc_task"]),
        labels=None,
    )


def sides_of_runs(paths: Iterable[Path], suites: Sequence[str] = ()) -> tuple[Side, ...]:
    """The sides of several runs, told apart by name; every suite is read once.

    Args:
        paths: run folders.
        suites: folders (or names) of suites that the runs may have been made on; a run whose suite is not among them is
            looked up among the shipped ones.

    Raises:
        InputError: no run there, or its suite is not found.
    """
    given = [Frame.of(load_suite(name)) for name in suites]
    known = {frame.digest: frame for frame in given}
    sides = []
    for path in paths:
        run = Run.open(path)
        spec = run.spec()
        if spec.suite_digest not in known:
            frame = given[0] if given else Frame.of(load_suite(spec.suite))
            frame.refuse_other(spec, str(path))
            known[spec.suite_digest] = frame
        sides.append(_side_of_run(run, known[spec.suite_digest]))
    return told_apart(sides)


def told_apart(sides: Sequence[Side]) -> tuple[Side, ...]:
    """The same sides; those of one name (such as one model with two prompts) carry their run's name, too."""
    names = [side.name for side in sides]
    return tuple(
        replace(side, name=f"{side.name} ({side.run})") if names.count(side.name) > 1 else side for side in sides
    )


@dataclass(frozen=True, slots=True)
class _Filling:
    """The arrays of a run while its rows are read."""

    values: dict[Score, Floats]
    made: Booleans
    faults: Booleans
    labels: dict[LabelName, Booleans]
    versions: dict[Score, set[str]]

    @classmethod
    def of(cls, tasks: int, attempts: int) -> _Filling:
        shape = (tasks, attempts)
        values: dict[Score, Floats] = {score: np.full(shape, np.nan) for score in SCORES}
        return cls(values, np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), {}, {score: set() for score in SCORES})

    def add(self, place: int, row: Scored) -> None:
        at = (place, row.attempt)
        self.made[at] = True
        self.faults[at] = bool(row.fault)
        for score in SCORES:
            verdict = row.acc_task if score == "acc_task" else row.acc_intent
            self.versions[score].add(verdict.version)
            self.values[score][at] = np.nan if verdict.value is None or row.fault else verdict.value
            for label in verdict.labels:
                self.labels.setdefault(label.name, np.zeros(self.made.shape, np.bool_))[at] = True
