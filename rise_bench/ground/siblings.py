"""The near-miss map: which tools an agent could take for another, and how they differ (our design).

Computed from names, descriptions and schemas; `siblings.yaml` holds the words, and corrects by hand what comes out wrong.
Distractors and `wrong_tool` mutations draw on it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import permutations
from math import log
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from rise_bench.errors import InputError
from rise_bench.store import read_yaml
from rise_bench.types import Ground, Record, Tool

__all__ = ["Correction", "Relation", "Sibling", "near_miss_map", "siblings_among", "siblings_of"]

WORDS = Path(__file__).with_suffix(".yaml")
"""The words that the computation rests on, and its corrections."""

Relation = Literal["same", "wider", "narrower", "inverse", "similar"]
"""What the sibling is to the tool: the same function in another server, or under a second name in this one;
more than is asked (several, all, recursive); less; the deed that undoes it; or something else that reads alike."""

MOST = 8
"""Siblings kept a tool, the nearest first; tools that undo each other and corrections by hand before others."""

ALIKE = 0.42
"""Similarity from which two tools are siblings; `tests/test_ground_siblings.py` holds what it lets through."""

SAME = 0.5
"""Similarity from which tools of two servers that do the same kind of thing have the same function."""

GROUPED = 0.3
"""The same for tools that the catalogue has put into one function group."""

WEIGHTS = (0.5, 0.3, 0.2)
"""Of description, name and parameters in the similarity."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class Sibling(Record):
    """A tool that could be taken for another."""

    tool: str
    """Id of the sibling."""
    relation: Relation
    similarity: float = Field(ge=0, le=1)
    """0 to 1; 1 where it was put in by hand."""


class Correction(Record):
    """One line of `siblings.yaml`: what `sibling` is to `tool`; null: none. The other direction follows."""

    tool: str
    sibling: str
    relation: Relation | None


class Vocabulary(Record):
    """What `siblings.yaml` holds."""

    inverse: tuple[tuple[str, str], ...]
    """Pairs of verbs that undo each other."""
    wide: frozenset[str]
    """Words for more than one thing, or all of it."""
    verbs: dict[str, frozenset[str]]
    """Kind of deed to the verbs that speak of it."""
    stop: frozenset[str]
    corrections: tuple[Correction, ...] = ()

    @cached_property
    def opposites(self) -> frozenset[tuple[str, str]]:
        """The pairs of `inverse`, both ways."""
        return frozenset(pair for one, other in self.inverse for pair in ((one, other), (other, one)))


_MIRROR: dict[Relation, Relation] = {
    "same": "same",
    "wider": "narrower",
    "narrower": "wider",
    "inverse": "inverse",
    "similar": "similar",
}


_MAPS: dict[tuple[int, tuple[str, ...]], tuple[Ground, dict[str, tuple[Sibling, ...]]]] = {}
_MOST_MAPS = 512


def siblings_among(ground: Ground, servers: Sequence[str]) -> dict[str, tuple[Sibling, ...]]:
    """The near-miss map of these servers' tools, made once per ground and set of servers: it takes long."""
    key = (id(ground), tuple(sorted(servers)))
    kept = _MAPS.get(key)
    if kept is None or kept[0] is not ground:
        if len(_MAPS) >= _MOST_MAPS:
            _MAPS.clear()
        tools = [tool for server in ground.servers if server.name in servers for tool in server.tools]
        kept = _MAPS[key] = (ground, near_miss_map(tuple(tools)))
    return kept[1]


def siblings_of(tool: str, tools: Sequence[Tool]) -> tuple[Sibling, ...]:
    """The siblings of one tool among these, the nearest first; none where it is not among them."""
    return near_miss_map(tuple(tools)).get(tool, ())


@lru_cache(maxsize=1)
def _vocabulary() -> Vocabulary:
    try:
        return Vocabulary.model_validate(read_yaml(WORDS))
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"], where=str(WORDS)) from error


def near_miss_map(tools: Sequence[Tool]) -> dict[str, tuple[Sibling, ...]]:
    """Tool id to its siblings among these tools, the nearest first; tools without any are left out.

    Raises:
        InputError: the list of corrections is damaged.
    """
    found: dict[str, dict[str, Sibling]] = {tool.id: {} for tool in tools}
    alike = _similarities(tools)
    for one, other in _pairs(tools, alike):
        similarity = float(alike[one, other])
        relation = _relation(tools[one], tools[other], similarity)
        if relation is not None:
            found[tools[one].id][tools[other].id] = Sibling(
                tool=tools[other].id, relation=relation, similarity=round(similarity, 3)
            )
    for correction in _vocabulary().corrections:
        _correct(found, correction.tool, correction.sibling, correction.relation)
        mirrored = _MIRROR[correction.relation] if correction.relation else None
        _correct(found, correction.sibling, correction.tool, mirrored)
    return {name: _kept(others.values()) for name, others in found.items() if others}


def _kept(siblings: Collection[Sibling]) -> tuple[Sibling, ...]:
    """The siblings that are kept, the nearest first."""
    nearest = sorted(siblings, key=lambda sibling: (-sibling.similarity, sibling.tool))
    surely = [sibling for sibling in nearest if sibling.relation == "inverse" or sibling.similarity == 1]
    others = [sibling for sibling in nearest if sibling not in surely]
    kept = surely + others[: max(0, MOST - len(surely))]
    return tuple(sibling for sibling in nearest if sibling in kept)


