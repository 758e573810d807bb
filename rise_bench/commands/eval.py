"""`eval`: run a model on a suite, score it, print the report."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from rise_bench import bench
from rise_bench.baselines import load_registry
from rise_bench.commands.arguments import (
    RUNS,
    add_json,
    add_sample_id,
    amount,
    model_args,
    positive,
    read_env_file,
    sample_ids,
    whole,
)
from rise_bench.commands.baselines_against import as_json, say_against, tried
from rise_bench.commands.show import report_view
from rise_bench.commands.terminal import Tick, print_json, progress, say, table, text, warn
from rise_bench.errors import InputError
from rise_bench.report import NAMES, Report, outcome_of, to_markdown
from rise_bench.store import write_atomic
from rise_bench.types import Budget, Sampling, Scored

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser, *, model: bool = True) -> None:
    """What to run, what is sampled, how it is carried out; without `--model` for a command that knows the model."""
    what = parser.add_argument_group("what is run (in the run's identity)")
    if model:
        what.add_argument(
            "--model",
            required=True,
            help="openai:NAME, vllm:ID, hf:ID, lm-eval:BACKEND, agent:'COMMAND', oracle, lexical, ..., or module:attribute",
        )
    what.add_argument("--model-args", action="append", default=[], metavar="K=V,...", help="arguments of the model")
    what.add_argument(
        "--tasks", required=True, metavar="SUITE", help="suite: a shipped name (desk, desk@1-0) or a folder"
    )
    what.add_argument(
        "--ground", choices=["live", "replay"], default="live", help="real servers, or a recording of them"
    )
    what.add_argument("--attempts", type=positive, default=1, metavar="N", help="attempts per task (default: 1)")
    what.add_argument("--seed", type=whole, default=0)
    what.add_argument("--system-prompt", metavar="TEXT", help="instead of the suite's own; @FILE reads it from a file")
    what.add_argument("--temperature", type=amount, default=0.0)
    what.add_argument("--top-p", type=amount)
    what.add_argument("--max-tokens", type=positive, default=Sampling().max_tokens, metavar="N", help="per message")
    what.add_argument("--tool-choice", default="auto", help="as chat endpoints take it (default: auto)")
    what.add_argument(
        "--parser",
        default="native",
        metavar="NAME",
        help="how calls are read: native (the engine's), auto, hermes, ...",
    )
    what.add_argument("--strict", action="store_true", help="ask the engine to hold arguments to the tools' schemas")
    what.add_argument(
        "--deterministic", action="store_true", help="greedy, requests of a fixed shape one at a time (docs/models.md)"
    )
    for name, value in Budget().model_dump().items():
        option, kind = f"--budget-{name.replace('_', '-')}", whole if isinstance(value, int) else amount
        what.add_argument(
            option, type=kind, default=value, metavar="N", help=f"limit of one attempt (default: {value:g})"
        )
    how = parser.add_argument_group("how it is carried out")
    how.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="only the suite's first N tasks; a wider limit later extends the run",
    )
    add_sample_id(parser)
    how.add_argument(
        "--concurrency", type=whole, default=0, metavar="N", help="attempts side by side (default: by processors)"
    )
    how.add_argument("--executor", default="local", metavar="NAME", help="local (default) or ray")
    how.add_argument("--workers", type=whole, default=0, metavar="N", help="processes of --executor ray")
    how.add_argument(
        "--cache",
        choices=["auto", "on", "off"],
        default="auto",
        help="keep replies between runs (auto: only of models whose weights are part of their identity)",
    )
    how.add_argument("--output", type=Path, default=RUNS, metavar="DIR", help="folder of the runs (default: runs)")
    again = how.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="make only the attempts that are missing (always so)")
    again.add_argument("--fresh", action="store_true", help="put an existing run aside and start again")
    again.add_argument("--retry-faults", action="store_true", help="make faulted attempts again")
    how.add_argument(
        "--cassette", type=Path, metavar="FILE", help="recording for --ground replay (default: the suite's)"
    )
    how.add_argument("--record", type=Path, metavar="FILE", help="write a recording of all calls, for --ground replay")
    how.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    how.add_argument(
        "--allow-drift", action="store_true", help="run servers whose contract is not the suite's; the report says so"
    )
    how.add_argument("--price-in", type=amount, metavar="SUM", help="price of a million input tokens")
    how.add_argument("--price-out", type=amount, metavar="SUM", help="price of a million output tokens")
    how.add_argument("--max-cost", type=amount, metavar="SUM", help="stop once so much is spent; needs both prices")
    how.add_argument(
        "--compare-to",
        metavar="baselines",
        help="end with the run against all measured baselines of its suite: 'baselines', or a folder of your own beside them",
    )
    how.add_argument("--dry-run", action="store_true", help="say what would be run: attempts, calls, tokens, cost")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; 0.

    Raises:
        RiseError: options, suite, model, servers or output cannot be used.
    """
    read_env_file()
    options = _options(args)
    registry = load_registry(_own_entries(args.compare_to)) if args.compare_to is not None else None
    if args.dry_run:
        return _dry_run(bench.plan(options), options.prices, args.json)
    with progress(f"{args.model} on {args.tasks}", quiet=args.json) as tick:
        done = bench.evaluate(options, _Watch(tick))
    report = bench.report(done.run, args.tasks)
    write_atomic(done.run / "report.json", report.model_dump_json(indent=1) + "\n")
    write_atomic(done.run / "report.md", to_markdown(report))
    if args.json:
        about = {
            "run": str(done.run),
            "made": done.made,
            "left": done.left,
            "cost": done.cost,
            "finished": done.finished,
        }
        more = {} if registry is None else {"compared": as_json(tried(done.run, registry, args.tasks))}
        print_json(about | {"report": report.model_dump(mode="json")} | more)
    else:
        _say_report(report, done, args.tasks)
        if registry is not None:
            say("")
            say_against(tried(done.run, registry, args.tasks))
    return 0


