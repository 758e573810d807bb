"""The shipped servers really run: every tool once, its effect as declared, its failures as the ground knows them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from ground_kit import NOW

from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import load_recipe
from rise_bench.ground.sandbox import Variation
from rise_bench.refs import substitute_root
from rise_bench.types import Ground, StateChange, Task, ToolCall, ToolResult

HERE = Path(__file__).parent / "fixtures" / "ground"
CALLS: dict[str, list[list[Any]]] = yaml.safe_load((HERE / "calls.yaml").read_text(encoding="utf-8"))

NO_TRACE = {"sqlite.append_insight"}
"""They write where no state shows it."""


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Sheet1"
    for row in (["name", "qty", "price"], ["pen", 3, 1.5], ["ink", 5, 4.25], ["pad", 2, 3]):
        sheet.append(row)
    sheet["D2"] = "=B2*C2"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`everything`, with a workbook, which does not live well in git."""
    folder = tmp_path_factory.mktemp("fixtures")
    for path in (HERE / "everything").rglob("*"):
        target = folder / "everything" / path.relative_to(HERE / "everything")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (folder / "everything" / "files" / "b.xlsx").write_bytes(workbook())
    return folder


def watched(ground: Ground) -> Ground:
    """The ground with every tool's state watched, those that claim to read too."""
    servers = [
        server.model_copy(
            update={"tools": tuple(tool.model_copy(update={"effect": "unknown"}) for tool in server.tools)}
        )
        for server in ground.servers
    ]
    return ground.model_copy(update={"servers": tuple(servers)})


def play(
    ground: Ground, fixtures: Path, name: str, variation: Variation | None = None
) -> tuple[list[tuple[str, str, ToolResult]], tuple[StateChange, ...]]:
    """Tool id, how the call is meant to end, and its result, per call; and the end state."""
    source = LiveGround(watched(ground), fixtures, variation=variation)
    servers = tuple(server.name for server in ground.servers)
    try:
        session = source.open(Task(id="t", request="r", now=NOW, servers=servers, setup="everything"))
        played = []
        for tool, arguments, *outcome in CALLS[name]:
            qualified = tool if "." in tool else f"{name}.{tool}"
            filled = substitute_root(arguments, session.root)
            if filled.get("content_base64"):
                filled["content_base64"] = base64.b64encode(workbook()).decode()
            result = session.call(ToolCall(id="1", tool=qualified, arguments=filled), 60)
            played.append((qualified, outcome[0] if outcome else "ok", result))
        return played, session.end_state() or ()
    finally:
        source.close()


@pytest.mark.servers
@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_tool_runs_and_does_what_the_ground_says_of_it(name: str, fixtures: Path) -> None:
    names = dict.fromkeys([name, *(tool.partition(".")[0] for tool, *_ in CALLS[name] if "." in tool)])
    ground = freeze("one", [load_recipe(each) for each in names])
    played, _ = play(ground, fixtures, name)
    server = ground.servers[0]
    effects = {tool.id: tool.effect for tool in server.tools}
    assert effects.keys() <= {tool for tool, _, _ in played}, "every tool is called"
    assert "unknown" not in effects.values()
    wrote = {tool for tool, _, result in played if result.changed}
    assert [tool for tool in wrote if effects.get(tool) == "read"] == []
    assert {tool for tool, effect in effects.items() if effect == "write"} - wrote - NO_TRACE == set()
    for tool, outcome, result in played:
        known = any(re.search(pattern, result.content, re.MULTILINE) for pattern in server.failures)
        expected = {"ok": ("ok", False), "text": ("ok", True), "error": ("tool_error", known)}[outcome]
        assert (result.status, known) == expected, (tool, result.content)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["calendar", "excel", "git", "memory", "tasks"])
def test_the_same_calls_leave_the_same_state_under_another_path_user_and_clock(name: str, fixtures: Path) -> None:
    names = dict.fromkeys([name, *(tool.partition(".")[0] for tool, *_ in CALLS[name] if "." in tool)])
    ground = freeze("one", [load_recipe(each) for each in names])
    _, plain = play(ground, fixtures, name)
    _, varied = play(ground, fixtures, name, Variation.second())
    assert plain == varied
    assert plain


@pytest.mark.servers
def test_a_warm_server_that_a_wipe_resets_remembers_nothing(fixtures: Path) -> None:
    ground = freeze("two", [load_recipe(name) for name in ("memory", "sqlite")])
    source = LiveGround(ground, fixtures)
    task = Task(id="t", request="r", now=NOW, servers=("memory", "sqlite"), setup="everything")
    answers = []
    for number in range(2):
        session = source.open(task)
        read = ToolCall(id="1", tool="memory.read_graph")
        rows = ToolCall(id="2", tool="sqlite.read_query", arguments={"query": "SELECT * FROM orders"})
        answers.append([session.call(each, 60).content for each in (read, rows)])
        if number == 0:
            people: Any = [{"name": "Cy", "entityType": "person", "observations": []}]
            session.call(ToolCall(id="3", tool="memory.create_entities", arguments={"entities": people}), 60)
            clear = ToolCall(id="4", tool="sqlite.write_query", arguments={"query": "DELETE FROM orders"})
            assert session.call(clear, 60).changed
        session.close()
    source.close()
    assert answers[0] == answers[1]
