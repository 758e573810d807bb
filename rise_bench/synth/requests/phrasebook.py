"""Phrasebooks: how people ask for what a server's tools do, hand-written, one YAML file a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from rise_bench.errors import InputError
from rise_bench.store import read_yaml
from rise_bench.types import Record, Tool

__all__ = [
    "NICKNAMES",
    "Common",
    "Joins",
    "Phrasebook",
    "Phrasebooks",
    "Phrases",
    "leaks",
    "load_nicknames",
    "load_phrasebooks",
    "problems",
    "slots",
]

FOLDER = Path(__file__).resolve().parent / "phrasebooks"

NICKNAMES = "nicknames.yaml"
"""File of a fixture: how the people of its world call things."""
LEAST = 12
"""Goal phrasings that each tool has at least."""
_SLOT = re.compile(r"\{([A-Za-z_][\w-]*)(?::on)?\}")

R = TypeVar("R", bound=Record)
Phrase = Annotated[str, Field(min_length=2, max_length=400)]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


class Phrases(Record):
    """How people speak of one tool's doings; `{argument}` stands for a value, `{argument:on}` for one with its preposition.

    A phrasing is a clause in one of three forms, so that openings, context and closings can be put around it.
    """

    do: tuple[Phrase, ...] = ()
    """What somebody is asked to do: `put {source} into {destination}`."""
    want: tuple[Phrase, ...] = ()
    """What the user wants to know, as it stands after `tell me`: `how large {path} is`."""
    say: tuple[Phrase, ...] = ()
    """Whole sentences from which the wish follows: `I can't remember what I wrote in {path}.`"""
    fragments: dict[str, tuple[Phrase, ...]] = Field(default_factory=dict)
    """Per argument, what is added where a phrasing does not speak of it; a sentence where it begins with a capital."""
    flags: dict[str, dict[str, tuple[Phrase, ...]]] = Field(default_factory=dict)
    """Per argument and value (as JSON), a fragment that says this value without a slot."""
    values: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    """Per argument and value (as JSON, without the quotes of a text), words that stand for it in the slot."""
    bare: tuple[str, ...] = ()
    """Arguments whose values are said without quotation marks, however many words they have: units, names."""
    percent: tuple[str, ...] = ()
    """Arguments that take a share of one, which people say in per cent: rates of interest."""
    frames: dict[str, tuple[Phrase, ...]] = Field(default_factory=dict)
    """Per argument, what a value is said with but what stands for an earlier result is not: `order no. {order_id}`."""
    items: dict[str, tuple[Phrase, ...]] = Field(default_factory=dict)
    """Per argument that holds objects, or field of such an object that does, how one object is said.

    Where no phrase says all that has to be said of it, several are put side by side, none speaking of a field twice.
    """
    gives: dict[Annotated[str, AfterValidator(_pattern)], tuple[Phrase, ...]] = Field(default_factory=dict)
    """Pattern of a pointer into the result to words by which a later wish speaks of what stands there."""
    nouns: tuple[Phrase, ...] = ()
    """Noun phrases for the one thing that the tool finds, which a later wish can take in place of a wish of its own."""
    answers: tuple[Phrase, ...] = ()
    """First sentence of the reply once it is done."""

    @property
    def goals(self) -> tuple[tuple[str, str], ...]:
        """Every phrasing with its form."""
        forms = (("do", self.do), ("want", self.want), ("say", self.say))
        return tuple((form, text) for form, texts in forms for text in texts)


class Phrasebook(Record):
    """One server's phrases."""

    server: str
    context: tuple[Phrase, ...] = ()
    """Sentences of somebody in this line of work, beside the point; nothing in them may be taken for a wish."""
    tools: dict[str, Phrases]


class Joins(Record):
    """How the wishes of one request follow each other."""

    inline: tuple[str, ...]
    openers: tuple[str, ...]


class Common(Record):
    """What goes around the wishes, whatever the server."""

    openings: dict[str, tuple[str, ...]]
    """By tone; the empty text = none."""
    closings: dict[str, tuple[str, ...]]
    carriers: dict[str, dict[str, tuple[str, ...]]]
    """By tone and form (`do`, `want`): the sentence around a clause, with `{do}` or `{want}` in it."""
    joins: dict[str, Joins]
    """`serial` and `parallel`."""
    two: tuple[str, ...]
    """Frames of a request with two wishes, with `{a}` and `{b}`."""
    roles: tuple[str, ...]
    """What stands for an earlier result of which no phrasebook speaks."""
    asks: tuple[str, ...]
    """How a fact is asked for, with `{about}`."""
    facts: tuple[str, ...]
    """How a fact is stated, with `{about}` and `{value}`."""
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrasebooks:
    """Every server's phrasebook and what they share."""

    common: Common
    books: Mapping[str, Phrasebook] = field(default_factory=dict)

    def of(self, tool: str) -> Phrases | None:
        """The phrases of a tool, by its id; None where nobody wrote any."""
        server, _, name = tool.partition(".")
        book = self.books.get(server)
        return book.tools.get(name) if book else None

    def context(self, tools: Iterable[str]) -> tuple[str, ...]:
        """Context sentences of the servers of these tools."""
        servers = dict.fromkeys(tool.partition(".")[0] for tool in tools)
        return tuple(line for name in servers if name in self.books for line in self.books[name].context)


