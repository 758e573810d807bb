"""`tasks check`: prove a suite's tasks by running their references and mutations on real servers."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from threading import Lock

from rise_bench.check import Proof
from rise_bench.commands.arguments import add_json, add_sample_id, positive, sample_ids
from rise_bench.commands.terminal import print_json, progress, say, table, text, warn
from rise_bench.suites import check_suite

__all__ = ["add_arguments", "run"]

_STYLE = {"refused": "bold red", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The suite, and what is done with what is proved."""
    parser.add_argument("suite", help="a shipped suite's name or a folder")
    parser.add_argument("--write", action="store_true", help="record what was proved in the suite's tasks.jsonl")
    parser.add_argument("--refreeze", action="store_true", help="take the servers' contracts anew into ground.json")
    parser.add_argument("--concurrency", type=positive, default=2, metavar="N", help="tasks side by side (default: 2)")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    add_sample_id(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Check and print; 1 if a task is refused or differs from its record, else 0.

    Raises:
        RiseError: the suite cannot be read, or its servers cannot be started.
    """
    seen = 0
    lock = Lock()
    with progress(f"checking {args.suite}", quiet=args.json) as tick:

        def done(proof: Proof, total: int) -> None:
            nonlocal seen
            with lock:
                if not seen:
                    tick(0, total)
                seen += 1
                tick(seen, total, "" if proof.holds else f"{proof.task.id} refused")

        report = check_suite(
            args.suite,
            only=sample_ids(args),
            write=args.write,
            refreeze=args.refreeze,
            workers=args.concurrency,
            allow_unsafe=args.allow_unsafe,
            notice=warn,
            done=done,
        )
    if report.unreleasable:
        servers = ", ".join(report.unreleasable)
        warn(f"warning: the suite can be used but may not be released, for the licences of {servers}")
    if args.json:
        print_json({**asdict(report), "ok": report.ok})
        return int(not report.ok)
    rows = [
        (finding.task, text(finding.severity, _STYLE[finding.severity]), finding.what) for finding in report.findings
    ]
    if rows:
        say(table(["task", "", "finding"], rows), "")
    say(
        text(
            f"{report.suite}: {report.proved} tasks proved, {report.refused} refused, "
            f"{report.mutations} critical mutations gave another outcome",
            "bold",
        )
    )
    if report.written:
        say(text(f"written to {report.written}", "dim"))
    return int(not report.ok)
