"""Reading plain text: normal form, sentences, and the numbers, dates, times and paths that stand in them.

Pure and without a clock: a date that would need today's date to be read is not read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import groupby

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

_MONTHS = re.findall(r"\w+", "january february march april may june july august september october november december")
_MONTH = {name[:length]: i + 1 for i, name in enumerate(_MONTHS) for length in (3, len(name))} | {"sept": 9}
_MONTH_RE = "|".join(sorted(_MONTH, key=len, reverse=True))
_UNITS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_WORDS = {word: i for i, word in enumerate(_UNITS)} | _TENS

_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_FILE_RE = re.compile(r"\b(?=[\w-]*[A-Za-z])[\w-]+\.[A-Za-z]{1,5}\b")
_HASH_RE = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,}\b")
_MOMENT_RE = re.compile(rf"{_ISO}|(?<![\d:])\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?![\d:])")
_DAY_MONTH = rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH_RE})\b\.?(?:,? \d{{4}})?"
_MONTH_DAY = rf"\b(?:{_MONTH_RE})\b\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?:,? \d{{4}})?"
_DATE_RE = re.compile(rf"{_ISO}|{_DAY_MONTH}|{_MONTH_DAY}|\b\d{{1,2}}\.\d{{1,2}}\.\d{{4}}\b", re.IGNORECASE)
_TIME_RE = re.compile(
    r"(?<![\d:])(\d{1,2}):(\d{2})(?::\d{2})?\s*([ap]\.?m\b\.?)?(?![\d:])|\b(\d{1,2})\s*([ap]\.?m)\b", re.IGNORECASE
)
# each of these begins only where a run begins, so that no long run is read again from each of its characters
_PATH_RE = re.compile(
    r"(?<![\w.~{}/-])(?=[\w.~{}/-]*\w)(?:[\w.~{}-]*/)+(?:[\w.{}-]*[\w}])?"
    r"|(?<![\w-])[\w-]+\.(?=[a-z0-9]*[a-z])[A-Za-z0-9]{1,8}\b"
)
_ID_RE = re.compile(
    r"(?<![\w.])#\d+|\bv\d+(?:\.\d+)+"
    r"|(?<![\w-])-*+(?=[\w-]*\d)(?=[\w-]*[A-Za-z_])[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*\b"
)
_PLAIN_NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?(?:st|nd|rd|th|[A-Za-zµ°]{1,4}|[eE][-+]?\d{1,2})")
_NUMBER_RE = re.compile(r"(?:(?<=^)|(?<=[\s(\[{=:~<>/,;|\"'*_$€£`≈–—]))[-+−]?\d|\d")
_NUMERAL = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_PLAIN_NUMERAL = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SPLIT_RE = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+(?=\S)|\n+|;\s+")
_YEAR_FIRST = re.compile(r"(?P<y>[0-9]{4})[/-](?P<m>[0-9]{1,2})[/-](?P<d>[0-9]{1,2})")
_DOTTED = re.compile(r"(?P<d>[0-9]{1,2})\.(?P<m>[0-9]{1,2})\.(?P<y>[0-9]{4})")
_DAY_FIRST = re.compile(rf"(?P<d>[0-9]{{1,2}}) (?P<m>{_MONTH_RE})(?: (?P<y>[0-9]{{4}}))?", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"(?P<m>{_MONTH_RE}) (?P<d>[0-9]{{1,2}})(?: (?P<y>[0-9]{{4}}))?", re.IGNORECASE)
_SCALE = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_NUMBER_WORD = "|".join(sorted([*_WORDS, *_SCALE], key=len, reverse=True))
_WORDED_RE = re.compile(rf"\b(?:{_NUMBER_WORD})(?:(?:[ -]| and )(?:{_NUMBER_WORD}))*\b", re.IGNORECASE)
_ONE_IS_A_NUMBER = re.compile(r"\b(?:exactly|only|just|is|was|are)\s+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A typed token and where it stands: half-open character span in the text that was read."""

    value: object
    start: int
    end: int


def normal_text(text: str) -> str:
    """Normal form for `text` matches: NFKC, case folded, runs of blanks and punctuation become one blank, never nothing.

    Signs, points and separators that touch a digit stay: `-5` is not `5`, `2024-11-1` is not `2024-1-11`. So do currency
    and percent signs, pictures, the marks of letters, `+` and `#` behind a letter (`C++`), and superscripts (`10²`).
    """
    return _normal_short(text) if len(text) <= _SHORT else _normal(text)


_SHORT = 400
"""Texts up to this length are worth remembering; long results would fill the memory."""


