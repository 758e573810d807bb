"""Cells and ranges of a sheet beside the one that was meant: `D6` and `D7`, `B2:C9` and `B2:C10`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

__all__ = ["near_cells"]

_CELLS = re.compile(
    r"(?P<sheet>(?:'[^']+'|[^!:]+)!)?(?P<a>\$?[A-Z]{1,3}\$?[1-9]\d{0,6})(?::(?P<b>\$?[A-Z]{1,3}\$?[1-9]\d{0,6}))?"
)
_CELL = re.compile(r"(\$?)([A-Z]+)(\$?)(\d+)")


@dataclass(frozen=True, slots=True)
class _Cell:
    column: int
    row: int
    marks: tuple[str, str]
    """`$` before the column and before the row, or nothing."""

    def moved(self, right: int = 0, down: int = 0) -> _Cell | None:
        """The cell so far away; None beyond the sheet's edge."""
        column, row = self.column + right, self.row + down
        return replace(self, column=column, row=row) if column >= 1 and row >= 1 else None

    def __str__(self) -> str:
        letters, rest = "", self.column
        while rest:
            rest, last = divmod(rest - 1, 26)
            letters = chr(ord("A") + last) + letters
        return f"{self.marks[0]}{letters}{self.marks[1]}{self.row}"


def near_cells(text: str) -> list[str]:
    """The cells below, right and above of a cell; of a range, one a row longer and shorter, and moved by a row or a column.

    Empty where the text is neither. The name of the sheet before it stays.
    """
    match = _CELLS.fullmatch(text)
    if match is None:
        return []
    sheet, first = match["sheet"] or "", _read(match["a"])
    last = _read(match["b"]) if match["b"] else first
    below, right, above = ((0, 1), (1, 0), (0, -1))
    moved = [(first.moved(*by), last.moved(*by)) for by in (below, right, above)]
    if first.row != last.row:
        moved = [(first, last.moved(0, 1)), (first, last.moved(0, -1)), *moved]
    elif first.column != last.column:
        moved = [*moved, (first, last.moved(0, 1))]
    ends = [(one, other) for one, other in moved if one is not None and other is not None]
    return [f"{sheet}{one}:{other}" if match["b"] else f"{sheet}{one}" for one, other in ends]


def _read(text: str) -> _Cell:
    match = _CELL.fullmatch(text)
    assert match is not None  # the pattern of the whole holds it
    column = 0
    for letter in match[2]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return _Cell(column, int(match[4]), (match[1], match[3]))
