"""Reads the command line of a server that lies on this machine: what it runs, and what of the machine it must see."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.ground.install import installer_environment
from rise_bench.ground.wrap import holds_home, interpreter_places, is_installation

__all__ = ["Own", "as_data", "own_command", "place_args"]

ASK_SECONDS = 30

_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib", "/etc/", "/dev/", "/proc/")
_HIDDEN = "lies in a hidden folder of your home, where keys and settings are"


@dataclass
class Own:
    """A command line whose paths hold inside the sandbox, with the read-only places it needs."""

    command: str
    args: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


def own_command(command: str, args: Sequence[str], folder: Path, where: str) -> Own:
    """The command line with absolute paths. The first file that it names is its program text: that file's folder is read.

    Every other path is data, which lies in the sandbox: `{root}`.

    Args:
        folder: what relative paths are relative to.

    Raises:
        InputError: the program is not there.
    """
    if Path(command).name == "uv":
        return _project(args, folder, where)
    own = _program(command, folder, where)
    place_args(own, args, folder, where)
    return own


def place_args(own: Own, args: Sequence[str], folder: Path, where: str, *, code: bool = True) -> None:
    """Add arguments to a command line.

    Args:
        code: may one of them be the program text? Not where a package holds it.

    Raises:
        InputError: the program text is not to be shown.
    """
    seen = [Path(own.args[-1]).parent] if own.args else []
    for number, arg in enumerate(args):
        is_file = code and _is_file(arg, folder) and not _after(args, number, "-m")
        path = _path(arg, folder) if is_file else folder
        if is_file and not seen:
            if _is_hidden(path):
                raise InputError(f"{path} {_HIDDEN}", where=where, remedy="copy the server into a folder of its own")
            own.mounts.append(_mount(path, own))
            seen.append(path.parent)
        if is_file and any(path.is_relative_to(place) for place in seen):
            own.args.append(str(path))
        else:
            own.args.append(as_data(arg, folder, own.told))
    if code and args[:1] == ["-m"]:  # a module of the folder in which the host would start it
        own.env["PYTHONPATH"] = f"{folder}:{{inside}}"
        own.mounts.append(_mount(folder, own))
    own.mounts = [place for place in dict.fromkeys(own.mounts) if place and not _is_system(place)]


def as_data(text: str, folder: Path, told: list[str]) -> str:
    """A word of a command line or environment, with a path of this machine replaced by one in the sandbox."""
    option, equals, value = text.partition("=") if text.startswith("-") else ("", "", text)
    if "://" in value or _is_system(value) or "{" in value or not _is_pathlike(value, folder):
        return text
    path = _path(value, folder)
    is_folder = path.is_dir() or value.endswith("/") or (not path.exists() and not path.suffix)
    inside = "{root}" if is_folder else f"{{root}}/{path.name}"
    told.append(
        f"{value} is a place of this machine; in the sandbox it is {inside}: put what it needs into the fixture"
    )
    return f"{option}{equals}{inside}"


def _is_pathlike(text: str, folder: Path) -> bool:
    if re.match(r"(/|~(/|$)|\.\.?(/|$))", text):
        return len(text) > 1
    return "/" in text and "\n" not in text and len(text) < 1000 and _path(text, folder).exists()


def _is_system(text: str) -> bool:
    return text == "/usr" or text.startswith(_SYSTEM)


def _path(text: str, folder: Path) -> Path:
    """The path without `..` but with its links: what a venv's interpreter is called says which venv it is of."""
    return Path(_normal(folder / Path(text).expanduser()))


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return str(Path(*parts))


def _is_file(text: str, folder: Path) -> bool:
    try:
        return bool(text) and not text.startswith("-") and _path(text, folder).is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _after(args: Sequence[str], number: int, option: str) -> bool:
    return 0 < number <= len(args) and args[number - 1] == option


def _is_hidden(path: Path) -> bool:
    """Whether a path leads into a hidden folder of the user's home."""
    real, home = path.resolve(), Path.home().resolve()
    return real.is_relative_to(home) and real != home and real.relative_to(home).parts[0].startswith(".")


def _mount(path: Path, own: Own) -> str:
    """What is mounted for a program text: its folder, but never a home folder, what holds one, or a hidden one in it."""
    folder = path if path.is_dir() else path.parent
    if holds_home(folder) or _is_hidden(folder) or folder.resolve() == Path("/tmp"):
        own.told.append(
            f"only {path.name} of {folder} is shown to the server; put it into a folder of its own if it needs more"
        )
        return "" if path.is_dir() else str(path)
    return str(folder)


