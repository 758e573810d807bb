"""Any agent program as a black box: what it is told, what it calls and says, and how it is stopped."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import toy
from agent_kit import agent, answer, calls, once, processes, results, run, said, values, write_agent

from rise_bench.agents.gateway import MAX_BODY, MAX_PENDING, MAX_REQUESTS
from rise_bench.agents.process import MAX_STDOUT
from rise_bench.ground.sandbox import bwrap_problem
from rise_bench.score import score
from rise_bench.types import Assistant, User

confined = pytest.mark.skipif(bwrap_problem() is not None, reason=f"needs bubblewrap: {bwrap_problem()}")


@pytest.fixture(params=[pytest.param(True, marks=confined, id="confined"), pytest.param(False, id="unconfined")])
def args(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {} if request.param else {"confine": False}


# --- what it is told and what comes of it -----------------------------------------------------------------------------


def test_the_program_is_told_its_task_and_nothing_of_this_machine(
    tmp_path: Path, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "s3cret")
    code = 'print(json.dumps({"env": dict(os.environ), "stdin": sys.stdin.read(), "home": os.listdir(os.environ["HOME"])}))'
    trajectory = once(tmp_path, code, args=args)
    found = said(trajectory)
    env = found["env"]
    assert env["RISE_REQUEST"] == found["stdin"] == toy.COUNT.request
    assert env["RISE_INSTRUCTIONS"] == toy.PROMPT.format(now=toy.NOW, root=trajectory.root)
    assert env["RISE_NOW"] == toy.NOW
    assert env["RISE_MCP_URL"].startswith("http://127.0.0.1:")
    assert not env.keys() & {"SECRET_OF_THE_USER", "OPENAI_API_KEY", "RISE_MESSAGES"}
    assert found["home"] == []


def test_the_gateway_offers_exactly_the_tasks_tools(tmp_path: Path, args: dict[str, Any]) -> None:
    offered = said(once(tmp_path, 'print(json.dumps(rpc("tools/list", {})))', args=args))["result"]["tools"]
    tools = toy.FolderGround().open(toy.COUNT).tools
    assert [tool["name"] for tool in offered] == ["files__list", "files__read", "files__write", "files__move"]
    assert [tool["description"] for tool in offered] == [tool.description for tool in tools]
    assert [tool["inputSchema"] for tool in offered] == [tool.parameters for tool in tools]


def test_calls_are_recorded_and_their_results_reach_the_program(tmp_path: Path, args: dict[str, Any]) -> None:
    code = """
    found = call("files__list", path="inbox/2026-03")["result"]
    assert found["isError"] is False, found
    assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
    print(f"There are {len(found['structuredContent']['files'])} invoices.")
    """
    trajectory = once(tmp_path, code, args=args)
    assert answer(trajectory) == "There are 3 invoices."
    assert [(c.id, c.tool, c.arguments) for c in calls(trajectory)] == [
        ("call_0_0", "files.list", {"path": "inbox/2026-03"})
    ]
    assert values(trajectory) == (1, 1)
    assert trajectory.usage.input_tokens is None


def test_a_call_that_slips_is_a_silent_deviation(tmp_path: Path) -> None:
    code = 'call("files__list", path="inbox/2025-03"); print("There are 2 invoices.")'
    assert values(once(tmp_path, code)) == (1, 0)


def test_what_a_tool_refuses_is_told_to_the_program_as_mcp_has_it(tmp_path: Path) -> None:
    code = """
    failed = call("files__read", path="nowhere.txt")["result"]
    unknown = call("files__shred", path="notes")
    print(json.dumps([failed, unknown]))
    """
    trajectory = once(tmp_path, code)
    failed, unknown = said(trajectory)
    assert failed["isError"] is True
    assert "nowhere.txt" in failed["content"][0]["text"]
    assert unknown.keys() & {"error", "result"}
    assert results(trajectory)[0].status == "tool_error"
    assert calls(trajectory)[1].tool == "files__shred"
    labels = [label.name for label in score(toy.COUNT, trajectory, toy.GROUND)[0].labels]
    assert "unknown_tool" in labels


@pytest.mark.parametrize("odd", ["no object", [1, 2], 7])
def test_arguments_that_are_no_object_are_passed_on_as_they_came(tmp_path: Path, odd: Any) -> None:
    code = f'rpc("tools/call", {{"name": "files__list", "arguments": {odd!r}}}); print("3 invoices")'
    trajectory = once(tmp_path, code)
    (made,) = calls(trajectory)
    assert made.arguments == (odd if isinstance(odd, str) else json.dumps(odd))
    assert "unparsable_call" in [label.name for label in score(toy.COUNT, trajectory, toy.GROUND)[0].labels]


def test_parallel_calls_each_get_their_own_result(tmp_path: Path, args: dict[str, Any]) -> None:
    code = """
    found = {}
    def read(month):
        found[month] = call("files__list", path=f"inbox/{month}")["result"]["structuredContent"]["files"]
    threads = [threading.Thread(target=read, args=(month,)) for month in ("2025-03", "2026-03", "2027-03")]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(json.dumps(found))
    """
    trajectory = once(tmp_path, code, args=args)
    assert {month: len(files) for month, files in said(trajectory).items()} == {
        "2025-03": 2,
        "2026-03": 3,
        "2027-03": 0,
    }
    assert len(calls(trajectory)) == len(results(trajectory)) == 3


def test_a_program_that_ignores_the_gateway_has_answered_without_a_call(tmp_path: Path) -> None:
    trajectory = once(tmp_path, 'print("There are 3 invoices.")')
    assert (trajectory.stop, calls(trajectory)) == ("answered", [])
    assert values(trajectory) == (0, 0)


def test_an_empty_output_is_an_empty_answer(tmp_path: Path) -> None:
    trajectory = once(tmp_path, "pass")
    assert (trajectory.stop, answer(trajectory)) == ("answered", "")
    assert values(trajectory) == (0, 0)


def test_messages_before_the_request_are_given_as_json(tmp_path: Path) -> None:
    task = toy.COUNT.model_copy(update={"history": (User(content="Hello"), Assistant(content="Good morning."))})
    earlier = said(once(tmp_path, 'print(os.environ["RISE_MESSAGES"])', task))
    assert [(message["role"], message["content"]) for message in earlier] == [
        ("user", "Hello"),
        ("assistant", "Good morning."),
    ]


def test_an_attempt_that_is_redone_starts_a_fresh_program(tmp_path: Path) -> None:
    deaths = iter([True, False, False])
    ground = toy.FolderGround(dies=lambda call: next(deaths))
    code = 'call("files__list", path="inbox/2026-03"); print("There are 3 invoices.")'
    with agent(write_agent(tmp_path, code)) as model:
        trajectory = run(model, ground=ground)
    assert ground.opened == 2
    assert values(trajectory) == (1, 1)
    assert len(calls(trajectory)) == 1


def gone(mark: str) -> bool:
    """Whether the processes with this mark end in time."""
    pause = threading.Event()
    return any(not processes(mark) or pause.wait(0.1) for _ in range(300))


# --- how it is stopped ------------------------------------------------------------------------------------------------


def failed(trajectory: Any, why: str) -> None:
    """Scored 0 and 0 by the program's own doing, with the reason: no fault."""
    assert trajectory.stop == "agent_failed"
    assert why in answer(trajectory)
    assert values(trajectory) == (0, 0)


