"""Bad input, each kind with one clear line, its remedy and exit 2; what others send wrongly does not stop a run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import toy
import yaml
from ground_kit import odd_ground, odd_recipe

from rise_bench.cli import main
from rise_bench.runs import Run
from rise_bench.store import write_atomic, write_lines
from rise_bench.types import Call, Scored, Task, ToolResult

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1 << 20
Complaint = Callable[..., str]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return toy.make_suite(tmp_path / "suite").path


@pytest.fixture
def words(suite: Path, tmp_path: Path) -> list[str]:
    """An evaluation with nothing wrong; a later option overrides an earlier one."""
    words = ["eval", "--model", "oracle", "--tasks", str(suite), "--ground", "replay", "--concurrency", "2"]
    return [*words, "--output", str(tmp_path / "runs"), "--json"]


@pytest.fixture
def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> Complaint:
    """Runs the evaluation with more options, or another command, and gives its one complaint."""

    def run(*more: str, instead: bool = False) -> str:
        try:
            code: object = main([*more] if instead else [*words, *more])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, "")
        return one_complaint(captured.err)

    return run


def one_complaint(errors: str) -> str:
    """The error line; asserts that there is only it and a remedy, after what was warned of before."""
    lines = [line for line in errors.splitlines() if not line.startswith("warning: ")]
    assert lines[0].startswith("error: "), errors
    assert len(lines) in (1, 2), errors
    assert all(line.startswith("  remedy: ") for line in lines[1:]), errors
    return errors


def process(words: list[str], *before: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own, started through `before`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])}
    command = [*before, sys.executable, "-m", "rise_bench.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def rows(output: Path) -> list[Scored]:
    (run,) = output.iterdir()
    return list(Run.open(run).scored())


# --- what was typed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--tasks", "no-such-suite"], "error: no-such-suite: no such suite\n  remedy: known: "),
        (["--tasks", "/no/such/folder"], "error: /no/such/folder: no such suite\n"),
        (["--model", "oracel"], "error: unknown model 'oracel'\n  remedy: did you mean 'oracle'? known: "),
        (["--model", "no_such_module:make"], "cannot import no_such_module: ModuleNotFoundError"),
        (["--model", "openia:gpt"], "remedy: did you mean 'openai:gpt'? else check that openia is installed"),
        (["--model", "json:no_such_name"], "json has no attribute 'no_such_name'"),
        (["--model", "json:__name__"], "json:__name__ is not callable"),
        (["--model", "openai"], "no model named"),
        (["--model", "scripted:/no/such/script.yaml"], "/no/such/script.yaml: cannot be read: No such file"),
        (["--model-args", "speed=9"], "unknown argument 'speed'"),
        (["--model-args", "speed"], "'speed' is no key=value"),
        (["--model-args", "speed=1e999"], "--model-args: speed is beyond all numbers"),
        (["--model", "openai:x", "--model-args", "base_url=nonsense"], "'nonsense' is no http address"),
        (["--model", "openai:x", "--model-args", "api_key=sk-1"], "would be stored with the run"),
        (["--model-args", 'extra={"a": [1e999], "b": 1}'], "--model-args: extra is beyond all numbers"),
        (["--model", "hf:x", "--model-args", "hf_token=hf_1"], "hf_token= among the arguments would be stored"),
        (["--workers", "2"], "--workers: is for executors of several processes\n  remedy: add --executor ray"),
        (["--model", "agent:cat", "--cache", "on"], "--cache on: agent:cat does more than answer"),
        (["--executor", "slurm"], "unknown executor 'slurm'"),
        (["--price-in", "1"], "--price-in: is only half of the prices"),
        (["--sample-id", "toy/nothing"], "error: toy/nothing: no such task\n  remedy: see `rise-bench tasks ls "),
        (["--limit", "0"], "argument --limit: must be above 0"),
        (["--attempts", "-1"], "argument --attempts: must not be negative"),
        (["--seed", "one"], "'one' is not a whole number"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--ground", "static"], "invalid choice: 'static'"),
        (["--fresh", "--retry-faults"], "not allowed with argument --fresh"),
        (["--budget-turns", "0"], "--budget-turns: is 0"),
        (["--budget-seconds", "nan"], "--budget-seconds"),
        (["--temperature", "nan"], "--temperature"),
        (["--top-p", "inf"], "--top-p"),
        (["--max-cost", "1"], "--max-cost: needs prices"),
        (["--system-prompt", "@/no/such/prompt.txt"], "--system-prompt @/no/such/prompt.txt: cannot be read"),
        (["--system-prompt", "half a character \udcff"], "is not UTF-8"),
        (["--cassette", "/no/such/cassette.jsonl"], "/no/such/cassette.jsonl: cannot be read: No such file"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: list[str], found: str, complaint: Complaint) -> None:
    assert found in complaint(*options)


def test_another_version_of_the_suite_than_asked_for_is_refused(suite: Path, complaint: Complaint) -> None:
    assert f"error: {suite}: is version 1-0, not 9-9\n  remedy: ask for " in complaint("--tasks", f"{suite}@9-9")


def test_a_shipped_suite_in_a_version_that_was_never_there_is_refused(complaint: Complaint) -> None:
    assert "not 9-9" in complaint("--tasks", "desk@9-9")


@pytest.mark.parametrize("command", ["report", "score", "view"])
def test_a_folder_that_is_no_run_is_said_to_be_none(command: str, tmp_path: Path, complaint: Complaint) -> None:
    assert f"error: {tmp_path}: is no run folder" in complaint(command, str(tmp_path), instead=True)


@pytest.mark.parametrize("command", ["report", "score", "view"])
def test_a_run_of_another_suite_is_refused(
    command: str,
    words: list[str],
    suite: Path,
    tmp_path: Path,
    complaint: Complaint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*words, "--limit", "1"]) == 0
    capsys.readouterr()
    replace(suite / "suite.yaml", "for tests", "for other tests")
    (run,) = (tmp_path / "runs").iterdir()
    assert "with digest" in complaint(command, str(run), "--tasks", str(suite), instead=True)


# --- files that are not what they should be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        ("suite.yaml", "name: toy", "name: [toy", "suite.yaml:"),
        ("suite.yaml", "name: toy", "name: toy\nspeed: 9", "unknown key 'speed'"),
        ("suite.yaml", "name: toy", "margin: .nan\nname: toy", "margin: "),
        ("suite.yaml", "name: toy", "name: 7", "name: Input should be a valid string"),
        ("ground.json", '"name":"toy"', '"name":"toy","speed":9', "unknown key 'speed'"),
        ("ground.json", '{"name"', "{name", "ground.json:1: is not JSON"),
        ("tasks.jsonl", '"kind":', '"kindd":', "tasks.jsonl:1: unknown key 'kindd'"),
        ("tasks.jsonl", '"tolerance":1e-6', '"tolerance":NaN', "tasks.jsonl:1: is not JSON: NaN"),
        ("tasks.jsonl", '"tolerance":1e-6', '"tolerance":1e999', "tasks.jsonl:1: is not JSON"),
        ("tasks.jsonl", '"call":0', '"call":9', "tasks.jsonl:1: critical parameter names call 9"),
        ("cassette.jsonl", '"format":3', '"format":9', "format 9"),
        ("cassette.jsonl", '{"key":', '{"kei":', "cassette.jsonl:2: is no recording"),
    ],
)
def test_a_file_with_a_mistake_is_named_with_its_place(
    name: str, old: str, new: str, found: str, suite: Path, complaint: Complaint
) -> None:
    replace(suite / name, old, new)
    assert found in complaint()


@pytest.mark.parametrize("name", ["suite.yaml", "ground.json", "tasks.jsonl"])
def test_a_file_that_is_not_utf_8_is_named(name: str, suite: Path, complaint: Complaint) -> None:
    text = (suite / name).read_bytes()
    (suite / name).write_bytes(text.replace(b"toy", b"t\xff\xfey", 1))
    said = complaint()
    assert name in said
    assert "is not UTF-8" in said


@pytest.mark.parametrize("name", ["tasks.jsonl", "cassette.jsonl"])
def test_a_file_that_is_missing_is_named(name: str, suite: Path, complaint: Complaint) -> None:
    (suite / name).unlink()
    said = complaint()
    assert name in said
    assert "o such file" in said


def test_a_script_with_a_mistake_is_named(suite: Path, complaint: Complaint) -> None:
    for text, found in (("toy: [", "cannot be parsed"), ("toy: [{speed: 9}]", "speed"), ("[1]", "top level")):
        (suite / "script.yaml").write_text(text, encoding="utf-8")
        assert found in complaint("--model", f"scripted:{suite / 'script.yaml'}")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("run.json", "{", "run.json"),
        ("run.json", '{"suite": NaN}', "NaN"),
        ("trajectories.jsonl", "nonsense\n", "trajectories.jsonl"),
        ("verdicts.jsonl", '{"task":"TASK","attempt":0}\n', "verdicts.jsonl"),
    ],
)
def test_a_run_folder_that_was_tampered_with_is_refused(
    name: str,
    text: str,
    found: str,
    words: list[str],
    tmp_path: Path,
    complaint: Complaint,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*words, "--limit", "1"]) == 0
    capsys.readouterr()
    (run,) = (tmp_path / "runs").iterdir()
    made = json.loads((run / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()[0])["task"]
    (run / name).write_text(text.replace("TASK", made), encoding="utf-8")
    assert found in complaint()


# --- where it is written ----------------------------------------------------------------------------------------------


def test_an_output_that_is_a_file_is_said(tmp_path: Path, complaint: Complaint) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be written: " in complaint("--output", str(tmp_path / "file"))
    assert "--output" in complaint("--output", str(tmp_path / "file" / "runs"))


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="a read-only mount needs bubblewrap")
def test_an_output_that_is_read_only_is_said(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir()
    locked = str(tmp_path / "locked")
    done = process([*words, "--output", locked], "bwrap", "--dev-bind", "/", "/", "--ro-bind", locked, locked)
    assert (done.returncode, done.stdout) == (2, "")
    said = one_complaint(done.stderr)
    assert "cannot be written: Read-only file system\n  remedy: choose a folder that can be written" in said


@pytest.mark.parametrize("name", ["trajectories.jsonl", "verdicts.jsonl"])
def test_a_full_disk_is_said_and_the_same_command_goes_on_later(
    name: str, words: list[str], tmp_path: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--limit", "1"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    kept = (run / name).rename(run / "kept")
    (run / name).symlink_to("/dev/full")
    capsys.readouterr()
    assert "No space left on device\n  remedy: free some space" in complaint()
    kept.replace(run / name)
    assert main(words) == 0
    assert sorted(row.task for row in rows(tmp_path / "runs")) == sorted(task.id for task in toy.TASKS)


def test_a_line_that_no_longer_fits_is_taken_back(words: list[str], tmp_path: Path) -> None:
    full = process(words, "sh", "-c", 'ulimit -f 8; exec "$@"', "sh")  # no file beyond a few kilobytes
    assert full.returncode == 2
    assert "cannot be written: File too large\n  remedy: free some space" in one_complaint(full.stderr)
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "trajectories.jsonl").read_bytes()[-1:] in (b"\n", b"")
    assert main(words) == 0
    assert sorted(row.task for row in rows(tmp_path / "runs")) == sorted(task.id for task in toy.TASKS)


def test_a_full_disk_behind_standard_output_is_said(suite: Path) -> None:
    command = [sys.executable, "-m", "rise_bench.cli", "tasks", "ls", str(suite)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in one_complaint(done.stderr)


# --- models -----------------------------------------------------------------------------------------------------------


class Endpoint(ThreadingHTTPServer):
    """A chat endpoint that sends prepared bodies, the last one again and again; counts what it got rid of."""

    daemon_threads = True

    def __init__(self, *bodies: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies = list(bodies)
        self.sent: list[int] = []
        self.lock = threading.Lock()

    @property
    def arguments(self) -> list[str]:
        port = self.server_address[1]
        return ["--model", "openai:tiny", "--model-args", f"base_url=http://127.0.0.1:{port}/v1,backoff=0"]


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            bodies = self.server.bodies
            body = bodies.pop(0) if len(bodies) > 1 else bodies[0]
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        sent = 0
        try:
            for start in range(0, len(body), 1 << 16):
                sent += self.wfile.write(body[start : start + (1 << 16)])
        except OSError:  # the client has seen enough
            self.close_connection = True
        self.server.sent.append(sent)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def body(message: object) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    started: list[tuple[Endpoint, threading.Thread]] = []

    def start(*bodies: bytes) -> Endpoint:
        server = Endpoint(*bodies)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_endpoint_that_nobody_serves_is_said_before_the_first_attempt(tmp_path: Path, complaint: Complaint) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    said = complaint("--model", "openai:tiny", "--model-args", f"base_url={url}")
    remedy = "start the server, or correct base_url= in the model arguments"
    assert said == f"error: {url}: nobody answers\n  remedy: {remedy}\n"
    assert not (tmp_path / "runs").exists()


def test_a_reply_of_50_megabytes_is_not_read_to_its_end_and_fails_its_attempt_alone(
    words: list[str], tmp_path: Path, endpoint: Callable[..., Endpoint]
) -> None:
    server = endpoint(
        body({"role": "assistant", "content": "x" * 50 * MEGABYTE}), body({"role": "assistant", "content": "Hello."})
    )
    assert main([*words, *server.arguments, "--concurrency", "1"]) == 0
    first, *others = rows(tmp_path / "runs")
    assert (first.stop, first.acc_task.value, first.acc_intent.value) == ("agent_failed", 0, 0)
    assert {row.stop for row in others} == {"answered"}
    assert len(others) == 6
    assert server.sent[0] < 40 * MEGABYTE  # the client hung up; what it had not read lay in socket buffers
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "trajectories.jsonl").stat().st_size < MEGABYTE


def test_model_text_that_is_no_unicode_is_kept_readable_and_the_run_goes_on(
    words: list[str], tmp_path: Path, endpoint: Callable[..., Endpoint]
) -> None:
    half = "\ud83d"
    call = {"id": half, "type": "function", "function": {"name": "files__list", "arguments": f'{{"path": "{half}"}}'}}
    escaped = call | {"function": {"name": f"files{half}", "arguments": '{"path": "\\ud83d"}'}}
    server = endpoint(
        body({"role": "assistant", "content": half, "tool_calls": [call, escaped]}),
        body({"role": "assistant", "content": f"Hello {half}"}),
    )
    assert main([*words, *server.arguments, "--concurrency", "1"]) == 0
    assert len(rows(tmp_path / "runs")) == 7


def test_a_plug_in_with_a_bug_keeps_its_traceback(words: list[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        main([*words, "--model", "toy_models:defective"])


# --- servers ----------------------------------------------------------------------------------------------------------


def odd_suite(folder: Path, start: str, tool: str = "echo", recipe: Mapping[str, object] | None = None) -> None:
    """A suite over the odd server, its recipe beside it, and a script that calls one of its tools."""
    made = odd_recipe(start, **(recipe or {}))
    (folder / "recipes").mkdir(parents=True)
    write_atomic(folder / "recipes" / "odd.yaml", yaml.safe_dump(made.model_dump(mode="json")))
    write_atomic(folder / "ground.json", odd_ground().model_dump_json())
    head = {"name": "odd", "version": "1-0", "system_prompt": "Help.", "servers": ["odd"]}
    write_atomic(folder / "suite.yaml", yaml.safe_dump(head))
    task = Task(
        id="odd/one", request="Do it.", servers=("odd",), reference=(Call(tool="odd.echo"),), reference_state=()
    )
    write_lines(folder / "tasks.jsonl", [task])
    steps = [{"tool_calls": [{"tool": f"odd.{tool}"}]}, {"content": "Done."}]
    write_atomic(folder / "script.yaml", yaml.safe_dump({"odd/one": steps}))


@pytest.mark.parametrize(
    ("start", "recipe", "found"),
    [
        ("broken", {}, "it last wrote: cannot find my configuration"),
        ("silent", {"start_seconds": 1}, "no answer within 1 s"),
        ("well", {"command": "/no/such/program"}, "/no/such/program"),
        ("well", {"command": "/usr/bin/printf", "args": (r"caf\351 \377\n",)}, "odd: cannot be started"),
    ],
)
def test_a_server_that_cannot_start_is_said_before_the_first_attempt(
    start: str, recipe: dict[str, object], found: str, tmp_path: Path, complaint: Complaint
) -> None:
    odd_suite(tmp_path / "odd", start, recipe=recipe)
    assert found in complaint("--tasks", str(tmp_path / "odd"), "--ground", "live")


def test_a_server_without_a_recipe_is_said(tmp_path: Path, complaint: Complaint) -> None:
    odd_suite(tmp_path / "odd", "well")
    (tmp_path / "odd" / "recipes" / "odd.yaml").unlink()
    assert "unknown server 'odd'" in complaint("--tasks", str(tmp_path / "odd"), "--ground", "live")


def test_a_server_that_does_not_write_utf_8_does_not_stop_the_run(words: list[str], tmp_path: Path) -> None:
    odd_suite(tmp_path / "odd", "well", "not_utf8")
    model = f"scripted:{tmp_path / 'odd' / 'script.yaml'}"
    assert main([*words, "--tasks", str(tmp_path / "odd"), "--ground", "live", "--model", model]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    (trajectory,) = Run.open(run).trajectories()
    (result,) = [message for message in trajectory.messages if isinstance(message, ToolResult)]
    assert (trajectory.stop, result.status, result.content) == ("answered", "ok", "caf\N{REPLACEMENT CHARACTER}")
    (row,) = Run.open(run).scored()
    assert row.acc_task.value is not None
