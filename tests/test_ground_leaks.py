"""Attempt after attempt, side by side, over real servers that keep state: each finds its own marks and no other's."""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from ground_kit import NOW

from rise_bench.ground.folders import runs
from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import load_recipe
from rise_bench.types import GroundSession, Task, ToolCall

HERE = Path(__file__).parent / "fixtures" / "ground"
ATTEMPTS = int(os.environ.get("RISE_BENCH_LEAK_ATTEMPTS", "16"))
"""200 is the number that a release is tried with."""

WIDTH = int(os.environ.get("RISE_BENCH_LEAK_WIDTH", "4"))
SERVERS = ("filesystem", "git", "sqlite", "excel", "memory", "tasks", "calendar", "text-editor")
MARK = re.compile(r"mark\d{5}z")
SAMPLE_SECONDS = 2.0
GROWTH_MB = 0.25
"""Of the harness's memory for each attempt, once it has warmed up."""

WORK = "/user/work/"
JULY = {"start": "2026-07-01", "end": "2026-07-31", "calendarUrl": WORK}

READS: list[tuple[str, dict[str, Any]]] = [
    ("filesystem.search_files", {"path": ".", "pattern": "**/mark*"}),
    ("filesystem.read_text_file", {"path": "a.txt"}),
    ("git.git_log", {"repo_path": "repo", "max_count": 5}),
    ("git.git_branch", {"repo_path": "repo", "branch_type": "local"}),
    ("sqlite.read_query", {"query": "SELECT * FROM orders"}),
    ("sqlite.list_tables", {}),
    ("excel.list_workbooks", {}),
    ("memory.read_graph", {}),
    ("tasks.list_requests", {}),
    ("calendar.list-events", JULY),
    ("calendar.list-todos", {"calendarUrl": WORK}),
    ("text-editor.get_text_file_contents", {"files": [{"file_path": "{root}/a.txt", "ranges": [{"start": 1}]}]}),
]
"""None of these shows a mark before there is one."""


def writes(mark: str) -> list[tuple[str, dict[str, Any]]]:
    """One mark through every server."""
    patch = {"start": 1, "contents": f"{mark}\n"}
    new = {"path": f"{{root}}/{mark}-new.txt", "file_hash": "", "encoding": "utf-8", "patches": [patch]}
    event = {"summary": mark, "start": "2026-07-05T12:00:00Z", "end": "2026-07-05T13:00:00Z", "calendarUrl": WORK}
    return [
        ("filesystem.write_file", {"path": f"{mark}.txt", "content": mark}),
        ("filesystem.edit_file", {"path": "a.txt", "edits": [{"oldText": "beta", "newText": mark}]}),
        ("filesystem.write_file", {"path": f"repo/{mark}.txt", "content": mark}),
        ("git.git_create_branch", {"repo_path": "repo", "branch_name": mark, "base_branch": "main"}),
        ("git.git_add", {"repo_path": "repo", "files": [f"{mark}.txt"]}),
        ("git.git_commit", {"repo_path": "repo", "message": mark}),
        ("sqlite.write_query", {"query": f"INSERT INTO orders (item, qty) VALUES ('{mark}', 1)"}),
        ("sqlite.create_table", {"query": f"CREATE TABLE {mark} (a TEXT)"}),
        ("excel.create_workbook", {"path": f"{mark}.xlsx", "sheets": [mark]}),
        ("memory.create_entities", {"entities": [{"name": mark, "entityType": "mark", "observations": [mark]}]}),
        ("tasks.request_planning", {"originalRequest": mark, "tasks": [{"title": mark, "description": mark}]}),
        ("calendar.create-event", event),
        ("calendar.create-todo", {"calendarUrl": WORK, "summary": mark, "due": "2026-07-06T00:00:00Z"}),
        ("text-editor.edit_text_file_contents", {"files": [new]}),
    ]


def said(session: GroundSession, tool: str, arguments: dict[str, Any]) -> str:
    """The text of a call that must succeed."""
    filled = filled_in(arguments, session.root)
    result = session.call(ToolCall(id="1", tool=tool, arguments=filled), 120)
    assert result.status == "ok", (tool, result.content)
    assert not result.content.startswith(("Error", "Database error")), (tool, result.content)
    return result.content


def filled_in(value: Any, root: str) -> Any:
    """The arguments with the sandbox's path filled in."""
    if isinstance(value, str):
        return value.replace("{root}", root)
    if isinstance(value, dict):
        return {key: filled_in(item, root) for key, item in value.items()}
    return [filled_in(item, root) for item in value] if isinstance(value, list) else value


def attempt(source: LiveGround, number: int) -> None:
    """Look, write a mark everywhere, look again: before, no mark is there; after, this one alone."""
    mark = f"mark{number:05d}z"
    session = source.open(Task(id=f"t/{number}", request="r", now=NOW, servers=SERVERS, setup="everything"))
    try:
        for tool, arguments in READS:
            assert MARK.findall(said(session, tool, arguments)) == [], f"{tool} shows a mark before there is one"
        for tool, arguments in writes(mark):
            assert set(MARK.findall(said(session, tool, arguments))) <= {mark}, tool
        for tool, arguments in READS:
            assert set(MARK.findall(said(session, tool, arguments))) == {mark}, tool
        changes = session.end_state() or ()
        found = {text for change in changes for text in MARK.findall(f"{change.path} {change.before} {change.after}")}
        assert found == {mark}
    finally:
        session.close()


@dataclass
class Watch:
    """What ran below this process, and what it held, over time."""

    processes: set[psutil.Process] = field(default_factory=set)
    own_mb: list[float] = field(default_factory=list)
    servers_mb: list[float] = field(default_factory=list)

    def look(self) -> None:
        me = psutil.Process()
        below = me.children(recursive=True)
        self.processes.update(below)
        total = 0
        for process in below:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        self.own_mb.append(me.memory_info().rss / 2**20)
        self.servers_mb.append(total / 2**20)


@contextmanager
def watching() -> Iterator[Watch]:
    watch, end = Watch(), threading.Event()

    def run() -> None:
        while not end.wait(SAMPLE_SECONDS):
            watch.look()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watch
    finally:
        end.set()
        thread.join()


def thirds(values: list[float]) -> tuple[float, float, float]:
    """Medians of the first, second and last third."""
    size = max(1, len(values) // 3)
    parts = values[:size], values[size : 2 * size] or values, values[-size:]
    return tuple(round(statistics.median(part), 1) for part in parts)  # type: ignore[return-value]


@pytest.mark.servers
@pytest.mark.slow
def test_attempts_side_by_side_leave_no_mark_no_process_no_folder_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ground = freeze("eight", [load_recipe(name) for name in SERVERS])
    source = LiveGround(ground, HERE)
    with watching() as watch:
        try:
            with ThreadPoolExecutor(WIDTH) as pool:
                list(pool.map(lambda number: attempt(source, number), range(ATTEMPTS)))
            watch.look()
            assert list(tmp_path.iterdir())
            assert watch.processes
        finally:
            source.close()
    left = [process.pid for process in watch.processes if runs(process)]
    assert left == []
    assert list(tmp_path.iterdir()) == []
    own, servers = thirds(watch.own_mb), thirds(watch.servers_mb)
    sys.stdout.write(f"{ATTEMPTS} attempts, {WIDTH} at once: harness {own} MB, servers {servers} MB, by thirds\n")
    assert own[2] - own[1] < 20 + GROWTH_MB * ATTEMPTS
