"""The bubblewrap command line: what of this machine a sandboxed server can see, and what it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from rise_bench.ground.install import Installed

__all__ = [
    "INSIDE",
    "OWN",
    "SERVER",
    "bind_options",
    "bwrap_options",
    "holds_home",
    "interpreter_places",
    "is_installation",
    "reachable",
]

SERVER = "/opt/server"
"""Where a server finds its own environment inside the sandbox."""

OWN = "/opt/sandbox"
"""Where the sandbox's own small files lie inside, the clock's among them."""

INSIDE = "/opt/rise"
"""Where the helpers of `inside/` lie inside the sandbox."""

SHARED_MB = 256
"""Size of /dev/shm, which is memory."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Not all of `ssl`: whoever runs this as root could read the keys in `ssl/private`.
TLS = ("ssl/certs", "ssl/openssl.cnf", "ca-certificates")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "nsswitch.conf", *TLS)
OWN_ETC = ("passwd", "group", "hosts")

SPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
PROBE_SECONDS = 20


@lru_cache(maxsize=1)
def _system_options() -> tuple[str, ...]:
    """Read-only binds of the system's programs and libraries; links are remade as links."""
    options: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            options += ["--ro-bind", name, name]
    for name in ETC:
        if (Path("/etc") / name).exists():
            options += ["--ro-bind", f"/etc/{name}", f"/etc/{name}"]
    return tuple(options)


@lru_cache(maxsize=1)
def _can_size() -> bool:
    """Whether this bubblewrap can limit a folder in memory (0.6 and newer)."""
    try:
        done = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "--size " in done.stdout


def bwrap_options(folder: Path, root: str, uid: int, *, own_uid: bool = False) -> list[str]:
    """Options that every sandboxed server gets: its own namespaces, no network.

    Args:
        folder: the sandbox's folder on this machine, with `home`, `tmp` and `etc`.
        root: path of `home` inside.
        uid: user and group id inside.
        own_uid: leave the user as it is: what is started next changes it, and makes the user namespace.
    """
    options = list(SPACES) if own_uid else ["--unshare-all", "--unshare-user", "--uid", str(uid), "--gid", str(uid)]
    options += ["--hostname", "sandbox", "--die-with-parent", "--new-session"]
    options += _system_options()
    for name in OWN_ETC:
        options += ["--ro-bind", str(folder / "etc" / name), f"/etc/{name}"]
    options += ["--ro-bind", str(folder / "etc"), OWN]
    options += ["--proc", "/proc", "--dev", "/dev"]
    options += ["--perms", "1777"] if own_uid else []
    options += ["--size", str(SHARED_MB << 20)] if _can_size() else []
    # The rest of /dev is a folder in memory too, and would be writable without any limit.
    options += ["--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    options += ["--bind", str(folder / "tmp"), "/tmp", "--bind", str(folder / "home"), root, "--chdir", root]
    return options


def holds_home(place: Path) -> bool:
    """Whether a folder is the user's home folder or one that holds it, which no server is shown."""
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - where nobody knows it, it stays `~`
    return home.is_relative_to(place.resolve())


def is_installation(place: Path) -> bool:
    """Whether a Python or Node.js is installed in a folder, and nobody lives there."""
    marks = ("lib*/py*/os.py", "lib/node_modules", "include/node")
    return not holds_home(place) and any(next(place.glob(mark), None) for mark in marks)


def interpreter_places(program: Path) -> list[Path]:
    """What an interpreter needs of the machine: the folder that it is installed in, or of a mixed one its own files."""
    real = program.resolve()
    place = real.parent.parent
    return [place] if is_installation(place) else [real, *sorted(place.glob("lib/*python*"))]


def bind_options(
    installed: Installed, mounts: tuple[str, ...], library: Path | None, *, own_uid: bool = False
) -> list[str]:
    """Last options of one server: read-only binds of its environment, interpreters, our helpers, libfaketime."""
    options = ["--ro-bind", str(Path(__file__).parent / "inside"), INSIDE]
    if installed.folder:
        options += _bind(installed.folder, SERVER, own_uid)
    places = [Path(mount) for mount in mounts]
    if installed.venv:
        places += interpreter_places(installed.venv / "bin" / "python")
    node = shutil.which("node")
    if installed.node and node:
        places += interpreter_places(Path(node))
    if library:
        places.append(library.parent)
    for place in places:
        if not str(place.resolve()).startswith(("/usr/", "/bin/", "/lib")) and str(place) not in ("/usr", "/"):
            options += _bind(place, str(place), own_uid)
    # What is not mounted is an empty folder in memory, and would otherwise be writable.
    return [*options, "--remount-ro", "/"]


def _bind(place: Path, inside: str, own_uid: bool) -> list[str]:
    """Read-only bind; of a folder that only its owner may enter, which another user's server is not, what lies in it."""
    if not own_uid or not place.is_dir() or place.stat().st_mode & 0o005 == 0o005:
        return ["--ro-bind", str(place), inside]
    options = ["--perms", "0755", "--dir", inside]
    for entry in sorted(place.iterdir()):
        if entry.exists():
            options += ["--ro-bind", str(entry), f"{inside}/{entry.name}"]
    return options


def reachable(options: list[str]) -> list[str]:
    """The options with the folders that lead to what is bound made so that everybody may pass, not the owner alone."""
    made: set[Path] = {Path("/")}
    result: list[str] = []
    for at, word in enumerate(options):
        if word in ("--bind", "--ro-bind"):
            place = Path(options[at + 2])
            for folder in reversed(place.parents):
                if folder not in made:
                    result += ["--perms", "0755", "--dir", str(folder)]
            # What is bound covers what was made below it.
            made = {folder for folder in made | set(place.parents) if not folder.is_relative_to(place)}
        result.append(word)
    return result
