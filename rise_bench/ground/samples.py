"""Makes plain arguments that fit a tool's schema, and says of a schema what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for
from pydantic import JsonValue

from rise_bench.types import Tool

__all__ = ["sample", "schema_problem"]

DEEP = 8
"""Levels that a sample goes down; below, nothing is filled in."""

LONG = 1_000
"""Characters of a text, and values of a sample, beyond which none is made."""

_FORMATS: dict[str, str] = {
    "date": "2026-01-02",
    "time": "09:00:00Z",
    "date-time": "2026-01-02T09:00:00Z",
    "email": "user@example.org",
    "uri": "https://example.org/",
    "uuid": "12345678-1234-4234-8234-123456789abc",
}


def schema_problem(tool: Tool) -> str:
    """Why no call of the tool can be checked against its schema; empty where calls can.

    A schema that names itself, or no type, is none.
    """
    schema = tool.parameters
    if not isinstance(schema.get("$schema", ""), str):
        return "its schema is no JSON Schema: $schema is no text"
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path)
        return f"its schema is no JSON Schema: {where + ': ' if where else ''}{error.message[:200]}"
    except RecursionError:
        return "its schema nests too deeply"
    for reference in _references(schema):
        if not reference.startswith("#"):
            return f"its schema refers to {reference!r}, and nothing is fetched"
        if _at(schema, reference) is None:
            return f"its schema refers to {reference!r}, which is not there"
    return ""


def _references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, Mapping):
        found = value.get("$ref")
        if isinstance(found, str):
            yield found
        for name, item in value.items():
            if name not in ("const", "enum", "default", "examples"):
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _at(schema: JsonValue, reference: str) -> JsonValue | None:
    """What a reference within the schema leads to; anchors are searched for."""
    pointer = reference[1:]
    if pointer and not pointer.startswith("/"):
        return next(
            (part for part in _parts(schema) if pointer in (part.get("$anchor"), part.get("$dynamicAnchor"))), None
        )
    for word in pointer.split("/")[1:]:
        key = unquote(word).replace("~1", "/").replace("~0", "~")
        if isinstance(schema, Mapping) and key in schema:
            schema = schema[key]
        elif isinstance(schema, list) and key.isdigit() and int(key) < len(schema):
            schema = schema[int(key)]
        else:
            return None
    return schema


def _parts(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)


class _TooMuch(Exception):
    """The least that the schema asks for is more than anybody would send."""


@dataclass
class _Maker:
    """Makes values by the parts of one schema."""

    whole: JsonValue
    left: int = LONG
    """Values that may still be made."""

    def value(self, schema: JsonValue, name: str, deep: int) -> JsonValue:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch
        if not isinstance(schema, Mapping) or deep <= 0:
            return None
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        for keyword in ("examples", "enum"):
            choices = schema.get(keyword)
            if isinstance(choices, list) and choices:
                return choices[0]
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            return self.value(_at(self.whole, reference), name, deep - 1)
        for keyword in ("anyOf", "oneOf", "allOf"):
            parts = schema.get(keyword)
            if isinstance(parts, list) and parts:
                return self.value(parts[0], name, deep - 1)
        kind = schema.get("type", "object" if "properties" in schema or not name else "string")
        return self._of_kind(kind[0] if isinstance(kind, list) and kind else kind, schema, name, deep)

    def _of_kind(self, kind: JsonValue, schema: Mapping[str, JsonValue], name: str, deep: int) -> JsonValue:
        match kind:
            case "object":
                properties, required = schema.get("properties"), schema.get("required")
                properties = properties if isinstance(properties, Mapping) else {}
                names = [one for one in required if isinstance(one, str)] if isinstance(required, list) else []
                return {one: self.value(properties.get(one), one, deep - 1) for one in names}
            case "array":
                return [self.value(schema.get("items"), name, deep - 1) for _ in range(_least(schema, "minItems"))]
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return False
            case "null":
                return None
        return _text(schema, name)


def sample(tool: Tool) -> dict[str, JsonValue] | None:
    """Arguments for the tool: what it requires and nothing else, from defaults, examples and choices where it has some.

    None where it requires more than `LONG` values, or a longer text.
    """
    try:
        made = _Maker(tool.parameters).value(tool.parameters, "", DEEP)
    except _TooMuch:
        return None
    return made if isinstance(made, dict) else {}


def _least(schema: Mapping[str, JsonValue], keyword: str) -> int:
    least = schema.get(keyword)
    return int(least) if isinstance(least, int | float) else 0


def _text(schema: Mapping[str, JsonValue], name: str) -> str:
    form, least = schema.get("format"), _least(schema, "minLength")
    if least > LONG:
        raise _TooMuch
    plain = "notes.txt" if "path" in name.lower() or "file" in name.lower() else "note"
    text = _FORMATS.get(form, plain) if isinstance(form, str) else plain
    return text * (least // len(text) + 1) if least > len(text) else text


def _number(schema: Mapping[str, JsonValue]) -> JsonValue:
    """The least number that is allowed, else 1."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high = schema.get("maximum")
    if isinstance(low, int | float) and not isinstance(low, bool):
        return low
    if isinstance(above, int | float) and not isinstance(above, bool):
        return above + 1
    return min(1, high) if isinstance(high, int | float) and not isinstance(high, bool) else 1
