"""`tasks ls`: list the suites, or the tasks of one."""

from __future__ import annotations

import argparse

from rich.text import Text

from rise_bench.commands.arguments import add_json
from rise_bench.commands.terminal import print_json, say, table, text
from rise_bench.store import LoadedSuite, load_suite, suites
from rise_bench.types import Task

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The suite."""
    parser.add_argument("suite", nargs="?", help="a shipped suite's name or a folder; none = list the suites")
    parser.add_argument("--written", action="store_true", help="as written by hand, not as `tasks check` recorded")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: the suite cannot be read.
    """
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
