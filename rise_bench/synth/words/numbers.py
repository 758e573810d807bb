"""Numbers and times of day as people say them, and back."""

from __future__ import annotations

import re
from datetime import time

from rise_bench.score.text import parse_datetime, tokens

__all__ = ["more_percent_words", "number_words", "percent_words", "read_number", "read_time", "time_words"]

_ONES: list[str] = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS: list[str] = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_COUNTS = {"a couple": 2, "half a dozen": 6, "a dozen": 12, "two dozen": 24, "one": 1}
"""Read, and not said: `the first a dozen lines` is no English."""
_PARTS = ("in the morning", "in the afternoon", "in the evening")


def _in_words(number: int) -> str:
    """A whole number from 0 to 9,999 in words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = divmod(number, size)
    link = " and " if 0 < rest < 100 else " " if rest else ""
    return f"{_in_words(head)} {name}{link}{_in_words(rest) if rest else ''}"


def number_words(number: int | float) -> tuple[str, ...]:
    """Ways to say a number, digits first; words only where the number is short in words."""
    whole = isinstance(number, int) or number.is_integer()
    if not whole:
        return (repr(number),)
    count = int(number)
    said = [str(count)]
    if 1900 <= count < 2100:  # what may be a year is said as one
        return (str(count),)
    if abs(count) >= 1000:
        said.append(f"{count:,}")
    if 0 <= count <= 100 or (0 <= count < 10_000 and count % 100 == 0):
        said.append(_in_words(count))
    return tuple(said)


def percent_words(share: int | float) -> tuple[str, ...]:
    """Ways to say a share of one: `4.5%`, `4.5 per cent`."""
    hundredths = f"{share * 100:.6f}".rstrip("0").rstrip(".")
    return f"{hundredths}%", f"{hundredths} per cent"


def more_percent_words(share: int | float) -> tuple[str, ...]:
    """Ways to say a share of one that are understood and not used: `4.5 %`, `4.5 percent`."""
    sign, _ = percent_words(share)
    return f"{sign[:-1]} %", f"{sign[:-1]} percent"


def read_number(words: str) -> int | float | None:
    """The number that words say, None where they say none or more than one."""
    text = words.strip().casefold()
    if text in _COUNTS:
        return _COUNTS[text]
    if re.fullmatch(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)", text):  # maybe more digits than a float holds
        return int(text.replace(",", ""))
    found = tokens(text, "number")
    if len(found) != 1 or (found[0].start, found[0].end) != (0, len(text)):
        return None
    value = found[0].value
    assert isinstance(value, int | float)  # what the kind `number` holds
    return int(value) if float(value).is_integer() else value


def time_words(moment: time) -> tuple[str, ...]:
    """Ways to say a time of day to the minute: `14:30`, `2:30 pm`, `half past two in the afternoon`, `noon`."""
    hour, minute = moment.hour, moment.minute
    half, short = ("pm" if hour >= 12 else "am"), hour % 12 or 12
    said = [f"{hour:02}:{minute:02}"]
    if hour % 12:  # nobody agrees on what `12 am` is
        said.append(f"{short}:{minute:02} {half}")
        said += [f"{short} {half}"] if not minute else []
    if (hour, minute) == (12, 0):
        said.append("noon")
    part = _PARTS[0] if hour < 12 else _PARTS[1] if hour < 18 else _PARTS[2]
    if minute == 30 and 1 <= hour < 22:
        said.append(f"half past {_ONES[short]} {part}")
    if minute == 15 and 1 <= hour < 22:
        said.append(f"quarter past {_ONES[short]} {part}")
    return tuple(said)


def read_time(words: str) -> time | None:
    """The time of day that words say, None where they say none or leave the half of the day open."""
    text = words.strip().casefold()
    if re.fullmatch(r"\d{1,2}:\d{2}", text) or re.fullmatch(r"\d{1,2}(:\d{2})? [ap]m", text):
        found = parse_datetime(text)
        return found if isinstance(found, time) else None
    if text == "noon":
        return time(12)
    worded = [token for token in tokens(text, "datetime") if (token.start, token.end) == (0, len(text))]
    if len(worded) != 1 or not isinstance(worded[0].value, time):
        return None
    return worded[0].value
