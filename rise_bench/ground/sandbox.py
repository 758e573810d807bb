"""The temp folder that is a server's home, working folder and only writable place, in bubblewrap where that works."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

from rise_bench.errors import SetupError
from rise_bench.ground.clock import CLOCK, clock_environment, clock_text, faketime_library, parse_now
from rise_bench.ground.confine import VISIBLE_ROOT, Cell, Launch, Means, Variation, bwrap_problem, means
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.secrets import VARIABLE, from_user
from rise_bench.ground.trial import walls
from rise_bench.ground.wrap import INSIDE, OWN, SERVER, bind_options

__all__ = [
    "VISIBLE_ROOT",
    "Launch",
    "Means",
    "Sandbox",
    "Variation",
    "bwrap_problem",
    "faketime_library",
    "find_program",
    "means",
    "parse_now",
]

NET_PORT = 8000
"""`{port}` inside a network namespace, where every port is free."""


class Sandbox(Cell):
    """A cell for servers of the catalogue: with a clock, and with the words of their recipes filled in.

    Args:
        variation: what is different on purpose in a second reference run.
        allow_unsafe: start risky servers also where a wall is missing.
        used: by what to confine; what this machine has unless given.
    """

    def __init__(
        self, variation: Variation | None = None, *, allow_unsafe: bool = False, used: Means | None = None
    ) -> None:
        super().__init__(variation, used=used)
        self.allow_unsafe = allow_unsafe
        self.set_clock("")

    def set_clock(self, now: str) -> None:
        """Let the clock of this sandbox's servers, running ones too, stand at `now` plus the variation's shift.

        Raises:
            InputError: `now` is no ISO 8601 instant.
        """
        instant = parse_now(now)
        self.write(CLOCK, clock_text(instant + self.variation.shift if instant else None))

    def launch(self, recipe: Recipe, installed: Installed) -> Launch:
        """The command line that starts the server in this sandbox.

        Raises:
            SetupError: a program or variable that it needs is missing; or it is risky, a wall of the sandbox does not
                hold here, and `allow_unsafe` is off.
            GroundFault: its limits cannot be set up.
        """
        if recipe.risky and not self.allow_unsafe:
            self._refuse(recipe)
        words = self._words(recipe, installed)
        library = faketime_library()
        binds = bind_options(installed, recipe.mounts, library, own_uid=self.means.own_uid) if self.isolated else []
        environment = self._environment(installed, words)
        given = {key: _fill(value, words) for key, value in recipe.env.items()}
        secrets = {key: from_user(recipe, value) for key, value in given.items() if VARIABLE.search(value)}
        environment |= {key: value for key, value in given.items() if key not in secrets}
        return self.command(recipe.name, _command(recipe, words), environment, recipe.limits, binds, secrets)

    def _refuse(self, recipe: Recipe) -> None:
        does = "runs code that it is given" if recipe.risk == "executes" else "opens network connections"
        if not self.isolated:
            remedy = "install bubblewrap, or pass --allow-unsafe"
            raise SetupError(f"{does}, and {self.means.problem}", where=recipe.name, remedy=remedy)
        for wall in walls(self.means):
            if not wall.holds:
                what = f"{does}, and the sandbox's limit on {wall.name} does not hold here: {wall.found}"
                raise SetupError(what, where=recipe.name, remedy=f"{wall.remedy}; or pass --allow-unsafe")

    def _words(self, recipe: Recipe, installed: Installed) -> dict[str, str]:
        """What the placeholders of this recipe stand for in this sandbox."""
        base = SERVER if self.isolated else str(installed.folder or "")
        port = NET_PORT if self.isolated else (_free_port() if recipe.services else 0)
        inside = INSIDE if self.isolated else str(Path(__file__).parent / "inside")
        return {
            "{venv}": f"{base}/venv",
            "{node}": f"{base}/node",
            "{root}": self.root,
            "{port}": str(port),
            "{inside}": inside,
            **{f"{{program:{program}}}": _program(recipe, program) for program in recipe.needs},
        }

    def _environment(self, installed: Installed, words: dict[str, str]) -> dict[str, str]:
        """What every server finds in its environment: nothing of this process's own reaches it."""
        folders = ["/usr/local/bin", "/usr/bin", "/bin"]
        node = shutil.which("node")
        if installed.node and node:
            folders.insert(0, str(Path(node).resolve().parent))
        environment = {
            "PATH": ":".join(dict.fromkeys(folders)),
            "HOME": self.root,
            "TMPDIR": "/tmp" if self.isolated else str(self.folder / "tmp"),
            "USER": "user",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "NO_COLOR": "1",
        }
        library = faketime_library()
        if library:
            clock = f"{OWN}/{CLOCK}" if self.isolated else str(self.folder / "etc" / CLOCK)
            environment |= clock_environment(library, clock)
            environment["PYTHONPATH"] = words["{inside}"]
        return environment


def _command(recipe: Recipe, words: dict[str, str]) -> list[str]:
    """The server's command line, with its services in front where it has any."""
    parts = [(recipe.command, *recipe.args), *((service.command, *service.args) for service in recipe.services)]
    lines = [[_fill(word, words) for word in part] for part in parts]
    # The scripts that installers write name the interpreter by its path at install time, which is not its path inside.
    scripts = f"{words['{venv}']}/bin/"
    python = f"{scripts}python"
    lines = [[python, *line] if line[0].startswith(scripts) and line[0] != python else line for line in lines]
    if not recipe.services:
        return lines[0]
    services = json.dumps(lines[1:])
    return [python, f"{words['{inside}']}/rise_launch.py", services, words["{port}"], *lines[0]]


def find_program(name: str) -> str | None:
    """Where a program of the machine is; None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))


def _program(recipe: Recipe, program: str) -> str:
    """Where a program that the server needs is.

    Raises:
        SetupError: it is not installed.
    """
    path = find_program(program)
    if path is None:
        remedy = f"apt-get install {recipe.needs[program]}"
        raise SetupError(f"needs {program}, which is not installed", where=recipe.name, remedy=remedy)
    return path


def _fill(text: str, words: dict[str, str]) -> str:
    for placeholder, value in words.items():
        text = text.replace(placeholder, value)
    return text


def _free_port() -> int:
    """A port that was free a moment ago; only used without a network namespace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
