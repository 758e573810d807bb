"""`import`: score other benchmarks' outputs and agents' logs by the same scorers, beside their own verdicts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from rise_bench.commands.arguments import add_json
from rise_bench.commands.terminal import print_json, say, table, text, warn
from rise_bench.importers import Imported, Study, export, import_bfcl, import_chat, import_tau, study
from rise_bench.importers.agreement import Interval, ModelScores
from rise_bench.importers.lm_eval import ChoiceScore, choice_scores, holds_static, import_lm_eval
from rise_bench.plugins import load
from rise_bench.report import percent
from rise_bench.store import write_atomic

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One kind of source, one path."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    bfcl = kinds.add_parser("bfcl", help="a folder of BFCL outputs with questions and answers", allow_abbrev=False)
    bfcl.add_argument("source", type=Path, help="folder with questions/, answers/, results/MODEL/ and maybe official/")
    bfcl.add_argument("--model", action="append", metavar="NAME", help="only this model (repeatable)")
    tau = kinds.add_parser("tau", help="simulations of tau-bench with their rewards", allow_abbrev=False)
    tau.add_argument("source", type=Path, help="JSON file of simulations, or a folder of such files")
    chat = kinds.add_parser("openai-chat", help="a log of OpenAI-style messages with tool calls", allow_abbrev=False)
    chat.add_argument("source", type=Path, help="JSON Lines, one conversation a line")
    log = kinds.add_parser(
        "inspect", help="a log of Inspect: of an exported run, or of any agent eval", allow_abbrev=False
    )
    log.add_argument("source", type=Path, help="an .eval or JSON log, or a folder of logs of one eval")
    log.add_argument("--tasks", default="", metavar="SUITE", help="folder of the exported run's suite, if not shipped")
    samples = kinds.add_parser("lm-eval", help="sample logs of the tasks in tasks/lm_eval", allow_abbrev=False)
    samples.add_argument("source", type=Path, help="a samples_rise_*.jsonl, or a folder of such logs")
    samples.add_argument("--tasks", default="", metavar="SUITE", help="folder of the suite, if not shipped")
    for kind in (bfcl, tau, chat, log, samples):
        kind.add_argument("--output", type=Path, metavar="FILE", help="write all figures and differences as JSON")
        kind.add_argument(
            "--export", type=Path, metavar="DIR", help="write a suite and one run a model there, for report and view"
        )
        kind.add_argument("--differences", action="store_true", help="list every attempt on which the verdicts differ")
        add_json(kind)


def run(args: argparse.Namespace) -> int:
    """Import, score, compare, print; 0.

    Raises:
        InputError: the source cannot be read as what it is said to be.
    """
    choices = choice_scores(args.source) if args.kind == "lm-eval" else ()
    if choices and not holds_static(args.source):
        return _choices_alone(args, choices)
    imported = _imported(args)
    found = study(imported)
    if args.export:
        suite, runs = export(imported, args.export)
        for path in runs:
            warn(f"written: rise-bench view {path} --tasks {suite}")
    more = {"choices": [score.model_dump(mode="json") for score in choices]} if choices else {}
    figures = found.model_dump(mode="json") | more
    if args.output:
        write_atomic(args.output, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    if args.json:
        print_json(figures)
    else:
        say(_view(found, args.differences))
        if choices:
            say(Group("", _choices(choices)))
    return 0


def _choices_alone(args: argparse.Namespace, choices: Sequence[ChoiceScore]) -> int:
    """Log-likelihoods are no attempts: their figures, and nothing to export or to compare."""
    figures = [score.model_dump(mode="json") for score in choices]
    if args.output:
        write_atomic(args.output, json.dumps({"choices": figures}, indent=1, ensure_ascii=False) + "\n")
    if args.export:
        warn("nothing to export: these logs hold log-likelihoods, and no model answered")
    if args.json:
        print_json({"choices": figures})
    else:
        say(_choices(choices))
    return 0


def _choices(choices: Sequence[ChoiceScore]) -> RenderableType:
    rows = [
        (
            c.model,
            c.steps,
            percent(c.acc),
            percent(c.acc_norm),
            percent(c.chance),
            f"{c.margin:.3f}",
            c.unscored,
            c.differing,
        )
        for c in choices
    ]
    columns = ["rise_choice", "steps", "acc", "acc_norm", "chance", "margin (nats)", "not scored", "logged otherwise"]
    return table(columns, rows, numbers=range(1, 8))


def _imported(args: argparse.Namespace) -> Imported:
    if args.kind == "bfcl":
        return import_bfcl(args.source, args.model)
    if args.kind == "inspect":
        read: Callable[[Path, str], Imported] = load("importer", "inspect")
        return read(args.source, args.tasks)
    if args.kind == "lm-eval":
        return import_lm_eval(args.source, args.tasks)
    return import_tau(args.source) if args.kind == "tau" else import_chat(args.source)


def _view(found: Study, differences: bool) -> RenderableType:
    head = Text.assemble((str(text(found.source)), "bold"), f", {found.tasks} tasks")
    parts: list[RenderableType] = [head, "", _scores(found)]
    reliable = [s for s in found.scores if s.pass_k_ours]
    if reliable:
        parts += ["", _reliability(reliable)]
    if found.agreements:
        parts += ["", _agreements(found)]
    if found.classes:
        parts += ["", table(["differences by class", "attempts"], found.classes.items(), numbers=(1,))]
    if differences:
        rows_of = [(d.model, d.task, d.attempt, d.kind, d.our_reason, d.official_reason) for d in found.differences]
        parts += ["", table(["model", "task", "#", "class", "our reason", "official reason"], rows_of, numbers=(2,))]
    if found.unscored:
        parts += ["", text(f"{len(found.unscored)} attempts cannot be judged:", "yellow")]
        parts += [text(f"  {line}", "dim") for line in found.unscored[:20]]
    parts += [text(f"note: {note}", "dim") for note in found.notes]
    return Group(*parts)


def _scores(found: Study) -> RenderableType:
    rows = [
        (
            s.model,
            s.attempts,
            s.scored,
            percent(s.acc_task),
            percent(s.acc_intent),
            percent(s.official),
            s.official_on or "",
        )
        for s in found.scores
    ]
    columns = ["model", "attempts", "judged", "Acc_task", "Acc_intent", "official", "on"]
    return table(columns, rows, numbers=range(1, 7))


def _reliability(scores: Sequence[ModelScores]) -> RenderableType:
    widest = max(len(s.pass_k_ours) for s in scores)
    by = [
        (s.model, name, values)
        for s in scores
        for name, values in (("Acc_intent", s.pass_k_ours), ("official", s.pass_k_official))
    ]
    rows = [(model, name, *map(percent, values)) for model, name, values in by]
    return table(["reliability", "by", *(f"pass^{k}" for k in range(1, widest + 1))], rows)


def _agreements(found: Study) -> RenderableType:
    rows = [
        (
            a.group,
            a.model,
            a.n,
            _share(a.agreement),
            _kappa(a.kappa),
            a.both_pass,
            a.both_fail,
            a.only_ours,
            a.only_theirs,
        )
        for a in found.agreements
    ]
    columns = ["group", "model", "n", "agreement", "kappa", "both pass", "both fail", "only ours", "only official"]
    return table(columns, rows, numbers=(2, 5, 6, 7, 8))


def _share(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return percent(interval.value)
    return f"{percent(interval.value)} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def _kappa(interval: Interval) -> str:
    if interval.value is None:
        return "-"
    if interval.low is None or interval.high is None:
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
