"""What an agent that slips would send in place of an argument: what else exists in the world, then near misses by type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.mutations import near_misses
from rise_bench.refs import ROOT, at
from rise_bench.score.values import same
from rise_bench.synth.leaves import Leaf, kind_of
from rise_bench.synth.records import Chain, Entity, Primitive
from rise_bench.types import Critical, canonical

__all__ = ["Neighbours", "slips"]

_MOST_EXISTING = 3
_MOST_MADE = 2
_FORMULA = re.compile(r"[\d)]\s*[*/+^]\s*[\d(]|\d\s+-\s+\d|\w\(.*\)")
_SAME_QUERY = 0.75
"""A query as unlike as this asks for something else altogether: nobody slips so far."""


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
        self._calls = [one for one in primitives if one.world.setup == chain.world.setup]
        self._chain = chain

    def of(self, leaf: Leaf) -> list[JsonValue]:
        """Other values that exist, the most alike first."""
        if leaf.bound:
            found = self._beside_bound(leaf)
        elif isinstance(leaf.value, str | int | float) and not isinstance(leaf.value, bool):
            found = [*self._entities_like(leaf), *self._same_argument(leaf)]
        elif isinstance(leaf.value, list) and leaf.value and isinstance(leaf.value[-1], str):
            last = replace(leaf, value=leaf.value[-1])
            return _distinct(leaf, [[*leaf.value[:-1], other] for other in self.of(last) if other not in leaf.value])
        else:
            found = []
        return _distinct(leaf, sorted(found, key=lambda other: (-_alike(leaf.value, other), canonical(other))))

    def _entities_like(self, leaf: Leaf) -> list[JsonValue]:
        """Entities of the kinds of which the value is one, within the same thing first of all."""
        mine = [entity for entity in self._entities if _is(entity.value, leaf)]
        kinds = {entity.kind for entity in mine}
        within = [entity.within for entity in mine if entity.within]
        others = [entity for entity in self._entities if entity.kind in kinds]
        near = [entity for entity in others if entity.within in within]
        return [_written_like(leaf.value, entity.value) for entity in near or others]

    def _same_argument(self, leaf: Leaf) -> list[JsonValue]:
        found: list[JsonValue] = []
        for one in self._calls:
            if one.tool != leaf.tool:
                continue
            try:
                found.append(_written_like(leaf.value, at(dict(one.arguments), leaf.pointer)))
            except InputError:
                continue
        return [value for value in found if type(value) is type(leaf.value)]

    def _beside_bound(self, leaf: Leaf) -> list[JsonValue]:
        """The same field of the other records of the list that the value was taken from."""
        found: list[JsonValue] = []
        for producer, pointer in leaf.bound:
            if _is_volatile(self._chain, producer, pointer):
                continue
            result = self._chain.recorded[producer]
            taken = at(result, pointer)
            for other in _siblings(result, pointer):
                if isinstance(leaf.value, str) and isinstance(taken, str) and isinstance(other, str):
                    found.append(leaf.value.replace(taken, other))
                elif leaf.value == taken:
                    found.append(other)
        return found


def _is_volatile(chain: Chain, producer: int, pointer: str) -> bool:
    leaf = f"result:{producer}:{pointer}"
    return any(name == leaf or leaf.startswith(name.rstrip("/") + "/") for name in chain.volatile)


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


def slips(leaf: Leaf, existing: Sequence[JsonValue]) -> list[JsonValue]:
    """Values to try in place of the leaf's, all schema-typed like it, none the same by the leaf's own rule.

    Args:
        existing: other values that exist (`Neighbours.of`).
    """
    bare = Critical(call=leaf.call, argument=leaf.pointer)
    made = _distinct(leaf, near_misses(bare, leaf.value, leaf.schema))
    if leaf.bound:
        return list(existing[:_MOST_EXISTING])
    numeric = isinstance(leaf.value, int | float)
    if kind_of(leaf) == "sql" or (isinstance(leaf.value, str) and _FORMULA.search(leaf.value)):
        alike = [other for other in existing if _alike(leaf.value, other) >= _SAME_QUERY]
        turned = _renamed(leaf) if kind_of(leaf) == "sql" or not made else []
        return _distinct(leaf, [*turned, *made[:_MOST_MADE], *alike[:_MOST_EXISTING]])
    first, second = (made, existing) if numeric else (existing, made)
    found = [*first[: _MOST_MADE if numeric else _MOST_EXISTING], *second[:_MOST_MADE]]
    if not found or (not made and not numeric):
        found += _renamed(leaf)
    return _distinct(leaf, found)


def _renamed(leaf: Leaf) -> list[JsonValue]:
    """A value that was said a little otherwise, for names and texts that do not exist before the call."""
    if isinstance(leaf.value, list) and leaf.value and isinstance(leaf.value[0], str):
        return [[f"{leaf.value[0]}-2", *leaf.value[1:]]]
    if not isinstance(leaf.value, str) or (leaf.schema or {}).get("enum"):
        return []
    kind, text = kind_of(leaf), leaf.value
    if kind == "sql":
        return [swapped for swapped in [_other_comparison(text)] if swapped]
    if kind == "path":
        stem, dot, ending = text.rpartition(".")
        return [f"{stem}-2.{ending}" if dot and "/" not in ending else f"{text.rstrip('/')}-2"]
    words = text.split(" ")
    if kind == "text" and len(words) > 2:
        return [" ".join(words[:-1])]
    return [f"{text} 2" if kind == "text" and " " in text else f"{text}-2"]


def _other_comparison(query: str) -> str:
    """The query with one comparison, direction or aggregate turned into its neighbour; empty where it has none."""
    for pattern, other in (
        (r"<=", "<"),
        (r">=", ">"),
        (r"<(?![>=])", "<="),
        (r"(?<!<)>(?!=)", ">="),
        (r"\bDESC\b", "ASC"),
        (r"\bMAX\(", "MIN("),
        (r"\bMIN\(", "MAX("),
        (r"\bSUM\(", "AVG("),
        (r"= '([^']+)'", r"<> '\1'"),
    ):
        turned, count = re.subn(pattern, other, query, count=1, flags=re.IGNORECASE)
        if count:
            return turned
    return ""


def _is(value: JsonValue, leaf: Leaf) -> bool:
    kind = kind_of(leaf)
    return same(leaf.value, value, kind if kind in ("path", "number", "url") else "exact")


def _written_like(model: JsonValue, value: JsonValue) -> JsonValue:
    """The value in the manner of the model: with the sandbox's path before it, or without."""
    if not (isinstance(model, str) and isinstance(value, str)):
        return value
    if model.startswith(f"{ROOT}/") and not value.startswith((ROOT, "/")):
        return f"{ROOT}/{value.removeprefix('./')}"
    if not model.startswith(ROOT) and value.startswith(f"{ROOT}/"):
        return value.removeprefix(f"{ROOT}/")
    return value


def _alike(one: JsonValue, other: JsonValue) -> float:
    if isinstance(one, str) and isinstance(other, str):
        ending = one.rpartition(".")[2] == other.rpartition(".")[2] and "." in one
        return SequenceMatcher(None, one, other, autojunk=False).ratio() + 0.3 * ending
    if isinstance(one, int | float) and isinstance(other, int | float):
        return -abs(one - other)
    return 0.0


def _distinct(leaf: Leaf, values: Iterable[JsonValue]) -> list[JsonValue]:
    """In their order, of the leaf's own JSON type, none twice and none that is the leaf's value by its rule."""
    kind, kept = kind_of(leaf), []
    for value in values:
        right_type = type(value) is type(leaf.value) or (
            isinstance(value, int | float) and isinstance(leaf.value, int | float) and not isinstance(value, bool)
        )
        if right_type and value not in kept and not same(leaf.value, value, kind) and value not in ("", ROOT, "."):
            kept.append(value)
    return kept
