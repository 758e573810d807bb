"""`facts_of` finds what a user would ask for, with a rule that finds it again, and leaves out what is no news."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from rise_bench.score.answer import derive, is_value_of
from rise_bench.synth.facts.choice import facts_of
from rise_bench.synth.records import Chain, Edge, World
from rise_bench.types import Call, Effect, Fact, Tool

WORLD = World(setup="desk", now="2026-04-02T09:00:00Z", servers=("it",))
EVENTS: JsonValue = [
    {"uid": "w-1", "summary": "Budget review", "start": "2026-04-09T14:00:00Z", "location": "Birch"},
    {"uid": "w-2", "summary": "Board meeting", "start": "2026-04-16T10:00:00Z", "location": "Aspen"},
    {"uid": "w-3", "summary": "Staff interview", "start": "2026-04-22T13:00:00Z", "location": "Ash"},
]
NOTES = "# Agreement\n\n- Term: to the end of the year\n- Hourly rate: 92.50 EUR\n- Signed: 2026-01-04\n"


def tool(name: str, effect: Effect = "read") -> Tool:
    return Tool(server="it", name=name, effect=effect)


TOOLS = {one.id: one for one in (tool("list-events"), tool("read_file"), tool("write_query", "write"), tool("rate"))}


def chain(*pairs: tuple[str, dict[str, JsonValue], JsonValue], **more: object) -> Chain:
    calls = tuple(Call(tool=f"it.{name}", arguments=arguments) for name, arguments, _ in pairs)
    values = {"world": WORLD, "calls": calls, "primitives": (), "recorded": tuple(value for *_, value in pairs)}
    return Chain.model_validate(values | more)


def one(name: str, value: JsonValue, arguments: dict[str, JsonValue] | None = None, **more: object) -> tuple[Fact, ...]:
    return facts_of(chain((name, arguments or {}, value), **more), TOOLS)


def given(fact: Fact, *texts: str) -> list[JsonValue]:
    assert fact.derive is not None
    return derive(fact.derive, texts)


def test_the_rule_of_every_fact_finds_it_again_however_the_json_is_written() -> None:
    for fact in one("list-events", EVENTS):
        for text in (json.dumps(EVENTS), json.dumps(EVENTS, indent=2), repr(EVENTS)):
            assert any(is_value_of(value, fact) for value in given(fact, text)), (fact, text)


def test_the_rule_gives_something_else_on_another_result() -> None:
    assert isinstance(EVENTS, list)
    other = json.dumps([{**row, "location": "Elm"} for row in EVENTS[:2] if isinstance(row, dict)])
    for fact in one("list-events", EVENTS):
        if fact.type in ("number", "text"):
            assert not any(is_value_of(value, fact) for value in given(fact, other)), fact


def test_a_labelled_amount_in_a_text_is_a_number_and_is_found_without_the_rest_of_the_text() -> None:
    facts = {str(fact.value): fact for fact in one("read_file", {"content": NOTES})}
    rate = facts["92.5"]
    assert rate.type == "number"
    assert "rate" in rate.about
    assert given(rate, NOTES.replace("92.50", "88.00")) == ["88.00"]


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"city": "Graz"}, {"query": "customers from Graz"}),
        ({"path": "notes/a.md"}, {"path": "{root}/notes/a.md"}),
        ({"limit": 20}, {"limit": 20}),
        ({"uid": "w-4711", "ok": True}, {}),
        ({"rate": None}, {}),
        ("", {}),
    ],
)
def test_echoes_ids_and_flags_are_no_news(value: JsonValue, arguments: dict[str, JsonValue]) -> None:
    assert one("rate", value, arguments) == ()


def test_a_cell_of_a_spreadsheet_is_told_by_the_names_of_its_row_and_column() -> None:
    grid: JsonValue = {"values": [["Item", "Apr", "May"], ["Rent", 4350, 4351], ["Travel", 900, 2100]]}
    fact = one("read_file", grid)[0]
    assert fact.about[0] in ("apr", "may")
    assert fact.about[1] in ("Rent", "Travel")
    wanted = {("apr", "Rent"): 4350, ("may", "Rent"): 4351, ("apr", "Travel"): 900, ("may", "Travel"): 2100}
    assert fact.value == wanted[fact.about[0], fact.about[1]]
    assert [float(str(value)) for value in given(fact, json.dumps(grid, indent=1))] == [fact.value]


def test_a_volatile_leaf_is_never_asked_for() -> None:
    assert one("rate", {"rate": 92.5})[0].value == 92.5
    assert one("rate", {"rate": 92.5}, volatile=("result:0:/rate",)) == ()
    assert one("rate", {"rate": 92.5}, volatile=("result:0:",)) == ()


def test_a_result_that_a_later_call_uses_is_not_asked_for() -> None:
    pairs = (("rate", {}, {"rate": 92.5}), ("rate", {"of": {"$ref": [0, "/rate"]}}, {"total": 185.0}))
    assert [fact.value for fact in facts_of(chain(*pairs), TOOLS)] == [185]
    edge = Edge(producer=0, pointer="/rate", consumer=1, argument="/of")
    literal = (pairs[0], ("rate", {"of": 92.5}, {"total": 185.0}))
    assert [fact.value for fact in facts_of(chain(*literal, edges=(edge,)), TOOLS)] == [185]
    assert [fact.value for fact in facts_of(chain(*literal, after=((0, 1),)), TOOLS)] == [185]


def test_of_a_write_only_what_it_did_to_several_things_is_news() -> None:
    assert [fact.value for fact in one("write_query", "[{'affected_rows': 4}]")] == [4]
    assert one("write_query", "[{'affected_rows': 1}]") == ()
    assert one("write_query", {"rate": 92.5}) == ()


def test_parallel_calls_give_facts_that_cannot_be_taken_for_each_other_and_never_more_than_three() -> None:
    same = [("rate", {"of": str(n)}, {"rate": 90.5 + n}) for n in range(4)]
    assert len(facts_of(chain(*same), TOOLS)) == 1
    others = [("rate", {"of": key}, {key: 90.5 + n}) for n, key in enumerate(("fee", "price", "weight", "height"))]
    facts = facts_of(chain(*others), TOOLS)
    assert len(facts) == 3
    assert len({fact.about[0] for fact in facts}) == 3


def test_the_same_chain_has_the_same_facts() -> None:
    assert one("list-events", EVENTS) == one("list-events", EVENTS)
