"""Sides and runs built by hand, verdict by verdict: `1`, `0`, `-` for a fault, `?` for unjudged, `.` for not made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rise_bench.compare import Side
from rise_bench.compare.frame import SideTask
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite, write_atomic, write_lines
from rise_bench.types import Label, LabelName, RunSpec, Scored, Task, Trajectory, Verdict

VALUES = {"1": 1.0, "0": 0.0, "-": np.nan, "?": np.nan, ".": np.nan}
Lines = str | Sequence[str]


def tasks(count: int, clusters: Sequence[str] = (), domains: Sequence[str] = ()) -> tuple[SideTask, ...]:
    return tuple(
        SideTask(
            Task(id=f"t{n}", request="r", cluster=clusters[n] if clusters else ""), domains[n] if domains else "all"
        )
        for n in range(count)
    )


def spec(model: str, attempts: int = 1, **changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "suite": "s",
        "suite_version": "1-0",
        "suite_digest": "5" * 64,
        "ground_digest": "6" * 64,
        "mode": "live",
        "model": model,
        "system_prompt": "Help.",
        "attempts": attempts,
    }
    return RunSpec.model_validate(values | changes)


def side(
    name: str,
    intent: Lines,
    task: Lines | None = None,
    *,
    clusters: Sequence[str] = (),
    domains: Sequence[str] = (),
    labels: Mapping[LabelName, Lines] | None = None,
    versions: Mapping[str, tuple[str, ...]] | None = None,
    margin: float = 0.02,
    **changes: Any,
) -> Side:
    """A side whose verdicts are these lines, one an attempt; Acc_task is Acc_intent where it is not given."""
    meant = grid(intent)
    made = meant != "."
    return Side(
        name=name,
        run=f"run-{name}",
        path=f"runs/{name}",
        spec=spec(name, meant.shape[1], **changes),
        conditions=(),
        margin=margin,
        tasks=tasks(len(meant), clusters, domains),
        scorers={"acc_task": ("2-0",), "acc_intent": ("2-0",)} | (versions or {}),  # type: ignore[dict-item]
        acc_task=floats(grid(task or intent)),
        acc_intent=floats(meant),
        made=made,
        faults=meant == "-",
        labels=None if labels is None else {label: grid(lines) == "1" for label, lines in labels.items()},
    )


def grid(lines: Lines) -> np.ndarray[Any, Any]:
    """Tasks x attempts of characters."""
    return np.array([list(line) for line in ([lines] if isinstance(lines, str) else lines)]).T


def floats(signs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.vectorize(VALUES.__getitem__, otypes=[np.float64])(signs)


def make_suite(folder: Path, count: int, version: str = "1-0", changed: Sequence[int] = ()) -> LoadedSuite:
    """A suite of so many tasks in clusters of two, as files; the tasks in `changed` ask for something else."""
    write_atomic(folder / "suite.yaml", f'name: s\nversion: "{version}"\nsystem_prompt: Help.\n')
    words = ["other" if n in changed else "r" for n in range(count)]
    write_lines(
        folder / "tasks.jsonl", [Task(id=f"t{n}", request=words[n], cluster=f"c{n // 2}") for n in range(count)]
    )
    return load_suite(str(folder))


def make_run(
    output: Path,
    loaded: LoadedSuite,
    model: str,
    intent: Lines,
    task: Lines | None = None,
    labels: Mapping[int, LabelName] | None = None,
    version: str = "2-0",
    **changes: Any,
) -> Path:
    """A run folder whose verdicts are these lines; `labels` gives the first attempt at a task a label."""
    meant, done = grid(intent), grid(task or intent)
    kept = {"suite_digest": loaded.suite.digest(), "ground_digest": loaded.ground.digest()}
    kept["suite_version"] = loaded.suite.version
    run = Run.create(spec(model, meant.shape[1], **(kept | changes)), output)
    for (place, attempt), sign in np.ndenumerate(meant):
        if sign != ".":
            label = (labels or {}).get(place) if attempt == 0 else None
            row = scored(f"t{place}", attempt, str(done[place, attempt]), str(sign), label, version)
            stop = {"stop": "fault", "fault": row.fault} if row.fault else {}
            made = {"task": row.task, "attempt": attempt, "mode": "live"} | stop
            run.append(Trajectory.model_validate(made), row)
    run.close()
    return run.path


def scored(
    task: str, attempt: int, done: str, meant: str, label: LabelName | None = None, version: str = "2-0"
) -> Scored:
    def verdict(scorer: str, sign: str) -> Verdict:
        value = None if sign in "-?" else VALUES[sign]
        found = (Label(name=label),) if label and scorer == "acc_intent" else ()
        return Verdict(
            task=task, attempt=attempt, scorer=scorer, version=version, value=value, reason="-", labels=found
        )

    fault = "ModelFault: no answer" if meant == "-" else ""
    return Scored(
        task=task,
        attempt=attempt,
        stop="fault" if fault else "answered",
        fault=fault,
        acc_task=verdict("acc_task", done),
        acc_intent=verdict("acc_intent", meant),
    )
