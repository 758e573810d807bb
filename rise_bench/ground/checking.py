"""Starts catalogue servers, runs their probes, and says of each whether it is as it was recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import RiseError
from rise_bench.ground.contract import CONTRACTS, load_contract
from rise_bench.ground.freeze import differences
from rise_bench.ground.install import ensure
from rise_bench.ground.probes import PROBES, Made, Probed, run_probes
from rise_bench.ground.recipe import Recipe

__all__ = ["Checked", "check_servers"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One server, tried."""

    recipe: Recipe
    probed: Probed | None
    """None where it did not start."""
    drift: tuple[str, ...] | None
    """How its contract differs from the recorded one, in words; None where none is recorded."""
    problem: str = ""
    """Why it cannot be used, in one line; empty where it can."""

    @property
    def unlike(self) -> tuple[Made, ...]:
        """Probes that did not do what their author said."""
        return tuple(made for made in self.probed.made if not made.as_meant) if self.probed else ()

    @property
    def ok(self) -> bool:
        """It starts, is as recorded, and every probe did what it should."""
        return not self.problem and not self.drift and not self.unlike


def check_servers(
    recipes: Sequence[Recipe],
    *,
    probes: Path = PROBES,
    contracts: Path = CONTRACTS,
    limit: int | None = None,
    workers: int = 0,
    allow_unsafe: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Checked]:
    """Every server, as soon as it was tried.

    Args:
        probes: folder with one folder of probes a server.
        contracts: folder with one recorded contract a server.
        limit: probes a server; None = all.
        workers: servers side by side; 0 = as many as there are processors.
        notice: takes a line about each installation.
    """

    def one(recipe: Recipe) -> Checked:
        try:
            installed = ensure(recipe, notice)
            probed = run_probes(recipe, installed, probes / recipe.name, limit=limit, allow_unsafe=allow_unsafe)
            contract = load_contract(recipe.name, contracts)
        except RiseError as error:
            return Checked(recipe, None, None, " ".join(str(error).split()))
        drift = differences(contract.server.tools, probed.tools) if contract else None
        return Checked(recipe, probed, drift)

    with ThreadPoolExecutor(workers or os.cpu_count() or 2) as pool:
        for future in as_completed([pool.submit(one, recipe) for recipe in recipes]):
            yield future.result()
