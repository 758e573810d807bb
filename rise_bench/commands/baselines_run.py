"""`baselines run`: evaluate a registered agent or checkpoint with the entry's own model line."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from pydantic import JsonValue

from rise_bench.baselines import MeasuredBaseline, ReportedBaseline, RunnableBaseline, TrivialBaseline
from rise_bench.commands import eval as evaluation
from rise_bench.commands.arguments import model_args
from rise_bench.commands.baselines_shared import add_registry, registry_of
from rise_bench.commands.terminal import print_json, say, text, warn
from rise_bench.errors import InputError
from rise_bench.model.chat import Settings
from rise_bench.plain import plain

__all__ = ["add_arguments", "run"]

_OWN = ("name", "base_url", "registry", "model_args", "json", "default_of")
"""Of this command, or of the entry: not passed on as they are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, where it answers, and the options of `eval`."""
    parser.add_argument("name", help="of a trivial or runnable baseline (`baselines ls`)")
    parser.add_argument(
        "--base-url", default="", metavar="URL", help="endpoint that serves a runnable one, under its hub id"
    )
    add_registry(parser)
    evaluation.add_arguments(parser, model=False)
    parser.set_defaults(default_of=parser.get_default)


def run(args: argparse.Namespace) -> int:
    """Evaluate as `eval` does; or, for a checkpoint without `--base-url`, print how it is served and evaluated; 0.

    Raises:
        RiseError: no such baseline, one that cannot be run, or as `eval`.
    """
    entry = registry_of(args).find(args.name)
    if isinstance(entry, MeasuredBaseline | ReportedBaseline):
        raise _not_to_be_run(entry, args.tasks)
    if isinstance(entry, TrivialBaseline):
        if args.base_url:
            remedy = "leave it out"
            raise InputError(f"is of no use: {entry.name} needs no endpoint", where="--base-url", remedy=remedy)
        args.model = entry.model
        return evaluation.run(args)
    if not args.base_url:
        return _say_how(entry, args)
    _refuse_overridden(entry, args)
    args.model = f"openai:{entry.hf}"
    args.model_args = [f"base_url={args.base_url}", *written(_of_client(entry)), *args.model_args]
    if served := written(_of_server(entry)):
        warn(f"{args.base_url} decides over {', '.join(served)}: the entry is what is run only if it was served so")
    return evaluation.run(args)


def _not_to_be_run(entry: MeasuredBaseline | ReportedBaseline, tasks: str) -> InputError:
    if isinstance(entry, ReportedBaseline):
        what = "is a reported baseline: others published its figures, there is nothing of it to run"
        return InputError(what, where=entry.name, remedy="see `rise-bench baselines ls --kind runnable`")
    line = f"rise-bench baselines run {entry.of}" if entry.of else f"rise-bench eval --model {entry.spec.model}"
    what = "is a measured baseline: a run that was made"
    return InputError(what, where=entry.name, remedy=f"run what it is of: {line} --tasks {tasks}")


def _refuse_overridden(entry: RunnableBaseline, args: argparse.Namespace) -> None:
    given = model_args(args.model_args)
    if key := next((key for key in given if key in ("base_url", *entry.model_args)), None):
        remedy = "leave it out, or use `rise-bench eval`: with other settings it is another agent"
        raise InputError(f"{key} is the entry's own", where="--model-args", remedy=remedy)


def _of_client(entry: RunnableBaseline) -> dict[str, JsonValue]:
    """The entry's model arguments that the client of an endpoint takes."""
    return {key: value for key, value in entry.model_args.items() if key in Settings.model_fields}


def _of_server(entry: RunnableBaseline) -> dict[str, JsonValue]:
    """The entry's model arguments that hold only where the server was started with them."""
    return {key: value for key, value in entry.model_args.items() if key not in Settings.model_fields}


def written(values: dict[str, JsonValue]) -> list[str]:
    """Model arguments as `--model-args` takes them, one text each.

    Raises:
        InputError: a value that cannot be written so.
    """
    texts = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()]
    if model_args(texts) != values:
        raise InputError(
            f"{texts} cannot be given as options", where="model_args", remedy="run it with `rise-bench eval`"
        )
    return texts


def _say_how(entry: RunnableBaseline, args: argparse.Namespace) -> int:
    """Print the serving command and our two lines; nothing is run."""
    rest = [*(word for text in args.model_args for word in ("--model-args", text)), *_passed_on(args)]
    mine = ["--registry", str(args.registry)] if args.registry else []
    own = [word for text in written(entry.model_args) for word in ("--model-args", text)]
    command = entry.serving.command
    found = {
        "serve": command.value,
        "according_to": command.source,
        "note": command.note or None,
        "pin": entry.revision.value,
        "then": shlex.join(
            ["rise-bench", "baselines", "run", entry.name, *mine, "--base-url", "http://127.0.0.1:8000/v1", *rest]
        ),
        "or": shlex.join(["rise-bench", "eval", "--model", entry.model, *own, *rest]),
    }
    if args.json:
        print_json(found)
        return 0
    pin = f"--revision {entry.revision.value}" if entry.revision.value else "no commit is known: look it up"
    rows = [
        ("serve", command.value or f"not stated: {command.note}"),
        ("", f"according to {command.source}, read {command.read}; not tried" if command.source else ""),
        ("", command.note if command.value else ""),
        ("pin", pin),
        ("then", found["then"]),
        ("or", found["or"]),
        ("", "(that one starts vLLM itself)"),
    ]
    say(text(f"{entry.name}: nothing was run; {entry.hf} is served by you, or by rise-bench where vLLM is", "bold"))
    for name, line in rows:
        if line:
            sys.stdout.write(plain(f"{name:<7} {line}") + "\n")  # command lines are there to be copied: never wrapped
    return 0


def _passed_on(args: argparse.Namespace) -> list[str]:
    """The options of `eval` that were given, as words."""
    words: list[str] = []
    for name, value in vars(args).items():
        if name in _OWN or value == args.default_of(name):
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option)
        else:
            words += [word for one in (value if isinstance(value, list) else [value]) for word in (option, str(one))]
    return words
