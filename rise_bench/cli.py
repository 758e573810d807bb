"""The command line: finds the command, imports its module only then, and turns errors into one line and an exit code.

Exit codes: 0 fine, 1 findings, 2 usage or configuration, 130 interrupted (DESIGN 10).
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, Protocol, cast

from rise_bench.errors import RiseError
from rise_bench.plain import one_line

__all__ = ["COMMANDS", "Command", "CommandModule", "main"]


class CommandModule(Protocol):
    """What a module in `commands/` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code.

        Raises:
            RiseError: shown as one line with its remedy, exit code 2.
        """
        ...


class Command(NamedTuple):
    """Where a command lives, and its line in the help."""

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "eval": Command("rise_bench.commands.eval", "run a model on a suite, score it, print the report"),
    "score": Command("rise_bench.commands.score", "score a stored run again; needs no model and no server"),
    "report": Command("rise_bench.commands.report", "print a run's report (text, Markdown, JSON)"),
    "view": Command("rise_bench.commands.view", "write a run's attempts as one page for the browser"),
    "tasks": Command("rise_bench.commands.tasks", "list, show or check the tasks of a suite"),
    "import": Command("rise_bench.commands.importing", "score other benchmarks' outputs and agents' logs"),
    "doctor": Command("rise_bench.commands.doctor", "say what is missing on this machine, and the remedy"),
}

_VERSION = "rise_bench.commands.version"
_INTRO = "Does a tool-using agent do what its user meant? Evaluation on real MCP servers."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. `argv` without the program's name (default: this process's)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except RiseError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader (head, less) has what it wanted; the interpreter must not fail again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    name = words[0]
    if name in ("--version", "-V"):
        module, title = _VERSION, "rise-bench --version"
    elif name in COMMANDS:
        module, title = COMMANDS[name].module, f"rise-bench {name}"
    else:
        _unknown(name)
    command = cast(CommandModule, importlib.import_module(module))
    summary = COMMANDS[name].help if name in COMMANDS else None
    parser = argparse.ArgumentParser(prog=title, description=summary, allow_abbrev=False)
    command.add_arguments(parser)
    return command.run(parser.parse_args(words[1:]))


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"usage: rise-bench COMMAND [options]\n\n{_INTRO}\n\ncommands:"]
    lines += [f"  {name:<{width}}{command.help}" for name, command in COMMANDS.items()]
    lines += [
        "\noptions:",
        f"  {'-h, --help':<{width + 4}}this text; after a command, its options",
        f"  {'--version':<{width + 4}}the installed version",
        "\nfirst steps:",
        "  rise-bench doctor",
        "  rise-bench eval --model lexical --tasks desk",
    ]
    return "\n".join(lines)


def _unknown(name: str) -> NoReturn:
    near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"the commands are: {', '.join(COMMANDS)}"
    kind = "option" if name.startswith("-") else "command"
    raise RiseError(f"there is no {kind} '{name}'", remedy=hint)


def _complain(error: RiseError) -> None:
    """One line for what and where, one for the remedy; foreign text in them stays harmless."""
    line = f"{error.where}: {error.what}" if error.where else error.what
    print(f"error: {one_line(line)}", file=sys.stderr)
    if error.remedy:
        print(f"  remedy: {one_line(error.remedy)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
