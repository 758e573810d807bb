"""All benchmarks, one after the other."""

from __future__ import annotations

from benchmarks import (
    bench_calls,
    bench_client,
    bench_ground,
    bench_help,
    bench_memory,
    bench_overhead,
    bench_score,
    bench_stats,
    bench_verify,
)
from benchmarks.measured import show


def main() -> None:
    """Measure and print."""
    rooms = (
        bench_help,
        bench_overhead,
        bench_client,
        bench_calls,
        bench_ground,
        bench_score,
        bench_stats,
        bench_verify,
        bench_memory,
    )
    show([figure for room in rooms for figure in room.measure()])


if __name__ == "__main__":
    main()
