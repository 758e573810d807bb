"""Rows of cells as people write them in a line of text, and back: `Month, Costs / Jan, 1900 / Feb, 1750`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

__all__ = ["grid_words", "read_grid"]

_EMPTY = "(empty)"
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^"]+?(?=, | / |$)')
_BREAK = re.compile(r", | / |$")


def grid_words(rows: Sequence[JsonValue]) -> str:
    """The rows, a slash between two of them and a comma between two cells; empty where they are not rows of plain cells."""
    if not rows or not all(isinstance(row, list) and row for row in rows):
        return ""
    cells = [row for row in rows if isinstance(row, list)]
    if any(isinstance(cell, list | dict) for row in cells for cell in row):
        return ""
    return " / ".join(", ".join(_cell(cell) for cell in row) for row in cells)


def read_grid(text: str) -> list[JsonValue] | None:
    """The rows that a text says, None where it says none."""
    rows: list[JsonValue] = []
    row: list[JsonValue] = []
    at = 0
    while at < len(text):
        part = _PART.match(text, at)
        gap = _BREAK.match(text, part.end()) if part else None
        if part is None or gap is None:
            return None
        row.append(_read_cell(part.group()))
        if gap.group() != ", ":
            rows.append(row)
            row = []
        at = gap.end() if gap.group() else len(text)
    return rows or None


def _cell(value: JsonValue) -> str:
    if value is None:
        return _EMPTY
    if isinstance(value, str) and _read_cell(value) == value and not re.search(r'[,"\n]| / |^\s|\s$|^$', value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _read_cell(text: str) -> JsonValue:
    if text == _EMPTY:
        return None
    try:
        value: JsonValue = json.loads(text)
    except json.JSONDecodeError:
        return text
    return text if isinstance(value, dict | list) else value
