"""Where and how a server is confined: a folder of its own, a user of its own, limits held by what this machine has."""

from __future__ import annotations

import atexit
import logging
import os
import platform
import re
import shutil
import socket
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from rise_bench.errors import GroundFault
from rise_bench.ground.cgroups import Group, parents
from rise_bench.ground.folders import drop, end_those_of, own_folder
from rise_bench.ground.recipe import Limits
from rise_bench.ground.tree import own, remove
from rise_bench.ground.watch import Guard, keep, release
from rise_bench.ground.wrap import bwrap_options, reachable

__all__ = ["VISIBLE_ROOT", "Cell", "Launch", "Means", "Variation", "bwrap_problem", "means"]

VISIBLE_ROOT = "/home/user"
"""The sandbox's path as servers and agents see it, on every machine that has bubblewrap."""

VARIATION_ROOT = "/srv/office"
PROBE_SECONDS = 20

UIDS = range(50_000, 58_000)
"""Users for sandboxes, where we are root and can choose: below 65536, so that most containers have them."""

KERNEL_COUNTS_SPACES = (5, 14)
"""Since this Linux a limit on processes, set inside a user namespace, counts those inside alone."""

ENTER = 'echo $$ > "$1"; shift; while [ "$1" != -- ]; do echo $$ > "$1" || exit 96; shift; done; shift; exec "$@"'
"""Leave the number of this process in a file, enter the control groups, become the command."""

