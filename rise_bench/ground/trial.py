"""Tries each wall of the sandbox from inside: which hold on this machine, by what, and what to do about the others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rise_bench.ground.confine import Cell, Means
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Limits
from rise_bench.ground.wrap import INSIDE, bind_options

__all__ = ["WALLS", "Wall", "walls"]

WALLS = ("network", "files and keys", "processes", "memory", "disk")

SMALL = Limits(memory_mb=96, processes=24, disk_mb=4)
"""Limits of a trial; it asks for four times as much."""

TIMES = 4
SECONDS = 40.0
CANARY = "RISE_BENCH_TRIAL"
LIMITS_REMEDY = "apt-get install util-linux; run with a control group that can be written, or on Linux 5.14 or newer"
NOTHING = Installed(None, None, None)


@dataclass(frozen=True)
class Wall:
    """One thing that was tried. `by` says what holds it; `found` what the trial came to."""

    name: str
    holds: bool
    by: str
    found: str
    remedy: str = ""


_lock = threading.Lock()


def walls(used: Means) -> tuple[Wall, ...]:
    """Each wall of `WALLS`, tried for real. Once a process: about half a second."""
    with _lock:
        return _walls(used)


@lru_cache(maxsize=8)
def _walls(used: Means) -> tuple[Wall, ...]:
    tries = (_outside, _processes, _memory, _disk)
    with ThreadPoolExecutor(len(tries)) as pool:
        found = list(pool.map(lambda attempt: attempt(used), tries))
    return tuple(wall for group in found for wall in group)


def _try(used: Means, deed: str, *words: str) -> tuple[dict[str, Any], str]:
    """What the helper printed, all its lines as one, and why its cell was ended, if it was."""
    python = Path(sys.executable).resolve()
    cell = Cell(used=used)
    try:
        helpers = INSIDE if cell.isolated else str(Path(__file__).parent / "inside")
        line = [str(python), "-I", "-S", f"{helpers}/rise_trial.py", deed, *words]
        mounts = (str(python.parents[1]),)
        binds = bind_options(NOTHING, mounts, None, own_uid=used.own_uid)
        launch = cell.command("trial", line, {"PATH": os.defpath}, SMALL, binds)
        done = subprocess.run(
            [launch.command, *launch.args],
            env={CANARY: "a key"},
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )
        said: dict[str, Any] = {}
        for text in done.stdout.splitlines():
            said |= json.loads(text)
        return said, cell.exceeded() or done.stderr.strip()[-200:]
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return {}, str(error)
    finally:
        cell.close()


def _outside(used: Means) -> list[Wall]:
    with (
        socket.create_server(("127.0.0.1", 0)) as host,
        tempfile.NamedTemporaryFile(prefix="rise-bench-canary-") as canary,
    ):
        kept = [str(path) for path in _homes() if os.access(path, os.R_OK)]
        said, why = _try(used, "outside", str(host.getsockname()[1]), canary.name, *kept)
    if not said:
        return [_failed(name, why) for name in WALLS[:2]]
    by, remedy = ("bubblewrap", "") if used.isolated else ("nothing", "apt-get install bubblewrap")
    network, seen = bool(said["network"]), said["seen"] + [name for name in said["variables"] if name == CANARY]
    reached = "the host's loopback answers" if network else "nothing of the host answers"
    read = f"can be read: {', '.join(seen)}" if seen else "nothing of the user's can be read"
    return [
        Wall("network", not network, by, reached, remedy if network else ""),
        Wall("files and keys", not seen, by, read, remedy if seen else ""),
    ]


def _homes() -> list[Path]:
    """Files of the user's that may be there."""
    home = Path.home()
    return [home / ".bashrc", home / ".profile", home / ".ssh" / "id_ed25519", Path("/etc/shadow")]


def _failed(name: str, why: str) -> Wall:
    return Wall(name, False, "nothing", f"could not be tried: {' '.join(why.split())}", LIMITS_REMEDY)


def _measured(name: str, used: Means, controller: str, said: Mapping[str, Any], key: str, most: int) -> Wall:
    """A wall that holds where the helper came by less than it wanted; None of it where it was killed on the way."""
    reached = int(said.get(key, 0))
    by = "control group" if controller in used.controllers else "rlimit"
    if controller == "memory" and by == "rlimit":
        by = "rlimit and watcher"
    if said and reached >= most:
        return Wall(name, False, "nothing", f"{reached} of {most} asked for were given", LIMITS_REMEDY)
    return Wall(name, True, by, f"{reached} of {most} asked for" if said else f"killed before it had {most}")


def _processes(used: Means) -> list[Wall]:
    most = TIMES * SMALL.processes
    said, why = _try(used, "processes", str(most))
    return [_measured("processes", used, "pids", said, "started", most) if said else _failed("processes", why)]


def _memory(used: Means) -> list[Wall]:
    most = TIMES * SMALL.memory_mb
    said, why = _try(used, "memory", str(most))
    if not said and "memory" not in why and "Killed" not in why:
        return [_failed("memory", why)]
    if said.get("shared"):
        return [Wall("memory", False, "nothing", f"{most} MiB to be shared with others were given", LIMITS_REMEDY)]
    return [_measured("memory", used, "memory", said, "held", most)]


def _disk(used: Means) -> list[Wall]:
    most = TIMES * SMALL.disk_mb
    said, why = _try(used, "disk", str(most), str(most))
    if "file" not in said:
        return [_failed("disk", why)]
    if said["file"] >= most or said.get("kept"):
        found = "one large file" if said["file"] >= most else "many files"
        return [Wall("disk", False, "nothing", f"{most} MiB could be kept, as {found}", LIMITS_REMEDY)]
    return [Wall("disk", True, "rlimit and watcher", f"a file ends at {said['file']} MiB, many files: {why}")]
