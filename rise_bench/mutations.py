"""Near misses of an intent-critical value, by type: what an agent that slips would send instead (our design)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from pydantic import JsonValue

from rise_bench.refs import unescape
from rise_bench.types import Call, Critical

__all__ = ["mutated", "near_misses", "with_part"]


def near_misses(critical: Critical, value: JsonValue, schema: Mapping[str, JsonValue] | None = None) -> list[JsonValue]:
    """Values unlike `value` that could stand in its place: the author's `near` first, else made by type.

    Args:
        critical: the parameter; its `near` values are taken as they are.
        value: what the reference holds, bindings resolved.
        schema: JSON Schema of the argument, for enum siblings.
    """
    if critical.near:
        return list(critical.near)
    siblings = (schema or {}).get("enum")
    if isinstance(siblings, list):
        return [item for item in siblings if item != value][:2]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value * 10]
    if isinstance(value, list):
        return [value[:-1]] if value else []
    if isinstance(value, str):
        return _near_text(value)
    return []


def _near_text(value: str) -> list[JsonValue]:
    if moved := _moved_dates(value):
        return [moved]
    if numbers := list(re.finditer(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", value)):
        last = numbers[-1]
        number = last.group()
        more = str(Decimal(number) + 1) if "." in number else str(int(number) + 1)
        return [value[: last.start()] + more.zfill(len(number)) + value[last.end() :]]  # `03` is followed by `04`
    return []


def _moved_dates(value: str) -> str:
    """The text with its first ISO date a day later; empty where it has none."""
    match = re.search(r"\d{4}-\d{2}-\d{2}", value)
    if match is None:
        return ""
    try:
        later = date.fromisoformat(match.group()) + timedelta(days=1)
    except (ValueError, OverflowError):
        return ""
    return value[: match.start()] + later.isoformat() + value[match.end() :]


def mutated(call: Call, pointer: str, value: JsonValue) -> Call:
    """The call with the argument at `pointer` replaced.

    Raises:
        KeyError, IndexError, TypeError: the pointer does not fit the arguments.
    """
    return call.model_copy(update={"arguments": with_part(dict(call.arguments), pointer, value)})


def with_part(value: JsonValue, pointer: str, part: JsonValue) -> JsonValue:
    """The value with what an RFC 6901 pointer names in it replaced; the part itself for the empty pointer.

    Raises:
        KeyError, IndexError, TypeError: the pointer does not fit the value.
    """
    return _set(value, [unescape(token) for token in pointer.split("/")[1:]], part)


def _set(node: JsonValue, keys: list[str], value: JsonValue) -> JsonValue:
    if not keys:
        return value
    head, rest = keys[0], keys[1:]
    if isinstance(node, list):
        index = int(head)
        return [*node[:index], _set(node[index], rest, value), *node[index + 1 :]]
    if isinstance(node, dict):
        return {**node, head: _set(node.get(head), rest, value)}
    raise TypeError(f"nothing at {head!r}")
