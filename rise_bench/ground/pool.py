"""Slots: a sandbox with the servers that run in it, kept warm between attempts where that is clean."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.errors import GroundFault
from rise_bench.ground.client import Connection
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.sandbox import Sandbox

__all__ = ["Pool", "Slot"]

IDLE_LIMIT = 4
"""Slots that may wait for their next attempt."""

IDLE_SECONDS = 120.0
"""After which a waiting slot is closed."""


@dataclass
class Slot:
    """One sandbox and the connections of the servers that run in it."""

    sandbox: Sandbox
    connections: dict[str, Connection] = field(default_factory=dict)
    retired: list[Connection] = field(default_factory=list)
    since: float = 0.0
    """When it began to wait."""

    def prepare(
        self,
        recipes: Sequence[Recipe],
        installed: Mapping[str, Installed],
        fill: Callable[[Path, str], None],
        now: str,
    ) -> list[str]:
        """Empty the sandbox, set its clock, fill it with a fixture, start what is not running: the newly started.

        Raises:
            SetupError: a server cannot be started.
            GroundFault: the sandbox cannot be emptied.
        """
        for connection in self.retired:
            connection.close()
        self.retired.clear()
        self.sandbox.wipe()
        self.sandbox.set_clock(now)
        fill(self.sandbox.home, self.sandbox.root)
        fresh: list[str] = []
        for recipe in recipes:
            running = self.connections.get(recipe.name)
            if running is not None and running.dead:
                running.close()
            if running is None or running.dead:
                launch = self.sandbox.launch(recipe, installed[recipe.name])
                connection = Connection(recipe.name, launch, self.sandbox.log(recipe.name))
                self.connections[recipe.name] = connection
                connection.begin()
                fresh.append(recipe.name)
        for recipe in recipes:
            self.connections[recipe.name].start(recipe.start_seconds)
        return fresh

    def retire(self, names: set[str]) -> None:
        """Begin to end the servers that only a new process resets; `prepare` waits for them."""
        for name in names & self.connections.keys():
            connection = self.connections.pop(name)
            connection.close(wait=False)
            self.retired.append(connection)

    def close(self) -> None:
        """End every server and remove the sandbox."""
        connections = [*self.connections.values(), *self.retired]
        for connection in connections:
            connection.close(wait=False)
        for connection in connections:
            connection.close()
        self.sandbox.close()


class Pool:
    """Slots that wait for their next attempt. Used from many threads at once."""

    def __init__(self, idle_limit: int = IDLE_LIMIT, idle_seconds: float = IDLE_SECONDS) -> None:
        self._limit = idle_limit
        self._seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[Slot] = []
        self._timer: threading.Timer | None = None
        self._closed = False

    def take(self, names: Sequence[str]) -> Slot | None:
        """The waiting slot in which most of the named servers run, None where none waits."""
        with self._lock:
            if self._closed:
                raise GroundFault("the ground is closed")
            if not self._idle:
                return None
            best = max(self._idle, key=lambda slot: (len(slot.connections.keys() & set(names)), slot.since))
            self._idle.remove(best)
            return best

    def give(self, slot: Slot) -> None:
        """Keep the slot for later, closing the one that has waited longest where there are too many."""
        slot.since = time.monotonic()
        with self._lock:
            if self._closed or self._limit < 1:
                surplus = [slot]
            else:
                self._idle.append(slot)
                surplus = self._idle[: -self._limit]
                del self._idle[: -self._limit]
                self._arm()
        for old in surplus:
            old.close()

    def _arm(self) -> None:
        """With the lock held: have waiting slots looked at later."""
        if self._timer is None and self._idle:
            self._timer = threading.Timer(self._seconds, self._sweep)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self) -> None:
        deadline = time.monotonic() - self._seconds
        with self._lock:
            self._timer = None
            old = [slot for slot in self._idle if slot.since <= deadline]
            self._idle = [slot for slot in self._idle if slot.since > deadline]
            self._arm()
        for slot in old:
            slot.close()

    def close(self) -> None:
        """Close every waiting slot and take none back."""
        with self._lock:
            self._closed = True
            slots, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
        for slot in slots:
            slot.close()
