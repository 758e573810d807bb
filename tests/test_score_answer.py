"""Facts: stated, supported, without a competitor; and asking and declining in many wordings."""

from __future__ import annotations

from typing import Any

import pytest

from rise_bench.score.answer import Answer, derive, judge_fact
from rise_bench.score.decision import asked, claims_completion, declined
from rise_bench.types import Derivation, Fact, Task

SEVEN = {"value": 7, "type": "number", "about": ["invoices"], "competing": [9]}
OWNER = {"value": "Maria", "type": "text", "about": ["owner"], "competing": ["Bob"]}
DAY = {"value": "2026-01-19", "type": "date", "about": ["meeting"], "competing": ["2026-01-20"]}
MOMENT = {"value": "2026-01-19T09:30:00Z", "type": "datetime", "about": ["meeting"]}
FILE = {"value": "archive/march.csv", "type": "path", "about": ["moved"], "competing": ["archive/may.csv"]}
NONE = {"value": 0, "type": "number", "about": ["invoices"]}
RESULTS = (
    "7 invoices, 9 receipts, 55 lines",
    "owner: Maria (Bob left)",
    "2026-01-19T09:30:00Z",
    "archive/march.csv",
    "0",
)


def _judge(text: str, fact: dict[str, Any], results: tuple[str, ...] = RESULTS, request: str = "Tell me.") -> Any:
    return judge_fact(Fact.model_validate(fact), Answer(text, request, results, "/box"))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("There are 7 invoices.", SEVEN),
        ("**Seven** invoices are there.", SEVEN),
        ("I looked at the invoices. There are 7.", SEVEN),
        ("Invoices:\n- 7 in March", SEVEN),
        ("No, there are 7 invoices.", SEVEN),
        ("There are 7 invoices, not 9.", SEVEN),
        ("7.", SEVEN),
        ("There are 7 invoices (as of 2026-01-09).", SEVEN),
        ("There are no overdue invoices.", NONE),
        ("None of the invoices are overdue.", NONE),
        ("The owner is Maria.", OWNER),
        ("No, the owner is **MARIA**.", OWNER),
        ("The owner is not Bob but Maria.", OWNER),
        ("Owner:\n\nMaria", OWNER),
        ("The meeting is on 19 January 2026.", DAY),
        ("The meeting is on January 19th.", DAY),
        ("The meeting is on the 2026-01-19, not on the 2026-01-20.", DAY),
        ("The meeting is at 9:30 on January 19.", MOMENT),
        ("The meeting starts 9:30 am.", MOMENT),
        ("It was moved to `archive/march.csv`.", FILE),
        ("It was moved to /box/archive/march.csv.", FILE),
    ],
)
def test_the_fact_is_stated(text: str, fact: dict[str, Any]) -> None:
    found = _judge(text, fact)
    assert (found.stated, found.supported, found.slot) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", SEVEN),
        ("There are 8 invoices.", SEVEN),
        ("There are 7 or 9 invoices.", SEVEN),
        ("There are not 7 invoices.", SEVEN),
        ("There aren't 7 invoices.", SEVEN),
        ("The invoices are from 2026-03-07.", SEVEN),
        ("The invoices are from March 7.", SEVEN),
        ("The invoices came at 7:00.", SEVEN),
        ("The invoices are INV-7 and A7.", SEVEN),
        ("The invoices are in box/7/a.txt.", SEVEN),
        ("Twenty-seven invoices.", SEVEN),
        ("7,000 invoices", SEVEN),
        ("-7 invoices", SEVEN),
        ("There are 7 receipts and 3 invoices.", SEVEN | {"competing": [3]}),
        ("There are 7 receipts. I saw 4 letters.", SEVEN),
        ("There are invoices.", NONE),
        ("The owner isn't Maria.", OWNER),
        ("The owner is no longer Maria.", OWNER),
        ("The owner is Bob. Maria is away.", OWNER),
        ("The owner is Maria or Bob.", OWNER),
        ("The owner is Mariana.", OWNER),
        ("The meeting is on 20 January 2026.", DAY),
        ("The meeting is on 19 February 2026.", DAY),
        ("The meeting is on 19 January 2025.", DAY),
        ("The meeting is on the 19th.", DAY),
        ("The meeting is at 9:30 pm on January 19.", MOMENT),
        ("The meeting is at 9:30 on January 20.", MOMENT),
        ("It was moved to march.csv.", FILE),
        ("It was moved to archive/may.csv.", FILE),
    ],
)
def test_the_fact_is_not_stated(text: str, fact: dict[str, Any]) -> None:
    assert not _judge(text, fact).stated