def _own_entries(given: str) -> Path | None:
    """The folder that `--compare-to` names beside the shipped baselines; the word `baselines` names none."""
    return None if given == "baselines" else Path(given)


def _say_report(report: Report, done: bench.Evaluated, tasks: str) -> None:
    suite = f" --tasks {tasks}" if Path(tasks).is_dir() else ""  # a run knows its suite's name, not its folder
    if done.finished:
        warn(f"finished on {done.finished}, nothing run; --fresh runs it again")
    if done.left:
        warn(f"--max-cost reached: {done.left} attempts are left; the same command with more goes on")
    say(report_view(report), "")
    if done.cost is not None:
        say(text(f"spent {done.cost:.4f}", "dim"))
    say(text(f"run   {done.run}", "dim"))
    say(text(f"page  rise-bench view {done.run}{suite}", "dim"))


def _options(args: argparse.Namespace) -> bench.Options:
    if args.deterministic and args.temperature:
        raise InputError("is not greedy", where="--temperature", remedy="leave it out beside --deterministic")
    if args.workers and args.executor == "local":
        raise InputError("is for executors of several processes", where="--workers", remedy="add --executor ray")
    if (args.price_in is None) != (args.price_out is None):
        given = "--price-in" if args.price_out is None else "--price-out"
        raise InputError("is only half of the prices", where=given, remedy="give --price-in and --price-out")
    budget = {name: getattr(args, f"budget_{name}") for name in Budget.model_fields}
    for name, value in budget.items():
        if value <= 0:
            raise InputError(
                f"is {value:g}", where=f"--budget-{name.replace('_', '-')}", remedy="give a number above 0"
            )
    return bench.Options(
        suite=args.tasks,
        model=args.model,
        model_args=model_args(args.model_args),
        ground=args.ground,
        attempts=args.attempts,
        seed=args.seed,
        system_prompt=_system_prompt(args.system_prompt),
        sampling=Sampling(
            temperature=args.temperature,
            top_p=args.top_p,
            max_tokens=args.max_tokens,
            tool_choice=args.tool_choice,
            parser=args.parser,
            strict=args.strict,
            deterministic=args.deterministic,
        ),
        budget=Budget(**budget),
        executor=args.executor,
        workers=args.workers,
        cache=args.cache,
        cassette=args.cassette,
        record=args.record,
        notice=warn,
        limit=args.limit,
        sample_ids=sample_ids(args),
        concurrency=args.concurrency,
        output=args.output,
        fresh=args.fresh,
        retry_faults=args.retry_faults,
        allow_unsafe=args.allow_unsafe,
        allow_drift=args.allow_drift,
        max_cost=args.max_cost,
        prices=None if args.price_in is None or args.price_out is None else (args.price_in, args.price_out),
    )


def _system_prompt(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=f"--system-prompt {given}") from error


class _Watch:
    """Shows progress with the outcomes so far."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._seen: Counter[str] = Counter()

    def __call__(self, done: int, total: int, scored: Scored | None) -> None:
        if scored is not None:
            self._seen[NAMES[outcome_of(scored)]] += 1
        self._tick(done, total, ", ".join(f"{n} {name}" for name, n in sorted(self._seen.items())))


def _dry_run(plan: bench.Plan, prices: tuple[float, float] | None, as_json: bool) -> int:
    cost = None if prices is None else plan.prompt_tokens * prices[0] / 1e6
    numbers = {
        "run": str(plan.path),
        "attempts": plan.total,
        "done": plan.done,
        "left": len(plan.left),
        "reference_calls": plan.reference_calls,
        "prompt_tokens": plan.prompt_tokens,
        "input_cost": cost,
    }
    if as_json:
        print_json(numbers)
        return 0
    shown = numbers | {"input_cost": "give --price-in and --price-out" if cost is None else f"{cost:.2f}"}
    names = {
        "left": "to be made",
        "reference_calls": "calls, if as the references",
        "prompt_tokens": "input tokens, roughly",
    }
    say(table(["", ""], [(names.get(key, key.replace("_", " ")), value) for key, value in shown.items()]))
    return 0
