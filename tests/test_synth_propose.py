"""Proposals cover a tool's scenarios with values that exist, that are known to work, or that a person would write."""

from __future__ import annotations

import random
from typing import Any

from pydantic import JsonValue

from rise_bench.ground.contract import load_contract
from rise_bench.score.calls import Tools
from rise_bench.synth.primitives.plausible import texts, window
from rise_bench.synth.primitives.propose import SchemaProposer, coverage, propose, scenarios
from rise_bench.synth.primitives.queries import statements
from rise_bench.synth.primitives.seeds import Seed, brought_to, varied_value
from rise_bench.synth.records import Entity, Primitive, Proposal, World
from rise_bench.types import Tool

WORLD = World(setup="desk", now="2026-04-02T09:00:00Z", servers=("files", "book"))


def tool(name: str, required: tuple[str, ...] = (), server: str = "book", **properties: Any) -> Tool:
    parameters: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(server=server, name=name, parameters=parameters)


def entity(kind: str, value: JsonValue, **more: Any) -> Entity:
    return Entity(world=WORLD.digest(), kind=kind, value=value, tool=more.pop("tool", "book.list"), **more)


def proposals(one: Tool, *entities: Entity, seed: int = 7, most: int = 40) -> list[Proposal]:
    return list(SchemaProposer(most=most).propose(WORLD, one, entities, seed))


