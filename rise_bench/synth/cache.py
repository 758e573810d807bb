"""Runs of call sequences kept in a JSON Lines file, so that nothing is executed twice (a counterfactual, a rejected call)."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rise_bench.errors import InputError, ServerDied
from rise_bench.played import Played, run_calls, run_in_a_row
from rise_bench.score.calls import tools_of
from rise_bench.store import cannot_write, line_of
from rise_bench.types import Call, GroundSource, Record, StateChange, Task, ToolCall, ToolResult, canonical

__all__ = ["Cache"]


class _Line(Record):
    """One run as it is kept."""

    key: str
    calls: tuple[Call, ...]
    results: tuple[ToolResult, ...]
    state: tuple[StateChange, ...] | None
    root: str
    failed: tuple[int, ...]


class Cache:
    """Runs by what decides them: ground, set-up, clock, servers, calls, and a tag for a ground that differs on purpose.

    Called from many threads at once. Only the places of lines are held in memory.

    Args:
        path: the file, made at the first run; None keeps the runs in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offsets: dict[str, int] = {}
        self._memory: dict[str, Played] = {}
        self.executed = 0
        """Runs that were made, not found."""
        self.found = 0
        """Runs that were found."""
        if path is not None and path.is_file():
            self._read(path)

    def run(
        self, source: GroundSource, task: Task, calls: Sequence[Call], between: Sequence[ToolCall] = (), tag: str = ""
    ) -> Played:
        """As `run_calls`, from the file where the same was run before.

        Args:
            tag: tells apart sources of the same ground, such as one that is varied on purpose.

        Raises:
            GroundFault: the ground could not be opened or a server died; nothing is kept then.
            InputError: the file cannot be read or written.
        """
        key = _key(source, task, calls, between, tag)
        kept = self._kept(key)
        if kept is not None:
            return kept
        played = run_calls(source, task, calls, between)
        self._keep(key, played)
        return played

    def run_reads(self, source: GroundSource, task: Task, sequences: Sequence[Sequence[Call]], tag: str = "") -> None:
        """Run those of the sequences that are not kept, all on one sandbox: for calls that only read.

        One that changes something after all, or in which a server dies, is not kept, nor are those after it.

        Raises:
            GroundFault: the ground could not be opened.
            InputError: the file cannot be written.
        """
        with self._lock:
            known = self._offsets.keys() | self._memory.keys()
        missing = {key: calls for calls in sequences if (key := _key(source, task, calls, (), tag)) not in known}
        if not missing:
            return
        runs = run_in_a_row(source, task, list(missing.values()))
        with suppress(ServerDied):
            for key, played in zip(missing, runs, strict=False):
                self._keep(key, played)
        runs.close()

    def _kept(self, key: str) -> Played | None:
        with self._lock:
            offset, held = self._offsets.get(key), self._memory.get(key)
            self.found += offset is not None or held is not None
        if offset is None or self._path is None:
            return held
        with self._path.open("rb") as file:
            file.seek(offset)
            line = line_of(_Line, file.readline(), f"{self._path} at byte {offset}")
        return Played(line.calls, line.results, line.state, line.root, line.failed)

    def _keep(self, key: str, played: Played) -> None:
        line = _Line(
            key=key,
            calls=played.calls,
            results=played.results,
            state=played.state,
            root=played.root,
            failed=played.failed,
        )
        with self._lock:
            self.executed += 1
            if self._path is None:
                self._memory[key] = played
                return
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab") as file:
                    self._offsets[key] = file.tell()
                    file.write(line.model_dump_json().encode() + b"\n")
            except OSError as error:
                raise cannot_write(self._path, error) from error

    def _read(self, path: Path) -> None:
        """Find the lines; a last one that a killed writer left unfinished is cut off."""
        offset = 0
        with path.open("r+b") as file:
            for line in file:
                match = _KEY.match(line)
                if not line.endswith(b"\n"):
                    break
                if match is None:
                    raise InputError(
                        "is no line of a cache", where=f"{path} at byte {offset}", remedy="remove the line"
                    )
                self._offsets[match[1].decode()] = offset
                offset += len(line)
            file.seek(0, os.SEEK_END)
            if file.tell() != offset:
                file.truncate(offset)


_KEY = re.compile(rb'\{"key":"([0-9a-f]{64})"')


def _key(source: GroundSource, task: Task, calls: Sequence[Call], between: Sequence[ToolCall], tag: str) -> str:
    """Digest of all that decides what a run gives; servers that nobody calls do not."""
    used = {call.tool.partition(".")[0] for some in (task.reference, *task.alternatives, calls) for call in some}
    parts = [
        tools_of(task, source.ground).digest,
        task.setup,
        task.now,
        [name for name in task.servers if between or name in used],
        [[call.tool, call.arguments] for call in calls],
        [[call.tool, call.arguments] for call in between],
        tag,
    ]
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
