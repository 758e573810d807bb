"""Where words stand in a request, and moments whose day and time of day are said in different places of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from rise_bench.synth.words.dates import is_relative, read_date
from rise_bench.synth.words.numbers import time_words

__all__ = ["moment_apart", "spots"]

_LONGEST = 5
"""Words that say a day at most: `the 24th of March 2026`."""
_LINK = re.compile(r"(?: UTC)?,? (?:on |this )?")
"""Between a time of day and the day that it is tied to."""
_HALF = re.compile(r" ?[ap]\.?m\b")
"""Behind a time of day, what makes another one of it, or the same that is found with it."""


def spots(words: str, text: str) -> list[tuple[int, int]]:
    """Half-open spans at which the words stand in the text, as whole words, whatever the case of the first letter."""
    if len(words) < 3 and not re.search(r"\w", words):  # a bare point stands in every text
        return []
    form = re.escape(words[0]) if not words[0].isalpha() else f"[{words[0].lower()}{words[0].upper()}]"
    pattern = rf"(?<![\w/])(?<!\w-){form}{re.escape(words[1:])}(?![\w/]|[.-]\w)"
    return [match.span() for match in re.finditer(pattern, text)]


def moment_apart(value: str, text: str, now: str) -> tuple[str, bool] | None:
    """The words of day and time that say a moment apart from each other, and whether the day is seen from `now`; else None.

    A time of day belongs to the day right behind it, else to the last one named before it, else to the first one after it:
    `on 24 March in the chapel, from 18:00 to 19:30`.

    Args:
        value: ISO 8601 moment to the minute, of the zone of `now` or of none.
        now: ISO 8601 instant from which the words are seen.
    """
    try:
        moment, here = datetime.fromisoformat(value), datetime.fromisoformat(now)
    except ValueError:
        return None
    if moment.second or moment.microsecond or (moment.tzinfo is not None and moment.utcoffset() != here.utcoffset()):
        return None
    days = list(_days(text, here.date()))
    for words in time_words(moment.time().replace(tzinfo=None)):
        for start, end in spots(words, text):
            found = None if _HALF.match(text, end) else _day_of(start, end, days, text)
            if found is not None and found[2] == moment.date():
                said = text[found[0] : found[1]]
                return f"{said} … {text[start:end]}", is_relative(said)
    return None


def _days(text: str, today: date) -> Iterator[tuple[int, int, date]]:
    """Spans of words that name a day, none inside another, in order."""
    words = [match.span() for match in re.finditer(r"[\w'-]+", text)]
    first = 0
    while first < len(words):
        step = 1
        for size in range(min(_LONGEST, len(words) - first), 0, -1):
            start, end = words[first][0], words[first + size - 1][1]
            day = read_date(text[start:end], today)
            if day is not None:
                yield start, end, day
                step = size
                break
        first += step


def _day_of(start: int, end: int, days: list[tuple[int, int, date]], text: str) -> tuple[int, int, date] | None:
    """The day to which the time of day at this place belongs."""
    behind = [day for day in days if day[0] >= end]
    if behind and _LINK.fullmatch(text[end : behind[0][0]]):
        return behind[0]
    before = [day for day in days if day[1] <= start]
    return before[-1] if before else behind[0] if behind else None
