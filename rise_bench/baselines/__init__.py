"""Registered baselines: what a result is compared with, in four kinds that are never mixed."""

from rise_bench.baselines.records import (
    KINDS,
    Baseline,
    BaselineKind,
    Figure,
    Known,
    MeasuredBaseline,
    ReportedBaseline,
    RunnableBaseline,
    Score,
    Serving,
    TrivialBaseline,
)
from rise_bench.baselines.registry import Registry, load_baseline, load_registry, write_baseline
from rise_bench.baselines.verdicts import pack, unpack, verdict_lines

__all__ = [
    "KINDS",
    "Baseline",
    "BaselineKind",
    "Figure",
    "Known",
    "MeasuredBaseline",
    "Registry",
    "ReportedBaseline",
    "RunnableBaseline",
    "Score",
    "Serving",
    "TrivialBaseline",
    "load_baseline",
    "load_registry",
    "pack",
    "unpack",
    "verdict_lines",
    "write_baseline",
]
