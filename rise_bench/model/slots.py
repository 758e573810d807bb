"""A tool's arguments filled from what a request mentions, by type and by the words around."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.model.mentions import Kind, Mention, stem, words
from rise_bench.refs import at

__all__ = ["Filled", "Source", "fill"]

_PATH_WORDS = {stem(word) for word in ("path", "file", "filename", "filepath", "directory", "folder", "dir", "repo")}
_SOURCE_WORDS = {stem(word) for word in ("from", "source", "input")}
_PLACE_WORDS = {stem(word) for word in ("directory", "folder", "dir", "repo", "repository", "root", "tree")}
_TEXT_WORDS = {stem(word) for word in ("content", "text", "message", "body", "note", "description", "title", "value")}
_SEARCH_WORDS = {stem(word) for word in ("query", "pattern", "search", "keyword", "term", "name", "q", "filter")}
_CODE = re.compile(r"\b(?:SQL|SELECT|JSONPath|XPath|regular expression|regex|formula|code to)\b", re.IGNORECASE)
"""Descriptions of parameters that take a language: words of a request are none."""
_AMOUNT = re.compile(r"(?<![\w.])\d[\d.,]*\s+((?:[A-Za-z°]+)(?: (?!in\b|to\b|into\b|is\b|are\b)[a-z]+)?)")
_TARGET_UNIT = re.compile(r"\b(?:in|to|into|how many|how much)\s+([A-Za-z°]+)\b(?!\s*\d)", re.IGNORECASE)
_NEGATIONS = {"not", "don", "without", "no", "never"}
_ZONES = {
    zone.rsplit("/", 1)[-1].replace("_", " ").casefold(): zone
    for zone in sorted(available_timezones())
    if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/", "US/", "SystemV/"))
}
"""City -> IANA name."""
_CITY = re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, _ZONES), key=len, reverse=True)) + r")\b")
_MISSING = object()
_MAX_DEPTH = 4
_MAX_ITEMS = 20


@dataclass(frozen=True, slots=True)
class Source:
    """What values may come from: a text, its mentions, and the sandbox's path for those that are paths.

    `place`: the tool works on a folder, so that the sandbox itself is a fair guess where no path is mentioned.
    """

    text: str
    mentions: Sequence[Mention]
    root: str = ""
    place: bool = False


@dataclass(slots=True)
class Filled:
    """Arguments, and the required ones for which nothing was found."""

    arguments: dict[str, JsonValue] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    used: int = 0
    """How many mentions went into the arguments."""
    guessed: int = 0
    """How many arguments are a guess: the whole text, or the sandbox's own path."""


def fill(schema: dict[str, JsonValue], source: Source, *, optional: bool = True) -> Filled:
    """Required arguments, and those optional ones that the text clearly names. Deterministic."""
    filler = _Filler(schema, source, optional)
    filled = filler.object(schema, 0)
    filled.used, filled.guessed = filler.used, filler.guessed
    return filled


