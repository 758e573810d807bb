"""A suite of any size with its recording and its script, on the tools of the shipped `desk` ground."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rise_bench.ground.replay import Cassette, Entry, History, Recording
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.store import LoadedSuite, load_suite, read_record, suites, write_atomic, write_lines
from rise_bench.types import Call, Critical, Fact, Ground, Intent, StateChange, Task, ToolCall

__all__ = ["TURNS", "make"]

TURNS = 6
"""Model turns of one attempt: four reads, one write, the answer."""

RESULT = "".join(f"{line:03d} the quick brown fox jumps over the lazy dog\n" for line in range(30))
"""About 1,500 characters, as a small file read by a tool."""


def make(folder: Path, tasks: int) -> LoadedSuite:
    """The suite in `folder`, with `cassette.jsonl` and `script.json` beside it."""
    ground = read_record(Ground, suites()["desk"] / "ground.json")
    made = [_task(number) for number in range(tasks)]
    write_atomic(folder / "suite.yaml", 'name: load\nversion: "1-0"\nsystem_prompt: You work for one person.\n')
    write_atomic(folder / "ground.json", ground.model_dump_json())
    write_lines(folder / "tasks.jsonl", iter(made))
    write_atomic(folder / "script.json", json.dumps({task.id: _steps(task) for task in made}))
    cassette = Cassette(folder / "cassette.jsonl", ground, create=True)
    effects = {tool.id: tool.effect for server in ground.servers for tool in server.tools}
    for task in made:
        _record(task, cassette, effects, folder / "fixtures")
    return load_suite(str(folder))


def _task(number: int) -> Task:
    folder = f"{VISIBLE_ROOT}/project-{number}"
    reads = [
        Call(tool="filesystem.list_directory", arguments={"path": folder}),
        *(Call(tool="filesystem.read_text_file", arguments={"path": f"{folder}/part-{n}.txt"}) for n in range(3)),
    ]
    write = Call(tool="filesystem.write_file", arguments={"path": f"{folder}/sum.txt", "content": f"{number} lines"})
    change = StateChange(path=f"project-{number}/sum.txt", after=f"{number} lines")
    return Task(
        id=f"load/{number}",
        request=f"Count the lines of project {number} and write the number to sum.txt there; tell me, too.",
        now="2026-04-02T09:00:00Z",
        servers=("filesystem", "text-editor", "time"),
        setup="load",
        reference=(*reads, write),
        intent=Intent(
            critical=(Critical(call=4, argument="/path", match="path"), Critical(call=4, argument="/content"))
        ),
        answer=(Fact(value=30, type="number", about=("lines",)),),
        cluster=f"project-{number % 40}/filesystem",
        recorded=("", RESULT, RESULT, RESULT, "written"),
        reference_state=(change,),
    )


def _steps(task: Task) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = [
        {"tool_calls": [{"tool": call.tool, "arguments": call.arguments}]} for call in task.reference
    ]
    return [*calls, {"content": "It has 30 lines."}]


def _record(task: Task, cassette: Cassette, effects: Mapping[str, str], fixtures: Path) -> None:
    history = History(task, VISIBLE_ROOT, fixtures)
    for number, call in enumerate(task.reference):
        made = ToolCall(id=str(number), tool=call.tool, arguments=call.arguments)
        read = effects[call.tool] == "read"
        change = task.reference_state or ()
        content = f"{RESULT}30 lines" if read else "written"
        changed = None if read else tuple(leaf.path for leaf in change)
        recording = Recording(status="ok", content=content, changed=changed, state=None if read else change)
        entry = Entry(key=history.key(made), tool=call.tool, arguments=dict(call.arguments), recording=recording)
        cassette.add(entry)
        if not read:
            history.add(made)
