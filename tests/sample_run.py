"""A small suite with a run of every outcome, built by hand: no server, no model; verdicts by the real scorers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rise_bench import bench
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite, write_atomic, write_lines
from rise_bench.types import (
    Assistant,
    Call,
    Critical,
    Fact,
    Ground,
    Intent,
    Message,
    RunSpec,
    Server,
    StateChange,
    Stop,
    System,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    Usage,
    User,
)

ROOT = "/home/user"
HOSTILE = '</script><script>document.title = "owned"</script><img src=x onerror=alert(1)>[red]\x1b[31m\u202e'
"""Model text that would do harm in a page, in console markup and on a terminal."""


def tool(name: str, effect: str, *parameters: str) -> Tool:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    return Tool(server="files", name=name, effect=effect, parameters=schema)  # type: ignore[arg-type]


GROUND = Ground(
    name="sample",
    servers=(
        Server(
            name="files",
            tools=(
                tool("list", "read", "path"),
                tool("read", "read", "path"),
                tool("write", "write", "path", "content"),
                tool("move", "write", "source", "destination"),
            ),
        ),
    ),
)

COUNT = Task(
    id="sample/count-invoices",
    request="How many invoices of March are there in the inbox?",
    now="2026-04-02T09:00:00Z",
    servers=("files",),
    setup="desk",
    reference=(Call(tool="files.list", arguments={"path": "inbox/2026-03"}),),
    intent=Intent(critical=(Critical(call=0, argument="/path", match="path"),)),
    answer=(Fact(value=7, type="number", about=("invoices",), competing=(6, 9)),),
    cluster="desk/files",
    recorded=("7 files",),
    reference_state=(),
)
MOVE = Task(
    id="sample/archive-notes",
    request="Move the notes of the planning meeting into the archive of 2026, please.",
    now="2026-04-02T09:00:00Z",
    servers=("files",),
    setup="desk",
    reference=(
        Call(tool="files.list", arguments={"path": "notes"}),
        Call(tool="files.move", arguments={"source": "notes/planning.md", "destination": "archive/2026/planning.md"}),
    ),
    intent=Intent(
        critical=(
            Critical(call=1, argument="/source", match="path"),
            Critical(call=1, argument="/destination", match="path"),
        )
    ),
    cluster="other/files",
    recorded=("planning.md planning-old.md", "moved"),
    reference_state=(
        StateChange(path="archive/2026/planning.md", after="# Planning\nBudget first."),
        StateChange(path="notes/planning.md", before="# Planning\nBudget first."),
    ),
)
ASK = Task(
    id="sample/ask-which-date",
    kind="underspecified",
    request="Put the dentist into my calendar.",
    servers=("files",),
    setup="desk",
    asks=(("when", "date", "day"),),
    cluster="third/files",
    recorded=(),
    reference_state=(),
)
TASKS = (COUNT, MOVE, ASK)


def call(
    number: int, name: str, result: str, *, changed: tuple[str, ...] | None = None, **arguments: str
) -> list[Message]:
    """One message with one call, and its result."""
    made = ToolCall(id=f"c{number}", tool=f"files.{name}", arguments=dict(arguments))
    answer = ToolResult(call_id=f"c{number}", tool=made.tool, content=result, changed=changed)
    return [Assistant(content="Let me look." if number == 0 else "", tool_calls=(made,)), answer]


def trajectory(
    task: Task,
    *messages: Message,
    state: tuple[StateChange, ...] = (),
    stop: Stop = "answered",
    fault: str = "",
    number: int = 0,
) -> Trajectory:
    start: tuple[Message, ...] = (System(content="You work for one person."), User(content=task.request))
    made = sum(isinstance(message, ToolResult) for message in messages)
    return Trajectory(
        task=task.id,
        attempt=number,
        mode="live",
        messages=(*start, *messages) if not fault else (),
        stop=stop,
        fault=fault,
        root=ROOT,
        end_state=state,
        usage=Usage(turns=made + 1, calls=made, input_tokens=900, output_tokens=60, seconds=1.25),
    )


def trajectories() -> list[Trajectory]:
    """Two attempts at each task: aligned, silently deviated, visibly failed, hostile, a fault."""
    moved = "archive/2026/planning.md", "notes/planning.md"
    wrong = "archive/2026/planning-old.md", "notes/planning-old.md"
    old = "# Planning 2024"
    return [
        trajectory(
            COUNT, *call(0, "list", "7 files", path="inbox/2026-03"), Assistant(content="There are 7 invoices.")
        ),
        trajectory(
            COUNT,
            *call(0, "list", f"9 files {HOSTILE}", path="inbox/2025-03"),
            Assistant(content=f"There are 9 invoices. {HOSTILE}"),
            number=1,
        ),
        trajectory(
            MOVE,
            *call(0, "list", "planning.md planning-old.md", path="notes"),
            *call(
                1,
                "move",
                "moved",
                changed=moved,
                source=f"{ROOT}/notes/planning.md",
                destination=f"{ROOT}/archive/2026/planning.md",
            ),
            Assistant(content="Moved."),
            state=MOVE.reference_state or (),
        ),
        trajectory(
            MOVE,
            *call(0, "list", "planning.md planning-old.md", path="notes"),
            *call(
                1,
                "move",
                "moved",
                changed=wrong,
                source="notes/planning-old.md",
                destination="archive/2026/planning-old.md",
            ),
            *call(2, "write", "written", changed=("log.txt",), path="log.txt", content="moved one file"),
            Assistant(content="Moved the notes."),
            state=(
                StateChange(path=wrong[0], after=old),
                StateChange(path="log.txt", after="moved one file"),
                StateChange(path=wrong[1], before=old),
            ),
            number=1,
        ),
        trajectory(ASK, Assistant(content="On which day, and when?")),
        trajectory(ASK, stop="fault", fault="GroundFault: calendar: the server did not start", number=1),
    ]


def make_suite(folder: Path) -> LoadedSuite:
    """The suite as files, read back."""
    head = 'name: sample\nversion: "1-0"\nsystem_prompt: You work for one person.\n'
    write_atomic(folder / "suite.yaml", head)
    write_atomic(folder / "ground.json", GROUND.model_dump_json())
    write_lines(folder / "tasks.jsonl", TASKS)
    return load_suite(str(folder))


def make_run(
    folder: Path,
    loaded: LoadedSuite,
    change: Callable[[Trajectory], Trajectory] = lambda made: made,
    model: str = "by-hand",
) -> Path:
    """A run folder with every trajectory and its verdicts."""
    spec = RunSpec(
        suite="sample",
        suite_version="1-0",
        suite_digest=loaded.suite.digest(),
        ground_digest=loaded.ground.digest(),
        mode="live",
        model=model,
        system_prompt=loaded.suite.system_prompt,
        attempts=2,
    )
    run = Run.create(spec, folder)
    for made in map(change, trajectories()):
        run.append(made, bench.score_attempt(loaded.tasks[made.task], made, loaded))
    run.close()
    return run.path


def interrupted(*_: object) -> NoReturn:
    """A model factory during which the user presses Ctrl-C."""
    raise KeyboardInterrupt
