"""What an agent that slips would send in place of an argument: what else exists in the world, then near misses by type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from rise_bench.mutations import with_part
from rise_bench.refs import ROOT, strict_json
from rise_bench.score.values import same
from rise_bench.synth.critical.leaves import Leaf, kind_of
from rise_bench.synth.critical.near_cells import near_cells
from rise_bench.synth.critical.near_codes import near_codes
from rise_bench.synth.critical.near_moments import is_bound, near_moments
from rise_bench.synth.critical.near_values import near_values, renamed, scalars
from rise_bench.synth.critical.neighbours import alike
from rise_bench.types import canonical

__all__ = ["MOST", "slips"]

MOST = 5
"""Slips of one argument that are worth a run."""
_MOST_EXISTING = 3
_MOST_MADE = 2
_FORMULA = re.compile(r"[\d)]\s*[*/+^]\s*[\d(]|\d\s+-\s+\d|\w\(.*\)")
_SAME_QUERY = 0.75
"""A query as unlike as this asks for something else altogether: nobody slips so far."""
_LIMITS = frozenset(
    [
        "type",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
    ]
)


def slips(leaf: Leaf, existing: Sequence[JsonValue]) -> list[JsonValue]:
    """Up to five values to try in place of the leaf's, the likeliest to run first, none the same by the leaf's own rule.

    All are of the leaf's JSON type and within its schema's limits. Of a list or an object one part differs.

    Args:
        existing: other values that exist (`Neighbours.of`).
    """
    return _distinct(leaf, _ordered(leaf, existing))[:MOST]


def _ordered(leaf: Leaf, existing: Sequence[JsonValue]) -> Iterable[JsonValue]:
    if leaf.bound:
        return [*existing[:_MOST_EXISTING], *_miscopied(leaf, existing)]
    if isinstance(leaf.value, list | dict):
        return _inside(leaf, existing)
    made = near_values(leaf)
    if isinstance(leaf.value, bool) or (leaf.schema or {}).get("enum"):
        return made
    if isinstance(leaf.value, int | float):
        return [*existing[:_MOST_MADE], *made]
    assert isinstance(leaf.value, str)  # a leaf that is nothing is none
    if leaf.value[:1] in ("{", "[") and (inner := _in_json(leaf, leaf.value)):
        return inner
    kind = kind_of(leaf)
    if kind == "sql" or _FORMULA.search(leaf.value):
        close = [other for other in existing if alike(leaf.value, other) >= _SAME_QUERY]
        return [*made[:_MOST_EXISTING], *close[:_MOST_MADE], *([] if made else renamed(leaf))]
    if near_moments(leaf.value, leaf.name, leaf.beside):
        first = MOST if is_bound(leaf.name, leaf.beside) else 1
        return [*made[:first], *existing[:_MOST_MADE], *made[first:]]
    if near_cells(leaf.value) or near_codes(leaf.name, leaf.value):
        return [*made[:_MOST_EXISTING], *existing[:1], *made[_MOST_EXISTING:]]
    found = [*existing[:_MOST_EXISTING], *made[:_MOST_MADE]]
    return found or renamed(leaf)  # a name that nothing else bears fails where the thing must exist


def _in_json(leaf: Leaf, text: str) -> list[JsonValue]:
    """The text with one part of what it holds otherwise; nothing where it is no JSON."""
    try:
        held = strict_json(text)
    except ValueError:
        return []
    return [canonical(other) for other in _inside(replace(leaf, value=held), ())]


def _miscopied(leaf: Leaf, existing: Sequence[JsonValue]) -> list[JsonValue]:
    """What was read in an earlier result and written wrongly, where too little else exists that could be taken for it."""
    if leaf.volatile or len(existing) >= _MOST_MADE:
        return []
    plain = replace(leaf, bound=())
    if isinstance(leaf.value, list | dict):
        return _inside(plain, ())
    made = near_values(plain)[:_MOST_MADE]
    if not isinstance(leaf.value, str) or (isinstance(leaf.written, dict) and "$join" in leaf.written):
        return made
    if kind_of(plain) not in ("text", "date", "datetime", "sql"):
        return []  # an id or a path that nobody has seen fails for all to see
    return made or (renamed(plain) if " " in leaf.value else [])


def _inside(leaf: Leaf, existing: Sequence[JsonValue]) -> list[JsonValue]:
    """A list or an object with one part otherwise: its last number, its last text, or the last item left out."""
    kinds: tuple[list[tuple[str, JsonValue]], list[tuple[str, JsonValue]]] = ([], [])
    for pointer, value in scalars(leaf.value):
        kinds[isinstance(value, str)].append((pointer, value))
    changed: list[list[JsonValue]] = []
    for pointer, value in [places[-1] for places in kinds if places]:
        name = pointer if re.search(r"[^\d/]", pointer) else leaf.pointer
        part = replace(leaf, value=value, pointer=name, schema=None, beside={})
        others = slips(part, ())[:_MOST_MADE]
        changed.append([with_part(leaf.value, pointer, other) for other in others])
    made = [value for value in chain.from_iterable(zip_longest(*changed)) if value is not None]
    shorter = (
        [leaf.value[:-1]] if isinstance(leaf.value, list) and len(leaf.value) > 1 and not _closed(leaf.value) else []
    )
    return [*existing[:_MOST_EXISTING], *made[:_MOST_MADE], *shorter, *made[_MOST_MADE:]]


def _closed(values: list[JsonValue]) -> bool:
    return isinstance(values[0], list) and values[0] == values[-1]


def _distinct(leaf: Leaf, values: Iterable[JsonValue]) -> list[JsonValue]:
    """In their order, of the leaf's own JSON type, none twice and none that is the leaf's value by its rule."""
    kind = kind_of(leaf)
    kept: list[JsonValue] = []
    for value in values:
        right_type = type(value) is type(leaf.value) or (
            isinstance(value, int | float) and isinstance(leaf.value, int | float) and not isinstance(value, bool)
        )
        new = value not in kept and value not in ("", ROOT, ".", [])
        if right_type and new and not same(leaf.value, value, kind) and _allowed(leaf, value):
            kept.append(value)
    return kept


def _allowed(leaf: Leaf, value: JsonValue) -> bool:
    """Is the value within the limits of the schema, if the leaf's own is?"""
    limits = {key: rule for key, rule in (leaf.schema or {}).items() if key in _LIMITS}
    if not limits or isinstance(value, list | dict):
        return True
    validator = _validator(canonical(limits))
    return bool(validator.is_valid(value)) or not validator.is_valid(leaf.value)


@lru_cache(maxsize=1024)
def _validator(limits: str) -> Any:
    return Draft202012Validator(json.loads(limits))
