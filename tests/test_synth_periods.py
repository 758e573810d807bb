"""Spans of days that people name, and the moments that bound them."""

from __future__ import annotations

from datetime import date

import pytest

from rise_bench.synth.words.periods import bounds, bounds_any, span_of, window_of

THURSDAY = date(2026, 3, 5)


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("next week", "2026-03-09", "2026-03-15"),
        ("this week", "2026-03-02", "2026-03-08"),
        ("Last week", "2026-02-23", "2026-03-01"),
        ("this weekend", "2026-03-07", "2026-03-08"),
        ("the coming week", "2026-03-05", "2026-03-11"),
        ("the next ten days", "2026-03-05", "2026-03-14"),
        ("next month", "2026-04-01", "2026-04-30"),
        ("last month", "2026-02-01", "2026-02-28"),
        ("in April", "2026-04-01", "2026-04-30"),
        ("February 2024", "2024-02-01", "2024-02-29"),
        ("last year", "2025-01-01", "2025-12-31"),
        ("tomorrow", "2026-03-06", "2026-03-06"),
        ("on 9 April", "2026-04-09", "2026-04-09"),
    ],
)
def test_a_span_has_a_first_and_a_last_day(words: str, first: str, last: str) -> None:
    assert span_of(words, THURSDAY) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize("words", ["soon", "the week of the concert", "in Smarch", ""])
def test_words_that_name_no_span_give_none(words: str) -> None:
    assert span_of(words, THURSDAY) is None


def test_december_is_followed_by_january() -> None:
    assert span_of("next month", date(2026, 12, 9)) == (date(2027, 1, 1), date(2027, 1, 31))


@pytest.mark.parametrize(
    ("value", "words", "expected"),
    [
        ("2026-03-09T00:00:00Z", "next week", True),
        ("2026-03-16T00:00:00Z", "next week", True),
        ("2026-03-15T23:59:59Z", "next week", True),
        ("2026-03-15", "next week", True),
        ("2026-03-10T00:00:00Z", "next week", False),
        ("2026-03-15T12:00:00Z", "next week", False),
        ("2026-03-17T00:00:00Z", "next week", False),
        ("2026-03-06T00:00:00Z", "tomorrow", True),
        ("2026-03-05T00:00:00Z", "tomorrow", False),
        ("no day", "tomorrow", False),
        ("2026-03-09T00:00:00Z", "whenever", False),
    ],
)
def test_only_beginning_and_end_bound_a_span(value: str, words: str, expected: bool) -> None:
    assert bounds(value, words, "2026-03-05T10:00:00Z") is expected


def test_a_span_is_found_wherever_it_stands_in_a_text() -> None:
    request = "Who has not paid for what we did in May, and do we see them next week?"
    now = "2026-06-10T08:30:00Z"
    assert bounds_any("2026-05-31", request, now)
    assert bounds_any("2026-06-15", request, now)
    assert not bounds_any("2026-04-30", request, now)
    assert not bounds_any(5, request, now)


@pytest.mark.parametrize(
    ("first", "last", "text", "words"),
    [
        ("2026-03-01", "2026-04-01", "the rehearsal on 12 March is off", "on 12 March"),
        ("2026-03-06T00:00:00Z", "2026-03-07T00:00:00Z", "tomorrow's concert", "tomorrow"),
        ("2026-04-01", "2026-04-30", "everything in April", "in April"),
        ("2026-03-01", "2026-03-12", "the rehearsal on 12 March is off", ""),
        ("2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z", "the rehearsal on 12 March is off", ""),
        ("2026-03-10", "2026-03-20", "all of next month", ""),
        ("2026-03-01", "2026-04-01", "the rehearsal is off", ""),
        ("soon", "later", "on 12 March", ""),
    ],
)
def test_a_window_holds_a_span_that_the_text_names(first: str, last: str, text: str, words: str) -> None:
    assert window_of(first, last, text, "2026-03-05T10:00:00Z") == words
