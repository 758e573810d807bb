"""`ground record`: run every known call of servers and write down contract, effects and figures."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from rise_bench.commands.arguments import positive, read_env_file
from rise_bench.commands.grounds import add_servers, chosen
from rise_bench.commands.terminal import progress, say, text, warn
from rise_bench.ground.checking import check_servers
from rise_bench.ground.contract import make_contract, write_contract

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers."""
    add_servers(parser)
    parser.add_argument("--concurrency", type=positive, default=0, metavar="N", help="servers side by side")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )


def run(args: argparse.Namespace) -> int:
    """Record; 1 if a server cannot be started or a probe does not do what it should (it is not recorded then), else 0.

    Raises:
        InputError: a server that is not known.
    """
    read_env_file()
    picked = chosen(args)
    recipes = picked.recipes
    refused: list[str] = []
    with progress("recording servers") as tick:
        tick(0, len(recipes))
        every = check_servers(
            recipes,
            probes=picked.probes,
            contracts=picked.contracts,
            workers=args.concurrency,
            allow_unsafe=args.allow_unsafe,
            notice=warn,
        )
        for done, checked in enumerate(every, 1):
            if checked.probed is None or checked.unlike:
                why = checked.problem or f"{checked.unlike[0].probe.tool}: {checked.unlike[0].text}"
                refused.append(f"{checked.recipe.name}: {' '.join(why.split())}")
            else:
                write_contract(
                    make_contract(checked.recipe, checked.probed, datetime.now(UTC).date()), picked.contracts
                )
            tick(done, len(recipes), checked.recipe.name)
    for line in refused:
        say(text(line, "yellow"))
    say(text(f"{len(recipes) - len(refused)} recorded, {len(refused)} not", "bold"))
    return int(bool(refused))
