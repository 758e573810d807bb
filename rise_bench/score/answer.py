"""What the final message says: facts stated and supported, a question asked, a request declined (DESIGN 4.2).

The text rules are ours; `docs/text_rules.md` gives their error rates on labelled replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

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
from rise_bench.types import Derivation, Fact, Task

__all__ = ["Answer", "FactFinding", "asked", "claims_completion", "declined", "judge_fact"]

_NEGATION = {"not", "no", "never", "without", "neither", "nor", "isn", "wasn", "aren", "weren", "instead"}
_QUOTED = re.compile(r"[\"“”'‘’`]([^\"“”'‘’`\n]{2,120})[\"“”'‘’`]")


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
        return tuple(match.group(1) for match in _QUOTED.finditer(self.request))


def judge_fact(fact: Fact, answer: Answer) -> FactFinding:
    """Is the fact stated, without a competing value, and does this trajectory support it?"""
    places = _places(fact, answer)
    wanted = (fact.value, *fact.accept)
    hit = any(_in_place(value, fact, place, answer) for place in places for value in wanted)
    competitor = next(
        (
            value
            for value in fact.competing
            for place in places
            if not _is_wanted(value, fact) and _in_place(value, fact, place, answer)
        ),
        None,
    )
    supported = any(_supported(value, fact, answer.results) for value in wanted)
    if hit and competitor is None and supported:
        return FactFinding(True, True, True, None, fact.value)
    found = fact.value if hit else competitor
    slot = _slot_is_filled(fact, places, answer, hit and supported)
    if found is None:
        found = next((_shown(value) for place in places for value in _values_of_type(fact, place, answer)), None)
    return FactFinding(hit and competitor is None, supported, slot, competitor, found)


def _places(fact: Fact, answer: Answer) -> list[str]:
    """Sentences that hold an `about` word; where none does, the whole text if it holds one value of the type."""
    parts = sentences(answer.text)
    places = [part for part in parts if any(contains_phrase(part, word) for word in fact.about)]
    if places:
        return places
    if fact.type in ("number", "date", "datetime", "path"):
        found = {_shown(value) for value in _values_of_type(fact, answer.text, answer)}
        return [answer.text] if len(found) == 1 else []
    return [part for part in parts if any(contains_phrase(part, str(v)) for v in (fact.value, *fact.accept))]


def _is_wanted(value: JsonValue, fact: Fact) -> bool:
    return any(_equal(value, other, fact) for other in (fact.value, *fact.accept))


def _equal(left: JsonValue, right: JsonValue, fact: Fact) -> bool:
    if fact.type == "number":
        return _close(_as_number(left), _as_number(right), fact.tolerance)
    return normal_text(str(left)) == normal_text(str(right))


def _as_number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).replace(",", ""))
    except ValueError:
        return None


def _close(left: float | None, right: float | None, tolerance: float) -> bool:
    return left is not None and right is not None and abs(left - right) <= max(1e-9, tolerance * abs(left))


def _values_of_type(fact: Fact, place: str, answer: Answer) -> list[object]:
    return [token.value for token in tokens(place, fact.type, answer.quotations if fact.type == "number" else ())]


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
    """Whole words in normal form, and no negation in the three words before."""
    words = normal_text(place).split()
    return any(not _NEGATION & set(words[max(0, at - 3) : at]) for at in contains_phrase(place, value))


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
    """Values that a derivation gives over the texts of results: over all together, or over each alone."""
    groups = [[text] for text in results] if rule.per_result else [list(results)]
    pattern = re.compile(rule.pattern, re.MULTILINE)
    values: list[JsonValue] = []
    for group in groups:
        found = [match.group(1) if pattern.groups else match.group() for text in group for match in pattern.finditer(text)]
        distinct = list(dict.fromkeys(found))
        numbers = [number for item in distinct if (number := _as_number(item)) is not None]
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
    for place in places:
        for value in fact.competing:
            if _in_place(value, fact, place, answer) and (fact.derive or _occurs(value, fact, "\n".join(answer.results))):
                return True
        for found in _values_of_type(fact, place, answer):
            if any(_occurs(_plain(found), fact, text) for text in answer.results):
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
    "the a an of in on at to for and or is are was were be been it its this that these those with from by as your you "
    "i have has had there here done file files named called will".split()
)


def _holds_a_word_of_results(fact: Fact, place: str, answer: Answer) -> bool:
    skip = _COMMON | set(normal_text(answer.request).split()) | set(normal_text(" ".join(fact.about)).split())
    words = {word for word in normal_text(place).split() if len(word) > 2 and word not in skip}
    return bool(words) and any(words & set(normal_text(text).split()) for text in answer.results)


# --- asking and declining ---------------------------------------------------------------------------------------------

_ASKING = re.compile(
    r"\?|^\W*(?:please|kindly)\b|\b(?:could|can|would|will) you\b|\blet me know\b|\btell me\b|\bI(?:'d| would)? need\b"
    r"|\bplease (?:tell|specify|confirm|provide|clarify|give|let|share)\b",
    re.IGNORECASE,
)
_DONE_VERBS = (
    "moved|copied|created|written|wrote|saved|sent|added|updated|changed|deleted|removed|renamed|booked|scheduled|"
    "recorded|inserted|committed|converted|set|made|put|edited|replaced|stored|merged|marked|registered|appended|filed|"
    "checked out|archived|completed|finished|done|taken care"
)
_COMPLETION = re.compile(
    rf"\b(?:I|we)(?:'ve| have)?(?: (?:now|just|already|also|successfully))* (?:{_DONE_VERBS})\b"
    rf"|\b(?:has|have|was|were|is|are) (?:now |already |successfully |been )*(?:{_DONE_VERBS})\b"
    rf"|^\W*(?:done|all done|finished|completed|success(?:fully)?)\b|\bsuccessfully (?:{_DONE_VERBS})\b",
    re.IGNORECASE,
)
_NOT_DONE = re.compile(
    r"\b(?:not|n't|never|no|nothing|cannot|can't|before|once|if|when|until|should|unable|without|what|which)\b|n['’]t\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\b(?:cannot|can not|unable|not able|not possible|impossible|isn['’]t possible|not available|unavailable|"
    r"not supported|no (?:tool|way|access|ability|means|option|function|capability|permission)|lack|beyond|outside)\b"
    r"|\b(?:can|could|don|doesn|do|does|isn|am|aren|is|are|won|wasn)(?:['’]t| not)\b|\bnone of\b|\bsorry\b|\bwithout\b",
    re.IGNORECASE,
)


def claims_completion(text: str) -> bool:
    """True where a sentence says that something was done, and does not say it of a negative or a condition."""
    return any(
        not _NOT_DONE.search(part[: match.end()])
        for part in sentences(text)
        if not part.rstrip().endswith("?")
        for match in _COMPLETION.finditer(part)
    )


def asked(task: Task, text: str) -> bool:
    """True iff the message claims no completion and asks for a missing slot, and for none that the request gives."""
    if claims_completion(text):
        return False
    questions = [part for part in sentences(text) if _ASKING.search(part)]
    names = any(_names(part, slot) for part in questions for slot in task.asks)
    needless = any(
        _names(part, slot) and not any(_names(part, other) for other in task.asks)
        for part in questions
        for slot in task.given
    )
    return names and not needless


def declined(task: Task, text: str) -> bool:
    """True iff the message claims no completion and says, in a negative sentence, which capability is missing."""
    if claims_completion(text):
        return False
    parts = sentences(text)
    refuses = [part for part in parts if _REFUSAL.search(part)]
    return bool(refuses) and any(_names(part, task.reasons) for part in parts)


def _names(text: str, words: Iterable[str]) -> bool:
    return any(contains_phrase(text, word) for word in words)
