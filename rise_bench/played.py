"""Sequences of calls that are run on a ground to see what they give: references, mutations, chains of synthesis."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.offer import mask_root
from rise_bench.ground.state import UUID
from rise_bench.refs import at, escape, resolve, result_value, substitute_root
from rise_bench.rollout import play
from rise_bench.score.calls import tools_of
from rise_bench.types import (
    Assistant,
    Budget,
    Call,
    GroundSession,
    GroundSource,
    StateChange,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
    canonical,
)

__all__ = [
    "Compared",
    "Played",
    "Runner",
    "compared",
    "differences",
    "failure",
    "idle_reads",
    "run_calls",
    "run_in_a_row",
    "run_key",
    "steadied",
    "steadied_run",
    "trajectory_of",
]


@dataclass(frozen=True, slots=True)
class Played:
    """One sequence of calls as it ran: calls, results, end-state difference."""

    calls: tuple[Call, ...]
    results: tuple[ToolResult, ...]
    state: tuple[StateChange, ...] | None
    """None where a server runs elsewhere: no state is captured."""
    root: str
    failed: tuple[int, ...]
    """Indices of the calls that did not succeed, by status or by a text that the ground knows as a failure."""

    @property
    def whole(self) -> bool:
        """Every call was made and succeeded."""
        return len(self.results) == len(self.calls) and not self.failed

    def values(self) -> list[JsonValue]:
        """Result values, the sandbox's path written as `{root}`."""
        return [mask_root(result_value(result), self.root) for result in self.results]


@dataclass(frozen=True, slots=True)
class Compared:
    """What two honest runs of the same calls have in common, and in what they differ."""

    volatile: tuple[str, ...]
    """As `Task.volatile`: leaves of results and of the state that differ."""
    state: tuple[StateChange, ...] | None
    """Changes of the first run that both made, `any` where they differ; None where no state is captured."""
    unlike: tuple[str, ...]
    """State leaves that only one of the runs wrote or left there, each in words: such calls do not reproduce."""


class Runner(Protocol):
    """Something that runs calls as `run_calls` does, or knows what they gave when they were run before."""

    def __call__(self, source: GroundSource, task: Task, calls: Sequence[Call], /) -> Played:
        """What the calls give on a fresh sandbox of the task.

        Raises:
            GroundFault: the ground could not be opened or a server died.
        """
        ...


def run_calls(source: GroundSource, task: Task, calls: Sequence[Call], between: Sequence[ToolCall] = ()) -> Played:
    """The calls, run on a fresh sandbox with the task's files and clock, each after its bindings are resolved.

    Args:
        between: further calls, all made after each of the calls; then every server of the task runs, else those needed.

    Raises:
        GroundFault: the ground could not be opened or a server died.
    """
    session = source.open(task if between else _only_needed(task, calls))
    try:
        return _played(session, source, task, calls, between)
    finally:
        session.close()


def run_in_a_row(source: GroundSource, task: Task, sequences: Sequence[Sequence[Call]]) -> Generator[Played]:
    """Sequences of calls that only read, all on one fresh sandbox.

    Ends before its time where one of them changed something after all: what comes then would not be on a fresh sandbox.

    Raises:
        GroundFault: the ground could not be opened or a server died.
    """
    session = source.open(_only_needed(task, [call for calls in sequences for call in calls]))
    try:
        for calls in sequences:
            played = _played(session, source, task, calls)
            if played.state != ():
                return
            yield played
    finally:
        session.close()


def _played(
    session: GroundSession, source: GroundSource, task: Task, calls: Sequence[Call], between: Sequence[ToolCall] = ()
) -> Played:
    results = play(session, calls, Budget().call_seconds, between)
    known = tools_of(task, source.ground)
    failed = tuple(i for i, r in enumerate(results) if r.status != "ok" or known.failed_text(calls[i].tool, r.content))
    return Played(tuple(calls), tuple(results), session.end_state(), session.root, failed)


def _only_needed(task: Task, calls: Sequence[Call]) -> Task:
    """The task with just the servers that are called by it or now: a server nobody calls changes nothing."""
    named = [call.tool for some in (task.reference, *task.alternatives, calls) for call in some]
    needed = {name.partition(".")[0] for name in named}
    return task.model_copy(update={"servers": tuple(name for name in task.servers if name in needed)})


def idle_reads(task: Task, tools: dict[str, Tool]) -> list[ToolCall]:
    """A call of every offered read-only tool that needs no argument."""
    idle = [
        tool
        for tool in tools.values()
        if tool.server in task.servers and tool.effect == "read" and not tool.parameters.get("required")
    ]
    return [ToolCall(id=f"idle-{i}", tool=tool.id, arguments={}) for i, tool in enumerate(idle)]


