"""Is a cassette still what the servers do? Recorded calls are run live again, after the calls that led to them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rise_bench.errors import Fault, InputError
from rise_bench.ground.offer import mask_root, resolve_root
from rise_bench.ground.replay import Cassette, Entry, Start
from rise_bench.ground.state import UUID
from rise_bench.refs import ROOT
from rise_bench.types import GroundSession, GroundSource, StateChange, Task, ToolCall, ToolResult, canonical

__all__ = ["Agreement", "Verified", "agreement", "verify"]

Difference = Literal["", "status", "result", "state", "fault"]
"""In what live and recorded differ first; empty where they agree."""

CALL_SECONDS = 60.0
SHOWN = 160


@dataclass(frozen=True, slots=True)
class Verified:
    """One recorded call, run again."""

    tool: str
    difference: Difference
    detail: str = ""
    """Recorded and live, where they differ, each cut."""

    @property
    def server(self) -> str:
        """The server of the tool."""
        return self.tool.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of a server's sampled recordings the live server gave again."""

    server: str
    calls: int
    agreed: int
    faults: int
    """Calls that could not be run again; they count neither way."""

    @property
    def share(self) -> float | None:
        """Of the calls that ran, 0 to 1; None where none ran."""
        ran = self.calls - self.faults
        return self.agreed / ran if ran else None


def verify(
    cassette: Cassette, ground: GroundSource, *, sample: int | None = None, seed: int = 0, workers: int = 2
) -> Iterator[Verified]:
    """Recorded calls, each run again on a fresh session after the calls that led to it, as soon as it was.

    Results agree where they are equal once the sandbox's path and generated ids (UUIDs) are masked.

    Args:
        ground: live, the one that was recorded.
        sample: so many, drawn at random; None = all.
        seed: of the draw.
        workers: sessions side by side.

    Raises:
        InputError: the cassette is empty, or a call's history is not in it.
    """
    entries = list(cassette.calls())
    if not entries:
        raise InputError("holds no recorded call", remedy="record some: rise-bench eval ... --record FILE")
    if sample is not None and sample < len(entries):
        entries = random.Random(seed).sample(entries, sample)
    chains = [_chain(cassette, entry) for entry in entries]
    with ThreadPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(_again, ground, *chain) for chain in chains]):
            yield future.result()


def agreement(verified: Sequence[Verified]) -> tuple[Agreement, ...]:
    """By server, sorted by name."""
    by_server: Mapping[str, list[Verified]] = defaultdict(list)
    for one in verified:
        by_server[one.server].append(one)
    return tuple(
        Agreement(
            server=name,
            calls=len(ones),
            agreed=sum(not one.difference for one in ones),
            faults=sum(one.difference == "fault" for one in ones),
        )
        for name, ones in sorted(by_server.items())
    )


def _chain(cassette: Cassette, entry: Entry) -> tuple[Start, list[Entry]]:
    """What the session began with, and the calls up to this one that could have changed something, in order."""
    calls = [entry]
    before = cassette.entry(entry.before)
    while before is not None and before.start is None:
        calls.append(before)
        before = cassette.entry(before.before)
    if before is None or before.start is None:
        raise InputError(f"does not hold what led to recording {entry.key[:12]}", remedy="record it again")
    return before.start, calls[::-1]


def _again(ground: GroundSource, start: Start, calls: list[Entry]) -> Verified:
    entry = calls[-1]
    task = Task(id="verify", request="", setup=start.setup, now=start.now, servers=start.servers)
    try:
        session = ground.open(task)
        try:
            for call in calls[:-1]:
                _send(session, call)
            result = _send(session, entry)
            assert entry.recording is not None, "calls are recordings"
            state = session.end_state() if entry.recording.state is not None else None
        finally:
            session.close()
    except Fault as fault:
        return Verified(entry.tool, "fault", str(fault))
    return _compared(entry, result, state, session.root)


def _send(session: GroundSession, entry: Entry) -> ToolResult:
    arguments = resolve_root(entry.arguments, session.root)
    assert isinstance(arguments, dict), "what is no object is refused before it is recorded"
    return session.call(ToolCall(id="verify", tool=entry.tool, arguments=arguments), CALL_SECONDS)


def _compared(entry: Entry, result: ToolResult, state: tuple[StateChange, ...] | None, root: str) -> Verified:
    assert entry.recording is not None, "calls are recordings"
    recorded = entry.recording
    pairs: tuple[tuple[Difference, JsonValue, JsonValue], ...] = (
        ("status", recorded.status, result.status),
        ("result", recorded.content, result.content.replace(root, ROOT)),
        ("result", recorded.structured, mask_root(result.structured, root)),
        ("state", _leaves(recorded.state), _leaves(state)),
    )
    for name, before, now in pairs:
        one, other = _plain(before), _plain(now)
        if one != other:
            return Verified(entry.tool, name, f"recorded {one[:SHOWN]} / live {other[:SHOWN]}")
    return Verified(entry.tool, "")


def _leaves(state: tuple[StateChange, ...] | None) -> JsonValue:
    return [[change.path, change.before, change.after] for change in state or ()]


def _plain(value: JsonValue) -> str:
    """Canonical text with generated ids masked."""
    return UUID.sub("<id>", canonical(value))
