"""Files and records: suites read, run folders written line by line, resumed, streamed.

A run folder holds `run.json` (the spec, written first), `trajectories.jsonl` and `verdicts.jsonl` (one flushed line per
attempt; a later line of the same attempt supersedes an earlier one). Its name ends in the spec's digest: same spec, same
folder, resume.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from filelock import FileLock, Timeout
from pydantic import ValidationError

from rise_bench.errors import InputError, RiseError
from rise_bench.refs import strict_json
from rise_bench.types import Ground, Record, RunSpec, Scored, Suite, Task, Trajectory

__all__ = [
    "LoadedSuite",
    "Run",
    "find_suite",
    "load_suite",
    "read_record",
    "read_records",
    "read_yaml",
    "suites",
    "write_atomic",
    "write_lines",
]

R = TypeVar("R", bound=Record)

_HERE = Path(__file__).resolve().parent
DATA = _HERE / "_data" if (_HERE / "_data").is_dir() else _HERE.parent
"""Where `tasks/` and `baselines/` lie: inside the installed package, or at the top of a checkout."""


# --- reading ----------------------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})", where=str(path), remedy="save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None


def read_yaml(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        InputError: missing, unreadable, not UTF-8 or not YAML; names the line.
    """
    try:
        return yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"is not YAML: {problem}", where=where, remedy="mend the line") from None


def _record(kind: type[R], value: Any, where: str) -> R:
    """The record that a value holds, or one clear line about the first field that is wrong."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            field, _, key = field.rpartition(".")
            message = f"unknown key {key!r}"
        raise InputError(
            f"{field + ': ' if field else ''}{message}{more}", where=where, remedy=f"see schemas/{kind.__name__}.json"
        ) from None


def read_record(kind: type[R], path: Path) -> R:
    """The record in a JSON file.

    Raises:
        InputError: missing, not JSON (NaN included), or not this record; names file and field.
    """
    try:
        value = strict_json(_text(path))
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"is not JSON: {error}", where=f"{path}{line}") from None
    return _record(kind, value, str(path))


def read_records(kind: type[R], path: Path) -> Iterator[R]:
    """The records of a JSON Lines file, one at a time.

    Raises:
        InputError: as `read_record`; names the line.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    with file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _line(kind, line, f"{path}:{number}")


def _line(kind: type[R], line: bytes, where: str) -> R:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        pass  # read again the slow way, for a message with a place in it
    try:
        return _record(kind, strict_json(line.decode("utf-8")), where)
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start} of the line)", where=where) from None
    except ValueError as error:
        if isinstance(error, RiseError):
            raise
        raise InputError(f"is not JSON: {error}", where=where, remedy="one JSON object a line") from None


# --- writing ----------------------------------------------------------------------------------------------------------


