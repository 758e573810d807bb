"""How the verbs above open a ground: one factory a mode, all called alike (plug-ins of kind `ground`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import recipes_in
from rise_bench.ground.sandbox import Variation
from rise_bench.types import Ground, GroundSource

__all__ = ["live"]


def live(
    ground: Ground,
    fixtures: Path,
    *,
    servers: Sequence[str] = (),
    recipes: Path | None = None,
    cassette: Path | None = None,
    allow_unsafe: bool = False,
    allow_drift: bool = False,
    varied: bool = False,
    notice: Callable[[str], None] | None = None,
) -> GroundSource:
    """Real servers, each attempt in a fresh sandbox.

    Args:
        ground: the frozen contracts.
        fixtures: folder of the fixture trees.
        servers: those that will be needed: installed and started now, so that what cannot work is said at once.
        recipes: folder of the suite's own recipes; other servers are looked up in the catalogue by name.
        cassette: unused here; factories of all modes are called alike.
        allow_unsafe: run servers that execute code although there is no bubblewrap.
        allow_drift: run servers whose contract is not the frozen one, and only say so.
        varied: run differently on purpose: another path and uid, the clock 37 hours later (DESIGN 3).
        notice: takes a line about each server that is installed.

    Raises:
        InputError: a server without a recipe, or a recipe that cannot be read.
        SetupError: a server cannot be installed or started, or its contract is not the frozen one.
    """
    own = recipes_in(recipes) if recipes else {}
    if notice and not varied:
        for recipe in own.values():
            if (asks := recipe.asks) and recipe.name in {server.name for server in ground.servers}:
                notice(f"warning: {recipe.name} is of this suite, not of the catalogue, and gets {asks}")
    source = LiveGround(
        ground,
        fixtures,
        recipes=own,
        allow_unsafe=allow_unsafe,
        allow_drift=allow_drift,
        variation=Variation.second() if varied else None,
        progress=notice,
    )
    source.prepare(servers)
    return source
