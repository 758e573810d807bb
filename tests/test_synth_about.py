"""Words by which values are spoken of read as a person would say them, whatever a server calls its fields."""

from __future__ import annotations

import pytest

from rise_bench.synth.facts.about import about, noun_of, of_many, of_one, phrase


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("leadDays", "lead days"),
        ("fat_g", "fat in grams"),
        ("weight_kg", "weight in kg"),
        ("g", "g"),
        ("null_pct", "null percent"),
        ("stddev", "standard deviation"),
        ("utf8Bytes", "utf8 bytes"),
        ("Dues 2026", "dues 2026"),
        ("Total 2026-03-01", "Total 2026-03-01"),
        ("money/dues-2026.xlsx", "dues-2026.xlsx"),
        ("Date/Time", "date time"),
    ],
)
def test_a_name_is_said_as_a_person_would(name: str, said: str) -> None:
    assert phrase(name) == said


def test_what_says_only_that_something_was_or_is_to_be_done_gets_a_noun_where_the_type_tells_which() -> None:
    assert phrase("due", "datetime") == "due date"
    assert phrase("resolved", "datetime") == "resolved time"
    assert phrase("placed", "date") == "placed date"
    assert phrase("due", "number") == "due"
    assert phrase("delivery_date", "date") == "delivery date"


@pytest.mark.parametrize(
    ("tool", "noun"),
    [
        ("calendar.list-events", "events"),
        ("todo.task_create", "tasks"),
        ("tasks.mark_task_done", "tasks"),
        ("git.git_show", ""),
        ("git.git_create_branch", "branches"),
        ("units.list_supported_units", "units"),
        ("workdays.last_business_day_of_month", "days"),
        ("workdays.business_days_between", "days"),
        ("nutrition.filter_by_diet", "diets"),
        ("sqlite.write_query", ""),
    ],
)
def test_the_noun_of_a_tool_is_what_it_works_on_and_not_what_it_does(tool: str, noun: str) -> None:
    assert noun_of(tool) == noun


@pytest.mark.parametrize(
    ("many", "one"),
    [("expenses", "expense"), ("sizes", "size"), ("addresses", "address"), ("statuses", "status"), ("boxes", "box"),
     ("entries", "entry"), ("calories", "calorie"), ("series", "series"), ("branches", "branch")],
)  # fmt: skip
def test_one_of_many_is_an_english_word(many: str, one: str) -> None:
    assert of_one(many) == one


def test_what_has_no_plural_gets_none() -> None:
    assert [of_many(word) for word in ("paid", "due", "completed", "event")] == ["paid", "due", "completed", "events"]


def test_a_number_of_things_is_spoken_of_by_the_things_and_not_by_words_that_fit_every_number() -> None:
    assert about("number of events") == ("number of events", "events", "event")
    assert about("count", names=("count", "list_events"))[0] == "number of events"
    assert about("count", names=("count", "column_stats"))[0] == "count"
    assert about("count", "July", names=("count", "list_events"))[0] == "count"


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("number of numbers", "number of entries"),
        ("number of counts", "number of entries"),
        ("total total", "total"),
        ("total total tasks", "total tasks"),
        ("highest total tasks", "highest total tasks"),
    ],
)
def test_no_word_echoes_the_one_before(first: str, said: str) -> None:
    assert about(first)[0] == said


def test_the_word_that_says_what_it_is_comes_first_and_in_one_and_many() -> None:
    assert about("day of week")[:3] == ("day of week", "day", "days")
    assert about("income in band")[:3] == ("income in band", "income", "incomes")
    assert about("free seats")[:3] == ("free seats", "seats", "seat")
    assert not {"md", "mds", "xlsxes"} & set(about("total lines", names=("notes/roof.md", "rooms.xlsx")))