KEPT = "RISE_BENCH_KEPT_"
"""Under such names secrets come to the server's user, who alone gives them their own: no program before runs by them."""

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
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment it is to be started in: secrets, which any user of the machine could read on its line."""


@dataclass(frozen=True)
class Means:
    """By what servers are confined on this machine. A test may take some away."""

    problem: str | None
    """Why there is no bubblewrap; None where there is."""
    own_uid: bool = False
    """Each sandbox has an unprivileged user of its own: only where we are root."""
    controllers: frozenset[str] = frozenset()
    """Control groups that hold a limit."""
    rlimits: frozenset[str] = frozenset()
    """Limits, of `memory`, `processes` and `disk`, that the kernel holds a process to."""
    dies: bool = False
    """Without bubblewrap, a server is killed when we are."""

    @property
    def isolated(self) -> bool:
        """Is there bubblewrap?"""
        return self.problem is None


@lru_cache(maxsize=1)
def means() -> Means:
    """What this machine has. Tried once a process."""
    setpriv, prlimit = shutil.which("setpriv"), shutil.which("prlimit")
    held = {"memory", "disk"} if prlimit else set()
    plain = Means(None, controllers=frozenset(parents()), rlimits=frozenset(held), dies=setpriv is not None)
    if shutil.which("bwrap") is None:
        return replace(plain, problem="bubblewrap (bwrap) is not installed")
    if prlimit and os.geteuid() and _kernel() >= KERNEL_COUNTS_SPACES:
        plain = replace(plain, rlimits=plain.rlimits | {"processes"})
    if os.geteuid() == 0 and setpriv and prlimit and shutil.which("unshare"):
        better = replace(plain, own_uid=True, rlimits=plain.rlimits | {"processes"})
        if not _problem(better):
            return better
    return replace(plain, problem=_problem(plain))


def bwrap_problem() -> str | None:
    """Why servers cannot run inside bubblewrap here, in one line; None where they can."""
    return means().problem


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def _problem(candidate: Means) -> str | None:
    """Why nothing can be started by these means; None where it can."""
    cell = Cell(used=candidate)
    try:
        launch = cell.command("probe", ["/bin/sh", "-c", "true"], {}, Limits(), ["--remount-ro", "/"])
        done = subprocess.run(
            [launch.command, *launch.args],
            env={},
            cwd=launch.cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
    finally:
        cell.close()
    return None if done.returncode == 0 else f"bubblewrap does not work here: {' '.join(done.stderr.split())[-200:]}"


_open: weakref.WeakSet[Cell] = weakref.WeakSet()


class Cell:
    """One temp folder, used by one attempt at a time and emptied between attempts, and all that runs in it.

    `home` is the folder on this machine; `root` is its path as the servers see it (equal without bubblewrap).

    Args:
        variation: path and user inside.
        used: by what to confine; what this machine has unless given.
    """

    def __init__(self, variation: Variation | None = None, *, used: Means | None = None) -> None:
        self.variation = variation or Variation()
        self.means = used or means()
        self.isolated = self.means.isolated
        self._guards: list[Guard] = []
        self._closed = False
        self._lock = threading.Lock()
        self._uid: int | None = None
        self._reserved: socket.socket | None = None
        if self.means.own_uid and self.isolated:
            self._uid, self._reserved = _reserve()
        try:
            self.folder = own_folder()
            for part in ("home", "tmp", "etc", "log"):
                (self.folder / part).mkdir()
                (self.folder / part).chmod(0o755)
            for name, text in _identity(self.variation).items():
                self.write(name, text)
            _open.add(self)
            self._hand_over()
        except OSError as error:
            raise GroundFault(f"cannot make a sandbox: {error}", remedy="set TMPDIR to a folder with room") from error
        self.home = self.folder / "home"
        self.root = self.variation.root if self.isolated else str(self.home)

    def write(self, name: str, text: str) -> None:
        """Put a small file where the servers find it, at once whole: a running server must never read half of it."""
        written = self.folder / "etc" / f"{name}.new"
        written.write_text(text, encoding="utf-8")
        written.chmod(0o644)
        written.replace(self.folder / "etc" / name)

    def log(self, server: str) -> Path:
        """File on this machine that takes the server's standard error."""
        return self.folder / "log" / f"{server}.txt"

    def _hand_over(self) -> None:
        """Give the folders that servers write to their user."""
        if self._uid is not None:
            for part in ("home", "tmp"):
                os.chown(self.folder / part, self._uid, self._uid)

    def fill(self, make: Callable[[Path, str], None]) -> None:
        """Fill the home.

        Args:
            make: fills an empty folder, given also the home's path as the servers see it.

        Raises:
            GroundFault: it cannot be filled.
        """
        # Made where no server can reach it: one that runs on could lead the maker astray by a link.
        stage = self.folder / "stage"
        try:
            stage.mkdir(mode=0o700)
            try:
                make(stage, self.root)
                if self._uid is not None:
                    own(stage, self._uid)
                for entry in os.scandir(stage):
                    os.rename(entry.path, self.home / entry.name)  # noqa: PTH104
            finally:
                remove(stage)
        except OSError as error:
            raise GroundFault(f"the sandbox cannot be filled: {error}") from error

    def command(
        self,
        name: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        limits: Limits,
        binds: Sequence[str],
        secrets: Mapping[str, str] | None = None,
    ) -> Launch:
        """The command line that starts the words, confined, under limits that are held until `close`.

        Args:
            name: for messages.
            environment: the whole of it, but for the secrets.
            binds: further options of bubblewrap, the last ones.
            secrets: variables whose values the command line does not show.

        Raises:
            GroundFault: the limits cannot be set up.
        """
        settings = [f"{key}={value}" for key, value in environment.items()]
        kept = {f"{KEPT}{number}": value for number, value in enumerate((secrets or {}).values())}
        if kept:
            words = ["/bin/sh", "-c", _renaming(dict(zip(secrets or (), kept, strict=True))), "sh", *words]
        # Last: what is preloaded by it must run as the server's user.
        inner = [*self._limited(limits), _path("env"), *([] if kept else ["-i"]), *settings, *words]
        if self.isolated:
            options = [*bwrap_options(self.folder, self.root, self.variation.uid, own_uid=self.means.own_uid), *binds]
            if self.means.own_uid:
                options, inner = reachable(options), [*self._as_user(), *inner]
            inner = [_path("bwrap"), *options, "--", *inner]
        elif self.means.dies:
            inner = [_path("setpriv"), "--pdeathsig", "KILL", *inner]
        guard = self._guarded(name, limits)
        entries = guard.group.entries if guard.group else []
        return Launch("/bin/sh", ("-c", ENTER, "sh", str(guard.number), *entries, "--", *inner), str(self.home), kept)

    def _as_user(self) -> list[str]:
        """Become the sandbox's user for good; only then the namespace in which it has the usual number."""
        uid, shown = str(self._uid), str(self.variation.uid)
        words = [_path("setpriv"), "--reuid", uid, "--regid", uid, "--clear-groups", "--inh-caps=-all"]
        words += ["--bounding-set=-all", "--no-new-privs"]
        return [*words, _path("unshare"), "--user", f"--map-user={shown}", f"--map-group={shown}"]

    def _limited(self, limits: Limits) -> list[str]:
        """The kernel's limits of each process, where no control group holds the same of all together."""
        held = self.means.rlimits
        if not held:
            return []
        options = [f"--fsize={limits.disk_mb << 20}", "--core=0"]
        if "memory" not in self.means.controllers:
            # Not the address space: Node.js and browsers reserve much more of it than they use.
            options.append(f"--data={limits.memory_mb << 20}")
        if "pids" not in self.means.controllers and "processes" in held and self.isolated:
            options.append(f"--nproc={limits.processes}")
        return [_path("prlimit"), *options]

    def _guarded(self, name: str, limits: Limits) -> Guard:
        with self._lock:
            ended = [guard for guard in self._guards if guard.over()]
            self._guards = [guard for guard in self._guards if guard not in ended]
        for guard in ended:
            release(guard)
            guard.close()
        with self._lock:
            if self._closed:
                raise GroundFault("its sandbox is closed", where=name)
            try:
                group = Group(limits, self.means.controllers) if self.means.controllers else None
            except OSError as error:
                raise GroundFault(f"cannot be limited: {error}", where=name) from error
            number = self.folder / "log" / f"{name}.pid"
            number.unlink(missing_ok=True)
            counted = "memory" in self.means.controllers
            places = (self.home, self.folder / "tmp")
            guard = Guard(name, places, number, limits, self._disk_mb, group, counted=counted)
            self._guards.append(guard)
        keep(guard)
        return guard

    def _disk_mb(self) -> int:
        """MiB that may lie in the folders that the servers share: nobody can tell whose they are."""
        return max((guard.limits.disk_mb for guard in self._guards), default=0)

    def exceeded(self) -> str:
        """Why its servers were killed: which limit they went over; empty where they were not."""
        with self._lock:
            return next((why for guard in self._guards if (why := guard.exceeded())), "")

    def wipe(self) -> None:
        """Empty home and tmp; the folders themselves stay, a warm server has them as its working folder.

        Without bubblewrap, what servers that have ended left running is ended first.

        Raises:
            GroundFault: something cannot be removed.
        """
        if not self.isolated:
            with self._lock:
                guards = list(self._guards)
            end_those_of(self.folder, {pid for guard in guards for pid in guard.processes()})
        try:
            for part in (self.home, self.folder / "tmp"):
                remove(part, keep_top=True)
        except OSError as error:
            raise GroundFault(f"the sandbox cannot be emptied: {error}") from error

    def close(self) -> None:
        """Remove the folder and the control groups, once the servers have ended. Closing twice is harmless."""
        _open.discard(self)
        with self._lock:
            self._closed = True
            guards = self._guards
        if not self.isolated:
            end_those_of(self.folder)
        for guard in guards:
            release(guard)
            guard.close()
        try:
            drop(self.folder)
        except OSError as error:
            logger.warning("the sandbox %s cannot be removed: %s", self.folder, error)
        if self._reserved is not None:
            self._reserved.close()


