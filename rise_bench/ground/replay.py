"""The replay ground: recorded results instead of servers, keyed by what could have influenced them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue, ValidationError

from rise_bench.errors import GroundFault, InputError
from rise_bench.ground.offer import mask_root, offered, rejected, resolve_root
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.ground.secrets import Redactor
from rise_bench.refs import ROOT
from rise_bench.types import (
    CallStatus,
    Ground,
    GroundMode,
    GroundSession,
    GroundSource,
    Record,
    StateChange,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    canonical,
)

__all__ = ["Cassette", "Entry", "Recorder", "Recording", "ReplayGround", "Start", "make"]

FORMAT = 3
KEY_START = len('{"key":"')
KEY_END = KEY_START + 64


class Recording(Record):
    """What one call gave, with the sandbox's path as `{root}`."""

    status: CallStatus
    content: str = ""
    structured: JsonValue = None
    changed: tuple[str, ...] | None = None
    state: tuple[StateChange, ...] | None = None
    """For calls that are not known to be read-only: the difference from the start after this call."""


class Start(Record):
    """What a session begins with; with the calls that followed, a recording can be made again."""

    setup: str = ""
    fixture: str = ""
    """Digest of the set-up's files."""
    now: str = ""
    servers: tuple[str, ...] = ()
    captured: bool = True
    """Is state captured? Not where a server runs elsewhere."""


class Entry(Record):
    """One line of a cassette: a recording and how it came about, or (`start`) what a session began with."""

    key: str
    before: str = ""
    """Key of the call, or of the start, from whose state this call was made."""
    tool: str = ""
    arguments: JsonValue = None
    recording: Recording | None = None
    start: Start | None = None


class History:
    """The key of the next call: files, clock, servers, and the calls so far that could have changed something.

    The servers are part of it: what they leave behind when they start, and what counts as state, is theirs.
    """

    def __init__(self, task: Task, root: str, fixtures: Path) -> None:
        self._root = root
        fixture = _contents(fixtures / task.setup) if task.setup else ""
        self.start = Start(setup=task.setup, fixture=fixture, now=task.now, servers=tuple(sorted(set(task.servers))))
        self.before = _digest([FORMAT, task.setup, fixture, task.now, *self.start.servers])
        """Key of the last call that could have changed something, or of the start."""

    def key(self, call: ToolCall) -> str:
        """SHA-256 (hex) that names the recording of this call at this point."""
        return _digest([self.before, call.tool, mask_root(_arguments(call), self._root)])

    def add(self, call: ToolCall) -> None:
        """Note a call that is not known to be read-only."""
        self.before = self.key(call)


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _contents(folder: Path) -> str:
    """Digest of the files below a folder: their paths, and what is in them."""
    files = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return _digest([[path.relative_to(folder).as_posix(), _content(path)] for path in files])


def _content(path: Path) -> str:
    return f"-> {path.readlink()}" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()


def _arguments(call: ToolCall) -> JsonValue:
    return call.arguments if isinstance(call.arguments, str) else dict(call.arguments)


