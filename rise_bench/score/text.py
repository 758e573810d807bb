"""Reading plain text: normal form, sentences, and the numbers, dates, times and paths that stand in them.

Pure and without a clock: a date that would need today's date to be read is not read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from functools import lru_cache

__all__ = [
    "Token",
    "contains_phrase",
    "normal_text",
    "numbers_in",
    "parse_date",
    "parse_datetime",
    "reads_as_token",
    "sentences",
    "tokens",
]

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = {name[:length]: i + 1 for i, name in enumerate(_MONTHS) for length in (3, len(name))} | {"sept": 9}
_MONTH_RE = "|".join(sorted(_MONTH, key=len, reverse=True))
_WORDS = {
    word: i
    for i, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}

_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_DAY_MONTH = rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH_RE})\b\.?(?:,? \d{{4}})?"
_MONTH_DAY = rf"\b(?:{_MONTH_RE})\b\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}})?"
_DATE_RE = re.compile(rf"{_ISO}|{_DAY_MONTH}|{_MONTH_DAY}|\b\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b", re.IGNORECASE)
_TIME_RE = re.compile(
    r"(?<![\d:])(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap]\.?m\b\.?)?(?![\d:])|\b(\d{1,2})\s*([ap]\.?m)\b", re.IGNORECASE
)
_PATH_RE = re.compile(r"(?:[\w.~{}-]*/)+[\w.{}-]*[\w}]|\b[\w-]+\.(?=[a-z0-9]*[a-z])[A-Za-z0-9]{1,8}\b|(?:[\w.~{}-]+/)+")
_ID_RE = re.compile(r"(?<![\w.])#\d+|\bv\d+(?:\.\d+)+|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z_])[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*\b")
_UNIT_TAIL = re.compile(r"^(\d+(?:\.\d+)?)(?:st|nd|rd|th|[A-Za-zµ°]{1,4})$")
_NUMBER_RE = re.compile(r"(?:(?<=^)|(?<=[\s(\[{=:~<>/,;|\"'*_$€£`≈–—]))[-+−]?\d|\d")
_NUMERAL = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SPLIT_RE = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+(?=\S)|\n+|;\s+")
_DATE_FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y", "%Y%m%d")


@dataclass(frozen=True, slots=True)
class Token:
    """A typed token and where it stands: half-open character span in the text that was read."""

    value: object
    start: int
    end: int


@lru_cache(maxsize=65536)
def normal_text(text: str) -> str:
    """Normal form for `text` matches: NFKC, case folded, runs of blanks and punctuation become one blank, never nothing.

    Signs, points and separators that touch a digit stay: `-5` is not `5`, `2024-11-1` is not `2024-1-11`.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    out: list[str] = []
    for i, char in enumerate(folded):
        if char.isalnum() or (
            char in "+-.,:/%°$€£#−" and _touches_digit(folded, i) and not _ends_sentence(folded, i)
        ):
            out.append(char)
        elif out and out[-1] != " ":
            out.append(" ")
        elif not out:
            continue
    return "".join(out).strip()


def _touches_digit(text: str, i: int) -> bool:
    return (i + 1 < len(text) and text[i + 1].isdigit()) or (i > 0 and text[i - 1].isdigit())


def _ends_sentence(text: str, i: int) -> bool:
    """Punctuation after a digit that ends a clause belongs to the prose, not to the number."""
    return text[i] in ".,:" and not (i + 1 < len(text) and text[i + 1].isdigit())


def reads_as_token(text: str) -> bool:
    """True where a string reads as number, date, path, url, id or code: then nothing may be folded away (DESIGN 4.1)."""
    stripped = text.strip()
    if not stripped:
        return True
    if "://" in stripped or re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", stripped):
        return True
    if re.search(r"[{}<>=;\\`]|\*\*|\w\(|\bSELECT\b", stripped):
        return True
    if " " not in stripped:
        if re.search(r"\d", stripped) or "_" in stripped:
            return True
        return bool(re.search(r"\w/\w|^[~./]|^\w+\.\w{1,5}$|[a-z][A-Z]", stripped))
    return bool(_DATE_RE.fullmatch(stripped)) or bool(re.fullmatch(r"[\d\s.,:+/^*-]+", stripped))


def parse_date(text: str) -> tuple[int | None, int, int] | None:
    """(year or None, month, day), or None. Day-month order is read only where it is not ambiguous."""
    cleaned = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text.strip(), flags=re.IGNORECASE).replace(",", " ")
    cleaned = re.sub(r"\b(of)\b|(?<=[A-Za-z])\.", " ", cleaned, flags=re.IGNORECASE)
    cleaned = " ".join(cleaned.split())
    try:
        day = datetime.fromisoformat(cleaned).date()
        return day.year, day.month, day.day
    except ValueError:
        pass
    for form in _DATE_FORMATS:
        try:
            day = datetime.strptime(cleaned.title() if "%b" in form.lower() else cleaned, form).date()
        except ValueError:
            continue
        return day.year, day.month, day.day
    if match := re.fullmatch(rf"(\d{{1,2}}) ({_MONTH_RE})", cleaned, re.IGNORECASE):
        return _checked(None, _MONTH[match[2].lower()], int(match[1]))
    if match := re.fullmatch(rf"({_MONTH_RE}) (\d{{1,2}})", cleaned, re.IGNORECASE):
        return _checked(None, _MONTH[match[1].lower()], int(match[2]))
    return None


