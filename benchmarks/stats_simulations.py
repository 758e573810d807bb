"""False positive rates, coverage and power of every test and interval in `stats`, by simulation, beside what they claim.

`python -m benchmarks.stats_simulations` has all scenes; `--quick` fewer scenes and simulations. Each figure has its Monte Carlo
error. A method that claims a level is flagged where it misses it by more than two errors; of the rows at exactly their level
about one in forty is flagged by chance.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from benchmarks.stats_rows import Histogram, Row, level_rows, other_rows, power_rows
from benchmarks.stats_scenes import ONE_WAY, RESAMPLES, Scene, scenes
from rise_bench.store import write_atomic

__all__ = ["Job", "Simulated", "read", "run"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics"


@dataclass(frozen=True, slots=True)
class Job:
    """What one process simulates at a time: the levels or the power in one scene, or the other intervals."""

    what: str
    scene: Scene
    count: int
    only: str = ""


@dataclass(frozen=True, slots=True)
class Simulated:
    """All figures, how many simulations each rests on, and how many draws each resampling inside had."""

    simulations: int
    resamples: int
    rows: tuple[Row, ...]
    histograms: tuple[Histogram, ...]


def run(job: Job) -> list[Row | Histogram]:
    """All figures of a job."""
    if job.what == "levels":
        return list(level_rows(job.scene, job.count, job.only))
    if job.what == "power":
        return list(power_rows(job.scene, job.count, job.only))
    return list(other_rows(job.scene.clusters, job.count, job.only))


def jobs(full: bool, count: int, only: str) -> Iterator[Job]:
    """Everything that is simulated."""
    for scene in scenes(full):
        yield Job("levels", scene, count, only)
    for scene in scenes(full, ONE_WAY):
        yield Job("levels", scene, count, only)
    for scene in scenes(full):
        if scene.even and scene.icc < 0.3:
            yield Job("power", scene, count, only)
    for clusters in (8, 20, 100):
        yield Job("others", Scene(clusters, True, 0.1, 1), count, only)


def written(found: Simulated) -> str:
    """As JSON, a figure a line."""
    rows = ",\n".join(json.dumps([_short(value) for value in astuple(row)]) for row in found.rows)
    counted = ",\n".join(json.dumps(asdict(one)) for one in found.histograms)
    columns = json.dumps([field.name for field in fields(Row)])
    head = f'"simulations": {found.simulations}, "resamples": {found.resamples}, "columns": {columns}'
    return f'{{{head},\n"rows": [\n{rows}\n],\n"histograms": [\n{counted}\n]}}\n'


def read(path: Path) -> Simulated:
    """What `written` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(Row(**dict(zip(data["columns"], row, strict=True))) for row in data["rows"])
    histograms = tuple(Histogram(**(one | {"counts": tuple(one["counts"])})) for one in data["histograms"])
    return Simulated(data["simulations"], data["resamples"], rows, histograms)


def _short(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value


def main() -> None:
    """Simulate, print each row, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="400 simulations a row and fewer scenes, not 2,000 and all"
    )
    parser.add_argument("--sims", type=int, help="simulations a row, in place of these")
    parser.add_argument("--only", default="", help="methods whose name contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at a time (default: the cores)")
    parser.add_argument("--json", type=Path, help="file for the rows")
    asked = parser.parse_args()
    count = asked.sims or (400 if asked.quick else 2000)
    start, found = time.perf_counter(), []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.processes, mp_context=context) as pool:
        for figures in pool.map(run, jobs(not asked.quick, count, asked.only)):
            found += figures
            show([row for row in figures if isinstance(row, Row)])
    rows = tuple(row for row in found if isinstance(row, Row))
    claimed = [row for row in rows if row.kind != "power" and row.verdict != "not claimed"]
    missed = sum(row.verdict == "MISSED" for row in claimed)
    print(f"\n{missed} of {len(claimed)} claimed levels missed by more than two errors ({count} simulations each)")
    print(f"{time.perf_counter() - start:.0f} s with {asked.processes} processes")
    if asked.json:
        histograms = tuple(one for one in found if isinstance(one, Histogram))
        write_atomic(asked.json, written(Simulated(count, RESAMPLES, rows, histograms)))


def show(rows: list[Row]) -> None:
    """Print a line a row."""
    for row in rows:
        print(
            f"{row.kind:<16} {row.method:<24} {row.scene!s:<58} {row.value:.4f} +- {row.error:.4f}"
            f"  aim {row.aim:.2f}  {row.verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
