"""Arguments of one tool carried over to another, by name and type."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from rise_bench.refs import bindings, resolve
from rise_bench.score.calls import tools_of
from rise_bench.synth.negatives.operators.base import Material
from rise_bench.types import Call, Tool

__all__ = ["carried"]

_ALIKE = (
    {"path", "filepath", "file", "filename", "source", "uri"},
    {"directory", "folder", "dir", "path", "root"},
    {"query", "q", "search", "pattern", "text", "keyword", "term"},
    {"sql", "query", "statement"},
    {"id", "uid", "key", "name", "title"},
    {"content", "text", "body", "value", "data"},
    {"date", "day", "start", "when", "from"},
    {"table", "tablename"},
)
"""Names of parameters that stand for the same thing in one server or another."""


def carried(material: Material, call: Call, tool: Tool) -> dict[str, JsonValue] | None:
    """Arguments with which `tool` can be called in the place of `call`; None where something that it needs is not there.

    By the same name first, then by a name that means the same, then by being the only two of their type. Bindings are
    carried as they are; what results of it must be valid under the tool's contract.
    """
    have = dict(call.arguments)
    recorded = list(material.task.recorded)
    values = dict(resolve(have, recorded)) if _resolvable(have, recorded) else have  # type: ignore[arg-type]
    properties = tool.parameters.get("properties")
    wanted = {n: s for n, s in properties.items() if isinstance(s, dict)} if isinstance(properties, dict) else {}
    required = tool.parameters.get("required")
    needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    taken = {name: name for name in wanted if name in have}
    for name in needed:
        if name not in taken:
            other = _counterpart(name, wanted.get(name, {}), values, set(taken.values()))
            if other is None:
                return None
            taken[name] = other
    given = {name: have[other] for name, other in taken.items()}
    sent = {name: values[other] for name, other in taken.items()}
    if not given or tools_of(material.task, material.ground).invalid(tool.id, sent):
        return None
    return given


def _resolvable(arguments: dict[str, JsonValue], recorded: list[JsonValue]) -> bool:
    return all(producer < len(recorded) for _, producer, _ in bindings(arguments))


def _counterpart(
    name: str, schema: Mapping[str, JsonValue], values: Mapping[str, JsonValue], taken: set[str]
) -> str | None:
    """The argument that could be meant by another tool's `name`."""
    left = [other for other, value in values.items() if other not in taken and _fits(value, schema)]
    plain = _plain(name)
    for other in left:
        if any(plain in family and _plain(other) in family for family in _ALIKE) or _plain(other) == plain:
            return other
    return left[0] if len(left) == 1 and len(values) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[_\W]", "", name).casefold()


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip


def _fits(value: JsonValue, schema: Mapping[str, JsonValue]) -> bool:
    kind = schema.get("type")
    if not isinstance(kind, str):
        return True
    return isinstance(value, _TYPES.get(kind, (object,))) and (isinstance(value, bool) == (kind == "boolean"))
