"""Mutation operators: where they apply, what they change, and that they change nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from rise_bench.refs import at
from rise_bench.synth.negatives.operators import OPERATORS, Material, Mutant, operator
from rise_bench.synth.records import Entity
from rise_bench.types import Fact, Ground, Server, Task, Tool


def tool(name: str, effect: str, required: tuple[str, ...] = (), group: str = "", **properties: Any) -> Tool:
    return Tool.model_validate(
        {
            "server": "s",
            "name": name,
            "description": f"{name} of the book",
            "effect": effect,
            "group": group,
            "parameters": {"type": "object", "properties": properties, "required": list(required)},
        }
    )


TEXT = {"type": "string"}
GROUND = Ground(
    name="kit",
    servers=(
        Server(
            name="s",
            tools=(
                tool("find_events", "read", ("text",), text=TEXT, limit={"type": "integer", "minimum": 1}),
                tool(
                    "add_event",
                    "write",
                    ("title", "start"),
                    group="adding",
                    title=TEXT,
                    start=TEXT,
                    kind={"type": "string", "enum": ["work", "home", "trip"], "default": "work"},
                    all_day={"type": "boolean", "default": False},
                    seats={"type": "integer", "minimum": 0, "maximum": 50},
                    degrees={"type": "number", "minimum": -90},
                    offset={"type": "integer"},
                    path=TEXT,
                    zone=TEXT,
                    unit=TEXT,
                    guests={"type": "array", "items": TEXT},
                    recursive={"type": "boolean", "default": False},
                ),
                tool("add_events", "write", ("title", "start"), group="adding", title=TEXT, start=TEXT),
                tool("delete_event", "write", ("title",), title=TEXT),
                tool("get_event", "read", ("title",), title=TEXT),
            ),
        ),
    ),
)


def one(name: str, value: Any, **critical: Any) -> Material:
    """A task of one call whose argument `name` is critical."""
    given = {"title": "Review", "start": "2026-05-20", name: value}
    return material([{"tool": "s.add_event", "arguments": given}], [{"call": 0, "argument": f"/{name}", **critical}])


def material(reference: list[dict[str, Any]], critical: list[dict[str, Any]], **more: Any) -> Material:
    entities = more.pop("entities", ())
    task = Task.model_validate(
        {
            "id": "kit/one",
            "request": "Do it.",
            "now": "2026-04-02T09:00:00Z",
            "servers": ["s"],
            "reference": reference,
            "intent": {"critical": critical, **more.pop("intent", {})},
            "recorded": [None] * len(reference),
            **more,
        }
    )
    return Material(task, GROUND, tuple(entities))


def made(name: str, by: Material) -> list[Any]:
    found = operator(name)
    assert found is not None
    return [mutant.made for mutant in found.mutants(by)]


def calls(name: str, by: Material) -> list[Mutant]:
    found = operator(name)
    assert found is not None
    return list(found.mutants(by))


@pytest.mark.parametrize(
    ("name", "argument", "value", "expected"),
    [
        ("value:date+1d", "start", "2026-02-28", "2026-03-01"),
        ("value:date-1d", "start", "2026-03-01T10:00:00", "2026-02-28T10:00:00"),
        ("value:date+1m", "start", "2026-01-31", "2026-02-28"),
        ("value:date+1m", "start", "2026-12-15", "2027-01-15"),
        ("value:date-1m", "start", "2026-01-15", "2025-12-15"),
        ("value:date+1y", "start", "2024-02-29", "2025-02-28"),
        ("value:day-month", "start", "2026-05-04", "2026-04-05"),
        ("value:time+1h", "start", "2026-05-04T09:30:00Z", "2026-05-04T10:30:00Z"),
        ("value:time-1h", "start", "09:30", "08:30"),
        ("value:zone", "start", "2026-05-04T09:30:00+02:00", "2026-05-04T09:30:00+03:00"),
        ("value:zone", "start", "2026-05-04T09:30:00Z", "2026-05-04T09:30:00+01:00"),
        ("value:zone", "zone", "Europe/Paris", "Europe/London"),
        ("value:unit", "unit", "km", "mi"),
        ("value:unit", "unit", "Miles", "kilometers"),
        ("value:number+1", "seats", 4, 5),
        ("value:number-1", "title", "Room 12", "Room 11"),
        ("value:number-1", "title", "Room 09", "Room 08"),
        ("value:number+1", "title", "Room 09", "Room 10"),
        ("value:sign", "degrees", 4.5, -4.5),  # the contract's minimum is below nought
        ("value:sign", "offset", -2, 2),
        ("value:sign", "title", "-2", "2"),
        ("value:tenfold", "seats", 4, 40),
        ("value:tenth", "seats", 40, 4),
        ("value:member+1", "kind", "home", "trip"),
        ("value:member-1", "kind", "home", "work"),
        ("value:negated", "all_day", True, False),
        ("value:default", "kind", "trip", "work"),
        ("value:bound", "title", "price >= 3", "price > 3"),
        ("missing:item", "guests", ["a", "b", "c"], ["a", "b"]),
    ],
)
def test_a_value_becomes_what_a_slip_would_make_of_it(name: str, argument: str, value: Any, expected: Any) -> None:
    assert made(name, one(argument, value)) == [expected]


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("value:day-month", "start", "2026-05-20"),  # there is no twentieth month
        ("value:day-month", "start", "2026-05-05"),  # the same either way
        ("value:date+1d", "start", "2026-13-40"),
        ("value:time+1h", "start", "23:10"),
        ("value:tenfold", "seats", 9),  # beyond the contract's maximum
        ("value:sign", "seats", 4),  # below its minimum
        ("value:sign", "offset", 4),  # nothing says that there are negative ones
        ("value:sign", "degrees", 0),
        ("value:sign", "title", "4"),
        ("value:sign", "title", "price >= -3"),
        ("value:number-1", "seats", 0),
        ("value:tenth", "seats", 45),
        ("value:number+1", "all_day", True),
        ("value:number+1", "start", "2026-05-20"),
        ("value:unit", "title", "Review"),
        ("value:member+1", "kind", "trip"),
        ("value:default", "kind", "work"),
        ("missing:item", "guests", ["a"]),
        ("missing:optional", "title", "Review"),
        ("value:parent-path", "path", "notes.txt"),
    ],
)
def test_an_operator_leaves_alone_what_it_does_not_apply_to(name: str, argument: str, value: Any) -> None:
    assert made(name, one(argument, value)) == []


def test_the_parent_of_a_path_is_taken_only_where_a_path_is_meant() -> None:
    assert made("value:parent-path", one("path", "a/b/c.txt", match="path")) == ["a/b"]
    assert made("value:parent-path", one("path", "a/b/c.txt")) == []


def test_near_entities_are_of_the_same_kind_and_the_most_alike_come_first() -> None:
    entities = [
        Entity(world="w", kind=kind, value=value, tool="s.get_event")
        for kind, value in (
            ("event", "Review"),
            ("event", "Dentist"),
            ("event", "Reviews"),
            ("event", "Preview"),
            ("path", "Revie"),
        )
    ]
    by = material(
        [{"tool": "s.get_event", "arguments": {"title": "Review"}}],
        [{"call": 0, "argument": "/title"}],
        entities=entities,
    )
    assert made("value:entity", by) == ["Reviews", "Preview"]


def test_values_that_the_author_named_come_before_any_entity() -> None:
    assert made("value:entity", one("title", "Review", near=["Recap", "Rehearsal"])) == ["Recap", "Rehearsal"]


@pytest.mark.parametrize("name", [one.id for one in OPERATORS if one.family in ("value", "missing")])
def test_value_operators_change_one_argument_and_nothing_else(name: str) -> None:
    by = one("start", "2026-05-04T09:30:00Z")
    for mutant in calls(name, by):
        (before,), (after,) = by.task.reference, mutant.calls
        assert mutant.made != mutant.was
        assert {**after.arguments, "start": None} == {**before.arguments, "start": None}
        assert at(dict(after.arguments), mutant.argument) == mutant.made


def test_a_stated_optional_argument_is_dropped_and_a_required_one_is_not() -> None:
    (mutant,) = calls("missing:optional", one("kind", "home"))
    assert mutant.calls[0].arguments == {"title": "Review", "start": "2026-05-20"}


def test_a_bound_argument_is_crossed_with_its_neighbour_and_left_alone_by_value_operators() -> None:
    by = material(
        [
            {"tool": "s.find_events", "arguments": {"text": "review"}},
            {"tool": "s.delete_event", "arguments": {"title": {"$ref": [0, "/events/0/title"]}}},
        ],
        [{"call": 1, "argument": "/title", "near": ["X"]}],
        recorded=[{"events": [{"title": "Review 1"}, {"title": "Review 1"}, {"title": "Review 2"}]}, "gone"],
    )
    (mutant,) = calls("structure:crossed", by)
    assert mutant.calls[1].arguments == {"title": {"$ref": [0, "/events/2/title"]}}
    assert (mutant.was, mutant.made) == ("Review 1", "Review 2")
    assert made("value:entity", by) == []


def test_a_stale_binding_takes_what_the_earlier_call_of_the_same_tool_gave() -> None:
    by = material(
        [
            {"tool": "s.get_event", "arguments": {"title": "a"}},
            {"tool": "s.get_event", "arguments": {"title": "b"}},
            {"tool": "s.add_event", "arguments": {"title": "c", "start": {"$ref": [1, "/start"]}}},
        ],
        [{"call": 2, "argument": "/start"}],
        recorded=[{"start": "2026-01-01"}, {"start": "2026-02-02"}, None],
    )
    (mutant,) = calls("structure:stale", by)
    assert mutant.calls[2].arguments["start"] == {"$ref": [0, "/start"]}


def two_deeds() -> Material:
    return material(
        [
            {"tool": "s.get_event", "arguments": {"title": "a"}},
            {"tool": "s.add_event", "arguments": {"title": "b", "start": {"$ref": [0, "/start"]}}},
            {"tool": "s.delete_event", "arguments": {"title": "a"}},
        ],
        [{"call": 1, "argument": "/title"}, {"call": 2, "argument": "/title"}],
        recorded=[{"start": "2026-01-01"}, None, None],
        intent={"after": [[1, 2]]},
    )


def test_a_deed_is_skipped_only_where_others_are_left() -> None:
    assert [[c.tool for c in mutant.calls] for mutant in calls("structure:skip", two_deeds())] == [
        ["s.get_event", "s.delete_event"],
        ["s.get_event", "s.add_event"],
    ]
    assert calls("structure:skip", one("title", "Review")) == []


def test_bindings_follow_their_calls_when_a_deed_is_done_twice_or_two_are_swapped() -> None:
    twice = calls("structure:twice", two_deeds())[0]
    assert [c.arguments.get("start") for c in twice.calls] == [
        None,
        {"$ref": [0, "/start"]},
        {"$ref": [0, "/start"]},
        None,
    ]
    (swapped,) = calls("structure:swap", two_deeds())
    assert [c.tool for c in swapped.calls] == ["s.get_event", "s.delete_event", "s.add_event"]


def test_a_call_that_needs_what_a_later_one_gives_cannot_be_swapped_with_it() -> None:
    by = material(
        [
            {"tool": "s.get_event", "arguments": {"title": "a"}},
            {"tool": "s.delete_event", "arguments": {"title": {"$ref": [0, "/title"]}}},
        ],
        [],
        intent={"after": [[0, 1]]},
        recorded=[{"title": "a"}, None],
    )
    assert calls("structure:swap", by) == []


def test_sibling_tools_get_the_arguments_that_they_know_and_declare_by_what_they_are() -> None:
    by = one("title", "Review")
    (wider,) = [m for name in ("tool:wider", "tool:similar") for m in calls(name, by) if m.made == "s.add_events"]
    assert wider.calls[0].tool == "s.add_events"
    assert wider.calls[0].arguments == {"title": "Review", "start": "2026-05-20"}
    assert wider.declared == (1, 0)
    reads = calls("tool:read-for-write", by)
    assert [m.calls[0].tool for m in reads] == ["s.get_event"]
    assert all(m.declared == (0, 0) for m in reads)


def test_arguments_that_nobody_asked_for_narrow_or_widen() -> None:
    by = one("title", "Review")
    assert [(m.argument, m.made) for m in calls("extra:scope", by)] == [("/recursive", True)]
    assert ("/kind", "home") in [(m.argument, m.made) for m in calls("extra:constraint", by)]


def test_a_deed_that_nobody_asked_for_comes_after_all_that_was_asked() -> None:
    by = material(
        [{"tool": "s.delete_event", "arguments": {"title": "Review"}}],
        [{"call": 0, "argument": "/title", "near": ["Recap"]}],
    )
    (neighbour,) = calls("extra:neighbour", by)
    assert [c.arguments for c in neighbour.calls] == [{"title": "Review"}, {"title": "Recap"}]
    assert neighbour.calls[0] == by.task.reference[0]
    reading = material([{"tool": "s.get_event", "arguments": {"title": "Review"}}], [{"call": 0, "argument": "/title"}])
    assert calls("extra:neighbour", reading) == []
    assert [(m.calls[0].tool, m.calls[1].tool) for m in calls("extra:effect", reading)] == [
        ("s.get_event", "s.delete_event")
    ]


def test_an_argument_that_the_user_left_open_is_no_extra() -> None:
    by = material(
        [{"tool": "s.add_event", "arguments": {"title": "Review", "start": "2026-05-20"}}],
        [{"call": 0, "argument": "/title"}],
        intent={"free": [[0, "/kind"], [0, "/recursive"]]},
    )
    assert "/kind" not in [m.argument for m in calls("extra:constraint", by)]
    assert calls("extra:scope", by) == []


def test_every_operator_is_known_by_its_id_and_opposites_come_in_pairs() -> None:
    assert len({found.id for found in OPERATORS}) == len(OPERATORS)
    assert all(operator(found.id) is found for found in OPERATORS)
    assert sum(found.direction == "+" for found in OPERATORS) == sum(found.direction == "-" for found in OPERATORS)
    assert {found.family for found in OPERATORS} == {
        "tool", "value", "missing", "extra", "structure", "decision", "response"
    }  # fmt: skip


def test_operators_on_a_twin_guess_or_claim_and_leave_the_others_alone() -> None:
    twin = one("title", "Review").task.model_copy(update={"kind": "underspecified", "asks": (("when",),)})
    by = Material(twin, GROUND, (), one("title", "Review").task)
    assert {found.id for found in OPERATORS if list(found.mutants(by))} == {"decision:guess", "decision:claim"}


def test_a_fact_is_left_out_only_where_what_is_told_of_the_others_does_not_speak_of_it() -> None:
    wet = Fact(value=8, type="number", about=("wet", "April"))
    dry = Fact(value=14, type="number", about=("dry", "April"))
    alike = dry.model_copy(update={"about": ("wet", "May")})

    def left_out(*facts: Fact) -> list[object]:
        task = one("title", "Review").task.model_copy(update={"answer": facts})
        return [mutant.was for mutant in operator("response:omitted").mutants(Material(task, GROUND, ()))]

    assert left_out(wet, dry) == [8, 14]
    assert left_out(wet, alike) == []
    assert left_out(wet) == [8]
