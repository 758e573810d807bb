"""Attempt after attempt, side by side, over real servers that keep state: each finds its own marks and no other's.

Some keep it in files, some in a service or in their own memory (chess, memcached, z3), some of both kinds are started ahead.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
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
SERVICE = ("memcached",) if shutil.which("memcached") else ()
"""Keeps its state in a service: a program that not every machine has."""

SERVERS = ("filesystem", "git", "sqlite", "memory", "tasks", "chess", "z3", *SERVICE)
MARK = re.compile(r"mark\d{5}z")
SAMPLE_SECONDS = 0.5
OWN_GROWTH = 1.1
SERVERS_GROWTH = 1.25
"""Memory of the last third as a share of the first third's, between warming up and running out. What servers hold hangs
on how many of them are just being started, which few attempts do not even out: then it is only shown.
"""

MANY = 100

FILES = "abcdefgh"
FIRST_MOVES = {f"{file}2{file}{rank}" for file in FILES for rank in (3, 4)} | {"b1a3", "b1c3", "g1f3", "g1h3"}

Calls = list[tuple[str, dict[str, Any]]]


def offered(calls: Calls) -> Calls:
    """Those of the servers that run here."""
    return [one for one in calls if one[0].partition(".")[0] in SERVERS]


READS: Calls = offered(
    [
        ("filesystem.search_files", {"path": ".", "pattern": "**/mark*"}),
        ("filesystem.read_text_file", {"path": "a.txt"}),
        ("git.git_log", {"repo_path": "repo", "max_count": 5}),
        ("git.git_branch", {"repo_path": "repo", "branch_type": "local"}),
        ("sqlite.read_query", {"query": "SELECT * FROM orders"}),
        ("sqlite.list_tables", {}),
        ("memory.read_graph", {}),
        ("tasks.list_requests", {}),
        ("memcached.cache_get", {"key": "mark"}),
        ("z3.session_check", {}),
    ]
)
"""None of these shows a mark before there is one."""


def writes(mark: str) -> Calls:
    """One mark through every server."""
    return offered(
        [
            ("filesystem.write_file", {"path": f"{mark}.txt", "content": mark}),
            ("filesystem.edit_file", {"path": "a.txt", "edits": [{"oldText": "beta", "newText": mark}]}),
            ("filesystem.write_file", {"path": f"repo/{mark}.txt", "content": mark}),
            ("git.git_create_branch", {"repo_path": "repo", "branch_name": mark, "base_branch": "main"}),
            ("git.git_add", {"repo_path": "repo", "files": [f"{mark}.txt"]}),
            ("git.git_commit", {"repo_path": "repo", "message": mark}),
            ("sqlite.write_query", {"query": f"INSERT INTO orders (item, qty) VALUES ('{mark}', 1)"}),
            ("sqlite.create_table", {"query": f"CREATE TABLE {mark} (a TEXT)"}),
            ("memory.create_entities", {"entities": [{"name": mark, "entityType": "mark", "observations": [mark]}]}),
            ("tasks.request_planning", {"originalRequest": mark, "tasks": [{"title": mark, "description": mark}]}),
            ("memcached.cache_set", {"key": "mark", "value": mark, "expire": 0}),
            ("z3.session_add_variable", {"name": mark, "var_type": "int"}),
            ("z3.session_add_constraint", {"constraint": f"{mark} > 6"}),
        ]
    )


def opening(number: int) -> tuple[str, str, str]:
    """A move of White's and one of Black's, and the ranks of the board after them (FEN): 256 positions."""
    white, black = divmod(number % 256, 16)
    up, down = 3 + white % 2, 6 - black % 2
    ranks = {8: "rnbqkbnr", 7: "pppppppp", 6: "." * 8, 5: "." * 8, 4: "." * 8, 3: "." * 8, 2: "PPPPPPPP", 1: "RNBQKBNR"}
    for file, start, end, piece in ((white // 2, 2, up, "P"), (black // 2, 7, down, "p")):
        for rank, sign in ((start, "."), (end, piece)):
            ranks[rank] = ranks[rank][:file] + sign + ranks[rank][file + 1 :]
    board = re.sub(r"\.+", lambda gap: str(len(gap[0])), "/".join(ranks.values()))
    return f"{FILES[white // 2]}{up}", f"{FILES[black // 2]}{down}", board


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
        assert set(said(session, "chess.get_valid_moves", {}).split()) == FIRST_MOVES
        for tool, arguments in writes(mark):
            assert set(MARK.findall(said(session, tool, arguments))) <= {mark}, tool
        white, black, board = opening(number)
        said(session, "chess.make_move", {"move_san": white})
        assert f'"{board} ' in said(session, "chess.make_move", {"move_san": black})
        moves = said(session, "chess.get_valid_moves", {})
        for tool, arguments in READS:
            assert set(MARK.findall(said(session, tool, arguments))) == {mark}, tool
        assert said(session, "chess.get_valid_moves", {}) == moves
        changes = session.end_state() or ()
        found = {text for change in changes for text in MARK.findall(f"{change.path} {change.before} {change.after}")}
        assert found == {mark}
    finally:
        session.close()


@dataclass
class Watch:
    """What ran below this process, and what it held, over time."""

    processes: set[tuple[int, float]] = field(default_factory=set)
    """Pid and start: kept small, since what the test itself holds counts as the harness's."""
    own_mb: list[float] = field(default_factory=list)
    servers_mb: list[float] = field(default_factory=list)
    attempts: int = 0
    """How many have ended."""

    def look(self) -> None:
        me = psutil.Process()
        total = 0
        for process in me.children(recursive=True):
            try:
                self.processes.add((process.pid, process.create_time()))
                total += process.memory_info().rss
            except psutil.Error:
                continue
        edge = min(WIDTH, ATTEMPTS // 4)
        if 2 * edge <= self.attempts <= ATTEMPTS - edge:
            self.own_mb.append(me.memory_info().rss / 2**20)
            self.servers_mb.append(total / 2**20)

    def left(self) -> list[int]:
        """Pids of those that still run."""
        return [pid for pid, start in self.processes if _is_there(pid, start)]


def _is_there(pid: int, start: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == start and runs(process)
    except psutil.Error:
        return False


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
                for done in as_completed(pool.submit(attempt, source, number) for number in range(ATTEMPTS)):
                    done.result()
                    watch.attempts += 1
                    watch.look()
            assert list(tmp_path.iterdir())
            assert watch.processes
        finally:
            source.close()
    assert watch.left() == []
    assert list(tmp_path.iterdir()) == []
    own, servers = thirds(watch.own_mb), thirds(watch.servers_mb)
    sys.stdout.write(f"{ATTEMPTS} attempts, {WIDTH} at once: harness {own} MB, servers {servers} MB, by thirds\n")
    assert own[2] < OWN_GROWTH * own[0]
    assert ATTEMPTS < MANY or servers[2] < SERVERS_GROWTH * servers[0]
