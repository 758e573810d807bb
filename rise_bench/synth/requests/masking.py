"""What follows from a request without the words of its values, beside what naming the commonest value would get."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rise_bench.synth.keys import chain_key
from rise_bench.synth.records import Draft
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.synth.requests.recover import is_bound, recover, value_of
from rise_bench.synth.words.verbalise import Names, kind_of, read, same_value
from rise_bench.types import Critical, Tool, canonical

__all__ = ["Masked", "masked", "masked_rates"]


@dataclass(frozen=True, slots=True)
class Masked:
    """What is still recovered when the words of each value are masked in turn."""

    values: int
    """Critical values that were masked."""
    recovered: float
    """Share of them that still follow from the rest of the request and the schema."""
    base_rate: float
    """Share that naming the commonest value of that argument in all other chains would get, ties in equal parts."""


def masked(draft: Draft, item: Critical, names: Names | None = None) -> str:
    """The request with every word that says the value of one critical parameter replaced by blanks."""
    value = value_of(draft.task, item)
    kind = kind_of(value, item.match)
    words = {draft.said.get(f"{item.call}:{item.argument}", "")}
    for other in draft.task.intent.critical:
        said = draft.said.get(f"{other.call}:{other.argument}", "")
        if said and same_value(value, read(said, kind, draft.task.now, names or {}), kind):
            words.add(said)
    text = draft.task.request
    apart = {part for said in words if said not in text for part in said.split(", ")}  # what stands in several places
    for said in sorted(filter(None, words | apart), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(said)}(?!\w)", " " * 3, text)
    return text


def masked_rates(
    drafts: Iterable[Draft],
    tools: Mapping[str, Tool] | None = None,
    names: Mapping[str, Names] | None = None,
    books: Phrasebooks | None = None,
) -> Masked:
    """The masked test over many drafts: what is recovered without a value's words must be no more than the base rate.

    Args:
        names: nicknames by set-up.
    """
    left = 0
    seen: list[_Seen] = []
    for draft in drafts:
        called = (names or {}).get(draft.task.setup, {})
        for item in draft.task.intent.critical:
            if is_bound(draft.task, item):
                continue
            place = (draft.task.reference[item.call].tool, re.sub(r"/\d+", "/*", item.argument))
            seen.append(_Seen(place, canonical(value_of(draft.task, item)), chain_key(draft.chain)))
            (found,) = recover(_without(draft, item, called), tools, called, books)
            left += found.by != "none"
    return Masked(len(seen), left / len(seen) if seen else 0.0, _base_rate(seen))


def _without(draft: Draft, item: Critical, names: Names) -> Draft:
    """The draft with one critical parameter alone, its words masked and nothing declared."""
    intent = draft.task.intent.model_copy(update={"critical": (item,)})
    task = draft.task.model_copy(update={"request": masked(draft, item, names), "intent": intent})
    return draft.model_copy(update={"task": task, "said": {}})


class _Seen(NamedTuple):
    """A critical value that was masked."""

    place: tuple[str, str]
    """Tool and argument, the same for all items of a list."""
    value: str
    chain: str


def _base_rate(seen: Sequence[_Seen]) -> float:
    """Share of values that are the commonest of their place, their own chain in all its wordings left out; 0 of none.

    Of equally common values one is drawn, so each counts in part; where no other chain has the argument, none is named.
    """
    every: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    own: dict[tuple[tuple[str, str], str], Counter[str]] = defaultdict(Counter)
    for one in seen:
        every[one.place][one.value] += 1
        own[one.place, one.chain][one.value] += 1
    hits = 0.0
    for (place, _), mine in own.items():
        others = every[place] - mine
        most = max(others.values(), default=0)
        commonest = [value for value, count in others.items() if count == most]
        hits += sum(mine[value] for value in commonest) / max(1, len(commonest))
    return hits / len(seen) if seen else 0.0
