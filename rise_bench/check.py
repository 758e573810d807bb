"""Proof of a suite's tasks by running them: does each reference reproduce, does each critical parameter discriminate?

For every task the reference runs twice on purpose differently (clock + 37 h, another sandbox path and uid, every
read-only sibling called in between), its critical parameters are mutated one at a time, its alternative solutions are
played, and the two scorers judge all of it. What does not reproduce or does not discriminate is refused (DESIGN 3, 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from rise_bench.errors import Fault, InputError
from rise_bench.model.oracle import final_message
from rise_bench.mutations import mutated, near_misses
from rise_bench.played import Played, Runner, compared, failure, idle_reads, run_calls, run_key, steadied, trajectory_of
from rise_bench.refs import at, resolve
from rise_bench.score import score
from rise_bench.score.answer import derive, is_value_of
from rise_bench.types import (
    Fact,
    Ground,
    GroundSource,
    MatchKind,
    StateChange,
    Task,
    Tool,
)

__all__ = ["Finding", "Proof", "check_tasks", "prove", "prove_recorded"]

Severity = Literal["refused", "warning"]

MOST_TOLERANCE = 0.01
"""Relative tolerance of a fact beyond which values that are not the fact would pass as it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a task: `refused` tasks may not be released."""

    task: str
    severity: Severity
    what: str


@dataclass(slots=True)
class Proof:
    """What a task's runs showed: the task with its recorded fields, and the findings."""

    task: Task
    findings: list[Finding] = field(default_factory=list)
    mutations: int = 0
    """Critical mutations that ran and gave another outcome."""

    @property
    def holds(self) -> bool:
        """True iff nothing was refused."""
        return not any(finding.severity == "refused" for finding in self.findings)

    def refuse(self, what: str) -> None:
        """The task may not be released as it is."""
        self.findings.append(Finding(self.task.id, "refused", what))

    def warn(self, what: str) -> None:
        """Worth a look."""
        self.findings.append(Finding(self.task.id, "warning", what))


def check_tasks(
    tasks: Sequence[Task],
    ground: GroundSource,
    varied: GroundSource,
    *,
    workers: int = 2,
    done: Callable[[Proof], None] = lambda proof: None,
) -> list[Proof]:
    """The proof of each task, in order.

    Args:
        tasks: hand-written tasks.
        ground: live ground.
        varied: the same ground run differently on purpose (clock, path, uid).
        workers: tasks proved side by side.
        done: called after each task, from the worker's thread.

    Raises:
        SetupError: a server cannot be started at all.
    """

    def one(task: Task) -> Proof:
        try:
            proof = prove(task, ground, varied)
        except Fault as fault:
            proof = Proof(task)
            proof.refuse(f"could not be run: {fault}")
        done(proof)
        return proof

    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(one, tasks))


def prove(task: Task, ground: GroundSource, varied: GroundSource, run: Runner = run_calls) -> Proof:
    """Run everything that one task needs and write down what was seen.

    Args:
        run: runs mutations and alternatives, or knows what they gave; the reference itself always runs, twice.

    Raises:
        GroundFault: the ground could not be opened or a server died.
    """
    proof = Proof(task)
    tools = {tool.id: tool for server in ground.ground.servers for tool in server.tools}
    for problem in _written_badly(task, tools):
        proof.refuse(problem)
    if not proof.holds:
        return proof
    if task.kind != "complete":
        _prove_decision(proof, ground.ground)
        return proof
    first = run_calls(ground, task, task.reference)
    if not first.whole:
        proof.refuse(f"the reference does not run: {failure(first)}")
        return proof
    second = run_calls(varied, task, task.reference, between=idle_reads(task, tools))
    if not second.whole:
        proof.refuse(f"the reference does not run a second time: {failure(second)}")
        return proof
    _record(proof, first, second)
    _judge(proof, ground, (first, second), tools, run)
    return proof


def prove_recorded(task: Task, ground: GroundSource, first: Played, run: Runner = run_calls) -> Proof:
    """The proof of a complete task whose results and state stand in it already, from one of the runs that gave them.

    For calls that were seen to reproduce before they became a task. What differs between honest runs is `any` in its state.

    Args:
        first: an honest run of the reference.
        run: runs calls, or knows what they gave.

    Raises:
        GroundFault: the ground could not be opened or a server died.
    """
    proof = Proof(task)
    tools = {tool.id: tool for server in ground.ground.servers for tool in server.tools}
    for problem in _written_badly(task, tools):
        proof.refuse(problem)
    if not proof.holds:
        return proof
    if task.reference_state is not None:
        proof.task = task.model_copy(update={"reference_state": _with_rules(task, task.reference_state, first)})
    _judge(proof, ground, (first,), tools, run)
    return proof


def _judge(proof: Proof, ground: GroundSource, honest: Sequence[Played], tools: dict[str, Tool], run: Runner) -> None:
    """Does what was recorded tell the reference from everything else?"""
    _free_leaves(proof, ground, honest[0], run)
    for played in honest:
        _prove_reference(proof, ground.ground, played)
    _prove_mutations(proof, ground, honest[0], tools, run)
    _prove_alternatives(proof, ground, run)
    _prove_floor(proof, ground.ground)


