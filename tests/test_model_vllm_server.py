"""A server of ours: it says how its start goes and why it failed, and nothing of it outlives us."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fake_vllm
import httpx2
import pytest

from rise_bench.errors import SetupError
from rise_bench.model.vllm_server import Progress, Server, find_executable, telling_line

HERE = Path(__file__).resolve().parent


def server(program: Path, *, log: Path | None = None, seconds: float = 60.0, told: list[str] | None = None) -> Server:
    return Server(
        [str(program), "serve", "m", "--served-model-name", "m"],
        environment={},
        name="vllm:m",
        log=log,
        seconds=seconds,
        notice=(told if told is not None else []).append,
    )


def test_it_tells_how_its_start_goes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    program = fake_vllm.install(tmp_path / "fake")
    told: list[str] = []
    one = server(program, told=told)
    one.start()
    assert one.healthy()
    assert len(fake_vllm.running(program)) == 2
    log = one.log
    one.close()
    assert fake_vllm.running(program) == []
    assert not log.parent.exists()
    one.close()
    first, *stages, last = (line.removeprefix("vllm:m: ") for line in told)
    assert first == f"starting, log in {log}"
    assert last.startswith("ready after ")
    assert stages == [
        "reading its configuration",
        "loading weights",
        "loading weights 0 %",
        "loading weights 50 %",
        "loading weights 100 %",
        "compiling",
        "engine is up",
    ]


def test_only_who_knows_the_key_may_ask_it_and_the_key_is_on_no_command_line(tmp_path: Path) -> None:
    program = fake_vllm.install(tmp_path / "fake")
    one = server(program)
    one.start()
    try:
        assert httpx2.get(f"{one.url}/v1/models").status_code == 401
        assert httpx2.get(f"{one.url}/v1/models", headers={"Authorization": f"Bearer {one.key}"}).status_code == 200
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_readable(path)]
        assert any(str(program).encode() in line for line in lines)
        assert not any(one.key.encode() in line for line in lines)
    finally:
        one.close()


def _is_readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_a_child_in_a_session_of_its_own_that_ignores_sigterm_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rise_bench.model.vllm_server.GRACE_SECONDS", 0.5)
    program = fake_vllm.install(tmp_path / "fake", stubborn=True)
    one = server(program)
    one.start()
    one.close()
    assert fake_vllm.running(program) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [
                "(Worker pid=9) ERROR 01-01 00:00:04 [loader.py:7] ValueError: no weights in \x1b[31m/there",
                "(EngineCore pid=8) RuntimeError: Executor failed.",
                "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
                "[rank0]: a last word",
            ],
            "ValueError: no weights in \ufffd[31m/there",
        ),
        (["usage: vllm serve", "vllm: error: unrecognized arguments: --x"], "vllm: error: unrecognized arguments: --x"),
        (["torch.OutOfMemoryError: CUDA out of memory."], "torch.OutOfMemoryError: CUDA out of memory."),
        (
            [
                "pydantic_core.ValidationError: 1 validation error for ModelConfig",
                "  Value error, max_model_len is",
                "x",
            ],
            "pydantic_core.ValidationError: 1 validation error for ModelConfig Value error, max_model_len is",
        ),
        (["gone"], "gone"),
    ],
)
def test_a_start_that_fails_says_the_telling_line_and_where_the_log_is(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    program = fake_vllm.install(tmp_path / "fake", fails=lines)
    one = server(program)
    with pytest.raises(SetupError) as caught:
        one.start()
    one.close()
    assert str(caught.value).startswith(f"vllm:m: it ended while it was starting: {said}; log: {one.log} (")
    assert one.log.read_text(encoding="utf-8").endswith(lines[-1] + "\n")
    assert fake_vllm.running(program) == []


def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    program = fake_vllm.install(tmp_path / "fake", hangs=True)
    one = server(program, log=tmp_path / "logs" / "server.log", seconds=0.5)
    with pytest.raises(SetupError, match=r"not ready after 0\.5 s"):
        one.start()
    assert fake_vllm.running(program) == []
    one.close()
    assert (tmp_path / "logs" / "server.log").exists()


def test_closing_ends_a_start_that_another_thread_waits_for(tmp_path: Path) -> None:
    program = fake_vllm.install(tmp_path / "fake", hangs=True)
    begun = threading.Event()
    one = Server(
        [str(program), "serve", "m", "--served-model-name", "m"],
        environment={},
        name="vllm:m",
        log=None,
        seconds=600,
        notice=lambda line: begun.set() if "engine is up" in line else None,
    )
    errors: list[BaseException] = []

    def start() -> None:
        try:
            one.start()
        except SetupError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    assert begun.wait(60)
    one.interrupt()
    thread.join(60)
    one.close()
    assert "closed while it was starting" in str(errors[0])
    assert fake_vllm.running(program) == []


OWNER = """
import sys, threading
from rise_bench.model.vllm_server import Server
words = [sys.argv[1], "serve", "m", "--served-model-name", "m"]
one = Server(words, environment={}, name="m", log=None, seconds=60, notice=str)
one.start()
print("up", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_kills_us_ends_it_with_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    program = fake_vllm.install(tmp_path / "fake")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(program)],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        watchers = _children(owner.pid)
        assert len(watchers) == 1
        ended = os.pidfd_open(watchers[0])
        os.killpg(owner.pid, number)  # as Ctrl-C does, to the whole group
        owner.wait(60)
    _wait_for(ended)
    assert fake_vllm.running(program) == []


