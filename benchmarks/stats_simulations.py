"""False positive rates, coverage and power of every test and interval in `stats`, by simulation, beside what they claim.

`python -m benchmarks.stats_simulations --quick`; `--full` has all scenes and ten times the simulations. Each figure has its
Monte Carlo error. A method that claims a level is flagged where it misses it by more than two errors; of the rows at exactly
their level about one in forty is flagged by chance.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.measured import Measured, show
from benchmarks.stats_scenes import (
    ALPHA,
    CLAIMS,
    MARGIN,
    METHODS,
    RESAMPLES,
    SHIFT,
    Method,
    Sample,
    Scene,
    samples,
    scenes,
)
from rise_bench.stats.agreement import krippendorff_alpha
from rise_bench.stats.estimate import Estimate
from rise_bench.stats.power import detectable_difference
from rise_bench.stats.predicted import predicted_mean
from rise_bench.stats.ranks import rank_intervals
from rise_bench.store import write_atomic

OTHER = ("ranks", "prediction-powered mean", "alpha")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, of which method, where, its Monte Carlo error, and what it should be."""

    kind: str
    method: str
    scene: str
    value: float
    error: float
    aim: float
    verdict: str


def judged(kind: str, method: Method, scene: Scene, hits: int, count: int, aim: float, *, more: bool = False) -> Row:
    """A rate with its verdict; `more` = it should be no less than its aim, else no more."""
    rate, error = hits / count, math.sqrt(aim * (1 - aim) / count)
    missed = rate < aim - 2 * error if more else rate > aim + 2 * error
    slack = rate > aim + 2 * error if more else rate < aim - 2 * error
    verdict = "not claimed" if not method.claims(scene) else "MISSED" if missed else "cautious" if slack else "at level"
    return Row(kind, method.name, str(scene), rate, error, aim, verdict)


def level_rows(scene: Scene, count: int, only: str) -> Iterator[Row]:
    """False positives without a difference; coverage with one; false claims at the margin."""
    methods = [one for one in METHODS + CLAIMS if only in one.name and not (one.simple and scene.attempts > 1)]
    if not methods:
        return
    null = list(samples(scene.design, 0.0, count, 1))
    shifted = list(samples(scene.design, SHIFT, count, 2))
    edge = list(samples(scene.design, -MARGIN, count, 3))
    for method in methods:
        if method.p is not None:
            kind, drawn = ("false claims", edge) if method in CLAIMS else ("false positives", null)
            hits = sum(shown(method, one) for one in drawn)
            yield judged(kind, method, scene, hits, count, ALPHA)
        if method.interval is not None:
            held = sum(holds(method.interval(one), SHIFT) for one in shifted)
            yield judged("coverage", method, scene, held, count, 1 - ALPHA, more=True)


def shown(method: Method, sample: Sample) -> bool:
    """Whether the test claims something; without a p it does not."""
    p = method.p(sample) if method.p is not None else None
    return p is not None and p <= ALPHA


