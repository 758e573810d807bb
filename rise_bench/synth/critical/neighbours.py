"""What exists in a world beside a value: the others of its kind, of its list, of its record, in other calls and results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import islice

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.mutations import near_misses, with_part
from rise_bench.refs import ROOT, at, bindings, resolve
from rise_bench.score.values import same
from rise_bench.synth.critical.leaves import Leaf, is_volatile, kind_of
from rise_bench.synth.critical.near_moments import in_order
from rise_bench.synth.critical.near_values import scalars
from rise_bench.synth.primitives.kinds import field_kind, words
from rise_bench.synth.records import Chain, Entity, Primitive
from rise_bench.types import Critical, canonical

__all__ = ["Neighbours", "alike"]

_READ = 3000
"""Values of one result that are looked at."""
_FEW = 2
"""So many that exist are enough; with fewer, what is only like them is looked for."""
_LONGEST = 40_000
"""Characters of a result that are searched for ids of the same shape."""


class Neighbours:
    """What exists beside a value in one world: entities of its kind, what the same argument held in other calls.

    Args:
        chain: whose world it is.
        primitives: verified calls; those on other fixtures are left out.
        entities: values that servers list; those of other worlds are left out.
    """

    def __init__(self, chain: Chain, primitives: Iterable[Primitive] = (), entities: Iterable[Entity] = ()) -> None:
        world = chain.world.digest()
        self._entities = [entity for entity in entities if entity.world == world]
        calls = [(one.tool, one.arguments) for one in primitives if one.world.setup == chain.world.setup]
        self._calls = [*calls, *((call.tool, call.arguments) for call in chain.calls)]
        self._chain = chain

    def of(self, leaf: Leaf) -> list[JsonValue]:
        """Other values that exist, the most alike first; whole where the leaf is a list of which one item differs."""
        if leaf.bound:
            found = self._beside_bound(leaf)
        elif isinstance(leaf.value, str | int | float) and not isinstance(leaf.value, bool):
            found = self._literal(leaf)
        elif isinstance(leaf.value, list) and leaf.value and isinstance(leaf.value[-1], str):
            last = replace(leaf, value=leaf.value[-1], written=leaf.value[-1], pointer=f"{leaf.pointer}/0", schema=None)
            return [[*leaf.value[:-1], other] for other in self.of(last) if other not in leaf.value]
        else:
            found = []
        return sorted(
            _others(leaf, found),
            key=lambda other: (-alike(leaf.value, other), _apart(leaf.value, other), canonical(other)),
        )

    def _literal(self, leaf: Leaf) -> list[JsonValue]:
        found = self._entities_like(leaf, field_kind(leaf.name))
        if not _others(leaf, found):  # nothing of the kind that the argument names
            found = [*self._entities_like(leaf), *self._seen(leaf), *_keys_beside(leaf)]
        found += self._same_argument(leaf)
        if len(_others(leaf, found)) < _FEW and isinstance(leaf.value, int | float | str) and kind_of(leaf) != "path":
            found += self._same_name(leaf)
        if isinstance(leaf.value, str):
            return [value for value in found if isinstance(value, str) and in_order(value, leaf.name, leaf.beside)]
        return found

    def _entities_like(self, leaf: Leaf, kind: str | None = None) -> list[JsonValue]:
        """Entities of the kinds of which the value is one, or of one of them, within the same thing first of all."""
        mine = [entity for entity in self._entities if kind in (None, entity.kind) and _is(entity.value, leaf)]
        kinds = {entity.kind for entity in mine}
        within = [entity.within for entity in mine if entity.within]
        others = [entity for entity in self._entities if entity.kind in kinds]
        near = [entity for entity in others if entity.within in within]
        return [_written_like(leaf.value, entity.value) for entity in near or others]

    def _same_argument(self, leaf: Leaf) -> list[JsonValue]:
        """What the argument held in other calls of the tool."""
        found: list[JsonValue] = []
        for tool, arguments in self._calls:
            if tool != leaf.tool:
                continue
            try:
                found.append(_written_like(leaf.value, at(dict(arguments), leaf.pointer)))
            except InputError:
                continue
        return [value for value in found if type(value) is type(leaf.value)]

    def _same_name(self, leaf: Leaf) -> list[JsonValue]:
        """What arguments of the same name held in calls of the same server, and such fields in earlier results."""
        server, told = leaf.tool.partition(".")[0], words(leaf.name)
        held = [dict(arguments) for tool, arguments in self._calls if tool.partition(".")[0] == server]
        results = list(self._chain.recorded[: leaf.call])
        return [
            value
            for whole in (*held, *results)
            for pointer, value in islice(scalars(whole), _READ)
            if told and words(_field(pointer)) == told and type(value) is type(leaf.value)
        ]

    def _seen(self, leaf: Leaf) -> Iterator[JsonValue]:
        """What stands in the same place of the other records where an earlier result holds the value; ids of its shape."""
        kind = kind_of(leaf)
        shape = _shape(leaf.value) if kind == "exact" else None
        for number, result in enumerate(self._chain.recorded[: leaf.call]):
            for pointer, value in islice(scalars(result), _READ):
                held = value == leaf.value or (kind == "path" and same(leaf.value, value, "path"))
                if held and not is_volatile(self._chain, number, pointer):
                    yield from (_written_like(leaf.value, other) for other in _siblings(result, pointer))
            if shape is not None:
                text = result if isinstance(result, str) else canonical(result)
                yield from dict.fromkeys(re.findall(shape, text[:_LONGEST]))

    def _beside_bound(self, leaf: Leaf) -> list[JsonValue]:
        """The value with one binding taken from another record of its list, or with a text between bindings otherwise."""
        recorded = list(self._chain.recorded)
        changes: list[tuple[str, JsonValue]] = []
        for place, producer, pointer in _holes(leaf.written):
            if not is_volatile(self._chain, producer, pointer):
                others = _in_place_of(recorded[producer], pointer)
                changes += [(place, other) for other in others]
        for place, text in _texts_between(leaf.written):
            others = near_misses(Critical(call=leaf.call, argument=leaf.pointer), text)
            changes += [(place, other) for other in others]
        return [resolve(with_part(leaf.written, place, other), recorded) for place, other in changes]


def _holes(written: JsonValue, pointer: str = "") -> Iterator[tuple[str, int, str]]:
    """Every binding by its own place, those inside a `$join` too, with its producer and the pointer into the result."""
    if isinstance(written, dict):
        own = [(producer, source) for place, producer, source in bindings(written) if place == ""]
        if "$join" not in written and own:
            yield (pointer, *own[0])
            return
    parts = written.items() if isinstance(written, dict) else enumerate(written) if isinstance(written, list) else ()
    for key, item in parts:
        yield from _holes(item, f"{pointer}/{key}")


def _texts_between(written: JsonValue) -> Iterator[tuple[str, str]]:
    parts = written.get("$join") if isinstance(written, dict) else None
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, str):
            yield f"/$join/{index}", part


def _in_place_of(result: JsonValue, pointer: str) -> list[JsonValue]:
    """What could have been taken in place of a part of a result: the same of other records, else other numbers of its own."""
    taken = at(result, pointer)
    others = _siblings(result, pointer)
    if isinstance(taken, int | float) and not others:
        others = _fields_beside(result, pointer)
    return [other for other in others if isinstance(taken, str) is isinstance(other, str)]


def _siblings(result: JsonValue, pointer: str) -> list[JsonValue]:
    """Values at the pointers that differ in one list index."""
    tokens = pointer.split("/")
    found: list[JsonValue] = []
    for place, token in enumerate(tokens):
        if not token.isdigit():
            continue
        holder = at(result, "/".join(tokens[:place]))
        for index in range(len(holder) if isinstance(holder, list) else 0):
            if index != int(token):
                try:
                    found.append(at(result, "/".join([*tokens[:place], str(index), *tokens[place + 1 :]])))
                except InputError:
                    continue
    return [value for value in found if isinstance(value, str | int | float) and not isinstance(value, bool)]


def _fields_beside(result: JsonValue, pointer: str) -> list[JsonValue]:
    """The other numbers of the same record."""
    holder = at(result, pointer.rpartition("/")[0])
    values = holder.values() if isinstance(holder, dict) else ()
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


def _keys_beside(leaf: Leaf) -> list[JsonValue]:
    """The other keys of an object in the same call that has the value as a key: the rates beside a currency."""
    return [key for held in leaf.beside.values() if isinstance(held, dict) and leaf.value in held for key in held]


def _field(pointer: str) -> str:
    return next((token for token in reversed(pointer.split("/")) if token and not token.isdigit()), "")


def _shape(value: JsonValue) -> str | None:
    """Pattern of ids like this one: `task-8`, `v0.3`, `0003`; None where it is no id or a plain number."""
    if not isinstance(value, str) or " " in value or not re.search(r"\d", value):
        return None
    if not re.search(r"[A-Za-z]", value) and not re.fullmatch(r"0\d+", value):
        return None
    wide = re.fullmatch(r"0\d+", value)
    digits = rf"\\d{{{len(value)}}}" if wide else r"\\d+"
    return rf"(?<![\w.-]){re.sub(r'(?:[0-9])+', digits, re.escape(value))}(?![\w-])"


def _is(value: JsonValue, leaf: Leaf) -> bool:
    kind = kind_of(leaf)
    return same(leaf.value, value, kind if kind in ("path", "number", "url") else "exact")


def _others(leaf: Leaf, values: Iterable[JsonValue]) -> list[JsonValue]:
    return [value for value in values if not _is(value, leaf)]


def _written_like(model: JsonValue, value: JsonValue) -> JsonValue:
    """The value in the manner of the model: with the sandbox's path before it, or without."""
    if not (isinstance(model, str) and isinstance(value, str)):
        return value
    if model.startswith(f"{ROOT}/") and not value.startswith((ROOT, "/")):
        return f"{ROOT}/{value.removeprefix('./')}"
    if not model.startswith(ROOT) and value.startswith(f"{ROOT}/"):
        return value.removeprefix(f"{ROOT}/")
    return value


def _apart(one: JsonValue, other: JsonValue) -> int:
    """How far the last numbers of two texts are from each other; 0 where they have none."""
    numbers = [re.findall(r"\d{1,18}", text)[-1:] for text in (one, other) if isinstance(text, str)]
    found = [int(some[0]) for some in numbers if some]
    return abs(found[0] - found[1]) if len(found) == 2 else 0


def alike(one: JsonValue, other: JsonValue) -> float:
    """How alike two values are, the more the higher: texts by what they share, numbers by their distance."""
    if isinstance(one, str) and isinstance(other, str):
        ending = one.rpartition(".")[2] == other.rpartition(".")[2] and "." in one
        return SequenceMatcher(None, one, other, autojunk=False).ratio() + 0.3 * ending
    if isinstance(one, int | float) and isinstance(other, int | float):
        return -abs(one - other)
    return 0.0
