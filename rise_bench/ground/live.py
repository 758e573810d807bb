"""The live ground: real servers in a fresh sandbox for every attempt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rise_bench.errors import GroundFault, RiseError, SetupError
from rise_bench.ground.client import Connection
from rise_bench.ground.fixture import Fixtures
from rise_bench.ground.freeze import drift, drifted, shown
from rise_bench.ground.install import Installed, Progress, ensure
from rise_bench.ground.offer import offered, rejected
from rise_bench.ground.pool import Filling, Pool, Slot, starts_ahead
from rise_bench.ground.recipe import Recipe, load_recipe
from rise_bench.ground.remote import elsewhere
from rise_bench.ground.sandbox import Sandbox, Variation, parse_now
from rise_bench.ground.secrets import secrets_of
from rise_bench.ground.state import Begun, Rules, Snapshot, State, difference
from rise_bench.types import Ground, GroundMode, GroundSession, Server, StateChange, Task, Tool, ToolCall, ToolResult

__all__ = ["LiveGround", "LiveSession"]

BEGINNINGS = 64
"""Fixtures, each with other servers, of which it is kept what attempts begin with."""


class _Release(Protocol):
    def __call__(self, slot: Slot, *, clean: bool) -> None: ...


_Check = Callable[[Slot, Iterable[str]], None]


class LiveGround:
    """Opens a session with real servers per attempt. Called from many threads at once.

    Args:
        ground: what was frozen; a live server whose contract differs from it is refused.
        fixtures: folder of the suite's fixture folders.
        recipes: server name to recipe, for servers that the catalogue does not have.
        allow_unsafe: run servers that execute code although there is no bubblewrap.
        allow_drift: run servers whose contract is not the frozen one, and only say so.
        warm: keep the servers that a recipe says are reset by an empty folder running between attempts, and start others
            ahead where the recipe says that they can be.
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
        allow_drift: bool = False,
        warm: bool = True,
        variation: Variation | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.ground = ground
        self._fixtures = Fixtures(fixtures)
        self._recipes = dict(recipes or {})
        self._allow_unsafe = allow_unsafe
        self._allow_drift = allow_drift
        self.drifted: dict[str, tuple[str, ...]] = {}
        """Server to how its contract differs from the frozen one, of those that were started although it does."""
        self._warm = warm
        self._variation = variation
        self._progress = progress
        self._installed: dict[str, Installed] = {}
        self._lock = threading.Lock()
        self._begun: dict[Hashable, Begun] = {}
        """(fixture, root, servers) to what attempts were seen to begin with."""
        self._listed: dict[str, tuple[tuple[Tool, ...], str]] = {}
        """Server to what it listed, and under which root, when that was last found as it was frozen."""
        self._pool = Pool(self._renew)
        self._used: set[Slot] = set()
        self._used_lock = threading.Lock()
        self._closed = False

    def prepare(self, servers: Sequence[str]) -> None:
        """Install the servers and start each once, so that what cannot work is said before the first attempt.

        Raises:
            InputError: a server has no recipe.
            SetupError: one cannot be installed or started, or its contract is not the frozen one.
        """
        for name in dict.fromkeys(servers):
            self._ready(name)
        slot = self._slot(servers, ("", ""))
        try:
            self._fill(slot, servers, ("", ""))
        except GroundFault as error:
            self._release(slot, clean=False)
            raise SetupError(error.what, where=error.where, remedy=error.remedy) from error
        except BaseException:
            self._release(slot, clean=False)
            raise
        self._release(slot, clean=True, called=False)

    def open(self, task: Task) -> GroundSession:
        """A fresh session for the task's servers, set-up and clock.

        Raises:
            GroundFault: it could not be opened.
            InputError: the task names a server, a fixture or a clock that there is not.
        """
        for name in task.servers:
            self._ready(name)
        parse_now(task.now)
        filling = (task.setup, task.now)
        slot = self._slot(task.servers, filling)
        try:
            tools = offered(self.ground, task, slot.sandbox.root)
            self._fill(slot, task.servers, filling)
        except SetupError as error:
            self._release(slot, clean=False)
            raise GroundFault(error.what, where=error.where, remedy=error.remedy) from error
        except BaseException:
            self._release(slot, clean=False)
            raise
        recipes = [self._recipes[name] for name in task.servers]
        here = not any(recipe.url for recipe in recipes)
        place = (slot.sandbox.home, slot.sandbox.root)
        begun = self._begins(task.setup, place[1], tuple(task.servers))
        state = State(*place, _rules(recipes), secrets_of(recipes), begun) if here else None
        return LiveSession(slot, tools, state, self._release, self._check)

    def _begins(self, *alike: Hashable) -> Begun | None:
        """What is known of how such attempts begin; None where their files are not copies."""
        if not alike[0]:
            return None
        with self._lock:
            found = self._begun.pop(alike, {})
            self._begun[alike] = found  # the last ones used are kept
            for old in list(self._begun)[:-BEGINNINGS]:
                del self._begun[old]
            return found

    @property
    def secrets(self) -> dict[str, str]:
        """Name to value of the user's variables that the entries of servers met so far ask for."""
        with self._lock:
            return secrets_of(self._recipes.values())

    def close(self) -> None:
        """Stop every server, those of sessions that are still open too: an interrupt leaves nothing behind."""
        with self._used_lock:
            self._closed = True
            used = list(self._used)
            self._used.clear()
        for slot in used:
            slot.stop()
        self._pool.close()
        for slot in used:
            slot.close()
        self._fixtures.close()

    def _ready(self, name: str) -> None:
        """Recipe and environment of a server, found once."""
        with self._lock:
            if name not in self._recipes:
                self._recipes[name] = load_recipe(name)
            if name not in self._installed:
                self._installed[name] = ensure(self._recipes[name], self._progress)
                if self._progress and (line := elsewhere(self._recipes[name])):
                    self._progress(line)

    def _slot(self, servers: Sequence[str], filling: Filling) -> Slot:
        slot = self._pool.take(servers, filling) or self._new()
        with self._used_lock:
            if not self._closed:
                self._used.add(slot)
                return slot
        slot.close()
        raise GroundFault("the ground is closed")

    def _new(self) -> Slot:
        return Slot(Sandbox(self._variation, allow_unsafe=self._allow_unsafe))

    def _fill(self, slot: Slot, servers: Sequence[str], filling: Filling) -> None:
        def fill(home: Path, root: str) -> None:
            if filling[0]:
                self._fixtures.fill(filling[0], home, root)

        again = bool(slot.names)
        fresh = slot.prepare([self._recipes[name] for name in servers], self._installed, fill, filling)
        self._check(slot, servers)
        if self._warm and again and any(starts_ahead(self._recipes[name]) for name in fresh):
            self._pool.grow(lambda: self._spare(servers))

    def _spare(self, servers: Sequence[str]) -> Slot:
        slot = self._new()
        slot.names = tuple(servers)
        return slot

    def _renew(self, slot: Slot) -> None:
        """Make the slot ready for an attempt at a task like its last one."""
        slot.ahead([self._recipes[name] for name in slot.names], self._installed)
        self._check(slot, slot.connections)

    def _check(self, slot: Slot, servers: Iterable[str]) -> None:
        """Refuse those of the servers that are not as they were frozen; those that were looked at are not asked again.

        Raises:
            GroundFault: one is not.
        """
        frozen = {server.name: server for server in self.ground.servers}
        for name in list(servers):
            connection = slot.connections[name]
            if name in frozen and (name in slot.unchecked or connection.changed):
                connection.changed = False
                self._compare(frozen[name], slot)
            slot.unchecked.discard(name)

    def _compare(self, frozen: Server, slot: Slot) -> None:
        """Refuse a server that is not as it was frozen, or note it where drift is allowed."""
        live = slot.connections[frozen.name].list_tools()
        if self._listed.get(frozen.name) == (live, slot.sandbox.root):
            return
        if not self._allow_drift:
            drift(frozen, live, slot.sandbox.root)
            self._listed[frozen.name] = (live, slot.sandbox.root)
        elif (found := drifted(frozen, live, slot.sandbox.root)) and frozen.name not in self.drifted:
            self.drifted[frozen.name] = found
            if self._progress:
                self._progress(f"{frozen.name} is not as it was frozen: {shown(found)}")

    def _release(self, slot: Slot, *, clean: bool, called: bool = True) -> None:
        with self._used_lock:
            if slot not in self._used:
                return  # the ground was closed under it
            self._used.remove(slot)
        if not (self._warm and clean):
            slot.close()
            return
        slot.retire({name for name, connection in slot.connections.items() if self._is_spent(name, connection, called)})
        self._pool.give(slot)

    def _is_spent(self, name: str, connection: Connection, called: bool) -> bool:
        """Must the server be started anew for the next attempt?"""
        recipe = self._recipes[name]
        return connection.changed or not (recipe.reset != "restart" if called else starts_ahead(recipe))


