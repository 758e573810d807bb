"""Both scorers on imported BFCL outputs (or generated look-alikes where the data is not there), on one core."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

from pydantic import JsonValue

from benchmarks.measured import Measured, show
from rise_bench.importers import import_bfcl
from rise_bench.score import score
from rise_bench.types import Assistant, Call, Critical, Ground, Intent, Server, Task, Tool, ToolCall, Trajectory, User

HERE = Path(__file__).resolve().parent.parent
LOOK_ALIKES = 6000


def measure() -> list[Measured]:
    """Attempts per second of CPU, each judged by both scorers; importing is not counted."""
    external = Path(os.environ.get("RISE_BENCH_EXTERNAL", HERE.parent / "shared" / "external")) / "bfcl-2024-08"
    if external.is_dir():
        imported = import_bfcl(external)
        pairs = [(imported.tasks[attempt.trajectory.task], attempt.trajectory) for attempt in imported]
        return [_rate(pairs, imported.ground, f"{len(pairs)} BFCL attempts")]
    ground, pairs = _look_alikes()
    return [_rate(pairs, ground, f"{len(pairs)} generated attempts")]


def _rate(pairs: list[tuple[Task, Trajectory]], ground: Ground, note: str) -> Measured:
    # the attempts are held here only to leave importing out; the collector need not walk them while scoring is timed
    gc.collect()
    gc.freeze()
    start = time.process_time()
    for task, trajectory in pairs:
        score(task, trajectory, ground)
    return Measured("scoring", len(pairs) / (time.process_time() - start), "attempts/s", aim=5000, more=True, note=note)


def _look_alikes() -> tuple[Ground, list[tuple[Task, Trajectory]]]:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
        "required": ["city", "days"],
    }
    tools = tuple(Tool(server="", name=f"forecast_{n}", parameters=schema) for n in range(50))  # type: ignore[arg-type]
    ground = Ground(name="look-alikes", servers=(Server(name="", tools=tools),))
    critical = tuple(Critical(call=0, argument=f"/{name}") for name in ("city", "days", "unit"))
    pairs = []
    for number in range(LOOK_ALIKES):
        tool = tools[number % 50]
        arguments: dict[str, JsonValue] = {"city": f"City {number}", "days": number % 7, "unit": "celsius"}
        task = Task(
            id=f"look/{number}",
            request=f"Weather in City {number} for {number % 7} days in celsius?",
            reference=(Call(tool=tool.id, arguments=arguments),),
            intent=Intent(critical=critical),
            tools=(tool,),
        )
        sent = arguments | {"days": 9 if number % 3 == 0 else number % 7}
        message = Assistant(tool_calls=(ToolCall(id="1", tool=tool.id, arguments=sent),))
        pairs.append((task, Trajectory(task=task.id, mode="static", messages=(User(content=task.request), message))))
    return ground, pairs


if __name__ == "__main__":
    show(measure())
