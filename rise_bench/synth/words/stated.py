"""Values that a person may state in words of their own: a choice of few, cells of a sheet, or a text in a language such as SQL.

Nobody says `SELECT`, `D7` or `true`; what they say instead is declared by the author of the request and reviewed. What is left
to a machine is to see that no name, number or date inside such a value comes from nowhere.
"""

from __future__ import annotations

import re

import sqlglot
from pydantic import JsonValue
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rise_bench.synth.words.dates import MONTHS
from rise_bench.types import MatchKind

__all__ = ["literals_of", "match_of"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])-?")
_PATTERN = re.compile(r"[*?\[\]{}^$|\\()+]")
_CELLS = re.compile(r"\$?[A-Z]{1,3}\$?[1-9]\d*(?::\$?[A-Z]{1,3}\$?[1-9]\d*)?")
_FORMULA = re.compile(r"[-+*/^=<>()]")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
_FLAGS = (0, 1)
"""Numbers that stand for no and yes, or for the first."""


def literals_of(value: JsonValue, match: MatchKind) -> tuple[JsonValue, ...] | None:
    """Names, numbers and dates inside a value that may be stated in other words; None where it may not.

    Args:
        value: a critical value.
        match: how it is compared.
    """
    if isinstance(value, bool) or match == "enum" or (isinstance(value, str) and _CELLS.fullmatch(value)):
        return ()
    if match == "sql" and isinstance(value, str):
        return _of_sql(value)
    if isinstance(value, str) and (_PATTERN.search(value) or (_FORMULA.search(value) and _NUMBER.search(value))):
        return tuple(float(number) if "." in number else int(number) for number in _NUMBER.findall(value))
    return None


def _of_sql(text: str) -> tuple[JsonValue, ...] | None:
    """What is compared with, written or limited to in a statement; None where it cannot be parsed."""
    try:
        trees = [tree for tree in sqlglot.parse(text, read="sqlite") if tree is not None]
    except (SqlglotError, RecursionError, ValueError):
        return None
    found: list[str | int | float] = []
    for tree in trees:
        for literal in tree.find_all(exp.Literal):
            if literal.is_string:
                found.append(_of_text(str(literal.this)))
            elif (number := float(str(literal.this))) not in _FLAGS:
                found.append(int(number) if number.is_integer() else number)
    return tuple(sorted({value for value in found if value != ""}, key=str))


def _of_text(text: str) -> str:
    """What a text of a statement is compared with, without wild cards; a month that dates begin with by its name."""
    plain = text.strip("%")
    month = _MONTH.fullmatch(plain)
    return MONTHS[int(month[1]) - 1] if month else plain


def match_of(literal: JsonValue) -> MatchKind:
    """How a literal is said: as a moment, a day, a number or a text."""
    if not isinstance(literal, str):
        return "number"
    if _MOMENT.fullmatch(literal):
        return "datetime"
    return "date" if _DATE.fullmatch(literal) else "text"
