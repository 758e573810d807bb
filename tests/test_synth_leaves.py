"""The leaves of a chain's arguments, the rule each is matched by, and the slips that are tried in their place."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from rise_bench.score.values import same
from rise_bench.synth.critical.leaves import Leaf, dictated, is_wording, kind_of, leaves
from rise_bench.synth.critical.neighbours import Neighbours
from rise_bench.synth.critical.slips import slips
from rise_bench.synth.records import Chain, Entity, Primitive, World
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


def test_a_free_text_is_dictated_where_the_request_gives_it_word_for_word() -> None:
    made = chain({"title": "Form", "description": "Hang up both  pictures."}, {"description": "All seats are taken"})
    asked = 'Add "hang up both pictures" to the follow-up, and say why the other one is closed.'
    assert dictated(made, TOOLS, asked) == {(0, "/description")}
    assert dictated(made, TOOLS, "") == frozenset()


def test_of_several_things_that_bear_the_name_the_kind_that_the_argument_names_counts() -> None:
    kinds = {"range": ("Work", "tyre", "wheel"), "sheet": ("Work", "Rental")}
    entities = [
        Entity(world=WORLD.digest(), kind=kind, value=value, tool="it.read", within={"path": "prices.xlsx"})
        for kind, values in kinds.items()
        for value in values
    ]
    cells: JsonValue = {"values": [["Work", "Minutes"], ["tyre", 30]]}
    where = chain({}, {"sheetName": "Work"}, recorded=(cells, "ok"))
    assert Neighbours(where, (), entities).of(leaves(where, TOOLS)[0]) == ["Rental"]
    where = chain({"query": "Work"})
    assert set(Neighbours(where, (), entities).of(leaves(where, TOOLS)[0])) == {"tyre", "wheel", "Rental"}


# --- slips by type ----------------------------------------------------------------------------------------------------


def tried(
    arguments: dict[str, JsonValue], name: str, *recorded: JsonValue, schema: JsonValue = None
) -> list[JsonValue]:
    """Slips of an argument of the last call, those before it having given these results."""
    tool = Tool(server="it", name="do", parameters={"properties": {name: schema} if schema else {}})
    calls = chain(*({} for _ in recorded), arguments, recorded=(*recorded, "ok"))
    one = next(one for one in leaves(calls, {"it.do": tool}) if one.call == len(recorded) and one.name == name)
    return slips(one, Neighbours(calls).of(one))


DAY: dict[str, JsonValue] = {"start": "2026-03-14T00:00:00Z", "end": "2026-03-15T00:00:00Z"}


def test_the_start_of_a_span_slips_to_before_its_end_and_the_end_to_after_its_start() -> None:
    assert tried(DAY, "start") == [
        "2026-03-13T00:00:00Z", "2026-03-07T00:00:00Z", "2026-03-14T12:00:00Z", "2026-02-14T00:00:00Z"
    ]  # fmt: skip
    assert tried(DAY, "end") == [
        "2026-03-16T00:00:00Z", "2026-03-22T00:00:00Z", "2026-03-14T12:00:00Z", "2026-04-15T00:00:00Z"
    ]  # fmt: skip
    days: dict[str, JsonValue] = {"from_date": "2026-03-30", "to_date": "2026-03-31"}
    assert tried(days, "from_date") == ["2026-03-29", "2026-03-23", "2026-02-28"]
    assert tried(days, "to_date") == ["2026-04-01", "2026-04-07", "2026-04-30"]


def test_the_other_end_of_a_span_is_the_argument_named_like_it_and_no_other_moment() -> None:
    moved: dict[str, JsonValue] = {"occurrence": "2026-03-14", "new_start": "2026-03-20", "new_end": "2026-03-24"}
    assert tried(moved, "occurrence")[:2] == ["2026-03-15", "2026-03-13"]
    assert tried(moved, "new_start")[2] == "2026-03-22"


def test_moments_keep_their_writing() -> None:
    assert tried({"due": "2026-03-24 12:00"}, "due")[0] == "2026-03-25 12:00"
    assert tried({"due": "2026-03-24T12:00:00.000+02:00"}, "due")[0] == "2026-03-25T12:00:00.000+02:00"
    assert tried({"at": "23:30"}, "at") == ["00:30", "22:30", "11:30"]


def test_what_other_calls_hold_in_a_start_is_only_tried_where_it_lies_before_the_end() -> None:
    where = chain(DAY)
    others = ("2026-02-10T00:00:00Z", "2026-05-01T00:00:00Z")
    calls = [Primitive(world=WORLD, tool="it.do", arguments={"start": start}, scenario="all") for start in others]
    start = leaves(where, TOOLS)[0]
    assert Neighbours(where, calls).of(start) == ["2026-02-10T00:00:00Z"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("D6", ["D7", "E6", "D5"]),
        ("A1", ["A2", "B1"]),
        ("Dues!Z9", ["Dues!Z10", "Dues!AA9", "Dues!Z8"]),
        ("B2:C9", ["B2:C10", "B2:C8", "B3:C10", "C2:D9", "B1:C8"]),
        ("'May'!$A$1:$A$3", ["'May'!$A$1:$A$4", "'May'!$A$1:$A$2", "'May'!$A$2:$A$4", "'May'!$B$1:$B$3"]),
        ("B6:B6", ["B7:B7", "C6:C6", "B5:B5"]),
    ],
)  # fmt: skip
def test_cells_slip_to_their_neighbours_and_ranges_by_a_row(value: str, expected: list[str]) -> None:
    assert tried({"at": value}, "at") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[185]], [[[184]], [[186]], [[158]], [[1850]]][:2]),
        ([["Poster stand", 35]], [[["Poster stand", 34]], [["Poster stand 2", 35]]]),
        ([["a", 1], ["b", None]], [[["a", 2], ["b", None]], [["a", 1], ["b-2", None]]]),
        (["Lucas Thorne"], [["Lucas Thorne 2"]]),
        (["stock", "calls"], [["stock", "calls-2"], ["stock"]]),
    ],
)
def test_of_a_list_one_part_slips_by_its_type_and_nothing_is_emptied(
    value: JsonValue, expected: list[JsonValue]
) -> None:
    assert tried({"rows": value}, "rows")[: len(expected)] == expected
    assert [] not in tried({"rows": value}, "rows")


def test_the_last_item_of_a_list_slips_to_what_stands_beside_it_in_an_earlier_result() -> None:
    people: JsonValue = {"people": [{"name": "Lukas Thorn"}, {"name": "Lucas Thorne"}]}
    assert tried({"names": ["Lucas Thorne"]}, "names", people)[0] == ["Lukas Thorn"]


def test_a_closed_line_stays_closed() -> None:
    ring: JsonValue = [[[0.5, 1.5], [2.5, 1.5], [2.5, 3.5], [0.5, 1.5]]]
    texts = tried({"geojson": json.dumps({"type": "Polygon", "coordinates": ring})}, "geojson")
    inside = [json.loads(str(text)) for text in texts]
    assert len({text["type"] for text in inside}) == 2
    for slip in [*tried({"coordinates": ring}, "coordinates"), inside[0]["coordinates"]]:
        assert isinstance(slip, list) and isinstance(slip[0], list)
        assert slip[0][0] == slip[0][-1] == [0.5, 1.5]
        assert slip != ring


@pytest.mark.parametrize(
    ("name", "value", "first"),
    [
        ("country", "DE", ["AT", "PL", "PT"]),
        ("country_code", "NO", ["IS", "SE", "LT"]),
        ("from_currency", "CHF", ["EUR", "USD", "JPY"]),
        ("currency", "eur", ["chf", "usd", "jpy"]),
        ("locale", "de-AT", ["nl", "en", "pt"]),
        ("target_timezone", "Europe/Berlin", ["Europe/Athens", "Europe/Lisbon", "Europe/London"]),
        ("target_timezone", "America/Halifax", ["America/New_York", "America/Chicago", "America/Denver"]),
        ("source_timezone", "UTC", ["Europe/Berlin", "Europe/Athens", "Europe/Istanbul"]),
    ],
)
def test_codes_and_zones_slip_to_those_of_their_region(name: str, value: str, first: list[str]) -> None:
    assert tried({name: value}, name) == first


def test_what_only_looks_like_a_code_slips_as_a_text() -> None:
    assert tried({"title": "DE"}, "title") == ["DE-2"]


def test_a_currency_slips_to_one_that_has_a_rate_in_the_same_call() -> None:
    arguments: dict[str, JsonValue] = {"to_currency": "EUR", "rates": {"EUR": 0.92, "NOK": 11.2}}
    assert "NOK" in tried(arguments, "to_currency")


def test_a_number_slips_first_to_one_that_an_earlier_result_shows_then_by_one() -> None:
    listed: JsonValue = {"adrs": [{"number": 2}, {"number": 5}, {"number": 6}]}
    assert tried({"number": 6}, "number", listed) == [5, 2, 7, 60]
    assert tried({"number": 6}, "number") == [5, 7, 60]
    assert tried({"n": 1}, "n") == [2, 3, 10]
    assert tried({"rate": 0.049}, "rate") == [0.05, 0.059, 0.49]


def test_what_the_schema_forbids_is_not_tried() -> None:
    assert tried({"n": 10}, "n", schema={"type": "integer", "minimum": 10, "maximum": 50}) == [11]


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("v0.3", "Releases: v0.1, v0.2 and v0.3.", ["v0.2", "v0.1"]),
        ("0003", "0001 Two languages\n0003 Cents", ["0001", "0002", "0004"]),
        ("task-8", '{"id": "task-12"}', ["task-12", "task-7", "task-9"]),
        ("v0.3", "nothing", ["v0.2", "v0.4"]),
    ],
)
def test_an_id_slips_first_to_one_of_its_shape_that_an_earlier_result_shows(
    value: str, text: str, expected: list[str]
) -> None:
    assert tried({"revision": value}, "revision", text)[: len(expected)] == expected


def test_numbers_bound_inside_a_text_slip_to_the_same_field_of_another_record_and_the_text_beside_them_by_type() -> (
    None
):
    trips: JsonValue = {"rows": [{"litres": 38.5}, {"litres": 41}]}
    prices: JsonValue = {"rows": [{"price": 1.6}, {"price": 1.75}]}
    bound: JsonValue = {"$join": [{"$ref": [0, "/rows/1/litres"]}, " * ", {"$ref": [1, "/rows/0/price"]}]}
    assert set(tried({"expression": bound}, "expression", trips, prices)) == {"38.5 * 1.6", "41 * 1.75"}
    halved: JsonValue = {"$join": [{"$ref": [0, "/result"]}, " / 2"]}
    assert tried({"expression": halved}, "expression", {"result": 9})[:1] == ["9 / 3"]
    spread: JsonValue = {"$join": [{"$ref": [0, "/max"]}, " - ", {"$ref": [0, "/min"]}]}
    assert "9 - 5" in tried({"expression": spread}, "expression", {"max": 9, "min": 2, "mean": 5})


def test_a_bound_value_that_stands_alone_is_miscopied_unless_that_would_fail_for_all_to_see() -> None:
    written: JsonValue = {"$join": [{"$ref": [0, "/max"]}, ""]}
    assert tried({"content": written}, "content", {"max": 42}) == ["41", "43"]
    assert tried({"uid": {"$ref": [0, "/uid"]}}, "uid", {"uid": "w-4711"}) == []
    where = chain({}, {"n": {"$ref": [0, "/n"]}}, recorded=({"n": 7}, "ok")).model_copy(
        update={"volatile": ("result:0:/n",)}
    )
    (one,) = leaves(where, TOOLS)
    assert slips(one, Neighbours(where).of(one)) == []


@pytest.mark.parametrize(
    "value", ["2026-03-14", "D6", 12, 2.5, ["a", "b"], [[1, "x"]], "Europe/Paris", "v2.10", "a b c"]
)
def test_an_argument_gets_at_most_five_slips_the_same_ones_each_time(value: JsonValue) -> None:
    listed: JsonValue = {"rows": [{"v": item} for item in (value, 11, 13, 14, "2026-03-01", "D9", "v2.9", "x y")]}
    found = tried({"v": value}, "v", listed)
    assert 0 < len(found) <= 5
    assert found == tried({"v": value}, "v", listed)
