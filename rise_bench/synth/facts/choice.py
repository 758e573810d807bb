"""What a user would want to be told of a chain's results: typed values that are neither volatile nor said already."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import ROOT, bindings, escape, resolve
from rise_bench.score.answer import derive, is_value_of
from rise_bench.score.text import contains_phrase, normal_text, tokens
from rise_bench.synth.facts.grids import of_grids
from rise_bench.synth.facts.structured import Seen, of_fields, of_records
from rise_bench.synth.facts.text import of_text
from rise_bench.synth.records import Chain
from rise_bench.types import Fact, Tool, canonical

__all__ = ["facts_of", "possible_facts"]

_MOST = 3
_LONGEST = 60_000
"""Characters of a result that is looked at: nobody asks for a detail of more."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the calls' own arguments say: a value that stands there is no news."""

    texts: tuple[str, ...]
    numbers: frozenset[object]

    def holds(self, fact: Fact) -> bool:
        """Is the fact's value, in one of its spellings, part of an argument?"""
        for value in (fact.value, *fact.accept):
            if fact.type == "number" and isinstance(value, int | float):
                if float(value) in self.numbers:
                    return True
                continue
            spellings = [str(value), str(value)[11:16]] if fact.type == "datetime" else [str(value)]
            if any(one in text or contains_phrase(text, one) for text in self.texts for one in spellings):
                return True
        return False


def facts_of(chain: Chain, tools: Mapping[str, Tool]) -> tuple[Fact, ...]:
    """Up to three facts of the results that nothing in the chain uses, the most telling first; often none.

    Each has a derivation that finds it in the recorded result and nowhere else in it, so that the same rule shows what
    a run with other arguments would have told. `about[0]` says what the value is (`number of events`, `lead days`); where
    it is a detail of one record of several, `about[1]` is that record's label as it stands there. Seeded by the chain.

    Args:
        chain: ran end to end, so that it has `recorded` results.
        tools: by id.
    """
    said = _said(chain)
    found: list[list[Seen]] = []
    for call in _open_ends(chain):
        tool = tools.get(chain.calls[call].tool)
        if tool is None or call >= len(chain.recorded):
            continue
        rng = random.Random(f"facts {chain.digest()} {call}")
        news = [one for one in _seen(chain, call, tool) if not said.holds(one.fact) and _holds(one, chain, call)]
        found.append(_ranked(news, rng))
    return _chosen(found, each=2 if len(found) == 1 else 1)


def possible_facts(chain: Chain, tools: Mapping[str, Tool]) -> tuple[Fact, ...]:
    """All facts of which `facts_of` could choose, of every call of the chain, those that its arguments say included."""
    numbered = [(call, tools[step.tool]) for call, step in enumerate(chain.calls[: len(chain.recorded)])]
    seen = [(call, one) for call, tool in numbered for one in _seen(chain, call, tool)]
    return tuple(one.fact for call, one in seen if _holds(one, chain, call))


def _open_ends(chain: Chain) -> list[int]:
    """Calls whose results no later call uses and that no later call follows from: those that the user asked for."""
    used = {edge.producer for edge in chain.edges} | {earlier for earlier, _ in chain.after}
    used |= {producer for call in chain.calls for _, producer, _ in bindings(dict(call.arguments))}
    return [number for number in range(len(chain.calls)) if number not in used]


def _said(chain: Chain) -> _Said:
    texts: list[str] = []
    for call in chain.calls:
        try:
            texts += _leaves(resolve(dict(call.arguments), list(chain.recorded)))
        except InputError:
            texts += _leaves(dict(call.arguments))
    return _Said(tuple(texts), frozenset(number.value for text in texts for number in tokens(text, "number")))


def _leaves(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value if isinstance(value, str) else canonical(value)]


