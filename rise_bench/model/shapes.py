"""JSON and look-alike values in model text, and the calls that they are shaped as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic import JsonValue

from rise_bench.model.literals import MAX_DEPTH, NotLiteral, python_literal, too_deep
from rise_bench.types import canonical

__all__ = [
    "NotACall",
    "clean_text",
    "first_value",
    "json_value",
    "read_arguments",
    "shaped",
    "skip",
    "value_end",
    "values",
]

NamedArguments = tuple[str, dict[str, JsonValue] | str]
"""A call: its tool's name as written, and its arguments."""


class NotACall(ValueError):
    """A value that is not shaped like a call; `attempted` where it meant to be one."""

    def __init__(self, why: str, *, attempted: bool) -> None:
        super().__init__(why)
        self.attempted = attempted


def clean_text(text: str) -> str:
    """The text with lone surrogates replaced: JSON may hold them, UTF-8 files and records cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def read_arguments(value: object) -> dict[str, JsonValue] | str:
    """Arguments as a JSON object where they are one (also as JSON text); else as raw text, for the scorer to label."""
    if isinstance(value, str):
        try:
            found = json_value(value) if value.strip() else {}
        except ValueError:
            return clean_text(value)
        return _kept(found) if isinstance(found, dict) else clean_text(value)
    if value is None:
        return {}
    if isinstance(value, dict):
        return _kept(value)
    return clean_text(json.dumps(value, ensure_ascii=False))


def _kept(arguments: dict[str, Any]) -> dict[str, JsonValue] | str:
    """The arguments, or their text where a record cannot hold them (NaN, nesting without end)."""
    try:
        text = canonical(arguments)
    except RecursionError:
        return "(nested too deeply to be shown)"
    except ValueError:
        return clean_text(json.dumps(arguments, ensure_ascii=False))
    if too_deep(text):
        return clean_text(text)
    kept: dict[str, JsonValue] = arguments if text.isascii() else json.loads(clean_text(text))
    return kept


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _checked(value: Any) -> Any:
    """The value, if a record can hold it: `1e999` reads as infinity without passing `parse_constant`."""
    canonical(value)
    return value


def _json_prefix(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value at `start` and where it ends. `ValueError` where there is none that a record can hold."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if too_deep(text[start:end]):
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        return _checked(value), end
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None


def json_value(text: str) -> Any:
    """The JSON value that a text is. `ValueError` where it is none, or more than one."""
    text = text.strip()
    value, end = _json_prefix(text)
    if end < len(text):
        raise ValueError(f"extra text after the JSON value at character {end}")
    return value


def _value(text: str) -> Any:
    """A JSON value or, as small models write it, the same in Python's literals. `ValueError` says what JSON misses."""
    try:
        return json_value(text)
    except ValueError as error:
        try:
            return python_literal(text)
        except NotLiteral:
            raise error from None


_ARGUMENT_KEYS = ("arguments", "parameters", "args")


def shaped(value: Any, *, strong: bool) -> Iterator[NamedArguments]:
    """The calls in a value. `strong`: a marker around it says that it is meant as calls, so no other shape is data.

    Raises:
        NotACall: it is not shaped like one.
    """
    if isinstance(value, list):
        for item in value:
            yield from shaped(item, strong=strong)
        return
    if not isinstance(value, dict):
        raise NotACall(f"a {type(value).__name__} where a call should be", attempted=strong)
    if "tool_calls" in value:
        if not isinstance(value["tool_calls"], list):
            raise NotACall("`tool_calls` is not a list", attempted=True)
        yield from shaped(value["tool_calls"], strong=True)
        return
    function = value.get("function")
    if isinstance(function, dict):
        yield from shaped(function, strong=True)
        return
    name = value.get("name", function)
    key = next((key for key in _ARGUMENT_KEYS if key in value), None)
    if key is None and not strong:
        raise NotACall("data, not a call", attempted=False)
    if not isinstance(name, str) or not name.strip():
        raise NotACall("a call without a name", attempted=strong or isinstance(value.get(key or ""), dict))
    yield name.strip(), read_arguments(value.get(key) if key else None)


def values(text: str) -> list[Any]:
    """The values in a row (blanks, `;` or `,` between them) that fill a text. `ValueError` where something is left."""
    text = text.strip()
    if not text:
        raise ValueError("empty")
    found: list[Any] = []
    position = 0
    while position < len(text):
        try:
            value, position = _json_prefix(text, position)
        except ValueError:
            if found:
                raise
            return [_value(text)]
        found.append(value)
        position = skip(text, position)
    return found


_SEPARATOR = re.compile(r"[^\s;,]|\Z")


def skip(text: str, position: int) -> int:
    """The next place that holds neither blank nor `;` nor `,`."""
    match = _SEPARATOR.search(text, position)
    return match.start() if match else len(text)


def value_end(text: str, start: int) -> int:
    """Where the JSON value at `start` ends; `start` itself where none begins there."""
    try:
        return _json_prefix(text, skip(text, start))[1]
    except ValueError:
        return start


def first_value(text: str, position: int) -> tuple[Any, int]:
    """The value at `position` and where it ends; a text that is one Python literal counts too. `ValueError` if none."""
    try:
        return _json_prefix(text, position)
    except ValueError as error:
        if position:
            raise
        try:
            return _checked(python_literal(text)), len(text)
        except ValueError:
            raise error from None
