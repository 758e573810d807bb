"""Files and records: JSON, JSON Lines and YAML read with one clear line about what is wrong; suites; atomic writing."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from yaml.composer import Composer

from rise_bench.errors import InputError, RiseError
from rise_bench.refs import strict_json
from rise_bench.types import Ground, Record, Suite, Task

__all__ = [
    "LoadedSuite",
    "cache_folder",
    "cannot_write",
    "find_suite",
    "line_of",
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


def cache_folder() -> Path:
    """Where what can be made again is kept: `RISE_BENCH_CACHE`, else `~/.cache/rise-bench`."""
    chosen = os.environ.get("RISE_BENCH_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "rise-bench"


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


_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
"""Dates and instants stay the text that stands there: no record has any other use for them."""


class _Loader(yaml.SafeLoader):
    """The loader in Python: slow, and the one whose words say what is wrong."""

    yaml_implicit_resolvers = _RESOLVERS


_Quick: type[Any] = _Loader
if yaml.__with_libyaml__:

    class _Quick(Composer, yaml.CSafeLoader):  # type: ignore[no-redef]
        """Read by libyaml, some times as fast. Composed in Python: libyaml's own composer has no limit of depth, and a file
        of nothing but brackets would end the process.
        """

        yaml_implicit_resolvers = _RESOLVERS

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)


def read_yaml(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        InputError: missing, unreadable, not UTF-8 or not YAML; names the line.
    """
    text = _text(path)
    try:
        try:
            return _Quick(text).get_single_data()
        except yaml.YAMLError:  # the other tells more, and the same with and without libyaml
            return _Loader(text).get_single_data()
    except RecursionError:
        raise InputError("is nested too deep", where=str(path), remedy="mend the file") from None
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
                yield line_of(kind, line, f"{path}:{number}")


def line_of(kind: type[R], line: bytes, where: str) -> R:
    """The record in one line of a file; `where` names file and line in the error."""
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
        raise cannot_write(path, error) from error


def write_lines(path: Path, records: Iterator[Record] | list[Record] | tuple[Record, ...]) -> None:
    """Write records as JSON Lines, atomically."""
    write_atomic(path, "".join(record.model_dump_json() + "\n" for record in records))


def cannot_write(path: Path, error: OSError) -> InputError:
    """The error for a file that cannot be written, with the remedy that fits."""
    remedy = "free some space and run the same command again: what was written is kept"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "choose a folder that can be written (--output)"
    return InputError(f"cannot be written: {error.strerror}", where=str(path), remedy=remedy)


FIRST_VERSION = "0-1"
"""Version of a suite that names none."""

SYSTEM_PROMPT = """\
You are the assistant of one person and work for them with the tools that you are given. Their files are below {root}. It is
now {now}.

Do what is asked, completely, and nothing else. If something that you need is missing and cannot be found with the tools, ask
for it in one short question before you change anything. If it cannot be done with these tools, say so and say what is
missing. Both are allowed and are good answers. When you are done, answer in a sentence or two with every fact that was asked
for.
"""
"""What agents are told where a suite has no words of its own; it is part of the suite's digest as any other."""


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
    """Name -> folder of the suites that came with the package, those that have proved tasks."""
    found = sorted((DATA / "tasks").glob("*/suite.yaml"))
    return {path.parent.name: path.parent for path in found if (path.parent / "tasks.jsonl").is_file()}


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
        proved: read `tasks.jsonl` (what `tasks check --write` or a recipe of synthesis recorded); else the hand-written
            `tasks/*.yaml`, which a suite of synthesis does not have: its tasks are written by its recipe.

    Raises:
        InputError: something is missing, broken, of another version, or twice there.
    """
    wanted, _, version = name.partition("@")
    path = find_suite(wanted)
    head = read_yaml(path / "suite.yaml")
    if not isinstance(head, dict):
        raise InputError("is not a mapping", where=str(path / "suite.yaml"))
    found = str(head.get("version", FIRST_VERSION))
    if version and found != version:
        raise InputError(
            f"is version {found}, not {version}",
            where=str(path),
            remedy=f"ask for {wanted}@{found}, or install the release that holds {version}",
        )
    given = {key: value for key, value in head.items() if key != "servers"}
    head = {"name": path.resolve().name, "version": FIRST_VERSION, "system_prompt": SYSTEM_PROMPT} | given
    ground = read_record(Ground, path / "ground.json") if (path / "ground.json").is_file() else Ground(name=wanted)
    by_recipe = not any((path / "tasks").glob("*.yaml")) and (path / "tasks.jsonl").is_file()
    tasks = tuple(read_records(Task, path / "tasks.jsonl") if proved or by_recipe else _written_tasks(path))
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
