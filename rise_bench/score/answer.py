"""What the final message states: facts, and whether this trajectory supports them (DESIGN 4.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from pydantic import JsonValue

from rise_bench.score.text import (
    contains_phrase,
    normal_text,
    numbers_in,
    parse_date,
    parse_datetime,
    sentences,
    tokens,
)
from rise_bench.score.values import normal_path
from rise_bench.types import Derivation, Fact

__all__ = ["Answer", "FactFinding", "derive", "judge_fact"]

_NEGATED = re.compile(
    r"(?:\b(?:not|never|without|neither|nor|cannot|no longer|rather than|instead of)\b|n['’]t\b)(?! only\b)"
    r"(?:\s+\S+){0,2}[\W_]*$|\bno[\W_]+$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:(](?=\s|$)|\s[-–—]+\s|\bbut\b", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)[\"“”'‘’`]([^\"“”'‘’`\n]{2,120})[\"“”'‘’`](?!\w)")
_ITEM = re.compile(r"[-*•|]|\d+[.)]")


@dataclass(frozen=True, slots=True)
class FactFinding:
    """One asked fact: `stated` and `supported` as DESIGN 4.2 says; `slot` = holds some supported value of its type."""

    stated: bool
    supported: bool
    slot: bool
    competitor: JsonValue = None
    found: JsonValue = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The text that may state facts, the request's quotations, and the texts of the successful results."""

    text: str
    request: str
    results: tuple[str, ...]
    root: str = ""

    @property
    def quotations(self) -> tuple[str, ...]:
        """Quoted parts of the request: digits in them are no numbers of the answer."""
        return _quotations(self.request)


@lru_cache(maxsize=1024)
def _quotations(request: str) -> tuple[str, ...]:
    return tuple(match.group(1) for match in _QUOTED.finditer(request))


