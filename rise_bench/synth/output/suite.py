"""A suite folder made of proved tasks: `suite.yaml`, `ground.json`, `tasks.jsonl`, `primitives.jsonl`, byte for byte the
same whenever it is made of the same."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.played import run_key, steadied
from rise_bench.store import cannot_write, write_atomic, write_lines
from rise_bench.synth.keys import primitive_key
from rise_bench.synth.records import Primitive
from rise_bench.types import Ground, Record, Task

__all__ = ["EVIDENCE", "Released", "release_evidence", "release_suite"]

EVIDENCE = ("composition.md", "funnel.md", "recoverability.json", "neighbours.json", "checks.json")
"""What a synthesis folder says of how its suite was made, and how well it holds."""


class Released(Record):
    """What a suite was made of."""

    path: str
    tasks: int
    kinds: dict[str, int]
    parts: dict[str, int]
    servers: int
    primitives: int
    clusters: int


def release_suite(
    folder: Path, source: Path, ground: Ground, tasks: Iterable[Task], primitives: Iterable[Primitive]
) -> Released:
    """The suite in `folder`, self-contained: what its author wrote by hand is copied from `source` beside what was proved.

    Args:
        folder: where it is written; may be `source` itself, of which then only the proved files are written anew.
        source: folder with `suite.yaml`, `fixtures/`, maybe `recipes/`.
        ground: the frozen ground.
        tasks: proved tasks, each with the name of its part as first tag.
        primitives: those that the tasks are made of.

    Raises:
        InputError: the folder cannot be written, or two tasks have one id.
    """
    listed = [_steady_task(task) for task in sorted(tasks, key=lambda task: task.id)]
    _refuse_twins(listed, folder)
    kept = {primitive_key(one): _steady_primitive(one) for one in primitives}
    if folder.resolve() != source.resolve():
        _copy(source, folder, {task.setup for task in listed})
    write_atomic(folder / "ground.json", ground.model_dump_json(indent=1) + "\n")
    write_lines(folder / "tasks.jsonl", [*listed])
    write_lines(folder / "primitives.jsonl", [kept[key] for key in sorted(kept)])
    return Released(
        path=str(folder),
        tasks=len(listed),
        kinds=dict(sorted(Counter(task.kind for task in listed).items())),
        parts=dict(sorted(Counter(task.tags[0] for task in listed if task.tags).items())),
        servers=len({call.tool.partition(".")[0] for task in listed for call in task.reference}),
        primitives=len(kept),
        clusters=len({task.cluster for task in listed}),
    )


def _steady_task(task: Task) -> Task:
    return task.model_copy(update={"recorded": steadied(task.recorded, task.volatile, run_key(task))})


def _steady_primitive(one: Primitive) -> Primitive:
    (value,) = steadied([one.value], [f"result:0:{pointer}" for pointer in one.volatile], primitive_key(one))
    return one.model_copy(update={"value": value})


def release_evidence(folder: Path, synthesis: Path) -> None:
    """Put what is known of a suite into its subfolder `evidence`, as far as it is there.

    Raises:
        InputError: it cannot be written.
    """
    try:
        (folder / "evidence").mkdir(parents=True, exist_ok=True)
        for name in EVIDENCE:
            if (synthesis / name).is_file():
                shutil.copyfile(synthesis / name, folder / "evidence" / name)
    except OSError as error:
        raise cannot_write(folder / "evidence", error) from error


def _refuse_twins(tasks: Sequence[Task], folder: Path) -> None:
    for one, two in pairwise(tasks):
        if one.id == two.id:
            remedy = "this is a defect of synthesis, not of your data: keep the folder and report it"
            raise InputError(f"task {one.id!r} is there twice", where=str(folder), remedy=remedy)


def _copy(source: Path, folder: Path, setups: set[str]) -> None:
    """What is written by hand: the head, the errata, the recipes, the fixtures that are used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("suite.yaml", "ERRATA.md"):
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        shown = [Path("recipes"), *(Path("fixtures") / setup for setup in sorted(setups) if setup)]
        for path in shown:
            if (folder / path).is_dir():
                shutil.rmtree(folder / path)
            if (source / path).is_dir():
                shutil.copytree(source / path, folder / path)
    except OSError as error:
        raise cannot_write(folder, error) from error
