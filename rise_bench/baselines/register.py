"""From a finished run to the measured entry that keeps its verdicts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from rise_bench.baselines.records import NAME, Baseline, MeasuredBaseline, RunnableBaseline, Score, TrivialBaseline
from rise_bench.baselines.registry import Registry, first_fault
from rise_bench.baselines.verdicts import verdict_lines
from rise_bench.errors import InputError
from rise_bench.model.load import identity_args
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite
from rise_bench.types import RunSpec, Scored

__all__ = ["entry_of", "measured_of", "scorer_versions"]


def measured_of(
    run: Run,
    loaded: LoadedSuite,
    *,
    name: str,
    of: str = "",
    title: str = "",
    by: str = "",
    notes: Sequence[str] = (),
    incomplete: bool = False,
    most_faults: float = 0.0,
) -> MeasuredBaseline:
    """The entry of a run: its spec and conditions, and every verdict in the order of the suite's tasks.

    Args:
        run: the run; read, never changed.
        loaded: the suite that it was made on.
        name: of the entry.
        of: name of the trivial or runnable entry that was run (`entry_of`); empty = registered nowhere.
        title: what it is, in a few words; empty = model, suite and ground.
        by: who ran it, and on what.
        notes: said beside it.
        incomplete: take it though attempts were not made (`--limit`, an end before the end).
        most_faults: share of the attempts that may be faults, in [0, 1].

    Raises:
        InputError: the run is an imported log, not finished, not scored, scored by several versions, has more faults, or
            was made on another suite; or the name is none.
    """
    if not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} is no name", where="--name", remedy="small letters, digits, . _ - ; 80 at most")
    spec, rows = run.spec(), list(run.scored())
    _refuse_log(run)
    _refuse_unscored(run)
    _refuse_unfinished(run, rows, len(loaded.tasks) * spec.attempts, incomplete)
    _refuse_faults(run, rows, most_faults)
    done, meant = verdict_lines(rows, list(loaded.tasks), spec.attempts)
    ended = dt.datetime.fromtimestamp(run.trajectories_file.stat().st_mtime, dt.UTC)
    try:
        return MeasuredBaseline(
            name=name,
            title=title or f"{spec.model} on {spec.suite} {spec.suite_version}, {spec.mode}",
            of=of,
            run=spec.digest(),
            results=run.results_digest(),
            spec=spec,
            conditions=run.conditions(),
            date=ended.date(),
            scorers=scorer_versions(rows, run),
            tasks=len(loaded.tasks),
            acc_task=done,
            acc_intent=meant,
            by=by,
            notes=tuple(notes),
        )
    except ValidationError as error:
        raise InputError(first_fault(error), where=str(run.path), remedy="see schemas/MeasuredBaseline.json") from None


def scorer_versions(rows: Iterable[Scored], run: Run) -> dict[Score, str]:
    """Score to the version of its scorer.

    Raises:
        InputError: no verdicts, or verdicts of several versions.
    """
    found: dict[Score, set[str]] = {"acc_task": set(), "acc_intent": set()}
    for row in rows:
        found["acc_task"].add(row.acc_task.version)
        found["acc_intent"].add(row.acc_intent.version)
    for score, versions in found.items():
        if len(versions) != 1:
            what = f"{score} was judged by {', '.join(sorted(versions)) or 'no scorer'}; one version is needed"
            raise InputError(what, where=str(run.path), remedy="rise-bench score judges all of a run again")
    return {score: next(iter(versions)) for score, versions in found.items()}


def entry_of(registry: Registry, spec: RunSpec, name: str = "") -> str:
    """Name of the trivial or runnable entry that a run is of; empty where none is.

    Args:
        registry: where to look.
        spec: the run's.
        name: the entry that is said to have been run; empty = the one whose model line the run has.

    Raises:
        InputError: no such entry, or the run is not of it.
    """
    if not name:
        fitting = [entry.name for entry in registry.entries.values() if _has_line(entry, spec)]
        return fitting[0] if len(fitting) == 1 else ""
    entry = registry.find(name)
    if not isinstance(entry, TrivialBaseline | RunnableBaseline):
        raise InputError(f"is a {entry.kind} baseline", where=name, remedy="name a trivial or a runnable one")
    if not (_has_line(entry, spec) or (isinstance(entry, RunnableBaseline) and _target(spec.model) == entry.hf)):
        wanted = entry.model if isinstance(entry, TrivialBaseline) else entry.hf
        what = f"the run is of {spec.model}, not of {wanted}"
        raise InputError(what, where=name, remedy="leave it out: an entry may be of nothing that is registered")
    return name


def _has_line(entry: Baseline, spec: RunSpec) -> bool:
    if isinstance(entry, TrivialBaseline):
        return spec.model == entry.model and not spec.model_args
    if not isinstance(entry, RunnableBaseline):
        return False
    return (spec.model, spec.model_args) == (entry.model, identity_args(entry.model_args))


def _target(model: str) -> str:
    return model.partition(":")[2]


def _refuse_log(run: Run) -> None:
    if run.spec().mode == "log":
        remedy = "register a run of `rise-bench eval`"
        raise InputError("is an imported log: nobody here ran it", where=str(run.path), remedy=remedy)
    if not run.conditions():
        remedy = "run it again with --fresh"
        raise InputError("does not say under what it was made (conditions.jsonl)", where=str(run.path), remedy=remedy)


def _refuse_unscored(run: Run) -> None:
    if unscored := len(run.unscored()):
        what = f"{unscored} attempts have no verdicts of their own"
        raise InputError(what, where=str(run.path), remedy="rise-bench score judges all of a run again")


def _refuse_unfinished(run: Run, rows: Sequence[Scored], wanted: int, incomplete: bool) -> None:
    if not rows or (len(rows) < wanted and not incomplete):
        remedy = "the same `rise-bench eval` without --limit goes on"
        remedy += "; --incomplete takes what is there" if rows else ""
        raise InputError(f"{len(rows)} of {wanted} attempts were made", where=str(run.path), remedy=remedy)


def _refuse_faults(run: Run, rows: Sequence[Scored], most: float) -> None:
    faults = sum(bool(row.fault) for row in rows)
    if faults / len(rows) > most:
        what = f"{faults} of {len(rows)} attempts are faults; the limit is {100 * most:g} %"
        remedy = "`rise-bench eval ... --retry-faults` makes them again; --faulty takes them as they are"
        raise InputError(what, where=str(run.path), remedy=remedy)
