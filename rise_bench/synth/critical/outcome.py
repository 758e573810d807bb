"""The outcome of a chain's run against that of its honest run: end state, facts, values that later calls take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.offer import mask_root
from rise_bench.model.oracle import final_message
from rise_bench.played import Played
from rise_bench.refs import bindings, resolve, result_value
from rise_bench.score.answer import Answer, derive, is_value_of, judge_fact
from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT, NUMBER
from rise_bench.synth.records import Chain
from rise_bench.types import Derivation, Fact, Task, canonical

__all__ = ["Outcome", "texts_of", "told"]

Changed = Literal["nothing", "state", "fact", "later call"]


def texts_of(played: Played) -> list[str]:
    """What an agent reads of each result, the sandbox's path as `{root}`."""
    texts = [result.content or canonical(result_value(result)) for result in played.results]
    return [str(mask_root(text, played.root)) for text in texts]


def told(facts: Sequence[Fact], played: Played) -> tuple[Fact, ...]:
    """Those of the facts that follow from the texts of an honest run, and that a plain sentence about each states."""
    texts = texts_of(played)
    holding = [fitted for fact in facts for fitted in (fact, _alone(fact)) if _follows(fitted, texts)]
    holding = [fact for number, fact in enumerate(holding) if fact.value not in [one.value for one in holding[:number]]]
    if not holding:
        return ()
    task = Task(id="told", request="", answer=tuple(holding))
    answer = Answer(final_message(task), "", tuple(texts))
    kept: list[Fact] = []
    for fact in holding:
        finding = judge_fact(fact, answer, [other for other in holding if other is not fact])
        if finding.stated and finding.supported:
            kept.append(fact)
    return tuple(kept)


def _follows(fact: Fact, texts: Sequence[str]) -> bool:
    return fact.derive is not None and any(is_value_of(value, fact) for value in derive(fact.derive, texts))


def _alone(fact: Fact) -> Fact:
    """The fact by the rule for a server that shows nothing but the value, whatever it sends beside the text."""
    shape = {"number": NUMBER, "date": ISO_DATE, "datetime": ISO_MOMENT}.get(fact.type, r"[^\n]{1,80}")
    return fact.model_copy(update={"derive": Derivation(op="find", pattern=rf"\A\s*({shape})\s*\Z")})


class Outcome:
    """What an honest run led to.

    Args:
        chain: says what is volatile and what later calls take.
        base: its honest run.
        facts: what is asked.
    """

    def __init__(self, chain: Chain, base: Played, facts: Sequence[Fact]) -> None:
        self._chain = chain
        self._facts = tuple(facts)
        self._volatile = set(chain.volatile)
        self._state = self._states(base)
        self._derived = self._facts_in(base)
        self._taken = self._taken_in(base)

    def against(self, other: Played) -> tuple[Changed, str]:
        """How a whole run in which a call was made otherwise differs, and the first place where it does."""
        state = self._states(other)
        for path in sorted(self._state.keys() | state.keys()):
            if (path in self._state) != (path in state) or self._state[path] != state[path]:
                return "state", path
        for number in sorted(self.changed_facts(other)):
            fact = self._facts[number]
            return "fact", f"{fact.about[0]}: {canonical(self._facts_in(other)[number])[:120]}"
        taken = self._taken_in(other)
        for place, value in self._taken.items():
            if taken.get(place) != value:
                return "later call", f"{place[0]}:{place[1]}"
        return "nothing", ""

    def changed_facts(self, other: Played) -> set[int]:
        """Numbers of the facts that the run would tell otherwise."""
        found = self._facts_in(other)
        return {number for number, values in enumerate(self._derived) if found[number] != values}

    def unsupported(self, other: Played, message: str) -> set[int]:
        """Numbers of the facts that a message states and that rest on nothing that the run gave."""
        answer = Answer(message, "", tuple(texts_of(other)))
        return {
            number
            for number, fact in enumerate(self._facts)
            if not judge_fact(fact, answer, [one for one in self._facts if one is not fact]).supported
        }

    def rivals(self, other: Played, fact: int) -> list[JsonValue]:
        """What the run gives in place of a fact, and the honest run does not."""
        honest = [canonical(value) for value in self._derived[fact]]
        return [
            value
            for value in self._facts_in(other)[fact]
            if canonical(value) not in honest and not is_value_of(value, self._facts[fact])
        ]

    def _states(self, played: Played) -> dict[str, str | None]:
        volatile = {name.removeprefix("state:") for name in self._volatile if name.startswith("state:")}
        return {
            change.path: "" if change.path in volatile and change.after is not None else change.after
            for change in played.state or ()
        }

    def _facts_in(self, played: Played) -> list[list[JsonValue]]:
        texts = texts_of(played)
        return [derive(fact.derive, texts) if fact.derive is not None else [] for fact in self._facts]

    def _taken_in(self, played: Played) -> dict[tuple[int, str], str]:
        """(call, place) to the value that it takes from an earlier result, volatile ones left out."""
        found: dict[tuple[int, str], str] = {}
        values = played.values()
        for number, call in enumerate(self._chain.calls):
            for place, producer, pointer in bindings(dict(call.arguments)):
                if self._is_volatile(producer, pointer):
                    continue
                try:
                    found[number, place] = canonical(resolve({"$ref": [producer, pointer]}, values))
                except InputError:
                    continue
        return found

    def _is_volatile(self, producer: int, pointer: str) -> bool:
        leaf = f"result:{producer}:{pointer}"
        return any(
            name == leaf or leaf.startswith(name.rstrip("/") + "/") or name.startswith(leaf + "/")
            for name in self._volatile
        )
