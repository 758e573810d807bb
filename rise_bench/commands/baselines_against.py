"""A run against all measured baselines of its suite: what `baselines compare` and `eval --compare-to` share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rise_bench import bench
from rise_bench.baselines import Registry, Score, rivals, scorer_versions
from rise_bench.commands.compare import comparison_view
from rise_bench.commands.terminal import say, text, warn
from rise_bench.compare import Comparison, compare, side_of_run, sides_of_baselines
from rise_bench.compare.records import Estimand, SliceKind
from rise_bench.compare.sides import SCORES, told_apart
from rise_bench.errors import InputError
from rise_bench.runs import Run

__all__ = ["Against", "against", "as_json", "say_against", "tried"]


@dataclass(frozen=True, slots=True)
class Against:
    """A run beside the registry."""

    suite: str
    """Name and version of the run's suite, and its ground, for sentences."""
    comparison: Comparison | None
    """The run with each measured baseline, Holm over them; None where there is none to compare it with."""
    left_out: Mapping[str, str]
    """Name of every other measured baseline of that suite to the reason, in words."""
    problem: str = ""
    """Why nothing could be compared, where the run itself is in the way."""


def against(
    path: Path,
    registry: Registry,
    suite: str = "",
    *,
    estimand: Estimand | None = None,
    delta: float | None = None,
    scores: Sequence[Score] = SCORES,
    by: Sequence[SliceKind] = (),
    seed: int = 0,
) -> Against:
    """A run with every measured baseline that it can be compared with, tested as one family.

    Args:
        path: the run's folder.
        registry: where the baselines are.
        suite: folder of the run's suite; empty = the shipped one.
        estimand, delta, scores, by, seed: as `compare.compare`.

    Raises:
        InputError: no run there, not its suite, no verdicts, or an argument out of range.
    """
    run = Run.open(path)
    loaded, spec = bench.suite_of(run, suite), run.spec()
    found = rivals(registry, spec, scorer_versions(run.scored(), run), run.results_digest())
    about = f"{spec.suite} {spec.suite_version} on ground {spec.mode}"
    if not found.entries:
        return Against(about, None, found.left_out)
    sides = told_apart([side_of_run(run, loaded), *sides_of_baselines(found.entries, loaded)])
    own = sides[0].name
    done = compare(sides, baseline=own, estimand=estimand, delta=delta, scores=scores, by=by, rng=seed)
    return Against(about, done, found.left_out)


def tried(path: Path, registry: Registry, suite: str = "") -> Against:
    """As `against`, where a run that cannot be compared is no error: it was made, and that stands."""
    try:
        return against(path, registry, suite)
    except InputError as error:
        return Against("", None, {}, str(error))


def say_against(found: Against) -> None:
    """Print the comparison, or in one line that there is nothing to compare with; then what was left out, and why."""
    if found.problem:
        warn(f"not compared: {found.problem}")
    elif found.comparison is None:
        warn(
            f"no measured baseline of {found.suite} to compare with: rise-bench baselines add RUN --name NAME makes one"
        )
    else:
        say(comparison_view(found.comparison))
    for line in _left_out(found):
        say(text(line, "dim"))


def _left_out(found: Against) -> Iterator[str]:
    yield from (f"not compared: {name}, {why}" for name, why in sorted(found.left_out.items()))


def as_json(found: Against) -> dict[str, Any]:
    """The same for a document: `comparison` (or null), `left_out`, and `problem` (empty where there is none)."""
    shown = None if found.comparison is None else found.comparison.model_dump(mode="json")
    return {"comparison": shown, "left_out": dict(found.left_out), "problem": found.problem}