class _Filler:
    """One filling: a mention is used at most once."""

    def __init__(self, root_schema: JsonValue, source: Source, optional: bool) -> None:
        self._root = root_schema
        self._source = source
        self._optional = optional
        self._used: set[int] = set()
        self._zones: set[str] = set()
        self._members: set[str] = set()
        self.guessed = 0
        self._words = words(source.text)

    @property
    def used(self) -> int:
        """How many mentions were used."""
        return len(self._used) + len(self._zones) + len(self._members)

    def object(self, schema: dict[str, Any], depth: int) -> Filled:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = [name for name in schema.get("required") or () if isinstance(name, str)]
        filled = Filled()
        for name in sorted(required, key=lambda name: self._rank(name, properties.get(name))):
            value = self.value(name, properties.get(name), depth, required=True)
            if value is _MISSING:
                filled.missing.append(name)
            else:
                filled.arguments[name] = value
        for name in properties if self._optional else ():
            if name in required:
                continue
            value = self.value(name, properties[name], depth, required=False)
            if value is not _MISSING:
                filled.arguments[name] = value
        return filled

    def _rank(self, name: str, schema: Any) -> int:
        """Order of filling: the pickier first, so that free text does not eat what only fits elsewhere."""
        flat = self._flat(schema)
        if "enum" in flat or flat.get("type") in ("integer", "number", "boolean"):
            return 0
        told = set(words(name))
        return 1 if told & _PATH_WORDS or flat.get("format") else 3 if told & (_TEXT_WORDS | _SEARCH_WORDS) else 2

    def _flat(self, schema: Any) -> dict[str, Any]:
        flat: dict[str, Any] = schema if isinstance(schema, dict) else {}
        for _ in range(_MAX_DEPTH):
            if isinstance(reference := flat.get("$ref"), str):
                try:
                    target = at(self._root, reference.removeprefix("#"))
                except InputError:  # points outside this schema: nothing is known of the type
                    target = {}
                flat = target if isinstance(target, dict) else {}
            options = flat.get("anyOf") or flat.get("oneOf")
            if isinstance(options, list):
                typed = [option for option in options if isinstance(option, dict) and option.get("type") != "null"]
                flat = {**flat, **(typed[0] if typed else {}), "anyOf": None, "oneOf": None}
        if isinstance(flat.get("type"), list):
            flat = {**flat, "type": next((kind for kind in flat["type"] if kind != "null"), "string")}
        return flat

    def value(self, name: str, schema: Any, depth: int, *, required: bool) -> Any:
        flat = self._flat(schema)
        if "const" in flat:
            return flat["const"] if required else _MISSING
        if isinstance(flat.get("enum"), list):
            return self._enum(name, flat, required)
        match flat.get("type"):
            case "boolean":
                return self._boolean(name, flat, required)
            case "integer" | "number":
                return self._number(name, flat, required)
            case "array":
                return self._array(name, flat, depth, required)
            case "object":
                return self._nested(flat, depth, required)
            case _:
                return self._text(name, flat, required)

    def _enum(self, name: str, flat: dict[str, Any], required: bool) -> Any:
        """The member that the text mentions: behind a number for the source of a conversion, else the wordiest."""
        near_number = {word for match in _AMOUNT.finditer(self._source.text) for word in words(match[1])}
        is_source = bool(set(words(name)) & _SOURCE_WORDS)
        best: tuple[float, str] | None = None
        for option in flat["enum"]:
            if not isinstance(option, str) or option in self._members:
                continue
            told = set(words(option))
            if not told or not told <= set(self._words):
                continue
            score = len(told) + (10.0 if is_source and told & near_number else 0.0)
            if best is None or score > best[0]:
                best = score, option
        if best is not None:
            self._members.add(best[1])
            return best[1]
        return flat.get("default", _MISSING) if required else _MISSING

    def _boolean(self, name: str, flat: dict[str, Any], required: bool) -> Any:
        told = set(words(name)) - {"is", "includ", "us", "enabl"}
        places = [index for index, word in enumerate(self._words) if word in told]
        if places:
            return not set(self._words[max(0, places[0] - 3) : places[0]]) & _NEGATIONS
        return flat.get("default", False) if required else _MISSING

    def _number(self, name: str, flat: dict[str, Any], required: bool) -> Any:
        whole = flat.get("type") == "integer"
        mention = self._take(name, flat, ("number",), required, whole=whole)
        if mention is not None:
            return mention.value
        return flat.get("default", _MISSING) if required else _MISSING

    def _array(self, name: str, flat: dict[str, Any], depth: int, required: bool) -> Any:
        items = self._flat(flat.get("items"))
        if not required or depth >= _MAX_DEPTH:
            return _MISSING
        if items.get("type") == "object":
            one = self._nested(items, depth, required=True)
            return _MISSING if one is _MISSING else [one]
        found: list[Any] = []
        for _ in range(_MAX_ITEMS):
            value = self.value(name, items, depth + 1, required=not found)
            if value is _MISSING or value in found:
                break
            found.append(value)
        return found or _MISSING

    def _nested(self, flat: dict[str, Any], depth: int, required: bool) -> Any:
        if not required or depth >= _MAX_DEPTH:
            return _MISSING
        filled = self.object(flat, depth + 1)
        return _MISSING if filled.missing else filled.arguments

    def _text(self, name: str, flat: dict[str, Any], required: bool) -> Any:
        told = set(words(name))
        if "timezone" in name.casefold() or {"time", "zone"} <= told or told & {"timezon", "tz"}:
            return self._zone(required)
        if told & _PATH_WORDS:
            return self._path(name, flat, told, required)
        if "unit" in told:
            return self._unit(told, required)
        if _CODE.search(str(flat.get("description", ""))) or "sql" in told:
            return flat.get("default", _MISSING) if required else _MISSING
        kinds = self._kinds(told, flat)
        mention = self._take(name, flat, kinds, required)
        if mention is not None:
            return str(mention.value)
        if not required:
            return _MISSING
        if "default" in flat and isinstance(flat["default"], str):
            return flat["default"]
        return self._remainder() if told & (_SEARCH_WORDS | _TEXT_WORDS) else _MISSING

    def _kinds(self, told: set[str], flat: dict[str, Any]) -> tuple[Kind, ...]:
        shape = str(flat.get("format", ""))
        if shape in ("date", "date-time") or told & {"dat", "day", "start", "end", "du", "deadlin", "since", "until"}:
            return ("datetime", "date") if shape != "date" else ("date",)
        if shape == "time" or told & {"tim", "hour"}:
            return ("time", "datetime")
        if shape == "uri" or told & {"url", "uri", "link"}:
            return ("url",)
        if shape == "email" or told & {"email", "mail"}:
            return ("email",)
        if told & {"id", "cod", "key", "number"}:
            return ("identifier", "number", "quote")
        return ("quote", "identifier", "name", "path") if told & _SEARCH_WORDS else ("quote", "name", "identifier")

    def _path(self, name: str, flat: dict[str, Any], told: set[str], required: bool) -> Any:
        mention = self._take(name, flat, ("path",), required)
        root = self._source.root
        if mention is not None:
            path = str(mention.value).removeprefix("./")
            return path if not root or path.startswith(("/", "~", root)) else f"{root.rstrip('/')}/{path}"
        if required and (told & _PLACE_WORDS or self._source.place):
            self.guessed += 1
            return root or "."
        return _MISSING

    def _unit(self, told: set[str], required: bool) -> Any:
        """The unit that stands behind a number, or the one that the text asks for."""
        pattern = _TARGET_UNIT if told & {"to", "target", "output"} else _AMOUNT
        match = pattern.search(self._source.text)
        return match[1] if match and required else _MISSING

    def _zone(self, required: bool) -> Any:
        for match in _CITY.finditer(self._source.text.casefold()):
            zone = _ZONES[match.group()]
            if zone not in self._zones:
                self._zones.add(zone)
                return zone
        return "UTC" if required else _MISSING

    def _take(
        self, name: str, flat: dict[str, Any], kinds: tuple[Kind, ...], required: bool, *, whole: bool = False
    ) -> Mention | None:
        """The unused mention of a fitting kind whose surroundings speak most of this parameter."""
        told = set(words(name))
        hinted = told | set(words(str(flat.get("description", ""))[:120]))
        best: tuple[float, int] | None = None
        for index, mention in enumerate(self._source.mentions):
            if index in self._used or mention.kind not in kinds:
                continue
            if whole and not isinstance(mention.value, int):
                continue
            near = {*mention.before[-2:], *mention.after}
            named = len(near & told)
            if not required and not named:
                continue
            score = 2.0 * named + 0.5 * len(near & hinted) - kinds.index(mention.kind) - 0.01 * index
            if best is None or score > best[0]:
                best = (score, index)
        if best is None:
            return None
        self._used.add(best[1])
        return self._source.mentions[best[1]]

    def _remainder(self) -> Any:
        """The text itself, for parameters that take free text: the agent has nothing better."""
        self.guessed += 1
        text = " ".join(self._source.text.split()).strip(" .?!")
        return text or _MISSING
