"""CPU time of the harness per model turn: an in-process scripted model on a replayed ground, scoring and logging included."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.kit import TURNS, make
from benchmarks.measured import Measured, show
from rise_bench import bench
from rise_bench.store import LoadedSuite

FEW, MANY = 40, 240


def measure() -> list[Measured]:
    """CPU milliseconds per turn: what 200 more attempts cost, so that reading the suite is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loaded = make(folder / "suite", MANY)
        few, many = (_cpu(loaded, folder, limit) for limit in (FEW, MANY))
        report = bench.report(next((folder / f"runs-{MANY}").iterdir()), str(loaded.path))
    aligned = report.acc_intent.value
    per_turn = 1000 * (many - few) / ((MANY - FEW) * TURNS)
    return [Measured("harness CPU per model turn", per_turn, "ms", aim=3.0, note=f"Acc_intent {aligned}")]


def _cpu(loaded: LoadedSuite, folder: Path, limit: int) -> float:
    options = bench.Options(
        suite=str(loaded.path),
        model=f"scripted:{loaded.path / 'script.json'}",
        ground="replay",
        cassette=loaded.path / "cassette.jsonl",
        limit=limit,
        output=folder / f"runs-{limit}",
    )
    start = time.process_time()
    bench.evaluate(options)
    return time.process_time() - start


if __name__ == "__main__":
    show(measure())
