"""`ground check`: start servers, run their known-good calls, and say what differs from the record."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rise_bench.commands.arguments import add_json, positive, read_env_file
from rise_bench.commands.grounds import add_servers, chosen, to_install
from rise_bench.commands.terminal import markdown_table, print_json, progress, say, table, text, warn
from rise_bench.ground.checking import Checked, check_servers
from rise_bench.store import write_atomic

__all__ = ["add_arguments", "run"]

_COLUMNS = ("server", "start s", "tools", "called", "calls", "unlike", "MiB", "drift", "problem")
_NUMBERS = range(1, 7)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers, and how many of their probes."""
    add_servers(parser)
    parser.add_argument("--probes", type=positive, metavar="N", help="calls a server (default: all that are known)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table as Markdown")
    parser.add_argument("--verbose", action="store_true", help="show every call")
    parser.add_argument(
        "--reset",
        action="store_true",
        help="also prove how each is reset: is a process that served before as good as a new one? (slower)",
    )
    parser.add_argument("--concurrency", type=positive, default=0, metavar="N", help="servers side by side")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Check and print; 1 if a server does not start, has drifted, or a call did not do what it should, else 0.

    Raises:
        InputError: a server that is not known.
    """
    read_env_file()
    servers = chosen(args.servers, args.recipes)
    found: list[Checked] = []
    with progress("checking servers", quiet=args.json) as tick:
        tick(0, len(servers))
        for checked in check_servers(
            servers,
            limit=args.probes,
            resets=args.reset,
            workers=args.concurrency,
            allow_unsafe=args.allow_unsafe,
            notice=warn,
        ):
            found.append(checked)
            tick(len(found), len(servers), "" if checked.ok else checked.recipe.name)
    found.sort(key=lambda checked: checked.recipe.name)
    bad = sum(not checked.ok for checked in found)
    if line := to_install(checked.recipe for checked in found if checked.problem):
        warn(line)
    if args.json:
        print_json([_row(checked) for checked in found])
        return int(bad > 0)
    if args.verbose:
        _show_calls(found)
    rows = [["" if cell is None else cell for cell in _row(checked).values()] for checked in found]
    tools = sum(len(checked.probed.tools) for checked in found if checked.probed)
    called = sum(len(checked.probed.called) for checked in found if checked.probed)
    summary = f"{len(found)} servers, {tools} tools, {called} called with success; {bad} with findings"
    if args.markdown:
        head = f"{summary}. {datetime.now(UTC).date()}.\n\n"
        write_atomic(args.markdown, head + markdown_table(_COLUMNS, rows, numbers=_NUMBERS))
    say(table(_COLUMNS, rows, numbers=_NUMBERS), "")
    say(text(summary, "bold"))
    if args.reset:
        say(_resets(found))
    return int(bad > 0)


def _row(checked: Checked) -> dict[str, Any]:
    probed = checked.probed
    drift = "not recorded" if checked.drift is None else "; ".join(checked.drift) or "none"
    return {
        "server": checked.recipe.name,
        "start_seconds": round(probed.start_seconds, 2) if probed else None,
        "tools": len(probed.tools) if probed else None,
        "called": len(probed.called) if probed else None,
        "calls": len(probed.made) if probed else None,
        "unlike": len(checked.unlike) if probed else None,
        "memory_mb": probed.memory_mb if probed else None,
        "drift": drift if probed else "",
        "problem": checked.problem or _first_unlike(checked) or _first_stain(checked),
    }


def _first_stain(checked: Checked) -> str:
    """The first call that speaks against the way the server is reset, in one line."""
    reset = checked.reset
    if reset is None or not reset.against:
        return ""
    return f"not clean after `{reset.claimed}`, use `{reset.possible}`: {reset.against[0]}"


def _first_unlike(checked: Checked) -> str:
    """The first probe that did not do what it should, in one line."""
    if not checked.unlike:
        return ""
    made = checked.unlike[0]
    said = " ".join(made.text.split())[:160]
    return f"{made.probe.tool}: {'should have failed' if made.probe.fails else made.status}: {said}"


def _resets(found: list[Checked]) -> str:
    """How many claims on a reset were tried, by the way."""
    tried = [checked.reset for checked in found if checked.reset and checked.reset.probes]
    ways = Counter(reset.claimed for reset in tried)
    said = ", ".join(f"{count} by {way}" for way, count in sorted(ways.items())) or "none"
    return f"resets tried: {said}; {sum(not reset.holds for reset in tried)} do not hold"


def _show_calls(found: list[Checked]) -> None:
    for checked in found:
        if checked.probed is None:
            continue
        rows = [
            (
                made.probe.tool,
                text(made.status, "" if made.as_meant else "bold red"),
                f"{made.milliseconds:.0f}",
                ", ".join(made.changed)[:80],
                " ".join(made.text.split()),
            )
            for made in checked.probed.made
        ]
        say(text(checked.recipe.name, "bold"), table(["tool", "", "ms", "changed", "text"], rows, numbers=(2,)))
        never = sorted({tool.name for tool in checked.probed.tools} - checked.probed.called)
        if never:
            say(text(f"never called with success: {', '.join(never)}", "yellow"), "")