def _correct(found: Mapping[str, dict[str, Sibling]], tool: str, sibling: str, relation: Relation | None) -> None:
    if tool not in found or sibling not in found:
        return
    if relation is None:
        found[tool].pop(sibling, None)
    else:
        found[tool][sibling] = Sibling(tool=sibling, relation=relation, similarity=1.0)


# --- how alike --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=100_000)
def _words(text: str) -> tuple[str, ...]:
    """The text's words in lower case, `camelCase` and `snake_case` taken apart, plural and stop words dropped."""
    words = (word.lower() for word in _WORD.findall(text))
    return tuple(
        word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words if word not in _vocabulary().stop
    )


def _described(tool: Tool) -> Sequence[str]:
    """The words that its description begins with."""
    return _words(tool.description[:600])


def _own_words(tool: Tool) -> Sequence[str]:
    """The name's words without a server's name that stands in every one of its tools (`git_add`, `excel_read_sheet`)."""
    words = _words(tool.name)
    return tuple(word for word in words if word not in _words(tool.server)) or words


def _vectors(texts: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Unit rows of term frequency times inverse document frequency."""
    frequency = Counter(word for text in texts for word in set(text))
    column = {word: index for index, word in enumerate(sorted(frequency))}
    rows = np.zeros((len(texts), max(1, len(column))))
    for row, text in enumerate(texts):
        for word, count in Counter(text).items():
            rows[row, column[word]] = (1 + log(count)) * (1 + log((1 + len(texts)) / (1 + frequency[word])))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths == 0, 1, lengths)
    return unit


def _parameters(tool: Tool) -> Sequence[str]:
    """The words of its parameters' names."""
    properties = tool.parameters.get("properties")
    return [word for name in (properties if isinstance(properties, dict) else ()) for word in _words(name)]


def _similarities(tools: Sequence[Tool]) -> NDArray[np.float64]:
    """Square matrix of similarities, 0 to 1."""
    total = np.zeros((len(tools), len(tools)))
    for weight, read in zip(WEIGHTS, (_described, _own_words, _parameters), strict=True):
        rows = _vectors([read(tool) for tool in tools])
        total += weight * (rows @ rows.T)
    return np.clip(total, 0, 1)


def _pairs(tools: Sequence[Tool], alike: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Index pairs, both ways, that are alike, of one function group, or each other's inverse."""
    together: dict[str, list[int]] = defaultdict(list)
    for index, tool in enumerate(tools):
        together[f"server {tool.server}"].append(index)
        if tool.group:
            together[f"group {tool.group}"].append(index)
    pairs = {(int(one), int(other)) for one, other in np.argwhere(alike >= ALIKE)}
    for name, members in together.items():
        grouped = name.startswith("group ")
        pairs.update(pair for pair in permutations(members, 2) if grouped or _inverse(*(tools[i] for i in pair)))
    return ((one, other) for one, other in sorted(pairs) if one != other)


# --- how they differ --------------------------------------------------------------------------------------------------


def _kind(tool: Tool) -> str:
    """What kind of deed the name speaks of, empty where none is known."""
    verbs = _vocabulary().verbs
    return next((kind for word in _words(tool.name) for kind, known in verbs.items() if word in known), "")


def _inverse(one: Tool, other: Tool) -> bool:
    """The same object in the same server, an opposite verb."""
    if one.server != other.server:
        return False
    first, second = _words(one.name), _words(other.name)
    mine, its = set(first) - set(second), set(second) - set(first)
    return len(mine) == len(its) == 1 and (*mine, *its) in _vocabulary().opposites


def _same(tool: Tool, other: Tool, similarity: float) -> bool:
    """Whether tools of two servers have the same function, as far as can be computed."""
    if set(_own_words(tool)) == set(_own_words(other)):
        return True
    kin = _kind(tool) == _kind(other) != ""
    if tool.group and other.group:
        return tool.group == other.group and similarity >= (GROUPED if kin else SAME)
    return kin and similarity >= SAME


def _extent(tool: Tool, other: Tool) -> Literal["wider", "narrower"] | None:
    """Whether `other` speaks of more than `tool`, or of less; None where neither does, or both."""
    wide = _vocabulary().wide
    mine, its = (bool(wide & set(_words(one.name))) for one in (tool, other))
    if mine == its:
        return None
    return "wider" if its else "narrower"


def _relation(tool: Tool, other: Tool, similarity: float) -> Relation | None:
    """What `other` is to `tool`."""
    if _inverse(tool, other):
        return "inverse"
    extent = _extent(tool, other)
    if tool.server != other.server:
        return extent or "same" if _same(tool, other, similarity) else "similar"
    # In one server the names must bear it out: the same deed on the same thing, with words more or fewer.
    mine, its = (set(_words(one.name)) for one in (tool, other))
    asked, asks = (set(_parameters(one)) for one in (tool, other))
    wide = _vocabulary().wide
    if extent == "wider":
        return extent if its - wide <= mine else "similar"
    if extent == "narrower":
        return extent if mine - wide <= its else "similar"
    if mine < its and asked < asks:
        return "narrower"
    return "wider" if its < mine and asks < asked else "similar"
