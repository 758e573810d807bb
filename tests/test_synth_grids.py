"""Rows of cells in words, objects said piece by piece."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.synth.records import Chain, Draft, World
from rise_bench.synth.requests.author import author
from rise_bench.synth.requests.phrasebook import load_phrasebooks
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.words.grids import grid_words, read_grid
from rise_bench.synth.words.verbalise import read, same_value, verbalise
from rise_bench.types import Call, Critical, Intent, Task


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["Month", "Costs"], ["Jan", 1900]], "Month, Costs / Jan, 1900"),
        ([["Total"], ["=E2*F2"]], "Total / =E2*F2"),
        ([["Berg, Ada"], ["x / y"]], '"Berg, Ada" / "x / y"'),
        ([["12", 12], [None, True]], '"12", 12 / (empty), true'),
        ([["(empty)", "", " a"]], '"(empty)", "", " a"'),
        ([["00123", 'say "a"']], '00123, "say \\"a\\""'),
    ],
)
def test_rows_are_said_and_read_back(rows: list[JsonValue], words: str) -> None:
    assert grid_words(rows) == words
    assert read_grid(words) == rows


@pytest.mark.parametrize("value", [[], [[]], [["a"], "b"], [[{"a": 1}]], [[[1, 2]]]])
def test_what_is_no_grid_of_plain_cells_is_not_said_as_one(value: list[JsonValue]) -> None:
    assert grid_words(value) == ""


@pytest.mark.parametrize("text", ['"open', '"a" b', ""])
def test_a_text_that_says_no_rows_is_not_read(text: str) -> None:
    assert read_grid(text) is None


def test_a_grid_is_no_other_grid() -> None:
    said = verbalise([["a", 1]], "json")[0].words
    assert same_value([["a", 1]], read(said, "json"), "json")
    assert not same_value([["a", 2]], read(said, "json"), "json")
    assert not same_value([["a"], [1]], read(said, "json"), "json")


def test_a_single_cell_is_said_without_its_row() -> None:
    assert verbalise([[95]], "json")[0].words == '"95"'
    assert not same_value([[96]], read('"95"', "json"), "json")


def styled(style: dict[str, JsonValue]) -> list[Draft]:
    call = Call(tool="excel.format_range", arguments={"path": "a.xlsx", "sheet": "S", "range": "A1:B1", "style": style})
    places = ["/path", "/sheet", "/range", *(f"/style/{key}" for key in style)]
    chain = Chain(world=World(setup="w", now="2026-04-02T09:00:00Z", servers=("excel",)), calls=(call,), primitives=())
    critical = tuple(Critical(call=0, argument=place, match="exact") for place in places)
    task = Task(id="t", request="", now=chain.world.now, setup="w", reference=(call,), intent=Intent(critical=critical))
    books = load_phrasebooks()
    found = list(author(Draft(chain=chain, decisions=(), facts=(), task=task), books, 1, 8))
    assert all(isinstance(one, Draft) for one in found), found
    return [one for one in found if isinstance(one, Draft)]


def test_an_object_is_said_piece_by_piece_where_no_phrase_says_all_of_it() -> None:
    for draft in styled({"bold": True, "italic": False, "font_size": 12, "fill_color": "#FFEB9C"}):
        assert {item.by for item in recover(draft, books=load_phrasebooks())} <= {"verbatim", "verbaliser"}
        for words in ("bold type", "no italics", "#FFEB9C"):
            assert words in draft.task.request