def judge_fact(fact: Fact, answer: Answer, others: Sequence[Fact] = ()) -> FactFinding:
    """Is the fact stated, without a competing value, and does this trajectory support it?

    Args:
        fact: what was asked for.
        answer: the message, the request and what the trajectory's results say.
        others: the task's other facts; a sentence about one of them fills no slot of this one.
    """
    where = _places(fact, answer, others)
    wanted = (fact.value, *fact.accept)
    figures = _long_figures(fact, answer.results)
    hit = (
        any(_in_place(value, fact, place, answer) for place in where.places for value in wanted)
        or any(_rounds(value, figures) for place in where.places for value in _values_of_type(fact, place, answer))
        or _says_none(fact, where.places)
    )
    competitor = next(
        (
            value
            for value in fact.competing
            for place in where.rivals
            if not is_value_of(value, fact) and _in_place(value, fact, place, answer)
        ),
        None,
    )
    supported = bool(figures) or any(_supported(value, fact, answer.results) for value in wanted)
    if hit and competitor is None and supported:
        return FactFinding(True, True, True, None, fact.value)
    found = fact.value if hit else competitor
    slot = _slot_is_filled(fact, where.slots, answer, hit and supported)
    if found is None:
        found = next((_shown(value) for place in where.slots for value in _values_of_type(fact, place, answer)), None)
    return FactFinding(hit and competitor is None, supported, slot, competitor, found)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a fact may be stated, where a competing value spoils it, and where its slot may be filled at all."""

    places: list[str]
    rivals: list[str]
    slots: list[str]


def _places(fact: Fact, answer: Answer, others: Sequence[Fact]) -> _Where:
    """Sentences that hold an `about` word. Where those hold no value of the type: a block of `key: value` lines with an
    `about` word, else the only value of the type in the text, else sentences that share a word with the request; what is
    about another fact is left out of all three, and a competing value anywhere spoils them.
    """
    parts = sentences(answer.text)
    if not fact.about:
        return _Where([*parts], [*parts], [*parts])  # the source says nothing of where the fact stands
    places = [_with_what_follows(parts, i) for i, part in enumerate(parts) if _is_about(fact, part)]
    rest = [part for part in parts if _is_about(fact, part) or not any(_is_about(other, part) for other in others)]
    if fact.type == "text":
        named = (fact.value, *fact.accept, *fact.competing)
        places = places or [part for part in rest if any(_states_text(str(value), part) for value in named)]
        return _Where(places, places, places)
    if any(_values_of_type(fact, place, answer) for place in places):
        return _Where(places, places, places)
    blocks = [block for block in _blocks(rest) if _is_about(fact, block) and _values_of_type(fact, block, answer)]
    alone = {_shown(value) for part in rest for value in _values_of_type(fact, part, answer)}
    if blocks or len(alone) == 1:
        return _Where(blocks or rest, rest, rest)
    shared = [part for part in rest if _content_words(part) & _content_words(answer.request)]
    return _Where([*places, *shared], rest, rest)


def _is_about(fact: Fact, part: str) -> bool:
    return any(contains_phrase(part, word) for word in fact.about)


def _blocks(parts: Sequence[str]) -> list[str]:
    """Runs of at least two `key: value` lines, each run as one text: how structured results are quoted."""
    runs: list[list[str]] = [[]]
    for part in parts:
        if _KEY_VALUE.match(part):
            runs[-1].append(part)
        else:
            runs.append([])
    return ["\n".join(run) for run in runs if len(run) > 1]


_KEY_VALUE = re.compile(r"^\W*[\w -]{1,40}:\s+\S.*[^.!?]$")


@lru_cache(maxsize=1024)
def _content_words(text: str) -> frozenset[str]:
    return frozenset(word for word in normal_text(text).split() if len(word) > 3 and word not in _COMMON)


def _long_figures(fact: Fact, results: Sequence[str]) -> list[float]:
    """Numbers in the results with more than two decimals that are the fact at the fact's own precision.

    A tool's 351.26193132800006 supports 351.26, and may be told as 351.262 or as 351.
    """
    wanted = _as_number(fact.value) if fact.type == "number" else None
    if wanted is None or wanted.is_integer():
        return []
    places = _decimals(wanted)
    return [n for text in results for n in numbers_in(text) if _decimals(n) > 2 and round(n, places) == wanted]


def _rounds(stated: object, figures: Sequence[float]) -> bool:
    """Is the stated number one of the figures, rounded to no fewer than three significant digits?"""
    value = _as_number(stated)
    if value is None or not figures or len(f"{abs(value):f}".strip("0").replace(".", "")) < 3:
        return False
    return any(round(figure, _decimals(value)) == value for figure in figures)


def _decimals(value: float) -> int:
    """Digits after the point in the shortest writing of the number."""
    text = repr(value)
    return 0 if "e" in text or text.endswith(".0") else len(text.partition(".")[2])


def _with_what_follows(parts: tuple[str, ...], start: int) -> str:
    """The sentence, and with `:` at its end what it introduces: the next line, and a list as a whole."""
    place = parts[start]
    if not place.rstrip("*_ ").endswith(":"):
        return place
    end = start + 2
    while end < min(len(parts), start + _LONGEST_LIST) and _ITEM.match(parts[end]):
        end += 1
    return " ".join(parts[start:end])


_LONGEST_LIST = 100
"""Lines that one `:` can introduce: a message whose every line ends in one must not be read line times line."""


def _says_none(fact: Fact, places: list[str]) -> bool:
    """`no invoices`, `none of the invoices`: nought in prose."""
    if fact.type != "number" or _as_number(fact.value) != 0:
        return False
    about = "|".join(re.escape(word) for word in fact.about)
    said = re.compile(rf"\b(?:no|zero)\s+(?:[\w-]+\s+){{0,2}}(?:{about})\b|\bnone\b", re.IGNORECASE)
    return bool(about) and any(said.search(place) for place in places)


def is_value_of(value: JsonValue, fact: Fact) -> bool:
    """True iff the value is the fact's, in one of its spellings and within its tolerance."""
    return any(_equal(value, other, fact) for other in (fact.value, *fact.accept))


