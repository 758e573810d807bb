"""Words by which a value is spoken of, from the names of fields, tools and parameters: `leadDays` -> lead days, lead, day."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["about", "noun_of", "of_many", "of_one", "phrase", "words_of"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DULL = frozenset(
    re.findall(
        r"\w+",
        "get list read search find show describe fetch query open view check do run make all by of for the a an in to from "
        "with and or as is on at new my content contents text result results value values data structured output response "
        "objects object info information details tool api json string root type kind status ok "
        "is are was were be has have had there you your only first last each per no not it this that than "
        "success message index key current set convert compute calculate evaluate x y z n id ids uid uuid",
    )
)
_MOST = 10


def words_of(name: str) -> list[str]:
    """Lower-case words of a name in camelCase, snake_case, kebab-case or plain text; those that say nothing left out."""
    found = [word.casefold() for word in _WORD.findall(name)]
    return [word for word in dict.fromkeys(found) if len(word) > 1 and word not in _DULL]


def of_one(word: str) -> str:
    """The word for one of them, by the commonest English endings."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(?:s|x|z|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def of_many(word: str) -> str:
    """The word for several of them."""
    if of_one(word) != word or not word.isalpha() or word.endswith(("ed", "en", "ly")):
        return word
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|z|ch|sh)$", word) else "s")


def phrase(name: str) -> str:
    """A name as it is said: `lead_days` -> `lead days`; as it stands where no word of it says anything."""
    said = " ".join(word.casefold() for word in _WORD.findall(name))
    return said if words_of(name) else name.replace("_", " ").strip().casefold()


def noun_of(tool: str) -> str:
    """What a tool gives several of: `list-events` -> `events`; empty where its name does not say."""
    words = words_of(tool.partition(".")[2] or tool)
    return of_many(words[-1]) if words else ""


def about(first: str, *more: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Words for `Fact.about`: what the value is, phrases as they are given, then single words in one and many.

    Args:
        first: how the value is called; stands first, so that an author can ask for it.
        more: phrases that are kept whole, such as the label of the row that it stands in.
        names: field, tool and parameter names to take words from.
    """
    single: list[str] = []
    for name in (first, *names):
        words = words_of(name)
        single += [form for word in words[-1:] for form in (word, of_one(word), of_many(word))]
        single += words[:-1]
    found = [part for part in (first, *more, *single) if part.strip()]
    return tuple(dict.fromkeys(found))[:_MOST] or ("result",)
