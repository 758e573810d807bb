"""Proposals run on real servers, twice on purpose differently: those that hold become primitives (DESIGN 5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from rise_bench.errors import GroundFault, ServerDied
from rise_bench.ground.offer import mask_root
from rise_bench.played import compared, differences, run_calls
from rise_bench.refs import escape, result_value, substitute_root
from rise_bench.score.calls import Tools, tools_of
from rise_bench.synth.keys import proposal_key
from rise_bench.synth.primitives.entities import task_of
from rise_bench.synth.records import Dropped, Primitive, Proposal, World
from rise_bench.types import Call, GroundSession, GroundSource, StateChange, ToolCall, ToolResult, canonical

__all__ = ["REASONS", "verify"]

REASONS = (
    "duplicate",  # the same call in the same world was proposed before
    "schema invalid",  # the frozen contract refuses the arguments, or does not know one of them
    "protocol error",
    "tool error",  # `isError`
    "failure text",  # `isError` false, and yet the text is one of the server's ways of failing
    "server died",  # or hung
    "empty",  # it ran and found nothing
    "too large",
    "unstable",  # nothing of it is the same on a second fresh sandbox
)
"""Why proposals are dropped."""

CALL_SECONDS = 20.0

LONGEST = 60_000
"""Characters of a result above which nobody reads it."""

READS = 64
"""Read-only calls that share a sandbox."""

WRITES = 8
"""Calls that each get a sandbox of their own, one after the other in one thread: its servers stay warm."""

_NOTHING = re.compile(r"^\W*(no|none|nothing|0)\b[^\n]{0,80}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Proposals for one server of one world that one thread runs."""

    world: World
    server: str
    shared: bool
    """All are read-only and share a sandbox."""
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one call gave; `reason` is empty where it succeeded."""

    value: JsonValue = None
    reason: str = ""
    detail: str = ""


_Outcome = Primitive | Dropped
_T = TypeVar("_T")


def verify(
    proposals: Iterable[Proposal], source: GroundSource, varied: GroundSource, workers: int = 2
) -> Iterator[_Outcome]:
    """Each proposal as a primitive or dropped, by batches in the order of the first proposal of each.

    Read-only calls of one server share a sandbox, on the varied ground in reverse order, so that what hangs on the calls
    before it shows; where the sandbox is not as it was at their end, and for all other tools, each call gets its own.

    Args:
        source: live ground.
        varied: the same ground run differently on purpose (clock, path, uid).
        workers: batches run side by side.

    Raises:
        GroundFault: a server could not be opened, twice.
    """
    refused, batches = _batches(proposals, source)
    yield from refused
    runner = _Runner(source, varied)
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="rise-bench-verify")
    try:
        for outcomes in pool.map(runner.run, batches):
            yield from outcomes
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batches(proposals: Iterable[Proposal], source: GroundSource) -> tuple[list[Dropped], list[_Batch]]:
    """What need not be run, and the rest in batches."""
    refused: list[Dropped] = []
    seen: set[str] = set()
    grouped: dict[tuple[World, str, bool], list[Proposal]] = {}
    known: dict[World, Tools] = {}
    for proposal in proposals:
        world = proposal.world
        tools = known.setdefault(world, tools_of(task_of(world), source.ground))
        key = canonical([world.digest(), proposal.tool, proposal.arguments])
        if key in seen:
            refused.append(_dropped(proposal, "duplicate"))
        elif problem := _refusal(tools, proposal):
            refused.append(_dropped(proposal, "schema invalid", problem))
        else:
            server = proposal.tool.partition(".")[0]
            grouped.setdefault((world, server, tools.effect(proposal.tool) == "read"), []).append(proposal)
        seen.add(key)
    batches: list[_Batch] = []
    for (world, server, shared), group in grouped.items():
        size = READS if shared else WRITES
        batches += [
            _Batch(world, server, shared, tuple(group[start : start + size])) for start in range(0, len(group), size)
        ]
    return refused, batches


def _refusal(tools: Tools, proposal: Proposal) -> str:
    """Why the contract refuses the arguments, those that it does not declare included; empty where it accepts them."""
    if proposal.tool.partition(".")[0] not in proposal.world.servers:
        return "the world does not have its server"
    if problem := tools.invalid(proposal.tool, proposal.arguments):
        return problem
    schema = tools.by_id[proposal.tool].parameters
    properties = schema.get("properties", {})
    if isinstance(properties, dict) and not schema.keys() & {"patternProperties", "allOf", "anyOf", "oneOf", "$ref"}:
        if isinstance(schema.get("additionalProperties"), dict):
            return ""
        unknown = sorted(proposal.arguments.keys() - properties.keys())
        return f"no argument {unknown[0]!r} is declared" if unknown else ""
    return ""


def _dropped(proposal: Proposal, reason: str, detail: str = "") -> Dropped:
    what = f"{proposal.tool} {canonical(proposal.arguments)[:200]}"
    return Dropped(
        stage="verify", what=proposal_key(proposal), reason=reason, detail=f"{what}: {detail[:300]}" if detail else what
    )


class _Runner:
    """Runs batches on both grounds. Used from many threads at once."""

    def __init__(self, source: GroundSource, varied: GroundSource) -> None:
        self._source = source
        self._varied = varied
        self._ground = source.ground.digest()

    def run(self, batch: _Batch) -> list[_Outcome]:
        """The outcome of each proposal of a batch, in order."""
        if not batch.shared:
            return [self._alone(batch, proposal) for proposal in batch.proposals]
        return self._together(batch)

    def _together(self, batch: _Batch) -> list[_Outcome]:
        order = range(len(batch.proposals))
        first, touched = _read_all(self._source, batch, list(order))
        good = [number for number in reversed(order) if not first[number].reason]
        second, touched_too = _read_all(self._varied, batch, good) if good else ({}, None)
        if touched or touched_too:  # one of them is not read-only after all: none can be told from the others
            return [self._alone(batch, proposal) for proposal in batch.proposals]
        outcomes: list[_Outcome] = []
        for number, proposal in enumerate(batch.proposals):
            one = first[number]
            other = second.get(number, one)
            if one.reason or other.reason:
                bad = one if one.reason else _Answer(reason="unstable", detail=f"second run: {other.detail}")
                outcomes.append(_dropped(proposal, bad.reason, bad.detail))
            else:
                outcomes.append(self._kept(proposal, one.value, tuple(differences(one.value, other.value)), touched))
        return outcomes

    def _alone(self, batch: _Batch, proposal: Proposal) -> _Outcome:
        """One call, on a fresh sandbox of either ground."""
        task = task_of(batch.world, [batch.server])
        call = Call(tool=proposal.tool, arguments=proposal.arguments)
        try:
            first = _twice(lambda: run_calls(self._source, task, [call]))
            tools = tools_of(task, self._source.ground)
            one = _judged(tools, first.results[0], first.root, bool(first.state))
            if one.reason:
                return _dropped(proposal, one.reason, one.detail)
            second = _twice(lambda: run_calls(self._varied, task, [call]))
            other = _judged(tools, second.results[0], second.root, bool(second.state))
        except ServerDied as error:
            return _dropped(proposal, "server died", str(error))
        if other.reason:
            return _dropped(proposal, "unstable", f"second run: {other.detail}")
        both = compared(first, second)
        if both.unlike:
            return _dropped(proposal, "unstable", both.unlike[0])
        return self._kept(proposal, one.value, tuple(differences(one.value, other.value)), both.state)

    def _kept(
        self, proposal: Proposal, value: JsonValue, volatile: tuple[str, ...], state: tuple[StateChange, ...] | None
    ) -> _Outcome:
        firm = any(change.match != "any" for change in state or ())
        if not firm and not _steady(value, volatile):
            return _dropped(proposal, "unstable", canonical(value))
        return Primitive(
            world=proposal.world,
            tool=proposal.tool,
            arguments=proposal.arguments,
            scenario=proposal.scenario,
            goal=proposal.goal,
            value=value,
            volatile=volatile,
            state=state,
            ground=self._ground,
        )


def _read_all(
    source: GroundSource, batch: _Batch, order: Sequence[int]
) -> tuple[dict[int, _Answer], tuple[StateChange, ...] | None]:
    """Answers of the batch's calls in the given order on one sandbox, and what they changed all the same.

    A call in which the server dies or hangs is answered so, and the others go on in another sandbox.
    """
    task = task_of(batch.world, [batch.server])
    tools = tools_of(task, source.ground)
    answers: dict[int, _Answer] = {}
    changed: tuple[StateChange, ...] | None = ()
    left = list(order)
    while left:
        session = _twice(lambda: source.open(task))
        try:
            while left:
                number = left.pop(0)
                try:
                    result = session.call(_call(batch.proposals[number], session), CALL_SECONDS)
                except ServerDied as error:
                    answers[number] = _Answer(reason="server died", detail=str(error))
                    break
                answers[number] = _judged(tools, result, session.root)
            else:
                changed = session.end_state()
        finally:
            with suppress(GroundFault):
                session.close()
    return answers, changed


def _twice(make: Callable[[], _T]) -> _T:
    """What `make` gives, tried again once where the ground could not be opened.

    Raises:
        ServerDied: a server died in a call.
        GroundFault: it could not be opened the second time either.
    """
    try:
        return make()
    except ServerDied:
        raise
    except GroundFault:
        return make()


def _call(proposal: Proposal, session: GroundSession) -> ToolCall:
    arguments = substitute_root(dict(proposal.arguments), session.root)
    return ToolCall.model_validate({"id": "call-0", "tool": proposal.tool, "arguments": arguments})


def _judged(tools: Tools, result: ToolResult, root: str, changed: bool = False) -> _Answer:
    """The value of a result, or why it is none.

    Args:
        changed: the call changed the state: then it need not say anything.
    """
    said = result.content.replace(root, "{root}") if root else result.content
    if result.status != "ok":
        return _Answer(reason=result.status.replace("_", " "), detail=said)
    if tools.failed_text(result.tool, result.content):
        return _Answer(reason="failure text", detail=said)
    if len(result.content) > LONGEST:
        return _Answer(reason="too large", detail=f"{len(result.content)} characters")
    value = mask_root(result_value(result), root)
    if not changed and _empty(value):
        return _Answer(reason="empty", detail=canonical(value))
    return _Answer(value)


def _empty(value: JsonValue) -> bool:
    """Does a result say that there is nothing? A lone 0 or false says something."""
    leaves = [leaf for _, leaf in _leaves(value, "")]
    if any(leaf in ("", None) or leaf in ([], {}) for leaf in leaves):
        return all(leaf in ("", None, 0) or leaf in ([], {}) for leaf in leaves)
    return len(leaves) == 1 and isinstance(leaves[0], str) and bool(_NOTHING.match(leaves[0]))


def _steady(value: JsonValue, volatile: Sequence[str]) -> bool:
    """Is some leaf that says something the same in both runs?"""
    return any(
        leaf not in ("", None) and not any(one in ("", pointer) or pointer.startswith(f"{one}/") for one in volatile)
        for pointer, leaf in _leaves(value, "")
    )


def _leaves(value: JsonValue, pointer: str) -> Iterator[tuple[str, JsonValue]]:
    """Pointer and value of every leaf; an empty container is one."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{pointer}/{number}")
    else:
        yield pointer, value
