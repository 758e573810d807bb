"""Is a cassette still what the servers do? Recorded calls are run live again, after the calls that led to them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rise_bench.errors import Fault, InputError
from rise_bench.ground.generated import Generated, blank
from rise_bench.ground.offer import mask_root, resolve_root
from rise_bench.ground.replay import Cassette, Entry, Start
from rise_bench.ground.side_by_side import side_by_side
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

    Results agree where they are equal but for the sandbox's path and for the ids that the server generates: these are
    taken from the live results in the order in which they appear, in the arguments of later calls, too.

    Args:
        ground: live, the one that was recorded; closed when this is given up before its end.
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
    reading = {tool.id for server in ground.ground.servers for tool in server.tools if tool.effect == "read"}
    reads: dict[str, list[Entry]] = defaultdict(list)
    for entry in cassette.calls():
        if entry.tool in reading:
            reads[entry.before].append(entry)
    chains = [_chain(cassette, entry) for entry in entries]
    yield from side_by_side(lambda chain: _again(ground, *chain, reads), chains, workers, stop=ground.close)


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


def _again(
    ground: GroundSource, start: Start, calls: Sequence[Entry], reads: Mapping[str, Sequence[Entry]]
) -> Verified:
    *before, entry = calls
    task = Task(id="verify", request="", setup=start.setup, now=start.now, servers=start.servers)
    try:
        session = ground.open(task)
        try:
            made = _Made(session)
            for number, call in enumerate(before):
                made.look(reads.get(call.before, ()), calls[number:])
                made.learn(call, made.send(call))
            made.look(reads.get(entry.before, ()), calls[-1:])
            result = made.send(entry)
            state = session.end_state() if entry.recording and entry.recording.state is not None else None
        finally:
            session.close()
    except Fault as fault:
        return Verified(entry.tool, "fault", str(fault))
    return made.compared(entry, result, state)


class _Made:
    """Recorded calls, made again in a session with the ids that are generated there."""

    def __init__(self, session: GroundSession) -> None:
        self._session = session
        self._ids = Generated()

    def send(self, entry: Entry) -> ToolResult:
        """The live result of the call."""
        arguments = resolve_root(self._ids.renewed(entry.arguments), self._session.root)
        assert isinstance(arguments, dict), "what is no object is refused before it is recorded"
        return self._session.call(ToolCall(id="verify", tool=entry.tool, arguments=arguments), CALL_SECONDS)

    def look(self, reads: Sequence[Entry], calls: Sequence[Entry]) -> None:
        """Read again what told the ids of which the calls speak, where the calls so far did not tell them."""
        for read in reads:
            wanted = set().union(*(self._ids.unknown(call.arguments) for call in calls))
            if read is not calls[-1] and wanted & self._ids.unknown(_told(read)):
                self.learn(read, self.send(read))

    def learn(self, entry: Entry, result: ToolResult) -> None:
        """Note the ids that the result holds."""
        self._ids.learn(_told(entry), [self._masked(result.content), self._masked(result.structured)])

    def _masked(self, value: JsonValue) -> JsonValue:
        return mask_root(value, self._session.root)

    def compared(self, entry: Entry, result: ToolResult, state: tuple[StateChange, ...] | None) -> Verified:
        """In what the live result differs from the recorded one."""
        assert entry.recording is not None, "calls are recordings"
        recorded = entry.recording
        pairs: tuple[tuple[Difference, JsonValue, JsonValue], ...] = (
            ("status", recorded.status, result.status),
            ("result", recorded.content, self._masked(result.content)),
            ("result", recorded.structured, self._masked(result.structured)),
            ("state", _leaves(recorded.state), _leaves(state)),
        )
        for name, before, now in pairs:
            self._ids.learn(before, now)
            one, other = canonical(self._ids.renewed(before)), canonical(now)
            if one != other:
                return Verified(entry.tool, name, f"recorded {one[:SHOWN]} / live {other[:SHOWN]}")
        return Verified(entry.tool, "")


def _told(entry: Entry) -> JsonValue:
    assert entry.recording is not None, "calls are recordings"
    return [entry.recording.content, entry.recording.structured]


def _leaves(state: tuple[StateChange, ...] | None) -> JsonValue:
    leaves: list[JsonValue] = [[change.path, change.before, change.after] for change in state or ()]
    return sorted(leaves, key=blank)