@lru_cache(maxsize=8192)
def _normal_short(text: str) -> str:
    return _normal(text)


def _normal(text: str) -> str:
    if text.isascii():
        folded = text.casefold()
    else:
        folded = "".join(
            part if unicodedata.category(part[0]) == "No" else unicodedata.normalize("NFKC", part).casefold()
            for part in _runs_of_number_signs(text)
        ).translate(_DASHES)
    folded = _OPERATOR.sub(r"\1", folded)
    out: list[str] = []
    for i, char in enumerate(folded):
        if char.isalnum() or _counts(folded, i):
            out.append(char)
        elif out and out[-1] != " ":
            out.append(" ")
    return "".join(out).strip()


_OPERATOR = re.compile(r"(?<=[0-9])[\s)]*([-+*/^])[\s(]*(?=[0-9])")
"""A sign between two numbers, with blanks and brackets or without: `1 - 2` is `1-2` and not `1 + 2`."""

_DASHES = {ord(dash): "-" for dash in "−‐‑‒–—﹣－"}


def _runs_of_number_signs(text: str) -> list[str]:
    """The text cut between characters such as `²` and `½`, which compatibility forms would turn into digits, and others."""
    return ["".join(run) for _, run in groupby(text, key=lambda char: unicodedata.category(char) == "No")]


def _counts(text: str, i: int) -> bool:
    """Does this character, no letter and no digit, carry meaning where it stands?"""
    char = text[i]
    if char in "+-.,:/°#":
        if _touches_digit(text, i):
            return not _ends_sentence(text, i)
        return char in "+#" and i > 0 and (text[i - 1].isalpha() or text[i - 1] in "+#") and text[i - 1 : i] != " "
    if char in "*^":
        return 0 < i < len(text) - 1 and text[i - 1].isdigit() and text[i + 1].isdigit()
    if char == "%":
        return True
    return (not char.isascii() and unicodedata.category(char) in ("Mn", "Mc", "Me", "Sc", "So", "No")) or char == "$"


def _touches_digit(text: str, i: int) -> bool:
    return (i + 1 < len(text) and text[i + 1].isdigit()) or (i > 0 and text[i - 1].isdigit())


def _ends_sentence(text: str, i: int) -> bool:
    """Punctuation after a digit that ends a clause belongs to the prose, not to the number."""
    return text[i] in ".,:" and not (i + 1 < len(text) and text[i + 1].isdigit())


def reads_as_token(text: str) -> bool:
    """True where a string reads as number, date, path, url, id or code: then nothing may be folded away (DESIGN 4.1)."""
    return _is_token_short(text) if len(text) <= _SHORT else _is_token(text)


@lru_cache(maxsize=8192)
def _is_token_short(text: str) -> bool:
    return _is_token(text)


def _is_token(text: str) -> bool:
    stripped = text.strip()
    if not stripped:
        return True
    if "://" in stripped or re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", stripped):
        return True
    if re.search(r"[{}<>=\\`]|;(?! )|\*\*|\w\(|\bSELECT\b", stripped):
        return True
    if " " not in stripped:
        if re.search(r"\d", stripped) or "_" in stripped:
            return True
        return bool(re.search(r"\w/\w|^[~./]|^\w+\.\w{1,5}$|[a-z][A-Z]|^[^\w]+$", stripped))
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
    for form in (_YEAR_FIRST, _DOTTED, _DAY_FIRST, _MONTH_FIRST):
        if match := form.fullmatch(cleaned):
            year, month = match["y"], match["m"].lower()
            return _checked(int(year) if year else None, _MONTH.get(month) or int(month), int(match["d"]))
    return None


def _checked(year: int | None, month: int, day: int) -> tuple[int | None, int, int] | None:
    try:
        date(2024 if year is None else year, month, day)
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


_HOUR_WORD = "|".join(["midnight", "noon", *_UNITS[1:13]])
_WORDED_TIME = re.compile(
    rf"\b(?:(half past|quarter past|quarter to)\s+({_HOUR_WORD}|1[0-2]|[1-9])|({_HOUR_WORD}|1[0-2]|[1-9])\s+o'?clock"
    r"|(noon|midnight))\b(?:\s+(?:in the|at)\s+(morning|afternoon|evening|night))?",
    re.IGNORECASE,
)


