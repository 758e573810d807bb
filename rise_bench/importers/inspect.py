"""Inspect logs as records: those exported from our runs as they were, those of any other agent eval as logged chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from inspect_ai.event import ModelEvent
from inspect_ai.log import (
    EvalLog,
    EvalSample,
    read_eval_log,
    read_eval_log_sample_summaries,
    read_eval_log_samples_by_id,
)
from pydantic import ValidationError

from rise_bench.errors import InputError
from rise_bench.importers.chat import import_rows
from rise_bench.importers.imported import Attempt, Imported
from rise_bench.importers.inspect_messages import FORMAT, KEY, chat_rows, from_inspect
from rise_bench.refs import strict_json
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import RunSpec, Stop, Trajectory

__all__ = ["import_inspect"]

_CHUNK = 16
"""Samples of an `.eval` file that are in memory at once."""

_LIMITS: dict[str, Stop] = {
    "context": "context_overflow",
    "time": "timeout",
    "working": "timeout",
    "token": "max_tokens",
    "cost": "max_tokens",
    "message": "max_turns",
    "turn": "max_turns",
    "custom": "max_turns",
}
_STOP_REASONS: dict[str, Stop] = {
    "max_tokens": "output_limit",
    "model_length": "context_overflow",
    "content_filter": "content_filter",
}
_OFFICIAL = {"C": True, "I": False, "1": True, "0": False}
_TOLD = ("request", "now", "reference", "intent", "answer")
"""What a sample's metadata may say of its task under `rise_bench`, as a line of `import openai-chat` would."""


def import_inspect(path: str | Path, suite: str = "") -> Imported:
    """Tasks, ground and trajectories of an `.eval` or JSON log, or of a folder of such logs.

    Of a log that `export inspect` wrote: the suite's tasks and ground, and the attempts as in the run, `official` being
    the log's `acc_intent`. Of any other log: chats as in `import_chat`, one task a sample. Tools are those that its
    model events offer (else those that are called); reference calls come from the metadata (`rise_bench: {reference,
    intent, answer, now}`, or `reference`) or from a target that is JSON of calls; `official` is the log's headline score
    where that is a plain yes or no.

    Args:
        path: the log or folder.
        suite: folder of the exported run's suite, where it is not a shipped one.

    Raises:
        InputError: no log, broken, of another version, or logs of different evals together; names the file.
    """
    root = Path(path)
    files = sorted(f for f in root.rglob("*") if f.suffix in (".eval", ".json")) if root.is_dir() else [root]
    if not files:
        raise InputError(
            "holds no *.eval or *.json", where=str(root), remedy="give a log of Inspect or a folder of them"
        )
    heads = {file: _head(file) for file in files}
    first, head = next(iter(heads.items()))
    for file, other in heads.items():
        if other.eval.task != head.eval.task:
            what = f"is of the eval {other.eval.task!r}, {first.name} of {head.eval.task!r}"
            raise InputError(what, where=str(file), remedy="import logs of different evals one by one")
    marks = {file: (other.eval.metadata or {}).get(KEY) for file, other in heads.items()}
    ours = {file: mark for file, mark in marks.items() if mark is not None}
    missing = tuple(note for file, other in heads.items() for note in _missing(file, other))
    if not ours:
        found = _foreign(f"inspect/{root.stem}", heads)
        return replace(found, notes=(*found.notes, *missing))
    if len(ours) != len(heads):
        what = "is no export of a run, as others in the folder are"
        where = next(str(file) for file in heads if file not in ours)
        raise InputError(what, where=where, remedy="import them one by one")
    found = _exported(f"inspect/{root.stem}", heads, ours, suite)
    return replace(found, notes=(*found.notes, *missing))


# --- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What Inspect's reader raises, as one line."""
    try:
        yield
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise InputError(what, where=str(file), remedy="give a file that can be read") from error
    except (
        Exception
    ) as error:  # a reader of foreign files: whatever escapes says that the file is not what it should be
        first = str(error).strip().splitlines() or [type(error).__name__]
        remedy = "give an .eval or JSON log that Inspect wrote"
        raise InputError(f"is no log of Inspect: {first[0][:200]}", where=str(file), remedy=remedy) from error


def _head(file: Path) -> EvalLog:
    """The log without its samples; a JSON log whole, since Inspect's reader of heads alone takes memory without end on
    text that is nested without end."""
    with _reading(file):
        return read_eval_log(file, header_only=file.suffix == ".eval", resolve_attachments=True)


def _missing(file: Path, head: EvalLog) -> Iterator[str]:
    """A note, where an eval was stopped or broke: attempts that were never made are neither faults nor zeros here."""
    if file.suffix == ".eval":
        with _reading(file):
            held = len(read_eval_log_sample_summaries(file))
    else:
        held = len(head.samples or ())
    planned = len(head.eval.dataset.sample_ids or ()) * (head.eval.config.epochs or 1)
    if head.status != "success" or held < planned:
        yield f"{file.name}: status {head.status!r}, {held} of {planned} attempts are in it; the figures leave out the rest"


