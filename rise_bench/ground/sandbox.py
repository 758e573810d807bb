"""The temp folder that is a server's home, working folder and only writable place, in bubblewrap where that works."""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from rise_bench.errors import GroundFault, InputError, SetupError
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.tree import remove
from rise_bench.ground.wrap import INSIDE, OWN, SERVER, bind_options, bwrap_options

__all__ = ["VISIBLE_ROOT", "Launch", "Sandbox", "Variation", "bwrap_problem", "faketime_library", "parse_now"]

VISIBLE_ROOT = "/home/user"
"""The sandbox's path as servers and agents see it, on every machine that has bubblewrap."""

CLOCK = "clock"
"""Name of the file that says where the servers' clock stands."""

NET_PORT = 8000
"""`{port}` inside a network namespace, where every port is free."""

VARIATION_ROOT = "/srv/office"
PROBE_SECONDS = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variation:
    """What is different on purpose in the second reference run (DESIGN 3); the default is no difference."""

    root: str = VISIBLE_ROOT
    uid: int = 1000
    shift: timedelta = timedelta(0)

    @staticmethod
    def second() -> Variation:
        """Another sandbox path, another uid, the clock 37 hours later."""
        return Variation(root=VARIATION_ROOT, uid=1001, shift=timedelta(hours=37))


@dataclass(frozen=True)
class Launch:
    """A command line ready to be started, complete with its isolation."""

    command: str
    args: tuple[str, ...]
    cwd: str


@lru_cache(maxsize=1)
def bwrap_problem() -> str | None:
    """Why servers cannot run inside bubblewrap here, in one line; None where they can. Probed once a process."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap (bwrap) is not installed"
    with tempfile.TemporaryDirectory(prefix="rise-bench-probe-") as folder:
        sandbox = Path(folder)
        for part in ("home", "tmp", "etc"):
            (sandbox / part).mkdir()
        _write_identity(sandbox / "etc", Variation())
        command = [program, *bwrap_options(sandbox, VISIBLE_ROOT, 1000), "--", "/bin/sh", "-c", "true"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not run: {error}"
    return None if done.returncode == 0 else f"bubblewrap does not work here: {' '.join(done.stderr.split())[-200:]}"


@lru_cache(maxsize=1)
def faketime_library() -> Path | None:
    """libfaketime, if it is installed and makes the clock stand. Probed once a process."""
    folders = [*Path("/usr/lib").glob("*/faketime"), Path("/usr/lib/faketime"), Path("/usr/lib64/faketime")]
    folders += [Path("/usr/local/lib/faketime"), *Path("/usr/lib").glob("*")]
    for folder in folders:
        library = folder / "libfaketimeMT.so.1"
        if library.is_file():
            with tempfile.TemporaryDirectory(prefix="rise-bench-probe-") as probe:
                clock = Path(probe) / CLOCK
                clock.write_text(_clock_text(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)), encoding="ascii")
                environment = {"PATH": os.defpath, **_clock(library, str(clock))}
                try:
                    done = subprocess.run(
                        ["date", "+%s"],
                        env=environment,
                        capture_output=True,
                        text=True,
                        timeout=PROBE_SECONDS,
                        check=False,
                    )
                except (OSError, subprocess.TimeoutExpired):
                    continue
            if done.stdout.strip() == "981173106":
                return library
    return None


def _clock_text(now: datetime | None) -> str:
    """What the clock file says: stand at this instant, or run as the machine's clock does."""
    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S\n") if now else "+0\n"


