"""`view`: write a run's attempts as one page for the browser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rise_bench import bench
from rise_bench.commands.arguments import add_json, add_run, add_sample_id, find_run, positive, sample_ids
from rise_bench.commands.terminal import print_json, say, text
from rise_bench.errors import InputError
from rise_bench.report import NAMES, outcome_of
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, write_atomic
from rise_bench.types import Scored, Task, Trajectory
from rise_bench.view import page

__all__ = ["add_arguments", "run"]

LIMIT = 1000
"""Attempts on one page unless --limit says otherwise: a browser opens them in about a second."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the choice of attempts, the file."""
    add_run(parser)
    add_sample_id(parser)
    parser.add_argument("--only", choices=list(NAMES), help="only attempts with this outcome")
    parser.add_argument(
        "--limit", type=positive, default=LIMIT, metavar="N", help=f"at most N attempts (default: {LIMIT})"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="where to write it (default: view.html in the run folder)"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page and say where it is; 0.

    Raises:
        InputError: no run there, not its suite, no attempt that fits, or the page cannot be written.
    """
    path = find_run(args.run, args.output)
    stored = Run.open(path)
    loaded = bench.suite_of(stored, args.tasks)
    wanted = [row for row in stored.scored() if _fits(row, args.only, sample_ids(args))]
    if not wanted:
        remedy = "choose others with --only and --sample-id, or make some with `rise-bench eval`"
        raise InputError("no attempt to show", where=str(path), remedy=remedy)
    shown = wanted[: args.limit]
    html = page(
        bench.report(path, args.tasks),
        _attempts(stored, loaded, shown),
        loaded.ground,
        left_out=len(wanted) - len(shown),
    )
    target = args.page or path / "view.html"
    write_atomic(target, html)
    if args.json:
        print_json({"page": str(target), "attempts": len(shown), "left_out": len(wanted) - len(shown)})
    else:
        say(text(f"page  {target.resolve().as_uri()}"))
    return 0


def _fits(row: Scored, only: str | None, ids: list[str]) -> bool:
    return (only is None or outcome_of(row) == only) and (not ids or row.task in ids)


def _attempts(run: Run, loaded: LoadedSuite, rows: list[Scored]) -> Iterator[tuple[Task, Trajectory, Scored]]:
    by_key = {(row.task, row.attempt): row for row in rows}
    tasks = loaded.tasks
    for trajectory in run.trajectories():
        row = by_key.get((trajectory.task, trajectory.attempt))
        if row is not None:
            yield tasks[trajectory.task], trajectory, row