def _samples(file: Path, head: EvalLog, without: frozenset[str] = frozenset()) -> Iterator[EvalSample]:
    """The samples of a log, a few in memory at once where the format allows it (`.eval`)."""
    if file.suffix != ".eval":
        yield from head.samples or ()
        return
    with _reading(file):
        keys = [(summary.id, summary.epoch) for summary in read_eval_log_sample_summaries(file)]
    for start in range(0, len(keys), _CHUNK):
        with _reading(file):
            chunk = read_eval_log_samples_by_id(
                file, keys[start : start + _CHUNK], resolve_attachments=True, exclude_fields=set(without)
            )
        yield from chunk


# --- logs that we exported --------------------------------------------------------------------------------------------


def _exported(name: str, heads: Mapping[Path, EvalLog], marks: Mapping[Path, Any], suite: str) -> Imported:
    specs = {file: _spec(mark, file) for file, mark in marks.items()}
    loaded = _suite(specs, suite)
    attempted = {str(task) for head in heads.values() for task in head.eval.dataset.sample_ids or ()}
    return Imported(
        name=name,
        ground=loaded.ground,
        tasks={task.id: task for task in loaded.suite.tasks if task.id in attempted},
        models=tuple(dict.fromkeys(spec.model for spec in specs.values())),
        read=partial(_attempts, heads, specs, set(loaded.tasks)),
        notes=(f"exported from {', '.join(str(mark.get('run')) for mark in marks.values())}",),
    )


def _spec(mark: Any, file: Path) -> RunSpec:
    if not isinstance(mark, dict) or mark.get("format") != FORMAT:
        said = mark.get("format") if isinstance(mark, dict) else mark
        remedy = "import it with the version of rise-bench that wrote it"
        raise InputError(f"was exported as {said!r}, this is {FORMAT!r}", where=str(file), remedy=remedy)
    try:
        return RunSpec.model_validate(mark.get("spec"))
    except ValidationError as error:
        what = f"its run's spec cannot be read: {error.errors()[0]['msg']}"
        raise InputError(what, where=str(file), remedy="export the run again") from error


def _suite(specs: Mapping[Path, RunSpec], suite: str) -> LoadedSuite:
    """The suite that all the runs were made on."""
    file, spec = next(iter(specs.items()))
    loaded = load_suite(suite or spec.suite)
    for file, spec in specs.items():
        if loaded.suite.digest() != spec.suite_digest:
            raise InputError(
                f"was run on {spec.suite} {spec.suite_version} with digest {spec.suite_digest[:12]}; "
                f"{loaded.path} is {loaded.suite.version} with {loaded.suite.digest()[:12]}",
                where=str(file),
                remedy="name that suite's folder with --tasks",
            )
    return loaded


def _attempts(heads: Mapping[Path, EvalLog], specs: Mapping[Path, RunSpec], tasks: set[str]) -> Iterator[Attempt]:
    for file, spec in specs.items():
        for sample in _samples(file, heads[file], frozenset({"events", "store"})):
            where = f"{file}, sample {sample.id!r} epoch {sample.epoch}"
            trajectory = _trajectory(sample, where)
            if trajectory.task not in tasks:
                what = f"is an attempt at {trajectory.task!r}, which the suite does not have"
                raise InputError(what, where=where, remedy="export the run again")
            official = (sample.scores or {}).get("acc_intent")
            yield Attempt(
                model=spec.model,
                trajectory=trajectory,
                official=None if official is None else _passed(official.value),
                official_reason="" if official is None else official.explanation or "",
            )


def _trajectory(sample: EvalSample, where: str) -> Trajectory:
    """The attempt as it stood in the run.

    Raises:
        InputError: messages or metadata are not those that were exported.
    """
    kept = sample.metadata.get(KEY)
    digest = kept.get("digest") if isinstance(kept, dict) else None
    try:
        said = dict(kept["trajectory"]) if isinstance(kept, dict) else {}
        trajectory = Trajectory.model_validate({**said, "messages": from_inspect(sample.messages)})
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"cannot be read: {first}", where=where, remedy="export the run again") from error
    if trajectory.digest() != digest:
        what = "is not what was exported: its messages or metadata were changed since"
        raise InputError(what, where=where, remedy="export the run again; scores may be edited, evidence may not")
    return trajectory


# --- all other logs ---------------------------------------------------------------------------------------------------