def holds(found: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth; none at all claims nothing, so it does."""
    return found.low is None or found.high is None or found.low - 1e-12 <= truth <= found.high + 1e-12


def power_rows(scene: Scene, count: int, only: str) -> Iterator[Row]:
    """Power of every test at the difference that is predicted to be shown by the CR2 t test with power 0.8."""
    simple = scene.attempts == 1 and scene.icc == 0
    methods = [one for one in METHODS if one.p is not None and only in one.name and (simple or not one.simple)]
    if not methods:
        return
    design = scene.design
    predicted = detectable_difference(design, draws=2000)
    if predicted.difference is None:
        return
    drawn = list(samples(design, predicted.difference, count, 4))
    for method in methods:
        rate = sum(shown(method, one) for one in drawn) / count
        # both this rate and the prediction were simulated
        error = math.sqrt(0.16 / count + 0.16 / 2000)
        side = "above" if rate > 0.8 else "below"
        verdict = "as predicted" if abs(rate - 0.8) <= 2 * error else f"{side} prediction"
        where = f"{scene}, difference {predicted.difference:.3f}"
        yield Row("power", method.name, where, rate, error, 0.8, verdict)


def other_rows(count: int) -> Iterator[Row]:
    """Rank intervals, prediction-powered means and alpha: how often their intervals hold the truth."""
    rng = np.random.default_rng(5)
    for clusters in (8, 20, 100):
        scene = Scene(clusters, True, 0.1, 1)
        labels = np.repeat(np.arange(clusters), scene.design.sizes)
        held = dict.fromkeys(OTHER, 0)
        for _ in range(count):
            shared = rng.random((5, clusters))[:, labels]
            u = np.where(rng.random(shared.shape) < 0.1**0.5, shared, rng.random(shared.shape))
            boards = rank_intervals(u < np.array([0.5, 0.5, 0.5, 0.5, 0.6])[:, None], labels.tolist())
            held["ranks"] += all(one.best <= 2 and one.worst == 5 for one in boards[:4]) and boards[4].best == 1
            truth = (u[0] < 0.6).astype(np.float64)
            judge = (rng.random(truth.size) < np.where(truth == 1, 0.9, 0.25)).astype(np.float64)
            seen = np.where(rng.permutation(truth.size) < truth.size // 3, truth, np.nan)
            held["prediction-powered mean"] += holds(predicted_mean(judge, seen, labels.tolist()).corrected, 0.6)
            # one rater repeats the other with probability 0.6, else guesses with the same shares: alpha is 0.6
            again = np.where(rng.random(truth.size) < 0.6, truth, rng.random(truth.size) < 0.6)
            pair = [truth.tolist(), again.tolist()]
            held["alpha"] += holds(krippendorff_alpha(pair, labels.tolist(), resamples=RESAMPLES, rng=rng), 0.6)
        for name, hits in held.items():
            yield judged("coverage", Method(name, about=name == "alpha"), scene, hits, count, 1 - ALPHA, more=True)


PROBE = """
import json, sys, time
from pathlib import Path
import numpy as np
from rise_bench.stats import bootstrap, paired, wild
rng = np.random.default_rng(1)
scores = (rng.random((10_000, 5)) < rng.random((10_000, 1))) - 0.5
clusters = (np.arange(10_000) % 100).tolist()
calls = {
    "import and data only": lambda: None,
    "cluster_bootstrap, percentile": lambda: bootstrap.cluster_bootstrap(scores, clusters, method="percentile"),
    "cluster_bootstrap, BCa": lambda: bootstrap.cluster_bootstrap(scores, clusters),
    "sign_flip": lambda: paired.sign_flip(scores, clusters),
    "wild_test": lambda: wild.wild_test(scores, clusters),
    "wild_interval": lambda: wild.wild_interval(scores, clusters),
}
start = time.perf_counter()
if sys.argv[1] in calls:
    calls[sys.argv[1]]()
    seconds = time.perf_counter() - start
    # not getrusage: its peak begins with that of the process that started this one
    peak = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if "VmHWM" in line)
    print(json.dumps([seconds, int(peak.split()[1]) / 1024]))
else:
    print(json.dumps(list(calls)))
"""


def speed() -> list[Measured]:
    """Seconds and peak MiB of a process, for 10,000 resamples of 10,000 tasks x 5 attempts in 100 clusters."""
    figures = []
    for name in json.loads(_probe("names")):
        seconds, peak = json.loads(_probe(name))
        figures += [Measured(name, seconds, "s", aim=3.0), Measured(f"{name}, peak", peak, "MiB", aim=1024.0)]
    return figures


def _probe(name: str) -> str:
    command = [sys.executable, "-c", PROBE, name]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def main() -> None:
    """Simulate and print; with --json also write every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="400 simulations a row (the default)")
    size.add_argument("--full", action="store_true", help="4,000 simulations a row, all scenes")
    parser.add_argument("--sims", type=int, help="simulations a row, in place of these")
    parser.add_argument("--only", default="", help="methods whose name contains this")
    parser.add_argument("--json", type=Path, help="file for the rows")
    asked = parser.parse_args()
    count = asked.sims or (4000 if asked.full else 400)
    rows: list[Row] = []
    for row in _all_rows(asked.full, count, asked.only):
        rows.append(row)
        print(
            f"{row.kind:<16} {row.method:<24} {row.scene:<58} {row.value:.4f} +- {row.error:.4f}"
            f"  aim {row.aim:.2f}  {row.verdict}",
            flush=True,
        )
    claimed = [row for row in rows if row.kind != "power" and row.verdict != "not claimed"]
    missed = sum(row.verdict == "MISSED" for row in claimed)
    print(f"\n{missed} of {len(claimed)} claimed levels missed by more than two errors ({count} simulations each)\n")
    figures = [] if asked.only else speed()
    if figures:
        show(figures)
    if asked.json:
        listed = {"simulations": count, "rows": [asdict(row) for row in rows], "speed": [asdict(f) for f in figures]}
        write_atomic(asked.json, json.dumps(listed, indent=1) + "\n")


def _all_rows(full: bool, count: int, only: str) -> Iterator[Row]:
    for scene in scenes(full):
        yield from level_rows(scene, count, only)
    for scene in scenes(full):
        if scene.even and scene.icc < 0.3:
            yield from power_rows(scene, count, only)
    if any(only in name for name in OTHER):
        yield from (row for row in other_rows(count) if only in row.method)


if __name__ == "__main__":
    main()