def test_a_watcher_that_is_killed_takes_the_server_with_it(tmp_path: Path) -> None:
    program = fake_vllm.install(tmp_path / "fake")
    one = server(program)
    one.start()
    (watcher,) = (pid for pid in _children(os.getpid()) if _runs(pid, "watch.py"))
    ((main, child),) = fake_vllm.happened(program, "pids")
    ended = os.pidfd_open(main)
    os.kill(watcher, signal.SIGKILL)
    _wait_for(ended)
    assert one.ends_within(60)
    os.kill(child, signal.SIGKILL)  # a server that is told to end ends its own children; this one does not
    one.close()


def _runs(pid: int, name: str) -> bool:
    return name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()


def _children(pid: int) -> list[int]:
    stats = [path.read_text(encoding="utf-8") for path in Path("/proc").glob("[0-9]*/stat") if _is_readable(path)]
    return [int(stat.split()[0]) for stat in stats if int(stat.rpartition(")")[2].split()[1]) == pid]


def _wait_for(pidfd: int) -> None:
    assert select.select([pidfd], [], [], 60)[0]
    os.close(pidfd)


def test_progress_reads_lines_that_come_in_pieces_and_tells_each_tenth_once() -> None:
    progress = Progress()
    bar = "Loading safetensors checkpoint shards: {}% Completed\r"
    text = "".join(bar.format(share) for share in (0, 4, 11, 12, 19, 20, 100))
    told = [line for index in range(0, len(text), 7) for line in progress.read(text[index : index + 7])]
    assert told == [f"loading weights {share} %" for share in (0, 10, 20, 100)]


def test_an_empty_log_has_no_telling_line() -> None:
    assert telling_line("") == ""
    assert telling_line("ValueError: " + "x" * 1000) == "ValueError: " + "x" * 288


def test_the_program_is_the_one_given_or_named_or_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, named = fake_vllm.install(tmp_path / "a"), fake_vllm.install(tmp_path / "b")
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.delenv("RISE_BENCH_VLLM", raising=False)
    assert find_executable("") == on_path
    monkeypatch.setenv("RISE_BENCH_VLLM", str(named))
    assert find_executable("") == named
    assert find_executable(str(on_path)) == on_path


@pytest.mark.parametrize("given", ["", "/no/such/vllm"])
def test_without_vllm_it_says_how_to_get_it(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RISE_BENCH_VLLM", raising=False)
    with pytest.raises(SetupError, match="RISE_BENCH_VLLM=") as caught:
        find_executable(given)
    assert "base_url" in str(caught.value)
