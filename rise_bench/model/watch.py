"""A program that starts another and lives no longer than whoever started it, with all that the other starts.

`python watch.py GRACE COMMAND...` runs the command in a session of its own until it ends, until this program is told to
end, or until standard input is closed, which the kernel does when its other end dies, however it dies. Then everything the
command started gets SIGTERM, and after GRACE seconds SIGKILL. Standard library alone: it is run as a file. Source: our design.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

__all__ = ["main"]

_SUBREAPER, _PDEATHSIG = 36, 1
"""Of Linux' prctl: orphans below us become our children; a signal that the kernel sends when the parent has died."""

_POLL_SECONDS = 0.02


def main(words: list[str]) -> int:
    """The command's exit code (128 + signal where one ended it) once nothing that it started is left."""
    grace, command = float(words[0]), words[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us; we end when that ends
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _told)
    child: subprocess.Popen[bytes] | None = None
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(_PDEATHSIG, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509 (one thread here)
        )
        ended = os.pidfd_open(child.pid)
        select.select([sys.stdin, ended], [], [])
    except _Told:
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _end_all(child, grace)
    code = child.returncode if child is not None else 1
    return code if code >= 0 else 128 - code


class _Told(BaseException):
    """Somebody told this program to end."""


def _told(number: int, frame: FrameType | None) -> None:
    raise _Told


def _end_all(child: subprocess.Popen[bytes] | None, grace: float) -> None:
    """SIGTERM to all below us; SIGKILL, again and again, to what is left after `grace` seconds."""
    if child is not None and child.poll() is None:
        child.terminate()  # alone first: a server that ends its own workers does it in order
    deadline = time.monotonic() + grace
    termed = child is None
    while below := _below(os.getpid()):
        late = time.monotonic() >= deadline
        if late or not (termed or (child is not None and child.poll() is None)):
            termed = True
            for pid in below:
                _signal(pid, signal.SIGKILL if late else signal.SIGTERM)
        _reap(child)
        time.sleep(_POLL_SECONDS)


def _reap(child: subprocess.Popen[bytes] | None) -> None:
    """Take leave of orphans that have ended; the command itself is its Popen's."""
    for pid in _below(os.getpid(), deep=False):
        if child is None or pid != child.pid:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
    if child is not None:
        child.poll()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _below(root: int, *, deep: bool = True) -> list[int]:
    """Ids of the processes under `root`: its children, or with `deep` theirs too."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # ended while we looked
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = list(parents.get(root, ()))
    for pid in found if deep else ():
        found.extend(parents.get(pid, ()))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
