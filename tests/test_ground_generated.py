"""Generated ids are followed from an older run to a new one; what differs otherwise stays a difference."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.ground.generated import Generated, blank

ONE, TWO = "0b2f7f0a-68f4-4d35-a8a5-6ed0b5f1c001", "f71d9c3e-1c44-4c5b-9a06-9f0e5a3d2b77"


def learnt(before: JsonValue, now: JsonValue) -> Generated:
    ids = Generated()
    ids.learn(before, now)
    return ids


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (f"Created order {ONE}.", f"Created order {TWO}."),
        ({"id": ONE, "name": "a"}, {"id": TWO, "name": "a"}),
        ({ONE: {"n": 1}}, {TWO: {"n": 1}}),
        (["3f21c076cb5e23a0"], ["9ab01c2277e0d4f1"]),
        ("V1StGXR8_Z5jdHi6B", "q9TfGh4k_Lm2nPw8R"),
        ("task-3f21c076cb", "task-9ab01c2277"),
        ([140197684131856], [140197684549072]),
    ],
)
def test_an_id_that_differs_at_the_same_place_is_taken_from_the_new_run(before: JsonValue, now: JsonValue) -> None:
    assert learnt(before, now).renewed(before) == now


def test_a_later_argument_speaks_of_the_new_id() -> None:
    ids = learnt({"id": "task-3f21c076cb"}, {"id": "task-9ab01c2277"})
    assert ids.renewed({"path": "a/3f21c076cb.txt", "deep": True}) == {"path": "a/9ab01c2277.txt", "deep": True}
    assert ids.renewed("x3f21c076cb") == "x3f21c076cb"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("5 orders", "6 orders"),
        ("due 2026-03-02", "due 2026-04-12"),
        ("from 20260119T100000", "from 20270220T113000"),
        ("2026-01-19T10:00", "2027-02-20T11:00"),
        ("report-2024", "report-2025"),
        ("Robin", "Clara"),
        ({"total": 123456}, {"total": 654321}),
        (f"order {ONE}", f"two orders {TWO}"),
        ([ONE], [TWO, ONE]),
        ([ONE], {"id": TWO}),
    ],
)
def test_another_number_date_or_text_stays_a_difference(before: JsonValue, now: JsonValue) -> None:
    assert learnt(before, now).renewed(before) == before


def test_two_ids_never_become_one() -> None:
    assert learnt([ONE, TWO], ["3f21c076cb5e23a0", TWO]).renewed([ONE, TWO]) == [ONE, TWO]
    other = ONE.replace("0b2f", "1b2f")
    assert learnt([ONE, other], [TWO, TWO]).renewed([ONE, other]) == [TWO, other]


def test_what_is_not_known_yet_is_named() -> None:
    ids = learnt(ONE, TWO)
    assert ids.unknown({"id": ONE, "of": "3f21c076cb5e23a0", "on": "2026-01-02"}) == {"3f21c076cb5e23a0"}


def test_an_order_does_not_depend_on_random_values() -> None:
    assert blank([f"orders/{ONE}", "b"]) == blank([f"orders/{TWO}", "b"]) != blank([f"orders/{ONE}", "c"])
