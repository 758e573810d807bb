"""`rise-bench --help` against a bare interpreter, both in the same minute on the same machine."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.measured import Measured, show

ROUNDS = 15
HELP = "import sys; from rise_bench.cli import main; sys.exit(main(['--help']))"


def measure() -> list[Measured]:
    """Seconds above a bare interpreter: the quickest of each, which other work on the machine disturbs least."""
    rounds = [(_seconds("pass"), _seconds(HELP)) for _ in range(ROUNDS)]
    bare, helped = (min(times) for times in zip(*rounds, strict=True))
    return [Measured("rise-bench --help above python -c pass", helped - bare, "s", aim=0.15)]


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    show(measure())
