"""Watches what running servers use, where the kernel does not: disk always, memory where there is no control group."""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from rise_bench.ground.cgroups import Group
from rise_bench.ground.recipe import Limits

__all__ = ["Guard", "keep", "release"]

SECONDS = 0.25
"""Between two looks; a server can go over its limit by what it writes meanwhile."""

SHARE = 20
"""A look is followed by a pause of at least so many times its length."""

DEEP = 4
"""Every so many looks, files that are open but have no name are counted too."""

SMALLEST = 4096
"""Bytes that an entry counts at least: empty files fill a disk as well."""

ENDLESS = 1 << 62
MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


class Guard:
    """One server's limits and what shows whether they hold.

    Args:
        server: for messages.
        places: folders that count together as its disk.
        number: file in which its first process, a child of this one, leaves its number.
        group: its control groups, if it has any; they count its memory where `counted`.
    """

    def __init__(
        self, server: str, places: tuple[Path, ...], number: Path, limits: Limits, group: Group | None, *, counted: bool
    ) -> None:
        self.server = server
        self.places = places
        self.number = number
        self.group = group
        self._limits = limits
        self._counted = counted
        self._why = ""
        self._pid = 0
        self._handle = -1
        self._lock = threading.Lock()

    def runs(self) -> bool:
        """Whether its first process has begun and not ended."""
        with self._lock:
            return self._runs()

    def _runs(self) -> bool:
        if self._handle < 0 and not self._find():
            return False
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return not poll.poll(0)

    def _find(self) -> bool:
        """Take hold of the process, so that its number cannot come to mean another one."""
        try:
            pid = int(self.number.read_text(encoding="ascii"))
            handle = os.pidfd_open(pid)
        except (OSError, ValueError):
            return False
        if _parent(pid) != os.getpid():
            os.close(handle)
            return False
        self._pid, self._handle = pid, handle
        return True

    def over(self) -> bool:
        """Whether it has begun and ended without having gone over a limit."""
        with self._lock:
            return self._handle >= 0 and not self._runs() and not self._why

    def look(self, disk: int, *, deep: bool) -> None:
        """Kill the server if it uses too much.

        Args:
            disk: bytes that lie in its places.
            deep: also count files without a name.
        """
        with self._lock:
            if self._why or not self._runs():
                return
            processes = [self._pid, *_descendants(self._pid)] if deep or not self._counted else []
            memory = 0 if self._counted else _memory(processes, self._limits.memory_mb * MIB)
            if deep:
                nameless, shared = _nameless(processes, self.places[0])
                disk += nameless
                memory += 0 if self._counted else shared
            if disk > self._limits.disk_mb * MIB:
                self._why = self._disk_words()
            elif memory > self._limits.memory_mb * MIB:
                self._why = self._memory_words()
            if self._why:
                self._kill()

    def _kill(self) -> None:
        doomed = list(_descendants(self._pid))
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        for pid in doomed:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def exceeded(self) -> str:
        """Which limit it has gone over, in words; empty where none."""
        with self._lock:
            if self._why:
                return self._why
            if self.group is not None and self.group.out_of_memory():
                return self._memory_words()
            # A file at the largest size allowed ends its writer, before any look at the whole.
            return self._disk_words() if used(self.places) >= self._limits.disk_mb * MIB else ""

    def _disk_words(self) -> str:
        return f"used more than {self._limits.disk_mb} MiB of disk"

    def _memory_words(self) -> str:
        return f"used more than {self._limits.memory_mb} MiB of memory"

    def close(self) -> None:
        """Let go of the process, which must have ended, and of its groups."""
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
            self.number.unlink(missing_ok=True)
        if self.group is not None:
            self.group.remove()


class _Watch:
    """One daemon thread that looks after every guard; there while there is any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guards: set[Guard] = set()
        self._thread: threading.Thread | None = None

    def add(self, guard: Guard) -> None:
        with self._lock:
            self._guards.add(guard)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rise-bench-watch", daemon=True)
                self._thread.start()

    def discard(self, guard: Guard) -> None:
        with self._lock:
            self._guards.discard(guard)

    def _run(self) -> None:
        for turn in _forever():
            with self._lock:
                guards = list(self._guards)
                if not guards:
                    self._thread = None
                    return
            begun = time.monotonic()
            found = {places: used(places) for places in {guard.places for guard in guards}}
            for guard in guards:
                guard.look(found[guard.places], deep=turn % DEEP == 0)
            time.sleep(max(SECONDS, SHARE * (time.monotonic() - begun)))


_watch = _Watch()
keep, release = _watch.add, _watch.discard


def _forever() -> Iterator[int]:
    turn = 0
    while True:
        turn += 1
        yield turn


def used(places: Iterable[Path]) -> int:
    """Bytes of disk that lie in the folders, links not followed."""
    total = 0
    seen: set[int] = set()
    pending = [str(place) for place in places]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if status.st_ino not in seen:
                            total += max(512 * status.st_blocks, SMALLEST)
                        if stat.S_ISDIR(status.st_mode):
                            pending.append(entry.path)
                        elif status.st_nlink > 1:
                            seen.add(status.st_ino)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return ENDLESS  # nested deeper than a path can tell: nobody can say what lies there
    return total


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def _descendants(pid: int) -> Iterator[int]:
    """Numbers of the processes that a process has started, and of those that these have started."""
    pending = [pid]
    while pending:
        here = pending.pop()
        for task in _listed(f"/proc/{here}/task"):
            try:
                text = Path(f"/proc/{here}/task/{task}/children").read_text(encoding="ascii")
            except OSError:
                continue
            children = [int(word) for word in text.split()]
            yield from children
            pending += children


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, hundreds of times a minute
    except OSError:
        return []


def _memory(processes: Iterable[int], limit: int) -> int:
    """Bytes of memory that processes hold together, counted with care only where the limit may be reached."""
    numbers = list(processes)
    rough = sum(map(_resident, numbers))
    return rough if rough <= limit else sum(map(_proportional, numbers))


def _resident(pid: int) -> int:
    """Bytes of memory that a process shares with no file; what it shares with its parent since a fork is counted."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * PAGE


def _proportional(pid: int) -> int:
    """The same, with what processes share divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return _resident(pid)
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Anon:"))


def _nameless(processes: Iterable[int], place: Path) -> tuple[int, int]:
    """Bytes of open files without a name: on the file system of the place, and elsewhere, which is memory."""
    device = place.stat().st_dev
    found: dict[tuple[int, int], int] = {}
    for pid in processes:
        for descriptor in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):
                status = Path(f"/proc/{pid}/fd/{descriptor}").stat()
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    found[status.st_dev, status.st_ino] = 512 * status.st_blocks
    disk = sum(size for (where, _), size in found.items() if where == device)
    return disk, sum(found.values()) - disk
