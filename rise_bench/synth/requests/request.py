"""One request for a chain: wishes out of phrasebooks, put together in a tone, with the words that stand for each value."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rise_bench.score.text import contains_phrase
from rise_bench.synth.records import Chain, Draft
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.synth.requests.speaker import NoWords, Speaker
from rise_bench.synth.requests.wishes import Wish, wishes
from rise_bench.synth.words.dates import DAYS, MONTHS
from rise_bench.synth.words.verbalise import Names

__all__ = ["TONES", "NoWords", "Request", "compose"]

TONES = ("terse", "polite", "rambling", "indirect", "context", "two")
_DOUBLE_STOP = re.compile(r"([.?!][\"'”])\.(?=\s|$)")
"""A full stop behind a quotation that ends with one itself."""
_LONGEST_GROUP = 140
"""Characters up to which two wishes go into one sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a user says, and what is known of how it came about."""

    text: str
    skeleton: str
    """The text with `<argument>` for the words of each value."""
    bare: str
    """The text without the words of the values."""
    tone: str
    said: dict[str, str]
    """`CALL:POINTER` of each value that is spoken of to its words."""


def compose(draft: Draft, books: Phrasebooks, names: Names, tone: str, rng: random.Random) -> Request:
    """A request for the draft's chain in a tone of `TONES`.

    Raises:
        NoWords: the phrasebooks cannot say it, or not in this tone.
    """
    speaker = Speaker(draft, books, names, rng)
    said = wishes(speaker, tone)
    if tone == "two" and (len(said) != 2 or said[0].extras):  # nobody would know what they add to behind the second
        raise NoWords("tone does not fit", f"{len(said)} wishes")
    sentences = _framed(said, books, rng) if tone == "two" else _sentences(said, draft.chain, tone, books, rng)
    sentences += _asked(draft, speaker.skeleton(" ".join(sentences)), books, rng)
    text = _surrounded(sentences, draft.chain, tone, books, rng)
    return Request(
        text=_DOUBLE_STOP.sub(r"\1", speaker.filled(text)),
        skeleton=speaker.skeleton(text),
        bare=speaker.bare(text),
        tone=tone,
        said=dict(speaker.said),
    )


def _sentences(said: Sequence[Wish], chain: Chain, tone: str, books: Phrasebooks, rng: random.Random) -> list[str]:
    """The wishes one after the other, each followed by what adds to it; the first sentence carries the tone."""
    first, rest = said[0], list(said[1:])
    if first.form == "say":
        out = [_sentence(first.text), *_extras(first)]
    else:
        form, text = (first.form, first.text) if not rest else ("do", _imperative(first, rng))
        last = first
        while rest and not last.extras and len(text) < _LONGEST_GROUP and "\n" not in text and rng.random() < 0.45:
            last = rest.pop(0)
            text += rng.choice(books.common.joins[_relation(said, last, chain)].inline) + _imperative(last, rng)
        carrier = rng.choice(books.common.carriers[tone][form])
        plain = tone == "terse" and rng.random() < 0.5
        whole = carrier.replace(f"{{{form}}}", text)
        out = [whole if plain and not rest and not last.extras else _sentence(whole), *_extras(last)]
    for wish in rest:
        opener = rng.choice(books.common.joins[_relation(said, wish, chain)].openers)
        out += [_sentence(opener + _imperative(wish, rng)), *_extras(wish)]
    return out


def _extras(wish: Wish) -> list[str]:
    return [_sentence(extra) for extra in wish.extras]


def _framed(said: Sequence[Wish], books: Phrasebooks, rng: random.Random) -> list[str]:
    one, two = (_imperative(wish, rng) for wish in said)
    frame = rng.choice(books.common.two)
    parts = re.split(r"(\{[ab]\})", frame)
    text = "".join({"{a}": one, "{b}": two}.get(part, part) for part in parts)
    return [_sentence(text), *_extras(said[1])]


def _imperative(wish: Wish, rng: random.Random) -> str:
    """A wish as something to be done."""
    if wish.form == "do":
        return wish.text
    return f"{rng.choice(('tell me', 'let me know', 'find out', 'check'))} {wish.text}"


def _relation(said: Sequence[Wish], wish: Wish, chain: Chain) -> str:
    """Does the wish rest on one before it?"""
    earlier = {call for other in said[: said.index(wish)] for call in other.calls}
    leads = {(edge.producer, edge.consumer) for edge in chain.edges} | set(chain.after)
    return "serial" if any(a in earlier and b in wish.calls for a, b in leads) else "parallel"


def _asked(draft: Draft, text: str, books: Phrasebooks, rng: random.Random) -> list[str]:
    """Sentences that ask for the facts of which the text has no word yet."""
    missing = [fact for fact in draft.facts if not any(contains_phrase(text, word) for word in fact.about)]
    about = [fact.about[0] for fact in missing if fact.about]
    return [rng.choice(books.common.asks).replace("{about}", " and the ".join(about))] if about else []


def _surrounded(sentences: list[str], chain: Chain, tone: str, books: Phrasebooks, rng: random.Random) -> str:
    """The sentences with an opening, context and closing as the tone has them."""
    if tone == "terse":
        return " ".join(sentences)
    body = list(sentences)
    context = list(books.context(chain.tools))
    share = {"context": 1.0, "rambling": 0.6, "two": 0.25}.get(tone, 0.0)
    if context and rng.random() < share:
        chosen = rng.sample(context, k=2 if tone == "context" and len(context) > 1 and rng.random() < 0.3 else 1)
        body = [*chosen, *body] if rng.random() < 0.7 else [*body, *chosen]
    opening = rng.choice(books.common.openings.get(tone, ("",)))
    closing = rng.choice(books.common.closings.get(tone, ("",)))
    if opening.endswith((",", ":")):
        body[0] = _lowered(body[0])
    return " ".join(part for part in (opening, *body, closing) if part)


def _sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.rstrip("\"')”")[-1:] in (".", "?", "!") else f"{text}."


def _lowered(text: str) -> str:
    """A sentence as it goes on behind a comma; `I` and names stay."""
    first = re.match(r"A(?= )|[A-Z][a-z]+\b", text)
    keep = first is None or (first.group() in _NAMES and not text.startswith("May I "))
    return text if keep else text[0].lower() + text[1:]


_NAMES = frozenset((*DAYS, *MONTHS))