def _close_all() -> None:
    """At interpreter exit no folder may be left; the servers, started later, are ended before."""
    for cell in list(_open):
        cell.close()


atexit.register(_close_all)


def _renaming(names: Mapping[str, str]) -> str:
    """Shell text: each variable becomes the one under which it came, which goes; then become the command."""
    moves = [f'export {name}="${kept}"; unset {kept}; ' for name, kept in names.items()]
    return f'{"".join(moves)}exec "$@"'


def _path(program: str) -> str:
    """Where a program is, the same inside and outside."""
    return shutil.which(program) or f"/usr/bin/{program}"


def _reserve() -> tuple[int, socket.socket]:
    """A user that nobody is, and what keeps other processes of ours from choosing it until it is closed.

    Raises:
        GroundFault: every one is taken.
    """
    first = os.getpid() * 8 % len(UIDS)
    for uid in (*UIDS[first:], *UIDS[:first]):
        if uid in _somebody():
            continue
        reserved = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reserved.bind(f"\0rise-bench-user-{uid}")  # a name without a file: it is gone with its process
        except OSError:
            reserved.close()
            continue
        return uid, reserved
    raise GroundFault("no user is free for another sandbox")


@lru_cache(maxsize=1)
def _somebody() -> frozenset[int]:
    """This machine's own users. Not asked one by one: a directory service may take long to know nobody."""
    try:
        lines = Path("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    fields = [line.split(":") for line in lines]
    return frozenset(int(parts[2]) for parts in fields if len(parts) > 2 and parts[2].isdecimal())


def _identity(variation: Variation) -> dict[str, str]:
    """The few files of /etc that programs read to learn who and where they are."""
    who = f"user:x:{variation.uid}:{variation.uid}"
    return {
        "passwd": f"{who}:User:{variation.root}:/bin/sh\n",
        "group": f"user:x:{variation.uid}:\n",
        "hosts": "127.0.0.1 localhost\n",
    }
