"""What a verified call takes, tells and touches, made ready for comparing it with other calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from rise_bench.refs import ROOT, escape, unescape
from rise_bench.synth.records import Primitive
from rise_bench.types import Tool

__all__ = ["Known", "Want", "is_distinct", "known", "leaves", "mentions", "place", "words_of"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_QUOTED = re.compile(r"'([^'\n]{3,})'|\"([^\"\n]{3,})\"")
_PROPERTY = re.compile(r"[A-Z][A-Z-]*")
"""A step that names a property of an object rather than an object, as in calendar files."""
_MARKDOWN = (".md", ".markdown")
_LINES = (".jsonl", ".ndjson")
_SHOWN = 50_000
_SHORT = 3
"""Characters from which a text is looked for in other texts."""


@dataclass(frozen=True, slots=True)
class Want:
    """One argument leaf that another call could supply."""

    argument: str
    """RFC 6901, into the arguments."""
    value: str | int | float
    words: tuple[str, ...]
    """Of its name: (`entity`, `name`) for `/entities/0/name`."""
    parts: tuple[str, ...] = ()
    """Parts of the text that could come from elsewhere: the last step of a path, what stands in quotation marks."""


@dataclass(frozen=True, slots=True)
class Known:
    """A primitive, looked at once."""

    primitive: Primitive
    digest: str
    server: str
    name: str
    """Of the tool, without its server."""
    wants: tuple[Want, ...]
    told: str
    """All that its arguments say: what a result repeats of it is no news."""
    gives: Mapping[str | int | float, str]
    """Value of each result leaf that is news, to its pointer."""
    text: str
    """What it answers as plain text, news and repetition alike."""
    text_news: bool
    """Is it the answer of a reading tool, and more than a repetition?"""
    shown: str
    """All that it answers."""
    writes: frozenset[str]
    """Names of the objects whose state it changes: files, and the steps that lead to parts of files."""
    makes: frozenset[str]
    """Of these, those that were not there before."""
    spots: frozenset[str]
    """The same as places in the state: who writes to one of them writes over it."""
    names: frozenset[str]
    """Objects that its arguments name; paths as `place` writes them."""
    changes: bool
    """Did it change the state, or may it have where no state is captured?"""

    @property
    def tool(self) -> str:
        """Id of the tool."""
        return self.primitive.tool

    @property
    def informs(self) -> bool:
        """Does it answer something that a user could ask for?"""
        return bool(self.gives) or self.text_news


def known(primitive: Primitive, tool: Tool | None) -> Known:
    """What can be said of a primitive for itself."""
    server, _, name = primitive.tool.partition(".")
    schema = tool.parameters if tool else {}
    said = [(pointer, value) for pointer, value in leaves(primitive.arguments) if isinstance(value, str | int | float)]
    told = "\n".join(str(value) for _, value in said)
    texts = [text for _, text in leaves(primitive.value) if isinstance(text, str) and _is_prose(text, primitive.value)]
    objects = [_object(change.path) for change in primitive.state or ()]
    new = [change.before is None and change.after is not None for change in primitive.state or ()]
    old = frozenset(name for (_, names), made in zip(objects, new, strict=True) if not made for name in names)
    fresh = frozenset(name for (_, names), made in zip(objects, new, strict=True) if made for name in names)
    effect = tool.effect if tool else "unknown"
    return Known(
        primitive=primitive,
        digest=primitive.digest(),
        server=server,
        name=name,
        wants=tuple(_wants(said, schema)),
        told=told,
        gives=_news(primitive, told),
        text="\n".join(texts),
        text_news=effect == "read" and any(text.strip() and text.strip() not in told for text in texts),
        shown="\n".join(str(value) for _, value in leaves(primitive.value) if isinstance(value, str | int))[:_SHOWN],
        writes=old | fresh,
        makes=fresh - old,
        spots=frozenset(spot for spot, _ in objects),
        names=frozenset(place(value) for _, value in said if isinstance(value, str)),
        changes=bool(primitive.state) if primitive.state is not None else effect != "read",
    )


def leaves(value: JsonValue, pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every leaf of a value that is no container, with its pointer; empty containers have none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def words_of(pointer: str) -> tuple[str, ...]:
    """The words of a pointer's keys, lower case and singular, positions in lists left out."""
    keys = [unescape(token) for token in pointer.split("/")[1:]]
    return tuple(_one(word.lower()) for key in keys if not key.isdigit() for word in _WORD.findall(key))


