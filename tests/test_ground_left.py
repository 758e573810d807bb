"""However the harness ends, no server of it is left running, and the next one removes the folders that it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from ground_kit import odd_recipe

from rise_bench.ground.client import Connection
from rise_bench.ground.folders import PREFIX, drop, own_folder, scratch, sweep
from rise_bench.ground.install import Installed
from rise_bench.ground.sandbox import Sandbox, bwrap_problem, means
from rise_bench.ground.transport import stdio

TESTS = Path(__file__).parent
GONE_SECONDS = 30

HARNESS = """
import json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import psutil
from ground_kit import NOW, call, odd_ground, odd_recipe, odd_task
from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import load_recipe
from rise_bench.types import Task
name = {name!r}
if name == "odd":
    source, task = LiveGround(odd_ground(), Path(), recipes=dict(odd=odd_recipe())), odd_task()
else:
    source = LiveGround(freeze("one", [load_recipe(name)]), Path({tests!r}) / "fixtures" / "ground")
    task = Task(id="t", request="r", now=NOW, servers=(name,), setup="everything")
session = source.open(task)
if name == "odd":
    assert session.call(call("spawn"), 60).content == "spawned"
me = psutil.Process()
below = [(p.pid, p.create_time(), " ".join(p.cmdline())) for p in me.children(recursive=True)]
print(json.dumps(dict(folder=str(session._slot.sandbox.folder), below=below)), flush=True)
sys.stdin.read()
"""


@contextmanager
def harness(name: str, temp: Path, *, plain: bool = False) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process with an open session; and its folder and all that runs below it."""
    environment = os.environ | {"TMPDIR": str(temp)} | ({"PATH": "/nowhere"} if plain else {})
    script = HARNESS.format(tests=str(TESTS), name=name)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def alive(told: dict[str, Any]) -> list[str]:
    """Command lines of what still runs of what ran, after it had time to end."""
    running = []
    for pid, created, _ in told["below"]:
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            continue
        if process.create_time() == created:
            running.append(process)
    _, left = psutil.wait_procs(running, GONE_SECONDS)
    return [" ".join(process.cmdline()) for process in left if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.skipif(bwrap_problem() is not None, reason="needs bubblewrap")
@pytest.mark.parametrize(
    "name", ["odd", *(pytest.param(name, marks=pytest.mark.servers) for name in ("calendar", "git"))]
)
def test_a_killed_harness_leaves_no_process_and_a_folder_that_the_next_one_removes(name: str, tmp_path: Path) -> None:
    with harness(name, tmp_path) as (process, told):
        assert len(told["below"]) >= (3 if name != "git" else 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert alive(told) == []
    folder = Path(told["folder"])
    assert folder.is_dir()
    with harness("odd", tmp_path) as (_, other):
        assert not folder.exists()
        assert Path(other["folder"]).is_dir()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_harness_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    with harness("odd", tmp_path) as (process, told):
        process.send_signal(number)
        process.wait()
        assert alive(told) == []
    assert Path(told["folder"]).exists() == (number == signal.SIGTERM), "an interrupt cleans up by itself"


def test_without_bubblewrap_what_a_server_had_started_is_ended_by_the_next_harness(tmp_path: Path) -> None:
    with harness("odd", tmp_path, plain=True) as (process, told):
        process.send_signal(signal.SIGKILL)
        process.wait()
    folder = told["folder"]
    assert running_in(folder), "what is orphaned without bubblewrap runs on"
    with harness("odd", tmp_path, plain=True):
        assert not Path(folder).exists()
        assert running_in(folder) == []
    assert alive(told) == []


def test_without_bubblewrap_what_a_server_let_go_of_ends_when_the_sandbox_is_emptied_or_closed() -> None:
    sandbox = Sandbox(used=replace(means(), problem="taken away", own_uid=False))
    servers = []
    try:
        for name in ("one", "two", "three"):
            way = stdio(sandbox.launch(odd_recipe(name=name), Installed(None, None, None)))
            servers.append(Connection(name, way, sandbox.log(name)))
            servers[-1].start(30)
        one, two, three = servers
        assert [server.call("spawn", {}, 30).content for server in (one, two)] == ["spawned"] * 2
        one.close()
        two.close()
        assert len(running_in(str(sandbox.folder))) == 3
        sandbox.wipe()
        assert running_in(str(sandbox.folder)) == [three.pid]
        assert three.call("spawn", {}, 30).content == "spawned", "the one that runs is spared"
        three.close()
        assert running_in(str(sandbox.folder)), "what it has let go of runs on"
    finally:
        for server in servers:
            server.close()
        sandbox.close()
    assert running_in(str(sandbox.folder)) == []


def running_in(folder: str) -> list[int]:
    """Processes whose home is in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == f"{folder}/home" and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_the_folder_of_a_living_process_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = own_folder()
    stranger = tmp_path / "rise-bench-vllm-x"
    stranger.mkdir()
    with harness("odd", tmp_path) as (_, told):
        assert sweep() == []
        assert Path(told["folder"]).is_dir()
    assert own.is_dir()
    assert stranger.is_dir()
    drop(own)
    assert not own.exists()
    drop(own)


def test_a_link_of_that_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").touch()
    (tmp_path / f"{PREFIX}x").symlink_to(target)
    (tmp_path / f"{PREFIX}left").mkdir()
    assert sweep() == [tmp_path / f"{PREFIX}left"]
    assert (target / "file").exists()


def test_a_folder_without_its_name_yet_is_left_alone_until_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("new", "old"):
        (tmp_path / f".{PREFIX}{name}" / "deep").mkdir(parents=True)
    os.utime(tmp_path / f".{PREFIX}old", (0, 0))
    assert sweep() == [tmp_path / f".{PREFIX}old"]
    assert (tmp_path / f".{PREFIX}new" / "deep").is_dir()


def test_what_is_copied_to_be_read_lies_where_it_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as folder:
        (folder / "copy.db").touch()
        assert folder.name.startswith(PREFIX)
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
