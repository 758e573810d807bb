"""A server sees its sandbox and its own environment, and neither this machine's secrets nor the network."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ground_kit import NOW, connected, odd_recipe

from rise_bench.errors import GroundFault, InputError, SetupError
from rise_bench.ground.install import ensure
from rise_bench.ground.recipe import Limits
from rise_bench.ground.sandbox import (
    VISIBLE_ROOT,
    Sandbox,
    Variation,
    bwrap_problem,
    faketime_library,
    means,
    parse_now,
)
from rise_bench.ground.watch import Guard, keep, release

needs_bwrap = pytest.mark.skipif(bwrap_problem() is not None, reason=str(bwrap_problem()))
needs_faketime = pytest.mark.skipif(faketime_library() is None, reason="libfaketime is not installed")


@pytest.fixture
def without_bwrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without bubblewrap: PATH leads to a folder that has only `env`."""
    (tmp_path / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path))
    means.cache_clear()
    yield
    means.cache_clear()


def look(now: str = "", variation: Variation | None = None) -> dict[str, Any]:
    with connected(now=now, variation=variation) as (connection, _):
        found: dict[str, Any] = json.loads(connection.call("look", {}, 30).content)
    return found


@needs_bwrap
def test_only_the_sandbox_and_its_tmp_can_be_written() -> None:
    found = look()
    writable = {name: value for name, value in found.items() if name.startswith("writes")}
    assert writable == {
        "writes /usr/rise-probe": False,
        "writes /opt/rise-probe": False,
        "writes /tmp/rise-probe": True,
        "writes probe": True,
    }
    assert not Path("/tmp/rise-probe").exists()


@needs_bwrap
def test_there_is_no_network_and_no_other_process_to_see() -> None:
    found = look()
    assert found["interfaces"] == ["lo"]
    assert len(found["processes"]) <= 3


@needs_bwrap
def test_every_machine_looks_the_same_from_inside() -> None:
    found = look()
    assert (found["cwd"], found["uid"]) == (VISIBLE_ROOT, 1000)
    assert found["env"]["HOME"] == VISIBLE_ROOT


@needs_bwrap
def test_the_second_reference_run_differs_in_path_user_and_clock() -> None:
    found = look(now=NOW, variation=Variation.second())
    assert found["cwd"] != VISIBLE_ROOT
    assert found["uid"] != 1000
    if faketime_library():
        assert found["now"] == datetime.fromisoformat(NOW).timestamp() + timedelta(hours=37).total_seconds()


def test_no_secret_of_this_process_reaches_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("LOGNAME", "someone")
    found = look()
    assert "sk-secret" not in json.dumps(found)
    assert "LOGNAME" not in found["env"]


@needs_faketime
def test_a_running_server_is_set_to_another_clock() -> None:
    with connected(now=NOW) as (connection, sandbox):
        before = json.loads(connection.call("look", {}, 30).content)["now"]
        sandbox.set_clock("2027-01-01T00:00:00Z")
        after = json.loads(connection.call("look", {}, 30).content)["now"]
    assert before == datetime(2026, 4, 2, 9, tzinfo=UTC).timestamp()
    assert after == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


@needs_faketime
def test_without_a_task_clock_a_server_has_the_machines() -> None:
    before = datetime.now(UTC).timestamp()
    assert before - 1 <= look()["now"] <= datetime.now(UTC).timestamp() + 1


@needs_faketime
def test_the_servers_clock_stands_at_now_while_its_timers_run() -> None:
    found = look(now=NOW)
    assert found["now"] == datetime(2026, 4, 2, 9, tzinfo=UTC).timestamp()
    assert 0.01 <= found["slept"] < 10


def test_without_bubblewrap_a_server_still_runs_in_a_folder_of_its_own(without_bwrap: None) -> None:
    assert bwrap_problem() == "bubblewrap (bwrap) is not installed"
    with connected() as (connection, sandbox):
        found = json.loads(connection.call("look", {}, 30).content)
        assert sandbox.root == str(sandbox.home)
    assert found["cwd"] == sandbox.root
    assert found["env"]["HOME"] == sandbox.root
    ours = {"PATH", "HOME", "TMPDIR", "USER", "LANG", "TZ", "LD_PRELOAD", "NO_FAKE_STAT", "NO_COLOR", "LC_CTYPE"}
    assert [name for name in found["env"] if name not in ours and not name.startswith(("PYTHON", "FAKETIME"))] == []