def write_atomic(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_lines(path: Path, records: Iterator[Record] | list[Record] | tuple[Record, ...]) -> None:
    """Write records as JSON Lines, atomically."""
    write_atomic(path, "".join(record.model_dump_json() + "\n" for record in records))


def _cannot_write(path: Path, error: OSError) -> InputError:
    remedy = "free some space and run the same command again: what was written is kept"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "choose a folder that can be written (--output)"
    return InputError(f"cannot be written: {error.strerror}", where=str(path), remedy=remedy)


# --- suites -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite with its ground and the folder it came from."""

    suite: Suite
    ground: Ground
    path: Path

    @property
    def fixtures(self) -> Path:
        """Folder of the fixture trees."""
        return self.path / "fixtures"

    @property
    def recipes(self) -> Path:
        """Folder of launch recipes for servers that the catalogue does not have; mostly absent."""
        return self.path / "recipes"

    @property
    def tasks(self) -> dict[str, Task]:
        """Task id -> task."""
        return {task.id: task for task in self.suite.tasks}


def suites() -> dict[str, Path]:
    """Name -> folder of the suites that came with the package."""
    return {path.parent.name: path.parent for path in sorted((DATA / "tasks").glob("*/suite.yaml"))}


def find_suite(name: str) -> Path:
    """The folder of a shipped suite (`desk`), or of one's own (a path).

    Raises:
        InputError: neither.
    """
    shipped = suites()
    if name in shipped:
        return shipped[name]
    path = Path(name)
    if (path / "suite.yaml").is_file():
        return path
    known = ", ".join(shipped) or "none"
    raise InputError("no such suite", where=name, remedy=f"known: {known}; or a folder with a suite.yaml")


def load_suite(name: str, *, proved: bool = True) -> LoadedSuite:
    """A suite, its tasks and its ground.

    Args:
        name: a shipped suite's name or a folder; `desk@1-0` asks for that version.
        proved: read `tasks.jsonl` (what `tasks check --write` recorded); else the hand-written `tasks/*.yaml`.

    Raises:
        InputError: something is missing, broken, of another version, or twice there.
    """
    wanted, _, version = name.partition("@")
    path = find_suite(wanted)
    head = read_yaml(path / "suite.yaml")
    if not isinstance(head, dict):
        raise InputError("is not a mapping", where=str(path / "suite.yaml"))
    found = str(head.get("version", ""))
    if version and found != version:
        raise InputError(
            f"is version {found}, not {version}",
            where=str(path),
            remedy=f"ask for {wanted}@{found}, or install the release that holds {version}",
        )
    head = {key: value for key, value in head.items() if key != "servers"}
    ground = read_record(Ground, path / "ground.json") if (path / "ground.json").is_file() else Ground(name=wanted)
    tasks = tuple(read_records(Task, path / "tasks.jsonl")) if proved else tuple(_written_tasks(path))
    suite = _record(Suite, {**head, "ground": ground.digest(), "tasks": tasks}, str(path / "suite.yaml"))
    _refuse_twins(tasks, path)
    return LoadedSuite(suite, ground, path)


def _written_tasks(path: Path) -> Iterator[Task]:
    for file in sorted((path / "tasks").glob("*.yaml")):
        items = read_yaml(file)
        if not isinstance(items, list):
            raise InputError("is not a list of tasks", where=str(file))
        for number, item in enumerate(items):
            name = item.get("id", f"task {number}") if isinstance(item, dict) else f"task {number}"
            yield _record(Task, item, f"{file} [{name}]")


def _refuse_twins(tasks: tuple[Task, ...], path: Path) -> None:
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise InputError(f"task {task.id!r} is there twice", where=str(path), remedy="give each task its own id")
        seen.add(task.id)


# --- run folders ------------------------------------------------------------------------------------------------------

Key = tuple[str, int]
_KEY = re.compile(rb'^\{"task":("(?:[^"\\]|\\.)*"),"attempt":(\d+)')


class Run:
    """A run folder: open it to write (one writer at a time) or to read.

    Reading is lazy: an index of line offsets is kept in memory, never the attempts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append_lock = threading.Lock()
        self._closed = False
        self._writer = FileLock(str(path / "run.lock"))

    @property
    def trajectories_file(self) -> Path:
        """`trajectories.jsonl`."""
        return self.path / "trajectories.jsonl"

    @property
    def verdicts_file(self) -> Path:
        """`verdicts.jsonl`."""
        return self.path / "verdicts.jsonl"

    @staticmethod
    def folder(spec: RunSpec, output: Path) -> Path:
        """Where a spec's run lies: named after the suite and the spec's digest."""
        name = re.sub(r"[^\w.-]+", "-", spec.suite).strip("-")
        return output / f"{name}-{spec.digest()[:12]}"

    @classmethod
    def create(cls, spec: RunSpec, output: Path) -> Run:
        """The folder of this spec under `output`, made if it is not there, locked for writing.

        Raises:
            InputError: the folder cannot be written, another process writes in it, or it holds another spec.
        """
        run = cls(cls.folder(spec, output))
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            run._writer.acquire(timeout=0)
        except Timeout:
            raise run._busy() from None
        except OSError as error:
            raise _cannot_write(run.path, error) from error
        if not (run.path / "run.json").is_file():
            write_atomic(run.path / "run.json", spec.model_dump_json(indent=1) + "\n")
        elif run.spec() != spec:
            run.close()
            raise InputError("holds another run's spec", where=str(run.path), remedy="give another --output")
        run._mend()
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """An existing run folder, to read.

        Raises:
            InputError: there is no run.
        """
        if not (path / "run.json").is_file():
            raise InputError("is no run folder (no run.json)", where=str(path), remedy="name a folder under runs/")
        return cls(path)

    def spec(self) -> RunSpec:
        """What the run is."""
        return read_record(RunSpec, self.path / "run.json")

    def close(self) -> None:
        """Let another writer in; nothing can be appended any more. Closing twice is harmless."""
        with self._append_lock:
            self._closed = True
            self._writer.release()

    def set_aside(self) -> Path:
        """Rename the folder so that a fresh run can take its place; nothing is deleted. The new path."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.{number}")).exists():
            number += 1
        self.path.rename(target)
        return target

    def _mend(self) -> None:
        """Cut off a last line that a killed writer left unfinished: its attempt counts as not made."""
        for path in (self.trajectories_file, self.verdicts_file):
            if not path.is_file():
                continue
            with path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                while size:
                    start = max(0, size - 65536)
                    file.seek(start)
                    newline = file.read(size - start).rfind(b"\n")
                    if newline >= 0:
                        size = start + newline + 1
                        break
                    size = start
                file.truncate(size)

    def append(self, trajectory: Trajectory, scored: Scored) -> None:
        """Keep one attempt: its trajectory, then its verdicts, each a flushed line.

        Raises:
            InputError: the disk is full or read-only (what was written before is kept), or the run is closed.
        """
        with self._append_lock:
            self._append(self.trajectories_file, trajectory)
            self._append(self.verdicts_file, scored)

    def _append(self, path: Path, record: Record) -> None:
        if self._closed:
            raise InputError("is closed: nothing more is kept", where=str(self.path), remedy="create the run again")
        try:
            with path.open("ab") as file:
                file.write(record.model_dump_json().encode() + b"\n")
        except OSError as error:
            self._mend()
            raise _cannot_write(path, error) from error

    def begun(self) -> bool:
        """Is anything kept, readable or not?"""
        return self.trajectories_file.is_file() and self.trajectories_file.stat().st_size > 0

    def keys(self) -> set[Key]:
        """(task, attempt) of the trajectories that are there."""
        return set(_offsets(self.trajectories_file))

    def unscored(self) -> set[Key]:
        """(task, attempt) whose trajectory is there and whose verdicts are not: a writer died between the two."""
        return self.keys() - set(_offsets(self.verdicts_file))

    def append_scored(self, scored: Scored) -> None:
        """Keep the verdicts of an attempt whose trajectory is there already."""
        with self._append_lock:
            self._append(self.verdicts_file, scored)

    def trajectories(self) -> Iterator[Trajectory]:
        """The trajectories, one at a time; superseded lines are skipped."""
        yield from _stream(Trajectory, self.trajectories_file)

    def trajectory(self, task: str, attempt: int = 0) -> Trajectory:
        """One trajectory.

        Raises:
            InputError: it is not there.
        """
        offset = _offsets(self.trajectories_file).get((task, attempt))
        if offset is None:
            raise InputError(f"no attempt {attempt} at {task!r}", where=str(self.path))
        with self.trajectories_file.open("rb") as file:
            file.seek(offset)
            return _line(Trajectory, file.readline(), f"{self.trajectories_file} at byte {offset}")

    def scored(self) -> Iterator[Scored]:
        """The verdict rows, one at a time; superseded lines are skipped."""
        yield from _stream(Scored, self.verdicts_file)

    def write_scored(self, rows: Iterator[Scored]) -> None:
        """Replace the verdicts (after re-scoring), atomically and without holding them all.

        Raises:
            InputError: another process writes in this run (its next verdicts would be lost), or the folder cannot be written.
        """
        try:
            self._writer.acquire(timeout=0)
        except Timeout:
            raise self._busy() from None
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        try:
            self._replace_verdicts(rows)
        finally:
            self._writer.release()

    def _busy(self) -> InputError:
        return InputError(
            "another process writes in this run", where=str(self.path), remedy="wait until it ends, or stop it"
        )

    def _replace_verdicts(self, rows: Iterator[Scored]) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self.path, prefix=".verdicts.")
        except OSError as error:
            raise _cannot_write(self.verdicts_file, error) from error
        try:
            with os.fdopen(handle, "wb") as file:
                for row in rows:
                    file.write(row.model_dump_json().encode() + b"\n")
            os.chmod(name, 0o644)
            os.replace(name, self.verdicts_file)
        except OSError as error:
            raise _cannot_write(self.verdicts_file, error) from error
        finally:
            Path(name).unlink(missing_ok=True)


def _offsets(path: Path) -> dict[Key, int]:
    """Where the last line of each attempt starts; lines without an end are not counted."""
    found: dict[Key, int] = {}
    if not path.is_file():
        return found
    offset = 0
    with path.open("rb") as file:
        for line in file:
            match = _KEY.match(line)
            if match and line.endswith(b"\n"):
                found[json.loads(match[1]), int(match[2])] = offset
            elif line.strip() and line.endswith(b"\n"):
                raise InputError(
                    "a line does not begin with task and attempt",
                    where=f"{path} at byte {offset}",
                    remedy="remove the line, or run again with --fresh",
                )
            offset += len(line)
    return found


def _stream(kind: type[R], path: Path) -> Iterator[R]:
    last = set(_offsets(path).values())
    if not last:
        return
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if offset in last:
                yield _line(kind, line, f"{path}:{number}")
            offset += len(line)
