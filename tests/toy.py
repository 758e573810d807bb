"""A tiny suite for end-to-end tests: a ground in memory, seven tasks of all kinds, a cassette, and scripts that slip."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import JsonValue

from rise_bench.check import check_tasks
from rise_bench.errors import ServerDied
from rise_bench.ground.offer import offered, rejected
from rise_bench.ground.replay import Recorder
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.model import load
from rise_bench.rollout import attempt
from rise_bench.store import LoadedSuite, load_suite, write_atomic, write_lines
from rise_bench.types import (
    Budget,
    Call,
    Critical,
    Derivation,
    Fact,
    Ground,
    GroundMode,
    Intent,
    Server,
    StateChange,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    canonical,
)

NOW = "2026-04-02T09:00:00Z"
PROMPT = "You work for one person. It is {now}; the files are in {root}. Ask or decline where that is right."
FILES: Mapping[str, str] = {
    "inbox/2025-03/invoice-1.txt": "12 euro",
    "inbox/2025-03/invoice-2.txt": "7 euro",
    "inbox/2026-03/invoice-3.txt": "30 euro",
    "inbox/2026-03/invoice-4.txt": "5 euro",
    "inbox/2026-03/invoice-5.txt": "18 euro",
    "notes/planning-old.md": "# Planning 2024",
    "notes/planning.md": "# Planning\nBudget first.",
    "sales/2025-q1.txt": "Total: 3990 euro",
    "sales/2026-q1.txt": "Total: 4180 euro",
}


def _tool(name: str, effect: str, *parameters: str) -> Tool:
    properties: dict[str, JsonValue] = {parameter: {"type": "string"} for parameter in parameters}
    schema: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": list(parameters)}
    values = {"server": "files", "name": name, "description": f"{name} in {{root}}", "effect": effect}
    return Tool.model_validate(values | {"parameters": schema})


GROUND = Ground(
    name="toy",
    servers=(
        Server(
            name="files",
            tools=(
                _tool("list", "read", "path"),
                _tool("read", "read", "path"),
                _tool("write", "write", "path", "content"),
                _tool("move", "write", "source", "destination"),
            ),
        ),
    ),
)


def _task(name: str, request: str, **more: object) -> Task:
    values: dict[str, object] = {"id": f"toy/{name}", "request": request, "now": NOW, "servers": ("files",)}
    return Task.model_validate(values | {"setup": "desk", "cluster": f"{name}/files"} | more)


COUNT = _task(
    "count-invoices",
    "How many invoices of March 2026 are in the inbox?",
    reference=(Call(tool="files.list", arguments={"path": "inbox/2026-03"}),),
    intent=Intent(critical=(Critical(call=0, argument="/path", match="path", near=("inbox/2025-03",)),)),
    answer=(
        Fact(value=3, type="number", about=("invoices",), derive=Derivation(op="count", pattern=r"invoice-\d+\.txt")),
    ),
)
MOVE = _task(
    "archive-notes",
    "Move the notes of the planning meeting, not the old ones, into the archive of 2026.",
    reference=(
        Call(tool="files.list", arguments={"path": "notes"}),
        Call(
            tool="files.move",
            arguments={
                "source": {"$join": ["notes/", {"$ref": [0, "/files/1"]}]},
                "destination": "{root}/archive/2026/planning.md",
            },
        ),
    ),
    intent=Intent(
        critical=(
            Critical(call=1, argument="/source", match="path", near=("notes/planning-old.md",)),
            Critical(call=1, argument="/destination", match="path", near=("archive/2025/planning.md",)),
        )
    ),
)
WRITE = _task(
    "write-reminder",
    "Put a reminder into reminders/april.txt: Call Ada on 19 April.",
    reference=(
        Call(tool="files.write", arguments={"path": "reminders/april.txt", "content": "Call Ada on 19 April."}),
    ),
    intent=Intent(
        critical=(
            Critical(call=0, argument="/path", match="path", near=("reminders/may.txt",)),
            Critical(call=0, argument="/content", match="text", near=("Call Ada on 20 April.",)),
        )
    ),
)
TOTAL = _task(
    "read-total",
    "What was the total of the first quarter of 2026?",
    reference=(Call(tool="files.read", arguments={"path": "sales/2026-q1.txt"}),),
    intent=Intent(critical=(Critical(call=0, argument="/path", match="path", near=("sales/2025-q1.txt",)),)),
    answer=(Fact(value=4180, type="number", about=("total",), derive=Derivation(op="find", pattern=r"Total: (\d+)")),),
)
ASK = _task("ask-which-day", "Put the dentist into my reminders.", kind="underspecified", asks=(("day", "date"),))
DECLINE = _task("send-mail", "Mail the notes to Ada.", kind="infeasible", reasons=("mail", "email"))
IDLE = _task("say-thanks", "Thank you!", kind="no_call", recorded=(), reference_state=())
TASKS = (COUNT, MOVE, WRITE, TOTAL, ASK, DECLINE, IDLE)

SLIPS: dict[str, JsonValue] = {
    COUNT.id: [
        {"tool_calls": [{"tool": "files.list", "arguments": {"path": "inbox/2025-03"}}]},
        {"content": "There are 2 invoices."},
    ],
    MOVE.id: [
        {
            "tool_calls": [
                {
                    "tool": "files.move",
                    "arguments": {"source": "notes/planning-old.md", "destination": "archive/2026/planning.md"},
                }
            ]
        },
        {"content": "Moved them."},
    ],
    WRITE.id: [{"content": "Done."}],
    "*": [{"content": "The total is 4180."}],
}
"""A deviating script: two silent deviations, the rest visible failures."""

Dies = Callable[[ToolCall], bool]


def _never(call: ToolCall) -> bool:
    return False


class FolderGround:
    """A ground whose sandbox is a mapping in memory; counts its sessions, and dies in the calls that it is told to."""

    mode: GroundMode = "live"

    def __init__(self, dies: Dies = _never) -> None:
        self.ground = GROUND
        self.dies = dies
        self.opened = 0
        self.open_now = 0

    def open(self, task: Task) -> FolderSession:
        """A fresh copy of the files."""
        self.opened += 1
        self.open_now += 1
        return FolderSession(self, task)

    def close(self) -> None:
        """Nothing runs."""


class FolderSession:
    """The files of one attempt."""

    def __init__(self, source: FolderGround, task: Task) -> None:
        self.root = VISIBLE_ROOT
        self.tools: Sequence[Tool] = offered(GROUND, task, self.root)
        self._known = {tool.id: tool for tool in self.tools}
        self._source = source
        self._files = dict(FILES)

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """The result; raises `ServerDied` where the ground was told to die."""
        tool = self._known.get(call.tool)
        refusal = rejected(call, tool)
        if refusal is not None or tool is None:
            assert refusal is not None
            return refusal
        if self._source.dies(call):
            raise ServerDied("died, as it was told to", where="files")
        assert isinstance(call.arguments, dict)
        before = dict(self._files)
        result = self._answer(tool, call, {key: str(value) for key, value in call.arguments.items()})
        if tool.effect == "read":
            return result
        return result.model_copy(update={"changed": tuple(change.path for change in _difference(before, self._files))})

    def _answer(self, tool: Tool, call: ToolCall, arguments: dict[str, str]) -> ToolResult:
        try:
            text, value = _ACTS[tool.name](self._files, {key: self._path(key, arguments[key]) for key in arguments})
        except KeyError as error:
            return ToolResult(call_id=call.id, tool=tool.id, status="tool_error", content=f"there is no {error}")
        return ToolResult(call_id=call.id, tool=tool.id, content=text, structured=value)

    def _path(self, key: str, value: str) -> str:
        return value if key == "content" else value.removeprefix(f"{self.root}/")

    def end_state(self) -> tuple[StateChange, ...]:
        """What differs from the start."""
        return _difference(dict(FILES), self._files)

    def close(self) -> None:
        """Count down."""
        self._source.open_now -= 1


Answer = tuple[str, JsonValue]


def _list(files: dict[str, str], arguments: dict[str, str]) -> Answer:
    folder = arguments["path"].rstrip("/") + "/"
    found: JsonValue = {"files": sorted(name.removeprefix(folder) for name in files if name.startswith(folder))}
    return canonical(found), found


def _read(files: dict[str, str], arguments: dict[str, str]) -> Answer:
    return files[arguments["path"]], None


def _write(files: dict[str, str], arguments: dict[str, str]) -> Answer:
    files[arguments["path"]] = arguments["content"]
    return "written", None


def _move(files: dict[str, str], arguments: dict[str, str]) -> Answer:
    files[arguments["destination"]] = files.pop(arguments["source"])
    return "moved", None


_ACTS: dict[str, Callable[[dict[str, str], dict[str, str]], Answer]] = {
    "list": _list,
    "read": _read,
    "write": _write,
    "move": _move,
}


def _difference(before: dict[str, str], after: dict[str, str]) -> tuple[StateChange, ...]:
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return tuple(StateChange(path=name, before=before.get(name), after=after.get(name)) for name in names)


# --- as files ---------------------------------------------------------------------------------------------------------


@functools.cache
def proved() -> tuple[Task, ...]:
    """The tasks with what the real check recorded of them; a task that it refuses fails here."""
    checked = [task for task in TASKS if task.kind != "no_call"]
    proofs = check_tasks(checked, FolderGround(), FolderGround(), workers=1)
    assert [finding for proof in proofs for finding in proof.findings] == []
    return (*(proof.task for proof in proofs), IDLE)


@functools.cache
def _built() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rise-bench-toy-"))
    atexit.register(shutil.rmtree, folder)
    head = {"name": "toy", "version": "1-0", "description": "for tests", "system_prompt": PROMPT, "servers": ["files"]}
    write_atomic(folder / "suite.yaml", yaml.safe_dump(head))
    write_atomic(folder / "ground.json", GROUND.model_dump_json())
    write_lines(folder / "tasks.jsonl", proved())
    write_atomic(folder / "slips.yaml", yaml.safe_dump(SLIPS))
    suite = load_suite(str(folder)).suite
    recorder = Recorder(FolderGround(), folder / "cassette.jsonl", folder / "fixtures")
    for model in (load("oracle", suite=suite), load(f"scripted:{folder / 'slips.yaml'}", suite=suite)):
        for task in suite.tasks:
            attempt(model, recorder, task, system_prompt=PROMPT, budget=Budget())
    return folder


def make_suite(folder: Path) -> LoadedSuite:
    """The suite as files in `folder`, cassette and `slips.yaml` beside it, read back."""
    shutil.copytree(_built(), folder, dirs_exist_ok=True)
    return load_suite(str(folder))
