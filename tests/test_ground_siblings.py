"""The near-miss map: tools that could be taken for one another, and how they differ."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from rise_bench.cli import main
from rise_bench.ground import siblings
from rise_bench.ground.contract import load_contract
from rise_bench.ground.recipe import catalog
from rise_bench.ground.siblings import Relation, Sibling, near_miss_map, siblings_of
from rise_bench.store import load_suite
from rise_bench.types import Tool


def tool(server: str, name: str, description: str = "", group: str = "", **parameters: str) -> Tool:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in parameters.items()}}
    return Tool.model_validate(
        {"server": server, "name": name, "description": description, "group": group, "parameters": schema}
    )


TOOLS = (
    tool("files", "read_file", "Read the complete content of one file.", path="string"),
    tool("files", "read_multiple_files", "Read the content of several files at once.", paths="array"),
    tool("files", "write_file", "Write text to a file, replacing what it holds.", path="string", content="string"),
    tool("drive", "readFile", "Read the content of a file in the drive.", path="string"),
    tool("notes", "create_note", "Create a note with a title.", title="string", body="string"),
    tool("notes", "delete_note", "Delete the note of that title.", title="string"),
    tool("notes", "search_notes", "Find notes that hold a phrase.", query="string", limit="integer"),
    tool("notes", "search_notes_by_tag", "Find notes that hold a tag.", query="string", limit="integer", tag="string"),
    tool("clock", "current_time", "The time in a zone.", zone="string"),
    tool("plots", "plot_bars", "Draw a plot of the study as bars.", study="string"),
    tool("plots", "plot_all_steps", "Draw a plot of the study as steps.", study="string", depth="integer"),
    tool("plots", "plot_lines", "Draw a plot of the study as lines.", study="string", width="integer"),
)
FOUND = near_miss_map(TOOLS)


def relation(one: str, other: str) -> str:
    """What the second tool is to the first; empty where it is no sibling."""
    return next((sibling.relation for sibling in FOUND.get(one, ()) if sibling.tool == other), "")


@pytest.mark.parametrize(
    ("one", "other", "there", "back"),
    [
        ("files.read_file", "drive.readFile", "same", "same"),
        ("files.read_file", "files.read_multiple_files", "wider", "narrower"),
        ("notes.create_note", "notes.delete_note", "inverse", "inverse"),
        ("notes.search_notes", "notes.search_notes_by_tag", "narrower", "wider"),
        ("files.read_multiple_files", "drive.readFile", "narrower", "wider"),
        ("plots.plot_bars", "plots.plot_all_steps", "similar", "similar"),
        ("plots.plot_bars", "plots.plot_lines", "similar", "similar"),
        ("files.read_file", "clock.current_time", "", ""),
        ("notes.create_note", "files.read_file", "", ""),
    ],
)
def test_how_tools_differ_is_told_both_ways(one: str, other: str, there: str, back: str) -> None:
    assert (relation(one, other), relation(other, one)) == (there, back)


def test_no_tool_is_its_own_sibling_and_the_nearest_come_first() -> None:
    for name, others in FOUND.items():
        assert name not in {other.tool for other in others}
        assert [other.similarity for other in others] == sorted((o.similarity for o in others), reverse=True)


def test_a_function_group_makes_siblings_of_what_reads_differently() -> None:
    pair = (
        tool("a", "alpha", "Nothing in common here.", group="todo.add"),
        tool("b", "omega", "Quite another wording.", group="todo.add"),
    )
    assert [one.tool for one in siblings_of("a.alpha", pair)] == ["b.omega"]
    assert siblings_of("a.alpha", [one.model_copy(update={"group": ""}) for one in pair]) == ()


def test_in_one_function_group_less_likeness_makes_the_same_function() -> None:
    pair = (
        tool("a", "view_card", "Show one card of the board.", id="string"),
        tool("b", "get_entry", "Show one entry of the list.", id="string"),
    )
    grouped = [one.model_copy(update={"group": "todo.read"}) for one in pair]
    found = siblings_of("a.view_card", grouped)
    assert [one.relation for one in found] == ["same"] and found[0].similarity < siblings.SAME
    assert "same" not in {one.relation for one in siblings_of("a.view_card", pair)}


def test_the_deed_that_undoes_and_corrections_are_kept_though_many_others_are_nearer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alike = [tool("store", f"add_{name}", "Add a value to the store.", key="string") for name in "abcdefghij"]
    adds = [one.model_copy(update={"group": "store.add"}) for one in alike]
    undo = tool("store", "remove_a", "Drop it.", why="string")
    by_hand = tool("shelf", "put", "Lay a thing down.")
    words = siblings._vocabulary()
    corrections = (siblings.Correction(tool="shelf.put", sibling="store.add_a", relation="same"),)
    monkeypatch.setattr(siblings, "_vocabulary", lambda: words.model_copy(update={"corrections": corrections}))
    found = near_miss_map([*adds, undo, by_hand])
    assert len(found["store.add_a"]) == siblings.MOST
    assert found["store.add_a"][0].tool == "shelf.put"
    assert found["store.add_a"][-1].tool == "store.remove_a"


def test_corrections_by_hand_outweigh_what_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    words = siblings._vocabulary()
    corrections = (
        siblings.Correction(tool="files.read_file", sibling="drive.readFile", relation=None),
        siblings.Correction(tool="clock.current_time", sibling="notes.search_notes", relation="narrower"),
        siblings.Correction(tool="gone.tool", sibling="files.read_file", relation="same"),
    )
    monkeypatch.setattr(siblings, "_vocabulary", lambda: words.model_copy(update={"corrections": corrections}))
    found = near_miss_map(TOOLS)
    assert "drive.readFile" not in {one.tool for one in found["files.read_file"]}
    assert found["clock.current_time"][0].model_dump() == {
        "tool": "notes.search_notes",
        "relation": "narrower",
        "similarity": 1.0,
    }
    assert found["notes.search_notes"][0].relation == "wider"
    assert "gone.tool" not in found


def test_no_tools_no_map() -> None:
    assert near_miss_map(()) == {}


CORRECTIONS = siblings._vocabulary().corrections


@pytest.fixture(scope="module")
def catalogued() -> tuple[Tool, ...]:
    contracts = (load_contract(name) for name in catalog())
    return tuple(tool for contract in contracts if contract for tool in contract.server.tools)


@pytest.fixture(scope="module")
def corrected(catalogued: tuple[Tool, ...]) -> dict[str, tuple[Sibling, ...]]:
    return near_miss_map(catalogued)


@pytest.fixture(scope="module")
def computed(catalogued: tuple[Tool, ...]) -> dict[str, tuple[Sibling, ...]]:
    """The map without what was put in by hand."""
    words = siblings._vocabulary()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siblings, "_vocabulary", lambda: words.model_copy(update={"corrections": ()}))
        return near_miss_map(catalogued)


def is_to(found: dict[str, tuple[Sibling, ...]], one: str, other: str) -> Relation | None:
    """What the second tool is to the first in this map."""
    return next((sibling.relation for sibling in found.get(one, ()) if sibling.tool == other), None)


def mirrored(relation: Relation | None) -> Relation | None:
    """What then the first is to the second."""
    return siblings._MIRROR[relation] if relation else None


def test_every_correction_names_two_tools_of_the_catalogue(catalogued: tuple[Tool, ...]) -> None:
    named = {name for correction in CORRECTIONS for name in (correction.tool, correction.sibling)}
    assert CORRECTIONS and named <= {tool.id for tool in catalogued}
    assert all(correction.tool != correction.sibling for correction in CORRECTIONS)


def test_no_pair_of_tools_is_corrected_twice_in_either_order() -> None:
    pairs = Counter(frozenset((correction.tool, correction.sibling)) for correction in CORRECTIONS)
    assert [sorted(pair) for pair, times in pairs.items() if times > 1] == []


def test_every_correction_changes_what_is_computed(computed: dict[str, tuple[Sibling, ...]]) -> None:
    for correction in CORRECTIONS:
        there = is_to(computed, correction.tool, correction.sibling)
        back = is_to(computed, correction.sibling, correction.tool)
        assert (there or mirrored(back)) != correction.relation, correction


def test_every_correction_holds_in_both_directions(corrected: dict[str, tuple[Sibling, ...]]) -> None:
    """So no tool has more of them than the map keeps."""
    for correction in CORRECTIONS:
        assert is_to(corrected, correction.tool, correction.sibling) == correction.relation, correction
        assert is_to(corrected, correction.sibling, correction.tool) == mirrored(correction.relation), correction


def test_the_command_shows_the_whole_map(
    corrected: dict[str, tuple[Sibling, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ground", "siblings", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {name: [one.model_dump() for one in others] for name, others in corrected.items()}


def test_the_command_shows_one_tool_of_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground", "siblings", "git.git_diff", "--tasks", "desk", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["git.git_diff"]
    assert {"git.git_diff_staged", "git.git_diff_unstaged"} <= {one["tool"] for one in found}
    assert main(["ground", "siblings", "git.nope", "--tasks", "desk"]) == 2
    assert "git.nope: no such tool" in capsys.readouterr().err


def test_every_sibling_of_the_desk_is_a_tool_of_the_desk() -> None:
    tools = [one for server in load_suite("desk").ground.servers for one in server.tools]
    found = near_miss_map(tools)
    assert len(found) > len(tools) / 3
    assert {other.tool for others in found.values() for other in others} <= {one.id for one in tools}
