"""Small agent programs for tests, and what is needed to run them: real processes, real sockets."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import toy

from rise_bench.agents.model import AgentModel
from rise_bench.model import load
from rise_bench.rollout import attempt
from rise_bench.score import score
from rise_bench.types import Assistant, Budget, Ground, Task, ToolCall, ToolResult, Trajectory

PRELUDE = """
import json, os, socket, subprocess, sys, threading, time, urllib.error, urllib.request
URL = os.environ["RISE_MCP_URL"]

def rpc(method, params, url=URL, **headers):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    headers.setdefault("MCP-Protocol-Version", "2025-11-25")
    asked = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"http": error.code}

def call(name, **arguments):
    return rpc("tools/call", {"name": name, "arguments": arguments})
"""
"""What the programs of tests have: JSON-RPC over HTTP without any library, so that they start at once."""

PLAYER = """
import asyncio, json, os, sys
from mcp import Client, MCPError

async def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "script.json"), encoding="utf-8") as file:
        steps = json.load(file)[sys.stdin.read()]
    async with Client(os.environ["RISE_MCP_URL"]) as client:
        for name, arguments in steps["calls"]:
            try:
                await client.call_tool(name, arguments)
            except MCPError:
                pass
    print(steps["answer"])

asyncio.run(main())
"""
"""An agent that plays recorded calls through the `mcp` package's own client."""

PYTHON = str(Path(sys.executable).resolve())
"""An interpreter without packages: it starts fast."""


def write_agent(folder: Path, code: str, name: str = "agent.py", prelude: str = PRELUDE) -> str:
    """The command that runs the code, written to a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(prelude + textwrap.dedent(code), encoding="utf-8")
    return f"{PYTHON} -I -S {folder / name}"


@contextmanager
def agent(command: str, **args: Any) -> Any:
    """The model, closed in the end."""
    model = load(f"agent:{command}", args)
    assert isinstance(model, AgentModel)
    try:
        yield model
    finally:
        model.close()


def run(model: Any, task: Task = toy.COUNT, *, number: int = 0, ground: Any = None, **limits: float) -> Trajectory:
    """One attempt on the toy ground."""
    budget = Budget.model_validate({"seconds": 60, **limits})
    source = ground or toy.FolderGround()
    return attempt(model, source, task, system_prompt=toy.PROMPT, budget=budget, number=number)


def once(
    folder: Path, code: str, task: Task = toy.COUNT, args: Mapping[str, Any] | None = None, **limits: float
) -> Trajectory:
    """One attempt of a program that exists for it alone."""
    with agent(write_agent(folder, code), **(args or {})) as model:
        return run(model, task, **limits)


def answer(trajectory: Trajectory) -> str:
    """The final message."""
    last = trajectory.messages[-1]
    assert isinstance(last, Assistant)
    return last.content


def said(trajectory: Trajectory) -> Any:
    """The final message, which a program wrote as JSON."""
    assert trajectory.stop == "answered", answer(trajectory)
    return json.loads(answer(trajectory))


def calls(trajectory: Trajectory) -> list[ToolCall]:
    return [call for message in trajectory.messages if isinstance(message, Assistant) for call in message.tool_calls]


def results(trajectory: Trajectory) -> list[ToolResult]:
    return [message for message in trajectory.messages if isinstance(message, ToolResult)]


def values(trajectory: Trajectory) -> tuple[float | None, float | None]:
    """(Acc_task, Acc_intent) on the toy suite."""
    task = next(one for one in toy.proved() if one.id == trajectory.task)
    complete, aligned = score(task, trajectory, toy.GROUND)
    return complete.value, aligned.value


def verdicts(task: Task, trajectory: Trajectory, ground: Ground) -> Any:
    """Both verdicts as they would be stored."""
    return [verdict.model_dump(mode="json") for verdict in score(task, trajectory, ground)]


def write_player(folder: Path, tasks: Sequence[Task], played: Mapping[str, Trajectory]) -> str:
    """The command of a program that plays, for each request, the calls and the answer of a trajectory."""
    script = {}
    for task in tasks:
        made = [[call.tool.replace(".", "__", 1), call.arguments] for call in calls(played[task.id])]
        script[task.request] = {"calls": made, "answer": answer(played[task.id])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    write_agent(folder, PLAYER, prelude="")
    return f"{sys.executable} {folder / 'agent.py'}"


def processes(mark: str) -> list[int]:
    """Processes whose command line holds the mark."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found
