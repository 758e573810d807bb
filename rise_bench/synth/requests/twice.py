"""Chains of which no sensible request speaks, since it would have to say one thing twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from rise_bench.refs import resolve
from rise_bench.synth.critical.leaves import Leaf, kind_of, leaves
from rise_bench.synth.records import Chain
from rise_bench.types import Tool, canonical

__all__ = ["said_twice"]

_NO_NAMES = ("enum", "number", "date", "datetime")
"""Kinds of values of which two may well be the same: the first and the last day of a stay of one."""

_FLAGS = ("true", "false", "yes", "no", "on", "off", "none", "null")
"""Words by which texts stand for what is no name."""


def said_twice(chain: Chain, tools: Mapping[str, Tool]) -> str:
    """Tool, arguments and value of what a request would say twice; empty where there is nothing of the kind.

    That is: two names in one object that are the same (a relation from somebody to themselves, a file that is compared with
    itself), or a list with the same name or object in it twice. Numbers, moments and members of an enumeration may repeat.

    Raises:
        InputError: a binding finds nothing in what the chain recorded.
    """
    seen: dict[tuple[int, str, str], Leaf] = {}
    for leaf in leaves(chain, tools):
        if isinstance(leaf.value, str) and _is_name(leaf.value) and kind_of(leaf) not in _NO_NAMES:
            holder = leaf.pointer.rpartition("/")[0]
            first = seen.setdefault((leaf.call, holder, leaf.value.strip().casefold()), leaf)
            if first is not leaf:
                return f"{leaf.tool} {first.pointer} and {leaf.pointer}: {leaf.value[:80]!r}"
    for call in chain.calls:
        for items in _lists(resolve(dict(call.arguments), list(chain.recorded))):
            told = [canonical(item) for item in items if _names(item)]
            if twice := next((one for one in told if told.count(one) > 1), ""):
                return f"{call.tool} a list with {twice[:80]} in it twice"
    return ""


def _is_name(text: str) -> bool:
    return any(character.isalpha() for character in text) and text.strip().casefold() not in _FLAGS


def _lists(value: JsonValue) -> Iterator[list[JsonValue]]:
    """Every list in a value but the rows of a grid: cells may well be alike."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _lists(item)
    elif isinstance(value, list):
        yield value
        for item in value:
            if not isinstance(item, list):
                yield from _lists(item)


def _names(item: JsonValue) -> bool:
    """Is it a name, or does it hold one?"""
    if isinstance(item, dict):
        return any(map(_names, item.values()))
    if isinstance(item, list):
        return any(map(_names, item))
    return isinstance(item, str) and _is_name(item)
