"""Real clients against the gateway: the `mcp` package over HTTP and stdio, and the endpoint that a program may reach."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import toy
from agent_kit import (
    agent,
    answer,
    calls,
    once,
    results,
    run,
    said,
    values,
    verdicts,
    write_agent,
    write_player,
)

from rise_bench.bench import Options, evaluate
from rise_bench.model import load
from rise_bench.rollout import attempt
from rise_bench.runs import Run
from rise_bench.store import load_suite
from rise_bench.types import Budget, Trajectory

# --- the mcp package as the agent's side ------------------------------------------------------------------------------


def test_a_plain_mcp_program_gets_the_verdicts_of_the_built_in_agent_that_makes_the_same_calls(tmp_path: Path) -> None:
    loaded = toy.make_suite(tmp_path / "suite")
    tasks = [loaded.tasks[task.id] for task in (toy.COUNT, toy.MOVE, toy.WRITE, toy.ASK)]
    for name in ("oracle", f"scripted:{tmp_path / 'suite' / 'slips.yaml'}"):
        built_in = load(name, suite=loaded.suite)
        played = {task.id: run(built_in, task) for task in tasks}
        with agent(write_player(tmp_path / name.partition(":")[0], tasks, played)) as model:
            for task in tasks:
                trajectory = run(model, task)
                assert verdicts(task, trajectory, loaded.ground) == verdicts(task, played[task.id], loaded.ground)
                assert [(c.tool, c.arguments) for c in calls(trajectory)] == [
                    (c.tool, c.arguments) for c in calls(played[task.id])
                ]
                assert [r.content for r in results(trajectory)] == [r.content for r in results(played[task.id])]
                assert trajectory.end_state == played[task.id].end_state


def test_an_agent_program_is_evaluated_on_replay_like_any_model(tmp_path: Path) -> None:
    loaded = toy.make_suite(tmp_path / "suite")
    code = 'call("files__list", path="inbox/2026-03"); print("There are 3 invoices.")'
    command = write_agent(tmp_path / "bot", code)
    options = Options(
        suite=str(loaded.path), model=f"agent:{command}", ground="replay", sample_ids=[toy.COUNT.id], output=tmp_path
    )
    (row,) = Run.open(evaluate(options).run).scored()
    assert (row.acc_task.value, row.acc_intent.value, row.usage.calls) == (1, 1, 1)


STDIO = """
import asyncio, os
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    async with stdio_client(StdioServerParameters(command=os.environ["RISE_MCP_STDIO"])) as streams:
        async with ClientSession(*streams) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            both = await asyncio.gather(*(
                session.call_tool(tools[0].name, {"path": f"inbox/{month}"}) for month in ("2025-03", "2026-03")
            ))
            failed = await session.call_tool("files__read", {"path": "nowhere.txt"})
    print(len(tools), [len(found.structured_content["files"]) for found in both], failed.is_error)

asyncio.run(main())
"""


@pytest.mark.parametrize("confine", [True, False])
def test_a_client_that_starts_a_server_on_stdio_reaches_the_same_tools(tmp_path: Path, confine: bool) -> None:
    write_agent(tmp_path, STDIO, prelude="")
    with agent(f"{sys.executable} {tmp_path / 'agent.py'}", confine=confine) as model:
        trajectory = run(model)
    assert answer(trajectory) == "4 [2, 3] True"
    assert sorted(str(call.arguments["path"]) for call in calls(trajectory)[:2]) == ["inbox/2025-03", "inbox/2026-03"]


@pytest.mark.servers
def test_on_live_servers_the_verdicts_are_those_of_the_oracle(tmp_path: Path) -> None:
    names = ["desk/files-archive-march-invoices", "desk/files-okafor-rate", "desk/ask-claim-lena"]
    loaded = load_suite("desk")
    done = evaluate(Options(suite="desk", model="oracle", sample_ids=names, output=tmp_path / "oracle"))
    played = {trajectory.task: trajectory for trajectory in Run.open(done.run).trajectories()}
    command = write_player(tmp_path / "bot", [loaded.tasks[name] for name in names], played)
    made = evaluate(Options(suite="desk", model=f"agent:{command}", sample_ids=names, output=tmp_path / "agent"))
    rows = {row.task: row for row in Run.open(made.run).scored()}
    for row in Run.open(done.run).scored():
        assert rows[row.task].acc_task == row.acc_task
        assert rows[row.task].acc_intent == row.acc_intent
        assert row.acc_intent.value == 1


# --- the model endpoint -----------------------------------------------------------------------------------------------

ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "3 invoices"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 7},
}
EVENTS = [{"choices": [{"delta": {"content": "3 invoices"}}]}, {"choices": [], "usage": ANSWER["usage"]}]

ASK = """
def ask(path="chat/completions", **body):
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
    asked = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/" + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked) as answer:
        return answer.read()