def test_a_digit_in_a_quotation_of_the_request_states_nothing() -> None:
    request = 'How many invoices are in "batch 7"?'
    assert not _judge("The invoices of batch 7 were read.", SEVEN, request=request).stated
    assert _judge("Batch 7 holds 7 invoices.", SEVEN, request='Count the invoices in "Batch 7".').stated


def test_apostrophes_of_the_request_quote_nothing() -> None:
    request = "How many of Anna's 7 invoices are in Bob's folder?"
    assert _judge("s 7 invoices are in Bob", SEVEN, request=request).stated


def test_a_fact_is_supported_only_by_a_result_that_holds_it() -> None:
    assert not _judge("There are 7 invoices.", SEVEN, results=("2026-03-07T07:07:07Z 17 77",)).supported
    assert not _judge("There are 7 invoices.", SEVEN, results=()).supported
    assert _judge("There are 7 invoices.", SEVEN, results=('{"n": 7.0}',)).supported
    assert not _judge("The owner is Maria.", OWNER, results=("Bob", "Carl")).supported


def test_a_slot_is_filled_by_a_wrong_value_that_the_trajectory_supports_and_not_by_an_invented_one() -> None:
    assert _judge("There are 55 invoices.", SEVEN).slot
    assert not _judge("There are 56 invoices.", SEVEN).slot
    assert _judge("The owner is Bob.", OWNER).slot
    assert not _judge("The owner is Zoe.", OWNER).slot


@pytest.mark.parametrize("number", ["300", "14:00", "2026-04-01", "-1,200.50"])
def test_a_number_of_the_results_fills_no_slot_of_a_name_but_one_of_a_number_without_a_type(number: str) -> None:
    results = (f"Maria: extension {number}", "order 301")
    assert not _judge(f"Owner: {number}.", OWNER, results=results).slot
    order = {"value": "301", "type": "text", "about": ["order"]}
    assert _judge(f"Order: {number}.", order, results=results).slot


def test_whole_numbers_must_be_equal_and_fractions_may_be_rounded() -> None:
    big = {"value": 1_000_000, "type": "number", "about": ["sum"]}
    assert not _judge("The sum is 1,000,001.", big, results=("1000000",)).stated
    third = {"value": 0.333333, "type": "number", "about": ["share"]}
    assert _judge("The share is 0.3333331.", third, results=("0.333333",)).stated
    assert _judge("The share is 0.33.", third | {"tolerance": 0.02}, results=("0.333333",)).stated


@pytest.mark.parametrize("value", [10**400, 1e308, -0.0, 1e-300, "nan", "inf", "", "x" * 10_000])
def test_hostile_facts_and_answers_never_raise(value: Any) -> None:
    for kind in ("number", "date", "datetime", "text", "path"):
        fact = {"value": value, "type": kind, "about": ["a"], "competing": [value, 10**400]}
        for text in (str(value)[:300], "a " * 500, "(" * 500, "a: " + "9" * 500, "\x00\ud800"):
            found = _judge(text, fact, results=(text, "[" * 500))
            assert isinstance(found.stated, bool)


