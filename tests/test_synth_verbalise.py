"""Values as people say them, and back."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rise_bench.synth.words.dates import date_words, read_date
from rise_bench.synth.words.numbers import number_words, read_number, read_time, time_words
from rise_bench.synth.words.verbalise import adverbial, kind_of, read, same_value, verbalise

NOW = "2026-04-02T09:00:00Z"  # a Thursday
DAYS = st.dates(date(2020, 1, 1), date(2032, 12, 31))


@given(number=st.integers(-20_000, 20_000) | st.integers())
def test_every_way_to_say_a_whole_number_is_read_back(number: int) -> None:
    assert [read_number(words) for words in number_words(number)] == [number] * len(number_words(number))


@pytest.mark.parametrize(("words", "number"), [("a dozen", 12), ("one", 1), ("1,200", 1200), ("two three", None)])
def test_numbers_are_read_in_words_and_only_where_they_are_one_number(words: str, number: int | None) -> None:
    assert read_number(words) == number


@given(today=DAYS, distance=st.integers(-30, 30) | st.integers(-400, 400))
def test_every_way_to_say_a_day_is_read_back_from_the_same_today(today: date, distance: int) -> None:
    day = today + timedelta(days=distance)
    for words in date_words(day, today):
        assert read_date(words, today) == day, words


@given(moment=st.times().map(lambda moment: moment.replace(second=0, microsecond=0)))
def test_every_way_to_say_a_time_of_day_is_read_back(moment: time) -> None:
    for words in time_words(moment):
        assert read_time(words) == moment, words


@given(since=st.integers(0, 2_000_000), minutes=st.integers(-40_000, 40_000))
def test_a_moment_is_read_back_as_the_same_instant(since: int, minutes: int) -> None:
    here = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))) + timedelta(minutes=since)
    value = (here + timedelta(minutes=minutes)).isoformat()
    ways = verbalise(value, "datetime", here.isoformat())
    assert len(ways) > 6
    assert all(same_value(value, read(way.words, "datetime", here.isoformat()), "datetime") for way in ways)


PARTS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}(\.[a-z]{2,4})?", fullmatch=True)


@given(parts=st.lists(PARTS, min_size=1, max_size=4), rooted=st.booleans())
def test_a_path_is_read_back_with_or_without_its_root(parts: list[str], rooted: bool) -> None:
    value = "/".join((["{root}"] if rooted else []) + parts)
    ways = verbalise(value, "path")
    assert len(ways) >= (4 if len(parts) > 1 and "." in parts[-1] else 1)
    assert all(same_value(value, read(way.words, "path"), "path") for way in ways)


@given(value=st.text(min_size=1, max_size=40))
def test_a_text_is_read_back_to_the_letter_where_it_can_be_said(value: str) -> None:
    for way in verbalise(value, "text"):
        assert read(way.words, "text") == value


@given(values=st.lists(st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{2,6}){0,2}", fullmatch=True), min_size=1, max_size=4))
def test_a_list_is_read_back_item_by_item(values: list[str]) -> None:
    ways = verbalise(list(values), "list")
    assert ways and all(read(way.words, "list") == values for way in ways)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-04-03", "tomorrow"),
        ("2026-04-04", "the day after tomorrow"),
        ("2026-04-06", "this coming Monday"),
        ("2026-04-06", "Monday next week"),
        ("2026-04-01", "Wednesday of this week"),
        ("2026-03-27", "Friday last week"),
        ("2026-04-05", "in three days"),
        ("2026-04-22", "the 22nd of this month"),
    ],
)
def test_near_days_are_said_as_seen_from_now(value: str, words: str) -> None:
    ways = {way.words: way.by for way in verbalise(value, "date", NOW)}
    assert ways[words] == "relative date"


def test_without_a_now_no_day_is_relative() -> None:
    assert {way.by for way in verbalise("2026-04-03", "date")} == {"verbatim", "verbaliser"}


def test_a_moment_in_another_zone_than_now_is_only_said_as_it_stands() -> None:
    assert [way.words for way in verbalise("2026-04-03T10:00:00+05:00", "datetime", NOW)] == [
        "2026-04-03T10:00:00+05:00"
    ]


def test_a_nickname_stands_for_a_path_as_it_is_seen_from_the_sandbox() -> None:
    names = {"invoices/2026-03.csv": ("the March invoices",)}
    ways = verbalise("{root}/invoices/2026-03.csv", "path", NOW, names)
    assert "nickname" in {way.by for way in ways}
    assert read("the March invoices", "path", NOW, names) == "invoices/2026-03.csv"


def test_a_name_that_reads_as_something_else_is_not_used() -> None:
    names = {"a.txt": ("the list",), "b.txt": ("the list",)}
    assert "the list" not in [way.words for way in verbalise("b.txt", "path", NOW, names)]


@pytest.mark.parametrize(
    "words", ["the 31st of this month", "Blursday", "29 February", "in many days", "in 99,999,999 days", ""]
)
def test_words_that_say_no_day_are_not_read(words: str) -> None:
    assert read(words, "date", "2026-02-10T09:00:00Z") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tomorrow", "tomorrow"),
        ("9 April", "on 9 April"),
        ("the 9th of April", "on the 9th of April"),
        ("April 9th", "on April 9th"),
        ("2:30 pm tomorrow", "at 2:30 pm tomorrow"),
        ("Monday next week", "on Monday next week"),
        ("this coming Friday", "this coming Friday"),
        ("2026-04-09T10:00:00Z", "on 2026-04-09T10:00:00Z"),
    ],
)
def test_a_moment_takes_the_preposition_that_it_asks_for(words: str, said: str) -> None:
    assert adverbial(words) == said


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2026-04-09", "date"),
        ("2026-04-09T10:00:00.000Z", "datetime"),
        ("09:30", "time"),
        ("{root}/a.txt", "path"),
        ("Europe/Paris", "timezone"),
        (["a", "b"], "list"),
        (3, "number"),
        (True, "json"),
        ({"a": 1}, "json"),
        ("Dentist", "text"),
    ],
)
def test_a_value_shows_its_kind(value: object, kind: str) -> None:
    assert kind_of(value) == kind  # type: ignore[arg-type]  # the table holds values of every kind
