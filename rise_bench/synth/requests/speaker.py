"""Puts words for values into phrases and remembers which words stand for which value."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from pydantic import JsonValue

from rise_bench.refs import bindings, escape
from rise_bench.synth.records import Draft
from rise_bench.synth.requests.phrasebook import Phrasebooks, Phrases, slots
from rise_bench.synth.words.numbers import percent_words
from rise_bench.synth.words.verbalise import Names, adverbial, kind_of, same_day, verbalise
from rise_bench.types import canonical

__all__ = ["NoWords", "Speaker"]

_Word = Callable[[str, str], str]

_SLOT = re.compile(r"\{([A-Za-z_][\w-]*)(:on)?\}")
_WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}")
"""A day as machines write it."""
_BEGINS = re.compile(r"(?:^|[.?!] )$")
_SMALL = re.compile(r"(?:the|this|today|tomorrow|yesterday|noon|half|quarter|a week|[a-z]+ days ago)\b(?! \w+ folder)")
"""Words for a day or an hour, which take a capital where a sentence begins with them."""
_COUNTED = re.compile(
    r" (year|month|week|day|gram|kilogram|kilo|centimetre|euro|unit|row|line|character|instalment|suggestion)s\b"
)
"""What phrases count, in the plural."""
_MARK = re.compile("\ue000(\\d+)\ue001")


class NoWords(Exception):
    """The phrasebooks have no words for it.

    Args:
        reason: one of few, for counting.
        detail: what it is about.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Speaker:
    """Says the values of one draft, once each: what it said is in `said`."""

    def __init__(self, draft: Draft, books: Phrasebooks, names: Names, rng: random.Random) -> None:
        self.draft = draft
        self.books = books
        self.names = names
        self.rng = rng
        self.said: dict[str, str] = {}
        self.nouns: dict[int, str] = {}
        """Noun phrases that stand for the finds of calls without a wish of their own."""
        self._words: list[tuple[str, str]] = []
        self._moments: dict[int, str] = {}
        self._hands: dict[int, str] = {}
        self._critical = {(item.call, item.argument): item.match for item in draft.task.intent.critical}

    # --- the draft, as phrases see it ---------------------------------------------------------------------------------

    def phrases(self, call: int) -> Phrases:
        """The phrases of the call's tool. `NoWords` where nobody wrote any."""
        tool = self.draft.chain.calls[call].tool
        found = self.books.of(tool)
        if found is None:
            raise NoWords("tool without phrases", tool)
        return found

    def arguments(self, call: int) -> dict[str, JsonValue]:
        """The call's arguments."""
        return self.draft.chain.calls[call].arguments

    def needed(self, call: int) -> set[str]:
        """Arguments of which the request has to speak: critical ones, those that come from earlier results, and free texts,
        which nobody would write who was not told to.
        """
        told = (*self._critical, *self.draft.task.intent.free)
        pointers = [pointer for number, pointer in told if number == call]
        pointers += [pointer for pointer, _, _ in bindings(dict(self.arguments(call)))]
        return {pointer.split("/")[1].replace("~1", "/").replace("~0", "~") for pointer in pointers}

    def tells(self, call: int) -> bool:
        """Does a fact that is asked for come out of this call and no other?"""
        recorded = [canonical(value) for value in self.draft.chain.recorded]
        if call >= len(recorded):
            return False
        values = [value if isinstance(value := fact.value, str) else canonical(value) for fact in self.draft.facts]
        others = "\n".join(text for number, text in enumerate(recorded) if number != call)
        return any(value in recorded[call] and value not in others for value in values)

    # --- words --------------------------------------------------------------------------------------------------------

    def marked(self, phrase: str, call: int) -> str:
        """The phrase with a mark in each slot, for which `filled` has the words."""

        def put(match: re.Match[str]) -> str:
            name = match[1]
            value = self.arguments(call)[name]
            words = self._speak(value, f"/{escape(name)}", call, name)
            mark = self._mark("" if _binding(value) else name, adverbial(words) if match[2] else words)
            return self._framed(mark, value, call, name)

        return _SLOT.sub(put, phrase)

    def added(self, argument: str, fragment: str, call: int) -> str:
        """A fragment with its marks; one without a slot for its argument stands for the argument's value as a whole."""
        if argument not in slots(fragment):
            self.said[f"{call}:/{escape(argument)}"] = fragment.strip(" ,;.()")
        return self.marked(fragment, call)

    def filled(self, text: str) -> str:
        """The text with the words in."""
        while match := _MARK.search(text):
            words = self._words[int(match[1])][1]
            if _BEGINS.search(text[: match.start()]) and _SMALL.match(words):
                words = words[0].upper() + words[1:]
            rest = text[match.end() :]
            if words.casefold() in {"1", "one"} and (counted := _COUNTED.match(rest)):
                rest = f" {counted[1]}{rest[counted.end() :]}"
            text = text[: match.start()] + words + rest
        return text

    def skeleton(self, text: str) -> str:
        """The text with `<argument>` in place of the words; what stands for an earlier result stays."""
        return self._resolved(text, lambda name, words: f"<{name}>" if name else words)

    def bare(self, text: str) -> str:
        """The text without the words of values."""
        return self._resolved(text, lambda name, words: "" if name else words)

    def _resolved(self, text: str, word: _Word) -> str:
        while _MARK.search(text):
            text = _MARK.sub(lambda match: word(*self._words[int(match[1])]), text)
        return text

    def _mark(self, name: str, words: str) -> str:
        if _MARK.search(words):  # what it is made of has marks of its own
            return words
        self._words.append((name, words))
        return f"\ue000{len(self._words) - 1}\ue001"

    def _speak(self, value: JsonValue, pointer: str, call: int, name: str) -> str:
        """Words for a value, with what stands for each of its leaves remembered."""
        words = self._said(value, pointer, call, name)
        self.said[f"{call}:{pointer}"] = self.filled(words)
        return words

    def _said(self, value: JsonValue, pointer: str, call: int, name: str) -> str:
        if (bound := _binding(value)) is not None:
            return self._role(*bound)
        if isinstance(value, dict) and isinstance(parts := value.get("$join"), list):
            return self._joined(parts)
        if isinstance(value, dict):
            return self._item([value], pointer, call, name, single=True)
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            if all(isinstance(item, dict) and _binding(item) is None for item in value):
                return self._item(value, pointer, call, name, single=False)
            return _listed([self._speak(item, f"{pointer}/{i}", call, name) for i, item in enumerate(value)])
        return self._leaf(value, pointer, call, name)

    def _leaf(self, value: JsonValue, pointer: str, call: int, name: str) -> str:
        text = value if isinstance(value, str) else canonical(value)
        own = self.phrases(call).values.get(name, {}).get(text, ())
        if not own and name in self.phrases(call).percent and isinstance(value, int | float):
            own = percent_words(value)
        if own:
            return self.rng.choice(own)
        kind = kind_of(value, self._critical.get((call, pointer)))
        if kind == "text" and name in self.phrases(call).bare:
            return text
        nested = kind == "json" and isinstance(value, list) and bool(value) and not _objects(value)
        ways = () if kind == "json" and not nested else verbalise(value, kind, self.draft.task.now, self.names)
        if nested and ways:
            return ways[0].words
        if not ways:
            raise NoWords("value without words", f"{self.draft.chain.calls[call].tool}: {name} = {text[:60]}")
        if kind == "number":
            return self.rng.choice(self._evenly([way.words for way in ways], call))
        if kind == "date":  # `from in ten days` is no English
            ways = tuple(way for way in ways if not way.words.startswith("in ")) or ways
        called = [way for way in ways if way.by in ("nickname", "relative date")]
        if isinstance(value, list):
            self._remember(value, pointer, call)
            ways = ways[:1] if name in self.phrases(call).bare else ways
        if kind == "datetime" and (short := self._same_day(text, call)) and self.rng.random() < 0.8:
            return self.rng.choice(short)
        if kind in ("date", "datetime") and self.rng.random() < 0.9:
            ways = tuple(way for way in ways if not _WRITTEN.search(way.words)) or ways
        # mostly as people would rather say it, where there is such a way
        return self.rng.choice(called if called and self.rng.random() < 0.6 else ways).words

    def _evenly(self, ways: Sequence[str], call: int) -> list[str]:
        """Of the ways to say a number those in the hand in which this call's first one was said, as far as there are any."""
        hand = self._hands.setdefault(call, _hand(self.rng.choice(ways)))
        fitting = ([way for way in ways if _hand(way) == one] for one in (hand, "commas", "digits"))
        return next((some for some in fitting if some), list(ways))

    def _same_day(self, value: str, call: int) -> tuple[str, ...]:
        """Ways to say a moment by the time alone, where the first moment of this call is on the same day."""
        first = self._moments.setdefault(call, value)
        return same_day(value, first) if first != value else ()

    def _remember(self, values: Sequence[JsonValue], pointer: str, call: int) -> None:
        """Items of a list may be critical each for itself: they are said by the words of the whole."""
        for index, value in enumerate(values):
            plainest = verbalise(value, kind_of(value), self.draft.task.now, self.names)
            if plainest:
                self.said[f"{call}:{pointer}/{index}"] = plainest[0].words

    def _role(self, producer: int, pointer: str) -> str:
        """What an earlier result is called: the noun phrase of a folded call, else by its part in the talk."""
        if producer in self.nouns:
            return self.marked(self.nouns[producer], producer)
        gives = self.phrases(producer).gives
        roles = next((words for pattern, words in gives.items() if re.fullmatch(pattern, pointer)), None)
        return self.rng.choice(roles or self.books.common.roles)

    def _joined(self, parts: Sequence[JsonValue]) -> str:
        """A text that is partly an earlier result: the fixed parts in quotation marks."""
        said = [self._role(*bound) if (bound := _binding(part)) else f'"{part}"' for part in parts if part != "{root}/"]
        return " followed by ".join(said)

    def _item(self, values: Sequence[JsonValue], pointer: str, call: int, name: str, *, single: bool) -> str:
        """Objects, each by one of the argument's item phrases that says all that is critical in it."""
        phrases = self.phrases(call).items.get(name, ())
        said: list[str] = []
        before = ""
        for index, value in enumerate(values):
            assert isinstance(value, dict)  # what it was called with
            place = pointer if single else f"{pointer}/{index}"
            needed = {
                p[len(place) :].split("/")[1] for n, p in self._critical if n == call and p.startswith(f"{place}/")
            }
            fits = [text for text in phrases if needed <= set(slots(text)) <= value.keys()] or self._pieced(
                phrases, needed, value
            )
            full = [text for text in fits if set(slots(text)) == value.keys()]
            if not fits:
                raise NoWords("value without words", f"{self.draft.chain.calls[call].tool}: {name}")
            before = before if before in (full or fits) else self.rng.choice(full or fits)
            said.append(self._inside(before, value, place, call))
        return said[0] if len(said) == 1 else f"{'; '.join(said[:-1])}; and {said[-1]}"

    def _pieced(self, phrases: Sequence[str], needed: set[str], value: dict[str, JsonValue]) -> list[str]:
        """Several phrases in one, which together say all that is critical and nothing twice; none where that cannot be."""
        chosen: list[str] = []
        said: set[str] = set()
        shuffled = self.rng.sample(phrases, len(phrases))
        for text in sorted(shuffled, key=lambda text: -len(needed & set(slots(text)))):
            if (own := set(slots(text))) <= value.keys() and own & needed and not own & said:
                chosen.append(text)
                said |= own
        if not needed or not needed <= said:
            return []
        lists = any(isinstance(value[name], dict) for name in said)
        return ["; ".join(chosen) if lists else _listed(chosen)]

    def _inside(self, phrase: str, value: dict[str, JsonValue], place: str, call: int) -> str:
        def put(match: re.Match[str]) -> str:
            words = self._speak(value[match[1]], f"{place}/{escape(match[1])}", call, match[1])
            mark = self._mark(match[1], adverbial(words) if match[2] else words)
            return self._framed(mark, value[match[1]], call, match[1])

        return _SLOT.sub(put, phrase)

    def _framed(self, mark: str, value: JsonValue, call: int, name: str) -> str:
        """The mark with what this argument's values are said with, unless it stands for an earlier result."""
        frames = self.phrases(call).frames.get(name)
        return self.rng.choice(frames).replace(f"{{{name}}}", mark) if frames and not _binding(value) else mark


def _hand(words: str) -> str:
    """How a number is written: in words, in digits with commas, in digits alone."""
    return "words" if words[0].isalpha() else "commas" if "," in words else "digits"


def _binding(value: JsonValue) -> tuple[int, str] | None:
    """Producer and pointer where the whole value is an earlier result."""
    if isinstance(value, dict) and "$ref" in value:
        return next(((call, source) for _, call, source in bindings(value)), None)
    return None


def _objects(values: Sequence[JsonValue]) -> bool:
    """Is there an object anywhere in a list of lists?"""
    return any(isinstance(item, dict) or (isinstance(item, list) and _objects(item)) for item in values)


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
