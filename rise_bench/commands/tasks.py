"""`tasks`: list suites and their tasks, show one, check them by running them."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from threading import Lock

from rich.console import RenderableType
from rich.json import JSON
from rich.text import Text

from rise_bench.check import Proof
from rise_bench.commands.arguments import add_json, add_sample_id, positive, sample_ids
from rise_bench.commands.terminal import print_json, progress, say, table, text
from rise_bench.errors import InputError
from rise_bench.plain import plain
from rise_bench.store import LoadedSuite, load_suite, suites
from rise_bench.suites import check_suite
from rise_bench.types import Call, Task, canonical

__all__ = ["add_arguments", "run"]

_STYLE = {"refused": "bold red", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`ls`, `show`, `check`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    ls = verbs.add_parser("ls", help="the suites, or the tasks of one", allow_abbrev=False)
    ls.add_argument("suite", nargs="?", help="a shipped suite's name or a folder; none = list the suites")
    ls.set_defaults(act=_ls)
    show = verbs.add_parser("show", help="one task with its reference and intent", allow_abbrev=False)
    show.add_argument("task", help="the task's id")
    show.add_argument("--tasks", default="", metavar="SUITE", help="its suite (default: the id's first part)")
    show.set_defaults(act=_show)
    for verb in (ls, show):
        verb.add_argument(
            "--written", action="store_true", help="as written by hand, not as proved by `tasks check --write`"
        )
    check = verbs.add_parser(
        "check", help="run every task's reference and mutations on real servers", allow_abbrev=False
    )
    check.add_argument("suite", help="a shipped suite's name or a folder")
    check.add_argument("--write", action="store_true", help="record what was proved in the suite's tasks.jsonl")
    check.add_argument("--refreeze", action="store_true", help="take the servers' contracts anew into ground.json")
    check.add_argument("--concurrency", type=positive, default=2, metavar="N", help="tasks side by side (default: 2)")
    check.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    add_sample_id(check)
    check.set_defaults(act=_check)
    for verb in (ls, show, check):
        add_json(verb)


def run(args: argparse.Namespace) -> int:
    """List, show or check; 1 if the check found something, else 0.

    Raises:
        RiseError: the suite cannot be read, or its servers cannot be started.
    """
    code: int = args.act(args)
    return code


# --- ls ---------------------------------------------------------------------------------------------------------------


def _ls(args: argparse.Namespace) -> int:
    if args.suite is None:
        return _ls_suites(args.json)
    loaded = load_suite(args.suite, proved=not args.written)
    if args.json:
        print_json([_line(task) for task in loaded.suite.tasks])
        return 0
    rows = [
        (
            task.id,
            task.kind,
            ", ".join(task.servers),
            len(task.reference),
            len(task.intent.critical),
            len(task.answer),
            task.cluster,
        )
        for task in loaded.suite.tasks
    ]
    say(_headline(loaded), "")
    say(table(["task", "kind", "servers", "calls", "critical", "facts", "cluster"], rows, numbers=(3, 4, 5)))
    return 0


def _ls_suites(as_json: bool) -> int:
    loaded = [load_suite(name) for name in suites()]
    if as_json:
        print_json(
            [{"name": one.suite.name, "version": one.suite.version, "tasks": len(one.suite.tasks)} for one in loaded]
        )
        return 0
    rows = [(s.suite.name, s.suite.version, len(s.suite.tasks), s.suite.license, s.suite.description) for s in loaded]
    say(table(["suite", "version", "tasks", "license", ""], rows, numbers=(2,)))
    return 0


def _sizes(task: Task) -> tuple[int, int, int]:
    """Numbers of reference calls, critical parameters and facts."""
    return len(task.reference), len(task.intent.critical), len(task.answer)


def _line(task: Task) -> dict[str, object]:
    return {
        "id": task.id,
        "kind": task.kind,
        "request": task.request,
        "servers": list(task.servers),
        **dict(zip(("calls", "critical", "facts"), _sizes(task), strict=True)),
        "cluster": task.cluster,
    }


def _headline(loaded: LoadedSuite) -> Text:
    suite = loaded.suite
    kinds = {
        kind: sum(task.kind == kind for task in suite.tasks) for kind in dict.fromkeys(t.kind for t in suite.tasks)
    }
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    clusters = len({task.cluster for task in suite.tasks})
    return text(f"{suite.name} {suite.version}: {counts}; {clusters} clusters; ground {suite.ground[:12]}", "bold")


# --- show -------------------------------------------------------------------------------------------------------------


def _show(args: argparse.Namespace) -> int:
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


# --- check ------------------------------------------------------------------------------------------------------------


def _check(args: argparse.Namespace) -> int:
    seen = 0
    lock = Lock()
    with progress(f"checking {args.suite}", quiet=args.json) as tick:

        def done(proof: Proof, total: int) -> None:
            nonlocal seen
            with lock:
                if not seen:
                    tick(0, total)
                seen += 1
                tick(seen, total, "" if proof.holds else f"{proof.task.id} refused")

        report = check_suite(
            args.suite,
            only=sample_ids(args),
            write=args.write,
            refreeze=args.refreeze,
            workers=args.concurrency,
            allow_unsafe=args.allow_unsafe,
            done=done,
        )
    if args.json:
        print_json({**asdict(report), "ok": report.ok})
        return int(not report.ok)
    rows = [
        (finding.task, text(finding.severity, _STYLE[finding.severity]), finding.what) for finding in report.findings
    ]
    if rows:
        say(table(["task", "", "finding"], rows), "")
    say(
        text(
            f"{report.suite}: {report.proved} tasks proved, {report.refused} refused, "
            f"{report.mutations} critical mutations gave another outcome",
            "bold",
        )
    )
    if report.written:
        say(text(f"written to {report.written}", "dim"))
    return int(not report.ok)
