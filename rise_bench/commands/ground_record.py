"""`ground record`: run every known call of servers and write down contract, effects and figures."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime

from rise_bench.commands.arguments import positive, read_env_file
from rise_bench.commands.grounds import add_servers, chosen, to_install
from rise_bench.commands.terminal import progress, say, table, text, warn
from rise_bench.ground.checking import Checked, check_servers
from rise_bench.ground.contract import Contract, make_contract, unknown_effects, write_contract

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
    servers = chosen(args.servers, args.recipes)
    recorded: list[Contract] = []
    refused: list[Checked] = []
    with progress("recording servers") as tick:
        tick(0, len(servers))
        every = check_servers(
            servers, compare=False, workers=args.concurrency, allow_unsafe=args.allow_unsafe, notice=warn
        )
        for done, checked in enumerate(every, 1):
            if checked.probed is None or checked.unlike:
                refused.append(checked)
            else:
                contract = make_contract(checked.recipe, checked.probed, datetime.now(UTC).date())
                write_contract(contract, checked.folder / "contracts")
                recorded.append(contract)
            tick(done, len(servers), checked.recipe.name)
    _say(recorded, refused)
    return int(bool(refused))


def _say(recorded: list[Contract], refused: list[Checked]) -> None:
    recorded.sort(key=lambda contract: contract.server.name)
    if recorded:
        say(table(["server", "tools", "read", "write", "digest"], map(_row, recorded), numbers=(1, 2, 3)), "")
    for contract in recorded:
        if line := unknown_effects(contract):
            say(text(f"{contract.server.name}: {line}", "yellow"))
    for checked in refused:
        why = checked.problem or f"{checked.unlike[0].probe.tool}: {checked.unlike[0].text}"
        say(text(f"{checked.recipe.name}: {' '.join(why.split())}", "yellow"))
    if line := to_install(checked.recipe for checked in refused if checked.problem):
        warn(line)
    say(text(f"{len(recorded)} recorded, {len(refused)} not", "bold"))


def _row(contract: Contract) -> list[object]:
    effects = Counter(tool.effect for tool in contract.server.tools)
    return [contract.server.name, effects.total(), effects["read"], effects["write"], contract.server_digest]