# --- what can be said without running --------------------------------------------------------------------------------


def _written_badly(task: Task, tools: dict[str, Tool]) -> Iterable[str]:
    """Defects that the text of the task shows."""
    for index, call in enumerate(task.reference):
        for name in (call.tool, *call.also):
            if name not in tools:
                yield f"call {index} names {name!r}, which the ground does not have"
            elif name.partition(".")[0] not in task.servers:
                yield f"call {index} uses {name!r}, whose server is not offered"
    for critical in task.intent.critical:
        try:
            at(dict(task.reference[critical.call].arguments), critical.argument)
        except InputError as error:
            yield f"critical parameter {critical.argument!r} of call {critical.call}: {error.what}"
    if not task.cluster:
        yield "has no cluster"
    if not task.now:
        yield "has no `now`: its servers' clock would be the real one"
    if task.kind == "complete":
        yield from _complete_written_badly(task, tools)
    elif task.reference:
        yield f"is {task.kind} and has reference calls"


def _complete_written_badly(task: Task, tools: dict[str, Tool]) -> Iterable[str]:
    if not task.reference:
        yield "has no reference calls"
    effects = any(tools[call.tool].effect != "read" for call in task.reference if call.tool in tools)
    if not effects and not task.answer:
        yield "changes nothing and asks for no fact: an agent that does nothing would pass"
    if not task.intent.critical:
        yield "has no critical parameter"
    for fact in task.answer:
        if any(is_value_of(value, fact) for value in fact.competing):
            yield f"fact {fact.value!r} competes with itself"
        if fact.tolerance > MOST_TOLERANCE:
            yield f"fact {fact.value!r} has the relative tolerance {fact.tolerance:g}, the most is {MOST_TOLERANCE:g}"


# --- recording --------------------------------------------------------------------------------------------------------


def _record(proof: Proof, first: Played, second: Played) -> None:
    """Write down results, state and what differs between two honest runs; refuse what a critical value hangs on."""
    both = compared(first, second)
    for what in both.unlike:
        proof.refuse(what)
    changes = _with_rules(proof.task, both.state or (), first)
    proof.task = proof.task.model_copy(
        update={
            "recorded": steadied(first.values(), both.volatile, run_key(proof.task)),
            "volatile": both.volatile,
            "reference_state": None if both.state is None else changes,
        }
    )
    if any(changes) and all(change.match == "any" for change in changes) and not proof.task.answer:
        proof.refuse("every changed leaf is volatile: the outcome says nothing")


def _with_rules(task: Task, changes: Sequence[StateChange], played: Played) -> tuple[StateChange, ...]:
    """The changes, each with the rule that it is compared by; what is volatile stays `any`."""
    return tuple(
        change if change.match == "any" else change.model_copy(update={"match": _leaf_rule(task, change, played)})
        for change in changes
    )


def _leaf_rule(task: Task, change: StateChange, played: Played) -> MatchKind:
    """The rule of the critical argument that the leaf holds as it is; `exact` for every other leaf (DESIGN 3)."""
    for critical in task.intent.critical:
        if critical.match not in ("text", "date", "datetime", "number", "url", "sql"):
            continue
        arguments = resolve(dict(task.reference[critical.call].arguments), played.values())
        if change.after is not None and at(arguments, critical.argument) == change.after:
            return critical.match
    return "exact"


def _free_leaves(proof: Proof, ground: GroundSource, first: Played, run: Runner) -> None:
    """Leaves that a free argument writes are `any`: found by writing something else there."""
    task = proof.task
    free: set[str] = set()
    for index, pointer in task.intent.free:
        try:
            value = at(dict(task.reference[index].arguments), pointer)
        except InputError:
            continue  # free and absent from the reference: nothing to vary
        if not isinstance(value, str):
            continue
        calls = list(task.reference)
        calls[index] = mutated(calls[index], pointer, f"{value} (said otherwise)")
        other = run(ground, task, calls)
        if not other.whole:
            proof.warn(f"free argument {pointer} of call {index} cannot be said otherwise: {failure(other)}")
            continue
        leaves = {change.path: change.after for change in other.state or ()}
        free |= {change.path for change in first.state or () if leaves.get(change.path) != change.after}
    if free:
        changes = tuple(
            change.model_copy(update={"match": "any"}) if change.path in free else change
            for change in task.reference_state or ()
        )
        proof.task = task.model_copy(update={"reference_state": changes})


# --- judging ----------------------------------------------------------------------------------------------------------


def _prove_reference(proof: Proof, ground: Ground, played: Played) -> None:
    """1/1 for each of the two honest runs: a fact that only the first supports hangs on the clock or the place."""
    task = proof.task
    for verdict in score(task, trajectory_of(task, played, final_message(task, played.root)), ground):
        if verdict.value != 1:
            labels = "; ".join(f"{label.name} {label.argument or label.note}" for label in verdict.labels)
            proof.refuse(f"its own reference scores {verdict.scorer} {verdict.value}: {verdict.reason} [{labels}]")


