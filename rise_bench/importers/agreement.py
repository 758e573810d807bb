"""Our verdicts against another benchmark's, attempt by attempt: agreement, kappa, confusion, and each difference.

Attempts without an official verdict, and those that our scorer cannot judge, are counted apart and compared with
nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rise_bench.importers.difference import Difference, difference
from rise_bench.importers.imported import Attempt, Imported
from rise_bench.score import score
from rise_bench.stats import kappa, mean_interval, pass_hat_k
from rise_bench.types import Judge, Record, Task, Verdict

__all__ = ["Agreement", "Difference", "Interval", "ModelScores", "Study", "study"]


class Interval(Record):
    """A point estimate with its 95 % interval; None where none can be given."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Agreement(Record):
    """Our Acc_intent against the official verdict over one model's attempts of one group."""

    model: str
    group: str
    """`calls` (items with reference calls), `no_call`, or `category:<name>`."""
    n: int
    agreed: int
    agreement: Interval
    kappa: Interval
    both_pass: int
    both_fail: int
    only_ours: int
    """We pass, they fail."""
    only_theirs: int
    """They pass, we fail."""


class ModelScores(Record):
    """One model's means over all its imported attempts, and pass^k where tasks have several attempts."""

    model: str
    attempts: int
    scored: int
    acc_task: float | None
    acc_intent: float | None
    official: float | None
    official_on: int
    """Attempts with an official verdict."""
    pass_k_ours: tuple[float | None, ...] = ()
    """pass^1, pass^2, ... by Acc_intent, up to the attempts that every task has."""
    pass_k_official: tuple[float | None, ...] = ()


class Study(Record):
    """All figures of one import: scores, agreements, and the attempts on which the verdicts differ."""

    source: str
    tasks: int
    notes: tuple[str, ...]
    scores: tuple[ModelScores, ...]
    agreements: tuple[Agreement, ...]
    classes: dict[str, int]
    """Class of difference -> attempts."""
    differences: tuple[Difference, ...]
    unscored: tuple[str, ...]
    """`model task attempt: reason` of attempts that cannot be judged."""


@dataclass(frozen=True, slots=True)
class _Scored:
    attempt: Attempt
    task: Task
    completion: Verdict
    intent: Verdict


def study(imported: Imported, judge: Judge | None = None) -> Study:
    """Every attempt scored by both scorers, and compared with the official verdicts where there are some."""
    rows: list[_Scored] = []
    for attempt in imported:
        task = imported.tasks[attempt.trajectory.task]
        completion, intent = score(task, attempt.trajectory, imported.ground, judge)
        rows.append(_Scored(attempt, task, completion, intent))
    judged = [row for row in rows if row.attempt.official is not None and row.intent.value is not None]
    found = [
        difference(row.attempt, row.task, row.completion, row.intent)
        for row in judged
        if row.attempt.official != bool(row.intent.value)
    ]
    return Study(
        source=imported.name,
        tasks=len(imported.tasks),
        notes=(*imported.notes, *_gaps(imported, rows)),
        scores=tuple(_scores(model, [row for row in rows if row.attempt.model == model]) for model in imported.models),
        agreements=tuple(_agreements(judged, imported.models)),
        classes=dict(Counter(item.kind for item in found).most_common()),
        differences=tuple(found),
        unscored=tuple(
            f"{row.attempt.model} {row.task.id} {row.attempt.trajectory.attempt}: {row.intent.reason}"
            for row in rows
            if row.intent.value is None
        ),
    )


def _gaps(imported: Imported, rows: Sequence[_Scored]) -> Iterator[str]:
    """A line for each model whose outputs lack tasks: its means are over fewer items than the others'."""
    for model in imported.models:
        missing = len(imported.tasks) - len({row.task.id for row in rows if row.attempt.model == model})
        if missing:
            yield f"{model}: no attempt at {missing} of {len(imported.tasks)} tasks; its means are over the rest"


def _agreements(rows: Sequence[_Scored], models: Iterable[str]) -> list[Agreement]:
    groups: dict[tuple[str, str], list[_Scored]] = defaultdict(list)
    for row in rows:
        kind = "no_call" if row.task.kind == "no_call" else "calls"
        groups[row.attempt.model, kind].append(row)
        for tag in row.task.tags:
            groups[row.attempt.model, f"category:{tag}"].append(row)
    order = {model: i for i, model in enumerate(models)}
    keys = sorted(groups, key=lambda key: (key[1].startswith("category:"), key[1], order[key[0]]))
    return [_agreement(model, group, groups[model, group]) for model, group in keys]


def _agreement(model: str, group: str, rows: Sequence[_Scored]) -> Agreement:
    table = Counter((bool(row.intent.value), bool(row.attempt.official)) for row in rows)
    clusters = [row.task.cluster for row in rows]
    agreed = [float(bool(row.intent.value) == row.attempt.official) for row in rows]
    share = mean_interval(agreed, clusters)
    same = kappa([bool(row.intent.value) for row in rows], [row.attempt.official for row in rows], clusters)
    return Agreement(
        model=model,
        group=group,
        n=len(rows),
        agreed=int(sum(agreed)),
        agreement=Interval(value=share.value, low=share.low, high=share.high),
        kappa=Interval(value=same.value, low=same.low, high=same.high),
        both_pass=table[True, True],
        both_fail=table[False, False],
        only_ours=table[True, False],
        only_theirs=table[False, True],
    )


def _scores(model: str, rows: Sequence[_Scored]) -> ModelScores:
    official = [row.attempt.official for row in rows if row.attempt.official is not None]
    return ModelScores(
        model=model,
        attempts=len(rows),
        scored=sum(row.intent.value is not None for row in rows),
        acc_task=_mean([row.completion.value for row in rows]),
        acc_intent=_mean([row.intent.value for row in rows]),
        official=_mean([float(value) for value in official]),
        official_on=len(official),
        pass_k_ours=_pass_k([(row.task.id, row.intent.value) for row in rows]),
        pass_k_official=_pass_k([(r.task.id, None if (o := r.attempt.official) is None else float(o)) for r in rows]),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _pass_k(verdicts: Iterable[tuple[str, float | None]]) -> tuple[float | None, ...]:
    """pass^1 ... pass^m, m = the least number of judged attempts of a task; empty where that is below two."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for task, value in verdicts:
        if value is not None:
            by_task[task].append(value)
    least = min((len(values) for values in by_task.values()), default=0)
    if least < 2:
        return ()
    won, tried = [sum(values) for values in by_task.values()], [len(values) for values in by_task.values()]
    return tuple(pass_hat_k(won, tried, k).value for k in range(1, least + 1))
