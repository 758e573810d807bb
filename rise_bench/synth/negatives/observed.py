"""What an agent would report that looked at its own run and at nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.model.oracle import final_message
from rise_bench.played import Played
from rise_bench.refs import at, escape
from rise_bench.score.answer import derive, is_value_of
from rise_bench.score.text import contains_phrase, numbers_in, tokens
from rise_bench.types import Call, Fact, Task, canonical

__all__ = ["Report", "reported", "texts_of_values"]

Report = Callable[[Task, str], str]
"""Task with the facts as they were observed, and the sandbox's path, to the final message."""


def reported(task: Task, played: Played, say: Report = final_message) -> str | None:
    """The message that states, for each asked fact, what this run gave in its place; None where it gave nothing.

    A derivation is applied to the run's own results; a fact without one is read from the place where the reference's
    results hold it.
    """
    answer: list[Fact] = []
    for fact in task.answer:
        value = _observed(task, played, fact)
        if value is None:
            return None
        same = is_value_of(value, fact)
        answer.append(fact if same else fact.model_copy(update={"value": value, "accept": ()}))
    return say(task.model_copy(update={"answer": tuple(answer)}), played.root)


def texts_of_values(values: Sequence[JsonValue]) -> list[str]:
    """Result values as text: text as it is, the rest as canonical JSON."""
    return [value if isinstance(value, str) else canonical(value) for value in values]


def _texts(played: Played) -> list[str]:
    """The texts that the scorers read: of the calls that succeeded."""
    failed = set(played.failed)
    good = [result for number, result in enumerate(played.results) if number not in failed]
    return [r.content or (canonical(r.structured) if r.structured is not None else "") for r in good]


def _observed(task: Task, played: Played, fact: Fact) -> JsonValue:
    texts = _texts(played)
    if fact.derive is not None:
        found = derive(fact.derive, texts)
        if not found:
            return None
        before = derive(fact.derive, texts_of_values(task.recorded))
        place = next((i for i, value in enumerate(before) if is_value_of(value, fact)), 0)
        return found[min(place, len(found) - 1)]
    for number, pointer in _places(task, fact):
        index = _counterpart(task.reference, number, played.calls)
        if index is None or index in played.failed or index >= len(played.results):
            continue
        try:
            value = at(played.values()[index], pointer)
        except InputError:
            continue
        found_value = _same_token(at(task.recorded[number], pointer), value, fact)
        if found_value is not None:
            return found_value
    wanted = (fact.value, *fact.competing)
    return next((value for value in wanted if any(_holds(text, value, fact) for text in texts)), None)


def _places(task: Task, fact: Fact) -> Iterator[tuple[int, str]]:
    """(call, pointer) of leaves of the recorded results that hold the fact: the last call first, the plainest leaf first."""
    for number in reversed(range(len(task.recorded))):
        leaves = list(_leaves(task.recorded[number]))
        yield from (
            (number, pointer) for pointer, leaf in leaves if not isinstance(leaf, str) and is_value_of(leaf, fact)
        )
        inside = [(len(leaf), p) for p, leaf in leaves if isinstance(leaf, str) and _holds(leaf, fact.value, fact)]
        yield from ((number, pointer) for _, pointer in sorted(inside))


def _leaves(value: JsonValue, pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def _holds(text: str, value: JsonValue, fact: Fact) -> bool:
    if fact.type == "number" and isinstance(value, int | float):
        return float(value) in numbers_in(text)
    return bool(contains_phrase(text, str(value))) or str(value) in text


def _counterpart(reference: Sequence[Call], number: int, calls: Sequence[Call]) -> int | None:
    """The call that stands where the reference's did: the same one of its tool's, else the one in its place."""
    tool = reference[number].tool
    nth = sum(call.tool == tool for call in reference[:number])
    of_tool = [index for index, call in enumerate(calls) if call.tool == tool]
    if nth < len(of_tool):
        return of_tool[nth]
    return number if number < len(calls) else None


def _same_token(before: JsonValue, after: JsonValue, fact: Fact) -> JsonValue:
    """The part of `after` that stands where the fact stands in `before`; None where nothing of its type does."""
    if isinstance(after, dict | list) or after is None:
        return None
    if not (isinstance(before, str) and isinstance(after, str)) or is_value_of(before, fact):
        return after
    if _holds(after, fact.value, fact):
        return fact.value
    if fact.type in ("text", "path"):
        return _between(before, after, str(fact.value))
    mine, its = tokens(before, fact.type), tokens(after, fact.type)
    place = next((i for i, token in enumerate(mine) if _holds(before[token.start : token.end], fact.value, fact)), None)
    if place is None or not its:
        return None
    token = its[min(place, len(its) - 1)]
    return token.value if isinstance(token.value, int | float) else after[token.start : token.end]


_AROUND = 12
"""Characters of a text that say where in it something stands."""


def _between(before: str, after: str, value: str) -> str | None:
    """What stands in `after` between the words that surround the value in `before`."""
    start = before.casefold().find(value.casefold())
    if start < 0:
        return None
    lead, tail = before[max(0, start - _AROUND) : start], before[start + len(value) :][:1]
    begin = after.find(lead) + len(lead) if lead in after else -1
    if begin < 0:
        return None
    end = after.find(tail, begin) if tail else len(after)
    found = after[begin : end if end >= 0 else len(after)].strip()
    return found if 0 < len(found) <= 4 * len(value) + 40 else None