def _one(word: str) -> str:
    """The singular, as far as English spelling shows it."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def place(value: str) -> str:
    """A path as the state writes it: relative to the sandbox, no slash at its ends; other texts as they are."""
    plain = value.removeprefix(ROOT).removeprefix("./").strip("/")
    return "" if plain == "." else plain


def is_distinct(value: str) -> bool:
    """Is it a text that two places hardly share by accident: a name, path, id or code rather than a plain word?"""
    return len(value) >= _SHORT and not value.isdigit() and bool(re.search(r"[A-Z0-9/._@ -]", value))


def mentions(text: str, part: str) -> bool:
    """Does the text hold the part as a whole, not inside a longer word or number?"""
    at = text.find(part)
    while at >= 0:
        end = at + len(part)
        if not (at and _joins(text[at - 1], part[0])) and not (end < len(text) and _joins(text[end], part[-1])):
            return True
        at = text.find(part, at + 1)
    return False


def _joins(one: str, other: str) -> bool:
    return (one.isalnum() or one == "_") and (other.isalnum() or other == "_")


def _is_prose(text: str, whole: JsonValue) -> bool:
    """Is a text leaf something to be read rather than a value?"""
    return isinstance(whole, str) or "\n" in text or len(text) > 80


def _wants(said: list[tuple[str, str | int | float]], schema: Mapping[str, JsonValue]) -> Iterator[Want]:
    for pointer, value in said:
        if isinstance(value, bool) or _is_chosen(schema, pointer, value):
            continue
        if isinstance(value, str) and not place(value):
            continue
        yield Want(pointer, value, words_of(pointer), tuple(_parts(value)) if isinstance(value, str) else ())


def _is_chosen(schema: Mapping[str, JsonValue], pointer: str, value: JsonValue) -> bool:
    """Is the value one of a few that the schema names itself, or its default?"""
    node: JsonValue = dict(schema)
    for token in pointer.split("/")[1:]:
        if not isinstance(node, dict):
            return False
        properties = node.get("properties")
        node = node.get("items") if token.isdigit() else properties.get(token) if isinstance(properties, dict) else None
    return isinstance(node, dict) and (
        "enum" in node or "const" in node or ("default" in node and node["default"] == value)
    )


def _parts(value: str) -> Iterator[str]:
    if "/" in value.removeprefix(f"{ROOT}/") or value.startswith(ROOT):
        last = place(value).rpartition("/")[2]
        if len(last) >= _SHORT and len(value) <= 300:
            yield last
    elif len(value) <= 600:
        yield from (one or other for one, other in _QUOTED.findall(value))


def _news(primitive: Primitive, told: str) -> dict[str | int | float, str]:
    """Result leaves that the arguments did not already say; of equal ones the steadiest, then the shallowest."""
    found: dict[str | int | float, str] = {}
    every = [
        (pointer, value)
        for pointer, value in leaves(primitive.value)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    ]
    for pointer, value in sorted(every, key=lambda leaf: (leaf[0] in primitive.volatile, leaf[0].count("/"))):
        if isinstance(value, str) and (_is_prose(value, primitive.value) and (" " in value or "\n" in value)):
            continue
        if not mentions(told, str(value)):
            found.setdefault(value, pointer)
    return found


def _object(path: str) -> tuple[str, frozenset[str]]:
    """The object that a state leaf belongs to: its place, and the names by which calls may speak of it."""
    file, _, inside = path.partition("#")
    if inside.startswith("refs/heads/"):
        return path, frozenset({inside.removeprefix("refs/heads/")})
    if file.casefold().endswith(_MARKDOWN):
        inside = ""  # a field of its front matter
    steps = re.split(r"[/!]", inside) if inside else []
    if file.casefold().endswith(_LINES) and steps[:1] == ["id"]:
        steps = steps[:2]  # a field of the object with that id
    while steps and _PROPERTY.fullmatch(steps[-1]):
        steps.pop()
    names = {step for step in steps if len(step) >= _SHORT} or {file.strip("/")}
    return f"{file}#{'/'.join(steps)}", frozenset(names)
