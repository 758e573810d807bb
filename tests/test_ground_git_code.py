"""Git runs what a repository's configuration names; a program so started ends with its attempt."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from ground_kit import NOW

from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import load_recipe
from rise_bench.types import Task, ToolCall, ToolResult

HERE = Path(__file__).parent / "fixtures" / "ground"
TASK = Task(id="t/1", request="r", now=NOW, servers=("filesystem", "git"), setup="everything")
MARK = "rise-bench-left-by-git"
CONFIG = f'[core]\n\tfsmonitor = "(while :; do echo {MARK} >> leak.txt; sleep 0.2; done) >/dev/null 2>&1 & false"\n'
PATIENCE = 30.0


def started() -> list[psutil.Process]:
    """Processes of ours that say the mark on their command line."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(MARK in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def within(what: str) -> list[psutil.Process]:
    """The marked processes, once there are some."""
    deadline = time.monotonic() + PATIENCE
    while not (found := started()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@pytest.mark.servers
def test_a_program_that_gits_configuration_started_does_not_reach_the_next_attempt() -> None:
    source = LiveGround(freeze("two", [load_recipe(name) for name in TASK.servers]), HERE)

    def call(tool: str, **arguments: str) -> ToolResult:
        return session.call(ToolCall(id="1", tool=tool, arguments=dict(arguments)), 60)

    try:
        session = source.open(TASK)
        written = call("filesystem.write_file", path="repo/.git/config", content=CONFIG)
        assert written.status == "ok", written.content
        call("git.git_status", repo_path="repo")
        left = within("git ran nothing: this test shows nothing any more")
        session.close()
        session = source.open(TASK)
        _, alive = psutil.wait_procs(left, timeout=PATIENCE)
        assert alive == []
        assert call("git.git_status", repo_path="repo").status == "ok"
        assert session.end_state() == ()
        session.close()
    finally:
        source.close()
