"""The command line: finds the command, imports its module only then, and turns errors into one line and an exit code.

Exit codes: 0 fine, 1 findings, 2 usage or configuration, 130 interrupted (DESIGN 10).
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
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
    "compare": Command("rise_bench.commands.compare", "compare runs on the same tasks by significance tests"),
    "view": Command("rise_bench.commands.view", "write a run's attempts as one page for the browser"),
    "tasks ls": Command("rise_bench.commands.tasks_ls", "list the suites, or the tasks of one"),
    "tasks show": Command("rise_bench.commands.tasks_show", "one task with its reference and intent"),
    "tasks check": Command("rise_bench.commands.tasks_check", "prove a suite's tasks by running them on real servers"),
    "ground ls": Command("rise_bench.commands.ground_ls", "list the catalogue of servers"),
    "ground check": Command("rise_bench.commands.ground_check", "start servers, run known-good calls, show drift"),
    "ground add": Command("rise_bench.commands.ground_add", "take servers from an MCP host's JSON into a folder"),
    "ground diff": Command("rise_bench.commands.ground_diff", "how contracts differ from what was recorded, in words"),
    "ground record": Command("rise_bench.commands.ground_record", "freeze servers' contracts and what calls show"),
    "ground replay": Command("rise_bench.commands.ground_replay", "show a recording; --verify runs it live again"),
    "ground siblings": Command("rise_bench.commands.ground_siblings", "tools that could be taken for a tool"),
    "import": Command("rise_bench.commands.importing", "score other benchmarks' outputs and agents' logs"),
    "export inspect": Command("rise_bench.commands.export", "write a run as a log that `inspect view` opens"),
    "baselines ls": Command("rise_bench.commands.baselines_ls", "list the registered baselines, a table a kind"),
    "baselines show": Command("rise_bench.commands.baselines_show", "one baseline with all that is known of it"),
    "baselines run": Command("rise_bench.commands.baselines_run", "evaluate a registered agent or checkpoint"),
    "baselines compare": Command(
        "rise_bench.commands.baselines_compare", "a run against all measured ones of its suite"
    ),
    "baselines add": Command("rise_bench.commands.baselines_add", "register a finished run as a measured baseline"),
    "synth": Command("rise_bench.commands.synth", "make suites and training data from servers, by a recipe"),
    "doctor": Command("rise_bench.commands.doctor", "say what is missing on this machine, and the remedy"),
}

_VERSION = "rise_bench.commands.version"
_INTRO = "Does a tool-using agent do what its user meant? Evaluation on real MCP servers."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. `argv` without the program's name (default: this process's)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except RiseError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        rest = "; the same command goes on where it stopped" if words[:1] in (["eval"], ["synth"]) else ""
        print(f"interrupted{rest}", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # the interpreter must not fail again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 0  # the reader (head, less) has what it wanted
        _complain(RiseError(str(error.strerror), where=str(error.filename or ""), remedy="free some space"))
        return 2


class _Parser(argparse.ArgumentParser):
    """Complains as all of the command line does: one line, one remedy."""

    def error(self, message: str) -> NoReturn:
        """Complain and exit 2."""
        _complain(RiseError(message, remedy=f"see `{self.prog} --help`"))
        self.exit(2)


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if len(words) > 1 and words[1] in ("-h", "--help") and (verbs := _verbs(words[0])):
        print("\n".join(_lines(verbs)))
        return 0
    for word in words:
        if not _is_unicode(word):
            raise RiseError(f"{word!r} is not UTF-8", where="command line", remedy="write it in UTF-8")
    if words[0] in ("--version", "-V"):
        name, summary, module = "--version", None, _VERSION
    else:
        name = _command(words)
        module, summary = COMMANDS[name]
    command = cast(CommandModule, importlib.import_module(module))
    parser = _Parser(prog=f"rise-bench {name}", description=summary, allow_abbrev=False)
    command.add_arguments(parser)
    return command.run(parser.parse_args(words[len(name.split()) :]))


def _is_unicode(text: str) -> bool:
    """False where the text holds halves of characters, as bytes that are not UTF-8 become on a command line."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _command(words: list[str]) -> str:
    """The command that the line begins with, of one word or two.

    Raises:
        RiseError: there is none; names the nearest.
    """
    if words[0] in COMMANDS:
        return words[0]
    pair = " ".join(words[:2])
    if pair in COMMANDS:
        return pair
    verbs = _verbs(words[0])
    asked = pair if verbs else words[0]
    near = verbs if verbs and len(words) == 1 else difflib.get_close_matches(asked, verbs or COMMANDS, n=1, cutoff=0.5)
    kind = "option" if asked.startswith("-") else "command"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"see {', '.join(map(repr, verbs or COMMANDS))}"
    raise RiseError(f"there is no {kind} '{asked}'", remedy=hint)


def _verbs(word: str) -> list[str]:
    """The commands of two words that begin with this one."""
    return [name for name in COMMANDS if name.startswith(f"{word} ")]


def _lines(names: Iterable[str]) -> list[str]:
    width = max(map(len, COMMANDS)) + 2
    return [f"  {name:<{width}}{COMMANDS[name].help}" for name in names]


def _overview() -> str:
    lines = [f"usage: rise-bench COMMAND [options]\n\n{_INTRO}\n\ncommands:", *_lines(COMMANDS)]
    lines += [
        "\noptions:",
        f"  {'-h, --help':<12}this text; after a command, its options",
        f"  {'--version':<12}the installed version",
        "\nfirst steps:",
        "  rise-bench doctor",
        "  rise-bench eval --model lexical --tasks desk",
    ]
    return "\n".join(lines)


def _complain(error: RiseError) -> None:
    """One line for what and where, one for the remedy; foreign text in them stays harmless."""
    line = f"{error.where}: {error.what}" if error.where else error.what
    print(f"error: {one_line(line)}", file=sys.stderr)
    if error.remedy:
        print(f"  remedy: {one_line(error.remedy)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
