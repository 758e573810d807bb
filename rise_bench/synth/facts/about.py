"""Words by which a value is spoken of, from the names of fields, tools and parameters: `leadDays` -> lead days, lead, day."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

__all__ = ["about", "many_in", "noun_of", "of_many", "of_one", "phrase", "words_of"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SAID = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+")
_DATE_OR_TIME = re.compile(r"\d[-/:.]\d")
_DULL = frozenset(
    re.findall(
        r"\w+",
        "get list read search find show describe fetch query open view check do run make all by of for the a an in to from "
        "with and or as is on at new my content contents text result results value values data structured output response "
        "objects object info information details tool api json string root type kind status ok "
        "is are was were be has have had there you your only first last each per no not it this that than "
        "success message index key current set convert compute calculate evaluate x y z n id ids uid uuid "
        "md txt csv xlsx jsonl yaml yml html pdf ics db py js",
    )
)
_ACTS = frozenset(
    re.findall(
        r"\w+",
        "create add append insert write edit update upsert rename move copy delete remove clear reset archive complete mark "
        "done approve parse validate decode encode import export count filter merge sort build detect suggest preview "
        "supported available staged unstaged last next previous",
    )
)
"""Words of a tool's name that say what it does, not of what."""
_JOINTS = frozenset(("of", "to", "by", "for", "in", "from", "with", "between", "or", "and", "per", "at", "on"))
_COUNTS = frozenset(("number", "numbers", "count", "counts"))
"""Words that stand beside every number, whatever it counts: a sentence that holds one may be about anything."""
_NO_PLURAL = frozenset(
    ("paid", "due", "sent", "left", "spent", "gross", "net", "actual", "next", "free", "open", "low", "high")
)
_LISTS = re.compile(r"(?:^|[._-])(?:list|search|find|filter)|(?:list|search)$", re.IGNORECASE)
_PATH = re.compile(r"\S+\.[A-Za-z]{1,4}\d?|\S*/")
_ADDED_ES = re.compile(r"(?:ss|x|zz|[cst]h|(?:stat|bon|vir|camp)us|^bus)es$")
_SPELLED = {
    "pct": "percent",
    "min": "minimum",
    "max": "maximum",
    "avg": "average",
    "std": "standard deviation",
    "stddev": "standard deviation",
    "desc": "description",
    "freq": "frequency",
    "qty": "quantity",
    "num": "number of",
    "sq": "square",
}
_UNITS = {
    "g": "grams",
    "kg": "kg",
    "mg": "mg",
    "cm": "cm",
    "mm": "mm",
    "m": "metres",
    "km": "km",
    "kcal": "kcal",
    "ml": "ml",
}
_MOST = 10


def words_of(name: str) -> list[str]:
    """Lower-case words of a name in camelCase, snake_case, kebab-case or plain text; those that say nothing left out."""
    found = [word.casefold() for word in _WORD.findall(name)]
    return [word for word in dict.fromkeys(found) if len(word) > 1 and word not in _DULL]


def of_one(word: str) -> str:
    """The word for one of them, by the commonest English endings."""
    if word in ("series", "species"):
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-1] if word in ("calories", "movies", "cookies") else word[:-3] + "y"
    if len(word) > 4 and _ADDED_ES.search(word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def of_many(word: str) -> str:
    """The word for several of them."""
    if of_one(word) != word or not word.isalpha() or word in _NO_PLURAL or word.endswith(("ed", "en", "ly")):
        return word
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|z|ch|sh)$", word) else "s")


def phrase(name: str, kind: str = "") -> str:
    """A name as it is said: `lead_days` -> `lead days`; as it stands where no word of it says anything.

    Abbreviations are spelled out, a unit at the end is introduced (`fat_g` -> `fat in grams`), and what says only that
    something was or is to be done gets a noun (`due`, a `date` -> `due date`). Of a path the last step, as it stands.

    Args:
        kind: type of the fact that is called so.
    """
    if _PATH.fullmatch(name):
        return name.rstrip("/").rpartition("/")[2] or name
    if not words_of(name):
        return name.replace("_", " ").strip().casefold()
    if _DATE_OR_TIME.search(name):
        return name.replace("_", " ").strip()
    words = [word.casefold() for word in _SAID.findall(name)]
    if len(words) > 1 and words[-1] in _UNITS:
        words[-1:] = ["in", _UNITS[words[-1]]]
    said = " ".join(_SPELLED.get(word, word) for word in words)
    if kind in ("date", "datetime") and said == "due":
        return "due date"
    if kind in ("date", "datetime") and len(words) == 1 and said.endswith("ed"):
        return f"{said} {'time' if kind == 'datetime' else 'date'}"
    return said


def noun_of(tool: str) -> str:
    """What a tool gives several of: `list-events` -> `events`; empty where its name does not say."""
    server, _, name = tool.rpartition(".")
    parts = [word.casefold() for word in _WORD.findall(name)]
    parts = parts[1:] if parts[:1] == [server] else parts
    return many_in(parts)


def many_in(parts: Iterable[str]) -> str:
    """The noun, in many, of the words of a name: what stands before the first `of`, `to`, ..., else what stands behind."""
    parts = list(parts)
    for some in (list(takewhile(lambda word: word not in _JOINTS, parts)), parts):
        words = [word for word in words_of(" ".join(some)) if word not in _ACTS and not word.endswith("ed")]
        if words:
            return of_many(words[-1])
    return ""


def about(first: str, *more: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Words for `Fact.about`: what the value is, phrases as they are given, then single words in one and many.

    Args:
        first: how the value is called; stands first, so that an author can ask for it.
        more: phrases that are kept whole, such as the label of the row that it stands in.
        names: field, tool and parameter names to take words from; the tool's is the last.
    """
    names = list(names)
    if first in _COUNTS and not more and names and _LISTS.search(names[-1]) and noun_of(names[-1]):
        first = f"number of {noun_of(names[-1])}"
    first = _without_echo(first)
    single: list[str] = []
    for name in (first, *names):
        head, others = _head(name)
        single += [form for word in head for form in (word, of_one(word), of_many(word))]
        single += others
    found = [part for part in (first, *more, *(word for word in single if word not in _COUNTS)) if part.strip()]
    return tuple(dict.fromkeys(found))[:_MOST] or ("result",)


def _head(name: str) -> tuple[list[str], list[str]]:
    """The word of a name that says what it is, and the others: `seats` of `free seats`, `day` of `day of week`."""
    words = words_of(name)
    front = " ".join(takewhile(lambda word: word not in _JOINTS, name.split(" ")))
    own = [word for word in words_of(front) if word not in _COUNTS]
    head = own[-1:] or words[-1:]
    return head, [word for word in words if word not in head]


def _without_echo(said: str) -> str:
    """`total total` is the total; how many numbers or counts there are is how many entries."""
    words = said.split(" ")
    kept = [word for index, word in enumerate(words) if not index or of_one(word) != of_one(words[index - 1])]
    if kept[:2] == ["number", "of"] and kept[2:] and kept[-1] in _COUNTS:
        kept = ["number", "of", "entries"]
    return " ".join(kept)
