"""Requests that people wrote for the very chain they stand for: reviewed YAML files, joined by chain key.

A file is a list of entries; `worksheet` writes one for the chains that have none yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from rise_bench.errors import InputError
from rise_bench.refs import at
from rise_bench.store import read_yaml
from rise_bench.synth.keys import chain_key
from rise_bench.synth.records import Draft, Dropped
from rise_bench.types import Record, Task

__all__ = ["HandAuthor", "Written", "WrittenTwin", "load_written", "twins_of", "worksheet"]


class WrittenTwin(Record):
    """A task beside the complete one, whose right end is a question or a refusal."""

    kind: Literal["underspecified", "infeasible"]
    request: str = Field(min_length=1)
    asks: tuple[tuple[str, ...], ...] = ()
    given: tuple[tuple[str, ...], ...] = ()
    reasons: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    """`infeasible`: servers that are not offered."""


class Written(Record):
    """What a person wrote for one chain."""

    chain: str = Field(pattern=r"^[0-9a-f]{16}$")
    request: str = ""
    facts: tuple[tuple[str, ...], ...] = ()
    """`about` words of each fact, in their order; empty = as they are."""
    said: dict[str, str] = Field(default_factory=dict)
    """`CALL:POINTER` of a critical value to the words of the request that stand for it."""
    response: str = ""
    path_matters: str = ""
    decline: str = ""
    """Why nobody would want this chain: it is dropped."""
    twins: tuple[WrittenTwin, ...] = ()

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Written:
        if bool(self.request) == bool(self.decline):
            raise ValueError("has either a `request` or a reason to `decline`")
        if self.path_matters and self.path_matters.casefold() not in self.request.casefold():
            raise ValueError("`path_matters` does not occur in the request")
        for place, words in self.said.items():
            if words.casefold() not in self.request.casefold():
                raise ValueError(f"said[{place}]: {words!r} does not occur in the request")
        return self


def load_written(folder: Path) -> dict[str, Written]:
    """Chain key to what was written for it, of all `*.yaml` in a folder; empty where there is no folder.

    Raises:
        InputError: a file is not a list of such entries, or two entries are for one chain.
    """
    found: dict[str, Written] = {}
    for file in sorted(folder.glob("*.yaml")):
        items = read_yaml(file) or []
        if not isinstance(items, list):
            raise InputError("is not a list of requests", where=str(file), remedy="see docs/synthesis.md")
        for number, item in enumerate(items):
            written = _entry(item, f"{file} [{number}]")
            if written.chain in found:
                what = f"chain {written.chain} has a request already"
                raise InputError(what, where=f"{file} [{number}]", remedy="keep one of them")
            found[written.chain] = written
    return found


def _entry(item: Any, where: str) -> Written:
    try:
        return Written.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        chain = item.get("chain", "") if isinstance(item, dict) else ""
        message = first["msg"].removeprefix("Value error, ")
        line = f"{field}: {message}" if field else message
        raise InputError(line, where=f"{where} {chain}".strip(), remedy="see docs/synthesis.md") from None


class HandAuthor:
    """Gives a draft the words that a person wrote for its chain."""

    name = "hand"

    def __init__(self, written: Mapping[str, Written]) -> None:
        self._written = written

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        """The draft with its request, or why it has none. There is one request a chain, whatever `count` says.

        Raises:
            InputError: what was written does not fit the draft.
        """
        key = chain_key(draft.chain)
        written = self._written.get(key)
        if written is None:
            yield Dropped(stage="author", what=key, reason="no request written yet")
        elif written.decline:
            yield Dropped(stage="author", what=key, reason="declined by its author", detail=written.decline)
        else:
            yield _joined(draft, written)


def _joined(draft: Draft, written: Written) -> Draft:
    facts = draft.facts
    if written.facts:
        if len(written.facts) != len(facts):
            what = f"has words for {len(written.facts)} facts, the chain asks for {len(facts)}"
            raise InputError(what, where=f"request of chain {written.chain}", remedy="one list of words a fact")
        pairs = zip(facts, written.facts, strict=True)
        facts = tuple(fact.model_copy(update={"about": words}) for fact, words in pairs)
    for place in written.said:
        _refuse_nowhere(draft, place, written.chain)
    told = {"request": written.request, "answer": facts, "path_matters": written.path_matters}
    task = Task.model_validate(draft.task.model_dump(mode="python") | told)
    changes = {"task": task, "facts": facts, "author": "hand", "said": written.said, "response": written.response}
    return draft.model_copy(update=changes)


def _refuse_nowhere(draft: Draft, place: str, chain: str) -> None:
    """Words may be given for any argument of the calls: which of them are critical shows only when they are run."""
    call, _, pointer = place.partition(":")
    try:
        at(dict(draft.chain.calls[int(call)].arguments), pointer)
    except (InputError, ValueError, IndexError):
        what = f"said[{place}] is no argument of its calls"
        raise InputError(what, where=f"request of chain {chain}", remedy="CALL:POINTER, such as `0:/path`") from None


def twins_of(draft: Draft, written: Written) -> Iterator[Task]:
    """The tasks that a person wrote beside a draft's, numbered.

    Raises:
        InputError: one is no sensible task.
    """
    for number, twin in enumerate(written.twins):
        servers = tuple(name for name in draft.task.servers if name not in twin.without)
        if twin.kind == "infeasible" and len(servers) == len(draft.task.servers):
            what = f"twins[{number}] is infeasible and withholds none of {', '.join(draft.task.servers)}"
            raise InputError(what, where=f"request of chain {written.chain}", remedy="name servers in `without`")
        values = {
            "id": f"{draft.task.id}-{'ask' if twin.kind == 'underspecified' else 'no'}{number or ''}",
            "servers": servers,
            **draft.task.model_dump(mode="python", include={"now", "setup", "cluster", "tags"}),
            **twin.model_dump(mode="python", exclude={"without"}),
        }
        try:
            yield Task.model_validate(values)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InputError(f"twins[{number}]: {message}", where=f"request of chain {written.chain}") from None


def worksheet(drafts: Iterable[Draft]) -> str:
    """YAML with one entry a chain, an empty request and, as comments, all that its author must know."""
    parts: list[str] = []
    for draft in drafts:
        lines = [f"# {draft.chain.world.setup}, now {draft.chain.world.now}, {draft.chain.shape}"]
        for number, call in enumerate(draft.chain.calls):
            lines.append(f"# {number} {call.tool} {_short(call.arguments)}")
            if number < len(draft.chain.recorded):
                lines.append(f"#     gave {_short(draft.chain.recorded[number])}")
        lines += [f"# changes {change.path}: {_short(change.after)}" for change in (draft.chain.state or ())[:6]]
        lines += [f"# to be said: {one.call}:{one.argument} ({one.match})" for one in draft.task.intent.critical]
        lines += [f"# to be asked for: {_short(fact.value)} ({', '.join(fact.about)})" for fact in draft.facts]
        entry = {"chain": chain_key(draft.chain), "request": "", "facts": [list(fact.about) for fact in draft.facts]}
        parts.append("\n".join(lines) + "\n" + yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=110))
    return "\n".join(parts)


def _short(value: object, most: int = 240) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[:most]}..."