@lru_cache(maxsize=4)
def load_phrasebooks(folder: Path = FOLDER) -> Phrasebooks:
    """All phrasebooks of a folder: `common.yaml` and one `<server>.yaml` each.

    Raises:
        InputError: a file is not of this form, or has too few phrasings, or one that names a tool.
    """
    books: dict[str, Phrasebook] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name == "common.yaml":
            continue
        book = _read(Phrasebook, path)
        if book.server != path.stem:
            raise InputError(f"is of server {book.server!r}", where=str(path), remedy="name the file after its server")
        if found := next(_faults(book), None):
            raise InputError(found, where=str(path), remedy="mend this phrase")
        books[book.server] = book
    return Phrasebooks(_read(Common, folder / "common.yaml"), books)


def _read(kind: type[R], path: Path) -> R:
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        field_of = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{field_of}: {first['msg']}", where=str(path), remedy="docs/synthesis.md shows the form"
        ) from None


def load_nicknames(fixture: Path) -> dict[str, tuple[str, ...]]:
    """How the people of a world call things: `nicknames.yaml` of a fixture; empty where there is none.

    The file maps a path, person, account or other value to a list of what it is called: no two values are called the same.

    Raises:
        InputError: not such a mapping, or a name that is given twice.
    """
    path = fixture / NICKNAMES
    if not path.is_file():
        return {}
    try:
        names = TypeAdapter(dict[str, tuple[str, ...]]).validate_python(read_yaml(path) or {})
    except ValidationError as error:
        raise InputError(
            f"is no mapping of values to lists of names: {error.errors()[0]['msg']}",
            where=str(path),
            remedy="write {value: [name, name]}",
        ) from None
    owner: dict[str, str] = {}
    for value, called in names.items():
        for name in called:
            if owner.setdefault(name, value) != value:
                what = f"{name!r} is a name of both {owner[name]!r} and {value!r}"
                raise InputError(what, where=str(path), remedy="give each thing names of its own")
    return names


def slots(phrase: str) -> tuple[str, ...]:
    """The arguments that a phrase has places for."""
    return tuple(dict.fromkeys(_SLOT.findall(phrase)))


def leaks(request: str, tools: Iterable[str]) -> str:
    """The first of the tools (ids or names) that a request names, empty where it names none.

    A name of several words counts however its words are joined; of a single word only with its server's name before it, in
    backquotes or before the word `tool`: `search` is English, `search_files` is not.
    """
    return next((tool for tool in tools if _naming(tool).search(request)), "")


@lru_cache(maxsize=4096)
def _naming(tool: str) -> re.Pattern[str]:
    """What names this tool."""
    server, _, name = tool.rpartition(".")
    words = [re.escape(word) for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
    if len(words) > 1:
        forms = [r"[\s_-]?".join(words)]
    else:
        joined = re.escape(name)
        forms = [rf"`{joined}`", rf"{joined}[ -]tool"] + ([rf"{re.escape(server)}\.{joined}"] if server else [])
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", re.IGNORECASE)


def problems(book: Phrasebook, tools: Iterable[Tool]) -> list[str]:
    """What is wrong with a phrasebook as words about a server's tools: unknown tools, unknown or unsayable arguments."""
    known = {tool.name: tool for tool in tools}
    found = [f"{name}: the server has no such tool" for name in book.tools if name not in known]
    for name in book.tools.keys() & known.keys():
        phrases, schema = book.tools[name], known[name].parameters
        properties = schema.get("properties")
        arguments = set(properties) if isinstance(properties, dict) else set()
        used = {slot for _, text in phrases.goals for slot in slots(text)}
        extra = {*phrases.fragments, *phrases.flags}
        inner = {slot for texts in phrases.items.values() for text in texts for slot in slots(text)}
        strange = sorted(((used | extra) - arguments) | ({*phrases.items, *phrases.frames} - arguments - inner))
        found += [f"{name}: it takes no {slot!r}" for slot in strange]
        found += [f"{name}: nothing says {slot!r}" for slot in sorted(arguments - used - extra)]
    return sorted(found)


def _faults(book: Phrasebook) -> Iterator[str]:
    """What no phrasebook may have."""
    names = [f"{book.server}.{name}" for name in book.tools]
    for name, phrases in book.tools.items():
        if len(set(phrases.goals)) < LEAST:
            yield f"{name} has {len(set(phrases.goals))} phrasings, not {LEAST}"
        fragments = [text for some in phrases.fragments.values() for text in some]
        for text in [*(text for _, text in phrases.goals), *phrases.nouns, *phrases.answers, *fragments]:
            bare = _SLOT.sub("", text)
            if "{" in bare or "}" in bare:
                yield f"{name}: {text!r} has a brace that is no slot"
            if tool := leaks(bare, names):
                yield f"{name}: {text!r} names {tool}"
        for argument, texts in phrases.frames.items():
            yield from (f"{name}: {text!r} is not about {argument}" for text in texts if slots(text) != (argument,))
