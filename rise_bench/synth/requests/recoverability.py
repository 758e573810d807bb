"""How the critical values of finished requests follow from them: by derivation, by the shipped reader, without their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.model.lexical import Lexical
from rise_bench.refs import at, substitute_root
from rise_bench.score.values import any_same
from rise_bench.synth.made import Recovered
from rise_bench.synth.records import Draft
from rise_bench.synth.requests.masking import masked_rates
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.synth.words.verbalise import Names
from rise_bench.types import Critical, ModelRequest, Record, Task, Tool, ToolCall, User

__all__ = ["READ", "Recoverability", "recoverability"]

READ = 500
"""Requests that the reader reads at most."""


class Recoverability(Record):
    """All shares are of critical values, in [0, 1], 0 where there are none."""

    requests: int
    values: int
    """Critical values, those that bind to an earlier result among them."""
    by: dict[str, int]
    """Derivation to the number of values that follow by it."""
    read: int
    """Requests read by the `lexical` reader, drawn by their digests."""
    read_values: int
    """Critical values in these that bind to nothing."""
    reader: float
    """Share of them that the reader puts into the right argument, given the request and the schema of the right tool alone."""
    masked_values: int
    masked: float
    """Share that still follows when a value's own words are masked."""
    base_rate: float
    """Share that naming each argument's commonest value in all other chains would get; `masked` is to be no more."""

    @property
    def shares(self) -> dict[str, float]:
        """Derivation to its share of all values, the most frequent first."""
        ordered = sorted(self.by.items(), key=lambda item: (-item[1], item[0]))
        return {name: count / self.values for name, count in ordered}


def recoverability(
    kept: Sequence[Recovered],
    tools: Mapping[str, Tool],
    names: Mapping[str, Names],
    books: Phrasebooks,
    most: int = READ,
) -> Recoverability:
    """What is known of the requests of the drafts that were kept.

    Args:
        tools: by id.
        names: nicknames by set-up.
        books: as `recover`.
        most: requests that the reader reads.
    """
    by = Counter(one.by for item in kept for one in item.recoveries)
    drawn = sorted(kept, key=lambda item: item.draft.task.digest())[:most]
    hits = [hit for item in drawn for hit in _read(item, tools)]
    rates = masked_rates((_with_words(item) for item in kept), tools, names, books)
    return Recoverability(
        requests=len(kept),
        values=by.total(),
        by=dict(sorted(by.items())),
        read=len(drawn),
        read_values=len(hits),
        reader=sum(hits) / len(hits) if hits else 0.0,
        masked_values=rates.values,
        masked=rates.recovered,
        base_rate=rates.base_rate,
    )


def _with_words(item: Recovered) -> Draft:
    """The draft with the words by which its values were found, where its author did not declare them."""
    found = {f"{one.call}:{one.argument}": one.words for one in item.recoveries if one.words}
    return item.draft.model_copy(update={"said": found | dict(item.draft.said)})


def _read(item: Recovered, tools: Mapping[str, Tool]) -> list[bool]:
    """For each critical value that binds to nothing: did the reader put it where it belongs?"""
    task = item.draft.task
    free = {(one.call, one.argument) for one in item.recoveries if one.by != "binding"}
    calls: dict[int, ToolCall | None] = {}
    hits: list[bool] = []
    for critical in task.intent.critical:
        if (critical.call, critical.argument) not in free:
            continue
        if critical.call not in calls:
            tool = tools.get(task.reference[critical.call].tool)
            calls[critical.call] = _call(task, tool) if tool else None
        hits.append(_same(task, critical, calls[critical.call]))
    return hits


def _call(task: Task, tool: Tool) -> ToolCall | None:
    """What the reader would call, offered one tool; None where it asks or declines."""
    request = ModelRequest(
        messages=(User(content=task.request),), tools=(tool,), task=task.id, now=task.now, root=VISIBLE_ROOT
    )
    made = Lexical().reply(request).message.tool_calls
    return made[0] if made else None


def _same(task: Task, critical: Critical, made: ToolCall | None) -> bool:
    if made is None or isinstance(made.arguments, str):
        return False
    meant: JsonValue = dict(task.reference[critical.call].arguments)
    try:
        value = at(substitute_root(meant, VISIBLE_ROOT), critical.argument)
        found = at(made.arguments, critical.argument)
    except InputError:
        return False
    accepted = [value, *critical.accept]
    return any_same(accepted, found, critical.match, tolerance=critical.tolerance, root=VISIBLE_ROOT)
