"""Imported tasks and attempts as a suite folder and run folders, so that `report`, `view` and `score` read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from rise_bench.importers.imported import Attempt, Imported
from rise_bench.runs import Run
from rise_bench.score import score
from rise_bench.store import write_atomic, write_lines
from rise_bench.types import GroundMode, Judge, RunSpec, Scored, Suite

__all__ = ["export"]


def export(imported: Imported, output: Path, judge: Judge | None = None) -> tuple[Path, tuple[Path, ...]]:
    """(suite folder, run folders): the suite under its name and one run a model, trajectories and verdicts inside.

    A run that is there already keeps what it has: only attempts that it lacks are added.

    Raises:
        InputError: the folder cannot be written, or holds something else.
    """
    suite = Suite(
        name=imported.name,
        version="1-0",
        description=f"Imported from {imported.name}.",
        license="see the source",
        system_prompt="(imported: the source's own prompt is part of the messages)",
        ground=imported.ground.digest(),
        tasks=tuple(imported.tasks.values()),
    )
    folder = output / (re.sub(r"[^\w.-]+", "-", imported.name) + "-suite")
    head = suite.model_dump(mode="json", include={"name", "version", "description", "license", "system_prompt"})
    write_atomic(folder / "suite.yaml", json.dumps(head, indent=1, ensure_ascii=False) + "\n")
    write_atomic(folder / "ground.json", imported.ground.model_dump_json(indent=1) + "\n")
    write_lines(folder / "tasks.jsonl", list(imported.tasks.values()))
    by_model: dict[str, list[Attempt]] = {model: [] for model in imported.models}
    for attempt in imported:
        by_model[attempt.model].append(attempt)
    return folder, tuple(_write_run(imported, suite, model, rows, output, judge) for model, rows in by_model.items())


def _write_run(
    imported: Imported, suite: Suite, model: str, attempts: list[Attempt], output: Path, judge: Judge | None
) -> Path:
    mode: GroundMode = attempts[0].trajectory.mode if attempts else "log"
    spec = RunSpec(
        suite=suite.name,
        suite_version=suite.version,
        suite_digest=suite.digest(),
        ground_digest=suite.ground,
        mode=mode,
        model=model,
        system_prompt=suite.system_prompt,
        attempts=max((attempt.trajectory.attempt + 1 for attempt in attempts), default=1),
    )
    run = Run.create(spec, output)
    try:
        there = run.keys()
        for attempt, scored in _scored(imported, attempts, judge):
            if (scored.task, scored.attempt) not in there:
                run.append(attempt.trajectory, scored)
    finally:
        run.close()
    return run.path


def _scored(imported: Imported, attempts: list[Attempt], judge: Judge | None) -> Iterator[tuple[Attempt, Scored]]:
    for attempt in attempts:
        trajectory = attempt.trajectory
        completion, intent = score(imported.tasks[trajectory.task], trajectory, imported.ground, judge)
        yield (
            attempt,
            Scored(
                task=trajectory.task,
                attempt=trajectory.attempt,
                stop=trajectory.stop,
                fault=trajectory.fault,
                usage=trajectory.usage,
                acc_task=completion,
                acc_intent=intent,
            ),
        )