def _checked(year: int | None, month: int, day: int) -> tuple[int | None, int, int] | None:
    try:
        date(year or 2024, month, day)
    except ValueError:
        return None
    return year, month, day


def parse_datetime(text: str) -> datetime | date | time | None:
    """A datetime, a date or a time of day; None where the text is none of them."""
    stripped = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", stripped):
            return date.fromisoformat(stripped)
        return datetime.fromisoformat(stripped)
    except ValueError:
        pass
    if match := _TIME_RE.fullmatch(stripped):
        return _time_of(match)
    parsed = parse_date(stripped)
    if parsed and parsed[0]:
        return date(parsed[0], parsed[1], parsed[2])
    return None


def _time_of(match: re.Match[str]) -> time | None:
    hour = int(match[1] or match[4])
    minute = int(match[2] or 0)
    half = (match[3] or match[5] or "").lower().replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def same_instant(expected: datetime | date | time, found: datetime | date | time) -> bool:
    """Equal instants; only the date where only a date was asked; wall clocks where one side has no zone."""
    if isinstance(expected, datetime) and isinstance(found, datetime):
        if (expected.tzinfo is None) == (found.tzinfo is None):
            return expected == found
        return expected.replace(tzinfo=None) == found.replace(tzinfo=None)
    if isinstance(expected, datetime) or isinstance(expected, time):
        return type(expected) is type(found) and expected == found
    if isinstance(found, datetime):
        return expected == found.date()
    return expected == found


def utc(text: str) -> datetime | None:
    """An ISO instant in UTC, or None."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.astimezone(timezone.utc) if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


@lru_cache(maxsize=4096)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences, list items and table rows; a point inside a number, path or abbreviation does not end one."""
    return tuple(part.strip() for part in _SPLIT_RE.split(text) if part and part.strip())


@lru_cache(maxsize=16384)
def tokens(text: str, kind: str, masked: tuple[str, ...] = ()) -> tuple[Token, ...]:
    """Tokens of a type in a text: `number`, `date`, `datetime`, `path`.

    Numbers inside dates, times, paths, ids and the quotations in `masked` do not count.
    """
    if kind == "date":
        return tuple(
            Token(day, m.start(), m.end())
            for m in _DATE_RE.finditer(text)
            if (day := parse_date(m.group()[:10] if m.group()[:4].isdigit() else m.group())) is not None
        )
    if kind == "datetime":
        return tuple(
            Token(moment, m.start(), m.end()) for m in _TIME_RE.finditer(text) if (moment := _time_of(m)) is not None
        )
    if kind == "path":
        return tuple(Token(m.group().rstrip("."), m.start(), m.end()) for m in _PATH_RE.finditer(text))
    hidden = _blank(text, masked)
    return tuple(sorted([*_numerals(hidden), *_number_words(hidden)], key=lambda token: token.start))


def _blank(text: str, masked: tuple[str, ...]) -> str:
    """The text with everything that holds digits but is no number blanked out, at equal length."""
    for quote in masked:
        text = text.replace(quote, " " * len(quote))
    for pattern in (_DATE_RE, _TIME_RE, _PATH_RE, _ID_RE):
        text = pattern.sub(lambda m: m.group() if _is_plain_number(m.group()) else " " * len(m.group()), text)
    return text


def _is_plain_number(text: str) -> bool:
    """`3.5`, `12kg`, `7th`: looks like an id or a path to the patterns, is a number to a reader."""
    return bool(_UNIT_TAIL.match(text)) and not _TIME_RE.fullmatch(text)


def _numerals(text: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    while match := _NUMBER_RE.search(text, position):
        start = match.start()
        sign = text[start] in "-+−"
        numeral = _NUMERAL.match(text, start + sign)
        if numeral is None:
            position = start + 1
            continue
        value = float(numeral.group().replace(",", ""))
        found.append(Token(-value if sign and text[start] != "+" else value, start, numeral.end()))
        position = numeral.end()
    return found


def _number_words(text: str) -> list[Token]:
    return [
        Token(float(_WORDS[m.group().lower()]), m.start(), m.end())
        for m in re.finditer(r"\b[A-Za-z]{3,9}\b", text)
        if m.group().lower() in _WORDS and m.group().lower() != "one"
    ] + [Token(1.0, m.start(), m.end()) for m in re.finditer(r"\b(?:exactly|only|just|is|was|are) one\b", text, re.I)]


@lru_cache(maxsize=8192)
def numbers_in(text: str) -> frozenset[float]:
    """All numerals in a text, wherever they stand; for asking what a result supports."""
    return frozenset(
        float(m.group().replace(",", "")) * sign
        for m in _NUMERAL.finditer(text)
        for sign in ((1, -1) if m.start() and text[m.start() - 1] in "-−" else (1,))
    )


def contains_phrase(text: str, phrase: str) -> list[int]:
    """Positions (in words) where the phrase stands in the text as whole words, both in normal form."""
    words, wanted = normal_text(text).split(), normal_text(phrase).split()
    if not wanted:
        return []
    return [i for i in range(len(words) - len(wanted) + 1) if words[i : i + len(wanted)] == wanted]