def _seen(chain: Chain, call: int, tool: Tool) -> Iterable[Seen]:
    """All facts that a call's result offers."""
    value = chain.recorded[call]
    if len(canonical(value)) > _LONGEST:
        return []
    volatile = [pointer for name in chain.volatile for pointer in [_pointer_of(name, call)] if pointer is not None]
    if "" in volatile:
        return []
    read = _read(value)
    writes = tool.effect == "write"
    found: list[Seen] = []
    if not writes:
        for text, pointer in _texts(read):
            if not _is_volatile(pointer, volatile):
                found += of_text(text, tool)
        found += [*of_records(read, tool), *of_grids(read)]
    found += of_fields(read, tool, counts_only=writes)
    return [one for one in found if not any(_is_volatile(pointer, volatile) for pointer in one.pointers)]


def _pointer_of(name: str, call: int) -> str | None:
    """The pointer of a volatile leaf of this call's result, else None."""
    prefix = f"result:{call}:"
    return name.removeprefix(prefix) if name.startswith(prefix) else None


def _is_volatile(pointer: str, volatile: list[str]) -> bool:
    return any(pointer == one or pointer.startswith(one + "/") or one.startswith(pointer + "/") for one in volatile)


def _read(value: JsonValue) -> JsonValue:
    """The value; Python's notation of a list or mapping read as what it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            read: JsonValue = ast.literal_eval(value)
            canonical(read)
            return read
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return value
    return value


def _texts(value: JsonValue, pointer: str = "", depth: int = 0) -> Iterable[tuple[str, str]]:
    """Texts of a result that are read line by line: the result itself, or the long texts in it."""
    if isinstance(value, str):
        if not depth or "\n" in value:
            yield value, pointer
    elif isinstance(value, dict) and depth < 3:
        for key, item in value.items():
            yield from _texts(item, f"{pointer}/{escape(key)}", depth + 1)
    elif isinstance(value, list) and 0 < depth < 3:
        for index, item in enumerate(value[:3]):
            yield from _texts(item, f"{pointer}/{index}", depth + 1)


def _holds(one: Seen, chain: Chain, call: int) -> bool:
    """Does its derivation give the fact, and only the fact, on what was recorded of the call?"""
    rule = one.fact.derive
    if rule is None or ROOT in str(one.fact.value):
        return False
    value = chain.recorded[call]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    inner = [part for part, _ in _texts(value)]
    return any(_gives(one.fact, written) for written in (text, *inner))


def _gives(fact: Fact, text: str) -> bool:
    assert fact.derive is not None
    given = derive(fact.derive, [text])
    return len(given) == 1 and is_value_of(given[0], fact)


def _ranked(news: list[Seen], rng: random.Random) -> list[Seen]:
    """The most telling first, equals in a drawn order; no value and no wording twice."""
    ranked = sorted(news, key=lambda one: (-one.weight + rng.random(), canonical(one.fact.value)))
    kept: list[Seen] = []
    for one in ranked:
        same = (other.fact for other in kept)
        if not any(is_value_of(one.fact.value, f) or f.about[:2] == one.fact.about[:2] for f in same):
            kept.append(one)
    return kept


def _chosen(found: list[list[Seen]], each: int) -> tuple[Fact, ...]:
    """Of each call's facts the first, no two that could be taken for each other."""
    chosen: list[Fact] = []
    for ranked in found:
        taken = 0
        for one in ranked:
            if taken >= each or len(chosen) >= _MOST:
                break
            if taken and (one.weight < _WORTH_A_SECOND or one.fact.about[0] == chosen[-1].about[0]):
                continue
            if any(_confusable(one.fact, other) for other in chosen):
                continue
            chosen.append(one.fact)
            taken += 1
    return tuple(chosen)


_WORTH_A_SECOND = 2.0


def _confusable(one: Fact, other: Fact) -> bool:
    """Would a sentence about one be read as one about the other?"""
    if one.type == other.type and one.about[:2] == other.about[:2]:
        return True
    return normal_text(str(one.value)) == normal_text(str(other.value))
