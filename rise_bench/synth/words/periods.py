"""Spans of days that people name: `next week`, `in April`, `the weekend`, `on Friday`; and whether a moment bounds one."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime, time, timedelta

from rise_bench.synth.words.dates import MONTHS, read_date

__all__ = ["bounds", "bounds_any", "span_of", "window_of"]

_WEEKS = {"last week": -7, "this week": 0, "next week": 7}
_MONTHS = {"last month": -1, "this month": 0, "next month": 1}
_YEARS = {"last year": -1, "this year": 0, "next year": 1}
_NAMED_MONTH = re.compile(rf"(?:in |during |for |of )?({'|'.join(MONTHS)})(?: (\d{{4}}))?")
_DAYS_ON = re.compile(r"the (?:next|coming) (seven|7|two|2|three|3|ten|10|fourteen|14|thirty|30) days")
_COUNT = {"two": 2, "three": 3, "seven": 7, "ten": 10, "fourteen": 14, "thirty": 30}
_END = time(23, 59)
_LONGEST = 4
"""Words that name a span at most."""


def span_of(words: str, today: date) -> tuple[date, date] | None:
    """First and last day of the span that words name, seen from a day; None where they name none. Weeks begin on Monday.

    A single day is a span of its own; a month without a year is that of the current year.
    """
    text = " ".join(words.split())
    monday = today - timedelta(days=today.weekday())
    if (shift := _WEEKS.get(text.casefold())) is not None:
        return monday + timedelta(days=shift), monday + timedelta(days=shift + 6)
    if (ahead := {"this weekend": 5, "the weekend": 5, "next weekend": 12}.get(text.casefold())) is not None:
        return monday + timedelta(days=ahead), monday + timedelta(days=ahead + 1)
    if text.casefold() in ("the coming week", "the week ahead"):
        return today, today + timedelta(days=6)
    if match := _DAYS_ON.fullmatch(text.casefold()):
        return today, today + timedelta(days=(_COUNT.get(match[1]) or int(match[1])) - 1)
    if (months := _MONTHS.get(text.casefold())) is not None:
        year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
        return _month(year, month + 1)
    if (years := _YEARS.get(text.casefold())) is not None:
        return date(today.year + years, 1, 1), date(today.year + years, 12, 31)
    if match := _NAMED_MONTH.fullmatch(text):
        return _month(int(match[2] or today.year), MONTHS.index(match[1]) + 1)
    day = read_date(text.removeprefix("on "), today)
    return (day, day) if day else None


def _month(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def bounds(value: str, words: str, now: str) -> bool:
    """Is a day or moment the beginning or the end of the span that words name?

    The beginning is its first day, or midnight of that; the end its last day, the last minute or second of that, or the
    midnight after it.

    Args:
        value: ISO 8601 day or moment.
        now: ISO 8601 instant from which the words are seen.
    """
    try:
        moment = datetime.fromisoformat(value)
        span = span_of(words, datetime.fromisoformat(now).date())
    except ValueError:
        return False
    if span is None:
        return False
    first, last = span
    clock = moment.time().replace(tzinfo=None)
    if clock == time(0):
        return moment.date() in (first, last, last + timedelta(days=1))
    return moment.date() == last and clock >= _END


def bounds_any(value: object, text: str, now: str) -> bool:
    """Is a day or moment the beginning or the end of any span that a text names?"""
    return isinstance(value, str) and any(bounds(value, words, now) for words in _phrases(text))


def window_of(first: str, last: str, text: str, now: str) -> str:
    """The words of a text that name a span within a window, the longest; empty where it names none.

    A window that ends at midnight, or with a day, does not hold that day, but may end with a longer span (`in May`).

    Args:
        first: ISO 8601 day or moment at which the window begins.
        last: the one at which it ends.
        now: ISO 8601 instant from which the words are seen.
    """
    try:
        begin, end = datetime.fromisoformat(first).date(), datetime.fromisoformat(last)
        today = datetime.fromisoformat(now).date()
    except ValueError:
        return ""
    midnight = end.time().replace(tzinfo=None) == time(0)

    def holds(span: tuple[date, date]) -> bool:
        open_end = midnight and span[0] == span[1]
        return begin <= span[0] and (span[1] < end.date() if open_end else span[1] <= end.date())

    held = [words for words in _phrases(text) if (span := span_of(words, today)) and holds(span)]
    return max(held, key=len, default="")


def _phrases(text: str) -> list[str]:
    words = [word.removesuffix("'s") for word in re.findall(r"[\w'-]+", text)]
    return [" ".join(words[at : at + size]) for size in range(1, _LONGEST + 1) for at in range(len(words) - size + 1)]
