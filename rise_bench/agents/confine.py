"""The command line that starts an agent program: inside bubblewrap with nothing but itself in view, or beside us."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rise_bench.agents.private import installed_copies, private_below
from rise_bench.agents.program import Program, is_system
from rise_bench.errors import ModelFault
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.wrap import INSIDE, OWN, bwrap_options

__all__ = ["PORT", "Limits", "Place", "command_line", "environment"]

PORT = 8790
"""Loopback port inside the agent's network namespace, where every port is free, that leads to the gateway."""

SOCKET = "gateway.sock"
BRIDGE = "rise-mcp"
INSIDE_HERE = Path(__file__).parent / "inside"
LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path (sun_path of unix(7))."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Kernel limits of each process of the program."""

    memory: int = 4 << 30
    """Bytes of data that it may write to (RLIMIT_DATA)."""
    file_size: int = 1 << 30
    processes: int = 4096
    """Of its user; what runs as root is not held to it by the kernel."""


@dataclass(frozen=True, slots=True)
class Place:
    """The empty home of one attempt's program, and where in it the gateway is found."""

    sandbox: Sandbox
    confined: bool

    @property
    def socket(self) -> Path:
        """On this machine, where the gateway listens for a confined program.

        Raises:
            ModelFault: its path is too long for a socket.
        """
        path = self.sandbox.folder / "etc" / SOCKET
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            raise ModelFault("is too long a path for a socket", where=str(path), remedy="set TMPDIR to a shorter one")
        return path

    @property
    def own(self) -> str:
        """The folder of the small files made for the attempt, as the program sees it."""
        return OWN if self.confined else str(self.sandbox.folder / "etc")

    @property
    def home(self) -> str:
        """The program's home as it sees it."""
        return self.sandbox.root if self.confined else str(self.sandbox.home)

    @property
    def helpers(self) -> str:
        """The folder of our scripts, as the program sees it."""
        return INSIDE if self.confined else str(INSIDE_HERE)

    def write_bridge(self, url: str) -> str:
        """Write the executable that is an MCP server on stdio, and give its path as the program sees it.

        The address stands in it: most MCP clients start a server with next to no environment.
        """
        path = self.sandbox.folder / "etc" / BRIDGE
        words = [_python(), "-I", "-S", f"{self.helpers}/rise_mcp.py"]
        path.write_text(f"#!/bin/sh\nRISE_MCP_URL={shlex.quote(url)} exec {shlex.join(words)}\n", encoding="utf-8")
        path.chmod(0o700)
        return f"{self.own}/{BRIDGE}"


def _python() -> str:
    """The interpreter for our scripts: the one that runs us, without its virtual environment."""
    return str(Path(sys.executable).resolve())


def environment(program: Program, place: Place, said: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the program: nothing of this process's own reaches it."""
    folders = [str(Path(program.words[0]).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    plain = {
        "PATH": ":".join(dict.fromkeys(folders)),
        "HOME": place.home,
        "TMPDIR": "/tmp" if place.confined else str(place.sandbox.folder / "tmp"),
        "USER": "user",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }
    return {**plain, **said}


def command_line(program: Program, place: Place, settings: Mapping[str, str], limits: Limits, news: int) -> list[str]:
    """The words that start the program in its place, through our launcher.

    Args:
        program: what to start.
        place: where; confined or not.
        settings: its environment, given to bubblewrap (without it the caller starts the words with it).
        limits: of each process.
        news: descriptor on which the launcher tells that the program was started, or why not.
    """
    numbers = (news, limits.memory, limits.file_size, limits.processes)
    way = f"{OWN}/{SOCKET}" if place.confined else "-"
    started = [_python(), "-I", "-S", f"{place.helpers}/rise_agent.py", *map(str, numbers), way, str(PORT)]
    started += program.words
    if not place.confined:
        return started
    sandbox = place.sandbox
    options = bwrap_options(sandbox.folder, sandbox.root, sandbox.variation.uid)
    options += ["--ro-bind", str(INSIDE_HERE), INSIDE]
    for path in _shown(program):
        options += ["--ro-bind", str(path), str(path)]
    options += _covers(program, sandbox.folder)
    options += ["--remount-ro", "/"]
    options += [word for key, value in settings.items() for word in ("--setenv", key, value)]
    return [shutil.which("bwrap") or "bwrap", *options, "--", *started]


def _shown(program: Program) -> Iterator[Path]:
    """What is bound into the sandbox at its own path; an outer folder before what lies in it."""
    python = Path(_python()).parents[1]
    paths = {*program.folders, *program.files, *program.runtimes, *(() if is_system(python) else (python,))}
    yield from sorted(paths, key=lambda path: len(path.parts))


def _covers(program: Program, folder: Path) -> list[str]:
    """Options that lay an empty folder or file over what is private in the places shown; found anew for each attempt."""
    nothing, empty = folder / "nothing", folder / "empty"
    nothing.mkdir(exist_ok=True)
    empty.touch()
    kept = set(_shown(program))
    covered = [path for place in program.folders for path in private_below(place) if path not in kept]
    for place in (*(Path(name) for name in ("/usr", "/usr/local")), *_shown(program)):
        covered += installed_copies(place)
    options: list[str] = []
    for path in dict.fromkeys(covered):
        options += ["--ro-bind", str(nothing if path.is_dir() else empty), str(path)]
    return options
