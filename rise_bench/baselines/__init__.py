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
from rise_bench.baselines.register import entry_of, measured_of, scorer_versions
from rise_bench.baselines.registry import Registry, load_baseline, load_registry, write_baseline
from rise_bench.baselines.rivals import Rivals, rivals
from rise_bench.baselines.verdicts import attempted, pack, unpack, verdict_lines

__all__ = [
    "KINDS",
    "Baseline",
    "BaselineKind",
    "Figure",
    "Known",
    "MeasuredBaseline",
    "Registry",
    "ReportedBaseline",
    "Rivals",
    "RunnableBaseline",
    "Score",
    "Serving",
    "TrivialBaseline",
    "attempted",
    "entry_of",
    "load_baseline",
    "load_registry",
    "measured_of",
    "pack",
    "rivals",
    "scorer_versions",
    "unpack",
    "verdict_lines",
    "write_baseline",
]
