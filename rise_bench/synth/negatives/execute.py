"""Negatives of a task: every operator's mutants, executed on fresh sandboxes, scored, observed beside declared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.errors import ServerDied
from rise_bench.model.oracle import final_message
from rise_bench.played import Played, failure, run_key, steadied_run, trajectory_of
from rise_bench.score import score
from rise_bench.score.calls import calls_made, tools_of
from rise_bench.synth.cache import Cache
from rise_bench.synth.negatives.observed import Report, reported
from rise_bench.synth.negatives.operators import OPERATORS, Material, Mutant, Operator
from rise_bench.synth.records import Dropped, Entity, Negative
from rise_bench.types import Assistant, Call, GroundSource, Message, Task, ToolResult, Trajectory, canonical

__all__ = ["aligned", "chosen", "negatives"]

_AS_GOOD = "as good as the reference"


def negatives(
    task: Task,
    source: GroundSource,
    *,
    cache: Cache | None = None,
    entities: Sequence[Entity] = (),
    operators: Sequence[Operator] = OPERATORS,
    origin: Task | None = None,
    seed: int = 0,
    most: int = 3,
    say: Report = final_message,
) -> Iterator[Negative | Dropped]:
    """Each departure that ran and has another outcome, with (Acc_task, Acc_intent) as declared and as observed.

    Nothing is relabelled: where the two differ, both are kept, for somebody to look at. What does not run, shows nothing
    that could be told, or is as good as the reference comes as `Dropped` with its reason.

    Args:
        task: a proved task (with recorded results), or a twin.
        source: where mutants are executed.
        cache: of runs; a sequence of calls that ran before is not run again.
        entities: values that exist in the task's world.
        origin: of an `underspecified` or `infeasible` twin: the complete task behind it.
        seed: of the choice where an operator has more than `most` mutants.
        most: mutants of one operator that are tried on one task.
        say: makes the final message from the observed facts.

    Raises:
        GroundFault: the ground could not be opened. A server that dies in a mutant's call is a reason to drop the mutant.
    """
    material = Material(task, source.ground, tuple(entities), origin)
    trial = _Trial(task, source, cache or Cache(), say, entities)
    for operator in operators:
        made = list(operator.mutants(material))
        for number in _some(len(made), most, f"{seed}:{task.id}:{operator.id}"):
            yield trial.of(made[number])


def _some(count: int, most: int, key: str) -> list[int]:
    """Indices of the mutants that are tried."""
    return sorted(random.Random(key).sample(range(count), most)) if count > most else list(range(count))


def chosen(
    task: Task, source: GroundSource, cache: Cache | None = None, say: Report = final_message
) -> Trajectory | None:
    """The trajectory of the reference itself, as an agent would leave it; None where it does not run.

    Raises:
        GroundFault: the ground could not be opened or a server died.
    """
    trial = _Trial(task, source, cache or Cache(), say)
    played = trial.played(task.reference)
    return trial.trajectory(played, say(task, played.root)) if played.whole else None


def aligned(task: str, dropped: Iterable[Dropped], operators: Sequence[Operator] = OPERATORS) -> Counter[str]:
    """Operator to the number of its departures from one task that ran and that Acc_intent scored 1, so that they were dropped.

    Args:
        task: its id.
        dropped: all that was dropped of the task; what has another reason does not count.
        operators: those that were tried.
    """
    # a `Dropped` names its operator only within `what`, as `_dropped` writes it; ids of plug-ins may hold blanks
    names = sorted((operator.id for operator in operators), key=len, reverse=True)
    found: Counter[str] = Counter()
    for one in dropped:
        if one.stage == "negate" and one.reason == _AS_GOOD:
            rest = one.what.removeprefix(f"{task} ")
            found[next((name for name in names if rest.startswith(f"{name} ")), rest.partition(" ")[0])] += 1
    return found


@dataclass(slots=True)
class _Trial:
    """One task on which mutants are tried."""

    task: Task
    source: GroundSource
    cache: Cache
    say: Report
    entities: Sequence[Entity] = ()
    seen: dict[str, str] = field(default_factory=dict)

    def played(self, calls: Sequence[Call]) -> Played:
        if not calls:
            return Played((), (), None if self.task.reference_state is None else (), "", ())
        return self.cache.run(self.source, self.task, calls)

    def trajectory(self, played: Played, message: str) -> Trajectory:
        """What an agent leaves behind that made these calls; the same bytes whenever they run."""
        task = self.task
        literal = [call.model_dump(mode="json") for call in (*task.reference, *played.calls)]
        there = [one.model_dump(mode="json") for one in self.entities]
        known = canonical([task.request, list(task.recorded), literal, there])
        return steadied_run(_numbered(trajectory_of(task, played, message)), known, run_key(task))

    def of(self, mutant: Mutant) -> Negative | Dropped:
        """The mutant, executed and scored."""
        task = self.task
        content = canonical([[call.tool, call.arguments] for call in mutant.calls])
        if mutant.says is None and content in self.seen:
            return _dropped(task, mutant, "repeats another", self.seen[content])
        self.seen.setdefault(content, mutant.operator)
        try:
            played = self.played(mutant.calls)
        except ServerDied as error:
            return _dropped(task, mutant, "a server died", str(error))
        if not played.whole:
            return _dropped(task, mutant, "does not run", failure(played))
        message = mutant.says(task, played) if mutant.says else reported(task, played, self.say)
        if message is None:
            return _dropped(task, mutant, "shows", "nothing can be told in the place of an asked fact")
        trajectory = self.trajectory(played, message)
        tools = tools_of(task, self.source.ground)
        if invalid := [call.invalid for call in calls_made(trajectory, tools) if call.invalid]:
            return _dropped(task, mutant, "not schema-valid", invalid[0])
        on_task, on_intent = score(task, trajectory, self.source.ground)
        if on_intent.value == 1:
            return _dropped(task, mutant, _AS_GOOD, on_intent.reason)
        return Negative(
            task=task.id,
            operator=mutant.operator,
            call=mutant.call,
            argument=mutant.argument,
            was=mutant.was,
            made=mutant.made,
            declared=mutant.declared,
            observed=(on_task.value, on_intent.value),
            messages=trajectory.messages,
            end_state=trajectory.end_state,
            root=trajectory.root,
        )


def _dropped(task: Task, mutant: Mutant, reason: str, detail: str = "") -> Dropped:
    place = "" if mutant.call is None else f"{mutant.call}:{mutant.argument}"
    what = f"{task.id} {mutant.operator} {place} {_short(mutant.made)}".rstrip()
    return Dropped(stage="negate", what=what, reason=reason, detail=detail[:300])


def _short(value: JsonValue) -> str:
    return canonical(value)[:80]


def _numbered(trajectory: Trajectory) -> Trajectory:
    """The same with calls numbered as an agent's are: nothing in their ids says where they come from."""
    names: dict[str, str] = {}
    messages: list[Message] = []
    for message in trajectory.messages:
        if isinstance(message, Assistant):
            calls = []
            for call in message.tool_calls:
                names[call.id] = f"call-{len(names)}"
                calls.append(call.model_copy(update={"id": names[call.id]}))
            message = message.model_copy(update={"tool_calls": tuple(calls)})
        elif isinstance(message, ToolResult):
            message = message.model_copy(update={"call_id": names[message.call_id]})
        messages.append(message)
    return trajectory.model_copy(update={"messages": tuple(messages)})
