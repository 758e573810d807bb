"""`baselines show`: one registered baseline with all that is known of it, and what is not."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from rich.console import RenderableType

from rise_bench.baselines import (
    Baseline,
    Known,
    MeasuredBaseline,
    Registry,
    ReportedBaseline,
    RunnableBaseline,
    TrivialBaseline,
)
from rise_bench.commands.arguments import add_json
from rise_bench.commands.baselines_ls import published
from rise_bench.commands.baselines_shared import Suites, add_registry, left_out, registry_of
from rise_bench.commands.terminal import print_json, say, table, text
from rise_bench.report import percent

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which."""
    parser.add_argument("name", help="of a baseline (`baselines ls`)")
    parser.add_argument(
        "--tasks", default="", metavar="SUITE", help="folder of a measured one's suite, if it is not a shipped one"
    )
    add_registry(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0. With `--json` the entry as its file holds it.

    Raises:
        InputError: no such baseline, or an entry cannot be read.
    """
    registry = registry_of(args)
    entry = registry.find(args.name)
    if args.json:
        print_json(entry.model_dump(mode="json"))
        return 0
    say(text(f"{entry.name}: {entry.title}", "bold"), text(entry.kind, "dim"), "")
    say(*_view(entry, registry, Suites(args.tasks)))
    say(*(text(f"- {note}", "dim") for note in entry.notes))
    return 0


def _view(entry: Baseline, registry: Registry, suites: Suites) -> Iterable[RenderableType]:
    if isinstance(entry, TrivialBaseline):
        return _trivial(entry, registry)
    if isinstance(entry, MeasuredBaseline):
        return _measured(entry, suites)
    return _reported(entry) if isinstance(entry, ReportedBaseline) else _runnable(entry, registry)


def _facts(rows: Iterable[tuple[str, object]]) -> RenderableType:
    return table(["", ""], [row for row in rows if row[1] != ""])


def _measured_as(name: str, registry: Registry) -> str:
    return ", ".join(entry.name for entry in registry.runs_of(name)) or "nothing: no run of it is registered"


def _trivial(entry: TrivialBaseline, registry: Registry) -> Iterable[RenderableType]:
    yield _facts(
        [
            ("bound", entry.bound),
            ("model", f"--model {entry.model}"),
            ("measured as", _measured_as(entry.name, registry)),
            ("run it", f"rise-bench baselines run {entry.name} --tasks desk"),
        ]
    )


def _measured(entry: MeasuredBaseline, suites: Suites) -> Iterable[RenderableType]:
    spec, found = entry.spec, suites.figures(entry)
    yield table(
        ["", "value", "tasks", "clusters", ""],
        [
            (name, percent(value), value.n, value.clusters or "-", value.reason)
            for name, value in (("Acc_task", found.acc_task), ("Acc_intent", found.acc_intent))
        ],
        numbers=(2, 3),
    )
    if line := left_out(found):
        yield text(line, "yellow")
    yield _facts(
        [
            ("of", entry.of or "nothing that is registered"),
            ("model", spec.model),
            ("model arguments", ", ".join(f"{key}={value}" for key, value in spec.model_args.items())),
            ("model identity", spec.model_content),
            ("suite", f"{spec.suite} {spec.suite_version}, digest {spec.suite_digest[:12]}"),
            ("ground", f"{spec.mode}, digest {spec.ground_digest[:12]}"),
            ("attempts", f"{entry.tasks} tasks x {spec.attempts}, seed {spec.seed}"),
            ("sampling", _pairs(spec.sampling.model_dump(exclude_none=True))),
            ("budget", _pairs(spec.budget.model_dump())),
            ("scorers", _pairs(dict(sorted(entry.scorers.items())))),
            *(("made under", _pairs(part.model_dump())) for part in entry.conditions),
            ("date", entry.date.isoformat()),
            ("by", entry.by),
            ("run", entry.run[:12]),
            ("results", entry.results[:12]),
        ]
    )


def _pairs(values: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in ((), {}))


def _reported(entry: ReportedBaseline) -> Iterable[RenderableType]:
    rows = [(figure.measure, published(figure.value), figure.unit, figure.what) for figure in entry.figures]
    yield table(["called there", "figure", "unit", "of what"], rows, numbers=(1,))
    yield text("made by others on other tasks: no test compares these with a run of ours", "yellow")
    yield text(f"source {entry.source}, read {entry.read}")
    yield text("unknown:")
    yield from (text(f"  {line}") for line in entry.unknown)


def _runnable(entry: RunnableBaseline, registry: Registry) -> Iterable[RenderableType]:
    known = {
        "licence": entry.license,
        "revision": entry.revision,
        "tuned from": entry.base,
        "parameters": entry.parameters,
        "context": entry.context,
        "served by": entry.serving.command,
        "tool parser": entry.serving.tool_call_parser,
        "chat template": entry.serving.chat_template,
    }
    yield text(f"checkpoint {entry.hf}; nothing here comes from a run", "yellow")
    yield table(["", "", "source"], [(name, _value(fact), _source(fact)) for name, fact in known.items()])
    yield _facts(
        [
            ("measured as", _measured_as(entry.name, registry)),
            ("how to run it", f"rise-bench baselines run {entry.name} --tasks desk"),
        ]
    )


def _value(fact: Known) -> str:
    return "; ".join(part for part in (fact.value or "not known", fact.note) if part)


def _source(fact: Known) -> str:
    return "-" if fact.source is None else f"{fact.source} ({fact.read})"
