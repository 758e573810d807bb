"""Reading plain text: normal form, sentences, numbers, dates, times, paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.score.text import (
    contains_phrase,
    normal_text,
    numbers_in,
    parse_date,
    parse_datetime,
    reads_as_token,
    sentences,
    tokens,
)


def _numbers(text: str, *masked: str) -> list[object]:
    return [token.value for token in tokens(text, "number", masked)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("  a\t\nb ", "a b"),
        ("don't", "don t"),
        ("It is 5. Then 6.", "it is 5 then 6"),
        ("-5 and +3.5", "-5 and +3.5"),
        ("1,234.50", "1,234.50"),
        ("C++ & C#", "c++ c#"),
        ("10²", "10²"),
        ("119.00 * (1 + 12 / 100)", "119.00*1+12/100"),
        ("2 - 1", "2-1"),
        ("2 * 3, 2^3", "2*3 2^3"),
        ("**5** of 7", "5 of 7"),
        ("room 3 - budget 5", "room 3 budget 5"),
        ("½", "½"),
        ("ＡＢＣ１２", "abc12"),
        ("ﬁle", "file"),
        ("*** # ***", ""),
        ("", ""),
    ],
)
def test_the_normal_form_folds_case_blanks_and_punctuation_and_nothing_else(text: str, expected: str) -> None:
    assert normal_text(text) == expected


@given(st.text(max_size=60))
def test_the_normal_form_keeps_every_letter_and_digit_and_is_its_own_normal_form(text: str) -> None:
    normal = normal_text(text)
    assert sum(char.isdecimal() for char in normal) >= sum(char.isdecimal() for char in text)
    assert normal_text(normal) == normal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are 7 invoices.", [7]),
        ("Seven invoices", [7]),
        ("twenty-one, two hundred and fifty, one thousand two hundred", [21, 250, 1200]),
        ("no one knows", []),
        ("there is one left", [1]),
        ("**1,234.50** EUR", [1234.5]),
        ("-5 °C", [-5]),
        ("−5 °C", [-5]),
        ("between 5-7", [5, 7]),
        ("$12 and 45% and 7kg and the 3rd", [12, 45, 7, 3]),
        ("2026-04-07", []),
        ("7 April 2026", []),
        ("April 7", []),
        ("07.04.2026", []),
        ("at 7:30 and 7 pm", []),
        ("INV-7, A7, #7, v1.7", []),
        ("files/7/a.txt and report7.txt", []),
        ("| 7 | 8 |", [7, 8]),
        ("1e3", [1000]),
        ("", []),
    ],
)
def test_numbers_are_found_and_digits_inside_dates_times_ids_and_paths_are_none(
    text: str, expected: list[float]
) -> None:
    assert _numbers(text) == expected


def test_a_quotation_of_the_request_holds_no_number_of_the_answer() -> None:
    assert _numbers('the file "report 7" has 3 lines', "report 7") == [3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-02", (2026, 4, 2)),
        ("2026-4-2", (2026, 4, 2)),
        ("2 April 2026", (2026, 4, 2)),
        ("2nd of April, 2026", (2026, 4, 2)),
        ("Apr. 2, 2026", (2026, 4, 2)),
        ("Sept 12 2026", (2026, 9, 12)),
        ("May 5", (None, 5, 5)),
        ("02.04.2026", (2026, 4, 2)),
        ("29 February", (None, 2, 29)),
        ("02/04/2026", None),
        ("31 April 2026", None),
        ("0000-01-01", None),
        ("2024111", None),
        ("maybe 5", None),
        ("", None),
    ],
)
def test_dates_are_read_only_where_they_are_not_ambiguous(
    text: str, expected: tuple[int | None, int, int] | None
) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "13 pm", "2026-13-01", "7", "now"])
def test_what_is_no_moment_is_read_as_none(text: str) -> None:
    assert parse_datetime(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "-5",
        "2024-11-1",
        "a/b.txt",
        "~/x",
        "report.txt",
        "x_1",
        "https://a.b",
        "a@b.org",
        "f(x)",
        "x = 1",
        "myValue",
        "1 + 2",
        "2 April 2026",
        "SELECT a FROM t",
        "???",
        "",
    ],
)
def test_numbers_dates_paths_urls_ids_and_code_are_tokens(text: str) -> None:
    assert reads_as_token(text)


@pytest.mark.parametrize(
    "text", ["Buy milk", "Rome, Italy", "milk; eggs", "state-of-the-art", "Hello", "Meet at 5 please"]
)
def test_prose_is_no_token(text: str) -> None:
    assert not reads_as_token(text)


def test_sentences_end_at_stops_lines_and_items_and_not_inside_numbers_or_paths() -> None:
    text = "It costs 3.50 in a.txt. Fine!\n- one\n- two; three"
    assert sentences(text) == ("It costs 3.50 in a.txt.", "Fine!", "- one", "- two", "three")


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("not Asian", "Asian", True),
        ("Caucasian", "Asian", False),
        ("the blue mug", "Blue  Mug", True),
        ("the blue and mug", "blue mug", False),
        ("anything", "", False),
        ("anything", "!!!", False),
    ],
)
def test_a_phrase_stands_only_as_whole_words_in_a_row(text: str, phrase: str, there: bool) -> None:
    assert bool(contains_phrase(text, phrase)) is there


def test_a_result_supports_its_numbers_and_not_the_digits_of_its_dates() -> None:
    assert numbers_in('{"count": 7, "sum": -1,234.5, "at": "2026-03-09T10:11:12Z"}') >= {7.0, 1234.5, -1234.5}
    assert not numbers_in("2026-03-09 10:11") & {3.0, 9.0, 10.0, 11.0, 2026.0}


@given(st.text(max_size=200))
def test_no_text_makes_the_readers_raise(text: str) -> None:
    for kind in ("number", "date", "datetime", "path"):
        for token in tokens(text, kind):
            assert 0 <= token.start < token.end <= len(text)
    parse_datetime(text)
    numbers_in(text)
    sentences(text)
    reads_as_token(text)


@pytest.mark.parametrize("unit", ["9", "a", ".", "-", "/", "1.", "a-", "1,000", "( ", "one ", "a.b/", "9-", "2026-"])
def test_long_texts_are_read_in_time_that_grows_with_their_length(unit: str) -> None:
    text = unit * 5_000
    for kind in ("number", "date", "datetime", "path"):
        tokens(text, kind)
    normal_text(text)
    sentences(text)
    reads_as_token(text)
