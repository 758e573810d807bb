"""`export inspect`: write a run as a log of Inspect."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rise_bench.commands.arguments import add_json, add_run, find_run
from rise_bench.commands.terminal import print_json, say, text
from rise_bench.plugins import load
from rise_bench.runs import Run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the file."""
    add_run(parser)
    parser.add_argument(
        "-o", "--log", type=Path, metavar="FILE", help="*.eval or *.json (default: logs/DATE_SUITE_ID.eval in the run)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the log and say how to open it; 0.

    Raises:
        InputError: no run there, not its suite, or the log cannot be written.
        PluginError: Inspect is not installed.
    """
    path = find_run(args.run, args.output)
    target = args.log or path / "logs" / _name(Run.open(path))
    write: Callable[[Path, Path, str], int] = load("importer", "rise_bench.inspect_log:export_inspect")
    attempts = write(path, target, args.tasks)
    if args.json:
        print_json({"log": str(target), "attempts": attempts})
    else:
        say(text(f"log   {target}"), text(f"open  inspect view --log-dir {target.parent}", "dim"))
    return 0


def _name(run: Run) -> str:
    """A file's name as Inspect gives it, since its viewer finds some logs by their names: date, task, id."""
    spec = run.spec()
    made = datetime.fromtimestamp((run.path / "run.json").stat().st_mtime, UTC)
    return f"{made:%Y-%m-%dT%H-%M-%S+00-00}_{spec.suite.replace('_', '-').replace('/', '-')}_{spec.digest()[:22]}.eval"
