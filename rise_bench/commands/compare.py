"""`compare`: runs on the same tasks, pair by pair: differences with intervals, tests, and what follows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from rise_bench.commands.arguments import RUNS, add_json, amount, find_run, whole
from rise_bench.commands.terminal import print_json, say, table, text, warn
from rise_bench.compare import Comparison, compare, sides_of_runs
from rise_bench.compare.plots import drawer
from rise_bench.compare.sides import SCORES, Side
from rise_bench.compare.tables import (
    Table,
    none_as_0,
    pairs_table,
    parties_table,
    reading,
    sentences_table,
    settings,
    slices_tables,
    unshared,
)

__all__ = ["add_arguments", "add_questions", "comparison_view", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and what is asked of them."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, or their names under --output; 'latest'")
    parser.add_argument("--output", type=Path, default=RUNS, metavar="DIR", help="folder of the runs (default: runs)")
    parser.add_argument(
        "--tasks", action="append", default=[], metavar="SUITE", help="folder of the runs' suite, if not shipped"
    )
    parser.add_argument(
        "--common",
        action="store_true",
        help="compare runs of different suites on the tasks that are the same in both, and runs of different scorer "
        "versions by the scores whose versions agree",
    )
    parser.add_argument("--baseline", metavar="RUN", help="compare all others with this run instead of all pairs")
    add_questions(parser, ("domain", "kind", "deviation", "none"))
    add_json(parser)


def add_questions(parser: argparse.ArgumentParser, slices: Sequence[str]) -> None:
    """What may be asked of any comparison: estimand, margin, scores, slices (of these kinds), plot and seed."""
    parser.add_argument(
        "--estimand",
        choices=("suite", "servers"),
        help="what differences are about: this suite's tasks, or new servers like its clusters (default: servers where "
        "tasks share clusters)",
    )
    parser.add_argument("--delta", type=_points, metavar="POINTS", help="margin of 'not worse' (default: the suite's)")
    parser.add_argument("--score", choices=SCORES, action="append", help="only this score (repeatable)")
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        choices=slices,
        help="add slices, with Benjamini and Hochberg's p (repeatable)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a forest plot (.svg or .png)")
    parser.add_argument("--seed", type=whole, default=0, help="of the permutations that are drawn (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Compare and print; 0.

    Raises:
        InputError: runs that cannot be compared, or a plot that cannot be written.
        SetupError: a plot was asked for and matplotlib is not installed.
    """
    draw = drawer() if args.plot else None
    paths = [find_run(name, args.output) for name in args.runs]
    against = find_run(args.baseline, args.output) if args.baseline else None
    if against is not None and against.resolve() not in {path.resolve() for path in paths}:
        paths = [against, *paths]
    sides = sides_of_runs(paths, args.tasks)
    found = compare(
        sides,
        common=args.common,
        estimand=args.estimand,
        delta=args.delta,
        baseline=_name_of(sides, against),
        scores=tuple(dict.fromkeys(args.score or SCORES)),
        by=tuple(kind for kind in dict.fromkeys(args.by) if kind != "none"),
        rng=args.seed,
    )
    if draw is not None:
        draw(found, args.plot)
        warn(f"written: {args.plot}")
    if args.json:
        print_json(found.model_dump(mode="json"))
    else:
        say(comparison_view(found))
    return 0


def comparison_view(comparison: Comparison) -> RenderableType:
    """All that a reader needs: who, the differences, what follows, what was left out, how to read it."""
    parts: list[RenderableType] = [_head(comparison), "", _table(parties_table(comparison))]
    for score in dict.fromkeys(one.score for pair in comparison.pairs for one in pair.contrasts):
        parts += ["", _table(pairs_table(comparison, score))]
    parts.append("")
    parts.append(_table(sentences_table(comparison)))
    for rows, more in slices_tables(comparison):
        parts += ["", _table(rows), *([text(more, "dim")] if more else [])]
    parts += ["", *(text(f"shared    {line}", "dim") for line in unshared(comparison))]
    parts += [text(f"None as 0 {line}", "dim") for line in none_as_0(comparison)]
    parts += [text(line, "dim") for line in reading(comparison)]
    parts += [text(f"note      {line}", "yellow") for line in comparison.notes]
    return Group(*parts, *_settings(comparison))


def _head(comparison: Comparison) -> Text:
    versions = ", ".join(dict.fromkeys(one.suite_version for one in comparison.parties))
    line = Text.assemble((str(text(f"{comparison.suite} {versions}")), "bold"))
    count = len(comparison.pairs)
    line.append(f"  {comparison.mode}, {len(comparison.parties)} runs, {count} pair{'s' * (count > 1)}", style="dim")
    return line


def _settings(comparison: Comparison) -> list[RenderableType]:
    rows = settings(comparison)
    if not rows.rows:
        return [text("settings  the same in all runs", "dim")]
    parts: list[RenderableType] = ["", _table(rows)]
    spoiling = [name for name, _, what in rows.rows if what == "differs"]
    if spoiling:
        parts.append(
            text(
                f"the runs differ in more than the model ({', '.join(spoiling)}): read differences with care", "yellow"
            )
        )
    return parts


def _table(rows: Table) -> RenderableType:
    return table(rows.columns, rows.rows, title=rows.title, numbers=rows.numbers)


def _name_of(sides: Sequence[Side], path: Path | None) -> str | None:
    """What a run is called among the sides."""
    return next((side.name for side in sides if path is not None and side.path == str(path.resolve())), None)


def _points(text: str) -> float:
    """Percentage points, for argparse, as a share."""
    value = amount(text) / 100
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be above 0 and below 100 points")
    return value
