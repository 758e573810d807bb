"""Time and memory of resampling: 10,000 draws over 10,000 tasks x 5 attempts in 100 clusters, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.measured import Measured, show
from rise_bench.store import write_atomic

__all__ = ["measure"]

PROBE = """
import json, sys, time
from pathlib import Path
import numpy as np
from rise_bench.stats import bootstrap, flips, wild
rng = np.random.default_rng(1)
scores = (rng.random((10_000, 5)) < rng.random((10_000, 1))) - 0.5
clusters = (np.arange(10_000) % 100).tolist()
DRAWS = 10_000

def floor():
    # what no resampling of clusters can do without, written plainly: draw them, add them up
    sums = np.bincount(np.arange(10_000) % 100, weights=scores.mean(axis=1))
    return sums[rng.integers(100, size=(DRAWS, 100))].sum(axis=1) / 10_000

calls = {
    "plain draws of clusters": floor,
    "cluster_bootstrap, percentile": lambda: bootstrap.cluster_bootstrap(scores, clusters, method="percentile"),
    "cluster_bootstrap, BCa": lambda: bootstrap.cluster_bootstrap(scores, clusters),
    "sign_flip": lambda: flips.sign_flip(scores, clusters),
    "wild_test": lambda: wild.wild_test(scores, clusters),
    "wild_interval": lambda: wild.wild_interval(scores, clusters),
}
if sys.argv[1] in calls:
    start = time.process_time()
    calls[sys.argv[1]]()
    seconds = time.process_time() - start
    # not getrusage: its peak begins with that of the process that started this one
    peak = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if "VmHWM" in line)
    print(json.dumps([seconds, int(peak.split()[1]) / 1024]))
else:
    print(json.dumps(list(calls)))
"""

IMPORT = """
import json, time
start = time.process_time()
import {name}
print(json.dumps(time.process_time() - start))
"""


def measure() -> list[Measured]:
    """CPU seconds and peak MiB of each, with its ratio to plain draws; and of importing the room, with its ratio to numpy."""
    names = json.loads(_probe("names"))
    found = {name: json.loads(_probe(name)) for name in names}
    floor = found[names[0]][0]
    figures = []
    for name, (seconds, peak) in found.items():
        aim = None if name == names[0] else 3.0
        figures.append(Measured(name, seconds, "s CPU", aim=aim, note=f"{seconds / floor:.1f} x plain draws"))
        figures.append(Measured(f"{name}, peak", peak, "MiB", aim=1024.0))
    ours, numpy = (min(_import(name) for _ in range(3)) for name in ("rise_bench.stats", "numpy"))
    figures.append(Measured("import rise_bench.stats", ours, "s CPU", note=f"{ours / numpy:.1f} x import numpy"))
    return figures


def _import(name: str) -> float:
    return float(json.loads(_run(IMPORT.format(name=name))))


def _probe(name: str) -> str:
    return _run(PROBE, name)


def _run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def main() -> None:
    """Measure and print; with --json also write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args()
    figures = measure()
    show(figures)
    if asked.json:
        lines = ",\n".join(json.dumps(asdict(one) | {"verdict": one.verdict}) for one in figures)
        write_atomic(asked.json, f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
