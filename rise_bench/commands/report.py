"""`report`: print a run's report as text, Markdown or JSON."""

from __future__ import annotations

import argparse
import sys

from rise_bench import bench
from rise_bench.commands.arguments import add_json, add_run, find_run
from rise_bench.commands.show import report_view, say_differences
from rise_bench.commands.terminal import print_json, say
from rise_bench.conditions import differences
from rise_bench.report import to_markdown
from rise_bench.runs import Run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run and the form."""
    add_run(parser)
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--clusters", action="store_true", help="a row for every cluster, too")
    parser.add_argument("--against", metavar="RUN", help="another run: say in what settings the two differ")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: no run there, or not its suite.
    """
    path = find_run(args.run, args.output)
    report = bench.report(path, args.tasks)
    found = differences(Run.open(path), Run.open(find_run(args.against, args.output))) if args.against else ()
    if args.json:
        against = {"against": [difference.model_dump(mode="json") for difference in found]} if args.against else {}
        print_json(report.model_dump(mode="json") | against)
    elif args.markdown:
        sys.stdout.write(to_markdown(report))
    else:
        say(report_view(report, clusters=args.clusters))
    if args.against and not args.json:
        say_differences(found, args.against)
    return 0
