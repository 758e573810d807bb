"""Starts catalogue servers, runs their probes, and says of each whether it is as it was recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import RiseError
from rise_bench.ground.contract import Contract, load_contract
from rise_bench.ground.contrast import differences
from rise_bench.ground.install import ensure
from rise_bench.ground.probes import Made, Probed, run_probes
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.resetting import Reset, check_reset
from rise_bench.ground.side_by_side import side_by_side

__all__ = ["Checked", "check_servers"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One server, tried."""

    recipe: Recipe
    folder: Path
    """In which its `probes/NAME` and `contracts/NAME.json` are."""
    probed: Probed | None
    """None where it did not start."""
    drift: tuple[str, ...] | None
    """How its contract differs from the recorded one, in words; None where none is recorded, or none was looked for."""
    problem: str = ""
    """Why it cannot be used, in one line; empty where it can."""
    reset: Reset | None = None
    """What its calls say of the way it is reset, where that was asked."""

    @property
    def unlike(self) -> tuple[Made, ...]:
        """Probes that did not do what their author said."""
        return tuple(made for made in self.probed.made if not made.as_meant) if self.probed else ()

    @property
    def ok(self) -> bool:
        """It starts, is as recorded, and every probe did what it should, also after a reset where that was asked."""
        return not self.problem and not self.drift and not self.unlike and not (self.reset and self.reset.against)


def check_servers(
    servers: Sequence[tuple[Recipe, Path]],
    *,
    compare: bool = True,
    limit: int | None = None,
    workers: int = 0,
    resets: bool = False,
    allow_unsafe: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Checked]:
    """Every server, as soon as it was tried.

    Args:
        servers: each with the folder in which its `probes/NAME` and `contracts/NAME.json` are.
        compare: with the recorded contracts.
        limit: probes a server; None = all.
        resets: also prove how each is reset, which takes about five more runs of its probes.
        workers: servers side by side; 0 = as many as there are processors.
        notice: takes a line about each installation.
    """

    def one(recipe: Recipe, place: Path) -> Checked:
        folder = place / "probes" / recipe.name
        try:
            installed = ensure(recipe, notice)
            probed = run_probes(recipe, installed, folder, limit=limit, allow_unsafe=allow_unsafe)
            contract = load_contract(recipe.name, place / "contracts") if compare else None
            reset = check_reset(recipe, installed, folder, allow_unsafe=allow_unsafe) if resets else None
        except RiseError as error:
            return Checked(recipe, place, None, None, " ".join(str(error).split()))
        drift = (*differences(contract.server.tools, probed.tools), *_wrote(contract, probed)) if contract else None
        return Checked(recipe, place, probed, drift, reset=reset)

    return side_by_side(lambda server: one(*server), servers, workers or os.cpu_count() or 2)


def _wrote(contract: Contract, probed: Probed) -> tuple[str, ...]:
    """Which tools that are recorded to read changed something."""
    reads = {tool.name for tool in contract.server.tools if tool.effect == "read"}
    wrote = {made.probe.tool: made.changed[0] for made in probed.made if made.changed and made.probe.tool in reads}
    return tuple(f"{tool}: is recorded to read, and changed {path}" for tool, path in wrote.items())
