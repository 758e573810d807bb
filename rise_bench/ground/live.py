"""The live ground: real servers in a fresh sandbox for every attempt."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rise_bench.errors import GroundFault, RiseError, SetupError
from rise_bench.ground.fixture import materialise
from rise_bench.ground.freeze import drift
from rise_bench.ground.install import Installed, Progress, ensure
from rise_bench.ground.offer import offered, rejected
from rise_bench.ground.pool import Pool, Slot
from rise_bench.ground.recipe import Recipe, load_recipe
from rise_bench.ground.sandbox import Sandbox, Variation, parse_now
from rise_bench.ground.state import Rules, State, difference
from rise_bench.types import Ground, GroundMode, GroundSession, StateChange, Task, Tool, ToolCall, ToolResult

__all__ = ["LiveGround", "LiveSession"]


class _Release(Protocol):
    def __call__(self, slot: Slot, *, clean: bool) -> None: ...


class LiveGround:
    """Opens a session with real servers per attempt. Called from many threads at once.

    Args:
        ground: what was frozen; a live server whose contract differs from it is refused.
        fixtures: folder of the suite's fixture folders.
        recipes: server name to recipe, for servers that the catalogue does not have.
        allow_unsafe: run servers that execute code although there is no bubblewrap.
        warm: keep the servers that a recipe says are reset by an empty folder running between attempts.
        variation: what is different on purpose in a second reference run.
        progress: takes a line about each installation.
    """

    mode: GroundMode = "live"

    def __init__(
        self,
        ground: Ground,
        fixtures: Path,
        *,
        recipes: Mapping[str, Recipe] | None = None,
        allow_unsafe: bool = False,
        warm: bool = True,
        variation: Variation | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.ground = ground
        self._fixtures = fixtures
        self._recipes = dict(recipes or {})
        self._allow_unsafe = allow_unsafe
        self._warm = warm
        self._variation = variation
        self._progress = progress
        self._installed: dict[str, Installed] = {}
        self._lock = threading.Lock()
        self._pool = Pool()
        self._used: dict[int, Slot] = {}
        self._used_lock = threading.Lock()

    def prepare(self, servers: Sequence[str]) -> None:
        """Install the servers and start each once, so that what cannot work is said before the first attempt.

        Raises:
            InputError: a server has no recipe.
            SetupError: one cannot be installed or started, or its contract is not the frozen one.
        """
        for name in dict.fromkeys(servers):
            self._ready(name)
        slot = self._slot(servers)
        try:
            self._fill(slot, servers, "", "")
        except GroundFault as error:
            self._release(slot, clean=False)
            raise SetupError(error.what, where=error.where, remedy=error.remedy) from error
        except BaseException:
            self._release(slot, clean=False)
            raise
        self._release(slot, clean=True)

    def open(self, task: Task) -> GroundSession:
        """A fresh session for the task's servers, set-up and clock.

        Raises:
            GroundFault: it could not be opened.
            InputError: the task names a server, a fixture or a clock that there is not.
        """
        for name in task.servers:
            self._ready(name)
        parse_now(task.now)
        slot = self._slot(task.servers)
        try:
            tools = offered(self.ground, task, slot.sandbox.root)
            self._fill(slot, task.servers, task.setup, task.now)
        except SetupError as error:
            self._release(slot, clean=False)
            raise GroundFault(error.what, where=error.where, remedy=error.remedy) from error
        except BaseException:
            self._release(slot, clean=False)
            raise
        rules = _rules([self._recipes[name] for name in task.servers])
        return LiveSession(slot, tools, State(slot.sandbox.home, slot.sandbox.root, rules), self._release)

    def close(self) -> None:
        """Stop every server, those of sessions that are still open too: an interrupt leaves nothing behind."""
        self._pool.close()
        with self._used_lock:
            used = list(self._used.values())
            self._used.clear()
        for slot in used:
            slot.close()

    def _ready(self, name: str) -> None:
        """Recipe and environment of a server, found once."""
        with self._lock:
            if name not in self._recipes:
                self._recipes[name] = load_recipe(name)
            if name not in self._installed:
                self._installed[name] = ensure(self._recipes[name], self._progress)

    def _slot(self, servers: Sequence[str]) -> Slot:
        slot = self._pool.take(servers) or Slot(Sandbox(self._variation, allow_unsafe=self._allow_unsafe))
        with self._used_lock:
            self._used[id(slot)] = slot
        return slot

    def _fill(self, slot: Slot, servers: Sequence[str], setup: str, now: str) -> None:
        def fill(home: Path, root: str) -> None:
            if setup:
                materialise(self._fixtures / setup, home, root)

        fresh = slot.prepare([self._recipes[name] for name in servers], self._installed, fill, now)
        frozen = {server.name: server for server in self.ground.servers}
        for name in fresh:
            if name in frozen:
                drift(frozen[name], slot.connections[name].list_tools(), slot.sandbox.root)

    def _release(self, slot: Slot, *, clean: bool) -> None:
        with self._used_lock:
            if self._used.pop(id(slot), None) is None:
                return  # the ground was closed under it
        if not (self._warm and clean):
            slot.close()
            return
        slot.retire({name for name in slot.connections if self._recipes[name].reset != "wipe"})
        self._pool.give(slot)


class LiveSession:
    """The tools of one attempt. Calls of tools that are not known to be read-only run one at a time."""

    def __init__(self, slot: Slot, tools: Sequence[Tool], state: State, release: _Release) -> None:
        self.root = slot.sandbox.root
        self.tools = tools
        self._slot = slot
        self._state = state
        self._release = release
        self._writing = threading.Lock()
        self._created: list[str] = []
        self._start = self._last = state.snapshot()
        self._known = {tool.id: tool for tool in self.tools}
        self._closed = False
        self._clean = True

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """Run one call as it is, valid or not; a tool's own failure is a result.

        Raises:
            ServerDied: the server died or hung in this call.
            GroundFault: the session is closed.
        """
        tool = self._known.get(call.tool)
        refusal = rejected(call, tool)
        if refusal is not None:
            return refusal
        assert tool is not None, "what is not known is refused"
        if tool.effect == "read":
            return self._send(tool, call, timeout)
        with self._writing:
            result = self._send(tool, call, timeout)
            now = self._state.snapshot()
            changed = tuple(change.path for change in difference(self._last, now, self._created))
            self._last = now
            return result.model_copy(update={"changed": changed})

    def _send(self, tool: Tool, call: ToolCall, timeout: float) -> ToolResult:
        assert not isinstance(call.arguments, str)
        if self._closed:
            raise GroundFault("the session is closed", where=tool.server)
        try:
            outcome = self._slot.connections[tool.server].call(tool.name, call.arguments, timeout)
        except RiseError:
            self._clean = False
            raise
        return ToolResult(
            call_id=call.id,
            tool=call.tool,
            status=outcome.status,
            content=outcome.content,
            structured=outcome.structured,
        )

    def end_state(self) -> tuple[StateChange, ...]:
        """Canonical difference from the start, sorted by path."""
        with self._writing:
            self._last = self._state.snapshot()
            return difference(self._start, self._last, self._created)

    def close(self) -> None:
        """Give the sandbox back. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._release(self._slot, clean=self._clean)


def _rules(recipes: Sequence[Recipe]) -> Rules:
    """What counts as state in a sandbox that these servers share."""
    return Rules(
        state=tuple(glob for recipe in recipes for glob in recipe.state),
        ignore=tuple(glob for recipe in recipes for glob in recipe.ignore),
        keys={glob: fields for recipe in recipes for glob, fields in recipe.keys.items()},
    )
