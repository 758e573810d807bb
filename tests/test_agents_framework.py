"""An agent in another framework, through the gateway and its model endpoint: the verdicts of the built-in agent."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import toy
from agent_kit import agent, answer, calls, run, verdicts

from rise_bench.model import load
from rise_bench.types import Trajectory

INTERPRETER = os.environ.get("RISE_BENCH_AGENT_PYTHON", "")
"""Python of a virtual environment with `examples/agents/requirements-openai-agents.txt`."""

EXAMPLE = Path(__file__).parents[1] / "examples" / "agents" / "openai_agents.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INTERPRETER, reason="RISE_BENCH_AGENT_PYTHON names no interpreter with the framework"),
]


class Playing(ThreadingHTTPServer):
    """A chat endpoint whose model makes the calls of recorded trajectories, one a turn, and gives their answers."""

    daemon_threads = True

    def __init__(self, played: Mapping[str, Trajectory]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.played = played
        self.offered: list[int] = []

    def next_message(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What follows the messages of a request."""
        self.offered.append(len(asked["tools"]))
        request = next(_text(message["content"]) for message in asked["messages"] if message["role"] == "user")
        step = sum(message["role"] == "assistant" for message in asked["messages"])
        made = calls(self.played[request])
        if step >= len(made):
            return {"role": "assistant", "content": answer(self.played[request])}
        function = {"name": made[step].tool.replace(".", "__", 1), "arguments": json.dumps(made[step].arguments)}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"call_{step}", "type": "function", "function": function}],
        }


class _Handler(BaseHTTPRequestHandler):
    server: Playing

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = self.server.next_message(asked)
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        found = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody is told."""


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@pytest.mark.parametrize("script", ["oracle", "slips"])
def test_the_openai_agents_sdk_gets_the_verdicts_of_the_built_in_agent(tmp_path: Path, script: str) -> None:
    loaded = toy.make_suite(tmp_path / "suite")
    name = "oracle" if script == "oracle" else f"scripted:{tmp_path / 'suite' / 'slips.yaml'}"
    built_in = load(name, suite=loaded.suite)
    tasks = [loaded.tasks[task.id] for task in (toy.COUNT, toy.MOVE, toy.ASK)]
    played = {task.request: run(built_in, task) for task in tasks}
    with Playing(played) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/v1"
        with agent(f"{INTERPRETER} {EXAMPLE} playing", endpoint=endpoint) as model:
            for task in tasks:
                trajectory = run(model, task, seconds=200)
                assert verdicts(task, trajectory, loaded.ground) == verdicts(task, played[task.request], loaded.ground)
                made = [(call.tool, call.arguments) for call in calls(trajectory)]
                assert made == [(call.tool, call.arguments) for call in calls(played[task.request])]
                assert trajectory.usage.input_tokens == 100 * (len(made) + 1)
        server.shutdown()
    assert set(server.offered) == {len(toy.GROUND.servers[0].tools)}
