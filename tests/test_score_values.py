"""Two values are the same by type, never by similarity: every match kind, both ways."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from rise_bench.score.values import any_same, normal_path, same, same_exact
from rise_bench.types import MatchKind

KINDS: tuple[MatchKind, ...] = get_args(MatchKind)
NUMBER: dict[str, JsonValue] = {"type": "number"}

SAME: list[tuple[MatchKind, Any, Any]] = [
    ("exact", 5, 5.0),
    ("exact", 0.1 + 0.2, 0.3),
    ("exact", {"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    ("exact", None, None),
    ("exact", 10**400, 10**400),
    ("exact", 1e300, 1e300),
    ("number", 5, 5.0),
    ("number", "5", "5.0"),
    ("number", -0.0, 0),
    ("datetime", "2026-04-02T09:00:00Z", "2026-04-02T11:00:00+02:00"),
    ("datetime", "2026-04-02T09:00:00Z", "2026-04-02T09:00:00"),
    ("datetime", "2026-04-02", "2026-04-02T09:00:00"),
    ("datetime", "9:30 am", "09:30"),
    ("datetime", "2 April 2026", "2026-04-02"),
    ("date", "2026-04-02", "2 April 2026"),
    ("date", "2026-04-02", "April 2nd, 2026"),
    ("date", "2026-09-12", "12 Sept 2026"),
    ("date", "2026-04-02", "2026/4/2"),
    ("date", "2026-04-02", "2026-04-02T10:00:00Z"),
    ("path", "a/b", "./a//b/"),
    ("path", "{root}/a", "a"),
    ("path", "/box/a", "{root}/a"),
    ("path", "/box/a b", "file:///box/a%20b"),
    ("path", "a", "~/a"),
    ("path", "a", "../box/a"),
    ("path", ["a", "b"], ["./a", "{root}/b"]),
    ("url", "https://A.org:443/x", "https://a.org/x"),
    ("url", "http://a.org", "http://a.org/"),
    ("url", "http://a.org/%7Ex", "http://a.org/~x"),
    ("set", ["a", "b"], ["b", "a"]),
    ("set", [1, 2.0], [2, 1]),
    ("set", [{"k": [1]}], [{"k": [1.0]}]),
    ("text", "Hello, World!", "hello world"),
    ("text", "STRASSE", "Straße"),
    ("text", "state-of-the-art", "State of the art"),
    ("text", "at −5 degrees", "at -5 degrees"),
    ("text", "x ** 2", "x**2"),
    ("text", ["A b"], ["a  b"]),
    ("text", {"k": "A b"}, {"k": "a b"}),
    ("sql", "SELECT a FROM t WHERE x=1 AND y=2;", "select A from T where y = 2 and x = 1"),
    ("sql", "SELECT a -- why\nFROM t", "SELECT a FROM t"),
    ("sql", 'SELECT "a" FROM t', "SELECT a FROM t"),
    ("semantic", "Hello!", "hello"),
    ("enum", "Celsius", " celsius"),
    ("any", {"a": 1}, "whatever"),
]

DIFFERENT: list[tuple[MatchKind, Any, Any]] = [
    ("exact", True, 1),
    ("exact", False, 0),
    ("exact", None, 0),
    ("exact", None, ""),
    ("exact", "", []),
    ("exact", "5", 5),
    ("exact", "a", "A"),
    ("exact", [1, 2], [2, 1]),
    ("exact", [1], [1, 1]),
    ("exact", {"a": 1}, {"a": 1, "b": None}),
    ("exact", {}, []),
    ("exact", 12345678901234, 12345678901235),
    ("exact", 9007199254740993, 9007199254740992),
    ("exact", 1700000000.1, 1700000000.2),
    ("exact", 1.6e-19, 9.1e-31),
    ("exact", 10**400, 10**400 + 1),
    ("exact", 10**400, 1.5),
    ("number", 5, "5"),
    ("number", 5, True),
    ("number", 5, -5),
    ("number", 1.5, 15),
    ("number", "1" * 400, "2" * 400),
    ("number", 5, None),
    ("datetime", "2026-04-02T09:00:00", "2026-04-02"),
    ("datetime", "2026-04-02T09:00:00Z", "2026-04-02T09:00:00+02:00"),
    ("datetime", "2026-01-19", "2026-01-20"),
    ("datetime", "9:30 am", "9:30 pm"),
    ("datetime", "tomorrow", "today"),
    ("date", "2024-11-1", "2024-1-11"),
    ("date", "2026-04-02", "2 April"),
    ("date", "2 April 2026", "4 February 2026"),
    ("date", "2026-02-30", "2026-03-02"),
    ("path", "a/bc.txt", "ab/c.txt"),
    ("path", "a", "/a"),
    ("path", "/box2/a", "a"),
    ("path", "a", "../a"),
    ("path", "a", "A"),
    ("path", "a", "a.txt"),
    ("path", ["a", "b"], ["b", "a"]),
    ("path", ["a"], ["a", "b"]),
    ("url", "http://a.org/x", "https://a.org/x"),
    ("url", "http://a.org/x?a=1", "http://a.org/x"),
    ("url", "http://a.org/x", "http://eve@a.org/x"),
    ("url", "http://a.org/a%2Fb", "http://a.org/a/b"),
    ("url", "http://a.org/#a", "http://a.org/#b"),
    ("url", "http://a.org:8080/", "http://a.org/"),
    ("set", ["a"], ["a", "b"]),
    ("set", [1], [True]),
    ("set", ["1"], [1]),
    ("set", ["a"], "a"),
    ("text", "-5", "5"),
    ("text", "1.5", "15"),
    ("text", "2024-11-1", "2024-1-11"),
    ("text", "a/bc.txt", "ab/c.txt"),
    ("text", "19 January", "20 January"),
    ("text", "area of 10² m", "area of 102 m"),
    ("text", "at –5 degrees", "at 5 degrees"),
    ("text", "costs 20 €", "costs 20 $"),
    ("text", "50 % of it", "50 of it"),
    ("text", "C++", "C"),
    ("text", "C++ developer", "C# developer"),
    ("text", "not Asian", "Asian"),
    ("text", "कि", "का"),
    ("text", "ok 👍", "ok 👎"),
    ("text", "!!!", "???"),
    ("text", "", "!"),
    ("text", "ID_7a", "ID_7A"),
    ("text", "print('a , b')", "print('a,b')"),
    ("text", "if a:\n  b()\n  c()", "if a:\n  b()\nc()"),
    ("text", "version 1.2", "version 12"),
    ("text", "A", ["A"]),
    ("sql", "SELECT a FROM t WHERE n = 'Bob'", "SELECT a FROM t WHERE n = 'bob'"),
    ("sql", 'SELECT a FROM t WHERE n = "Bob"', 'SELECT a FROM t WHERE n = "bob"'),
    ("sql", "SELECT a FROM t WHERE x=1 OR y=2", "SELECT a FROM t WHERE x=1 AND y=2"),
    ("sql", "SELECT a FROM t", "SELECT a FROM t LIMIT 1"),
    ("sql", "SELECT a FROM t WHERE x > 1.5e10", "SELECT a FROM t WHERE x > 1.5e1"),
    ("sql", "DELETE FROM t", "DELETE FROM t WHERE x = 1"),
    ("sql", "not sql ((", "not sql ()"),
    ("semantic", "yes", "no"),
    ("enum", "celsius", "fahrenheit"),
    ("enum", 1, True),
]


def _id(row: tuple[MatchKind, Any, Any]) -> str:
    return f"{row[0]}: {str(row[1])[:30]} / {str(row[2])[:30]}"


@pytest.mark.parametrize("row", SAME, ids=_id)
def test_these_say_the_same(row: tuple[MatchKind, Any, Any]) -> None:
    kind, left, right = row
    assert same(left, right, kind, root="/box")


@pytest.mark.parametrize("row", DIFFERENT, ids=_id)
def test_these_say_something_else_whichever_way_round(row: tuple[MatchKind, Any, Any]) -> None:
    kind, left, right = row
    assert not same(left, right, kind, root="/box")
    if kind != "datetime":  # there the first side says how exact the moment is asked
        assert not same(right, left, kind, root="/box")


@pytest.mark.parametrize(
    ("schema", "equal"),
    [
        ({"type": "number"}, True),
        ({"type": "integer"}, True),
        ({"type": ["integer", "null"]}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, True),
        ({"type": "string"}, False),
        ({"type": ["number", "string"]}, False),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, False),
        ({}, False),
        (None, False),
    ],
)
def test_text_is_a_number_only_where_the_schema_says_number(schema: dict[str, JsonValue] | None, equal: bool) -> None:
    assert same_exact(3, "3", schema) is equal
    assert same_exact("3", 3, schema) is equal
    assert not same_exact(3, "4", schema)
    assert not same_exact(1, True, schema)


def test_schemas_are_followed_into_lists_and_objects() -> None:
    inside: dict[str, JsonValue] = {"items": {"properties": {"n": {"type": "integer"}}}}
    assert same_exact([{"n": 3}], [{"n": "3"}], inside)
    assert not same_exact([{"m": 3}], [{"m": "3"}], inside)


def test_a_tolerance_is_relative_and_reaches_whole_numbers_only_where_it_is_given() -> None:
    assert same(1000, 1001, "number", tolerance=0.01)
    assert not same(1000, 1001, "number", tolerance=1e-4)
    assert not same(10**12, 10**12 + 1, "number")
    assert same(1 / 3, 0.3333333333, "number")


def test_any_of_the_accepted_values_will_do_and_none_accepts_nothing() -> None:
    assert any_same(["a", "b"], "B", "text")
    assert not any_same([], None, "text")


@pytest.mark.parametrize("root", ["", "/box", "/box/", "/", "/a/b/c"])
@given(value=st.text(alphabet="ab./{}", max_size=12))
def test_a_normal_path_is_its_own_normal_form(root: str, value: str) -> None:
    assert normal_path(normal_path(value, root), root) == normal_path(value, root)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)


def nested(depth: int) -> st.SearchStrategy[Any]:
    """JSON values of at most this depth."""
    if depth == 0:
        return scalars
    inner = nested(depth - 1)
    return scalars | st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)


json_values = nested(3)
kinds = st.sampled_from(KINDS)


@given(value=json_values, kind=kinds)
def test_every_value_is_the_same_as_itself(value: JsonValue, kind: MatchKind) -> None:
    assert same(value, value, kind, root="/box")


@given(left=json_values, right=json_values, kind=kinds.filter(lambda kind: kind not in ("datetime", "any")))
def test_sameness_is_symmetric(left: JsonValue, right: JsonValue, kind: MatchKind) -> None:
    assert same(left, right, kind) == same(right, left, kind)


@given(left=st.from_regex(r"[-+]?\d{1,4}([-./:,]\d{1,4}){0,3}", fullmatch=True), data=st.data())
def test_digits_signs_and_separators_are_never_folded_away(left: str, data: st.DataObject) -> None:
    right = data.draw(st.sampled_from([left.replace(mark, "", 1) for mark in "-+./:,"] + [left + "0", left + "1"]))
    for before, after in (("", ""), ("room ", " please")):
        if right != left:
            assert not same(before + left + after, before + right + after, "text")


HOSTILE: list[Any] = [
    "x" * 200_000,
    "9" * 100_000,
    "(" * 5_000,
    "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
    "NaN",
    "Infinity",
    "-inf",
    "1e999",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30",
    "99:99 pm",
    "http://[",
    "http://a:99999999/",
    "http://\u2100.org/",
    "file://%zz",
    "\x00",
    "\ud800",
    "٣٤٥",
    "½",
    "\u202e7\u202c",
    "e\u0301" * 5_000,
    10**5_000,
    -(10**400),
    1e-320,
    [[[[[]]]]],
    {"": {"": {"": None}}},
]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_values_never_raise(kind: MatchKind) -> None:
    deep: JsonValue = 1
    for _ in range(200):  # records refuse more than about 250 levels
        deep = [deep]
    hostile = [*HOSTILE, deep]
    for left in hostile:
        assert same(left, left, kind, schema=NUMBER, root="/box") is True
        right: JsonValue
        for right in ("7", 7, None, [], hostile[0], hostile[12]):
            assert same(left, right, kind, schema=NUMBER, root="/box") in (True, False)
            assert same(right, left, kind, schema=NUMBER, root="/box") in (True, False)
