"""Slots: a sandbox with the servers that run in it, reset between attempts, and started ahead where that is clean."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.errors import GroundFault, RiseError
from rise_bench.ground.client import Connection
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.remote import connect
from rise_bench.ground.sandbox import Sandbox

__all__ = ["Filling", "Pool", "Slot", "starts_ahead"]

Filling = tuple[str, str]
"""What a sandbox is filled with: the fixture's name and the instant of its clock."""

IDLE_LIMIT = 4
"""Slots that may wait for their next attempt."""

IDLE_SECONDS = 120.0
"""After which a waiting slot is closed."""

SPARES = 2
"""Slots that are made ready while attempts run."""

KEPT = 8
"""Servers that keep nothing and may run in a slot besides those of its attempt."""

SERVED = 100
"""Attempts after which a server is started anew all the same."""

LOOKED = 20
"""Attempts after which it is looked at what a server holds: some keep a file or a child for every call."""

GROWN = 10
"""By so many more processes, threads and open files than after its first attempt, it is started anew."""

JOIN_SECONDS = 30.0

logger = logging.getLogger(__name__)


def starts_ahead(recipe: Recipe) -> bool:
    """May its process start before the attempt's files are there and its clock is set?"""
    return not recipe.url and (recipe.early or recipe.reset == "wipe")


@dataclass(eq=False)
class Slot:
    """One sandbox and the connections of the servers that run in it. Used by one thread at a time, stopped by any."""

    sandbox: Sandbox
    connections: dict[str, Connection] = field(default_factory=dict)
    """Those used longest ago first."""
    retired: list[Connection] = field(default_factory=list)
    names: tuple[str, ...] = ()
    """Servers of its last attempt, which the next one is likely to want."""
    unchecked: set[str] = field(default_factory=set)
    """Running servers whose contract nobody has looked at since they started."""
    stateless: set[str] = field(default_factory=set)
    """Running servers that keep nothing."""
    begun: dict[str, Filling] = field(default_factory=dict)
    """With what the sandbox was filled when each running server started."""
    served: Counter[str] = field(default_factory=Counter)
    """Attempts that each running server has served."""
    held: dict[str, int] = field(default_factory=dict)
    """What each running server held after its first attempt."""
    since: float = 0.0
    """When it began to wait."""
    stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(
        self,
        recipes: Sequence[Recipe],
        installed: Mapping[str, Installed],
        fill: Callable[[Path, str], None],
        filling: Filling,
    ) -> list[str]:
        """Empty the sandbox, set its clock, fill it with a fixture, start what does not run yet: the newly started.

        Args:
            filling: the fixture's name and where the clock stands, empty = as the machine's.

        Raises:
            SetupError: a server cannot be started.
            GroundFault: the sandbox cannot be emptied.
        """
        self.names = tuple(recipe.name for recipe in recipes)
        self._dismiss({recipe.name for recipe in recipes if recipe.reset == "refill"}, filling)
        self._empty()
        self.sandbox.set_clock(filling[1])
        self.sandbox.fill(fill)
        begun = self._start(recipes, installed)
        self.begun.update(dict.fromkeys(begun, filling))
        return begun

    def ahead(self, recipes: Sequence[Recipe], installed: Mapping[str, Installed]) -> None:
        """Empty the sandbox and start those of the servers that may start before the next attempt is known.

        Raises:
            SetupError: a server cannot be started.
            GroundFault: the sandbox cannot be emptied.
        """
        self.names = tuple(recipe.name for recipe in recipes)
        self._empty()
        self.sandbox.set_clock("")
        self._start([recipe for recipe in recipes if starts_ahead(recipe)], installed)

    def _dismiss(self, remembering: set[str], filling: Filling) -> None:
        """Begin to end the servers of earlier attempts that write: what they still did would be taken for this one's doing;
        and those of this one that remember another filling.
        """
        with self._lock:
            others = self.connections.keys() - self.stateless - set(self.names)
            stale = {name for name in self.connections.keys() & remembering if self.begun.get(name) != filling}
            for name in others | stale:
                connection = self.connections.pop(name)
                connection.close(wait=False)
                self.retired.append(connection)

    def _empty(self) -> None:
        for connection in self.retired:
            connection.close()
        self.retired.clear()
        self.sandbox.wipe()

    def _start(self, recipes: Sequence[Recipe], installed: Mapping[str, Installed]) -> list[str]:
        begun: list[str] = []
        for recipe in recipes:
            running = self.connections.get(recipe.name)
            if running is not None and running.dead:
                running.close()
            if running is None or running.dead:
                running = connect(recipe, installed[recipe.name], self.sandbox)
                begun.append(recipe.name)
            with self._lock:
                if self.stopped:
                    raise GroundFault("the ground is closed")
                self.connections.pop(recipe.name, None)
                self.connections[recipe.name] = running
                if recipe.name in begun:
                    running.begin()
        self.stateless.update(recipe.name for recipe in recipes if recipe.keeps == "nothing")
        self.unchecked.update(begun)
        for name in begun:
            del self.served[name]
        for recipe in recipes:
            self.connections[recipe.name].start(recipe.start_seconds)
        return begun

    def retire(self, names: set[str]) -> None:
        """After an attempt: begin to end the servers that only a new process resets, those that have served long enough or
        hold more and more, and those that were not wanted for long.
        """
        self.served.update(self.names)
        old = {name for name in self.names if name in self.connections and self._is_worn(name)}
        idle = [name for name in self.connections if name not in self.names]
        surplus = set(idle[: max(0, len(idle) - KEPT)])
        with self._lock:
            for name in (names | old | surplus) & self.connections.keys():
                connection = self.connections.pop(name)
                connection.close(wait=False)
                self.retired.append(connection)

    def _is_worn(self, name: str) -> bool:
        attempts = self.served[name]
        if attempts == 1:
            self.held[name] = self.connections[name].held()
        if attempts % LOOKED:
            return False
        return attempts >= SERVED or self.connections[name].held() > self.held.get(name, 0) + GROWN

    def stop(self) -> None:
        """Begin to end every server, for good; whoever waits for one waits no longer."""
        with self._lock:
            self.stopped = True
            for connection in (*self.connections.values(), *self.retired):
                connection.close(wait=False)

    def close(self) -> None:
        """End every server and remove the sandbox. Closing twice is harmless."""
        self.stop()
        for connection in (*self.connections.values(), *self.retired):
            connection.close()
        self.sandbox.close()