def _program(command: str, folder: Path, where: str) -> Own:
    """The program itself, with its interpreter where it is a script."""
    found = str(_path(command, folder)) if "/" in command or command.startswith("~") else shutil.which(command)
    if found is None or not Path(found).is_file():
        remedy = "check its spelling, or give its full path"
        raise InputError(f"there is no program {command!r}", where=where, remedy=remedy)
    path = Path(found)
    if not os.access(path, os.X_OK):  # also what a link leads to: a file of keys, say
        raise InputError(f"{path} cannot be executed", where=where, remedy=f"chmod +x {path}")
    if re.fullmatch(r"(python|pypy)[\d.]*", path.name):
        return _python(path, where)
    if path.name in ("node", "nodejs"):
        return Own(str(path.resolve()), mounts=list(map(str, interpreter_places(path))))
    if interpreter := _interpreter(path):
        own = _program(interpreter, folder, where)
        own.args.append(str(path))
        own.mounts.append(_mount(path, own))
        return own
    own = Own(str(path.resolve()))
    own.mounts.append(_mount(path.resolve(), own))
    return own


def _interpreter(path: Path) -> str | None:
    """The Python or Node.js that a script names in its first line, by path or as `env NAME`; not the system's Python."""
    try:
        with path.open("rb") as file:
            line = file.readline(512).decode("utf-8", "replace")
    except OSError:
        return None
    found = re.match(r"#!\s*(?:/\S*/env\s+(?:-S\s+)?)?((?:\S*/)?(?:python[\d.]*|node))\s*$", line)
    program = shutil.which(found[1]) if found else None
    return program if program != "/usr/bin/python3" else None


def _python(path: Path, where: str) -> Own:
    """A Python with what it needs. Read, not asked: it may lie beside a server that nobody has looked at."""
    if _is_script(path):
        path = _found_by(path, where)
    settings = path.parent.parent / "pyvenv.cfg"
    places = interpreter_places(path)
    if not settings.is_file():
        return Own(str(path.resolve()), mounts=list(map(str, places)))
    if holds_home(settings.parent):
        raise InputError(f"{settings.parent} is a home folder and an environment", where=where, remedy="make another")
    try:
        home = re.search(r"(?m)^home *= *(.+?) *$", settings.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{settings} cannot be read", where=where, remedy="make the environment anew") from error
    base = Path(home[1]).parent if home else None  # its interpreter's, by the links that lead there
    places = [settings.parent, *([base] if base and is_installation(base) else []), *places]
    return Own(str(path), mounts=list(map(str, places)))


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _found_by(script: Path, where: str) -> Path:
    """The Python that a script looks for, as pyenv's do. It is run where it is the user's own, the first on PATH.

    Raises:
        InputError: it is not, or finds none.
    """
    remedy = "give the full path of the interpreter itself"
    if shutil.which(script.name) != str(script):
        raise InputError(f"{script} is a script and no interpreter", where=where, remedy=remedy)
    words = [str(script), "-I", "-c", "import sys; print(sys.executable)"]
    try:
        env = installer_environment()
        done = subprocess.run(words, capture_output=True, text=True, timeout=ASK_SECONDS, check=True, env=env)
        found = Path(done.stdout.strip())
        if found.is_file() and not _is_script(found):
            return found
    except (OSError, subprocess.SubprocessError, ValueError):
        pass
    raise InputError(f"{script} finds no Python", where=where, remedy=remedy)


def _project(args: Sequence[str], folder: Path, where: str) -> Own:
    """`uv run` in a project: what it runs, from the environment that the project has."""
    rest, place = list(args), folder
    words: list[str] = []
    while rest:
        word = rest.pop(0)
        if word in ("--directory", "--project") and rest:
            place = _path(rest.pop(0), folder)
        elif word != "run" and (words or not word.startswith("-")):
            words.append(word)
    python = place / ".venv" / "bin" / "python"
    if not words:
        raise InputError("names no program", where=where, remedy='args: ["run", "server.py"]')
    if not python.is_file():
        remedy = f"make it: uv sync --project {place}; or name packages: uv run --with mcp {words[0]}"
        raise InputError(f"the project {place} has no environment", where=where, remedy=remedy)
    beside = python.with_name(words[0])
    if words[0].endswith(".py") or words[0] in ("python", "python3"):
        words = words if words[0].endswith(".py") else words[1:]
        own = own_command(str(python), words, place, where)
    elif beside.is_file():
        own = own_command(str(beside), words[1:], place, where)
    else:
        raise InputError(f"the project's environment has no program {words[0]!r}", where=where, remedy="uv sync")
    # Its packages are mostly installed as links to its folder.
    own.mounts = [mount for mount in dict.fromkeys([*own.mounts, _mount(place, own)]) if mount]
    return own
