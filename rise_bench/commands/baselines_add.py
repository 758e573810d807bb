"""`baselines add`: register a finished run as a measured baseline."""

from __future__ import annotations

import argparse
from pathlib import Path

from rise_bench import bench
from rise_bench.baselines import entry_of, load_registry, measured_of, write_baseline
from rise_bench.baselines.figures import figures
from rise_bench.baselines.registry import SHIPPED
from rise_bench.commands.arguments import RUNS, add_json, find_run
from rise_bench.commands.baselines_shared import left_out
from rise_bench.commands.terminal import print_json, say, text
from rise_bench.errors import InputError
from rise_bench.report import FAULT_LIMIT, percent
from rise_bench.runs import Run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, its name in the registry, and what is said of it."""
    parser.add_argument("run", help="run folder, its name under runs/, or 'latest'")
    parser.add_argument("--name", required=True, help="of the entry: small letters, digits, . _ -")
    parser.add_argument(
        "--output", type=Path, default=Path("baselines"), metavar="FOLDER", help="where it goes (default: baselines)"
    )
    parser.add_argument(
        "--tasks", default="", metavar="SUITE", help="folder of the run's suite, if it is not a shipped one"
    )
    parser.add_argument(
        "--of", default="", metavar="NAME", help="the entry that was run (default: the one with the run's model line)"
    )
    parser.add_argument("--title", default="", help="in a few words (default: model, suite, ground)")
    parser.add_argument("--by", default="", metavar="TEXT", help="who ran it, and on what")
    parser.add_argument("--note", action="append", default=[], metavar="TEXT", help="said beside it (repeatable)")
    parser.add_argument(
        "--incomplete", action="store_true", help="take it though attempts were not made (--limit, stopped early)"
    )
    parser.add_argument(
        "--faulty",
        action="store_true",
        help=f"take it though more than {100 * FAULT_LIMIT:.0f} %% of its attempts are faults",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the entry and say what it holds; 0.

    Raises:
        InputError: no run, one that cannot be registered as it is, or a name that is taken.
    """
    made = Run.open(find_run(args.run, RUNS))
    registry = load_registry(args.output if args.output.is_dir() else None)
    if (there := registry.entries.get(args.name)) is not None:
        raise InputError(f"is the name of a {there.kind} baseline", where=args.name, remedy="choose another --name")
    loaded = bench.suite_of(made, args.tasks)
    entry = measured_of(
        made,
        loaded,
        name=args.name,
        of=entry_of(registry, made.spec(), args.of),
        title=args.title,
        by=args.by,
        notes=args.note,
        incomplete=args.incomplete,
        most_faults=1.0 if args.faulty else FAULT_LIMIT,
    )
    path = write_baseline(args.output, entry)
    found = figures(entry, [task.own_cluster for task in loaded.suite.tasks])
    if args.json:
        print_json({"file": str(path), "name": entry.name, "of": entry.of, "run": entry.run, "results": entry.results})
        return 0
    of = f"a run of {entry.of}" if entry.of else "a run of nothing that is registered (--of NAME says what was run)"
    say(
        text(f"{entry.name}: {of}; {found.judged} of {found.attempts} attempts judged", "bold"),
        text(f"Acc_task {percent(found.acc_task)}, Acc_intent {percent(found.acc_intent)}"),
    )
    if line := left_out(found):
        say(text(line, "yellow"))
    where = "" if args.output.resolve() == SHIPPED.resolve() else f" --registry {args.output}"
    say(text(f"file  {path}", "dim"), text(f"see   rise-bench baselines show {entry.name}{where}", "dim"))
    return 0
