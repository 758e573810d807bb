"""Temp folders that are known to be somebody's, and the removal of those whose owner was killed."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import psutil

from rise_bench.ground.tree import remove

__all__ = ["PREFIX", "drop", "end_those_of", "own_folder", "runs", "scratch", "sweep"]

PREFIX = "rise-bench-box-"
"""Of the folders' names: each is locked by its owner, and the kernel lets go of the lock however that process ends."""

AGE_SECONDS = 600.0
"""After which a folder that was made and never named, or set aside and never emptied, was left."""

END_SECONDS = 5.0
POLL_SECONDS = 0.01

logger = logging.getLogger(__name__)
_locks: dict[Path, int] = {}


def own_folder() -> Path:
    """A new temp folder, this process's own until `drop`. The first call sweeps what killed processes left.

    Raises:
        OSError: it cannot be made.
    """
    _sweep_once()
    # Locked under another name first: a folder with this prefix that is not locked is one that was left.
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder = made.rename(made.with_name(made.name.removeprefix(".")))
    _locks[folder] = lock
    return folder


def drop(folder: Path) -> None:
    """Remove the folder and what is in it. Doing so twice is harmless.

    Raises:
        OSError: something in it cannot be removed.
    """
    lock = _locks.pop(folder, None)
    if lock is None:
        return
    try:
        remove(folder)
    finally:
        os.close(lock)


@contextmanager
def scratch() -> Iterator[Path]:
    """A temp folder for a moment; one that is left by a process that was killed is swept like any other.

    Raises:
        OSError: it cannot be made.
    """
    folder = own_folder()
    try:
        yield folder
    finally:
        drop(folder)


@lru_cache(maxsize=1)
def _sweep_once() -> None:
    sweep()


def sweep() -> list[Path]:
    """Remove the folders whose owner is no more, and end what still runs in them: the folders removed.

    Those of other users and those whose owner lives are left alone.
    """
    removed: list[Path] = []
    temp = Path(tempfile.gettempdir())
    for folder in sorted((*temp.glob(f"{PREFIX}*"), *temp.glob(f".{PREFIX}*"))):
        try:
            # Only what is ours: in a folder that all may write to, a name says nothing.
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            if folder.name.startswith(".") and found.st_mtime > time.time() - AGE_SECONDS:
                continue
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_those_of(folder)
            remove(folder)
            removed.append(folder)
        except BlockingIOError:
            pass  # its owner lives
        except OSError as error:
            logger.warning("the sandbox %s, left by a process that was killed, cannot be removed: %s", folder, error)
        finally:
            os.close(lock)
    return removed


def end_those_of(folder: Path, spared: Collection[int] = ()) -> None:
    """End the processes whose home is in the folder, but for the spared numbers: without bubblewrap, nothing else ends what
    a server has started and let go of.
    """
    home = str(folder / "home")
    left: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get("HOME") == home:
                process.kill()
                left.append(process)
        except psutil.Error:
            continue
    deadline = time.monotonic() + END_SECONDS
    while any(map(runs, left)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def runs(process: psutil.Process) -> bool:
    """Whether it runs still. One that has ended may be listed for as long as whoever inherited it does not care."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
