"""`baselines compare`: a run against all measured baselines of its suite, tested as one family."""

from __future__ import annotations

import argparse

from rise_bench.commands.arguments import add_json, add_run, find_run
from rise_bench.commands.baselines_against import against, as_json, say_against
from rise_bench.commands.baselines_shared import add_registry, registry_of
from rise_bench.commands.compare import add_questions
from rise_bench.commands.terminal import print_json, warn
from rise_bench.compare.plots import drawer
from rise_bench.compare.sides import SCORES
from rise_bench.errors import InputError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the registry, and what is asked of them."""
    add_run(parser)
    add_registry(parser)
    add_questions(parser, ("domain", "kind"))
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print; 0.

    Raises:
        InputError: no run, no measured baseline that it can be compared with, or an option out of range.
        SetupError: a plot was asked for and matplotlib is not installed.
    """
    draw = drawer() if args.plot else None
    found = against(
        find_run(args.run, args.output),
        registry_of(args),
        args.tasks,
        estimand=args.estimand,
        delta=args.delta,
        scores=tuple(dict.fromkeys(args.score or SCORES)),
        by=tuple(dict.fromkeys(args.by)),
        seed=args.seed,
    )
    if found.comparison is None:
        others = "; ".join(f"{name} is not one: {why}" for name, why in sorted(found.left_out.items()))
        remedy = f"{others or 'none is registered'}; rise-bench baselines add RUN --name NAME makes one"
        raise InputError(f"no measured baseline of {found.suite} to compare with", where=args.run, remedy=remedy)
    if draw is not None:
        draw(found.comparison, args.plot)
        warn(f"written: {args.plot}")
    if args.json:
        print_json(as_json(found))
    else:
        say_against(found)
    return 0