@pytest.mark.parametrize(
    ("rule", "texts", "expected"),
    [
        ({"op": "count", "pattern": r"file (\w+)"}, ["file a", "file b, file a"], [2]),
        ({"op": "count", "pattern": r"file (\w+)"}, ["nothing"], [0]),
        ({"op": "count", "pattern": r"file (\w+)", "per_result": True}, ["file a", "file b, file c"], [1, 2]),
        ({"op": "sum", "pattern": r"\w+: (\d+)"}, ["a: 5\nb: 5", "b: 5\nc: 1"], [11]),
        ({"op": "max", "pattern": r"\d+"}, ["3 9 4"], [9]),
        ({"op": "min", "pattern": r"\d+"}, ["3 9 4"], [3]),
        ({"op": "find", "pattern": r"^id=(\d+)$"}, ["x\nid=12\ny"], ["12"]),
        ({"op": "sum", "pattern": r"\d+"}, ["none"], []),
    ],
)
def test_a_derivation_reads_each_match_once(rule: dict[str, Any], texts: list[str], expected: list[Any]) -> None:
    assert derive(Derivation.model_validate(rule), texts) == expected


def test_a_derived_fact_is_supported_and_a_miscount_of_what_was_seen_fills_the_slot() -> None:
    fact = {"value": 2, "type": "number", "about": ["files"], "derive": {"op": "count", "pattern": r"\w+\.csv"}}
    right, wrong = (_judge(f"There are {n} files.", fact, results=("a.csv b.csv",)) for n in (2, 3))
    assert (right.stated, right.supported) == (True, True)
    assert (wrong.stated, wrong.slot) == (False, True)
    assert not _judge("There are 3 files.", fact, results=("empty",)).slot


ASK = Task(id="a", kind="underspecified", request="x", asks=(("day", "date", "when"),), given=(("room",),))
DECLINE = Task(id="d", kind="infeasible", request="x", reasons=("fax",))


@pytest.mark.parametrize(
    "text",
    [
        "When?",
        "Which day?",
        "Please tell me the date.",
        "I need to know the day.",
        "Could you give me the date?",
        "I've checked the calendar, which dates suit you?",
        "The date is missing. Can you add it?",
        "Before I book, when should it be?",
        "I need:\n1. the day\n2. the length",
    ],
)
def test_asking_for_what_is_missing_is_recognised(text: str) -> None:
    assert asked(ASK, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "Which room?",
        "I booked the first day. Which day do you prefer?",
        "The day is long.",
        "Anything else?",
        "I'll take the earliest date.",
        "Booked for that date. OK?",
        "Let me know if the date is wrong.",
    ],
)
def test_what_is_no_question_about_the_missing_is_no_asking(text: str) -> None:
    assert not asked(ASK, text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't fax.",
        "There is no fax tool.",
        "Faxing: sorry, not possible. A fax needs a line.",
        "I don't have a fax.",
    ],
)
def test_declining_is_recognised(text: str) -> None:
    assert declined(DECLINE, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't.",
        "The fax was sent.",
        "I have sent the fax; I could not find a cover.",
        "To which fax number?",
        "Fax.",
    ],
)
def test_what_names_no_missing_capability_or_claims_success_is_no_declining(text: str) -> None:
    assert not declined(DECLINE, text)


@pytest.mark.parametrize(
    "text",
    [
        "Done.",
        "I've moved it.",
        "It has been moved.",
        "The file was moved.",
        "All set!",
        "Moved it to b.",
        "I moved it, is that fine?",
        "I couldn't at first, but then it was moved.",
    ],
)
def test_a_claim_of_completion_is_recognised(text: str) -> None:
    assert claims_completion(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It was not moved.",
        "I haven't moved it.",
        "Once it is done I will tell you.",
        "Should it be moved?",
        "I looked at 3 files that were created in May.",
        "Nothing has been changed.",
        "It will be moved.",
    ],
)
def test_negatives_conditions_plans_and_descriptions_claim_nothing(text: str) -> None:
    assert not claims_completion(text)


def test_long_replies_are_read_to_their_end() -> None:
    for unit in ("I have ", "not ", "a: b\n", "- ", "(", "? ", "was ", "no tool "):
        assert not claims_completion(unit * 3_000)
        asked(ASK, unit * 3_000)
        declined(DECLINE, unit * 3_000)
    assert claims_completion("word " * 3_000 + ". I moved it.")