def _clock(library: Path, file: str) -> dict[str, str]:
    """Environment under which the wall clock stands where the file says, read anew at each look, so that a warm server
    can be set to another task's clock; the monotonic clock stays real, so timers work.
    """
    return {
        "TZ": "UTC",
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": file,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def parse_now(now: str) -> datetime | None:
    """The instant of a task's `now`, None where it has none; without a zone it is UTC.

    Raises:
        InputError: `now` is no ISO 8601 instant.
    """
    if not now:
        return None
    try:
        instant = datetime.fromisoformat(now)
    except ValueError as error:
        raise InputError(f"now: {now!r} is no ISO 8601 instant") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


_open: weakref.WeakSet[Sandbox] = weakref.WeakSet()


class Sandbox:
    """One temp folder, used by one attempt at a time and emptied between attempts.

    `home` is the folder on this machine; `root` is its path as the servers see it (equal without bubblewrap).
    """

    def __init__(self, variation: Variation | None = None, *, allow_unsafe: bool = False) -> None:
        self.variation = variation or Variation()
        self.isolated = bwrap_problem() is None
        self.allow_unsafe = allow_unsafe
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="rise-bench-"))
            for part in ("home", "tmp", "etc", "log"):
                (self.folder / part).mkdir()
            _write_identity(self.folder / "etc", self.variation)
            self.set_clock("")
            _open.add(self)
        except OSError as error:
            raise GroundFault(f"cannot make a sandbox: {error}", remedy="set TMPDIR to a folder with room") from error
        self.home = self.folder / "home"
        self.root = self.variation.root if self.isolated else str(self.home)

    def log(self, server: str) -> Path:
        """File on this machine that takes the server's standard error."""
        return self.folder / "log" / f"{server}.txt"

    def set_clock(self, now: str) -> None:
        """Let the clock of this sandbox's servers, running ones too, stand at `now` plus the variation's shift.

        Raises:
            InputError: `now` is no ISO 8601 instant.
        """
        instant = parse_now(now)
        text = _clock_text(instant + self.variation.shift if instant else None)
        # Replaced, not rewritten: a running server must never read half a date.
        written = self.folder / "etc" / f"{CLOCK}.new"
        written.write_text(text, encoding="ascii")
        written.replace(self.folder / "etc" / CLOCK)

    def launch(self, recipe: Recipe, installed: Installed) -> Launch:
        """The command line that starts the server in this sandbox.

        Raises:
            SetupError: the server runs code it is given, there is no bubblewrap, and `allow_unsafe` is off.
        """
        if recipe.executes_code and not self.isolated and not self.allow_unsafe:
            raise SetupError(
                f"runs code that it is given, and {bwrap_problem()}",
                where=recipe.name,
                remedy="install bubblewrap, or pass --allow-unsafe",
            )
        words = self._words(recipe, installed)
        environment = self._environment(recipe, installed, words)
        command = _command(recipe, words)
        if not self.isolated:
            settings = [f"{key}={value}" for key, value in environment.items()]
            env = shutil.which("env") or "/usr/bin/env"
            return Launch(env, ("-i", *settings, *command), str(self.home))
        options = bwrap_options(self.folder, self.root, self.variation.uid)
        options += bind_options(installed, recipe.mounts, faketime_library())
        options += [word for key, value in environment.items() for word in ("--setenv", key, value)]
        return Launch(shutil.which("bwrap") or "bwrap", (*options, "--", *command), str(self.home))

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
        }

    def _environment(self, recipe: Recipe, installed: Installed, words: dict[str, str]) -> dict[str, str]:
        """The whole environment of the server: nothing of this process's own reaches it."""
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
            environment |= _clock(library, clock)
            environment["PYTHONPATH"] = words["{inside}"]
        return environment | {key: _fill(value, words) for key, value in recipe.env.items()}

    def wipe(self) -> None:
        """Empty home and tmp; the folders themselves stay, a warm server has them as its working folder."""
        try:
            for part in (self.home, self.folder / "tmp"):
                remove(part, keep_top=True)
        except OSError as error:
            raise GroundFault(f"the sandbox cannot be emptied: {error}") from error

    def close(self) -> None:
        """Remove the folder. Closing twice is harmless."""
        _open.discard(self)
        try:
            if self.folder.exists():
                remove(self.folder)
        except OSError as error:
            logger.warning("the sandbox %s cannot be removed: %s", self.folder, error)


def _close_all() -> None:
    """At interpreter exit no folder may be left; the servers, started later, are ended before."""
    for sandbox in list(_open):
        sandbox.close()


atexit.register(_close_all)


def _write_identity(folder: Path, variation: Variation) -> None:
    """The few files of /etc that programs read to learn who and where they are."""
    who = f"user:x:{variation.uid}:{variation.uid}"
    (folder / "passwd").write_text(f"{who}:User:{variation.root}:/bin/sh\n", encoding="utf-8")
    (folder / "group").write_text(f"user:x:{variation.uid}:\n", encoding="utf-8")
    (folder / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")


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


def _fill(text: str, words: dict[str, str]) -> str:
    for placeholder, value in words.items():
        text = text.replace(placeholder, value)
    return text


def _free_port() -> int:
    """A port that was free a moment ago; only used without a network namespace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
