"""Control groups: memory and processes of a server counted and held by the kernel, where we may make such groups."""

from __future__ import annotations

import itertools
import logging
import os
import re
import subprocess
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from rise_bench.ground.recipe import Limits

__all__ = ["CONTROLLERS", "Group", "candidates", "parents"]

CONTROLLERS = ("memory", "pids")

PREFIX = "rise-bench-"
OWN_PROCESSES = 2
"""Processes of ours in a group: bubblewrap outside and inside."""

REMOVE_SECONDS = 2.0
PROBE_SECONDS = 10
JOIN = 'echo $$ > "$1"'

logger = logging.getLogger(__name__)
_numbers = itertools.count()


@lru_cache(maxsize=1)
def parents() -> dict[str, Path]:
    """Controller to the folder in which groups can be made that hold it; without those that cannot. Tried once a process."""
    found: dict[str, Path] = {}
    for controller in CONTROLLERS:
        for folder in candidates(controller, _read(Path("/proc/self/cgroup")), _read(Path("/proc/self/mountinfo"))):
            if _works(controller, folder):
                _sweep(folder)
                found[controller] = folder
                break
    return found


def candidates(controller: str, own: str, mounts: str) -> list[Path]:
    """Folders in which to try to make a group: our own group's; for version 2, those of it and the groups around it, the
    nearest first, that hand the controller down to the groups in them.

    Args:
        own: what /proc/self/cgroup says.
        mounts: what /proc/self/mountinfo says.
    """
    paths = {tuple(names.split(",")): path for _, names, path in (line.split(":", 2) for line in own.splitlines())}
    folders: list[Path] = []
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        root, mount = (re.sub(r"\\040", " ", part) for part in head.split()[3:5])
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            path = next((path for names, path in paths.items() if controller in names), "/")
            folders += [_below(Path(mount), root, path)]
        elif kind == "cgroup2":
            here = _below(Path(mount), root, paths.get(("",), "/"))
            outer = [here, *(folder for folder in here.parents if folder.is_relative_to(mount))]
            folders += [folder for folder in outer if controller in _read(folder / "cgroup.subtree_control").split()]
    return folders


def _below(mount: Path, root: str, path: str) -> Path:
    """The folder of a group, whose path is told from the hierarchy's top, below a mount that may show only a part of it."""
    inner = path.removeprefix(root) if root != "/" else path
    folder = mount / inner.lstrip("/")
    return folder if folder.is_dir() else mount


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _name() -> str:
    return f"{PREFIX}{os.getpid()}-{next(_numbers)}"


def _works(controller: str, parent: Path) -> bool:
    """Whether a group can be made there, limited, entered and removed."""
    if not os.access(parent, os.W_OK):
        return False
    folder = parent / _name()  # never the same twice: threads may try at the same time
    try:
        folder.mkdir()
        _limit(controller, folder, Limits())
        command = ["/bin/sh", "-c", JOIN, "sh", str(folder / "cgroup.procs")]
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        _remove(folder)


def _sweep(parent: Path) -> None:
    """Remove the empty groups of processes of ours that are no more."""
    for folder in parent.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            with suppress(OSError):
                folder.rmdir()


def _limit(controller: str, folder: Path, limits: Limits) -> None:
    """Write the limits into a new group, under the names of either version.

    Raises:
        OSError: the kernel does not take them.
    """
    if controller == "pids":
        (folder / "pids.max").write_text(str(limits.processes + OWN_PROCESSES), encoding="ascii")
        return
    size = str(limits.memory_mb << 20)
    first = (folder / "memory.max").exists()
    (folder / ("memory.max" if first else "memory.limit_in_bytes")).write_text(size, encoding="ascii")
    for name, value in (("memory.swap.max", "0"), ("memory.memsw.limit_in_bytes", size)):
        if (folder / name).exists():  # not where swap is not counted
            (folder / name).write_text(value, encoding="ascii")


def _remove(folder: Path) -> bool:
    """Whether the group is gone; it cannot be removed before its last process has ended."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


class Group:
    """The groups, one a hierarchy, of one server and all that it starts.

    Args:
        controllers: those that are to hold the limits.

    Raises:
        OSError: a group cannot be made.
    """

    def __init__(self, limits: Limits, controllers: frozenset[str]) -> None:
        name = _name()
        self._folders: list[Path] = []
        try:
            for controller in sorted(controllers):
                folder = parents()[controller] / name
                if folder not in self._folders:
                    folder.mkdir()
                    self._folders.append(folder)
                _limit(controller, folder, limits)
        except OSError:
            self.remove()
            raise

    @property
    def entries(self) -> list[str]:
        """Files to which a process writes its number to enter."""
        return [str(folder / "cgroup.procs") for folder in self._folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something in it for want of memory."""
        names = ("memory.events", "memory.oom_control")
        lines = [line for folder in self._folders for name in names for line in _read(folder / name).splitlines()]
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def remove(self) -> None:
        """Remove it, once its processes have ended. Doing so twice is harmless."""
        for folder in self._folders:
            if not _remove(folder):
                logger.warning("the control group %s cannot be removed", folder)
        self._folders = []