def _equal(left: JsonValue, right: JsonValue, fact: Fact) -> bool:
    if fact.type == "number":
        return _close(_as_number(left), _as_number(right), fact.tolerance)
    return normal_text(str(left)) == normal_text(str(right))


def _as_number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value if isinstance(value, int | float) else str(value).replace(",", ""))
    except (ValueError, OverflowError):
        return None


def _close(left: float | None, right: float | None, tolerance: float) -> bool:
    """Within the relative tolerance; the default one rounds fractions, it does not reach the next whole number."""
    if left is None or right is None:
        return False
    if tolerance <= _ROUNDING and left.is_integer() and right.is_integer():
        return left == right
    return abs(left - right) <= max(1e-9, tolerance * abs(left))


_ROUNDING = 1e-6
"""`Fact.tolerance` by default."""


def _values_of_type(fact: Fact, place: str, answer: Answer) -> list[object]:
    """Tokens of the fact's type that the place asserts: `7`, but not the 9 of `7, not 9`."""
    found = tokens(place, fact.type, answer.quotations if fact.type == "number" else ())
    return [token.value for token in found if not _negated(place, token.start)]


def _negated(place: str, start: int) -> bool:
    """Does a negation stand within three words before, in the same clause?"""
    return bool(_NEGATED.search(_CLAUSE.split(place[max(0, start - 80) : start])[-1]))


def _shown(value: object) -> JsonValue:
    if isinstance(value, int | float | str):
        return value
    return str(value)


def _in_place(value: JsonValue, fact: Fact, place: str, answer: Answer) -> bool:
    """Does this sentence state the value as a token of the fact's type?"""
    if fact.type == "number":
        wanted = _as_number(value)
        return any(_close(wanted, _as_number(found), fact.tolerance) for found in _values_of_type(fact, place, answer))
    if fact.type == "date":
        return any(_same_day(value, found) for found in _values_of_type(fact, place, answer))
    if fact.type == "datetime":
        return _states_moment(value, place)
    if fact.type == "path":
        wanted_path = normal_path(str(value), answer.root)
        found_paths = [normal_path(str(found), answer.root) for found in _values_of_type(fact, place, answer)]
        return wanted_path in found_paths or (wanted_path not in found_paths and _states_text(str(value), place))
    return _states_text(str(value), place)


def _same_day(value: JsonValue, found: object) -> bool:
    wanted = parse_date(str(value))
    if wanted is None or not isinstance(found, tuple):
        return False
    return bool(wanted[1:] == found[1:] and (wanted[0] is None or found[0] is None or wanted[0] == found[0]))


def _states_moment(value: JsonValue, place: str) -> bool:
    wanted = parse_datetime(str(value))
    if wanted is None:
        return _states_text(str(value), place)
    days = [token.value for token in tokens(place, "date")]
    if isinstance(wanted, date) and not isinstance(wanted, datetime):
        return any(_same_day(str(value), day) for day in days)
    clock = wanted.time().replace(tzinfo=None, second=0, microsecond=0) if isinstance(wanted, datetime) else wanted
    if not any(token.value == clock for token in tokens(place, "datetime")):
        return False
    return not isinstance(wanted, datetime) or not days or any(_same_day(str(value)[:10], day) for day in days)


def _states_text(value: str, place: str) -> bool:
    """Whole words in normal form, and no negation shortly before."""
    if not contains_phrase(place, value):
        return False
    words = r"[\W_]+".join(re.escape(word) for word in re.findall(r"\w+", value))
    found = list(re.finditer(rf"(?<!\w){words}(?!\w)", place, re.IGNORECASE)) if words else []
    return not found or any(not _negated(place, match.start()) for match in found)


def _supported(value: JsonValue, fact: Fact, results: Sequence[str]) -> bool:
    """The value occurs in a successful result, or its declared derivation gives it there."""
    if not results:
        return False
    if fact.derive is not None and any(_equal(value, derived, fact) for derived in derive(fact.derive, results)):
        return True
    return any(_occurs(value, fact, text) for text in results)


