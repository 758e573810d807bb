"""BFCL's reading of calls that a model wrote as text: what its rules add to our parser of call syntax.

BFCL takes an unquoted expression in a Python-style call (`data=my_table`, `f=lambda x: x**2`) as its source text, and
constant arithmetic (`rate=5/100`) as its value. Here both are rewritten to literals in the syntax tree; nothing is run.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from rise_bench.model.calls import Parsed, parse
from rise_bench.model.literals import MAX_CHARS, MAX_DEPTH, depth_of

__all__ = ["parse_output"]

_WRAPPER = re.compile(r"<<function>>|<bot_end>.*|^\s*Call:", re.DOTALL | re.IGNORECASE)
"""Marks of two early function-calling models around plain Python-style calls."""


def parse_output(text: str) -> Parsed:
    """The calls in a model's text, by our parser; where only a value that is no literal stands in the way, rewritten."""
    plain = text
    if "<<function>>" in text or "<bot_end>" in text:
        plain = _WRAPPER.sub("\n", text).strip()
    parsed = parse(plain)
    if not parsed.malformed or parsed.syntax != "python":
        return parsed
    rewritten = _as_literals(plain)
    again = parse(rewritten) if rewritten else parsed
    return parsed if again.malformed else again


def _as_literals(text: str) -> str:
    """The text with every keyword value as a literal; empty where it is no Python or too large to be read."""
    text = text.strip().strip("`").strip()
    if len(text) > MAX_CHARS or depth_of(text) > MAX_DEPTH:
        return ""
    try:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    keyword.value = _literal(keyword.value)
        return ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _literal(node: ast.expr) -> ast.expr:
    match node:
        case ast.Constant() | ast.Name(id="true" | "false" | "null"):
            return node
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return ast.List(elts=[_literal(item) for item in items], ctx=ast.Load())
        case ast.Dict(keys=keys, values=values):
            return ast.Dict(keys=list(keys), values=[_literal(value) for value in values])
    number = _arithmetic(node)
    return ast.Constant(number if number is not None else ast.unparse(node))


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def _arithmetic(node: ast.expr) -> int | float | None:
    """The value of constant arithmetic, or None; powers are kept small so that no text can cost much."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            number = _arithmetic(operand)
            return None if number is None else (-number if isinstance(sign, ast.USub) else number)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            first, second = _arithmetic(left), _arithmetic(right)
            if first is None or second is None or (isinstance(op, ast.Pow) and (abs(second) > 64 or abs(first) > 1e6)):
                return None
            return _finite(_OPERATORS[type(op)], first, second)
    return None


def _finite(operation: Callable[[Any, Any], Any], first: float, second: float) -> int | float | None:
    try:
        value = operation(first, second)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