def test_a_program_that_fails_has_failed_and_its_last_word_is_kept(tmp_path: Path, args: dict[str, Any]) -> None:
    code = 'print("There are 3 invoices."); print("first\\n\\x1b[31mlast", file=sys.stderr); sys.exit(3)'
    trajectory = once(tmp_path, code, args=args)
    failed(trajectory, "ended with exit status 3: \ufffd[31mlast")


def test_a_program_that_hangs_is_ended_with_the_attempts_time(tmp_path: Path, args: dict[str, Any]) -> None:
    mark = uuid.uuid4().hex
    trajectory = once(tmp_path / mark, "time.sleep(600)", args=args, seconds=2)
    failed(trajectory, "did not finish within")
    assert processes(mark) == []


def test_a_program_may_be_given_less_time_than_the_attempt(tmp_path: Path) -> None:
    failed(once(tmp_path, "time.sleep(600)", args={"timeout": 1}), "did not finish within")


def test_a_program_that_floods_its_output_is_stopped(tmp_path: Path, args: dict[str, Any]) -> None:
    trajectory = once(tmp_path, 'while True: print("x" * 10_000)', args=args)
    failed(trajectory, f"wrote more than {MAX_STDOUT} bytes")


def test_standard_error_may_be_as_long_as_it_likes(tmp_path: Path) -> None:
    code = f'sys.stderr.write("x" * {3 * MAX_STDOUT}); print("fine")'
    assert answer(once(tmp_path, code)) == "fine"


