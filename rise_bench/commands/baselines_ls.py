"""`baselines ls`: the registered baselines, a table a kind: figures of different kinds never share a column."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, get_args

from rich.console import Group, RenderableType

from rise_bench.baselines import (
    BaselineKind,
    MeasuredBaseline,
    Registry,
    ReportedBaseline,
    RunnableBaseline,
    TrivialBaseline,
)
from rise_bench.commands.arguments import add_json
from rise_bench.commands.baselines_shared import Suites, add_registry, left_out, registry_of
from rise_bench.commands.terminal import print_json, say, table, text
from rise_bench.errors import InputError
from rise_bench.stats import Estimate

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them."""
    parser.add_argument("--kind", choices=get_args(BaselineKind), help="only this kind (default: all, a table each)")
    parser.add_argument("--suite", metavar="NAME", help="only what was measured on this suite (desk, desk@1-0)")
    add_registry(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: an entry cannot be read, or a suite is asked for of a kind that belongs to none.
    """
    if args.suite and args.kind not in (None, "measured"):
        remedy = "leave one out: only measured baselines belong to a suite"
        raise InputError(f"does not go with --kind {args.kind}", where="--suite", remedy=remedy)
    registry = registry_of(args)
    kinds = [args.kind or "measured"] if args.suite or args.kind else list(get_args(BaselineKind))
    rows = {kind: _ROWS[kind](registry) for kind in kinds}
    if args.suite:
        rows["measured"] = [row for row in rows["measured"] if args.suite in (row["suite"], _versioned(row))]
    if args.json:
        print_json(rows)
        return 0
    for number, kind in enumerate(kinds):
        say(*([""] if number else []), _view(kind, rows[kind], f" of {args.suite}" if args.suite else ""))
    return 0


def _versioned(row: dict[str, Any]) -> str:
    return f"{row['suite']}@{row['suite_version']}"


def _view(kind: str, rows: list[dict[str, Any]], of: str) -> RenderableType:
    if not rows:
        return text(f"no {kind} baseline{of}", "dim")
    return _VIEWS[kind](rows)


# --- trivial ----------------------------------------------------------------------------------------------------------


def _trivial(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "model": entry.model,
            "bound": entry.bound,
            "measured": [one.name for one in registry.runs_of(entry.name)],
        }
        for entry in registry.of(TrivialBaseline)
    ]


def _trivial_view(rows: list[dict[str, Any]]) -> RenderableType:
    cells = [(r["name"], r["bound"], r["title"], _measured_as(r)) for r in rows]
    return table(["name", "bound", "what it does", "measured as"], cells, title="trivial: agents of this package")


def _measured_as(row: dict[str, Any]) -> str:
    return ", ".join(row["measured"]) or "-"


# --- measured ---------------------------------------------------------------------------------------------------------


def _measured(registry: Registry) -> list[dict[str, Any]]:
    suites = Suites()
    rows = []
    for entry in registry.of(MeasuredBaseline):
        found = suites.figures(entry)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "of": entry.of,
                "model": entry.spec.model,
                "suite": entry.spec.suite,
                "suite_version": entry.spec.suite_version,
                "suite_digest": entry.spec.suite_digest,
                "ground": entry.spec.mode,
                "acc_task": _as_json(found.acc_task),
                "acc_intent": _as_json(found.acc_intent),
                "tasks": entry.tasks,
                "attempts": found.attempts,
                "made": found.made,
                "judged": found.judged,
                "left_out": left_out(found),
                "scorers": dict(sorted(entry.scorers.items())),
                "date": entry.date.isoformat(),
            }
        )
    return rows


def _as_json(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "low": found.low, "high": found.high, "level": found.level, "n": found.n}


def _measured_view(rows: list[dict[str, Any]]) -> RenderableType:
    cells = [
        (
            r["name"],
            r["of"] or r["model"],
            f"{r['suite']} {r['suite_version']}",
            r["ground"],
            _interval(r["acc_task"]),
            _interval(r["acc_intent"]),
            f"{r['judged']}/{r['attempts']}",
            " / ".join(dict.fromkeys(r["scorers"].values())),
            r["date"],
        )
        for r in rows
    ]
    columns = ["name", "of", "suite", "ground", "Acc_task, %", "Acc_intent, %", "judged", "scorers", "date"]
    parts: list[RenderableType] = [
        table(columns, cells, title="measured: runs with every verdict, 95 % intervals by the suite's clusters")
    ]
    parts += [text(f"{r['name']}: {r['left_out']}", "yellow") for r in rows if r["left_out"]]
    bare = [r["name"] for r in rows if r["acc_task"]["low"] is None]
    if bare:
        parts.append(
            text(f"without interval, as the suite that they were run on is not here: {', '.join(bare)}", "dim")
        )
    return Group(*parts)


def _interval(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "-"
    ends = "" if found["low"] is None else f" [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
    return f"{100 * found['value']:.1f}{ends}"


# --- reported ---------------------------------------------------------------------------------------------------------


def _reported(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "source": entry.source,
            "read": entry.read.isoformat(),
            "figures": [figure.model_dump(mode="json") for figure in entry.figures],
            "unknown": list(entry.unknown),
        }
        for entry in registry.of(ReportedBaseline)
    ]


def _reported_view(rows: list[dict[str, Any]]) -> RenderableType:
    cells = [(r["name"], f["measure"], published(f["value"]), f["unit"], f["what"]) for r in rows for f in r["figures"]]
    columns = ["name", "called there", "figure", "unit", "of what"]
    parts: list[RenderableType] = [
        table(
            columns, cells, title="reported: figures of others, made on other tasks; no test compares them with a run"
        )
    ]
    parts += [
        text(f"{r['name']}: {r['source']}, read {r['read']}; unknown: {len(r['unknown'])} things (`show`)", "dim")
        for r in rows
    ]
    return Group(*parts)


def published(value: float | list[float] | tuple[float, float]) -> str:
    """A figure as it was published: a number, or both ends of a range."""
    return " to ".join(f"{end:.2f}" for end in value) if isinstance(value, list | tuple) else f"{value:.2f}"


# --- runnable ---------------------------------------------------------------------------------------------------------


def _runnable(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "hf": entry.hf,
            "license": entry.license.value,
            "revision": entry.revision.value,
            "tool_call_parser": entry.serving.tool_call_parser.value,
            "model": entry.model,
            "measured": [one.name for one in registry.runs_of(entry.name)],
        }
        for entry in registry.of(RunnableBaseline)
    ]


def _runnable_view(rows: list[dict[str, Any]]) -> RenderableType:
    cells = [
        (
            r["name"],
            r["hf"],
            r["license"],
            (r["revision"] or "not known")[:12],
            r["tool_call_parser"] or "none stated",
            _measured_as(r),
        )
        for r in rows
    ]
    columns = ["name", "checkpoint", "licence", "revision", "tool parser", "measured as"]
    return table(columns, cells, title="runnable: public checkpoints; nothing here comes from a run")


_ROWS: dict[str, Callable[[Registry], list[dict[str, Any]]]] = {
    "trivial": _trivial,
    "measured": _measured,
    "reported": _reported,
    "runnable": _runnable,
}
_VIEWS: dict[str, Callable[[list[dict[str, Any]]], RenderableType]] = {
    "trivial": _trivial_view,
    "measured": _measured_view,
    "reported": _reported_view,
    "runnable": _runnable_view,
}
