"""How two lists of tools differ, in words that somebody who did not write them understands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from rise_bench.errors import SetupError
from rise_bench.plain import one_line
from rise_bench.types import Tool, canonical

__all__ = ["check_names", "differences", "duplicates"]

SHOWN = 60
"""Characters of a value or text that a line shows."""

BEFORE = 20
"""Of these, characters before the place where two texts part."""

_NOT_COMPARED = frozenset({"properties", "required", "enum", "$defs", "definitions"})
"""Keywords with words of their own."""


def duplicates(tools: Sequence[Tool]) -> tuple[str, ...]:
    """Names that more than one of the tools has, sorted."""
    return tuple(sorted(name for name, count in Counter(tool.name for tool in tools).items() if count > 1))


def check_names(server: str, tools: Sequence[Tool]) -> None:
    """Nothing, where every tool has a name of its own.

    Raises:
        SetupError: two share one, or one has none that can be written: nobody could say which is meant.
    """
    remedy = "give each of its tools a name of its own"
    if twice := duplicates(tools):
        raise SetupError(f"publishes more than one tool named {twice[0]!r}", where=server, remedy=remedy)
    for tool in tools:
        if not tool.name.strip() or not tool.name.isprintable():
            raise SetupError(f"publishes a tool named {tool.name!r}", where=server, remedy=remedy)


def differences(before: Sequence[Tool], now: Sequence[Tool]) -> tuple[str, ...]:
    """How the contracts (name, description, parameters, annotations) differ, one line a difference; empty = not at all."""
    old, new = {tool.name: tool for tool in before}, {tool.name: tool for tool in now}
    found = [f"{name} is published twice" for name in duplicates(now)]
    found += [f"{name} is gone" for name in old if name not in new]
    found += [f"{name} is new" for name in new if name not in old]
    for name in old.keys() & new.keys():
        words = tuple(_tool(old[name], new[name]))
        if not words and _contract(old[name]) != _contract(new[name]):
            words = ("changed in a detail, such as the order of a list",)
        found += [f"{name}: {what}" for what in words]
    return tuple(one_line(line) for line in sorted(found))


def _contract(tool: Tool) -> str:
    return canonical([tool.description, tool.parameters, tool.annotations])


def _tool(old: Tool, new: Tool) -> Iterator[str]:
    if old.description != new.description:
        yield f"description changed: {_texts(old.description, new.description)}"
    yield from _schema("", old.parameters, new.parameters)
    yield from _keywords("annotation ", old.annotations, new.annotations)


def _schema(path: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    """What changed in the schema of the value at `path`, that of the arguments as a whole where it is empty."""
    if old == new:
        return
    lead = f"parameter {path}: " if path else ""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        yield f"{lead}schema {_brief(old)} -> {_brief(new)}"
        return
    yield from _properties(path, old, new)
    if old.get("enum") != new.get("enum"):
        yield f"{lead}{_choices(old.get('enum'), new.get('enum'))}"
    for keyword in ("$defs", "definitions"):
        were, are = _mapping(old.get(keyword)), _mapping(new.get(keyword))
        for name in sorted(were.keys() | are.keys()):
            if name in were and name in are:
                yield from _schema(f"{path}{keyword}.{name}", were[name], are[name])
            else:
                yield f"{lead}definition {name} {'is gone' if name in were else 'is new'}"
    for keyword in sorted((old.keys() | new.keys()) - _NOT_COMPARED):
        yield from _keyword(path, lead, keyword, old, new)


def _keyword(
    path: str, lead: str, keyword: str, old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]
) -> Iterator[str]:
    was, now = old.get(keyword), new.get(keyword)
    if was == now and (keyword in old) == (keyword in new):
        return
    if keyword == "items" and isinstance(was, Mapping) and isinstance(now, Mapping):
        yield from _schema(f"{path}[]", was, now)
    elif keyword in ("anyOf", "oneOf", "allOf") and _as_long(was, now):
        assert isinstance(was, list)
        assert isinstance(now, list)
        for one, other in zip(was, now, strict=True):
            yield from _schema(path, one, other)
    elif keyword == "description" and isinstance(was, str) and isinstance(now, str):
        yield f"{lead}description changed: {_texts(was, now)}"
    else:
        yield from _keywords(lead, {keyword: was} if keyword in old else {}, {keyword: now} if keyword in new else {})


def _properties(path: str, old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> Iterator[str]:
    were, are = _mapping(old.get("properties")), _mapping(new.get("properties"))
    needed, needs = _names(old.get("required")), _names(new.get("required"))
    for name in sorted(were.keys() | are.keys() | needed | needs):
        place = f"{path}.{name}" if path else name
        if name in are and name not in were:
            yield f"parameter {place} added ({'required' if name in needs else 'optional'})"
            continue
        if name in were and name not in are:
            yield f"parameter {place} is gone"
            continue
        if (name in needed) != (name in needs):
            yield f"parameter {place} is now {'required' if name in needs else 'optional'}"
        if name in were:
            yield from _schema(place, were[name], are[name])


def _choices(was: JsonValue, now: JsonValue) -> str:
    """How an enumeration changed; a list of choices that lost and gained none was put in another order."""
    if not (isinstance(was, list) and isinstance(now, list)):
        return f"enum {_brief(was)} -> {_brief(now)}" if was and now else f"enum {'is gone' if was else 'added'}"
    lost = [value for value in was if value not in now]
    gained = [value for value in now if value not in was]
    parts = [f"lost {', '.join(map(_brief, lost))}"] * bool(lost)
    parts += [f"gained {', '.join(map(_brief, gained))}"] * bool(gained)
    return f"enum {' and '.join(parts) or 'is in another order'}"


def _keywords(lead: str, old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> Iterator[str]:
    """Settings that came, went or have another value."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{lead}{name} {_brief(old[name])} is gone"
        elif name not in old:
            yield f"{lead}{name} {_brief(new[name])} is new"
        elif json.dumps(old[name], sort_keys=True) != json.dumps(new[name], sort_keys=True):  # True is not 1 here
            yield f"{lead}{name} {_brief(old[name])} -> {_brief(new[name])}"


def _texts(old: str, new: str) -> str:
    """Both texts around the first place where they part."""
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return f"{_excerpt(old, start)} -> {_excerpt(new, start)}"


def _excerpt(text: str, start: int) -> str:
    begin = max(0, start - BEFORE)
    end = begin + SHOWN
    shown = " ".join(text[begin:end].split())
    return f'"{"..." * bool(begin)}{shown}{"..." * (len(text) > end)}"'


def _brief(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return repr(text) if isinstance(value, str) and (not text or " " in text) else text


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _names(value: JsonValue) -> frozenset[str]:
    return frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()


def _as_long(one: JsonValue, other: JsonValue) -> bool:
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other)