class Pool:
    """Slots that wait for their next attempt, and those that are made ready for one. Used from many threads at once.

    Slots are made ready only when an attempt begins: once the last one has begun, nothing more is started.

    Args:
        renew: makes a slot ready, in a thread of its own; one that it raises over is closed.
        idle_limit: slots that may wait.
        idle_seconds: after which a waiting slot is closed.
        spares: slots that are made ready while attempts run.
    """

    def __init__(
        self,
        renew: Callable[[Slot], None],
        *,
        idle_limit: int = IDLE_LIMIT,
        idle_seconds: float = IDLE_SECONDS,
        spares: int = SPARES,
    ) -> None:
        self._renew = renew
        self._limit = idle_limit
        self._seconds = idle_seconds
        self._spares = min(spares, idle_limit)
        self._lock = threading.Lock()
        self._idle: list[Slot] = []
        """Given back as their attempts left them."""
        self._ready: list[Slot] = []
        self._renewing: dict[Slot, threading.Thread] = {}
        self._awaited: dict[Slot, threading.Thread] = {}
        """Being made ready for an attempt that waits for it."""
        self._timer: threading.Timer | None = None
        self._closed = False

    def take(self, names: Sequence[str], filling: Filling = ("", "")) -> Slot | None:
        """The waiting slot in which most of the named servers run, of those the one where fewest others would be ended, of
        those the one where most began with this filling; else one that is being made ready, else None.

        Raises:
            GroundFault: the pool is closed.
        """
        while True:
            with self._lock:
                if self._closed:
                    raise GroundFault("the ground is closed")
                found = self._best(set(names), filling)
                if found is not None:
                    self._make_ready()
                    return found
                if not self._renewing:
                    return None
                slot, thread = next(iter(self._renewing.items()))
                self._awaited[slot] = self._renewing.pop(slot)
            thread.join()
            with self._lock:
                if self._awaited.pop(slot, None) is not None and not slot.stopped:
                    return slot

    def _best(self, names: set[str], filling: Filling) -> Slot | None:
        """With the lock held: the slot to use, no longer waiting."""
        waiting = [*reversed(self._ready), *reversed(self._idle)]
        if not waiting:
            return None

        def fits(slot: Slot) -> tuple[int, int, int]:
            running = slot.connections.keys() & names
            ended = slot.connections.keys() - slot.stateless - names
            return len(running), -len(ended), sum(slot.begun.get(name) == filling for name in running)

        best = max(waiting, key=fits)
        (self._ready if best in self._ready else self._idle).remove(best)
        return best

    def _make_ready(self) -> None:
        """With the lock held: an attempt begins, so another may follow; have slots made ready for it."""
        while self._idle and len(self._ready) + len(self._renewing) < self._spares:
            self._begin(self._idle.pop())

    def grow(self, make: Callable[[], Slot]) -> None:
        """Make one more slot ready where none waits: an attempt had to wait for servers that can be started ahead."""
        with self._lock:
            if not self._closed and len(self._idle) + len(self._ready) + len(self._renewing) < self._spares:
                self._begin(make())

    def _begin(self, slot: Slot) -> None:
        thread = threading.Thread(target=self._work, args=(slot,), name="rise-bench-spare", daemon=True)
        self._renewing[slot] = thread
        thread.start()

    def _work(self, slot: Slot) -> None:
        try:
            self._renew(slot)
        except RiseError as error:
            # Whatever it is, the attempt that starts the server itself meets it too, and says so.
            logger.debug("no spare: %s", error)
            slot.close()
        except BaseException:
            slot.close()
            raise
        with self._lock:
            if self._renewing.pop(slot, None) is None or slot.stopped:
                return
            slot.since = time.monotonic()
            self._ready.append(slot)
            self._arm()

    def give(self, slot: Slot) -> None:
        """Keep the slot for later, closing the one that has waited longest where there are too many."""
        slot.since = time.monotonic()
        with self._lock:
            if self._closed or self._limit < 1:
                surplus = [slot]
            else:
                self._idle.append(slot)
                over = max(0, len(self._idle) + len(self._ready) + len(self._renewing) - self._limit)
                surplus, self._idle = self._idle[:over], self._idle[over:]
                self._arm()
        for old in surplus:
            old.close()

    def _arm(self) -> None:
        """With the lock held: have waiting slots looked at later."""
        if self._timer is None and (self._idle or self._ready):
            self._timer = threading.Timer(self._seconds, self._sweep)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self) -> None:
        deadline = time.monotonic() - self._seconds
        with self._lock:
            self._timer = None
            old = [slot for slot in (*self._idle, *self._ready) if slot.since <= deadline]
            self._idle = [slot for slot in self._idle if slot.since > deadline]
            self._ready = [slot for slot in self._ready if slot.since > deadline]
            self._arm()
        for slot in old:
            slot.close()

    def close(self) -> None:
        """Close every waiting slot, end what is being made ready, and take none back."""
        with self._lock:
            self._closed = True
            slots = [*self._idle, *self._ready]
            begun = self._renewing | self._awaited
            for left in (self._idle, self._ready, self._renewing, self._awaited):
                left.clear()
            if self._timer is not None:
                self._timer.cancel()
        for slot in (*slots, *begun):
            slot.stop()
        for slot in slots:
            slot.close()
        for slot, thread in begun.items():
            thread.join(JOIN_SECONDS)
            slot.close()
