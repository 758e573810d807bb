"""Last messages of an assistant that asks, declines or only claims, in several wordings; how people call what is missing."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from pydantic import Field

from rise_bench.store import read_yaml
from rise_bench.types import Record, Server, Task, Tool

__all__ = [
    "Capability",
    "Endings",
    "Slot",
    "capability_of",
    "claim",
    "ending",
    "endings",
    "question",
    "refusal",
    "slot_of",
]

_FILE = Path(__file__).with_suffix(".yaml")
LEAST = 12
"""Wordings of each kind."""

_VALUES = {"when", "how many", "wording"}
"""One of these in a slot of `Task.asks` marks a value which only the user can give, and no choice among what exists."""

_ASKING = frozenset(
    ("when", "where", "which", "what", "who", "whom", "whose", "how", "how many", "how much", "how long")
)

Wordings = tuple[str, ...]


class Slot(Record):
    """How people call an argument."""

    ask: str
    """Noun without an article, as after `which`."""
    choose: bool = False
    """It is one of several that exist; else a value that only the user can give."""
    open: tuple[str, ...] = ()
    """Noun phrases that stand for its value where it is left open."""
    drop: tuple[str, ...] = ()
    """Prepositions with which its value can go from a sentence."""


class Capability(Record):
    """What a refusal names that is not there."""

    what: str
    words: tuple[str, ...]


class Endings(Record):
    """All that `endings.yaml` holds."""

    which: Wordings = Field(min_length=LEAST)
    value: Wordings = Field(min_length=LEAST)
    refusals: Wordings = Field(min_length=LEAST)
    claims: Wordings = Field(min_length=LEAST)
    slots: dict[str, Slot | None]
    """None: without it the wish is whole."""
    capabilities: dict[str, Capability]


@cache
def endings() -> Endings:
    """The wordings that come with the package."""
    return Endings.model_validate(read_yaml(_FILE))


def slot_of(tool: str, argument: str) -> Slot | None:
    """How people call a tool's argument: as written down for the tool, else for the argument, else its name if it is one word.

    None where a request without it is whole, or nobody knows how to call it.

    Args:
        tool: id or name.
        argument: its last name, as in the contract.
    """
    known = endings().slots
    for key in (f"{tool.rpartition('.')[2]}.{argument}", argument):
        if key in known:
            return known[key]
    plain = spaced(argument).removesuffix(" url").removesuffix(" id").removesuffix(" path").removesuffix(" name")
    return Slot(ask=plain) if plain.isalpha() else None


def spaced(name: str) -> str:
    """`dueDate`, `due_date` -> `due date`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[A-Za-z0-9]+", apart)).lower()


def capability_of(tool: Tool, server: Server | None) -> Capability:
    """What is missing where a tool's server is: as written down for the server, else its domain, else in its own words."""
    known = endings().capabilities
    found = known.get(tool.server) or known.get(server.domain if server else "")
    return found or Capability(what=f"anything like {spaced(tool.server)}", words=(spaced(tool.server),))


def question(what: str, rng: random.Random, *, value: bool) -> str:
    """A short question for what is missing.

    Args:
        what: noun without an article.
        value: only the user can give it; else one of several that exist is meant.
    """
    return rng.choice(endings().value if value else endings().which).replace("{what}", what)


def refusal(what: str, rng: random.Random) -> str:
    """A refusal that says what it would take."""
    return rng.choice(endings().refusals).replace("{what}", what)


def claim(rng: random.Random) -> str:
    """A claim that it is done."""
    return rng.choice(endings().claims)


def ending(task: Task, seed: int) -> str:
    """The right last message of an `underspecified` or `infeasible` task, its wording drawn from seed and task.

    Of each slot of `asks`, and of `reasons`, the first word that can be named is named.
    """
    rng = random.Random(f"{seed}:{task.id}:ending")
    if task.kind == "infeasible":
        return refusal(task.reasons[0], rng)
    return " ".join(_asked(words, rng) for words in task.asks if words)


def _asked(words: Wordings, rng: random.Random) -> str:
    noun = next((word for word in words if word not in _ASKING), None)
    if noun is None:
        return f"{words[0].capitalize()} is it?"
    return question(noun, rng, value=bool(_VALUES.intersection(words)))
