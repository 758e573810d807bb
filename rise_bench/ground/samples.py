"""Makes plain arguments that fit a tool's schema, and says of a schema what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for
from pydantic import JsonValue

from rise_bench.types import Tool

__all__ = ["sample", "schema_problem"]

DEEP = 8
"""Levels that a sample goes down; below, nothing is filled in."""

_FORMATS: dict[str, JsonValue] = {
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
        key = word.replace("~1", "/").replace("~0", "~").replace("%25", "%")
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


def sample(tool: Tool) -> dict[str, JsonValue]:
    """Arguments for the tool: what it requires and nothing else, from defaults, examples and choices where it has some."""
    made = _value(tool.parameters, tool.parameters, "", DEEP)
    return made if isinstance(made, dict) else {}


def _value(schema: JsonValue, whole: JsonValue, name: str, deep: int) -> JsonValue:
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
        return _value(_at(whole, reference), whole, name, deep - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        parts = schema.get(keyword)
        if isinstance(parts, list) and parts:
            return _value(parts[0], whole, name, deep - 1)
    kind = schema.get("type", "object" if "properties" in schema or not name else "string")
    return _of_kind(kind[0] if isinstance(kind, list) and kind else kind, schema, whole, name, deep)


def _of_kind(kind: JsonValue, schema: Mapping[str, JsonValue], whole: JsonValue, name: str, deep: int) -> JsonValue:
    match kind:
        case "object":
            properties, required = schema.get("properties"), schema.get("required")
            properties = properties if isinstance(properties, Mapping) else {}
            names = [one for one in required if isinstance(one, str)] if isinstance(required, list) else []
            return {one: _value(properties.get(one), whole, one, deep - 1) for one in names}
        case "array":
            least = schema.get("minItems", 0)
            return [_value(schema.get("items"), whole, name, deep - 1)] if isinstance(least, int) and least > 0 else []
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "null":
            return None
    form, least = schema.get("format"), schema.get("minLength", 0)
    text = _FORMATS.get(form, "notes.txt" if "path" in name.lower() or "file" in name.lower() else "note")  # type: ignore[arg-type]
    return text * (least // 4 + 1) if isinstance(text, str) and isinstance(least, int) and least > len(text) else text


def _number(schema: Mapping[str, JsonValue]) -> JsonValue:
    """The least number that is allowed, else 1."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high = schema.get("maximum")
    if isinstance(low, int | float) and not isinstance(low, bool):
        return low
    if isinstance(above, int | float) and not isinstance(above, bool):
        return above + 1
    return min(1, high) if isinstance(high, int | float) and not isinstance(high, bool) else 1