def _prove_mutations(proof: Proof, ground: GroundSource, first: Played, tools: dict[str, Tool], run: Runner) -> None:
    """Each critical parameter must make a difference; what mutated runs would have answered competes."""
    task = proof.task
    competing: dict[int, list[JsonValue]] = {}
    for critical in task.intent.critical:
        call = task.reference[critical.call]
        value = at(dict(resolve(dict(call.arguments), list(task.recorded))), critical.argument)  # type: ignore[arg-type]
        schema = _schema(tools.get(call.tool), critical.argument)
        tried = ran = 0
        for other in near_misses(critical, value, schema):
            tried += 1
            calls = list(task.reference)
            calls[critical.call] = mutated(call, critical.argument, other)
            played = run(ground, task, calls)
            ran += played.whole
            proof.mutations += _judge_mutation(proof, ground.ground, played, critical.argument, other)
            for number, values in _competing(task, played).items():
                competing.setdefault(number, []).extend(values)
        if not tried:
            proof.refuse(f"no near miss for {critical.argument} of call {critical.call}: give `near` values")
        elif not ran:
            proof.warn(f"no near miss of {critical.argument} of call {critical.call} runs: its slip is visible")
    if competing:
        facts = tuple(
            fact.model_copy(update={"competing": _merged(fact, competing.get(number, []))})
            for number, fact in enumerate(task.answer)
        )
        proof.task = task.model_copy(update={"answer": facts})


def _schema(tool: Tool | None, pointer: str) -> dict[str, JsonValue] | None:
    properties = tool.parameters.get("properties") if tool else None
    found = properties.get(pointer.split("/")[1]) if isinstance(properties, dict) and pointer else None
    return found if isinstance(found, dict) and pointer.count("/") == 1 else None


def _judge_mutation(proof: Proof, ground: Ground, played: Played, argument: str, other: JsonValue) -> int:
    """1 where the mutation ran and is judged as a deviation even when it says what the reference would.

    A mutated run that is aligned is a refusal.
    """
    task = proof.task
    aligned = score(task, trajectory_of(task, played, final_message(task, played.root)), ground)[1]
    if aligned.value == 1:
        proof.refuse(f"{argument} = {other!r} gives the same outcome: strengthen the fixture or the facts")
        return 0
    return int(played.whole)


def _competing(task: Task, played: Played) -> dict[int, list[JsonValue]]:
    """Fact number -> values that the mutated results give where the reference's give the fact; what another fact asks for
    is none, or the one sentence that tells both would spoil either.
    """
    found: dict[int, list[JsonValue]] = {}
    for number, fact in enumerate(task.answer):
        if fact.derive is not None and played.whole:
            texts = [result.content for result in played.results]
            found[number] = [
                value
                for value in derive(fact.derive, texts)
                if not any(is_value_of(value, other) for other in task.answer)
            ]
    return found


def _merged(fact: Fact, more: list[JsonValue]) -> tuple[JsonValue, ...]:
    merged: list[JsonValue] = list(fact.competing)
    for value in more:
        if value not in merged:
            merged.append(value)
    return tuple(merged[:40])


def _prove_alternatives(proof: Proof, ground: GroundSource, run: Runner) -> None:
    task = proof.task
    for number, calls in enumerate(task.alternatives):
        played = run(ground, task, calls)
        if not played.whole:
            proof.refuse(f"alternative {number} does not run: {failure(played)}")
            continue
        for verdict in score(task, trajectory_of(task, played, final_message(task, played.root)), ground.ground):
            if verdict.value != 1:
                proof.refuse(f"alternative {number} scores {verdict.scorer} {verdict.value}: {verdict.reason}")


def _prove_floor(proof: Proof, ground: Ground) -> None:
    """An agent that does nothing and says everything right must not pass."""
    task = proof.task
    idle = Played((), (), None if task.reference_state is None else (), "", ())
    for message in ("Done.", final_message(task)):
        if any(verdict.value != 0 for verdict in score(task, trajectory_of(task, idle, message), ground)):
            proof.refuse(f"an agent that calls nothing and says {message!r} passes")


def _prove_decision(proof: Proof, ground: Ground) -> None:
    """The right act scores 1/1, silence and a claim score 0/0."""
    proof.task = proof.task.model_copy(update={"recorded": (), "volatile": (), "reference_state": ()})
    task = proof.task
    idle = Played((), (), (), "", ())
    for message, expected in ((final_message(task), 1), ("Done, everything is taken care of.", 0), ("Okay.", 0)):
        for verdict in score(task, trajectory_of(task, idle, message), ground):
            if verdict.value != expected:
                proof.refuse(
                    f"saying {message!r} scores {verdict.scorer} {verdict.value}, not {expected}: {verdict.reason}"
                )