def failure(played: Played) -> str:
    """What went wrong in a run that is not whole, in words."""
    for number in played.failed:
        result = played.results[number]
        return f"call {number} ({played.calls[number].tool}) gave {result.status}: {result.content[:160]}"
    return f"call {len(played.results)} binds to a result that is not there"


def differences(one: JsonValue, two: JsonValue, pointer: str = "") -> list[str]:
    """Pointers of the leaves in which two values differ; a container of another shape counts as one leaf."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return [found for key in one for found in differences(one[key], two[key], f"{pointer}/{escape(key)}")]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = enumerate(zip(one, two, strict=True))
        return [found for i, (a, b) in pairs for found in differences(a, b, f"{pointer}/{i}")]
    return [] if one == two else [pointer]


def compared(first: Played, second: Played) -> Compared:
    """What two whole runs of the same calls give alike."""
    volatile: list[str] = []
    for number, (one, two) in enumerate(zip(first.values(), second.values(), strict=True)):
        volatile.extend(f"result:{number}:{pointer}" for pointer in differences(one, two))
    before = {change.path: change for change in first.state or ()}
    after = {change.path: change for change in second.state or ()}
    changes: list[StateChange] = []
    unlike: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        if path not in before or path not in after:
            unlike.append(f"state leaf {path} is written by only one of two honest runs")
            continue
        same = before[path].after == after[path].after
        if not same:
            volatile.append(f"state:{path}")
            if (before[path].after is None) != (after[path].after is None):
                unlike.append(f"state leaf {path} exists after only one of two honest runs")
        changes.append(before[path].model_copy(update={"match": "exact" if same else "any"}))
    return Compared(tuple(volatile), None if first.state is None else tuple(changes), tuple(unlike))


def trajectory_of(task: Task, played: Played, message: str) -> Trajectory:
    """What an agent leaves behind that made these calls one by one and then said the message."""
    messages: list[User | Assistant | ToolResult] = [User(content=task.request)]
    values: list[JsonValue] = []
    for number, result in enumerate(played.results):
        arguments = resolve(substitute_root(dict(played.calls[number].arguments), played.root), values)
        assert isinstance(arguments, dict)  # it was played
        call = ToolCall(id=result.call_id, tool=played.calls[number].tool, arguments=arguments)
        messages += [Assistant(tool_calls=(call,)), result]
        values.append(result_value(result))
    messages.append(Assistant(content=message))
    return Trajectory(task=task.id, mode="live", messages=tuple(messages), root=played.root, end_state=played.state)


def steadied(values: Sequence[JsonValue], volatile: Iterable[str], key: str) -> tuple[JsonValue, ...]:
    """The result values with the ids that servers generated for this run replaced by ids that are always the same.

    Args:
        values: of each call, in order.
        volatile: as `Task.volatile`; an id (UUID) that occurs in none of these leaves is not generated.
        key: what was run: its k-th generated id is always the same.
    """
    generated: list[str] = []
    for name in volatile:
        kind, _, rest = name.partition(":")
        number, _, pointer = rest.partition(":")
        if kind == "result" and int(number) < len(values):
            generated += UUID.findall(_text_at(values[int(number)], pointer))
    names = _steady_ids(generated, key)
    return tuple(_renamed(value, names) for value in values)


def steadied_run(trajectory: Trajectory, known: str, key: str) -> Trajectory:
    """The trajectory with the ids that servers generated in it replaced as by `steadied`.

    Args:
        known: text with every id that was there before the run.
        key: as in `steadied`.
    """
    before = set(UUID.findall(known))
    results = [message for message in trajectory.messages if isinstance(message, ToolResult)]
    generated = [found for one in results for found in UUID.findall(one.content) if found not in before]
    if not generated:
        return trajectory
    return Trajectory.model_validate(_renamed(trajectory.model_dump(mode="json"), _steady_ids(generated, key)))


def run_key(task: Task) -> str:
    """Fixture, clock and calls of a task, as a key for `steadied`."""
    return canonical([task.setup, task.now, [call.model_dump(mode="json") for call in task.reference]])


def _steady_ids(generated: Iterable[str], key: str) -> dict[str, str]:
    """Each id, in order, to the one that stands for it."""
    distinct = dict.fromkeys(generated)
    return {found: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {k}")) for k, found in enumerate(distinct)}


def _text_at(value: JsonValue, pointer: str) -> str:
    try:
        return canonical(at(value, pointer))
    except InputError:  # only the other run has such a leaf
        return ""


def _renamed(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if not names:
        return value
    text = UUID.sub(lambda match: names.get(match.group(), match.group()), json.dumps(value, ensure_ascii=False))
    renamed: JsonValue = json.loads(text)
    return renamed
