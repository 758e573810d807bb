"""Near misses of a critical value: unlike it, and what a slip would give."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.mutations import near_misses
from rise_bench.types import Critical


@pytest.mark.parametrize(
    ("value", "near"),
    [
        ("03", "04"),
        ("room 09", "room 10"),
        ("099", "100"),
        ("9", "10"),
        ("1.50 EUR", "2.50 EUR"),
        ("2026-02-28T09:00", "2026-03-01T09:00"),
        ("version 1.4.2, line 7", "version 1.4.2, line 8"),
    ],
)
def test_the_last_number_of_a_text_is_followed_by_the_next_one_in_the_same_writing(value: str, near: JsonValue) -> None:
    assert near_misses(Critical(call=0, argument="/it"), value) == [near]
