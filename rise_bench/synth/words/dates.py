"""Days as people say them, seen from another day, and back; weeks begin on Monday."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from rise_bench.score.text import parse_date
from rise_bench.synth.words.numbers import number_words, read_number

__all__ = ["DAYS", "MONTHS", "date_words", "is_relative", "read_date"]

DAYS = tuple(calendar.day_name)
MONTHS = tuple(calendar.month_name)[1:]
_NAMED = {
    "today": 0,
    "tomorrow": 1,
    "yesterday": -1,
    "the day after tomorrow": 2,
    "the day before yesterday": -2,
    "a week from today": 7,
    "a week ago today": -7,
    "two weeks from today": 14,
}
_FORMS: tuple[tuple[str, int], ...] = (
    (r"(?P<day>\w+) next week", 7),
    (r"(?P<day>\w+) last week", -7),
    (r"(?P<day>\w+) of this week", 0),
)
_COUNTED = re.compile(r"in (?P<ahead>[\w-]+) days|(?P<back>[\w-]+) days ago")
_THIS_MONTH = re.compile(r"the (\d{1,2})(?:st|nd|rd|th) of this month")


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def date_words(day: date, today: date | None) -> tuple[str, ...]:
    """Ways to say a day, the ISO form first; relative ones only where `today` is given and near enough."""
    month = MONTHS[day.month - 1]
    said = [day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"]
    if today is None:
        return tuple(said)
    if day.year == today.year:
        said += [f"{day.day} {month}", f"{month} {_ordinal(day.day)}", f"the {_ordinal(day.day)} of {month}"]
        if day.month == today.month:
            said.append(f"the {_ordinal(day.day)} of this month")
    distance = (day - today).days
    said += [words for words, days in _NAMED.items() if days == distance]
    name = DAYS[day.weekday()]
    if 0 < distance < 7:
        said.append(f"this coming {name}")
    if -7 < distance < 0:
        said.append(f"this past {name}")
    weeks = (day - timedelta(days=day.weekday()) - today + timedelta(days=today.weekday())).days
    said += [words for form, shift in _FORMS if shift == weeks for words in [form.replace(r"(?P<day>\w+)", name)]]
    if 3 <= abs(distance) <= 20:
        count = number_words(abs(distance))[1 if abs(distance) <= 12 else 0]
        said.append(f"in {count} days" if distance > 0 else f"{count} days ago")
    return tuple(said)


def is_relative(words: str) -> bool:
    """Do the words say a day only together with the day on which they are said?"""
    return parse_date(words.removeprefix("the ")) is None


def read_date(words: str, today: date | None) -> date | None:
    """The day that words say, a missing year being that of `today`; None where they say none."""
    try:
        return _read(words.strip(), today)
    except (ValueError, OverflowError):  # the calendar has no such day
        return None


def _read(text: str, today: date | None) -> date | None:
    if (parsed := parse_date(text.removeprefix("the "))) is not None:
        year = parsed[0] or (today.year if today else None)
        return date(year, parsed[1], parsed[2]) if year else None
    return _relative(text.casefold(), today) if today else None


def _relative(text: str, today: date) -> date | None:
    if text in _NAMED:
        return today + timedelta(days=_NAMED[text])
    monday = today - timedelta(days=today.weekday())
    for form, shift in _FORMS:
        if (match := re.fullmatch(form, text)) and (index := _weekday(match["day"])) is not None:
            return monday + timedelta(days=index + shift)
    if text.startswith("this coming ") and (index := _weekday(text.removeprefix("this coming "))) is not None:
        return today + timedelta(days=(index - today.weekday() - 1) % 7 + 1)
    if text.startswith("this past ") and (index := _weekday(text.removeprefix("this past "))) is not None:
        return today - timedelta(days=(today.weekday() - index - 1) % 7 + 1)
    if match := _COUNTED.fullmatch(text):
        count = read_number(match["ahead"] or match["back"])
        return None if count is None else today + timedelta(days=int(count) * (1 if match["ahead"] else -1))
    match = _THIS_MONTH.fullmatch(text)
    return today.replace(day=int(match[1])) if match else None


def _weekday(name: str) -> int | None:
    return next((index for index, day in enumerate(DAYS) if day.casefold() == name), None)
