"""`ground replay`: what a cassette holds, and with `--verify` whether the live servers still give it."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rise_bench.commands.arguments import add_json, positive, read_env_file, whole
from rise_bench.commands.terminal import print_json, progress, say, table, text, warn
from rise_bench.ground import doors
from rise_bench.ground.replay import Cassette
from rise_bench.ground.verify import Verified, agreement, verify
from rise_bench.store import LoadedSuite, load_suite

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The cassette, the suite on whose ground it was recorded, and how much is run again."""
    parser.add_argument("cassette", type=Path, help="file that `eval --record` wrote")
    parser.add_argument("--tasks", default="desk", metavar="SUITE", help="the suite it was recorded on (default: desk)")
    parser.add_argument("--verify", action="store_true", help="run recorded calls live again and compare")
    parser.add_argument("--sample", type=positive, metavar="N", help="only so many, drawn at random")
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument("--concurrency", type=positive, default=2, metavar="N", help="calls side by side (default: 2)")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 1 if a call that was run again gave something else, or could not be run, else 0.

    Raises:
        RiseError: no cassette of this suite's ground, or a server cannot be started.
    """
    read_env_file()
    loaded = load_suite(args.tasks)
    cassette = Cassette(args.cassette, loaded.ground)
    if not args.verify:
        counts = Counter(entry.tool.partition(".")[0] for entry in cassette.calls())
        rows = [{"server": name, "calls": count} for name, count in sorted(counts.items())]
        if args.json:
            print_json(rows)
        else:
            say(table(["server", "calls"], [list(row.values()) for row in rows], numbers=(1,)))
        return 0
    verified = _verified(args, loaded, cassette)
    found = agreement(verified)
    unlike = [one for one in verified if one.difference]
    if args.json:
        print_json(
            {
                "servers": [{**asdict(one), "share": one.share} for one in found],
                "differences": [asdict(one) for one in unlike],
            }
        )
        return int(bool(unlike))
    shown = [
        (one.server, one.calls, one.agreed, one.faults, "-" if one.share is None else f"{one.share:.1%}")
        for one in found
    ]
    if unlike:
        say(table(["tool", "differs in", ""], [(one.tool, one.difference, one.detail) for one in unlike]), "")
    say(table(["server", "calls", "agreed", "faults", "share"], shown, numbers=(1, 2, 3, 4)), "")
    agreed, ran = sum(one.agreed for one in found), sum(one.calls - one.faults for one in found)
    say(text(f"{agreed} of {ran} recorded calls gave the same live", "bold"))
    return int(bool(unlike))


def _verified(args: argparse.Namespace, loaded: LoadedSuite, cassette: Cassette) -> list[Verified]:
    source = doors.live(
        loaded.ground, loaded.fixtures, recipes=loaded.recipes, allow_unsafe=args.allow_unsafe, notice=warn
    )
    try:
        with progress("running recorded calls again", quiet=args.json) as tick:
            total = min(len(cassette.calls()), args.sample or len(cassette))
            tick(0, total)
            found: list[Verified] = []
            for one in verify(cassette, source, sample=args.sample, seed=args.seed, workers=args.concurrency):
                found.append(one)
                tick(len(found), total)
            return found
    finally:
        source.close()