def _worded_times(text: str) -> list[Token]:
    """`half past two in the afternoon`, `noon`, `nine o'clock`; both halves of the day where none is said."""
    found: list[Token] = []
    for m in _WORDED_TIME.finditer(text):
        word = (m[2] or m[3] or m[4]).casefold()
        hour = {"noon": 12, "midnight": 0}.get(word) if not word.isdigit() else None
        certain = hour is not None
        hour = hour if hour is not None else int(_WORDS.get(word, word))
        shift = {"half past": 30, "quarter past": 15, "quarter to": -15}.get((m[1] or "").casefold(), 0)
        half = (m[5] or "").casefold()
        halves = [hour] if certain else [hour % 12] * (half != "afternoon" and half != "evening")
        halves += [] if certain or half == "morning" else [hour % 12 + 12]
        found.extend(
            Token(time(minutes // 60, minutes % 60), m.start(), m.end())
            for minutes in ((hours * 60 + shift) % 1440 for hours in halves)
        )
    return found


def same_instant(expected: datetime | date | time, found: datetime | date | time) -> bool:
    """Equal instants; only the date where only a date was asked; wall clocks where one side has no zone."""
    if isinstance(expected, datetime) and isinstance(found, datetime):
        if (expected.tzinfo is None) == (found.tzinfo is None):
            return expected == found
        return expected.replace(tzinfo=None) == found.replace(tzinfo=None)
    if isinstance(expected, datetime | time):
        return type(expected) is type(found) and expected == found
    if isinstance(found, datetime):
        return expected == found.date()
    return expected == found


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences, list items and table rows; a point inside a number, path or abbreviation does not end one."""
    return tuple(part.strip() for part in _SPLIT_RE.split(text) if part and part.strip())


@lru_cache(maxsize=1024)
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
        clocks = [
            Token(moment, m.start(), m.end()) for m in _TIME_RE.finditer(text) if (moment := _time_of(m)) is not None
        ]
        return tuple(sorted([*clocks, *_worded_times(text)], key=lambda token: token.start))
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
    return bool(_PLAIN_NUMBER.fullmatch(text)) and not _TIME_RE.fullmatch(text)


def _float(numeral: str) -> float:
    return float(numeral.replace(",", ""))


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
        value = _float(numeral.group())
        found.append(Token(-value if sign and text[start] != "+" else value, start, numeral.end()))
        position = numeral.end()
    return found


def _number_words(text: str) -> list[Token]:
    """Numbers in words, `twenty-one` as a whole; a lone `one` counts only where it cannot be a pronoun."""
    return [
        Token(value, m.start(), m.end())
        for m in _WORDED_RE.finditer(text)
        for value in _worded(m.group().lower())
        if m.group().lower() != "one" or _ONE_IS_A_NUMBER.search(text[max(0, m.start() - 12) : m.start()])
    ]


def _worded(text: str) -> list[float]:
    """The number that words say; several where they say no single one (`two three`)."""
    found: list[float] = []
    total = current = 0.0
    last = ""  # kind of the word before: unit, tens, hundred, scale
    for word in re.split(r"[ -]+", text):
        if word == "and":
            continue
        kind = (
            "scale" if word in _SCALE else "hundred" if word == "hundred" else "tens" if _WORDS[word] >= 20 else "unit"
        )
        if kind == "scale":
            total, current = total + max(current, 1.0) * _SCALE[word], 0.0
        elif kind == "hundred":
            current = max(current, 1.0) * 100
        elif last in ("", "hundred", "scale") or (last == "tens" and kind == "unit" and 0 < _WORDS[word] < 10):
            current += _WORDS[word]
        else:
            found.append(total + current)
            total, current = 0.0, float(_WORDS[word])
        last = kind
    return [*found, total + current]


@lru_cache(maxsize=64)
def numbers_in(text: str) -> frozenset[float]:
    """All numerals in a text, wherever they stand but in a date, a time, a hash or a file's name; for what results support."""
    for pattern in (_MOMENT_RE, _HASH_RE, _FILE_RE):
        text = pattern.sub(" ", text)
    # a comma between digits may group them or part them (JSON arrays, tables): both readings count
    return frozenset(
        _float(m.group()) * sign
        for pattern in (_NUMERAL, _PLAIN_NUMERAL)
        for m in pattern.finditer(text)
        for sign in ((1, -1) if m.start() and text[m.start() - 1] in "-−" else (1,))
    )


def contains_phrase(text: str, phrase: str) -> list[int]:
    """Positions (in words) where the phrase stands in the text as whole words, both in normal form."""
    words, wanted = normal_text(text).split(), normal_text(phrase).split()
    if not wanted:
        return []
    return [i for i in range(len(words) - len(wanted) + 1) if words[i : i + len(wanted)] == wanted]
