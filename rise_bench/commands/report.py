"""`report`: print a run's report as text, Markdown or JSON."""

from __future__ import annotations

import argparse
import sys

from rise_bench import bench
from rise_bench.commands.arguments import add_json, add_run, find_run
from rise_bench.commands.show import report_view
from rise_bench.commands.terminal import print_json, say
from rise_bench.report import to_markdown

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the form."""
    add_run(parser)
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--clusters", action="store_true", help="a row for every cluster, too")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: no run there, or not its suite.
    """
    report = bench.report(find_run(args.run, args.output), args.tasks)
    if args.json:
        print_json(report.model_dump(mode="json"))
    elif args.markdown:
        sys.stdout.write(to_markdown(report))
    else:
        say(report_view(report, clusters=args.clusters))
    return 0
