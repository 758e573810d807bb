"""Bindings, pointers and result values."""

from __future__ import annotations

from typing import Any

import pytest

from rise_bench.errors import InputError
from rise_bench.refs import at, bindings, resolve, result_value, strict_json, substitute_root
from rise_bench.types import ToolResult

RESULTS: list[Any] = [{"matches": ["a.txt", "b.txt"], "n": 3, "a/b": {"~x": True}, "": "blank"}, "plain text", [[1, 2]]]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RESULTS[0]),
        ("/matches/1", "b.txt"),
        ("/a~1b/~0x", True),
        ("/", "blank"),
        ("/n", 3),
    ],
)
def test_a_pointer_names_a_part_as_rfc_6901_says(pointer: str, value: Any) -> None:
    assert at(RESULTS[0], pointer) == value


@pytest.mark.parametrize(
    "pointer", ["matches", "/matches/2", "/matches/-", "/matches/01", "/matches/-1", "/nope", "/n/0"]
)
def test_a_pointer_to_nothing_is_refused_with_what_is_there(pointer: str) -> None:
    with pytest.raises(InputError):
        at(RESULTS[0], pointer)


def test_the_refusal_names_the_keys_that_exist() -> None:
    with pytest.raises(InputError, match="matches"):
        at(RESULTS[0], "/match")


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"path": {"$ref": [0, "/matches/0"]}}, {"path": "a.txt"}),
        ([{"$ref": [2, "/0/1"]}, {"x": {"$ref": [0, "/n"]}}], [2, {"x": 3}]),
        ({"$join": ["in/", {"$ref": [0, "/matches/1"]}, "?", {"$ref": [0, "/n"]}]}, "in/b.txt?3"),
        ({"$join": [True, None, 1.5]}, "truenull1.5"),
        ({"$ref": "#/definitions/x"}, {"$ref": "#/definitions/x"}),
        ({"$ref": [0, "/n"], "more": 1}, {"$ref": [0, "/n"], "more": 1}),
        ("{root}", "{root}"),
    ],
)
def test_bindings_are_replaced_wherever_they_stand_and_data_stays(value: Any, resolved: Any) -> None:
    assert resolve(value, RESULTS) == resolved


@pytest.mark.parametrize(
    "value",
    [
        {"$ref": [3, ""]},
        {"$ref": [0]},
        {"$ref": [-1, ""]},
        {"$ref": [True, ""]},
        {"$ref": 0},
        {"$join": [{"$ref": [2, ""]}]},
    ],
)
def test_a_broken_binding_is_refused_and_never_left_in_place(value: Any) -> None:
    with pytest.raises(InputError):
        resolve(value, RESULTS)


def test_a_refusal_says_which_call_gave_the_result() -> None:
    with pytest.raises(InputError, match="result of call 1"):
        resolve({"$ref": [1, "/x"]}, RESULTS)


def test_resolving_changes_nothing_in_the_reference() -> None:
    reference: Any = {"a": [{"$ref": [0, "/n"]}]}
    resolve(reference, RESULTS)
    assert reference == {"a": [{"$ref": [0, "/n"]}]}


def test_bindings_tell_the_place_they_fill_the_call_and_its_part() -> None:
    arguments: Any = {
        "paths": [{"$ref": [0, "/a"]}, "x"],
        "odd/key": {"$join": ["p", {"$ref": [1, "/b"]}, {"$ref": [2, ""]}]},
    }
    assert list(bindings(arguments)) == [("/paths/0", 0, "/a"), ("/odd~1key", 1, "/b"), ("/odd~1key", 2, "")]


@pytest.mark.parametrize(
    ("content", "structured", "value"),
    [
        ("text", {"a": 1}, {"a": 1}),
        ('{"a": 1}', None, {"a": 1}),
        ("42", None, 42),
        ("007", None, "007"),
        ("NaN", None, "NaN"),
        ("[1e999]", None, "[1e999]"),
        ("plain", None, "plain"),
        ("", None, ""),
        ("[" * 100_000, None, "[" * 100_000),
        ("1" * 5000, None, "1" * 5000),
    ],
)
def test_a_result_is_its_structure_else_its_json_else_its_text(content: str, structured: Any, value: Any) -> None:
    assert result_value(ToolResult(call_id="1", content=content, structured=structured)) == value


def test_json_that_a_record_cannot_hold_is_a_value_error() -> None:
    for text in ("Infinity", "-1e999", "{", "[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            strict_json(text)


def test_the_root_is_filled_in_texts_and_keys_at_any_depth() -> None:
    value: Any = {"{root}/k": ["{root}/a", {"b": "x{root}"}, 3, None]}
    assert substitute_root(value, "/home/u") == {"/home/u/k": ["/home/u/a", {"b": "x/home/u"}, 3, None]}


def test_the_root_is_filled_in_a_binding_so_that_it_finds_a_key_that_is_a_path() -> None:
    bound: Any = {"hash": {"$ref": [0, "/{root}~1notes~1gear.md/file_hash"]}}
    live: Any = [{"/home/u/notes/gear.md": {"file_hash": "ab12"}}]
    assert resolve(substitute_root(bound, "/home/u"), live) == {"hash": "ab12"}
    masked: Any = [{"{root}/notes/gear.md": {"file_hash": "ab12"}}]
    assert resolve(bound, masked) == {"hash": "ab12"}
