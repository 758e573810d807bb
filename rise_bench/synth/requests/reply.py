"""The final message of a chain: what was done, and every fact that was asked for, as the scorer reads facts."""

from __future__ import annotations

import random

from pydantic import JsonValue

from rise_bench.score.answer import Answer, judge_fact
from rise_bench.synth.records import Draft
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.types import Fact, canonical

__all__ = ["Unstated", "reply"]

_DRAWS = 6


class Unstated(ValueError):
    """No wording of the reply states this fact to the scorer."""


def reply(draft: Draft, request: str, books: Phrasebooks, rng: random.Random) -> str:
    """A message that states every fact of the draft, each in a sentence of its own.

    Raises:
        Unstated: the scorer does not read a fact out of any wording; its words and value are in the message.
    """
    results = tuple(value if isinstance(value, str) else canonical(value) for value in draft.chain.recorded)
    unstated = ""
    for draw in range(_DRAWS):
        lead = [] if draft.facts and (draw or rng.random() < 0.5) else [_lead(draft, books, rng)]
        text = " ".join([*lead, *(_stated(fact, books, rng, plain=draw > 2) for fact in draft.facts)])
        answer = Answer(text=text, request=request, results=results)
        unstated = next((_named(fact) for fact in draft.facts if not judge_fact(fact, answer, draft.facts).stated), "")
        if not unstated:
            return text
    raise Unstated(unstated)


def _lead(draft: Draft, books: Phrasebooks, rng: random.Random) -> str:
    """A sentence that says that it is done, in the words of the last call's tool."""
    phrases = books.of(draft.chain.calls[-1].tool)
    own = [text for text in phrases.answers if "{" not in text] if phrases else []
    return rng.choice(own or list(books.common.answers))


def _stated(fact: Fact, books: Phrasebooks, rng: random.Random, *, plain: bool) -> str:
    form = books.common.facts[0] if plain else rng.choice(books.common.facts)
    text = form.replace("{about}", _about(fact)).replace("{value}", _value(fact.value))
    return text[:1].upper() + text[1:]


def _about(fact: Fact) -> str:
    return fact.about[0] if fact.about else "answer"


def _value(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)


def _named(fact: Fact) -> str:
    return f"{_about(fact)} = {_value(fact.value)[:60]}"
