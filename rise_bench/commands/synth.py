"""`synth`: carry a synthesis recipe out, print its funnel."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rise_bench.commands.arguments import add_json, amount, positive, read_env_file, whole
from rise_bench.commands.terminal import print_json, progress, say, table, text, warn
from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate
from rise_bench.synth.funnel import rows_of
from rise_bench.synth.gates.detection import Detection
from rise_bench.synth.pipeline import Synthesis, synthesise
from rise_bench.synth.planning import STAGES, Settings, plan
from rise_bench.synth.requests.purse import Purse
from rise_bench.synth.stages import FAULTS, Tick

__all__ = ["add_arguments", "run", "tell"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe, and how it is carried out."""
    parser.add_argument("recipe", type=Path, help="YAML file (docs/synthesis.md)")
    parser.add_argument("--seed", type=whole, help="instead of the recipe's own; another folder")
    parser.add_argument(
        "--output", type=Path, default=Path("synth"), metavar="DIR", help="folder of the syntheses (default: synth)"
    )
    parser.add_argument("--release", type=Path, metavar="DIR", help="write the suite there as well")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most N chains; a wider limit later goes on from there"
    )
    parser.add_argument(
        "--until", choices=STAGES[:-1], default="", metavar="STAGE", help=f"one of {', '.join(STAGES[:-1])}"
    )
    parser.add_argument("--retry-faults", action="store_true", help="do inputs again that faulted")
    parser.add_argument("--concurrency", type=positive, default=2, metavar="N", help="side by side (default: 2)")
    parser.add_argument("--price-in", type=amount, metavar="SUM", help="price of a million input tokens")
    parser.add_argument("--price-out", type=amount, metavar="SUM", help="price of a million output tokens")
    parser.add_argument(
        "--max-cost", type=amount, metavar="SUM", help="stop before more than so much is spent; needs both prices"
    )
    parser.add_argument("--max-requests", type=whole, metavar="N", help="stop after so many requests to models")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and what is there already")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Synthesise and print; 1 if it stopped before its end, nothing was kept or calls give departures away, else 0.

    Raises:
        RiseError: recipe, suite, servers, endpoint or output cannot be used.
    """
    read_env_file()
    settings = _settings(args)
    if args.dry_run:
        shown = asdict(plan(settings))
        if args.json:
            print_json(shown)
        else:
            rows = [(key.replace("_", " "), value) for key, value in shown.items() if key != "done"]
            rows += [(f"done: {stage}", count) for stage, count in shown["done"].items()]
            say(table(["", ""], rows))
        return 0
    return tell(synthesise(settings, partial(_bar, quiet=args.json)), as_json=args.json)


def tell(done: Synthesis, *, as_json: bool) -> int:
    """Print what a synthesis came to, a finding last and on stderr; the exit code, as of `run`."""
    if as_json:
        print_json(_as_json(done))
    else:
        _say(done)
    finding = done.checked.call_only.finding if done.checked else ""
    if finding:
        warn(f"finding: {finding}")
    return int(bool(done.stopped or finding) or not (done.rows or (done.released and done.released.tasks)))


def _bar(name: str, *, quiet: bool) -> AbstractContextManager[Tick]:
    return progress(name, quiet=quiet)


def _settings(args: argparse.Namespace) -> Settings:
    if (args.price_in is None) != (args.price_out is None):
        given = "--price-in" if args.price_out is None else "--price-out"
        raise InputError("is only half of the prices", where=given, remedy="give --price-in and --price-out")
    prices = None if args.price_in is None else (args.price_in, args.price_out)
    return Settings(
        recipe=args.recipe,
        output=args.output,
        seed=args.seed,
        limit=args.limit,
        until=args.until,
        workers=args.concurrency,
        retry_faults=args.retry_faults,
        purse=Purse(args.max_cost, args.max_requests, prices),
        release=args.release,
        allow_unsafe=args.allow_unsafe,
        notice=warn,
    )


def _as_json(done: Synthesis) -> dict[str, object]:
    return {
        "folder": done.folder,
        "stopped": done.stopped,
        "funnel": [level.model_dump(mode="json") for level in done.funnel.levels],
        "released": done.released.model_dump(mode="json") if done.released else None,
        "rows": [one.model_dump(mode="json") for one in done.rows],
        "neighbours": [one.model_dump(mode="json") for one in done.neighbours],
        "coverage": {tool: list(counts) for tool, counts in sorted(done.coverage.items())},
        "recoverability": done.recoverability.model_dump(mode="json") if done.recoverability else None,
        "checks": asdict(done.checked) if done.checked else None,
        "finding": done.checked.call_only.finding if done.checked else "",
        "worksheet": done.worksheet,
        "faults": _faults(done),
        "requests": done.requests,
        "spent": done.spent,
    }


def _faults(done: Synthesis) -> int:
    """Drops that only say that something could not be run."""
    return sum(level.dropped.get(reason, 0) for level in done.funnel.levels for reason in FAULTS)


def _say(done: Synthesis) -> None:
    if done.stopped:
        warn(f"stopped: {done.stopped}")
    say(table(["", "inputs", "made", "dropped", "why"], rows_of(done.funnel), numbers=(1, 2, 3)), "")
    if done.rows:
        columns = ["rows", "part", "total", "chains", "requests", "contexts", "systems", "operators", "mutants"]
        counts = [
            (
                one.kind,
                one.part,
                one.rows,
                one.chains,
                one.requests,
                one.contexts,
                one.systems,
                one.operators,
                one.mutants,
            )
            for one in done.rows
        ]
        say(table(columns, counts, title="distinct", numbers=range(2, 9)), "")
    if done.neighbours:
        near = [(one.part, one.other, one.n, one.median, one.p95, one.most) for one in done.neighbours]
        columns = ["requests of", "nearest in", "n", "median", "95 %", "most"]
        say(table(columns, near, title="cosine of the nearest request", numbers=range(2, 6)), "")
    _say_checks(done)
    if done.released:
        one = done.released
        kinds = ", ".join(f"{count} {kind}" for kind, count in one.kinds.items())
        say(
            text(
                f"{one.path}: {one.tasks} tasks ({kinds}) on {one.servers} servers, {one.primitives} primitives", "bold"
            )
        )
    if faults := _faults(done):
        say(text(f"{faults} faults: the same command with --retry-faults does what faulted again", "dim"))
    if done.worksheet:
        say(text(f"chains without a request: {done.worksheet}", "dim"))
    if done.requests:
        say(text(f"{done.requests} requests to models, {done.spent:.4f} spent", "dim"))
    say(text(f"folder {done.folder}", "dim"))


def _say_checks(done: Synthesis) -> None:
    """What is known of the calls, the requests and the departures, beside how many there are."""
    if done.coverage:
        verified, there = (sum(counts[i] for counts in done.coverage.values()) for i in (0, 1))
        called = sum(counts[0] > 0 for counts in done.coverage.values())
        tools = f"{called} of {len(done.coverage)} tools have a verified call"
        say(text(f"coverage: {tools}; {verified} of {there} scenarios (coverage.json)", "dim"))
    if (found := done.recoverability) is not None:
        rows = [(name, found.by[name], _share(share)) for name, share in found.shares.items()]
        rows += [
            ("put right by the lexical reader", found.read_values, _share(found.reader)),
            ("recovered with its words masked", found.masked_values, _share(found.masked)),
            ("base rate of that", found.masked_values, _share(found.base_rate)),
        ]
        title = f"critical values of {found.requests} requests"
        say(table(["follows by", "n", "share"], rows, title=title, numbers=(1, 2)), "")
    if done.checked is not None:
        _say_detection(done.checked.detection)
        blind = done.checked.call_only
        rates = {"all": blind.all, **{name: one for name, one in blind.by_operator.items() if not one.note}}
        shown = [
            (name, one.pairs, one.tasks, *map(_share, (one.accuracy, one.low, one.high)), one.note)
            for name, one in rates.items()
        ]
        columns = ["operator", "pairs", "tasks", "accuracy", "low", "high", ""]
        title = "rejected told from chosen by the calls alone (0.5 = chance)"
        say(table(columns, shown, title=title, numbers=range(1, 6)))
        without = sum(bool(one.note) for one in blind.by_operator.values())
        say(text(f"{without} operators have too few pairs for a figure of their own (checks.json)", "dim"))
        before = done.checked.call_only_before
        if before.artefacts:
            told = f"before gate 7: {_share(before.all.accuracy)} over {before.all.pairs} pairs; given away most"
            say(text(f"{told}: {', '.join(before.artefacts)}", "dim"))
        say("")


def _say_detection(found: Detection) -> None:
    """What departures were declared to get and got; how often Acc_intent is right about them, and about references."""
    aligned = found.dropped_as_aligned
    rows: list[tuple[object, ...]] = []
    for name in sorted(found.by_operator.keys() | aligned):
        one = found.by_operator.get(name)
        known = (
            ("", 0, "", "", "", "")
            if one is None
            else (_pair(one.declared), one.n, one.as_declared, *_interval(one.caught))
        )
        rows.append((name, *known, aligned.get(name, 0)))
    every, meant = found.sensitivity, found.specificity
    rows += [
        ("sensitivity, all departures", "", every.n, "", *_interval(every), sum(aligned.values())),
        ("specificity, all references", "", meant.n, "", *_interval(meant), ""),
    ]
    columns = ["operator", "declared", "n", "as declared", "Acc_intent right", "low", "high", "dropped as aligned"]
    unscored = f"; {found.unscored} without a score are in no share" if found.unscored else ""
    say(table(columns, rows, title=f"departures as they are scored{unscored}", numbers=range(2, 8)), "")


def _pair(scores: tuple[float, float]) -> str:
    return "/".join(f"{value:g}" for value in scores)


def _interval(one: Estimate) -> tuple[str, str, str]:
    return _share(one.value), _share(one.low), _share(one.high)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