def test_a_server_that_runs_code_is_refused_without_bubblewrap_unless_allowed(without_bwrap: None) -> None:
    recipe = odd_recipe(risk="executes", reset="restart")
    careful, careless = Sandbox(), Sandbox(allow_unsafe=True)
    try:
        with pytest.raises(
            SetupError, match=r"runs code .* not installed \(install bubblewrap, or pass --allow-unsafe\)"
        ):
            careful.launch(recipe, ensure(recipe))
        assert "-i" in careless.launch(recipe, ensure(recipe)).args
    finally:
        careful.close()
        careless.close()


def test_wiping_leaves_the_folder_itself_whatever_was_in_it() -> None:
    sandbox = Sandbox()
    try:
        inode = sandbox.home.stat().st_ino
        deep = sandbox.home
        for _ in range(300):
            deep = deep / "d"
        deep.mkdir(parents=True)
        (sandbox.home / "locked").mkdir()
        (sandbox.home / "locked" / "a.txt").write_text("a", encoding="utf-8")
        (sandbox.home / "locked").chmod(0o500)
        (sandbox.home / "link").symlink_to("/etc")
        (sandbox.home / "back").symlink_to("..")
        sandbox.wipe()
        assert list(sandbox.home.iterdir()) == []
        assert sandbox.home.stat().st_ino == inode
        assert Path("/etc").is_dir()
    finally:
        sandbox.close()
    assert not sandbox.folder.exists()


def test_now_without_a_zone_is_utc_and_nonsense_is_refused() -> None:
    assert parse_now("2026-04-02T09:00:00") == parse_now("2026-04-02T11:00:00+02:00")
    assert parse_now("") is None
    with pytest.raises(InputError, match="now: 'yesterday' is no ISO 8601 instant"):
        parse_now("yesterday")


def test_servers_that_share_a_disk_share_the_largest_of_their_limits_on_it() -> None:
    sandbox = Sandbox()
    binds = ["--remount-ro", "/"]
    words = ["/bin/sh", "-c", "echo ready; read line"]
    running = []
    try:
        for name, size in (("large", 64), ("small", 16)):
            launch = sandbox.command(name, words, {}, Limits(disk_mb=size), binds)
            process = subprocess.Popen(
                [launch.command, *launch.args], env={}, cwd=launch.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            running.append(process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for guard in sandbox._guards:
            guard.look(32 << 20, deep=True)
        assert sandbox.exceeded() == ""
        assert [process.poll() for process in running] == [None, None]
        for guard in sandbox._guards:
            guard.look(65 << 20, deep=True)
        assert sandbox.exceeded() == "used more than 64 MiB of disk"
    finally:
        for process in running:
            process.kill()
            process.communicate()
        sandbox.close()


def test_nothing_is_started_in_a_closed_sandbox() -> None:
    sandbox = Sandbox()
    sandbox.close()
    with pytest.raises(GroundFault, match="its sandbox is closed"):
        sandbox.command("late", ["/bin/true"], {}, Limits(), [])


def test_a_look_that_fails_does_not_end_the_watch_over_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failed, looked = threading.Event(), threading.Event()

    class Broken(Guard):
        def look(self, disk: int, *, deep: bool) -> None:
            failed.set()
            raise RuntimeError("what nobody thought of")

    class Whole(Guard):
        def look(self, disk: int, *, deep: bool) -> None:
            if failed.is_set():
                looked.set()

    guards = [
        kind(kind.__name__, (tmp_path,), tmp_path / kind.__name__, Limits(), lambda: 1, None, counted=True)
        for kind in (Broken, Whole)
    ]
    for guard in guards:
        keep(guard)
    try:
        assert looked.wait(30)
    finally:
        for guard in guards:
            release(guard)
    assert [record.message for record in caplog.records] == ["the limits of Broken are not watched"]
