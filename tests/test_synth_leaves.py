"""The leaves of a chain's arguments, the rule each is matched by, and the slips that are tried in their place."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.score.values import same
from rise_bench.synth.leaves import Leaf, is_wording, kind_of, leaves
from rise_bench.synth.records import Chain, Entity, Primitive, World
from rise_bench.synth.slips import Neighbours, slips
from rise_bench.types import Call, Tool

WORLD = World(setup="desk", now="2026-04-02T09:00:00Z", servers=("it",))
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {"type": "string"},
        "order": {"anyOf": [{"enum": ["up", "down", "none"]}, {"type": "null"}]},
        "edits": {"type": "array", "items": {"$ref": "#/$defs/edit"}},
    },
    "$defs": {"edit": {"type": "object", "properties": {"mode": {"enum": ["add", "drop"]}}}},
}
TOOLS = {"it.do": Tool(server="it", name="do", parameters=SCHEMA)}


def chain(*arguments: dict[str, JsonValue], recorded: tuple[JsonValue, ...] = ()) -> Chain:
    calls = tuple(Call(tool="it.do", arguments=one) for one in arguments)
    return Chain(world=WORLD, calls=calls, primitives=(), recorded=recorded)


def leaf(value: JsonValue, name: str = "value") -> Leaf:
    (found,) = leaves(chain({name: value}), TOOLS)
    return found


def test_leaves_are_scalars_and_plain_lists_each_with_its_own_part_of_the_schema() -> None:
    arguments: dict[str, JsonValue] = {
        "path": "{root}/a.txt",
        "order": "up",
        "edits": [{"mode": "add", "lines": ["x", "y"]}],
        "base": "{root}",
        "nothing": None,
    }
    found = {one.pointer: one for one in leaves(chain(arguments), TOOLS)}
    assert found.keys() == {"/path", "/order", "/edits/0/mode", "/edits/0/lines"}
    assert found["/edits/0/mode"].schema == {"enum": ["add", "drop"]}
    assert kind_of(found["/order"]) == "enum"
    assert (found["/path"].optional, found["/order"].optional) == (False, True)


def test_a_bound_leaf_has_the_value_that_was_recorded_and_says_where_it_is_from() -> None:
    recorded: JsonValue = {"rows": [{"uid": "w-1"}, {"uid": "w-2"}]}
    bound = {"uid": {"$ref": [0, "/rows/1/uid"]}}
    found = leaves(chain({}, bound, recorded=(recorded, "ok")), TOOLS)  # type: ignore[arg-type]
    assert [(one.value, one.bound) for one in found] == [("w-2", ((0, "/rows/1/uid"),))]
    beside = Neighbours(chain({}, bound, recorded=(recorded, "ok"))).of(found[0])  # type: ignore[arg-type]
    assert slips(found[0], beside) == ["w-1"]


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("path", "{root}/a.txt", "path"),
        ("repo_path", "tidepool", "path"),
        ("start", "2026-04-01T00:00:00Z", "datetime"),
        ("day", "2026-04-01", "date"),
        ("amount", 3, "number"),
        ("flag", True, "exact"),
        ("uid", "w-4711", "exact"),
        ("title", "Board meeting", "text"),
        ("city", "Graz", "text"),
        ("query", "SELECT 1 FROM a", "sql"),
        ("link", "https://example.org/a", "url"),
        ("names", ["Ada", "Bob"], "set"),
        ("files", ["a/b.txt"], "path"),
        ("rows", [["a", 1]], "exact"),
    ],
)
def test_the_rule_follows_from_the_value_and_its_name(name: str, value: JsonValue, kind: str) -> None:
    assert kind_of(leaf(value, name)) == kind


@pytest.mark.parametrize(
    "value",
    ["{root}/a.txt", "2026-04-01", 3, 2.5, True, "w-4711", "Board meeting", "Graz", "SELECT a FROM b WHERE c = 'd'",
     ["Ada", "Bob"], "docs/harbours", "Call Ada on 19 April."],
)  # fmt: skip
def test_every_kind_of_value_has_a_slip_and_no_slip_is_the_same_value(value: JsonValue) -> None:
    one = leaf(value, "path" if str(value).startswith("{root}") else "value")
    found = slips(one, [])
    assert found
    assert not any(same(value, other, kind_of(one)) for other in found)


def test_what_exists_comes_first_the_most_alike_before_the_others_and_only_of_the_same_world() -> None:
    elsewhere = WORLD.model_copy(update={"setup": "shop"})
    names = ("invoices/march.txt", "notes/todo.md", "invoices/april.txt")
    entities = [Entity(world=WORLD.digest(), kind="file", value=name, tool="it.list") for name in names]
    entities += [Entity(world=elsewhere.digest(), kind="file", value="invoices/may.txt", tool="it.list")]
    entities += [Entity(world=WORLD.digest(), kind="person", value="Ada", tool="it.people")]
    made = Primitive(world=WORLD, tool="it.do", arguments={"path": "invoices/june.txt"}, scenario="all")
    where = chain({"path": "{root}/invoices/march.txt"})
    (one,) = leaves(where, TOOLS)
    existing = Neighbours(where, [made], entities).of(one)
    assert existing[-1] == "{root}/notes/todo.md"
    assert set(existing[:2]) == {"{root}/invoices/april.txt", "{root}/invoices/june.txt"}
    assert slips(one, existing)[:2] == existing[:2]


def test_a_formula_slips_by_a_number_and_not_into_another_formula_altogether() -> None:
    one = leaf("14 * 9.4", "expression")
    assert slips(one, ["2340 * 18.5 / 100", "14 * 9.5"]) == ["14 * 10.4", "14 * 9.5"]


def test_a_closing_remark_is_left_open_a_title_is_not() -> None:
    assert is_wording(leaf("All seats are taken", "completedDetails"))
    assert not is_wording(leaf("All seats are taken", "title"))
    assert not is_wording(leaf("short", "description"))
