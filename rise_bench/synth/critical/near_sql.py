"""SQL texts that say almost the same: one literal, comparison, direction or aggregate of a statement otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["near_sql"]

_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LTE: exp.GT,
    exp.GTE: exp.LT,
    exp.LT: exp.GTE,
    exp.GT: exp.LTE,
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.Max: exp.Min,
    exp.Min: exp.Max,
    exp.Sum: exp.Avg,
    exp.Avg: exp.Sum,
}
"""What a comparison or an aggregate is taken for."""

_PLACES = (exp.Ordered, exp.Group)
"""Where a number is the place of a column."""


def near_sql(query: str) -> list[str]:
    """The query with one thing otherwise, what a reader mistakes most easily first; empty where it cannot be read.

    First the literals, last one first: a day a month later, a number one more; then comparisons and aggregates; then the
    direction of the order, and how many rows are wanted. What names tables and columns stays.
    """
    try:
        tree = sqlglot.parse_one(query, read="sqlite")
    except (SqlglotError, RecursionError, ValueError):
        return []
    found: list[str] = []
    for change in _changes(tree):
        other = tree.copy()
        change(other)
        text = other.sql(dialect="sqlite")
        if text not in found:
            found.append(text)
    return found


Change = Callable[[exp.Expr], None]


def _changes(tree: exp.Expr) -> Iterator[Change]:
    literals = list(enumerate(tree.find_all(exp.Literal)))
    others = [(number, node, _other_literal(node)) for number, node in reversed(literals)]
    changed = [(node, _replacing(exp.Literal, number, other)) for number, node, other in others if other is not None]
    yield from (change for node, change in changed if not isinstance(node.parent, (exp.Limit, *_PLACES)))
    for kind, other in _TURNED.items():
        for number, node in enumerate(tree.find_all(kind)):
            if type(node) is kind and not _sets(node):
                yield _turning(kind, number, other)
    for number, _ in enumerate(tree.find_all(exp.Ordered)):
        yield _reversing(number)
    yield from (change for node, change in changed if isinstance(node.parent, exp.Limit))


def _sets(node: exp.Expr) -> bool:
    """Is it the assignment of an UPDATE, and no comparison?"""
    return isinstance(node.parent, exp.Update) and node.arg_key == "expressions"


def _other_literal(literal: exp.Literal) -> exp.Expr | None:
    text = str(literal.this)
    if not literal.is_string:
        return exp.Literal.number(int(text) + 1 if text.isdigit() else float(text) + 1)
    try:
        later = date.fromisoformat(text[:10]) + timedelta(days=31)
    except ValueError:
        return None
    return exp.Literal.string(later.isoformat() + text[10:])


def _at(tree: exp.Expr, kind: type[exp.Expr], number: int) -> exp.Expr:
    return list(tree.find_all(kind))[number]


def _replacing(kind: type[exp.Expr], number: int, by: exp.Expr) -> Change:
    def change(tree: exp.Expr) -> None:
        _at(tree, kind, number).replace(by.copy())

    return change


def _turning(kind: type[exp.Expr], number: int, other: type[exp.Expr]) -> Change:
    def change(tree: exp.Expr) -> None:
        node = _at(tree, kind, number)
        node.replace(other(**{key: value for key, value in node.args.items() if key in other.arg_types}))

    return change


def _reversing(number: int) -> Change:
    def change(tree: exp.Expr) -> None:
        node = _at(tree, exp.Ordered, number)
        node.set("desc", not node.args.get("desc"))
        node.set("nulls_first", not node.args["desc"])  # as SQLite orders them by itself

    return change
