"""SQL texts compared by what they say: parsed, canonical (sqlglot, SQLite dialect)."""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["same_sql"]


def same_sql(expected: str, found: str) -> bool:
    """True iff both parse to the same statement: letter case of words, blanks, comments, quoting of names, the order
    of AND / OR operands and a trailing semicolon do not count. Texts that do not parse are compared as they are.
    """
    left, right = _canonical(expected), _canonical(found)
    if left is None or right is None:
        return " ".join(expected.split()) == " ".join(found.split())
    return left == right


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str | None:
    if len(text) > 20_000:
        return None
    try:
        statements = [tree for tree in sqlglot.parse(text, read="sqlite") if tree is not None]
        texts = [
            _normal(tree).sql(dialect="sqlite", comments=False, normalize_functions="upper") for tree in statements
        ]
    except (SqlglotError, RecursionError, ValueError):
        return None
    return ";".join(texts) or None


def _normal(tree: exp.Expr) -> exp.Expr:
    return tree.transform(_normal_node)


def _normal_node(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Identifier):
        # SQLite reads "Bob" as text where no column has that name, so the case of what is quoted counts
        return exp.Identifier(this=node.name if node.args.get("quoted") else node.name.casefold(), quoted=False)
    if isinstance(node, exp.Literal) and not node.is_string and re.fullmatch(r"\d*\.\d+", node.name):
        return exp.Literal.number(node.name.rstrip("0").rstrip(".") or "0")
    if isinstance(node, exp.Paren):
        return node.this if isinstance(node.this, exp.Column | exp.Literal | exp.Paren) else node
    if isinstance(node, exp.And | exp.Or):
        operands = sorted((part.sql(dialect="sqlite").casefold(), i) for i, part in enumerate(node.flatten()))
        parts = list(node.flatten())
        combine = exp.and_ if isinstance(node, exp.And) else exp.or_
        return combine(*(parts[i].copy() for _, i in operands), copy=False)
    return node
