"""How small a difference a suite can show where systems disagree as often as real ones do; how many tasks small claims need.

`python -m benchmarks.stats_detectable --json docs/statistics/detectable.json`. How often real systems disagree is counted from
published verdicts (the folder of `RISE_BENCH_EXTERNAL`: `bfcl-2024-08/official`, `tau-airline`); where they are not there, the
counts that the file already has are kept.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.designs import Design
from rise_bench.stats.estimate import Floats, Indices
from rise_bench.stats.power import detectable_difference, sample_size, simulated_power
from rise_bench.store import write_atomic

__all__ = ["ALPHA", "CLAIMED", "MARGIN", "TASKS", "Detectable", "Found", "Needed", "Pair", "Repeated", "read"]

TASKS = (50, 100, 200, 300, 500, 1000)
LAYOUTS = ((1, 0.0), (10, 0.1))
"""(tasks in a cluster, correlation inside it)."""

CLAIMED = (0.012, 0.02, 0.05, 0.1)
"""Differences that are asked for; the first is the smallest margin that the RISE abstract reports, if it means points."""

MARGIN = 0.02
ALPHA, POWER = 0.05, 0.8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems on the same tasks: how many only one of them solves."""

    first: str
    second: str
    tasks: int
    only_first: int
    only_second: int

    @property
    def discordance(self) -> float:
        """Share of tasks on which just one succeeds."""
        return (self.only_first + self.only_second) / self.tasks


@dataclass(frozen=True, slots=True)
class Repeated:
    """One system that attempted the same tasks several times: on how many two of its attempts disagree, on average."""

    system: str
    tasks: int
    attempts: int
    discordance: float


@dataclass(frozen=True, slots=True)
class Detectable:
    """Smallest true difference shown with power 0.8, two-sided; None where no difference is."""

    tasks: int
    cluster_size: int
    icc: float
    discordance: float
    alpha: float
    difference: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class Needed:
    """Independent tasks that a claim needs with power 0.8: `different` two-sided; `not worse` one-sided, two equal systems.

    `power` is what a simulation finds with so many.
    """

    claim: str
    size: float
    discordance: float
    tasks: int | None
    power: float


@dataclass(frozen=True, slots=True)
class Found:
    """All of it."""

    pairs: tuple[Pair, ...]
    repeated: tuple[Repeated, ...]
    detectable: tuple[Detectable, ...]
    needed: tuple[Needed, ...]

    @property
    def levels(self) -> tuple[float, float, float]:
        """Discordance of the pair that disagrees least, of the middle one, and of the one that disagrees most."""
        shares = sorted(round(pair.discordance, 6) for pair in self.pairs)
        return shares[0], shares[len(shares) // 2], shares[-1]


def counted(folder: Path) -> tuple[Pair, ...]:
    """All pairs of the models whose official verdicts lie in a folder of BFCL."""
    failed: dict[str, set[str]] = {}
    totals: dict[str, dict[str, int]] = {}
    for path in sorted(folder.glob("*.json")):
        categories = json.loads(path.read_text(encoding="utf-8"))
        totals[path.stem] = {name: one["total"] for name, one in categories.items()}
        failed[path.stem] = {item for one in categories.values() for item in one["failed"]}
    if len({json.dumps(one, sort_keys=True) for one in totals.values()}) != 1:
        raise InputError("no models, or models on different items", where=str(folder), remedy="one file a model")
    tasks = sum(next(iter(totals.values())).values())
    return tuple(
        Pair(one, two, tasks, len(failed[two] - failed[one]), len(failed[one] - failed[two]))
        for one, two in combinations(failed, 2)
    )


def repeated(path: Path) -> Repeated:
    """What a file of tau-bench's simulations says of repeating."""
    rewards: dict[int, list[float]] = {}
    for one in json.loads(path.read_text(encoding="utf-8")):
        rewards.setdefault(one["task_id"], []).append(one["reward"])
    shares = [float(np.mean([a != b for a, b in combinations(tried, 2)])) for tried in rewards.values()]
    return Repeated(path.stem, len(rewards), len(next(iter(rewards.values()))), float(np.mean(shares)))


def not_worse(differences: Floats, index: Indices) -> Floats:
    """One-sided p that the second is worse by less than `MARGIN`."""
    return cr2_test(differences + MARGIN, index, "greater")


def simulate(pairs: tuple[Pair, ...], again: tuple[Repeated, ...], draws: int) -> Found:
    """All figures for these pairs."""
    levels = Found(pairs, again, (), ()).levels
    families = (ALPHA, ALPHA / len(pairs))
    detectable = tuple(
        _detectable(tasks, layout, share, alpha, draws)
        for layout in LAYOUTS
        for alpha in families
        for tasks in TASKS
        for share in levels
    )
    needed = [_different(size, share, draws) for size in CLAIMED for share in levels if size < share]
    needed += [_not_worse(share, draws) for share in levels]
    return Found(pairs, again, detectable, tuple(needed))


def _detectable(tasks: int, layout: tuple[int, float], share: float, alpha: float, draws: int) -> Detectable:
    size, icc = layout
    design = Design((size,), share, icc).resized(tasks, "clusters")
    found = detectable_difference(design, alpha=alpha, power=POWER, draws=draws)
    return Detectable(tasks, size, icc, share, alpha, found.difference, found.error)


def _different(size: float, share: float, draws: int) -> Needed:
    found = sample_size(size, Design((1,), share), alpha=ALPHA, power=POWER, draws=draws)
    return Needed("different", size, share, found.tasks, found.power)


def _not_worse(share: float, draws: int) -> Needed:
    quantiles = float(special.ndtri(1 - ALPHA) + special.ndtri(POWER))
    tasks = int(np.ceil(quantiles**2 * share / MARGIN**2))
    found = simulated_power(Design((1,) * tasks, share), 0.0, alpha=ALPHA, test=not_worse, draws=draws)
    return Needed("not worse", MARGIN, share, tasks, found.power)


def read(path: Path) -> Found:
    """What `main` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Found(
        tuple(Pair(**one) for one in data["pairs"]),
        tuple(Repeated(**one) for one in data["repeated"]),
        tuple(Detectable(**one) for one in data["detectable"]),
        tuple(Needed(**one) for one in data["needed"]),
    )


def _lines(items: Sequence[Pair | Repeated | Detectable | Needed]) -> str:
    return ",\n".join(json.dumps(_rounded(asdict(one))) for one in items)


def _rounded(values: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def main() -> None:
    """Count, simulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--json", type=Path, required=True, help="file to write (and to keep counts from)")
    parser.add_argument("--draws", type=int, default=2000, help="simulated comparisons a figure")
    asked = parser.parse_args()
    external = Path(os.environ.get("RISE_BENCH_EXTERNAL", here.parent / "shared" / "external"))
    if external.is_dir():
        pairs = counted(external / "bfcl-2024-08" / "official")
        again = tuple(repeated(path) for path in sorted((external / "tau-airline").glob("*.json")))
    else:
        kept = read(asked.json)
        pairs, again = kept.pairs, kept.repeated
        print("no external verdicts here: the counts of the file are kept")
    found = simulate(pairs, again, asked.draws)
    parts = {name: _lines(getattr(found, name)) for name in ("pairs", "repeated", "detectable", "needed")}
    write_atomic(asked.json, "{" + ",\n".join(f'"{name}": [\n{lines}\n]' for name, lines in parts.items()) + "}\n")
    least, middle, most = found.levels
    print(f"{len(pairs)} pairs disagree on {least:.3f} to {most:.3f} of the tasks (middle {middle:.3f})")


if __name__ == "__main__":
    main()
