"""Watches what running servers use, where the kernel does not: disk always, memory where there is no control group."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import select
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
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

logger = logging.getLogger(__name__)


class Guard:
    """One server's limits and what shows whether they hold.

    Args:
        server: for messages.
        places: folders that count together as its disk.
        number: file in which its first process, a child of this one, leaves its number.
        limits: its own.
        disk_mb: MiB that may lie in the places, which it may share with other servers.
        group: its control groups, if it has any; they count its memory where `counted`.
    """

    def __init__(
        self,
        server: str,
        places: tuple[Path, ...],
        number: Path,
        limits: Limits,
        disk_mb: Callable[[], int],
        group: Group | None,
        *,
        counted: bool,
    ) -> None:
        self.server = server
        self.limits = limits
        self.places = places
        self.number = number
        self.group = group
        self._disk_mb = disk_mb
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

    def processes(self) -> list[int]:
        """Numbers of its first process and of all that descends from it; none where it has ended."""
        with self._lock:
            return [self._pid, *_descendants(self._pid)] if self._runs() else []

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
            memory = 0 if self._counted else _memory(processes, self.limits.memory_mb * MIB)
            if deep:
                nameless, shared = _nameless(processes, self.places[0])
                disk += nameless
                memory += 0 if self._counted else shared
            if disk > self._disk_mb() * MIB:
                self._why = self._disk_words()
            elif memory > self.limits.memory_mb * MIB:
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
            return self._disk_words() if used(self.places) >= self._disk_mb() * MIB else ""

    def _disk_words(self) -> str:
        return f"used more than {self._disk_mb()} MiB of disk"

    def _memory_words(self) -> str:
        return f"used more than {self.limits.memory_mb} MiB of memory"

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
        told: set[Guard] = set()
        for turn in itertools.count():
            with self._lock:
                guards = list(self._guards)
                if not guards:
                    self._thread = None
                    return
            begun = time.monotonic()
            found: dict[tuple[Path, ...], int] = {}
            for guard in guards:
                try:
                    if guard.places not in found:
                        found[guard.places] = used(guard.places)
                    guard.look(found[guard.places], deep=turn % DEEP == 0)
                except Exception:
                    # Whatever it is, it must not end the watch over all the others.
                    if guard not in told:
                        logger.warning("the limits of %s are not watched", guard.server, exc_info=True)
                        told.add(guard)
            time.sleep(max(SECONDS, SHARE * (time.monotonic() - begun)))


_watch = _Watch()
keep, release = _watch.add, _watch.discard


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
    """Bytes of memory that a process holds and no file on a disk does; what it shares with others is counted."""
    return _kilobytes(Path(f"/proc/{pid}/status"), ("RssAnon:", "RssShmem:"))


def _proportional(pid: int) -> int:
    """The same, with what processes share divided among them."""
    try:
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon:", "Pss_Shmem:"))
    except OSError:
        return _resident(pid)


def _kilobytes(table: Path, names: tuple[str, ...]) -> int:
    """Bytes, from those lines of a table of the kernel's that have these names; 0 where the process has ended."""
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))


def _nameless(processes: Iterable[int], place: Path) -> tuple[int, int]:
    """Bytes of files without a name: on the file system of the place, open or mapped; elsewhere, which is memory, open."""
    device = place.stat().st_dev
    found: dict[tuple[int, int], int] = {}
    for pid in processes:
        for descriptor in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):
                status = Path(f"/proc/{pid}/fd/{descriptor}").stat()
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    found[status.st_dev, status.st_ino] = 512 * status.st_blocks
        for where, number, size in _mapped(pid):
            if where == device:
                found.setdefault((where, number), size)
    disk = sum(size for (where, _), size in found.items() if where == device)
    return disk, sum(found.values()) - disk


def _mapped(pid: int) -> Iterator[tuple[int, int, int]]:
    """Device, number and bytes of the files without a name that a process has mapped."""
    try:
        text = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        if not line.endswith(" (deleted)"):
            continue
        span, _, offset, device, number = line.split()[:5]
        begin, end = (int(address, 16) for address in span.split("-"))
        try:
            status = Path(f"/proc/{pid}/map_files/{begin:x}-{end:x}").stat()
        except OSError:  # only root may look: what is mapped is then all that is known
            major, minor = (int(part, 16) for part in device.split(":"))
            yield os.makedev(major, minor), int(number), int(offset, 16) + end - begin
        else:
            if status.st_nlink == 0:
                yield status.st_dev, status.st_ino, 512 * status.st_blocks
