"""Which measured entries a run can be compared with, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rise_bench.baselines.records import MeasuredBaseline, Score
from rise_bench.baselines.registry import Registry
from rise_bench.types import RunSpec

__all__ = ["Rivals", "rivals"]


@dataclass(frozen=True, slots=True)
class Rivals:
    """The measured entries of a run's suite, sorted."""

    entries: tuple[MeasuredBaseline, ...]
    """That it can be compared with, by name."""
    left_out: Mapping[str, str]
    """Name of every other entry of that suite to the reason, in words."""


def rivals(registry: Registry, spec: RunSpec, scorers: Mapping[Score, str], results: str = "") -> Rivals:
    """The measured entries of the suite that a run was made on.

    Args:
        registry: where to look.
        spec: the run's.
        scorers: score to the version of its scorer, of the run's verdicts.
        results: digest of the run's verdicts; an entry of this spec with these verdicts is this run.
    """
    of_suite = [entry for entry in registry.of(MeasuredBaseline) if entry.spec.suite == spec.suite]
    reasons = {entry.name: _why_not(entry, spec, scorers, results) for entry in of_suite}
    return Rivals(
        tuple(entry for entry in of_suite if not reasons[entry.name]),
        {name: why for name, why in reasons.items() if why},
    )


def _why_not(entry: MeasuredBaseline, spec: RunSpec, scorers: Mapping[Score, str], results: str) -> str:
    """The reason in words; empty where the two can be compared."""
    its = entry.spec
    if its.suite_digest != spec.suite_digest:
        return (
            f"measured on {its.suite} {its.suite_version} ({its.suite_digest[:12]}), "
            f"the run was made on {spec.suite_version} ({spec.suite_digest[:12]})"
        )
    if its.mode != spec.mode:
        return f"measured on ground {its.mode}, the run was made on {spec.mode}"
    for score, version in sorted(entry.scorers.items()):
        if scorers.get(score) != version:
            return f"{score} was judged by version {version}, in the run by {scorers.get(score, 'none')}"
    if (its.digest(), entry.results) == (spec.digest(), results):
        return "this run itself"
    return ""
