"""What exists in a world is found through its servers, and each value has the kind by which an argument takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from rise_bench.ground.contract import load_contract
from rise_bench.ground.live import LiveGround
from rise_bench.synth.primitives.entities import entities
from rise_bench.synth.primitives.extract import found_in, read_value
from rise_bench.synth.primitives.kinds import extensions, field_kind, is_new, tool_noun, wanted
from rise_bench.synth.records import World
from rise_bench.types import Ground, Tool

DESK = Path(__file__).parent.parent / "tasks" / "desk" / "fixtures"


def tool(name: str, server: str = "thing", description: str = "") -> Tool:
    return Tool(server=server, name=name, description=description)


def listed(name: str, value: JsonValue, **arguments: JsonValue) -> set[tuple[str, JsonValue]]:
    one = tool(name)
    return {(found.kind, found.value) for found in found_in(one, tool_noun(one), arguments, value)}


@pytest.mark.parametrize(
    ("name", "noun"),
    [
        ("list_tables", "table"),
        ("list-calendars", "calendar"),
        ("task_list", "task"),
        ("getAllRecipes", "recipe"),
        ("list_directory_with_sizes", "folder"),
        ("describe_table", "table"),
        ("open_nodes", "entity"),
    ],
)
def test_a_tool_is_about_the_noun_of_its_name(name: str, noun: str) -> None:
    assert tool_noun(tool(name)) == noun


@pytest.mark.parametrize(
    ("tool_name", "argument", "kind"),
    [
        ("describe_table", "table_name", "table"),
        ("update_task", "taskId", "task"),
        ("update_task", "requestId", "request"),
        ("list-events", "calendarUrl", "calendar"),
        ("open_nodes", "names", "entity"),
        ("read_text_file", "path", "file"),
        ("list_directory", "path", "folder"),
        ("git_log", "repo_path", "folder"),
        ("read_range", "sheet", "sheet"),
    ],
)
def test_an_argument_takes_the_kind_of_its_name_or_else_of_its_tool(tool_name: str, argument: str, kind: str) -> None:
    assert wanted(tool(tool_name), argument, None) == kind


def test_a_field_that_only_names_is_of_the_kind_around_it() -> None:
    assert [field_kind(name, "event") for name in ("uid", "event_name", "id")] == ["event"] * 3
    assert field_kind("table_name", "event") == "table"


def test_what_a_call_makes_is_not_looked_for_among_what_exists() -> None:
    assert is_new(tool("create_event"), "title")
    assert is_new(tool("move_file"), "destination")
    assert not is_new(tool("update_event"), "eventId")


def test_a_file_argument_says_how_its_files_end() -> None:
    assert extensions(tool("describe", "excel"), "filename", None) == ("xlsx",)
    assert extensions(tool("read_file", "filesystem"), "path", None) == ()


def test_records_give_their_ids_and_names_the_noun_of_the_list_they_are_in() -> None:
    value: JsonValue = {"tasks": [{"id": "task-1", "title": "Order chairs", "done": False}]}
    assert listed("list_requests", value) == {("task", "task-1"), ("task", "Order chairs")}


def test_an_id_is_labelled_with_the_name_beside_it() -> None:
    one = tool("list_events")
    found = list(found_in(one, "event", {}, [{"uid": "e-7", "summary": "Call with the printers"}]))
    assert [(f.value, f.label) for f in found if f.value == "e-7"] == [("e-7", "Call with the printers")]


def test_a_description_of_one_thing_lists_its_parts() -> None:
    value: JsonValue = "[{'cid': 0, 'name': 'due', 'type': 'TEXT'}]"
    assert ("column", "due") in listed("describe_table", value, table_name="loans")


def test_a_tree_gives_whole_paths() -> None:
    value: JsonValue = [{"name": "notes", "type": "directory", "children": [{"name": "a.md", "type": "file"}]}]
    found = listed("directory_tree", value, path="{root}")
    assert found == {("folder", "{root}/notes"), ("file", "{root}/notes/a.md")}


def test_a_listing_in_text_gives_paths_below_the_folder_that_was_asked_for() -> None:
    text = "[FILE] a.md\n[DIR] old"
    assert listed("list_directory", text, path="{root}/notes") == {
        ("file", "{root}/notes/a.md"),
        ("folder", "{root}/notes/old"),
    }


def test_the_contents_of_a_file_name_nothing() -> None:
    assert listed("read_text_file", "- buy milk\n- call Ada", path="{root}/todo.md") == set()


def test_rows_of_a_table_in_text_are_fields_by_their_heading() -> None:
    assert ("reader", "Ada") in listed("list_loans", "| reader | due |\n|---|---|\n| Ada | 2026-01-05 |")


def test_a_text_that_is_no_list_stays_a_text() -> None:
    assert read_value("{not json") == "{not json"
    assert read_value("[1, 'a']") == [1, "a"]


def ground_of(*names: str) -> Ground:
    contracts = [load_contract(name) for name in names]
    return Ground(name="some", servers=tuple(contract.server for contract in contracts if contract))


@pytest.mark.servers
def test_files_tables_and_rows_are_listed_through_the_servers_themselves() -> None:
    source = LiveGround(ground_of("filesystem", "sqlite"), DESK)
    world = World(setup="desk-04", now="2026-04-02T09:00:00Z", servers=("filesystem", "sqlite"))
    try:
        found = entities(source, world)
    finally:
        source.close()
    kinds = {entity.kind for entity in found}
    assert {"file", "folder", "table", "column", "row"} <= kinds
    assert "{root}/prices/pricelist-spring-2026.csv" in {entity.value for entity in found if entity.kind == "file"}
    columns = [entity for entity in found if entity.kind == "column"]
    assert all("table_name" in entity.within for entity in columns)
    assert len({(entity.kind, str(entity.value)) for entity in found}) == len(found)


@pytest.mark.servers
def test_a_world_without_a_server_for_files_lists_them_through_another_of_the_ground() -> None:
    source = LiveGround(ground_of("filesystem", "time"), DESK)
    try:
        found = entities(source, World(setup="desk-03", now="2026-04-02T09:00:00Z", servers=("time",)))
    finally:
        source.close()
    assert "{root}/lab/stocks.csv" in {entity.value for entity in found}


@pytest.mark.servers
@pytest.mark.parametrize(("setup", "own"), [("desk-02", ".git"), ("desk-05", "collection-root")])
def test_files_that_programs_keep_for_themselves_are_no_entities(setup: str, own: str) -> None:
    source = LiveGround(ground_of("filesystem"), DESK)
    try:
        found = entities(source, World(setup=setup, now="2026-04-02T09:00:00Z", servers=("filesystem",)))
    finally:
        source.close()
    paths = [str(entity.value) for entity in found if entity.kind in ("file", "folder")]
    assert len(paths) > 5
    assert [path for path in paths if own in path] == []
