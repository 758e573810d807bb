"""Chains are composed of verified calls along values, made objects, state and prose, and only where they make sense."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from rise_bench.mutations import mutated
from rise_bench.synth.chains.compose import Plan, compose
from rise_bench.synth.chains.known import Known, known
from rise_bench.synth.chains.links import Link, link
from rise_bench.synth.chains.pieces import Piece, chain_of, flaw
from rise_bench.synth.records import Chain, Primitive, World
from rise_bench.types import StateChange, Tool

WORLD = World(setup="desk", now="2026-04-02T09:00:00Z", servers=("todos", "files", "graph"))


def _tool(server: str, name: str, effect: str, **parameters: Mapping[str, JsonValue]) -> Tool:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {k: dict(v) for k, v in parameters.items()}}
    return Tool.model_validate({"server": server, "name": name, "effect": effect, "parameters": schema})


TEXT: Mapping[str, JsonValue] = {"type": "string"}
TOOLS = {
    tool.id: tool
    for tool in (
        _tool("todos", "list-todos", "read", calendarUrl=TEXT, limit={"type": "integer", "default": 50}),
        _tool("todos", "create-todo", "write", calendarUrl=TEXT, summary=TEXT),
        _tool("todos", "complete-todo", "write", uid=TEXT, calendarUrl=TEXT),
        _tool("todos", "delete-todo", "write", uid=TEXT, calendarUrl=TEXT),
        _tool("todos", "set-status", "write", uid=TEXT, status={"type": "string", "enum": ["NEEDS-ACTION", "DONE"]}),
        _tool("files", "list_directory", "read", path=TEXT),
        _tool("files", "read_file", "read", path=TEXT),
        _tool("files", "write_file", "write", path=TEXT, content=TEXT),
        _tool("files", "find", "read", pattern=TEXT),
        _tool("graph", "create_entities", "write", entities={"type": "array"}),
        _tool("graph", "open_nodes", "read", names={"type": "array"}),
        _tool("graph", "delete_entities", "write", entityNames={"type": "array"}),
    )
}


def primitive(
    tool: str,
    value: JsonValue,
    /,
    *,
    changed: tuple[StateChange, ...] = (),
    volatile: tuple[str, ...] = (),
    **arguments: JsonValue,
) -> Primitive:
    return Primitive(
        world=WORLD,
        tool=tool,
        arguments=arguments,
        scenario="all",
        value=value,
        volatile=volatile,
        state=changed,
    )


WORK = "/user/work/"
LISTED = primitive(
    "todos.list-todos",
    {"todos": [{"uid": "wt-13", "status": "NEEDS-ACTION"}, {"uid": "wt-11", "status": "NEEDS-ACTION"}], "total": 2},
    calendarUrl=WORK,
)
TICKED = primitive(
    "todos.complete-todo",
    "wt-11",
    changed=(StateChange(path="calendar/work/wt-11.ics#wt-11/STATUS", before="NEEDS-ACTION", after="DONE"),),
    uid="wt-11",
    calendarUrl=WORK,
)
DELETED = primitive(
    "todos.delete-todo",
    "deleted",
    changed=(StateChange(path="calendar/work/wt-13.ics#wt-13/SUMMARY", before="Print"),),
    uid="wt-13",
    calendarUrl=WORK,
)
NEW_TODO = primitive(
    "todos.create-todo",
    "5f9c2a77-1c3e",
    changed=(StateChange(path="calendar/work/5f9c2a77-1c3e.ics#<id:1>/SUMMARY", after="Buy paint"),),
    volatile=("",),
    calendarUrl=WORK,
    summary="Buy paint",
)
ELSEWHERE = primitive(
    "todos.complete-todo",
    "p-2",
    changed=(StateChange(path="calendar/home/p-2.ics#p-2/STATUS", before="NEEDS-ACTION", after="DONE"),),
    uid="p-2",
    calendarUrl="/user/home/",
)
FOLDER = primitive("files.list_directory", "[FILE] june.md\n[FILE] july.md", path="{root}/plans")
JUNE = primitive("files.read_file", "# June\nCall Ada Moreno about the harbour.", path="{root}/plans/june.md")
FOUND = primitive("files.find", {"matches": ["plans/june.md", "plans/july.md"]}, pattern="*.md")
WRITTEN = primitive(
    "files.write_file",
    "written",
    changed=(StateChange(path="plans/august.md", after="# August"),),
    path="{root}/plans/august.md",
    content="# August",
)
ADA = primitive(
    "graph.open_nodes",
    {"entities": [{"name": "Ada Moreno", "entityType": "person", "observations": ["speaks Spanish"]}]},
    names=["Ada Moreno"],
)
NEW_NODE = primitive(
    "graph.create_entities",
    {"entities": [{"name": "Rowan", "entityType": "project", "observations": ["starts in June"]}]},
    changed=(StateChange(path="memory.jsonl#entity/Rowan/", after="{...}"),),
    entities=[{"name": "Rowan", "entityType": "project", "observations": ["starts in June"]}],
)
GONE = primitive(
    "graph.delete_entities",
    {"success": True},
    changed=(StateChange(path="memory.jsonl#entity/Lindqvist/", before="{...}"),),
    entityNames=["Lindqvist"],
)
ALL = (LISTED, TICKED, DELETED, NEW_TODO, ELSEWHERE, FOLDER, JUNE, FOUND, WRITTEN, ADA, NEW_NODE, GONE)


def look(one: Primitive) -> Known:
    return known(one, TOOLS[one.tool])


def between(earlier: Primitive, later: Primitive) -> Link | None:
    return link(look(earlier), look(later))


def joined(*primitives: Primitive) -> Chain:
    """The chain of the primitives in this order, each led to by the first before it that leads to it."""
    pool = [look(one) for one in primitives]
    joints = [
        (one, two, found)
        for two in range(len(pool))
        for one in range(two)
        if (found := link(pool[one], pool[two])) is not None
    ]
    return chain_of(Piece(tuple(range(len(pool))), tuple(joints)), pool)


def test_an_argument_that_an_earlier_answer_gave_is_bound_to_it() -> None:
    chain = joined(LISTED, TICKED)
    assert chain.calls[1].arguments == {"uid": {"$ref": [0, "/todos/1/uid"]}, "calendarUrl": WORK}
    assert [(e.producer, e.pointer, e.consumer, e.argument) for e in chain.edges] == [(0, "/todos/1/uid", 1, "/uid")]
    assert chain.after == ()
    assert chain.shape == "serial"


def test_what_the_earlier_arguments_already_said_does_not_flow() -> None:
    echo = primitive("todos.list-todos", {"calendar": WORK, "total": 0}, calendarUrl=WORK)
    assert between(echo, TICKED) is None


def test_members_of_an_enumeration_and_defaults_do_not_flow() -> None:
    status = primitive("todos.set-status", "ok", uid="zz-99", status="NEEDS-ACTION")
    assert between(LISTED, status) is None
    fifty = primitive("todos.list-todos", {"limit": 50, "todos": ["a b"]}, calendarUrl="/user/home/", limit=50)
    assert between(primitive("files.find", {"limit": 50}, pattern="x"), fifty) is None


@pytest.mark.parametrize(
    ("key", "flows"),
    [
        *(("size", False), ("limit", False), ("requestId", False), ("customers/0/id", False), ("id", False)),
        *(("taskId", True), ("tasks/0/id", True)),
    ],
)
def test_a_number_flows_only_between_places_that_mean_the_same(key: str, flows: bool) -> None:
    value: JsonValue = 7
    for token in reversed(key.split("/")):
        value = [value] if token == "0" else {token: value}
    giver = primitive("files.find", value, pattern="x")
    taker = primitive("todos.set-status", "ok", taskId=7)
    assert (between(giver, taker) is not None) == flows


def test_a_part_of_an_argument_that_an_earlier_answer_gave_is_joined_into_it() -> None:
    one = primitive("files.find", {"matches": ["june.md"]}, pattern="*")
    chain = joined(one, JUNE)
    assert chain.calls[1].arguments["path"] == {"$join": ["{root}/plans/", {"$ref": [0, "/matches/0"]}]}


def test_what_stands_in_prose_stays_a_literal_and_gives_the_order() -> None:
    chain = joined(FOLDER, JUNE)
    assert chain.calls[1].arguments == JUNE.arguments
    assert (chain.edges, chain.after) == ((), ((0, 1),))
    assert between(JUNE, ADA) == Link("text", about=("/names/0",)), "a person that a note names"


def test_a_file_of_the_same_name_in_another_folder_does_not_follow() -> None:
    other = primitive("files.read_file", "# June", path="{root}/bills/june.md")
    assert between(FOLDER, other) is None


def test_the_id_of_what_was_made_takes_the_place_of_another_of_its_kind() -> None:
    chain = joined(NEW_TODO, TICKED)
    assert chain.calls[1].arguments == {"uid": {"$ref": [0, ""]}, "calendarUrl": WORK}
    assert between(NEW_TODO, ELSEWHERE) is None, "it lies in another calendar"


def test_the_name_of_what_was_made_takes_the_place_of_another_of_its_kind() -> None:
    chain = joined(NEW_NODE, ADA)
    assert chain.calls[1].arguments == {"names": ["Rowan"]}
    assert chain.after == ((0, 1),)
    assert joined(WRITTEN, JUNE).calls[1].arguments == {"path": "{root}/plans/august.md"}


def test_reading_what_was_changed_comes_after_the_change() -> None:
    renamed = primitive(
        "files.write_file",
        "written",
        changed=(StateChange(path="plans/june.md", before="# June", after="# Juni"),),
        path="{root}/plans/june.md",
        content="# Juni",
    )
    chain = joined(renamed, JUNE)
    assert (chain.after, chain.shape) == (((0, 1),), "serial")
    assert between(renamed, ADA) is None


@pytest.mark.parametrize(
    ("path", "spot", "names"),
    [
        ("notes/roof.md#/tags/1", "notes/roof.md#", {"notes/roof.md"}),
        ("todo/tasks.jsonl#id/7/due_date", "todo/tasks.jsonl#id/7", {"todo/tasks.jsonl"}),
        ("todo/tasks.jsonl#id/t-4711/due_date", "todo/tasks.jsonl#id/t-4711", {"t-4711"}),
        ("memory.jsonl#entity/Rowan/", "memory.jsonl#entity/Rowan/", {"entity", "Rowan"}),
    ],
)
def test_a_changed_field_is_a_change_of_the_object_that_has_it(path: str, spot: str, names: set[str]) -> None:
    changed = (StateChange(path=path, before="1", after="2"),)
    found = look(primitive("files.write_file", "written", changed=changed, path="{root}/a.md", content="x"))
    assert (found.spots, found.writes) == ({spot}, names)


def test_what_nobody_would_ask_for_has_a_flaw() -> None:
    def flawed(*primitives: Primitive, joints: tuple[tuple[int, int], ...] = ()) -> str:
        pool = [look(one) for one in primitives]
        links = [(one, two, link(pool[one], pool[two])) for one, two in joints]
        return flaw(Piece(tuple(range(len(pool))), tuple((a, b, c) for a, b, c in links if c)), pool)

    assert flawed(primitive("files.find", {"matches": []}, pattern="x")) == "a read that tells nothing"
    assert flawed(JUNE, JUNE) == "the same twice"
    assert flawed(JUNE, primitive("files.read_file", "# June", path="plans/june.md")) == "the same twice"
    assert flawed(NEW_NODE, GONE, joints=((0, 1),)) == "undoes what it made"
    assert flawed(NEW_NODE, ADA, GONE, joints=((0, 1), (0, 2))) == "", "it was read in between"
    again = primitive("files.write_file", "ok", changed=WRITTEN.state or (), path="plans/august.md", content="# Autumn")
    assert flawed(WRITTEN, again) == "writes over itself"
    assert flawed(LISTED, TICKED, joints=((0, 1),)) == ""


def plan(**more: object) -> Plan:
    return Plan.model_validate({"count": 40, "lengths": {1: 0.3, 2: 0.3, 3: 0.2, 4: 0.2}} | more)


def test_the_same_primitives_in_any_order_give_the_same_chains() -> None:
    first = list(compose(ALL, TOOLS, 7, plan()))
    assert first == list(compose(ALL[::-1], TOOLS, 7, plan()))
    assert [c.calls for c in first] != [c.calls for c in compose(ALL, TOOLS, 8, plan())]


def test_every_tool_that_says_or_changes_something_appears_and_no_chain_comes_twice() -> None:
    chains = list(compose(ALL, TOOLS, 1, plan()))
    assert {tool for chain in chains for tool in chain.tools} == {one.tool for one in ALL}
    assert len({str(chain.calls) for chain in chains}) == len(chains)
    assert {chain.shape for chain in chains} == {"single", "serial", "parallel", "mixed"}
    assert {len(chain.calls) for chain in chains} >= {1, 2, 3, 4}


def test_bindings_point_backwards_to_leaves_that_were_recorded() -> None:
    by_digest = {one.digest(): one for one in ALL}
    chains = list(compose(ALL, TOOLS, 3, plan()))
    assert any(chain.edges for chain in chains)
    for chain in chains:
        assert all(one < two for one, two in chain.after)
        for edge in chain.edges:
            assert edge.producer < edge.consumer
            assert by_digest[chain.primitives[edge.producer]].tool == chain.calls[edge.producer].tool


def test_no_primitive_is_used_more_often_than_planned() -> None:
    chains = list(compose(ALL, TOOLS, 1, plan(per_primitive=2)))
    uses = [digest for chain in chains for digest in chain.primitives]
    assert max(map(uses.count, uses)) == 2


def test_worlds_are_not_mixed() -> None:
    other = WORLD.model_copy(update={"setup": "elsewhere"})
    both = [*ALL, *(one.model_copy(update={"world": other}) for one in ALL)]
    where = {one.digest(): one.world for one in both}
    chains = list(compose(both, TOOLS, 1, plan()))
    assert {chain.world.setup for chain in chains} == {"desk", "elsewhere"}
    assert all({where[digest] for digest in chain.primitives} == {chain.world} for chain in chains)


def test_a_changed_argument_is_the_only_one_that_differs_from_the_primitive() -> None:
    by_digest = {one.digest(): one for one in ALL}
    for chain in compose(ALL, TOOLS, 5, plan()):
        for position, call in enumerate(chain.calls):
            arguments = by_digest[chain.primitives[position]].arguments
            bound = {edge.argument for edge in chain.edges if edge.consumer == position}
            for pointer in bound:
                call = mutated(call, pointer, None)
                arguments = mutated(call.model_copy(update={"arguments": arguments}), pointer, None).arguments
            if bound:
                assert call.arguments == arguments
