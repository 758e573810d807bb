"""The bubblewrap command line: what of this machine a sandboxed server can see, and what it cannot."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

from rise_bench.ground.install import Installed

__all__ = ["INSIDE", "SERVER", "bind_options", "bwrap_options"]

SERVER = "/opt/server"
"""Where a server finds its own environment inside the sandbox."""

OWN = "/opt/sandbox"
"""Where the sandbox's own small files lie inside, the clock's among them."""

INSIDE = "/opt/rise"
"""Where the helpers of `inside/` lie inside the sandbox."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# Not all of `ssl`: whoever runs this as root could read the keys in `ssl/private`.
TLS = ("ssl/certs", "ssl/openssl.cnf", "ca-certificates")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "nsswitch.conf", *TLS)
OWN_ETC = ("passwd", "group", "hosts")


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


def bwrap_options(folder: Path, root: str, uid: int) -> list[str]:
    """Options that every sandboxed server gets: its own namespaces, no network, an empty environment.

    Args:
        folder: the sandbox's folder on this machine, with `home`, `tmp` and `etc`.
        root: path of `home` inside.
        uid: user and group id inside.
    """
    options = ["--unshare-all", "--unshare-user", "--uid", str(uid), "--gid", str(uid), "--hostname", "sandbox"]
    options += ["--die-with-parent", "--new-session", "--clearenv"]
    options += _system_options()
    for name in OWN_ETC:
        options += ["--ro-bind", str(folder / "etc" / name), f"/etc/{name}"]
    options += ["--ro-bind", str(folder / "etc"), OWN]
    options += ["--proc", "/proc", "--dev", "/dev"]
    options += ["--bind", str(folder / "tmp"), "/tmp", "--bind", str(folder / "home"), root, "--chdir", root]
    return options


def bind_options(installed: Installed, mounts: tuple[str, ...], library: Path | None) -> list[str]:
    """Last options of one server: read-only binds of its environment, interpreters, our helpers, libfaketime."""
    options = ["--ro-bind", str(Path(__file__).parent / "inside"), INSIDE]
    if installed.folder:
        options += ["--ro-bind", str(installed.folder), SERVER]
    places = [Path(mount) for mount in mounts]
    if installed.venv:
        places.append((installed.venv / "bin" / "python").resolve().parents[1])
    node = shutil.which("node")
    if installed.node and node:
        places.append(Path(node).resolve().parents[1])
    if library:
        places.append(library.parent)
    for place in places:
        if not str(place.resolve()).startswith(("/usr/", "/bin/", "/lib")) and str(place) not in ("/usr", "/"):
            options += ["--ro-bind", str(place), str(place)]
    # What is not mounted is an empty folder in memory, and would otherwise be writable.
    return [*options, "--remount-ro", "/"]
