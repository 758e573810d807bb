"""Random arguments that a tool's JSON Schema admits."""

from __future__ import annotations

import random
import string
from typing import Any

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import at

__all__ = ["arguments_for", "value_for"]

_MAX_DEPTH = 6
_FORMATS = {
    "date": "2026-0{}-1{}",
    "date-time": "2026-0{}-1{}T09:00:00Z",
    "time": "0{}:1{}:00Z",
    "email": "user{}{}@example.org",
    "uri": "https://example.org/{}{}",
    "uuid": "00000000-0000-4000-8000-0000000000{}{}",
}


def arguments_for(schema: dict[str, JsonValue], rng: random.Random) -> dict[str, JsonValue]:
    """Arguments with every required property and each optional one at even odds.

    Valid by construction for the keywords that tools use (type, enum, const, bounds, lengths, items, anyOf / oneOf /
    allOf, local `$ref`); `pattern` is not honoured. Deterministic in `rng`.
    """
    value = value_for({**schema, "type": "object"}, rng, root=schema)
    return value if isinstance(value, dict) else {}


def value_for(schema: JsonValue, rng: random.Random, *, root: JsonValue, depth: int = 0) -> JsonValue:
    """A random value that `schema` admits; `root` is where local `$ref`s point into."""
    schema = _flat(schema, rng, root)
    if "const" in schema:
        return schema["const"]
    if isinstance(options := schema.get("enum"), list) and options:
        return rng.choice(options)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = rng.choice(kind) if kind else None
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    match kind:
        case "object":
            return _object(schema, rng, root, depth)
        case "array":
            return _array(schema, rng, root, depth)
        case "integer" | "number":
            return _number(schema, rng, whole=kind == "integer")
        case "boolean":
            return rng.random() < 0.5
        case "null":
            return None
        case _:
            return _text(schema, rng)


def _flat(schema: JsonValue, rng: random.Random, root: JsonValue) -> dict[str, Any]:
    """The schema with its references and alternatives settled."""
    flat: dict[str, Any] = dict(schema) if isinstance(schema, dict) else {}
    for _ in range(_MAX_DEPTH):
        if isinstance(reference := flat.pop("$ref", None), str):
            try:
                target = at(root, reference.removeprefix("#"))
            except InputError:  # points outside this schema: anything may be right
                target = {}
            flat = {**(target if isinstance(target, dict) else {}), **flat}
        for keyword in ("anyOf", "oneOf"):
            if isinstance(options := flat.pop(keyword, None), list) and options:
                choice = rng.choice(options)
                flat = {**flat, **(choice if isinstance(choice, dict) else {})}
        for part in flat.pop("allOf", None) or ():
            flat = {**flat, **(part if isinstance(part, dict) else {})}
    return flat


def _object(schema: dict[str, Any], rng: random.Random, root: JsonValue, depth: int) -> dict[str, JsonValue]:
    properties = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    return {
        name: value_for(properties.get(name, {}), rng, root=root, depth=depth + 1)
        for name in [*properties, *sorted(required - set(properties))]
        if name in required or (depth < _MAX_DEPTH and rng.random() < 0.5)
    }


def _array(schema: dict[str, Any], rng: random.Random, root: JsonValue, depth: int) -> list[JsonValue]:
    low = int(schema.get("minItems", 0))
    high = min(int(schema.get("maxItems", low + 2)), low + 2)
    size = low if depth >= _MAX_DEPTH else rng.randint(low, max(low, high))
    items: list[JsonValue] = [value_for(schema.get("items", {}), rng, root=root, depth=depth + 1) for _ in range(size)]
    if not schema.get("uniqueItems"):
        return items
    return [item for index, item in enumerate(items) if item not in items[:index]] if low == 0 else items


def _number(schema: dict[str, Any], rng: random.Random, *, whole: bool) -> JsonValue:
    step = schema.get("multipleOf") or 1
    low, above = _bound(schema, "minimum", "exclusiveMinimum", 0)
    high, below = _bound(schema, "maximum", "exclusiveMaximum", low + 100)
    first = -(-low // step) + above
    last = high // step - below
    chosen = rng.randint(int(first), int(max(first, last))) * step if last >= first else low
    return int(chosen) if whole else float(chosen)


def _bound(schema: dict[str, Any], name: str, exclusive: str, default: float) -> tuple[float, bool]:
    """A bound and whether it is left out itself: a number of its own, or in old drafts a flag beside the bound."""
    limit = schema.get(exclusive)
    if isinstance(limit, bool) or limit is None:
        return schema.get(name, default), bool(limit)
    return limit, True


def _text(schema: dict[str, Any], rng: random.Random) -> str:
    if (pattern := _FORMATS.get(str(schema.get("format")))) is not None:
        return pattern.format(rng.randint(1, 9), rng.randint(0, 9))
    low = int(schema.get("minLength", 1))
    high = max(low, min(int(schema.get("maxLength", low + 8)), low + 8))
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(low, high)))
