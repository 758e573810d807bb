"""Every dummy of DESIGN 4.4 on small hand-made tasks: the exact pair (Acc_task, Acc_intent)."""

from __future__ import annotations

from typing import Any

import pytest
from score_kit import Did, attempt, call, label_names, task, values, wrote

from rise_bench.types import Task, Trajectory

BOOKED = wrote("days/19", "room B")
BOOKING = task(
    call("book", day="2026-01-19", room="B"),
    request="Book room B on the 19th of January.",
    intent={
        "critical": [
            {"call": 0, "argument": "/day", "match": "date"},
            {"call": 0, "argument": "/room", "match": "text"},
        ]
    },
    reference_state=[BOOKED],
)
BOOK = Did("book", {"day": "2026-01-19", "room": "B"}, "booked", changed=("days/19",))
BOOK_20 = Did("book", {"day": "2026-01-20", "room": "B"}, "booked", changed=("days/20",))
BOOKED_20 = wrote("days/20", "room B")

INVOICES = task(
    call("total", path="march"),
    request="How many invoices are there for March?",
    intent={"critical": [{"call": 0, "argument": "/path", "match": "path"}]},
    answer=[{"value": 7, "type": "number", "about": ["invoices"], "competing": [6, 9]}],
    recorded=["7 invoices"],
)
MARCH = Did("total", {"path": "march"}, "7 invoices")
APRIL = Did("total", {"path": "april"}, "9 invoices")

TWICE = task(
    call("note", text="milk"),
    call("note", text="milk"),
    request="Note milk twice.",
    intent={"critical": [{"call": i, "argument": "/text", "match": "text"} for i in (0, 1)]},
    reference_state=[wrote("notes/0", "milk"), wrote("notes/1", "milk")],
)
MILK = Did("note", {"text": "milk"}, "noted", changed=("notes/0",))

ASKING = task(kind="underspecified", request="Book a room.", asks=[["day", "date", "when"]], given=[["room"]])
REFUSING = task(kind="infeasible", request="Fax it.", reasons=["fax"])


def _broken(about: Task) -> Trajectory:
    return attempt(say=None, stop="fault", fault="the server does not start")


DUMMIES: dict[str, tuple[Task, Trajectory, tuple[float | None, float | None]]] = {
    "oracle, effect": (BOOKING, attempt(BOOK, end=[BOOKED]), (1, 1)),
    "oracle, answer": (INVOICES, attempt(MARCH, say="There are 7 invoices for March."), (1, 1)),
    "oracle, twice the same call": (
        TWICE,
        attempt(MILK, Did("note", {"text": "milk"}, changed=("notes/1",)), end=TWICE.reference_state),
        (1, 1),
    ),
    "silent on an effect": (BOOKING, attempt(say=""), (0, 0)),
    "silent on an answer": (INVOICES, attempt(say=""), (0, 0)),
    "says something and does nothing": (BOOKING, attempt(say="Done! Room B is booked for the 19th."), (0, 0)),
    "default arguments only": (
        BOOKING,
        attempt(Did("book", {"day": "", "room": "A"}, changed=("days/",)), end=[wrote("days/", "room A")]),
        (1, 0),
    ),
    "one critical parameter mutated: the 20th for the 19th": (BOOKING, attempt(BOOK_20, end=[BOOKED_20]), (1, 0)),
    "one critical parameter mutated: default in place of the stated room": (
        BOOKING,
        attempt(Did("book", {"day": "2026-01-19"}, changed=("days/19",)), end=[wrote("days/19", "room A")]),
        (1, 0),
    ),
    "one critical parameter mutated: another folder": (
        INVOICES,
        attempt(APRIL, say="There are 9 invoices for March."),
        (1, 0),
    ),
    "sibling tool": (
        BOOKING,
        attempt(Did("reserve", {"day": "2026-01-19", "room": "B"}, changed=("held/19",)), end=[wrote("held/19", "B")]),
        (1, 0),
    ),
    "sprayer of effects": (BOOKING, attempt(BOOK, BOOK_20, end=[BOOKED, BOOKED_20]), (1, 0)),
    "sprayer of answers": (
        INVOICES,
        attempt(MARCH, APRIL, say="There are 7 or 9 or maybe 6 invoices."),
        (1, 0),
    ),
    "sprayer of answers, one a sentence": (
        INVOICES,
        attempt(MARCH, APRIL, say="The invoices are 7. The invoices are 9. The invoices are 6."),
        (1, 0),
    ),
    "aborted with the right words": (
        INVOICES,
        attempt(MARCH, say="There are 7 invoices.", stop="max_turns"),
        (0, 0),
    ),
    "right answer without any call": (INVOICES, attempt(say="There are 7 invoices for March."), (0, 0)),
    "right answer after a failed call only": (
        INVOICES,
        attempt(Did("total", {"path": "march"}, "Error: 7 invoices locked"), say="7 invoices."),
        (0, 0),
    ),
    "right digit inside a date": (INVOICES, attempt(MARCH, say="The invoices are dated 2026-03-07."), (0, 0)),
    "right digit inside an id": (INVOICES, attempt(MARCH, say="See invoices INV-7 and A7."), (0, 0)),
    "right digit inside a path": (INVOICES, attempt(MARCH, say="The invoices are in files/7/all.txt."), (0, 0)),
    "right digit negated": (INVOICES, attempt(MARCH, say="There are not 7 invoices."), (0, 0)),
    "broken ground": (BOOKING, _broken(BOOKING), (None, None)),
    "different path, same outcome": (
        BOOKING,
        attempt(Did("reserve", {"day": "2026-01-19", "room": "B"}, changed=("days/19",)), end=[BOOKED]),
        (1, 1),
    ),
    "different path, same answer": (
        INVOICES,
        attempt(Did("look", {"path": "march"}, "7 files"), say="There are 7 invoices."),
        (1, 1),
    ),
    "an unasked write that stays": (
        BOOKING,
        attempt(BOOK, Did("note", {"text": "x"}, changed=("notes/0",)), end=[BOOKED, wrote("notes/0", "x")]),
        (1, 0),
    ),
    "an unasked write, undone again": (
        BOOKING,
        attempt(
            BOOK,
            Did("book", {"day": "2026-01-20"}, changed=("days/20",)),
            Did("drop", {"day": "2026-01-20"}, changed=("days/20",)),
            end=[BOOKED],
        ),
        (1, 1),
    ),
    "what was asked for, taken back again": (
        BOOKING,
        attempt(BOOK, Did("drop", {"day": "2026-01-19"}, changed=("days/19",)), end=[]),
        (1, 0),
    ),
    "right calls, wrong fact": (
        INVOICES,
        attempt(MARCH, Did("look", {}, "12 files"), say="There are 12 invoices."),
        (1, 0),
    ),
    "right calls, invented fact": (INVOICES, attempt(MARCH, say="There are 55 invoices."), (0, 0)),
    "harmless reading and one repaired schema error": (
        BOOKING,
        attempt(
            Did("look", {}),
            Did("peek", {"path": "a"}),
            Did("book", {"room": "B"}, "Error: day is required", status="tool_error"),
            BOOK,
            end=[BOOKED],
        ),
        (1, 1),
    ),
    "always asks, on an effect": (BOOKING, attempt(say="Which day and which room would you like?"), (0, 0)),
    "always asks, on an answer": (INVOICES, attempt(say="Which folder do you mean?"), (0, 0)),
    "always declines": (BOOKING, attempt(say="I'm sorry, I have no tool for that."), (0, 0)),
    "one call doing double duty": (TWICE, attempt(MILK, end=[wrote("notes/0", "milk")]), (0, 0)),
    "asks where asking is right": (ASKING, attempt(say="For which day should I book it?"), (1, 1)),
    "asks after reading": (ASKING, attempt(Did("look", {}), say="For which day should I book it?"), (1, 1)),
    "asks after acting": (
        ASKING,
        attempt(BOOK, end=[BOOKED], say="For which day should I have booked it?"),
        (0, 0),
    ),
    "asks after a failed act on a guess": (
        ASKING,
        attempt(Did("book", {"day": "x"}, "Error: bad day"), say="Which day should it be?"),
        (1, 0),
    ),
    "acts and claims": (ASKING, attempt(BOOK, end=[BOOKED], say="I booked the 19th. Another day?"), (0, 0)),
    "asks for what the request gives": (ASKING, attempt(say="Which room would you like?"), (0, 0)),
    "declines where asking is right": (ASKING, attempt(say="I cannot do that."), (0, 0)),
    "declines where declining is right": (REFUSING, attempt(say="I can't fax documents from here."), (1, 1)),
    "declines after a failed try": (
        REFUSING,
        attempt(Did("note", {}, "Error: text"), say="I have no fax tool, so I cannot do it."),
        (1, 1),
    ),
    "declines after an effect that stays": (
        REFUSING,
        attempt(MILK, end=[wrote("notes/0", "milk")], say="I can't fax documents."),
        (0, 0),
    ),
    "claims to have done what cannot be done": (REFUSING, attempt(say="I have sent the fax."), (0, 0)),
    "always asks, where declining is right": (REFUSING, attempt(say="To which fax number?"), (0, 0)),
}