def test_a_program_with_too_many_calls_at_once_is_stopped(tmp_path: Path, args: dict[str, Any]) -> None:
    code = f"""
    for _ in range({MAX_PENDING * 3}):
        threading.Thread(target=call, args=("files__list",), kwargs={{"path": "notes"}}, daemon=True).start()
    time.sleep(600)
    """
    mark = uuid.uuid4().hex
    ground = toy.FolderGround(dies=lambda call: not gone(mark))  # the first call lasts until the program was stopped
    with agent(write_agent(tmp_path / mark, code), **args) as model:
        trajectory = run(model, ground=ground, calls=10_000)
    failed(trajectory, f"had more than {MAX_PENDING} calls waiting")


def test_a_program_with_too_many_requests_is_stopped(tmp_path: Path) -> None:
    code = """
    import http.client
    way = http.client.HTTPConnection("127.0.0.1", int(URL.split(":")[2].split("/")[0]))
    while True:
        way.request("GET", "/mcp/guess")
        way.getresponse().read()
    """
    failed(once(tmp_path, code, seconds=300), f"sent more than {MAX_REQUESTS} requests")


def test_a_program_with_an_overlong_request_is_stopped(tmp_path: Path) -> None:
    code = f'call("files__write", path="a", content="x" * {MAX_BODY + 1}); time.sleep(600)'
    trajectory = once(tmp_path, code)
    failed(trajectory, f"sent a request of more than {MAX_BODY} bytes")
    assert calls(trajectory) == []


def test_a_program_that_spends_the_calls_of_the_budget_is_ended(tmp_path: Path, args: dict[str, Any]) -> None:
    mark = uuid.uuid4().hex
    trajectory = once(tmp_path / mark, 'while True: call("files__list", path="notes")', args=args, calls=3)
    assert trajectory.stop == "max_calls"
    assert values(trajectory) == (0, 0)
    assert [result.status for result in results(trajectory)] == ["ok"] * 3 + ["not_executed"]
    assert processes(mark) == []


def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path, args: dict[str, Any]) -> None:
    mark = uuid.uuid4().hex
    code = f"""
    for own in (False, True):
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", "{mark}"], start_new_session=own)
    print("There are 3 invoices.")
    """
    trajectory = once(tmp_path, code, args=args)
    assert answer(trajectory) == "There are 3 invoices."
    assert processes(mark) == []


@pytest.fixture
def temporary() -> Iterator[str]:
    """A folder for temporary files whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def test_nothing_is_left_when_rise_bench_itself_is_killed(tmp_path: Path, temporary: str) -> None:
    mark = uuid.uuid4().hex
    command = write_agent(tmp_path / mark, 'call("files__list", path="notes"); time.sleep(600)')
    harness = f"""
import sys, toy
from agent_kit import agent, run
with agent({command!r}) as model:
    class Ground(toy.FolderGround): pass
    run(model, ground=Ground(dies=lambda call: print("called", flush=True)))
"""
    folders = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    child = subprocess.Popen(
        [sys.executable, "-c", harness],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": folders, "TMPDIR": temporary},
    )
    assert child.stdout is not None
    with child, child.stdout:
        assert child.stdout.readline() == b"called\n"
        there = [os.pidfd_open(pid) for pid in processes(mark) if pid != child.pid]
        child.send_signal(signal.SIGKILL)
        for descriptor in there:
            assert select.select([descriptor], [], [], 30)[0], "a process of the program outlives rise-bench"
            os.close(descriptor)
    assert len(there) >= 2
    assert processes(mark) == []


def test_closing_the_model_ends_what_runs(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    called = threading.Event()
    command = write_agent(tmp_path / mark, 'call("files__list", path="notes"); time.sleep(600)')
    with agent(command) as model:
        ground = toy.FolderGround(dies=lambda call: called.set())
        attempt = threading.Thread(target=run, args=(model,), kwargs={"ground": ground})
        attempt.start()
        assert called.wait(30)
    attempt.join(30)
    assert not attempt.is_alive()
    assert processes(mark) == []


# --- what it cannot reach ---------------------------------------------------------------------------------------------


def test_without_its_token_nobody_is_let_in(tmp_path: Path, args: dict[str, Any]) -> None:
    code = """
    base = URL.rsplit("/", 1)[0]
    token = os.environ["RISE_MCP_TOKEN"]
    print(json.dumps([
        rpc("tools/list", {}, url=base),
        rpc("tools/list", {}, url=base + "/guess"),
        rpc("tools/list", {}, url=base, Authorization="Bearer guess"),
        rpc("tools/list", {}, url=base, Authorization=f"Bearer {token}").keys() >= {"result"},
        rpc("x", {}, url=base.replace("/mcp", "/v1/chat/completions")),
        rpc("x", {}, url=base.replace("/mcp", "/v1/chat/completions"), Authorization=f"Bearer {token}"),
    ]))
    """
    refused = {"http": 401}
    assert said(once(tmp_path, code, args=args)) == [refused, refused, refused, True, refused, {"http": 404}]


def test_the_token_stands_in_no_record(tmp_path: Path) -> None:
    code = """
