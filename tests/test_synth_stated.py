"""Values that a person states in other words: what in them must still follow from the request by itself."""

from __future__ import annotations

import pytest

from rise_bench.synth.words.stated import literals_of, match_of


@pytest.mark.parametrize(
    ("value", "match", "expected"),
    [
        (True, "exact", ()),
        ("high", "enum", ()),
        ("SELECT name FROM owners WHERE town = 'Amberley' AND paid = 0 LIMIT 5", "sql", (5, "Amberley")),
        ("SELECT * FROM visits WHERE at LIKE '2026-05-%'", "sql", ("May",)),
        ("UPDATE medicines SET stock = 12.5 WHERE id = 1", "sql", (12.5,)),
        ("**/*.md", "exact", ()),
        ("D12", "text", ()),
        ("C2:$C$3", "exact", ()),
        ("(17.5 + 3) * 12", "exact", (17.5, 3, 12)),
    ],
)
def test_the_literals_of_a_value_are_found(value: object, match: str, expected: tuple[object, ...]) -> None:
    assert literals_of(value, match) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "match"), [("Lukas Thorn", "text"), ("notes/plan.md", "path"), (12, "number"), ("A4 paper", "text")]
)
def test_names_paths_and_numbers_may_not_be_stated_in_other_words(value: object, match: str) -> None:
    assert literals_of(value, match) is None  # type: ignore[arg-type]


def test_sql_that_cannot_be_parsed_may_not_be_stated() -> None:
    assert literals_of("SELECT (((", "sql") is None


def test_a_literal_is_said_as_what_it_is() -> None:
    said = [match_of("2026-05-01"), match_of("2026-05-01T10:00:00Z"), match_of("Amberley"), match_of(5)]
    assert said == ["date", "datetime", "text", "number"]