class LiveSession:
    """The tools of one attempt. Calls of tools that are not known to be read-only run one at a time.

    Args:
        state: None where a server runs elsewhere: what it changes cannot be seen, so nothing is said of what changed.
    """

    def __init__(
        self, slot: Slot, tools: Sequence[Tool], state: State | None, release: _Release, check: _Check
    ) -> None:
        self.root = slot.sandbox.root
        self.tools = tools
        self._slot = slot
        self._state = state
        self._release = release
        self._check = check
        self._writing = threading.Lock()
        self._created: list[str] = []
        self._start = self._last = state.snapshot() if state else Snapshot({}, frozenset())
        self._known = {tool.id: tool for tool in self.tools}
        self._closed = False
        self._clean = True

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """Run one call as it is, valid or not; a tool's own failure is a result.

        Raises:
            ServerDied: the server died or hung in this call.
            GroundFault: the session is closed; the server's tools are no longer those that the agent was offered.
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
            if self._state is None:
                return result
            now = self._state.snapshot()
            changed = tuple(change.path for change in difference(self._last, now, self._created))
            self._last = now
            return result.model_copy(update={"changed": changed})

    def _send(self, tool: Tool, call: ToolCall, timeout: float) -> ToolResult:
        assert not isinstance(call.arguments, str)
        if self._closed:
            raise GroundFault("the session is closed", where=tool.server)
        try:
            connection = self._slot.connections[tool.server]
            outcome = connection.call(tool.name, call.arguments, timeout)
            self._slot.unchecked.add(tool.server)  # whoever calls may change the list without a word
            if connection.changed:
                self._look_again(tool.server)
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

    def _look_again(self, server: str) -> None:
        """Compare what a server lists with what the agent was offered, unless it was not called since the last look."""
        try:
            self._check(self._slot, [server])
        except (GroundFault, SetupError) as error:
            self._clean = False
            if self._slot.connections[server].dead:
                raise
            raise GroundFault(
                f"changed its tools during the attempt: {error.what}",
                where=error.where,
                remedy="leave such a server out: what is scored is what was frozen",
            ) from error

    def end_state(self) -> tuple[StateChange, ...] | None:
        """Canonical difference from the start, sorted by path; None where no state is captured.

        Raises:
            GroundFault: a server's tools are no longer those that the agent was offered.
        """
        changes = None
        if self._state is not None:
            with self._writing:
                self._last = self._state.snapshot()
                changes = difference(self._start, self._last, self._created)
        for server in sorted({tool.server for tool in self.tools}):
            try:
                self._look_again(server)
            except GroundFault:
                if not self._slot.connections[server].dead:
                    raise
                # It ended after its last answer: nothing that the agent did went wrong.
        return changes

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
