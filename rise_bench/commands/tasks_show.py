"""`tasks show`: one task with its reference and intent."""

from __future__ import annotations

import argparse

from rich.console import RenderableType
from rich.json import JSON

from rise_bench.commands.arguments import add_json
from rise_bench.commands.terminal import print_json, say, table, text
from rise_bench.errors import InputError
from rise_bench.plain import plain
from rise_bench.store import load_suite
from rise_bench.types import Call, Task, canonical

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The task."""
    parser.add_argument("task", help="the task's id")
    parser.add_argument("--tasks", default="", metavar="SUITE", help="its suite (default: the id's first part)")
    parser.add_argument("--written", action="store_true", help="as written by hand, not as `tasks check` recorded")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: no such suite or task.
    """
    suite = args.tasks or args.task.partition("/")[0]
    task = load_suite(suite, proved=not args.written).tasks.get(args.task)
    if task is None:
        raise InputError("no such task", where=args.task, remedy=f"see `rise-bench tasks ls {suite}`")
    if args.json:
        print_json(task.model_dump(mode="json"))
    else:
        say(*_task_view(task))
    return 0


def _task_view(task: Task) -> list[RenderableType]:
    lines = [text(task.id, "bold"), text(task.request), text("")]
    about = {
        "kind": task.kind,
        "now": task.now,
        "servers": ", ".join(task.servers),
        "fixture": task.setup,
        "cluster": task.cluster,
        "way asked for": task.path_matters,
        "must ask": "; ".join(" / ".join(slot) for slot in task.asks),
        "must name": " / ".join(task.reasons),
    }
    parts: list[RenderableType] = [*lines, table(["", ""], [(name, value) for name, value in about.items() if value])]
    if task.reference:
        parts += ["", text("reference", "bold"), *(_call_view(i, call, task) for i, call in enumerate(task.reference))]
    if task.answer:
        rows = [(f.type, f.value, ", ".join(f.about), ", ".join(map(str, f.competing))) for f in task.answer]
        parts += ["", table(["fact", "value", "about", "competing"], rows)]
    if task.reference_state:
        changes = [
            (change.path, change.match, change.before or "", change.after or "") for change in task.reference_state
        ]
        parts += ["", table(["state", "match", "before", "after"], changes)]
    return parts


def _call_view(index: int, call: Call, task: Task) -> RenderableType:
    critical = {item.argument: item.match for item in task.intent.critical if item.call == index}
    marks = (
        "  critical: " + ", ".join(f"{pointer} ({match})" for pointer, match in critical.items()) if critical else ""
    )
    line = text(f"{index}  {call.tool}", "cyan")
    line.append(plain(marks), style="yellow")
    line.append("\n   ")
    line.append_text(JSON(plain(canonical(call.arguments)), indent=None).text)
    return line