token = os.environ["RISE_MCP_TOKEN"]
call("files__list", path=token); call("no" + token); rpc("tools/call", {"name": "x", "arguments": [token]})
print(URL)
print(token, file=sys.stderr)
"""
    trajectory = once(tmp_path, code)
    assert answer(trajectory).endswith("/mcp/TOKEN")
    assert [call.arguments for call in calls(trajectory)] == [{"path": "TOKEN"}, {}, '["TOKEN"]']
    assert calls(trajectory)[1].tool == "noTOKEN"


def test_two_attempts_side_by_side_do_not_meet(tmp_path: Path, args: dict[str, Any]) -> None:
    code = """
    number = sys.stdin.read()
    found = call("files__read", path=f"{number}.txt")["result"]["content"][0]["text"]
    print(json.dumps([number, found, os.environ["RISE_MCP_TOKEN"][::-1]]))  # as it is, no record holds it
    """
    tasks = [toy.COUNT.model_copy(update={"id": f"toy/{name}", "request": name}) for name in ("one", "two")]
    both = threading.Barrier(2)
    ground = toy.FolderGround(dies=lambda call: both.wait(30) < 0)  # both calls are open at the same time
    made: dict[str, Any] = {}
    with agent(write_agent(tmp_path, code), **args) as model:
        threads = [
            threading.Thread(target=lambda task=task: made.update({task.request: run(model, task, ground=ground)}))
            for task in tasks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for name in ("one", "two"):
        assert [call.arguments for call in calls(made[name])] == [{"path": f"{name}.txt"}]
        assert said(made[name])[:2] == [name, results(made[name])[0].content]
    assert said(made["one"])[2] != said(made["two"])[2]


@confined
def test_a_confined_program_sees_nothing_but_itself(tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("answers", encoding="utf-8")
    checkout = Path(__file__).parents[1]
    paths = [
        secret,
        checkout / "tasks",
        checkout / "rise_bench",
        Path.home() / ".ssh",
        Path("/etc/shadow"),
    ]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"""
        found = {{"paths": [path for path in {[str(path) for path in paths]!r} if os.path.exists(path)]}}
        found["temporary"] = [name for name in os.listdir("/tmp")]
        found["processes"] = len([name for name in os.listdir("/proc") if name.isdigit()])
        found["reached"] = []
        for address in (("127.0.0.1", {port}), ("10.0.0.1", 80), ("1.1.1.1", 53)):
            try:
                socket.create_connection(address, timeout=2)
                found["reached"].append(address)
            except OSError:
                pass
        for path in ("/usr/x", "/etc/x", os.path.join({str(tmp_path / "own")!r}, "x"), "/x", "/opt/sandbox/x"):
            try:
                open(path, "w")
                found["paths"].append(path)
            except OSError:
                pass
        open(os.path.join(os.environ["HOME"], "note"), "w").write("mine")
        print(json.dumps(found))
        """
        found = said(once(tmp_path / "own", code))
    assert found["paths"] == []
    assert found["reached"] == []
    assert found["processes"] < 8
    assert set(found["temporary"]) <= {tmp_path.parts[2]}  # the way to its own folder, where that lies under /tmp


@confined
def test_runs_suites_and_keys_beside_the_program_are_covered(tmp_path: Path) -> None:
    run_folder, suite = tmp_path / "runs" / "toy-1", tmp_path / "suites" / "toy"
    for folder, name in ((run_folder, "run.json"), (suite, "suite.yaml"), (tmp_path / ".git", "HEAD")):
        folder.mkdir(parents=True)
        (folder / name).write_text("answers", encoding="utf-8")
    (tmp_path / ".env").write_text("KEY=s3cret", encoding="utf-8")
    (tmp_path / "prompt.txt").write_text("Be kind.", encoding="utf-8")
    code = f"""
    top = {str(tmp_path)!r}
    print(json.dumps([
        sorted(os.path.relpath(os.path.join(here, name), top) for here, _, names in os.walk(top) for name in names),
        open(os.path.join(top, ".env")).read(),
    ]))
    """
    assert said(once(tmp_path, code)) == [[".env", "agent.py", "prompt.txt"], ""]


@confined
def test_memory_beyond_the_limit_is_not_given(tmp_path: Path) -> None:
    code = """
    try:
        held = bytearray(400 << 20)
        print("got it")
    except MemoryError:
        print("refused")
    """
    assert answer(once(tmp_path, code, args={"memory": 0.25})) == "refused"
