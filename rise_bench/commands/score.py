"""`score`: score a stored run again; needs no model and no server."""

from __future__ import annotations

import argparse

from rise_bench import bench
from rise_bench.commands.arguments import add_json, add_run, find_run
from rise_bench.commands.terminal import print_json, say, text

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    add_run(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score and say how many verdicts changed; 0.

    Raises:
        InputError: no run there, or not its suite.
    """
    path = find_run(args.run, args.output)
    scored, changed = bench.score_run(path, args.tasks)
    if args.json:
        print_json({"run": str(path), "scored": scored, "changed": changed})
    else:
        say(text(f"{scored} attempts scored, {changed} verdicts changed"), text(f"run   {path}", "dim"))
    return 0