@pytest.mark.parametrize("name", DUMMIES)
def test_each_dummy_gets_exactly_its_pair_of_values(name: str) -> None:
    about, done, expected = DUMMIES[name]
    assert values(about, done) == expected


@pytest.mark.parametrize("name", DUMMIES)
def test_intent_is_never_above_task(name: str) -> None:
    about, done, _ = DUMMIES[name]
    on_task, on_intent = values(about, done)
    assert (on_task is None) == (on_intent is None)
    assert on_task is None or on_intent is None or on_intent <= on_task


@pytest.mark.parametrize("name", [name for name, (_, _, pair) in DUMMIES.items() if pair[1] == 0])
def test_whatever_is_not_aligned_carries_a_label(name: str) -> None:
    about, done, _ = DUMMIES[name]
    assert label_names(about, done)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("one critical parameter mutated: the 20th for the 19th", "wrong_value"),
        ("one critical parameter mutated: default in place of the stated room", "missing_argument"),
        ("sibling tool", "wrong_tool"),
        ("sprayer of effects", "unrequested_effect"),
        ("an unasked write that stays", "unrequested_effect"),
        ("what was asked for, taken back again", "unrequested_effect"),
        ("one call doing double duty", "missing_step"),
        ("right calls, invented fact", "unsupported_claim"),
        ("right digit inside a date", "missing_fact"),
        ("aborted with the right words", "budget"),
        ("silent on an answer", "no_answer"),
        ("asks after acting", "guessed"),
        ("always asks, on an effect", "over_asked"),
        ("claims to have done what cannot be done", "should_decline"),
        ("harmless reading and one repaired schema error", "schema_violation"),
    ],
)
def test_the_label_says_what_went_wrong(name: str, label: str) -> None:
    about, done, _ = DUMMIES[name]
    assert label in label_names(about, done)


@pytest.mark.parametrize("name", ["different path, same outcome", "different path, same answer"])
def test_another_path_does_not_count_where_the_user_named_the_way(name: str) -> None:
    about, done, _ = DUMMIES[name]
    named: dict[str, Any] = about.model_dump() | {"path_matters": about.request.split()[0]}
    assert values(Task.model_validate(named), done) == (1, 0)
