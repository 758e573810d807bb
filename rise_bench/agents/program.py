"""An agent program as it was named: its command line, the folders that it needs, and what makes it the same program."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rise_bench.agents.private import is_private, private_below, refuse_private
from rise_bench.errors import InputError
from rise_bench.ground.tree import walk
from rise_bench.ground.wrap import SYSTEM

__all__ = ["Program", "files_below", "is_system", "read_command", "runtime_of"]

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "venv", "build", "dist"})
"""Folders whose content is installed or built, not written; hidden ones and virtual environments are skipped too."""

MAX_FILES = 2_000
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """A command line with absolute paths, and where on this machine its parts lie."""

    words: tuple[str, ...]
    folders: tuple[Path, ...]
    """The program's own code; its files are part of its identity."""
    files: tuple[Path, ...]
    """Single files named in the command that lie in none of the folders."""
    runtimes: tuple[Path, ...]
    """Virtual environments and interpreters."""

    def identity(self) -> dict[str, str]:
        """SHA-256 (hex) of each file of the program, by its place in the program.

        Raises:
            InputError: there is more than a program would have.
        """
        found: dict[str, str] = {}
        size = 0
        for name, path in self._sources():
            size += path.stat().st_size
            if len(found) >= MAX_FILES or size > MAX_BYTES:
                what = f"holds more than {MAX_FILES} files or {MAX_BYTES >> 20} MiB beside installed ones"
                remedy = "keep the program in a folder of its own, or name that with mount="
                raise InputError(what, where=str(path.parent), remedy=remedy)
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def _sources(self) -> Iterator[tuple[str, Path]]:
        for number, folder in enumerate(self.folders):
            yield from ((f"{number}/{name}", path) for name, path in files_below(folder))
        yield from ((path.name, path) for path in self.files)


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of every file that somebody wrote: nothing hidden, installed, built, or of rise-bench's runs."""
    private = {str(path) for path in private_below(folder)}
    for here, folders, others in walk(folder):
        for entry in list(folders):
            installed = entry.name in SKIPPED or Path(entry.path, "pyvenv.cfg").is_file()
            if installed or entry.name.startswith(".") or entry.path in private:
                folders.remove(entry)
        for entry in others:
            hidden = entry.name.startswith(".") or entry.name.endswith((".pyc", ".log"))
            if not hidden and entry.path not in private and entry.is_file():
                yield (f"{here}/{entry.name}" if here else entry.name), Path(entry.path)


def read_command(command: str, mounts: str = "") -> Program:
    """The program behind a command line.

    Args:
        command: as a shell would split it; words that name existing paths are taken from the working folder.
        mounts: folders of the program's code, separated by colons; empty = those of the files that the command names.

    Raises:
        InputError: no such program or folder, or one that would show the agent what it must not see.
    """
    where = f"agent:{command!r}"
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"cannot be split into words: {error}", where=where, remedy="check its quotes") from error
    if not words:
        raise InputError("no program named", where="model agent", remedy="write agent:'COMMAND'")
    program = shutil.which(words[0])
    if program is None:
        raise InputError(f"no program {words[0]!r} here", where=where, remedy="give the path of an executable file")
    paths = {0: _absolute(program)}
    for index, word in enumerate(words[1:], start=1):
        if not word.startswith("-") and _absolute(word).exists():
            paths[index] = _absolute(word)
    for index, path in paths.items():
        words[index] = str(path)
    named = [_mount(text) for text in mounts.split(":") if text]
    return _placed(tuple(words), paths, named)


def _absolute(text: str) -> Path:
    """The path from the root, links kept: a virtual environment's interpreter is one."""
    return Path(os.path.normpath(Path.cwd() / Path(text).expanduser()))


def _mount(text: str) -> Path:
    path = _absolute(text)
    if not path.exists():
        raise InputError("no such folder", where=f"mount={text}", remedy="give an existing one")
    return path


def _placed(words: tuple[str, ...], paths: Mapping[int, Path], named: list[Path]) -> Program:
    folders = [path for path in named if path.is_dir()]
    files = [path for path in named if not path.is_dir()]
    runtimes: list[Path] = []
    for index, path in paths.items():
        runtime = runtime_of(path, is_program=index == 0)
        if runtime is not None:
            runtimes.append(runtime)
            runtimes += _base_of(runtime)
        elif is_system(path):
            continue
        elif named:
            if not any(path.is_relative_to(folder) for folder in folders):
                files.append(path)
        else:
            folders.append(path if path.is_dir() else path.parent)
    for path in (*folders, *files, *runtimes):
        refuse_private(path)
    return Program(words, _distinct(folders), _distinct(files), _distinct(runtimes))


def _distinct(paths: list[Path]) -> tuple[Path, ...]:
    """The paths, without those that lie in another one."""
    kept = [path for path in dict.fromkeys(paths) if not is_system(path)]
    return tuple(path for path in kept if not any(path != other and path.is_relative_to(other) for other in kept))


def is_system(path: Path) -> bool:
    """Whether every sandbox shows the path already."""
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def runtime_of(path: Path, *, is_program: bool) -> Path | None:
    """The virtual environment that a path lies in, or the tree of an interpreter; None where it is in neither."""
    for parent in path.parents:
        if (parent / "pyvenv.cfg").is_file():
            return parent
    if not is_program or path.parent.name != "bin" or len(path.parents) <= 2:
        return None
    tree = path.parents[1]
    # A `bin` alone is no interpreter's: `~/bin/agent` must not show the home that it lies in.
    return tree if (tree / "lib").is_dir() and not is_private(tree) else None


def _base_of(runtime: Path) -> list[Path]:
    """The interpreter that a virtual environment was made from; nothing where it is the system's own."""
    python = runtime / "bin" / "python"
    if not (runtime / "pyvenv.cfg").is_file() or not python.exists():
        return []
    base = python.resolve().parents[1]
    return [] if is_system(base) else [base]
