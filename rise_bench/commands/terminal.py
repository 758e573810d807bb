"""What commands print with: tables on stdout, progress on stderr, JSON alone; foreign text shown, never obeyed."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rise_bench.plain import plain

__all__ = ["Tick", "markdown_table", "print_json", "progress", "say", "table", "text", "warn"]

_EVERY = 15.0
"""Seconds between two plain progress lines where stderr is no terminal."""

_PIPED = 130
"""Columns where stdout is no terminal and nobody said how many."""


class Tick(Protocol):
    """Called at the start and after each finished piece of work."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` are finished; the first call says what was there before. `note` is shown beside."""
        ...


class _Console(Console):
    """Leaves a closed pipe to the command line, which takes it for a reader who has seen enough."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def text(value: object, style: str = "") -> Text:
    """Foreign text as a cell: neither console markup nor escape sequences in it have an effect."""
    return Text(plain(value), style=style)


def say(*parts: RenderableType) -> None:
    """Print to stdout; a `str` is taken as our own console markup. Only a terminal breaks lines: a path stays whole."""
    piped = not sys.stdout.isatty()
    console = _Console(highlight=False, width=_PIPED if piped and "COLUMNS" not in os.environ else None)
    for part in parts:
        console.print(part, soft_wrap=piped and isinstance(part, str | Text))


def warn(message: str) -> None:
    """One line to stderr."""
    sys.stderr.write(plain(message) + "\n")


def print_json(value: Any) -> None:
    """One JSON document to stdout, and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", numbers: Iterable[int] = ()
) -> Table:
    """A table of foreign text; columns in `numbers` are set to the right."""
    right = set(numbers)
    made = Table(
        title=title or None, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index in right else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else text(cell) for cell in row))
    return made


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = ()) -> str:
    """The same as Markdown."""
    right = set(numbers)
    rules = ["---:" if index in right else "---" for index in range(len(columns))]
    cells = [columns, rules, *([plain(str(cell)).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in cells)


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Tick]:
    """A bar with rate and time left on a terminal, else a line every 15 seconds; on stderr. Nothing where `quiet`."""
    if quiet:
        yield _quiet
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _Bar(bar, bar.add_task(plain(what), total=None, rate="", note=""))
    else:
        yield _Lines(what)


def _quiet(done: int, total: int, note: str = "") -> None:
    """Nothing: stdout carries JSON, and nobody watches."""


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )


class _Rate:
    """Finished per minute since the first call; what was there before does not count."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._before: int | None = None

    def per_minute(self, done: int) -> float:
        if self._before is None:
            self._before, self._start = done, time.monotonic()
        return 60.0 * (done - self._before) / max(time.monotonic() - self._start, 1e-9)


class _Bar:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task, self._rate = bar, task, _Rate()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        rate = f"{self._rate.per_minute(done):.0f}/min"
        self._bar.update(self._task, completed=done, total=total, rate=rate, note=plain(note))


class _Lines:
    def __init__(self, what: str) -> None:
        self._what, self._rate, self._last = what, _Rate(), time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        rate = self._rate.per_minute(done)
        now = time.monotonic()
        if done < total and now - self._last < _EVERY:
            return
        self._last = now
        left = f", about {_span(60 * (total - done) / rate)} left" if rate > 0 and done < total else ""
        warn(f"{self._what}: {done}/{total}, {rate:.0f}/min{left}{f' ({note})' if note else ''}")


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
