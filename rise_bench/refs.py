"""Bindings of a reference argument to earlier results: `$ref`, `$join`, `{root}`, JSON pointers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NoReturn

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.types import ToolResult, canonical

__all__ = ["ROOT", "at", "bindings", "escape", "resolve", "result_value", "strict_json", "substitute_root", "unescape"]

ROOT = "{root}"
"""Stands for the sandbox's path in tasks, recorded results and states (ARCHITECTURE, conventions)."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def strict_json(text: str) -> JsonValue:
    """The value of a JSON text.

    Python's reader takes NaN and infinity, and ends in RecursionError on deep nesting; here both are a `ValueError`.

    Raises:
        ValueError: the text is not JSON, holds a number that is not finite or nests too deeply.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse_constant)
        canonical(value)  # 1e999 reads as infinity without passing parse_constant
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def result_value(result: ToolResult) -> JsonValue:
    """What a call gave, as a value: structured content if any, else its text read as JSON, else the text.

    Source: ARCHITECTURE, conventions ("Result value").
    """
    if result.structured is not None:
        return result.structured
    try:
        return strict_json(result.content)
    except ValueError:
        return result.content


def at(value: JsonValue, pointer: str) -> JsonValue:
    """The part of `value` that an RFC 6901 pointer names; the whole for the empty pointer.

    Raises:
        InputError: the pointer is not well-formed, or names nothing here.
    """
    if pointer and not pointer.startswith("/"):
        raise InputError(f"{pointer!r} is not a JSON pointer", remedy="start it with / or leave it empty")
    for token in pointer.split("/")[1:]:
        value = _step(value, unescape(token), pointer)
    return value


def escape(key: str) -> str:
    """A key as one token of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The key that one token of a JSON pointer names."""
    return token.replace("~1", "/").replace("~0", "~")


def _step(value: JsonValue, key: str, pointer: str) -> JsonValue:
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and key.isascii() and key.isdigit() and (key == "0" or key[0] != "0"):
        index = int(key) if len(key) < 10 else len(value)
        if index < len(value):
            return value[index]
    if isinstance(value, dict):
        has = f"keys {sorted(value)[:8]}"
    elif isinstance(value, list):
        has = f"{len(value)} items"
    else:
        has = f"the {type(value).__name__} {str(value)[:60]!r}"
    raise InputError(f"pointer {pointer!r} finds no {key!r}; there is {has}", remedy="point at a part that exists")


def _reference(value: JsonValue) -> tuple[int, str] | None:
    """Call and pointer where `value` is a binding; a `$ref` that is text belongs to JSON Schema and is data."""
    if not (isinstance(value, dict) and len(value) == 1 and "$ref" in value) or isinstance(value["$ref"], str):
        return None
    match value["$ref"]:
        case [bool(), *_]:
            pass
        case [int(call), str(pointer)] if call >= 0:
            return call, pointer
    raise InputError(f"not a binding: {canonical(value)[:80]}", remedy="write {$ref: [call index, JSON pointer]}")


def _parts(value: JsonValue) -> list[JsonValue] | None:
    """The parts of a `$join`, else None."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(parts := value.get("$join"), list):
        return parts
    return None


def resolve(value: JsonValue, results: Sequence[JsonValue]) -> JsonValue:
    """`value` with every `{"$ref": [call, pointer]}` replaced by that part of `results[call]`.

    `{"$join": [...]}` becomes the text of its parts in a row. Both may stand anywhere inside lists and dicts. Source:
    DESIGN section 3.

    Raises:
        InputError: a binding to a call that has no result yet, to a part that is not there, or not well-formed.
    """
    reference = _reference(value)
    if reference is not None:
        call, pointer = reference
        if call >= len(results):
            raise InputError(
                f"binds to call {call}, only {len(results)} results are there", remedy="bind to earlier calls"
            )
        try:
            return at(results[call], pointer)
        except InputError as error:
            raise InputError(error.what, where=f"result of call {call}", remedy=error.remedy) from None
    parts = _parts(value)
    if parts is not None:
        return "".join(_text(resolve(part, results)) for part in parts)
    if isinstance(value, dict):
        return {key: resolve(item, results) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, results) for item in value]
    return value


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise InputError(f"$join takes text and numbers, not {canonical(value)[:60]}", remedy="point at a leaf")
    return canonical(value)


def bindings(value: JsonValue, pointer: str = "") -> Iterator[tuple[str, int, str]]:
    """Every binding in `value` as (pointer of the place it fills, call, pointer into that call's result).

    A binding inside a `$join` counts for the place of the whole `$join`: that is the argument that depends on it.

    Raises:
        InputError: a binding that is not well-formed.
    """
    reference = _reference(value)
    parts = _parts(value)
    if reference is not None:
        yield (pointer, *reference)
    elif parts is not None:
        for part in parts:
            for _, call, source in bindings(part):
                yield pointer, call, source
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from bindings(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from bindings(item, f"{pointer}/{index}")


def substitute_root(value: JsonValue, root: str) -> JsonValue:
    """`value` with `{root}` replaced by `root` in every text, keys included; in a binding's pointer as RFC 6901 writes it."""
    if isinstance(value, str):
        return value.replace(ROOT, root)
    if isinstance(value, dict):
        match value.get("$ref"):
            case [int(call), str(pointer)] if len(value) == 1:
                return {"$ref": [call, pointer.replace(ROOT, escape(root))]}
        return {key.replace(ROOT, root): substitute_root(item, root) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute_root(item, root) for item in value]
    return value
