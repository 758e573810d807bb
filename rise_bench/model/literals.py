"""Python-style call lists and literals in model text, read without running anything."""

from __future__ import annotations

import ast
import json
import re
import threading
import warnings
from typing import Any

from pydantic import JsonValue

__all__ = [
    "MAX_CHARS",
    "MAX_DEPTH",
    "NotLiteral",
    "depth_of",
    "list_calls",
    "python_calls",
    "python_literal",
    "too_deep",
]

MAX_CHARS = 200_000
"""Longest text in which call syntax is read; far above any output limit, far below what `ast` chokes on."""

MAX_DEPTH = 64
"""Deepest nesting of brackets that is read."""

_NAMES: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_WARNINGS = threading.Lock()
# Strings first, so that brackets inside them are passed over. A string that is never closed is a token to its end:
# were it none, each quote in it would be tried anew, in time that grows with the square of the text.
_STRINGS = (
    r"'''(?:[^\\]|\\.)*?(?:'''|\Z)|\"\"\"(?:[^\\]|\\.)*?(?:\"\"\"|\Z)"
    r"|'(?:[^'\\\n]|\\.)*'?|\"(?:[^\"\\\n]|\\.)*\"?"
)
_TOKENS = re.compile(_STRINGS + r"|[()\[\]{}]|[-+~]", re.DOTALL)
_BRACKETS = re.compile(_STRINGS + r"|[()\[\]{},]", re.DOTALL)


class NotLiteral(ValueError):
    """Text that is not a call list or literal; the message says why."""


def depth_of(text: str) -> int:
    """Deepest nesting of brackets outside strings, counting each unary or binary sign as half a level at most.

    A run of signs nests in Python's grammar although it shows no bracket, so the longest run counts as well.
    """
    depth = deepest = signs = 0
    end = -1
    for match in _TOKENS.finditer(text):
        token = match.group()
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        if token in "-+~":
            signs = signs + 1 if text[end : match.start()].isspace() or end == match.start() else 1
            end = match.end()
        deepest = max(deepest, depth, signs)
    return deepest


def too_deep(text: str) -> bool:
    """True where brackets nest deeper than `MAX_DEPTH`; counts first, as almost every text is shallow."""
    return text.count("[") + text.count("{") + text.count("(") > MAX_DEPTH and depth_of(text) > MAX_DEPTH


def _parse(text: str) -> ast.Module:
    if len(text) > MAX_CHARS:
        raise NotLiteral(f"{len(text)} characters are more than the {MAX_CHARS} that are read")
    if depth_of(text) > MAX_DEPTH:
        raise NotLiteral(f"nested deeper than {MAX_DEPTH} levels")
    try:
        # `"\d"` warns, and a filter that turns warnings into errors would change what is read; filters are global.
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise NotLiteral(f"not Python syntax at column {error.offset or 0}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotLiteral(f"cannot be parsed: {type(error).__name__}") from None


_STAND_IN = re.compile(r"\bcall_\d+_")
_LIST_NAME = re.compile(r"\s*([^\s\"'()\[\]{}=,](?:[^\"'()\[\]{}=,\n]*[^\s\"'()\[\]{}=,])?)\s*\Z")


def list_calls(text: str) -> list[tuple[str, dict[str, JsonValue]]]:
    """The calls of a list `[f(a=1), get-weather(b="x"), Get Weather()]`; their names need not be Python's.

    Raises:
        NotLiteral: anything else, a positional argument or a value that is not a literal.
    """
    if not text.lstrip().startswith("["):
        raise NotLiteral("not a list")
    plain, names = _plain_names(text)
    try:
        return [(names.get(name, name), arguments) for name, arguments in python_calls(plain)]
    except NotLiteral as error:
        raise NotLiteral(_STAND_IN.sub(lambda match: names.get(match.group(), match.group()), str(error))) from None


def _plain_names(text: str) -> tuple[str, dict[str, str]]:
    """The text with the names of the outermost list's calls replaced by names of Python, and what stood there."""
    names: dict[str, str] = {}
    parts: list[str] = []
    depth = kept = begin = 0
    for match in _BRACKETS.finditer(text):
        token = match.group()
        if depth == 1 and token == "(" and (found := _LIST_NAME.match(text[begin : match.start()])):
            stand_in = f"call_{len(names)}_"
            names[stand_in] = found.group(1)
            parts += [text[kept : begin + found.start(1)], stand_in]
            kept = begin + found.end(1)
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        if depth == 1 and token in "[,)]}":
            begin = match.end()
    return "".join([*parts, text[kept:]]), names


def python_calls(text: str) -> list[tuple[str, dict[str, JsonValue]]]:
    """Name and keyword arguments of each call in `f(a=1)` or `[f(a=1), g.h(b="x")]`; empty for `[]`.

    Raises:
        NotLiteral: anything else, a positional argument or a value that is not a literal.
    """
    calls: list[tuple[str, dict[str, JsonValue]]] = []
    for statement in _parse(text.strip()).body:
        if not isinstance(statement, ast.Expr):
            raise NotLiteral(f"a {type(statement).__name__} statement, not a call")
        nodes = statement.value.elts if isinstance(statement.value, ast.List | ast.Tuple) else [statement.value]
        calls += [_call(node) for node in nodes]
    return calls


def _call(node: ast.expr) -> tuple[str, dict[str, JsonValue]]:
    if not isinstance(node, ast.Call):
        raise NotLiteral(f"a {type(node).__name__} where a call should be")
    name = _dotted(node.func)
    if node.args:
        raise NotLiteral(f"{name}: positional argument; only keyword arguments say which parameter is meant")
    arguments: dict[str, JsonValue] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise NotLiteral(f"{name}: ** is not a literal")
        if keyword.arg in arguments:
            raise NotLiteral(f"{name}: argument {keyword.arg!r} given twice")
        arguments[keyword.arg] = _value(keyword.value, f"{name}({keyword.arg}=)")
    return name, arguments


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise NotLiteral(f"a {type(node).__name__} where a function's name should be")
    return ".".join([node.id, *reversed(parts)])


def python_literal(text: str) -> JsonValue:
    """The JSON-like value of a Python literal (`{'a': True}`); `true`, `false`, `null` are taken too.

    Raises:
        NotLiteral: anything else.
    """
    body = _parse(text.strip()).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise NotLiteral("not one literal")
    return _value(body[0].value, "the text")


def _value(node: ast.expr, where: str) -> JsonValue:
    match node:
        case ast.Constant(value=value):
            return _constant(value, where)
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=value)) if _is_number(value):
            number = _constant(value, where)
            return -number if isinstance(sign, ast.USub) and isinstance(number, int | float) else number
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, where) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key, where): _value(value, where) for key, value in zip(keys, values, strict=True)}
    raise NotLiteral(f"{where}: a {type(node).__name__} is not a literal")


def _key(node: ast.expr | None, where: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise NotLiteral(f"{where}: a key that is not text")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _constant(value: Any, where: str) -> JsonValue:
    if value is None or isinstance(value, bool | str):
        return value
    if _is_number(value):
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            raise NotLiteral(f"{where}: a number that JSON cannot hold") from None
        return value  # type: ignore[no-any-return]
    raise NotLiteral(f"{where}: a {type(value).__name__} is not a JSON value")
