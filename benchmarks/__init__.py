"""Speed and memory, measured beside their aims: `make bench`, or `python -m benchmarks.bench_score` for one."""