def _foreign(name: str, heads: Mapping[Path, EvalLog]) -> Imported:
    rows: list[tuple[str, int, Any]] = []
    ends: list[dict[str, Any]] = []
    undecided: dict[str, int] = {}
    for file, head in heads.items():
        for sample in _samples(file, head):
            where = f"{file}, sample {sample.id!r} epoch {sample.epoch}"
            scorer, value = _score(sample, head)
            official = _passed(value)
            if official is None and value is not None and value == value:  # NaN is Inspect's "unscored"
                undecided[scorer] = undecided.get(scorer, 0) + 1
            rows.append((where, len(rows) + 1, _row(sample, head, official)))
            ends.append(_end(sample))
    base = import_rows(name, rows, "unnamed")
    notes = tuple(f"{n} score(s) of {scorer!r} are no plain yes or no" for scorer, n in undecided.items())
    return replace(base, read=partial(_ended, base, ends), notes=(*base.notes, *notes))


def _row(sample: EvalSample, head: EvalLog, official: bool | None) -> dict[str, Any]:
    """A sample as a line of `import openai-chat`."""
    messages = sample.messages or (sample.input if isinstance(sample.input, list) else [])
    completion = sample.output.completion if sample.output else ""
    rows = chat_rows(messages, completion) or [{"role": "user", "content": str(sample.input)}]
    said = sample.metadata.get(KEY)
    told = {key: said[key] for key in _TOLD if key in said} if isinstance(said, dict) else {}
    calls = _calls(sample.metadata.get("reference")) or _calls(sample.target)
    if "reference" not in told and calls:
        told["reference"] = calls
    return told | {
        "id": str(sample.id),
        "attempt": sample.epoch - 1,
        "model": head.eval.model,
        "messages": rows,
        "tools": _tools(sample),
        "passed": official,
    }


def _tools(sample: EvalSample) -> list[dict[str, Any]]:
    """Every tool that a model was offered in this sample, but for Inspect's own way to give the answer."""
    offered = {tool.name: tool for event in sample.events if isinstance(event, ModelEvent) for tool in event.tools}
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters.model_dump(mode="json", exclude_none=True),
        }
        for tool in offered.values()
        if tool.name != "submit"
    ]


def _calls(said: Any) -> list[Any]:
    """Reference calls, where a value is a list of such objects or JSON text of them; else empty."""
    items = said if isinstance(said, list) else [said]
    found = [_value(item) if isinstance(item, str) else item for item in items]
    flat = [part for item in found for part in (item if isinstance(item, list) else [item])]
    return flat if flat and all(_is_call(part) for part in flat) else []


def _value(text: str) -> Any:
    try:
        return strict_json(text)
    except ValueError:
        return None


def _is_call(item: Any) -> bool:
    spec = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(spec, dict):
        return False
    name = spec.get("name") or spec.get("tool")
    return isinstance(name, str) and ("arguments" in spec or "kwargs" in spec)


def _score(sample: EvalSample, head: EvalLog) -> tuple[str, Any]:
    """(scorer, value) of the score that the log itself puts first; None where the sample has no such score."""
    scores = sample.scores or {}
    ranked: Sequence[str] = [score.name for score in head.results.scores] if head.results else []
    name = next((name for name in (*ranked, *scores) if name in scores), "")
    return name, scores[name].value if name else None


def _passed(value: Any) -> bool | None:
    """Yes or no, where a score's value is one of C, I, 1, 0, true, false."""
    if isinstance(value, str):
        return _OFFICIAL.get(value.strip().upper())
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def _ended(base: Imported, ends: Sequence[dict[str, Any]]) -> Iterator[Attempt]:
    """The attempts with what a line of chat cannot say: why they ended, and what they cost."""
    for attempt, end in zip(base.read(), ends, strict=True):
        used = attempt.trajectory.usage.model_copy(update=end["usage"])
        changes = {key: value for key, value in end.items() if key != "usage"} | {"usage": used}
        said = {field: getattr(attempt.trajectory, field) for field in Trajectory.model_fields}
        yield replace(attempt, trajectory=Trajectory(**(said | changes)))


def _end(sample: EvalSample) -> dict[str, Any]:
    usages = list(sample.model_usage.values())
    used = {
        "input_tokens": sum(usage.input_tokens for usage in usages) if usages else None,
        "output_tokens": sum(usage.output_tokens for usage in usages) if usages else None,
        "seconds": sample.total_time or 0.0,
    }
    stop, fault = _stop(sample)
    return {"usage": used} | ({"stop": stop, "fault": fault} if stop else {})


def _stop(sample: EvalSample) -> tuple[Stop | None, str]:
    """(why the attempt ended, why it could not be run); (None, "") where the messages say it."""
    if sample.error is not None:
        return "fault", " ".join(sample.error.message.split()) or "error"
    if sample.limit is not None:
        # a person stopped it: that says nothing about the agent
        found = _LIMITS.get(sample.limit.type)
        return (found, "") if found else ("fault", f"stopped: {sample.limit.type}")
    reason = sample.output.choices[0].stop_reason if sample.output and sample.output.choices else ""
    return _STOP_REASONS.get(reason), ""
