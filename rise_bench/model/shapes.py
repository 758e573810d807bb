"""JSON and look-alike values in model text, and the calls that they are shaped as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import JsonValue

from rise_bench.model.literals import MAX_DEPTH, NotLiteral, python_literal, too_deep
from rise_bench.types import canonical

__all__ = [
    "NamedArguments",
    "NotACall",
    "Wording",
    "clean_text",
    "exact",
    "first_value",
    "json_prefix",
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


_LONGEST_WORD = len("-Infinity")


class _Unfinished(ValueError):
    """JSON that may go on where the text ends."""


_BLANKS = re.compile(r"\s*")
_FAULTS = {
    "Expecting value": "a value",
    "Expecting property name enclosed in double quotes": "a key in double quotes",
    "Expecting ':' delimiter": "':'",
    "Expecting ',' delimiter": "',' or a closing bracket",
}


def _fault(error: json.JSONDecodeError) -> str:
    """What is wrong with a JSON text, and at which character of it (counted from 0)."""
    at, text = error.pos, error.doc
    if error.msg.startswith("Unterminated string"):
        return f"JSON ends in the middle of a string that begins at character {at}"
    if error.msg.startswith("Invalid control character"):
        return f"a raw {text[at]!r} inside a JSON string at character {at}"
    wanted = _FAULTS.get(error.msg)
    if wanted is None:
        return f"no JSON: {error.msg.removesuffix(' at')} at character {at}"
    if (blanks := _BLANKS.match(text, at)) and blanks.end() == len(text):
        return f"JSON ends at character {at} where {wanted} should be"
    return f"no JSON: {wanted} should be at character {at}, found {text[at]!r}"


def json_prefix(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value at `start` and where it ends. `ValueError` where there is none that a record can hold."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if too_deep(text[start:end]):
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        return _checked(value), end
    except json.JSONDecodeError as error:
        unfinished = error.pos > len(text) - _LONGEST_WORD or error.msg.startswith("Unterminated string")
        raise (_Unfinished if unfinished else ValueError)(_fault(error)) from None
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None


def json_value(text: str) -> Any:
    """The JSON value that a text is. `ValueError` where it is none, or more than one."""
    text = text.strip()
    value, end = json_prefix(text)
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
        raise NotACall(f"a {_KINDS.get(type(value), 'value')} where a call should be", attempted=strong)
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


@dataclass(frozen=True, slots=True)
class Wording:
    """The keys that one family writes a call with."""

    name: str = "name"
    arguments: tuple[str, ...] = ("arguments",)
    optional: bool = False
    """True where a call without arguments may leave their key out."""
    as_text: bool = False
    """True where arguments given as JSON text are those arguments, not a text."""


def exact(value: Any, wording: Wording) -> NamedArguments:
    """The call that a JSON object is, in one family's own keys.

    Raises:
        NotACall: it is none; says what is missing.
    """
    if not isinstance(value, dict):
        raise NotACall(f"a {_KINDS[type(value)]} where a call should be", attempted=True)
    name = value.get(wording.name)
    if not isinstance(name, str) or not name.strip():
        what = f"its `{wording.name}` is no name" if wording.name in value else f"no `{wording.name}`"
        raise NotACall(f"a call without a name: {what}", attempted=True)
    key = next((key for key in wording.arguments if key in value), None)
    if key is None:
        if wording.optional:
            return name.strip(), {}
        wanted = " or ".join(f"`{key}`" for key in wording.arguments)
        raise NotACall(f"a call without {wanted}", attempted=True)
    given = value[key]
    if isinstance(given, dict) or (wording.as_text and (given is None or isinstance(given, str))):
        return name.strip(), read_arguments(given)
    return name.strip(), clean_text(json.dumps(given, ensure_ascii=False))


_KINDS: dict[type, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "truth value",
    list: "list",
    type(None): "null",
    dict: "object",
}


def values(text: str) -> list[Any]:
    """The values in a row (blanks, `;` or `,` between them) that fill a text. `ValueError` where something is left."""
    text = text.strip()
    if not text:
        raise ValueError("empty")
    found: list[Any] = []
    position = 0
    while position < len(text):
        try:
            value, position = json_prefix(text, position)
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


_BEGINS_JSON = frozenset('{["-0123456789tfn')


def value_end(text: str, start: int) -> int:
    """Where the JSON value at `start` ends; `start` itself where none begins there."""
    begin = skip(text, start)
    size = 256
    # In growing windows: json counts the lines before each error, which for many errors is the square of a long text.
    while begin < len(text) and text[begin] in _BEGINS_JSON:
        window = text[begin : begin + size]
        last = begin + size >= len(text)
        try:
            end = json_prefix(window)[1]
            if last or end < len(window):
                return begin + end
        except _Unfinished:
            if last:
                return start
        except ValueError:
            return start
        size *= 4
    return start


def first_value(text: str, position: int) -> tuple[Any, int]:
    """The value at `position` and where it ends; a text that is one Python literal counts too. `ValueError` if none."""
    try:
        return json_prefix(text, position)
    except ValueError as error:
        if position:
            raise
        try:
            return _checked(python_literal(text)), len(text)
        except ValueError:
            raise error from None
