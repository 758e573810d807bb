"""Does every critical value follow from the request, and by what?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import at, bindings
from rise_bench.score.text import tokens
from rise_bench.synth.records import Draft, Recovery
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.synth.words.apart import moment_apart, spots
from rise_bench.synth.words.numbers import more_percent_words, percent_words
from rise_bench.synth.words.periods import bounds, bounds_any, window_of
from rise_bench.synth.words.stated import literals_of, match_of
from rise_bench.synth.words.verbalise import Derived, Kind, Names, full_moment, kind_of, read, same_value, verbalise
from rise_bench.types import Critical, Task, Tool, canonical

__all__ = ["is_bound", "recover", "value_of"]


def recover(
    draft: Draft,
    tools: Mapping[str, Tool] | None = None,
    names: Names | None = None,
    books: Phrasebooks | None = None,
) -> tuple[Recovery, ...]:
    """How each critical value of the draft's task follows from its request, in the order of `intent.critical`.

    The words of `draft.said` are read back where there are any, and must stand in the request; else the request is searched
    for every way to say the value. A value is not recovered by being said differently: what is read must be the value.

    Args:
        tools: by id; a value that is the only one its schema allows, or its default, follows from the schema.
        names: how people of this world call things.
        books: their `values` say what a word means in an argument.
    """
    search = _Search(tools or {}, names or {}, books)
    return tuple(search.one(draft.task, item, draft.task.request, draft.said) for item in draft.task.intent.critical)


@dataclass(frozen=True, slots=True)
class _Search:
    tools: Mapping[str, Tool]
    names: Names
    books: Phrasebooks | None

    def one(self, task: Task, item: Critical, request: str, said: Mapping[str, str]) -> Recovery:
        """How one critical value follows from this text."""
        place = f"{item.call}:{item.argument}"
        if is_bound(task, item):
            return Recovery(call=item.call, argument=item.argument, by="binding", words=said.get(place, ""))
        value = value_of(task, item)
        words = said.get(place, "")
        found = self._told(task, item, value, words, said) if words and _stands(words, request) else None
        found = found or self._searched(task, item, value, request) or self._by_schema(task, item, value)
        found = found or self._window(task, item, value, request) or self._rows(task, item, value, request)
        if found is None and words and _stands(words, request):
            found = self._stated(task, item, value, request, words)
        return found or Recovery(call=item.call, argument=item.argument, by="none", words=words)

    def _told(
        self, task: Task, item: Critical, value: JsonValue, words: str, said: Mapping[str, str]
    ) -> Recovery | None:
        """By these words, a moment on `the same day` together with those of another moment of the call."""
        kind = kind_of(value, item.match)
        if words in self._own_words(task, item, value):
            return Recovery(call=item.call, argument=item.argument, by="verbaliser", words=words)
        if isinstance(value, list) and kind == "list" and (items := self._items(task, item, value, words)):
            return Recovery(call=item.call, argument=item.argument, by=items[1], words=words)
        if kind in ("date", "datetime") and bounds(str(value), words, task.now):
            return Recovery(call=item.call, argument=item.argument, by="relative date", words=words)
        others = (
            [text for place, text in said.items() if place.startswith(f"{item.call}:")] if kind == "datetime" else []
        )
        readings = {words, *(full_moment(words, other, task.now) for other in others)}
        if not any(same_value(value, read(text, kind, task.now, self.names), kind) for text in readings):
            return None
        way = next((way for way in verbalise(value, kind, task.now, self.names) if way.words == words), None)
        by: Derived = way.by if way else "verbatim" if str(value) in words else "verbaliser"
        return Recovery(call=item.call, argument=item.argument, by=by, words=words)

    def _stated(self, task: Task, item: Critical, value: JsonValue, request: str, words: str) -> Recovery | None:
        """As its author says it, where it is a choice or a text of a language: all literals in it must follow by themselves."""
        literals = literals_of(value, item.match)
        if literals is None:
            return None
        for literal in literals:
            held = Critical(call=item.call, argument=item.argument, match=match_of(literal))
            if self._searched(task, held, literal, request) is None and not bounds_any(literal, request, task.now):
                return None
        return Recovery(call=item.call, argument=item.argument, by="stated", words=words)

    def _searched(self, task: Task, item: Critical, value: JsonValue, request: str) -> Recovery | None:
        """By any way to say it that stands in the text, the longest first."""
        kind = kind_of(value, item.match)
        for words in self._own_words(task, item, value):
            if _stands(words, request):
                return Recovery(call=item.call, argument=item.argument, by="verbaliser", words=words)
        if kind == "number":
            return self._counted(task, item, value, request)
        ways = () if kind == "json" else verbalise(value, kind, task.now, self.names)
        if kind == "text" and _stands(str(value), request):
            return Recovery(call=item.call, argument=item.argument, by="verbatim", words=str(value))
        for way in sorted(ways, key=lambda way: len(way.words), reverse=True):
            if _stands(way.words, request):
                return Recovery(call=item.call, argument=item.argument, by=way.by, words=way.words)
        if kind == "datetime" and (apart := moment_apart(str(value), request, task.now)):
            by: Derived = "relative date" if apart[1] else "verbaliser"
            return Recovery(call=item.call, argument=item.argument, by=by, words=apart[0])
        if isinstance(value, list) and kind == "list" and (items := self._items(task, item, value, request)):
            return Recovery(call=item.call, argument=item.argument, by=items[1], words=items[0])
        return None

    def _window(self, task: Task, item: Critical, value: JsonValue, request: str) -> Recovery | None:
        """As an end of the stretch of time in which a reading call searches, where the request names one within it."""
        call = task.reference[item.call]
        tool = self.tools.get(call.tool)
        times = [one for one in call.arguments.values() if kind_of(one) in ("date", "datetime")]
        if tool is None or tool.effect != "read" or len(times) != 2 or value not in times:
            return None
        first, last = sorted(map(str, times))
        words = window_of(first, last, request, task.now)
        return Recovery(call=item.call, argument=item.argument, by="window", words=words) if words else None

    def _rows(self, task: Task, item: Critical, value: JsonValue, request: str) -> Recovery | None:
        """As rows of cells, each of which follows by itself."""
        if not (isinstance(value, list) and value and all(isinstance(row, list) and row for row in value)):
            return None
        words: list[str] = []
        for cell in (cell for row in value if isinstance(row, list) for cell in row if cell not in (None, "")):
            held = Critical(call=item.call, argument=item.argument, match=match_of(cell))
            found = None if isinstance(cell, list | dict) else self._searched(task, held, cell, request)
            if found is None:
                return None
            words.append(found.words)
        return Recovery(call=item.call, argument=item.argument, by="verbaliser", words=", ".join(words))

    def _items(self, task: Task, item: Critical, values: Sequence[JsonValue], text: str) -> tuple[str, Derived] | None:
        """Each item of a list by words of its own, in their order, those of a set in any; the words and by what they say it."""
        said: list[tuple[int, int, Derived]] = []
        for value in values:
            after = 0 if item.match == "set" or not said else said[-1][1]
            found = [spot for spot in self._said_at(task, item, value, text) if spot[0] >= after]
            if not found:
                return None
            said.append(min(found, key=lambda spot: (spot[0], -spot[1])))
        ways = {by for _, _, by in said}
        return ", ".join(text[start:end] for start, end, _ in said), ways.pop() if len(ways) == 1 else "verbaliser"

    def _said_at(self, task: Task, item: Critical, value: JsonValue, text: str) -> Iterator[tuple[int, int, Derived]]:
        """Spans of the text that say an item of a list, and by what."""
        for words in self._own_words(task, item, value):
            yield from ((start, end, "verbaliser") for start, end in spots(words, text))
        kind = kind_of(value, match_of(value))
        if kind == "number":
            same = [one for one in tokens(text, "number") if isinstance(one.value, int | float) and one.value == value]
            yield from ((one.start, one.end, "verbaliser") for one in same)
            return
        kinds: tuple[Kind, ...] = (kind, "path") if isinstance(value, str) and "/" in value else (kind,)
        for way in [way for one in kinds for way in verbalise(value, one, task.now, self.names)]:
            yield from ((start, end, way.by) for start, end in spots(way.words, text))

    def _counted(self, task: Task, item: Critical, value: JsonValue, request: str) -> Recovery | None:
        """As a number of the text that is no part of a date, a path or an id."""
        for token in tokens(request, "number"):
            if same_value(value, token.value if isinstance(token.value, float | int) else None, "number"):
                words = request[token.start : token.end]
                by: Derived = "verbatim" if words == str(value) else "verbaliser"
                return Recovery(call=item.call, argument=item.argument, by=by, words=words)
        return None

    def _own_words(self, task: Task, item: Critical, value: JsonValue) -> tuple[str, ...]:
        """Words and fragments of the phrasebook that say this value of this argument, no other value having them."""
        phrases = self.books.of(task.reference[item.call].tool) if self.books else None
        if phrases is None:
            return ()
        name = item.argument.rpartition("/")[2]
        key = value if isinstance(value, str) else canonical(value)
        table = {**phrases.flags.get(name, {}), **phrases.values.get(name, {})}
        others = {words for other, some in table.items() if other != key for words in some}
        mine = (*phrases.values.get(name, {}).get(key, ()), *phrases.flags.get(name, {}).get(key, ()))
        if name in phrases.percent and isinstance(value, int | float):
            mine += (*percent_words(value), *more_percent_words(value))
        return tuple(words.strip(" ,;.()") for words in mine if words not in others and "{" not in words)

    def _by_schema(self, task: Task, item: Critical, value: JsonValue) -> Recovery | None:
        """As the only member of its schema, or the default."""
        tool = self.tools.get(task.reference[item.call].tool)
        properties = tool.parameters.get("properties") if tool else None
        schema = properties.get(item.argument.split("/")[1]) if isinstance(properties, dict) else None
        if not isinstance(schema, dict) or item.argument.count("/") > 1:
            return None
        members = schema.get("enum")
        alone = isinstance(members, list) and members == [value]
        follows = alone or any(key in schema and schema[key] == value for key in ("const", "default"))
        return Recovery(call=item.call, argument=item.argument, by="schema") if follows else None


def _stands(words: str, text: str) -> bool:
    return bool(spots(words, text))


def is_bound(task: Task, item: Critical) -> bool:
    """Does the value of a critical parameter come from an earlier result?"""
    places = [pointer for pointer, _, _ in bindings(dict(task.reference[item.call].arguments))]
    return any(item.argument == place or item.argument.startswith(f"{place}/") for place in places)


def value_of(task: Task, item: Critical) -> JsonValue:
    """The value of a critical parameter, as the reference writes it; None where it is critical by its absence."""
    try:
        return at(dict(task.reference[item.call].arguments), item.argument)
    except InputError:
        return None
