"""What every importer gives back, and the reading of JSON files with line numbers in the errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.errors import InputError
from rise_bench.refs import strict_json
from rise_bench.types import Ground, Task, Trajectory

__all__ = ["Attempt", "Imported", "json_file", "json_lines"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One imported trajectory, whose it is, and what the other benchmark said of it.

    `official`: passed, failed, or None where no verdict lies beside; `official_reason` as published.
    """

    model: str
    trajectory: Trajectory
    official: bool | None = None
    official_reason: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """Tasks, the ground they stand on, and the attempts, read anew from disk at each iteration."""

    name: str
    ground: Ground
    tasks: dict[str, Task]
    models: tuple[str, ...]
    read: Callable[[], Iterator[Attempt]] = field(repr=False)
    notes: tuple[str, ...] = ()
    """What was changed, left out or found wrong in the source, one line each."""

    def __iter__(self) -> Iterator[Attempt]:
        """Each attempt once.

        Raises:
            InputError: one model's attempt at a task occurs twice: it would count twice.
        """
        seen: set[tuple[str, str, int]] = set()
        for attempt in self.read():
            key = attempt.model, attempt.trajectory.task, attempt.trajectory.attempt
            if key in seen:
                what = f"attempt {key[2]} at task {key[1]!r} by {key[0]!r} occurs twice"
                raise InputError(what, where=self.name, remedy="number the attempts, or remove one of the two")
            seen.add(key)
            yield attempt


def json_file(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        InputError: the file cannot be read, is not UTF-8 or not JSON.
    """
    try:
        return strict_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: byte {error.start}", where=str(path), remedy="convert it to UTF-8") from error
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", where=str(path), remedy="give a file of strict JSON") from error


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value) of each line that is not blank.

    Raises:
        InputError: the file cannot be read, or a line is not UTF-8 or not JSON; names the line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _line_value(line, f"{path}:{number}")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot be read: {error.strerror}", where=str(path), remedy="give a file that can be read")


def _line_value(line: bytes, where: str) -> Any:
    try:
        return strict_json(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: byte {error.start} of the line", where=where, remedy="convert it") from error
    except json.JSONDecodeError as error:
        remedy = "write one JSON value a line, with no line break inside"
        raise InputError(f"is not JSON: {error.msg} at column {error.colno}", where=where, remedy=remedy) from error
    except ValueError as error:
        raise InputError(f"is not JSON: {error}", where=where, remedy="write strict JSON") from error