def _occurs(value: JsonValue, fact: Fact, text: str) -> bool:
    if fact.type == "number":
        wanted = _as_number(value)
        return any(_close(wanted, number, fact.tolerance) for number in numbers_in(text))
    if fact.type == "date":
        return any(_same_day(value, token.value) for token in tokens(text, "date"))
    if fact.type == "datetime":
        return _states_moment(value, text) or str(value) in text
    return bool(contains_phrase(text, str(value))) or str(value) in text


def derive(rule: Derivation, results: Sequence[str]) -> list[JsonValue]:
    """Values that a derivation gives over the texts of results: over all together, or over each alone.

    The same text found twice is one match, so that a list read twice is not counted twice.
    """
    groups = [[text] for text in results] if rule.per_result else [list(results)]
    pattern = re.compile(rule.pattern, re.MULTILINE)
    values: list[JsonValue] = []
    for group in groups:
        matches = {match.group(): match for text in group for match in pattern.finditer(text)}
        found = [match.group(1) if pattern.groups else match.group() for match in matches.values()]
        distinct = list(dict.fromkeys(found))
        # two lines of the same amount are two amounts: a sum takes each distinct match, the other rules each value once
        numbers = [number for item in found if (number := _as_number(item)) is not None]
        if rule.op == "find":
            values.extend(distinct)
        elif rule.op == "count":
            values.append(len(distinct))
        elif numbers:
            values.append(sum(numbers) if rule.op == "sum" else max(numbers) if rule.op == "max" else min(numbers))
    return values


def _slot_is_filled(fact: Fact, places: list[str], answer: Answer, hit: bool) -> bool:
    """Acc_task (ii): the slot holds a value of its type that this trajectory supports, be it the right one or not."""
    if hit:
        return True
    if not answer.results:
        return False
    rule = fact.derive  # a wrong count or sum of what was really seen is a value that the trajectory supports
    material = rule is not None and any(re.search(rule.pattern, text, re.MULTILINE) for text in answer.results)
    for place in places:
        for value in fact.competing:
            if _in_place(value, fact, place, answer) and (
                fact.derive or _occurs(value, fact, "\n".join(answer.results))
            ):
                return True
        for found in _values_of_type(fact, place, answer):
            if material or any(_occurs(_plain(found), fact, text) for text in answer.results):
                return True
        if fact.type in ("text", "path") and _holds_a_word_of_results(fact, place, answer):
            return True
    return False


def _plain(value: object) -> JsonValue:
    """A token as a value that `_occurs` can look for."""
    if isinstance(value, tuple):
        year, month, day = value
        return f"{year or 2000:04d}-{month:02d}-{day:02d}" if year else f"{day} {_month_name(month)}"
    return _shown(value)


def _month_name(month: int) -> str:
    return date(2000, month, 1).strftime("%B")


_COMMON = frozenset(
    re.findall(
        r"\w+",
        "the a an of in on at to for and or is are was were be been it its this that these those with from by as your you "
        "i have has had there here done file files named called will",
    )
)


def _holds_a_word_of_results(fact: Fact, place: str, answer: Answer) -> bool:
    """Is there a word that only the results can have given, and that could be (part of) a value such as the fact's?

    A name has no type by which it is known, so any word may be one. A number is none, unless the fact's own value has no
    letter either (the number of an order): some number or other stands in nearly every result.
    """
    skip = _COMMON | set(normal_text(answer.request).split()) | set(normal_text(" ".join(fact.about)).split())
    spelled = all(_has_letter(str(value)) for value in (fact.value, *fact.accept))
    words = {word for word in normal_text(place).split() if len(word) > 2 and word not in skip}
    words = {word for word in words if _has_letter(word)} if spelled else words
    return bool(words) and any(words & set(normal_text(text).split()) for text in answer.results)


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
