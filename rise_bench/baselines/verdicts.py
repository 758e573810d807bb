"""Verdicts as text: one character a task, packed where there are many."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Collection, Iterable, Sequence

from rise_bench.errors import InputError
from rise_bench.types import Scored, Verdict

__all__ = ["LONG", "attempted", "pack", "unpack", "verdict_lines"]

LONG = 2000
"""Tasks from which a line is packed."""

_MOST = 10_000_000
"""Characters that a packed line may unpack to."""

_PACKED = "gz:"
_NOT_MADE = "."
_VALUES: dict[str, int | None] = {"1": 1, "0": 0, "-": None, _NOT_MADE: None}
_SIGNS: dict[float | None, str] = {1: "1", 0: "0", None: "-"}


def pack(values: Iterable[float | None], absent: Collection[int] = ()) -> str:
    """One character a value: `1`, `0`, `-` for None; from `LONG` values on `gz:` and the gzipped line in base64.

    The same values give the same text.

    Args:
        values: one a task.
        absent: places of tasks that were not attempted, written `.`; their values are not looked at.

    Raises:
        ValueError: a value that is neither 0 nor 1 nor None.
    """
    try:
        line = "".join([_NOT_MADE if place in absent else _SIGNS[value] for place, value in enumerate(values)])
    except KeyError as error:
        raise ValueError(f"a verdict is 1, 0 or None, not {error.args[0]!r}") from None
    if len(line) < LONG:
        return line
    return _PACKED + base64.b64encode(gzip.compress(line.encode(), mtime=0)).decode()


def unpack(text: str) -> tuple[int | None, ...]:
    """The values of a line that `pack` made; None for what was not judged and for what was not attempted.

    Raises:
        ValueError: another character, or a packed line that is broken or too long.
    """
    try:
        return tuple([_VALUES[sign] for sign in _line(text)])
    except KeyError as error:
        raise ValueError(f"verdicts are written 1, 0, - and ., not {error.args[0]!r}") from None


def attempted(text: str) -> tuple[bool, ...]:
    """Which tasks were attempted, of a line that `pack` made.

    Raises:
        ValueError: a packed line that is broken or too long.
    """
    return tuple([sign != _NOT_MADE for sign in _line(text)])


def _line(text: str) -> str:
    return _inflated(text.removeprefix(_PACKED)) if text.startswith(_PACKED) else text


def _inflated(text: str) -> str:
    try:
        machine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        line = machine.decompress(base64.b64decode(text, validate=True), _MOST)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"packed verdicts cannot be read: {error}") from None
    if not machine.eof:
        raise ValueError(f"packed verdicts are cut off, or more than {_MOST:,}")
    return line.decode("latin-1")


def verdict_lines(
    scored: Iterable[Scored], tasks: Sequence[str], attempts: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(Acc_task, Acc_intent) of a run as a measured entry holds them: a line an attempt, tasks in the given order.

    An attempt without a verdict is `-`, one that was not made is `.`; both are None.

    Args:
        scored: the run's scored attempts, in any order.
        tasks: ids of the suite's tasks in its order.
        attempts: attempts that the run asked for.

    Raises:
        InputError: an attempt at another task, or beyond `attempts`.
    """
    place = {task: number for number, task in enumerate(tasks)}
    done: list[list[float | None]] = [[None] * len(place) for _ in range(attempts)]
    meant: list[list[float | None]] = [[None] * len(place) for _ in range(attempts)]
    absent = [set(place.values()) for _ in range(attempts)]
    for row in scored:
        if row.task not in place or row.attempt >= attempts:
            what = f"attempt {row.attempt} at {row.task!r} is not one of the suite's {len(place)} tasks x {attempts}"
            raise InputError(what, remedy="use the suite that the run was made on")
        done[row.attempt][place[row.task]] = _whole(row.acc_task)
        meant[row.attempt][place[row.task]] = _whole(row.acc_intent)
        absent[row.attempt].discard(place[row.task])
    return tuple(map(pack, done, absent)), tuple(map(pack, meant, absent))


def _whole(verdict: Verdict) -> float | None:
    if verdict.value not in _SIGNS:
        what = f"{verdict.scorer} of task {verdict.task!r} is {verdict.value}"
        raise InputError(what, remedy="only verdicts of 1, 0 and None can be registered")
    return verdict.value