def test_every_scenario_of_the_schema_is_named() -> None:
    one = tool(
        "find",
        ("sheet",),
        sheet={"type": "string"},
        order={"type": "string", "enum": ["up", "down"]},
        limit={"type": "integer", "minimum": 1, "maximum": 50},
        parts={"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
    )
    assert scenarios(one) == (
        "required_only",
        "all",
        "only:order",
        "only:limit",
        "only:parts",
        "enum:order=up",
        "enum:order=down",
        "boundary:limit",
        "nested:parts",
    )


def test_an_argument_is_filled_with_what_exists_of_its_kind() -> None:
    one = tool("describe_sheet", ("sheet",), sheet={"type": "string"})
    made = proposals(one, entity("sheet", "Budget"), entity("sheet", "Staff"), entity("table", "loans"))
    assert {proposal.arguments["sheet"] for proposal in made} == {"Budget", "Staff"}


def test_arguments_of_one_call_belong_together() -> None:
    one = tool("read_sheet", ("workbook", "sheet"), workbook={"type": "string"}, sheet={"type": "string"})
    here = [entity("sheet", f"Sheet {n}", within={"workbook": f"book-{n}"}) for n in range(4)]
    here += [entity("workbook", f"book-{n}") for n in range(4)]
    made = proposals(one, *here)
    assert made
    assert all(str(p.arguments["sheet"])[-1] == str(p.arguments["workbook"])[-1] for p in made)


def test_an_id_argument_takes_an_id_and_never_the_title_beside_it() -> None:
    one = tool("close_task", ("taskId",), taskId={"type": "string"})
    made = proposals(one, entity("task", "Order chairs", pointer="/0/title"), entity("task", "t-1", pointer="/0/id"))
    assert {proposal.arguments["taskId"] for proposal in made} == {"t-1"}


def test_all_proposals_of_a_plain_schema_are_valid_under_it() -> None:
    one = tool(
        "create_event",
        ("title", "start"),
        title={"type": "string", "minLength": 3},
        start={"type": "string", "format": "date-time"},
        days={"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}, "minItems": 2},
        kind={"anyOf": [{"enum": ["call", "visit"], "type": "string"}, {"type": "null"}]},
        place={"$ref": "#/$defs/Place"},
    )
    defs: JsonValue = {"Place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
    one = one.model_copy(update={"parameters": {**one.parameters, "$defs": defs}})
    made = proposals(one)
    judge = Tools([one], {}, "")
    assert [judge.invalid(one.id, proposal.arguments) for proposal in made] == [""] * len(made)
    assert {"required_only", "all", "only:days", "enum:kind=visit", "only:place"} <= {p.scenario for p in made}


def test_a_bound_is_tried_on_both_sides() -> None:
    one = tool("top", (), limit={"type": "integer", "minimum": 1, "maximum": 50})
    assert {p.arguments["limit"] for p in proposals(one) if p.scenario == "boundary:limit"} <= {1, 50}
    assert {1, 50} <= {p.arguments.get("limit") for p in proposals(one)}


def test_dates_lie_near_the_worlds_now_and_an_end_after_its_start() -> None:
    schema: dict[str, JsonValue] = {"type": "string", "format": "date-time"}
    start, end = texts("start", schema, WORLD.now)[0], texts("end", schema, WORLD.now)[0]
    assert start < end
    assert start.startswith("2026-04-04")
    assert texts("due_date", {"type": "string", "format": "date"}, WORLD.now)[0] == "2026-04-09"


def test_known_good_calls_are_planted_on_what_exists_here() -> None:
    contract = load_contract("filesystem")
    assert contract is not None
    read = next(one for one in contract.server.tools if one.name == "read_text_file")
    world = WORLD.model_copy(update={"servers": ("filesystem",)})
    here = Entity(world=world.digest(), kind="file", value="{root}/lab/stocks.csv", tool="filesystem.directory_tree")
    made = list(SchemaProposer().propose(world, read, [here], 1))
    assert {proposal.arguments["path"] for proposal in made} == {"{root}/lab/stocks.csv"}
    assert any(proposal.arguments.get("head") == 2 for proposal in made), "the probe's own number of lines is kept"


def test_the_same_seed_proposes_the_same_and_another_one_something_else() -> None:
    one = tool("describe_sheet", ("sheet",), sheet={"type": "string"}, limit={"type": "integer"})
    here = [entity("sheet", f"Sheet {n}") for n in range(30)]
    assert proposals(one, *here) == proposals(one, *here)
    assert proposals(one, *here) != proposals(one, *here, seed=8)


def test_no_call_is_proposed_twice_and_no_more_than_asked_for() -> None:
    one = tool("describe_sheet", ("sheet",), sheet={"type": "string"})
    here = [entity("sheet", f"Sheet {n}") for n in range(30)]
    made = proposals(one, *here, most=4)
    assert len({str(proposal.arguments) for proposal in made}) == len(made) == 4


def test_only_tools_of_the_worlds_servers_and_entities_of_the_world_are_used() -> None:
    stranger = Entity(world="other", kind="sheet", value="Elsewhere", tool="book.list")
    one = tool("describe_sheet", ("sheet",), sheet={"type": "string"})
    away = tool("describe_sheet", ("sheet",), server="away", sheet={"type": "string"})
    made = list(propose(WORLD, [one, away], [stranger, entity("sheet", "Here")], 1))
    assert {(proposal.tool, proposal.arguments["sheet"]) for proposal in made} == {("book.describe_sheet", "Here")}


def test_another_proposer_takes_the_place_of_the_schema() -> None:
    class Fixed:
        name = "fixed"

        def propose(self, world: World, tool: Tool, entities: object, seed: int) -> Any:
            for _ in range(2):
                yield Proposal(world=world, tool=tool.id, scenario="own", arguments={"a": 1}, proposer="fixed")

    made = list(propose(WORLD, [tool("any")], [], 1, Fixed()))
    assert [proposal.proposer for proposal in made] == ["fixed"]


def test_a_verified_call_counts_for_every_scenario_that_its_arguments_fulfil() -> None:
    one = tool("find", (), order={"type": "string", "enum": ["up", "down"]})
    ran = Primitive(world=WORLD, tool=one.id, arguments={"order": "up"}, scenario="known-good", value=1)
    assert coverage([one, tool("other")], [ran]) == {"book.find": (2, 4), "book.other": (0, 1)}


def test_questions_are_asked_of_a_tool_that_reads_and_changes_of_one_that_writes() -> None:
    rows = [
        entity("row", {"id": n, "reader": r, "fee": n * 2.5}, within={"table": "loans"}) for n, r in enumerate("aab")
    ]
    reads = Tool(server="sqlite", name="read_query", effect="read")
    writes = Tool(server="sqlite", name="write_query", effect="write")
    asked = statements(reads, rows, random.Random(1), 50)
    changed = statements(writes, rows, random.Random(1), 50)
    assert all(one.startswith("SELECT") and "loans" in one for one in asked)
    assert {one.split()[0] for one in changed} == {"UPDATE", "DELETE", "INSERT"}
    assert any("WHERE reader = 'a'" in one for one in asked)


def test_a_number_is_varied_within_its_size_and_a_day_within_two_weeks() -> None:
    rng = random.Random(3)
    assert all(60 <= v <= 145 for v in (varied_value("mass", 90, rng) for _ in range(50)) if isinstance(v, int))
    assert varied_value("on", "2026-01-02", rng) != "2026-01-02"
    assert varied_value("name", "Ada 7", rng) == "Ada 7"
    assert varied_value("flag", True, rng) is True


def test_a_window_of_listing_spans_now() -> None:
    schema: dict[str, JsonValue] = {"type": "string", "format": "date-time"}
    assert window("start", schema, WORLD.now)[0] < WORLD.now < window("end", schema, WORLD.now)[0]
    assert window("title", {"type": "string"}, WORLD.now) == []


def test_dates_of_known_good_calls_are_brought_to_the_worlds_now_and_birthdays_stay() -> None:
    seed = Seed({"start": "2026-01-20T08:30:00Z", "born": "1990-05-17", "on": ["2026-01-02"]}, frozenset(), frozenset())
    moved = brought_to(seed, "2026-04-02T09:00:00Z").arguments
    assert moved == {"start": "2026-04-21T08:30:00Z", "born": "1990-05-17", "on": ["2026-04-03"]}


def test_an_edit_speaks_of_lines_that_are_in_its_file() -> None:
    contract = load_contract("filesystem")
    assert contract is not None
    edit = next(one for one in contract.server.tools if one.name == "edit_file")
    world = WORLD.model_copy(update={"servers": ("filesystem",)})
    digest, lists = world.digest(), "filesystem.list_directory"
    here = [Entity(world=digest, kind="file", value=f"{{root}}/{n}.md", tool=lists) for n in "ab"]
    here += [
        Entity(world=digest, kind="line", value=f"Budget of {n}", tool=lists, within={"path": f"{{root}}/{n}.md"})
        for n in "ab"
    ]
    made = [proposal.arguments for proposal in SchemaProposer().propose(world, edit, here, 1)]
    assert made
    for arguments in made:
        name = str(arguments["path"])[-4]
        assert f"'oldText': 'Budget of {name}'" in str(arguments["edits"])
