"""All benchmarks, one after the other."""

from __future__ import annotations

from benchmarks import bench_help, bench_memory, bench_overhead, bench_score
from benchmarks.measured import show


def main() -> None:
    """Measure and print."""
    show([*bench_help.measure(), *bench_overhead.measure(), *bench_score.measure(), *bench_memory.measure()])


if __name__ == "__main__":
    main()
