"""A request from which one value has been left out, so that it still reads as somebody would have written it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rise_bench.score.text import contains_phrase
from rise_bench.synth.requests.endings import Slot
from rise_bench.synth.words.verbalise import adverbial

__all__ = ["Unsaid", "unsaid"]

_AFTER = frozenset(
    re.findall(
        r"\S+",
        "and then until till for with in on at from by so if but please thanks before after because while as when",
    )
)
"""Words with which a clause can go on where a phrase is missing."""

_DANGLING = frozenset(
    re.findall(
        r"\S+",
        "the a an my our your his her their this that these those of to in on at from by for with into and or but is are was "
        "be as than between about called named it's there's belongs goes stands sits starts ends lies comes meet meets place "
        "beginning ending being one mean",
    )
)
"""Words after which something must follow."""

_NO_OPENING = frozenset(
    re.findall(
        r"\S+",
        "the a an my our your his her their this that these those called named of one some every each no any number "
        "under titled entitled",
    )
)
"""Words after which no noun phrase with an article of its own can stand."""

LEAST_WORDS = 3
"""Shorter requests say nothing any more."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A request without one value."""

    text: str
    how: int
    """0: the phrase that brought it in is gone; 1: it and its preposition; 2: something indefinite stands in its place."""


def unsaid(request: str, words: str, argument: str, fragments: Sequence[str], slot: Slot) -> Iterator[Unsaid]:
    """Ways to leave a value out, the best first; none where every one of them would leave a hole.

    Args:
        words: that stand for the value; they stand in the request once, else nothing is left out.
        argument: its name, as in the slots of `fragments`.
        fragments: phrases by which the argument is added to a wish (`Phrases.fragments`): these go as a whole.
        slot: what may stand in its place, and the prepositions with which it can go.
    """
    found = list(re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", request)) if words else []
    if len(found) != 1:
        return
    before, after = request[: found[0].start()], request[found[0].end() :]
    if words[-1] in ".!?" and re.match(r"[\"'`”’]?(?:\s+[A-Z]|\s*$)", after):  # it ended the sentence as well
        after = re.sub(r"^[\"'`”’]?", ".", after, count=1)
    ways = (
        _phrase_gone(request, words, argument, fragments),
        _led_gone(before, after, slot.drop),
        _opened(before, after, slot),
    )
    for how, texts in enumerate(ways):
        for text in texts:
            tidied = _tidy(text)
            if len(tidied.split()) >= LEAST_WORDS and not contains_phrase(tidied, words):
                yield Unsaid(tidied, how)


def _phrase_gone(request: str, words: str, argument: str, fragments: Sequence[str]) -> Iterator[str]:
    """Without the fragment that brought the value in, where it brought nothing else."""
    for fragment in sorted(fragments, key=len, reverse=True):
        phrase = fragment.strip().replace(f"{{{argument}:on}}", adverbial(words)).replace(f"{{{argument}}}", words)
        if "{" in phrase or words not in phrase or request.count(phrase) != 1:
            continue
        before, _, after = request.partition(phrase)
        if phrase[0] not in ",;:(" and not phrase[0].isupper():
            last = re.findall(r"[\w'-]+", before)[-1:]
            if last and last[0].lower() in _DANGLING:
                continue
        yield f"{before.rstrip()}{'' if after[:1] in ',.;:!?' else ' '}{after.lstrip()}"


def _led_gone(before: str, after: str, leads: Sequence[str]) -> Iterator[str]:
    """Without the value and the preposition before it, where the clause ends there or goes on with a word of its own."""
    before, after = before.rstrip(" \"'`(“‘"), after.lstrip("\"'`)”’")
    lead = re.search(rf"(?<![\w-])(?:{'|'.join(leads)})(?: the)?$", before) if leads else None
    if lead is None:
        return
    rest = before[: lead.start()].rstrip()
    last, following = re.findall(r"[\w'-]+|[,.;:!?]", rest)[-1:], re.match(r"\s*([\w']+|[,.;:!?]|$)", after)
    if not last or last[0].lower() in _DANGLING or last[0] in ",.;:!?" or following is None:
        return
    word = following[1].lower()
    if not word or word in ",.;:!?" or word in _AFTER:
        sentence = re.split(r"[.!?]\s", rest)[-1]
        if len(sentence.split()) >= 2:
            yield f"{rest}{'' if word in ',.;:!?' else ' '}{after.lstrip()}"


def _opened(before: str, after: str, slot: Slot) -> Iterator[str]:
    """With something indefinite in the value's place, where an article can stand there and the noun is not there already."""
    before, after = re.sub(r"[\"'`“‘]$", "", before), re.sub(r"^[\"'`”’]", "", after)
    last, following = re.findall(r"[\w'-]+", before)[-1:], re.match(r"\s+([\w'-]+)", after)
    if last and last[0].lower() in _NO_OPENING and before.endswith(" "):
        return
    beside = {word.lower().rstrip("s") for word in (*last, *([following[1]] if following else []))}
    begins = re.search(r"(?:^|[.!?]\s+)$", before) is not None
    for phrase in slot.open:
        nouns = {text.lower().split()[-1].rstrip("s") for text in (phrase, slot.ask)}
        if nouns & beside or (phrase == "something" and contains_phrase(before + after, phrase)):
            continue
        yield f"{before}{phrase[:1].upper() + phrase[1:] if begins else phrase}{after}"


def _tidy(text: str) -> str:
    """With single blanks, none before a stop; lines stay lines."""
    return re.sub(r" +([,.;:!?])", r"\1", re.sub(r"[ \t]{2,}", " ", text)).strip()