"""


class Endpoint(ThreadingHTTPServer):
    """A chat endpoint that says the same to everybody, and remembers who asked for what."""

    daemon_threads = True

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        if asked.get("stream"):
            body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in EVENTS)
            self.send_header("Content-Type", "text/event-stream")
        else:
            body = json.dumps(ANSWER, indent=asked.get("indent")).encode()
            self.send_header("Content-Type", "application/json")
            if not asked.get("indent"):
                self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody is told."""


@contextmanager
def serving(status: int = 200) -> Iterator[Endpoint]:
    with Endpoint(status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def asking(folder: Path, code: str, server: Endpoint, **args: Any) -> Trajectory:
    return once(folder, ASK + code, args={"endpoint": server.url, **args})


@pytest.mark.parametrize("confine", [True, False])
def test_the_key_is_added_outside_and_tokens_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confine: bool
) -> None:
    monkeypatch.setenv("KEY_OF_A_TEST", "sk-real")
    code = """
ask(); call("files__list", path="inbox/2026-03"); ask()
print(json.dumps(["sk-real" in str(dict(os.environ)), json.loads(ask())["choices"][0]["message"]["content"]]))
"""
    with serving() as server:
        trajectory = asking(tmp_path, code, server, api_key_env="KEY_OF_A_TEST", confine=confine)
    assert said(trajectory) == [False, "3 invoices"]
    assert server.asked == [("/v1/chat/completions", "Bearer sk-real")] * 3
    assert (trajectory.usage.input_tokens, trajectory.usage.output_tokens) == (360, 21)


def test_streamed_answers_come_through_and_are_counted(tmp_path: Path) -> None:
    with serving() as server:
        trajectory = asking(tmp_path, "print(ask(stream=True).decode())", server)
    assert answer(trajectory).count("data: ") == 2
    assert (trajectory.usage.input_tokens, trajectory.usage.output_tokens) == (120, 7)


def test_an_answer_of_unknown_length_over_many_lines_is_counted(tmp_path: Path) -> None:
    with serving() as server:
        trajectory = asking(tmp_path, "ask(indent=2); print('done')", server)
    assert (trajectory.usage.input_tokens, trajectory.usage.output_tokens) == (120, 7)


def test_a_program_that_has_spent_its_tokens_is_ended_though_it_never_calls_a_tool(tmp_path: Path) -> None:
    with serving() as server:
        code = f"{ASK}\nwhile True: ask()"
        trajectory = once(tmp_path, code, args={"endpoint": server.url}, tokens=300)
    assert trajectory.stop == "agent_failed"
    assert "more than 300 tokens" in answer(trajectory)
    assert len(server.asked) == 3
    assert trajectory.usage.input_tokens == 360


def test_nothing_outside_the_base_url_is_reached_and_no_key_is_made_up(tmp_path: Path) -> None:
    code = """
found = []
for path in ("../admin", "%2e%2e/admin", "a//b", "..%2fadmin", "models"):
    try:
        ask(path); found.append(path)
    except urllib.error.HTTPError as error:
        found.append(error.code)
print(json.dumps(found))
"""
    with serving() as server:
        found = said(asking(tmp_path, code, server))
    assert found == [404, 404, 404, 404, "models"]
    assert server.asked == [("/v1/models", None)]


def test_a_program_that_fails_while_its_endpoint_does_is_a_fault(tmp_path: Path) -> None:
    with serving(503) as server:
        trajectory = asking(tmp_path, "ask()", server)
    assert trajectory.stop == "fault"
    assert "HTTP 503" in trajectory.fault
    assert values(trajectory) == (None, None)


def test_a_program_that_copes_with_a_failing_endpoint_is_scored(tmp_path: Path) -> None:
    code = """
try: ask()
except urllib.error.HTTPError: print("Sorry.")
"""
    with serving(429) as server:
        trajectory = asking(tmp_path, code, server)
    assert (trajectory.stop, answer(trajectory)) == ("answered", "Sorry.")
    assert values(trajectory) == (0, 0)


def test_a_program_that_cannot_be_started_is_a_fault_and_says_why(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/no/such/interpreter\n", encoding="utf-8")
    program.chmod(0o755)
    with agent(str(program)) as model:
        trajectory = attempt(model, toy.FolderGround(), toy.COUNT, system_prompt=toy.PROMPT, budget=Budget(seconds=30))
    assert trajectory.stop == "fault"
    assert "was not started" in trajectory.fault
    assert "No such file" in trajectory.fault


# --- the examples -----------------------------------------------------------------------------------------------------

EXAMPLES = Path(__file__).parents[1] / "examples" / "agents"


def test_the_plain_example_calls_a_tool_and_answers() -> None:
    with agent(f"{sys.executable} {EXAMPLES / 'plain_mcp.py'}") as model:
        trajectory = run(model)
    assert trajectory.stop == "answered"
    assert len(calls(trajectory)) == 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_shell_example_speaks_the_protocol_without_a_library() -> None:
    with agent(str(EXAMPLES / "shell_agent.sh")) as model:
        trajectory = run(model)
    assert "I have 4 tools" in answer(trajectory)
    assert answer(trajectory).endswith("?")
