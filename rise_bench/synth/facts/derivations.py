"""Rules by which a value follows from the text of a result, found from where the value stands (`types.Derivation`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from rise_bench.refs import unescape
from rise_bench.types import Derivation

__all__ = ["ISO_DATE", "ISO_MOMENT", "NUMBER", "cell", "counted", "gathered", "keyed", "labelled", "listed", "of_row"]

NUMBER = r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
ISO_DATE = r"\d{4}-\d\d-\d\d"
ISO_MOMENT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"

_QUOTED = r"[\"']((?:[^\"'\\\n])*)[\"']"
_PLAIN = re.compile(r"[^\"'\\\n]*")
"""Text that stands in JSON and in Python's notation as it is, but for letters that may be escaped."""

Number = Literal["sum", "max", "min"]


def keyed(pointer: str, value: JsonValue, *, name: bool = False) -> Derivation | None:
    """The value of a key, in JSON or Python notation; None where its text cannot be found in either as it is.

    The key before it is part of the rule where there is one, so that `target.datetime` is not `source.datetime`.

    Args:
        pointer: where the value stands in the result value; its last token is a key.
        name: the value is the last part of a path that the key holds.
    """
    keys = [unescape(token) for token in pointer.split("/")[1:]]
    if not keys or keys[-1].isdigit() or not _plain(value):
        return None
    above = next((key for key in reversed(keys[:-1]) if not key.isdigit()), None)
    before = rf"{_key(above)}[\[{{\s]*(?:[^{{}}]*?[,{{\s])??" if above is not None else ""
    return Derivation(op="find", pattern=before + _key(keys[-1]) + _captured(value, name))


def of_row(label: tuple[str, JsonValue], field: tuple[str, JsonValue], *, label_first: bool) -> Derivation | None:
    """The value of a field in the record that another field of it names."""
    if not (_plain(label[1]) and _plain(field[1])):
        return None
    named = _key(label[0]) + _literal(label[1])
    wanted = _key(field[0]) + _captured(field[1], name=False)
    pattern = rf"{named}[^{{}}]*?{wanted}" if label_first else rf"{wanted}[^{{}}]*?{named}"
    return Derivation(op="find", pattern=pattern)


def counted(key: str, sample: JsonValue) -> Derivation | None:
    """How many records there are, by a field that is another in each."""
    if not _plain(sample):
        return None
    return Derivation(op="count", pattern=_key(key) + _captured(sample, name=False), per_result=True)


def gathered(key: str, op: Number) -> Derivation:
    """Sum, highest or lowest of a field's numbers over the records."""
    return Derivation(op=op, pattern=_key(key) + rf"({NUMBER})", per_result=True)


def listed(pattern: str) -> Derivation:
    """How many distinct things of a pattern there are."""
    return Derivation(op="count", pattern=pattern, per_result=True)


def labelled(label: str, shape: str, between: str = r"[\"']?[ \t]*[:=][ \t]*[\"']?") -> Derivation:
    """What follows a label on the same line, of the shape of a number, date or word.

    Args:
        label: as it stands in the text.
        shape: pattern of the value, without a group.
        between: pattern of what stands between.
    """
    words = r"[ \t]+".join(re.escape(word) for word in label.split())
    return Derivation(op="find", pattern=rf"(?<!\w){words}{between}({shape})")


def _key(key: str) -> str:
    return rf"[\"']{re.escape(key)}[\"']\s*:\s*"


def _plain(value: JsonValue) -> bool:
    """Can the value be found in a text by a pattern? Containers, quotes, line ends and escaped letters cannot."""
    if isinstance(value, str):
        return bool(_PLAIN.fullmatch(value)) and value.isascii()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _captured(value: JsonValue, name: bool) -> str:
    """Pattern of a value of the same kind, captured."""
    if not isinstance(value, str):
        return rf"({NUMBER})"
    if name:
        return r"[\"'](?:[^\"'\\\n]*/)?([^\"'\\\n/]+)[\"']"
    return _QUOTED


def _literal(value: JsonValue) -> str:
    if isinstance(value, str):
        return rf"[\"']{re.escape(value)}[\"']"
    return rf"{re.escape(str(value))}(?![\d.])"


def cell(row: Sequence[str], column: int, separator: str, shape: str) -> Derivation:
    """What stands in a column of the table row that begins with the same cells.

    Args:
        row: the row's cells.
        column: index of the wanted cell, above 0.
        separator: one character.
        shape: pattern of the value, without a group.
    """
    mark = re.escape(separator)
    skipped = rf"(?:[^{mark}\n]*{mark}){{{column - 1}}}" if column > 1 else ""
    first = re.escape(row[0].strip())
    return Derivation(op="find", pattern=rf"(?<![\w{mark}]){first}[ \t]*{mark}{skipped}[ \t]*({shape})")
