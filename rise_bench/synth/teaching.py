"""From proved tasks to training data: executed departures gated and balanced, then everything told in words and contexts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rise_bench.score import score
from rise_bench.synth import steps
from rise_bench.synth.context import Context
from rise_bench.synth.gates.balance import balanced, most_of_a_cell
from rise_bench.synth.gates.callonly import LIMIT, CallOnly, call_only
from rise_bench.synth.gates.detection import Detection, detection
from rise_bench.synth.gates.parting import Parting
from rise_bench.synth.gates.thinning import thinned
from rise_bench.synth.keys import chain_key
from rise_bench.synth.negatives.execute import aligned
from rise_bench.synth.output.training import Counts, Lesson, Material, Rejected, Wording, spread
from rise_bench.synth.records import Draft, Entity, World
from rise_bench.synth.running import Running
from rise_bench.types import Task

__all__ = ["Checked", "lessons", "train"]

Listed = dict[str, tuple[Entity, ...]]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of the departures, as in `checks.json`."""

    detection: Detection
    call_only: CallOnly
    call_only_before: CallOnly
    """Before gate 7."""


def lessons(
    running: Running,
    context: Context,
    listed: Listed,
    tasks: Sequence[Task],
    complete: Mapping[str, Task],
    origins: Mapping[str, str],
    worlds: Mapping[str, World],
) -> tuple[dict[str, Lesson], Checked]:
    """Task id to its reference run with its executed departures, gated and balanced over all tasks; and what is known of
    them, which is written to `checks.json` as well.

    Args:
        complete: id to complete task, for the twins' origins.
        origins: id of a twin to that of the task behind it.
        worlds: id of a complete task to its world.
    """
    seed = context.loaded.recipe.seed
    inputs: dict[str, tuple[Task, Task | None, World]] = {}
    for task in tasks:
        origin = origins.get(task.id, task.id)
        behind = complete.get(origin) if origin != task.id else None
        inputs[f"{task.id} {task.digest()[:16]}"] = (task, behind, worlds[origin])
    rows = running.rows("negate", "with departures", Lesson, inputs, steps.lesson_step(context, listed))
    made = [lesson for row in rows for lesson in row.made]
    by_id = {task.id: task for task in tasks}
    left, before = _gated(running, made, by_id, seed)
    as_good = Counter[str]()
    for row in rows:
        as_good += aligned(inputs[row.of][0].id, row.dropped, context.operators)
    return {lesson.task: lesson for lesson in left}, _checks(running, context, by_id, made, left, before, as_good)


def _gated(
    running: Running, made: Sequence[Lesson], tasks: Mapping[str, Task], seed: int
) -> tuple[list[Lesson], CallOnly]:
    """The lessons with the departures that gates 6 and 7 keep; how well the calls alone told departures between the two."""
    every = [one for lesson in made for one in lesson.rejected]
    most = most_of_a_cell([(one.negative, tasks[one.negative.task]) for one in every])
    level = _level(running, "balance", "departures balanced", every, tasks, seed, most)
    thin = thinned([one.pair for one in level], seed=seed)
    running.count("blind", "departures not given away", len(level), len(thin.kept), thin.dropped)
    hidden = [level[i] for i in thin.kept]
    stay = {id(one) for one in _level(running, "rebalance", "departures kept", hidden, tasks, seed, most)}
    left = [
        lesson.model_copy(update={"rejected": tuple(one for one in lesson.rejected if id(one) in stay)})
        for lesson in made
    ]
    return left, thin.before


def _level(
    running: Running, name: str, word: str, found: Sequence[Rejected], tasks: Mapping[str, Task], seed: int, most: int
) -> list[Rejected]:
    """Gate 6, counted in the funnel as the stage `name`, what it keeps as `word`."""
    kept, gone = balanced([(one.negative, tasks[one.negative.task]) for one in found], seed=seed, most=most)
    running.count(name, word, len(found), len(kept), gone)
    stay = {one.digest() for one in kept}
    return [one for one in found if one.negative.digest() in stay]


def _checks(
    running: Running,
    context: Context,
    tasks: Mapping[str, Task],
    made: Sequence[Lesson],
    left: Sequence[Lesson],
    before: CallOnly,
    as_good: Mapping[str, int],
) -> Checked:
    """How well the scores tell departures, of all that passed gates 1 to 5; how well the calls alone do, of what is left.

    Args:
        before: how well the calls alone did on what was balanced.
        as_good: operator to how many of its departures were dropped because they were scored as what was meant.
    """
    seed = context.loaded.recipe.seed
    references = [(lesson.task, score(tasks[lesson.task], lesson.chosen, context.ground)[1].value) for lesson in made]
    found = detection((one.negative for lesson in made for one in lesson.rejected), references, as_good)
    blind = call_only([one.pair for lesson in left for one in lesson.rejected], seed=seed)
    verdict = {"finding": blind.finding, "artefacts": blind.artefacts, "limit": LIMIT}
    told = {
        "acc_intent": asdict(found),
        "call_only": asdict(blind) | verdict,
        "call_only_before": asdict(before) | {"artefacts": before.artefacts},
    }
    running.folder.write("checks.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return Checked(found, blind, before)


def train(
    running: Running,
    context: Context,
    listed: Listed,
    by_chain: Mapping[str, Sequence[Draft]],
    twins: Mapping[str, str],
    twin_tasks: Sequence[Task],
    parting: Parting,
) -> tuple[tuple[Counts, ...], Checked]:
    """Rows of training data in the folder `training`; how many there are, and what is known of the departures in them.

    Args:
        by_chain: key of a chain to the drafts that tell it.
        twins: id of a twin to that of the complete task behind it.
        twin_tasks: the twins.
    """
    first = [some[0] for some in by_chain.values()]
    tasks = [*(draft.task for draft in first), *twin_tasks]
    complete = {draft.task.id: draft.task for draft in first}
    worlds = {draft.task.id: draft.chain.world for draft in first}
    learnt, checked = lessons(running, context, listed, tasks, complete, twins, worlds)
    told = {draft.task.id: by_chain[chain_key(draft.chain)] for draft in first}
    material: list[Material] = []
    for task in tasks:
        lesson = learnt.get(task.id)
        if lesson is None:
            continue
        drafts = told.get(task.id, ())
        material.append(
            Material(
                key=chain_key(drafts[0].chain) if drafts else task.id,
                part=parting.part(task),
                now=task.now,
                servers=worlds[task.id].servers if drafts else task.servers,
                lesson=lesson,
                wordings=tuple(Wording(one.task.request, one.response) for one in drafts) or (Wording(task.request),),
            )
        )
    target = running.folder.path / "training"
    target.mkdir(exist_ok=True)
    recipe = context.loaded.recipe
    return spread(target, material, context.ground, recipe.output.spread, recipe.seed), checked
