"""What readers of call syntax share: a reading, blocks between marks, arguments written as XML-like parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from rise_bench.model.shapes import (
    NamedArguments,
    NotACall,
    Wording,
    exact,
    json_value,
    read_arguments,
    shaped,
    skip,
    value_end,
    values,
)

__all__ = [
    "Reader",
    "Reading",
    "Schemas",
    "blocks",
    "one_value",
    "parameter_value",
    "take",
    "take_exact",
    "take_functions",
    "unstopped",
]

Schemas = Mapping[str, Mapping[str, JsonValue]]
"""JSON Schema of the arguments, by the tool's name as the model was given it."""


@dataclass
class Reading:
    """What one syntax made of a text."""

    syntax: str
    calls: list[NamedArguments] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def attempted(self) -> bool:
        """True where the text holds a call or means to."""
        return bool(self.calls or self.problems)


Reader = Callable[[str, Schemas], Reading | None]
"""From a text to what one syntax makes of it; None where the text does not use that syntax."""

_STOPS = (
    *("<|eom_id|>", "<|eot_id|>", "<|eot|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "</s>"),
    *("<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<|end_of_text|>"),
)


def unstopped(text: str) -> str:
    """The text without stop tokens at its end; inside it they may be part of an argument."""
    text = text.strip()
    while (stop := next((stop for stop in _STOPS if text.endswith(stop)), None)) is not None:
        text = text.removesuffix(stop).rstrip()
    return text


def blocks(text: str, opening: str, closing: str) -> Iterator[tuple[str, bool]]:
    """The text cut at its marks: (part, is inside). A block that is never closed runs to the end. Linear time."""
    position = 0
    while (start := text.find(opening, position)) >= 0:
        yield text[position:start], False
        inside = start + len(opening)
        end = text.find(closing, value_end(text, inside))
        if end < 0:
            yield text[inside:], True
            return
        yield text[inside:end], True
        position = end + len(closing)
    yield text[position:], False


def take(reading: Reading, text: str, *, what: str) -> None:
    """Add the calls of a marked block to the reading, in any of the usual shapes, or what is wrong with it."""
    try:
        for value in values(text):
            reading.calls += list(shaped(value, strong=True))
    except ValueError as error:
        reading.problems.append(f"{what}: {error}")


def take_exact(reading: Reading, found: Iterable[Any], wording: Wording, *, what: str) -> None:
    """Add the calls that a family's own JSON objects are, or what is wrong with each."""
    many = found if isinstance(found, list) and len(found) > 1 else None
    for index, value in enumerate(found):
        try:
            reading.calls.append(exact(value, wording))
        except NotACall as error:
            reading.problems.append(f"{what}, call {index + 1}: {error}" if many else f"{what}: {error}")


def one_value(text: str) -> Any:
    """The JSON value that a text is. `ValueError` where it is none; an empty text says so."""
    if not text.strip():
        raise ValueError("empty")
    return json_value(text)


# --- <function=NAME> --------------------------------------------------------------------------------------------------

_FUNCTION = "<function="
_PARAMETER = re.compile(r"<parameter=|</parameter>")


def take_functions(reading: Reading, text: str, schemas: Schemas, *, what: str = "<function= block") -> None:
    """Add the calls of `<function=NAME>...</function>` blocks: a JSON object inside, or `<parameter=NAME>` values."""
    for part, inside in blocks(text, _FUNCTION, "</function>"):
        if not inside:
            reading.rest.append(unstopped(part))
            continue
        name, mark, body = part.partition(">")
        name = name.strip().strip("\"'")
        if not mark or not name:
            reading.problems.append(f"{what.rstrip(',')}: no name closed by >")
            continue
        body = unstopped(body)
        if "<parameter=" in body:
            try:
                reading.calls.append((name, _parameters(body, schemas.get(name))))
            except ValueError as error:
                reading.problems.append(f"{what} {name}: {error}")
        elif body and not body.startswith("{"):
            reading.problems.append(f"{what} {name}: its arguments are no JSON object")
        else:
            reading.calls.append((name, read_arguments(body)))


def _parameters(text: str, schema: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Arguments given as `<parameter=NAME>VALUE</parameter>`; a value also ends where the next parameter begins.

    Raises:
        ValueError: the text ends inside a parameter.
    """
    arguments: dict[str, JsonValue] = {}
    marks = [(mark.start(), mark.end()) for mark in _PARAMETER.finditer(text)]
    index = 0
    while index < len(marks):
        start, begin = marks[index]
        index += 1
        if text[start + 1] == "/":
            continue
        close = text.find(">", begin, marks[index][0] if index < len(marks) else len(text))
        if close < 0:
            raise ValueError(f"a parameter without a name closed by > at character {start}")
        name = text[begin:close].strip()
        end = _json_end(text, close + 1)
        while index < len(marks) and marks[index][0] < end:
            index += 1
        if index == len(marks):
            raise ValueError(f"the text ends inside parameter {name!r}")
        arguments[name] = parameter_value(text[close + 1 : marks[index][0]], _property(schema, name))
    return arguments


def _json_end(text: str, start: int) -> int:
    """Where a JSON value that fills a parameter ends: a mark inside one of its strings ends nothing."""
    end = value_end(text, start)
    return end if _PARAMETER.match(text, skip(text, end)) else start


def _property(schema: Mapping[str, JsonValue] | None, name: str) -> JsonValue:
    """The schema of one argument; None where nothing is known of it."""
    properties = schema.get("properties") if schema else None
    return properties.get(name) if isinstance(properties, dict) else None


def parameter_value(text: str, schema: JsonValue, *, break_at_ends: bool = True) -> JsonValue:
    """A value written without quotes, by its schema's types; where they are unknown JSON if it reads as such, else text.

    With `break_at_ends` one line break at each end belongs to the template. A value that fits no type of its schema stays
    text, for the scorer to label.
    """
    plain = text.removeprefix("\n").removesuffix("\n") if break_at_ends else text
    allowed = _types(schema)
    if allowed == {"string"}:
        return plain
    try:
        value: JsonValue = _WORDS[plain.strip()] if plain.strip() in _WORDS else json_value(plain)
    except ValueError:
        return text.strip("\n") if break_at_ends and not allowed else plain
    if not allowed or _type(value) & allowed:
        return value
    return plain


_WORDS: dict[str, bool | None] = {"True": True, "False": False, "None": None}
"""Templates that print an argument with Jinja's `string` filter teach a model to write Python's words."""


def _type(value: JsonValue) -> set[str]:
    """Names of the types that a value may stand for; 2.5 for an integer is a number all the same, for the scorer."""
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int() | float():
            return {"integer", "number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
    return {"object"}


def _types(schema: JsonValue) -> set[str]:
    """Names of the types that a schema allows; empty where it does not say."""
    if not isinstance(schema, dict):
        return set()
    named = schema.get("type")
    found = {named} if isinstance(named, str) else {name for name in named or () if isinstance(name, str)}  # type: ignore[union-attr]
    choices = schema.get("enum")
    if not found and isinstance(choices, list):
        found = set().union(*(_type(choice) for choice in choices))
    for key in ("anyOf", "oneOf", "allOf"):
        inner = schema.get(key)
        if isinstance(inner, list):
            found = found.union(*(_types(item) for item in inner))
    return found
