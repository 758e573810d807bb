"""The near-miss map: tools that could be taken for one another, and how they differ."""

from __future__ import annotations

import json

import pytest

from rise_bench.cli import main
from rise_bench.ground import siblings
from rise_bench.ground.siblings import near_miss_map, siblings_of
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
)
FOUND = near_miss_map(TOOLS)


def relation(one: str, other: str) -> str:
    """What the second tool is to the first; empty where it is no sibling."""
    return next((sibling.relation for sibling in FOUND.get(one, ()) if sibling.tool == other), "")


@pytest.mark.parametrize(
    ("one", "other", "is_to", "mirrored"),
    [
        ("files.read_file", "drive.readFile", "same", "same"),
        ("files.read_file", "files.read_multiple_files", "wider", "narrower"),
        ("notes.create_note", "notes.delete_note", "inverse", "inverse"),
        ("notes.search_notes", "notes.search_notes_by_tag", "narrower", "wider"),
        ("files.read_file", "clock.current_time", "", ""),
        ("notes.create_note", "files.read_file", "", ""),
    ],
)
def test_how_tools_differ_is_told_both_ways(one: str, other: str, is_to: str, mirrored: str) -> None:
    assert (relation(one, other), relation(other, one)) == (is_to, mirrored)


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


def test_hand_made_corrections_speak_of_tools_that_the_catalogue_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground", "siblings", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    for correction in siblings._vocabulary().corrections:
        if correction.relation is not None:
            assert correction.sibling in {one["tool"] for one in known[correction.tool]}


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
