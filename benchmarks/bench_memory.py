"""Peak memory and CPU time of a report at 1,000 and at 20,000 stored attempts of 250 tasks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit import make
from benchmarks.measured import Measured, show
from rise_bench import bench
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite
from rise_bench.types import RunSpec

TASKS = 250
SIZES = (1_000, 20_000)

PROBE = """
import json, resource, sys, time
from pathlib import Path
from rise_bench import bench
from rise_bench.report import summarise
from rise_bench.runs import Run
from rise_bench.store import load_suite
path, suite = Path(sys.argv[1]), sys.argv[2]
start = time.process_time()
report = bench.report(path, suite)
whole = time.process_time() - start
tasks = load_suite(suite).tasks
start = time.process_time()
again = summarise(Run.open(path).scored(), tasks, report.about, report.floors)
read = time.process_time() - start
assert again == report
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, read, whole, report.attempts]))
"""


class Probed(NamedTuple):
    """Peak MiB, CPU seconds of reading and counting the attempts, CPU seconds of the whole report."""

    peak: float
    read: float
    whole: float


def measure() -> list[Measured]:
    """Peak MiB of a process that reports, at both sizes, and their ratio; CPU seconds of reading and of all."""
    with tempfile.TemporaryDirectory() as name:
        loaded = make(Path(name) / "suite", TASKS)
        small, large = (_probe(_run(loaded, Path(name), size), loaded, size) for size in SIZES)
    return [
        Measured("reading and counting 1,000 stored attempts", small.read, "s CPU", aim=0.3),
        Measured("reading and counting 20,000", large.read, "s CPU"),
        Measured("report of 1,000 attempts, with floors", small.whole, "s CPU"),
        Measured("peak memory at 1,000 attempts", small.peak, "MiB"),
        Measured("peak memory at 20,000 attempts", large.peak, "MiB"),
        Measured("peak memory, 20,000 against 1,000", large.peak / small.peak, "times", aim=1.1),
    ]


def _run(loaded: LoadedSuite, folder: Path, size: int) -> Path:
    """A run folder of that many attempts: one real attempt at each task, stored again under other numbers."""
    options = bench.Options(
        suite=str(loaded.path),
        model=f"scripted:{loaded.path / 'script.json'}",
        ground="replay",
        cassette=loaded.path / "cassette.jsonl",
        output=folder / f"first-{size}",
    )
    first = Run.open(bench.evaluate(options).run)
    trajectories, scored = list(first.trajectories()), list(first.scored())
    spec: RunSpec = first.spec().model_copy(update={"attempts": size // TASKS})
    run = Run.create(spec, folder / f"runs-{size}")
    for number in range(size // TASKS):
        for made, row in zip(trajectories, scored, strict=True):
            run.append(made.model_copy(update={"attempt": number}), row.model_copy(update={"attempt": number}))
    run.close()
    return run.path


def _probe(run: Path, loaded: LoadedSuite, size: int) -> Probed:
    command = [sys.executable, "-c", PROBE, str(run), str(loaded.path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    peak, read, whole, attempts = json.loads(done.stdout)
    if attempts != size:
        raise SystemExit(f"the report counts {attempts} attempts, {size} were stored")
    return Probed(peak, read, whole)


if __name__ == "__main__":
    show(measure())