class Cassette:
    """A JSON Lines file of recordings: a head line, then one line a recording that begins with its key.

    Lines are taken apart only when they are asked for, so a large file loads fast.

    Raises:
        InputError: no cassette, a damaged one, or one of another ground.
    """

    def __init__(self, path: Path, ground: Ground, *, create: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: dict[str, bytes] = {}
        if create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            head = canonical({"format": FORMAT, "ground": ground.digest(), "name": ground.name})
            path.write_text(f"{head}\n", encoding="utf-8")
            return
        try:
            head_line, *lines = path.read_bytes().split(b"\n")
        except OSError as error:
            remedy = "make one: rise-bench eval ... --record FILE, then --ground replay --cassette FILE"
            raise InputError(f"cannot be read: {error.strerror}", where=str(path), remedy=remedy) from error
        self._check_head(head_line, ground)
        # Without its line end a last line was cut off while it was written; its call is simply not recorded.
        whole, rest = lines[:-1], lines[-1] if lines else b""
        for number, line in enumerate(whole, 2):
            if not line.startswith(b'{"key":"') or len(line) <= KEY_END:
                raise InputError("is no recording", where=f"{path}:{number}", remedy="remove the line or record again")
            self._lines[line[KEY_START:KEY_END].decode("ascii", "replace")] = line
        if create and rest:
            os.truncate(path, path.stat().st_size - len(rest))

    def _check_head(self, line: bytes, ground: Ground) -> None:
        try:
            head = json.loads(line)
            found, name = (head["format"], head["ground"]), str(head.get("name", ""))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("is no cassette", where=f"{self._path}:1") from error
        if found != (FORMAT, ground.digest()):
            other = found[0] == FORMAT and name != ground.name
            raise InputError(
                f"was recorded on ground {name!r} ({str(found[1])[:12]}), format {found[0]}, "
                f"not on {ground.name!r} ({ground.digest()[:12]}), format {FORMAT}",
                where=str(self._path),
                remedy=f"name the suite of ground {name!r} with --tasks" if other else "record it again on this ground",
            )

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def get(self, key: str) -> Recording | None:
        """The recording of that key, None where there is none.

        Raises:
            InputError: its line is damaged.
        """
        entry = self.entry(key)
        return entry.recording if entry else None

    def entry(self, key: str) -> Entry | None:
        """The whole line of that key, None where there is none.

        Raises:
            InputError: it is damaged.
        """
        line = self._lines.get(key)
        if line is None:
            return None
        try:
            return Entry.model_validate_json(line)
        except ValidationError as error:
            raise InputError(f"the recording {key[:12]} is damaged", where=str(self._path)) from error

    def calls(self) -> tuple[Entry, ...]:
        """Every recorded call, in the order in which they were recorded.

        Raises:
            InputError: a line is damaged.
        """
        entries = (self.entry(key) for key in list(self._lines))
        return tuple(entry for entry in entries if entry and entry.recording)

    def add(self, entry: Entry) -> None:
        """Append a line and flush it; a key that is there already stays as it is."""
        data = entry.model_dump(mode="json", exclude_defaults=True)
        line = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        with self._lock:
            if entry.key in self._lines:
                return
            with self._path.open("ab") as file:
                file.write(line + b"\n")
            self._lines[entry.key] = line


class ReplayGround:
    """Answers calls from a cassette. A call that is not in it is a fault, never a wrong answer.

    Raises:
        InputError: the cassette cannot be used with this ground.
    """

    mode: GroundMode = "replay"

    def __init__(self, ground: Ground, cassette: Path, fixtures: Path) -> None:
        self.ground = ground
        self._fixtures = fixtures
        self._cassette = Cassette(cassette, ground)

    def open(self, task: Task) -> GroundSession:
        """A session that answers what was recorded for the task's files, clock and servers.

        Raises:
            GroundFault: no recording begins with these.
        """
        tools = offered(self.ground, task, VISIBLE_ROOT)
        history = History(task, VISIBLE_ROOT, self._fixtures)
        entry = self._cassette.entry(history.before)
        if entry is None or entry.start is None:
            raise GroundFault(
                f"no recording begins with these servers, this clock and set-up {task.setup!r} as its files are now",
                where=task.id,
                remedy="run it live, or record it",
            )
        return _ReplaySession(tools, history, self._cassette, entry.start)

    def close(self) -> None:
        """Nothing to stop."""


class _ReplaySession:
    def __init__(self, tools: Sequence[Tool], history: History, cassette: Cassette, start: Start) -> None:
        self.tools = tools
        self.root = VISIBLE_ROOT
        self._known = {tool.id: tool for tool in tools}
        self._history = history
        self._cassette = cassette
        self._state: tuple[StateChange, ...] | None = () if start.captured else None
        self._lock = threading.Lock()

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """The recorded result.

        Raises:
            GroundFault: there is no recording of this call at this point.
        """
        tool = self._known.get(call.tool)
        refusal = rejected(call, tool)
        if refusal is not None:
            return refusal
        assert tool is not None, "what is not known is refused"
        with self._lock:
            recording = self._cassette.get(self._history.key(call))
            if recording is None:
                raise GroundFault(
                    f"no recording for {call.tool} {canonical(_arguments(call))[:200]} at this point",
                    remedy="run it live, or record it",
                )
            if tool.effect != "read":
                self._history.add(call)
                self._state = recording.state
        content = recording.content.replace(ROOT, self.root)
        return ToolResult(
            call_id=call.id,
            tool=call.tool,
            status=recording.status,
            content=content,
            structured=resolve_root(recording.structured, self.root),
            changed=recording.changed,
        )

    def end_state(self) -> tuple[StateChange, ...] | None:
        """The recorded difference after the last call that was not read-only; None where no state was captured."""
        return self._state

    def close(self) -> None:
        """Nothing to give back."""


def make(
    ground: Ground,
    fixtures: Path,
    *,
    servers: Sequence[str] = (),
    recipes: Path | None = None,
    cassette: Path | None = None,
    allow_unsafe: bool = False,
    allow_drift: bool = False,
    varied: bool = False,
    notice: Callable[[str], None] | None = None,
) -> GroundSource:
    """The replay ground of that cassette. Factories of all modes are called alike; the rest is unused here.

    Raises:
        InputError: no cassette is named, or it cannot be used with this ground.
    """
    if cassette is None:
        raise InputError("replay needs a recording", remedy="name it with --cassette")
    return ReplayGround(ground, cassette, fixtures)


class Recorder:
    """A ground that writes down what another one answers; appends to a cassette that is there.

    Raises:
        InputError: the file is no cassette of this ground.
    """

    def __init__(self, source: GroundSource, cassette: Path, fixtures: Path) -> None:
        self.mode: GroundMode = source.mode
        self.ground = source.ground
        self.drifted: Mapping[str, tuple[str, ...]] = getattr(source, "drifted", {})
        """As the recorded ground says, also of what it finds later."""
        self._source = source
        self._fixtures = fixtures
        self._cassette = Cassette(cassette, source.ground, create=True)

    def open(self, task: Task) -> GroundSession:
        """A session of the recorded ground whose calls are written down.

        Raises:
            GroundFault: it could not be opened.
        """
        session = self._source.open(task)
        try:
            history = History(task, session.root, self._fixtures)
            redactor = Redactor(getattr(self._source, "secrets", {}))
            return _RecordingSession(session, history, self._cassette, redactor)
        except BaseException:
            session.close()
            raise

    def close(self) -> None:
        """Close the recorded ground."""
        self._source.close()


class _RecordingSession:
    def __init__(self, session: GroundSession, history: History, cassette: Cassette, redactor: Redactor) -> None:
        self.tools = session.tools
        self.root = session.root
        self._session = session
        self._known = {tool.id: tool for tool in session.tools}
        self._history = history
        self._cassette = cassette
        self._redactor = redactor
        self._lock = threading.Lock()
        if history.before not in cassette:
            start = history.start.model_copy(update={"captured": session.end_state() is not None})
            cassette.add(Entry(key=history.before, start=start))

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """The recorded ground's result, written down.

        Raises:
            ServerDied: as the recorded ground.
            GroundFault: as the recorded ground.
        """
        tool = self._known.get(call.tool)
        if tool is None or rejected(call, tool) is not None:
            return self._session.call(call, timeout)
        if tool.effect == "read":
            with self._lock:  # a call that may change something is either in both of them or in neither
                key, before = self._history.key(call), self._history.before
            result = self._session.call(call, timeout)
            self._write(key, before, call, result, None)
            return result
        with self._lock:
            key, before = self._history.key(call), self._history.before
            result = self._session.call(call, timeout)
            self._history.add(call)
            if key not in self._cassette:
                self._write(key, before, call, result, self._session.end_state())
            return result

    def _write(
        self, key: str, before: str, call: ToolCall, result: ToolResult, state: tuple[StateChange, ...] | None
    ) -> None:
        recording = Recording(
            status=result.status,
            content=result.content.replace(self.root, ROOT),
            structured=mask_root(result.structured, self.root),
            changed=result.changed,
            state=state,
        )
        arguments = mask_root(_arguments(call), self.root)
        entry = Entry(key=key, before=before, tool=call.tool, arguments=arguments, recording=recording)
        # The keys stay those of the true arguments, so that the same call finds its recording.
        self._cassette.add(Entry.model_validate(self._redactor.value(entry.model_dump(mode="json"))))

    def end_state(self) -> tuple[StateChange, ...] | None:
        """The recorded ground's difference from the start."""
        return self._session.end_state()

    def close(self) -> None:
        """Give the recorded session back."""
        self._session.close()
