"""One step of each stage: what one input gives, out of the stages' own public functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rise_bench.check import prove
from rise_bench.model.oracle import final_message
from rise_bench.score import score
from rise_bench.score.calls import tools_of
from rise_bench.synth.chains.by_hand import asked_facts
from rise_bench.synth.chains.compose import Plan, compose
from rise_bench.synth.chains.reproduce import reproduce
from rise_bench.synth.context import Context
from rise_bench.synth.critical.decide import decide
from rise_bench.synth.gates.passing import passed
from rise_bench.synth.keys import chain_key
from rise_bench.synth.made import Listed, Parted, Proved, Recovered, Twin
from rise_bench.synth.negatives.execute import chosen, negatives
from rise_bench.synth.output.pairs import pair
from rise_bench.synth.output.training import Lesson, Rejected
from rise_bench.synth.primitives.entities import entities
from rise_bench.synth.primitives.propose import propose
from rise_bench.synth.recipe import Part
from rise_bench.synth.records import Chain, Draft, Dropped, Entity, Primitive, Proposal, World
from rise_bench.synth.requests.by_hand import twins_of
from rise_bench.synth.requests.endings import ending
from rise_bench.synth.requests.phrasebook import leaks
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.requests.twice import said_twice
from rise_bench.synth.requests.twins import infeasible, underspecified
from rise_bench.types import Task, Trajectory, canonical

__all__ = [
    "Pool",
    "author_step",
    "compose_step",
    "digest_of",
    "ground_step",
    "lesson_step",
    "listing_step",
    "propose_step",
    "prove_step",
    "recover_step",
    "reproduce_step",
    "twin_step",
]

_TWINS = ("underspecified", "infeasible")
_WORDINGS = 8
"""Among which the one is sought from which a value goes best."""


def digest_of(value: JsonValue) -> str:
    """16 hex digits of a value, for keys."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def listing_step(context: Context) -> Callable[[World], Iterator[Listed | Dropped]]:
    """World -> the values that exist in it."""

    def step(world: World) -> Iterator[Listed | Dropped]:
        yield Listed(world=world.digest(), entities=tuple(entities(context.source, world)))

    return step


def propose_step(
    context: Context, listed: dict[str, tuple[Entity, ...]]
) -> Callable[[tuple[World, str]], Iterator[Proposal | Dropped]]:
    """(world, tool) -> proposals; a tool of which nothing was proposed is a line of its own."""
    seed = context.loaded.recipe.seed

    def step(item: tuple[World, str]) -> Iterator[Proposal | Dropped]:
        world, tool = item
        made = 0
        for proposal in propose(world, [context.tools[tool]], listed[world.digest()], seed, context.proposer):
            made += 1
            yield proposal
        if not made:
            yield Dropped(stage="propose", what=f"{world.setup} {tool}", reason="nothing fits its arguments")

    return step


@dataclass(frozen=True, slots=True)
class Pool:
    """Primitives of one part of one world, and how many chains of them are wanted."""

    part: Part
    primitives: Sequence[Primitive]
    count: int


def compose_step(context: Context) -> Callable[[Pool], Iterator[Parted]]:
    """The primitives of a part of a world -> chains of them alone, each calls once."""
    recipe = context.loaded.recipe

    def step(pool: Pool) -> Iterator[Parted]:
        plan = Plan(count=pool.count, lengths=recipe.chains.lengths)
        seen: set[str] = set()
        for chain in compose(pool.primitives, context.tools, recipe.seed, plan):
            if (key := chain_key(chain)) not in seen:
                seen.add(key)
                yield Parted(part=pool.part, chain=chain)

    return step


def reproduce_step(context: Context) -> Callable[[Chain], Iterator[Chain | Dropped]]:
    """Virtual chain -> the chain as it ran end to end."""

    def step(chain: Chain) -> Iterator[Chain | Dropped]:
        yield reproduce(chain, context.source, context.varied)

    return step


def ground_step(
    context: Context, listed: dict[str, tuple[Entity, ...]], primitives: Sequence[Primitive]
) -> Callable[[Chain], Iterator[Draft | Dropped]]:
    """Chain -> a draft whose critical parameters were found by counterfactual execution."""

    def step(chain: Chain) -> Iterator[Draft | Dropped]:
        proposed = context.proposed_of(chain)
        try:
            asked = asked_facts(chain, proposed, context.tools)
        except LookupError as error:
            yield _lost(chain, "no rule finds what is asked for", str(error.args[0]))
            return
        found = decide(
            chain,
            asked,
            context.source,
            context.tools,
            context.cache,
            primitives=[one for one in primitives if one.world.setup == chain.world.setup],
            entities=listed[chain.world.digest()],
            dictated=context.dictated_in(chain),
        )
        if isinstance(found, Draft) and proposed and len(found.facts) < len(proposed.ask or ()):
            kept = ", ".join(str(fact.value) for fact in found.facts) or "none"
            yield _lost(chain, "an asked fact does not hold", f"kept: {kept}")
        else:
            yield found

    return step


def _lost(chain: Chain, reason: str, detail: str) -> Dropped:
    return Dropped(stage="ground", what=chain.digest(), reason=reason, detail=detail)


def author_step(context: Context) -> Callable[[Draft], Iterator[Draft | Dropped]]:
    """Draft -> the same in words, once or several times; each a task with an id of its own."""
    recipe = context.loaded.recipe

    def step(draft: Draft) -> Iterator[Draft | Dropped]:
        by_hand = recipe.requests.author == "hand"  # people know what they say
        if not by_hand and (twice := said_twice(draft.chain, context.tools)):
            key = chain_key(draft.chain)
            yield Dropped(stage="author", what=key, reason="says one thing twice", detail=twice)
            return
        author = context.author(draft.chain.world.setup)
        number = 0
        for one in author.author(draft, recipe.seed, recipe.requests.per_chain):
            if isinstance(one, Dropped):
                yield one
                continue
            yield one.model_copy(
                update={"task": one.task.model_copy(update={"id": _task_id(recipe.name, one, number)})}
            )
            number += 1

    return step


def _task_id(name: str, draft: Draft, number: int) -> str:
    servers = "-".join(dict.fromkeys(tool.partition(".")[0] for tool in draft.chain.tools))
    return f"{name}/{servers}-{chain_key(draft.chain)[:10]}{f'-w{number}' if number else ''}"


def recover_step(context: Context) -> Callable[[Draft], Iterator[Recovered | Dropped]]:
    """Draft with a request -> the same, if every critical value follows from it and it names no tool."""

    def step(draft: Draft) -> Iterator[Recovered | Dropped]:
        names = context.nicknames.get(draft.chain.world.setup, {})
        if named := leaks(draft.task.request, draft.chain.tools):
            yield Dropped(stage="recover", what=draft.task.id, reason="names a tool", detail=named)
            return
        found = recover(draft, context.tools, names, context.books)
        lost = [f"{one.call}:{one.argument}" for one in found if one.by == "none"]
        if lost:
            detail = f"{', '.join(lost)} in {draft.task.request[:200]!r}"
            yield Dropped(stage="recover", what=draft.task.id, reason="a value does not follow", detail=detail)
        else:
            yield Recovered(draft=draft, recoveries=found)

    return step


def prove_step(context: Context) -> Callable[[Task], Iterator[Proved | Dropped]]:
    """Task -> the task as it was proved live, twice and differently, with its critical mutations."""

    def step(task: Task) -> Iterator[Proved | Dropped]:
        proof = prove(task, context.source, context.varied, context.cache.run)
        if proof.holds:
            yield Proved(task=proof.task, mutations=proof.mutations)
            return
        refused = [finding.what for finding in proof.findings if finding.severity == "refused"]
        yield Dropped(stage="gate", what=task.id, reason=f"not proved: {_kind(refused[0])}", detail=refused[0])

    return step


def _kind(refusal: str) -> str:
    """A refusal without what is particular in it, for counting: its words up to the first that names something."""
    words: list[str] = []
    for word in refusal.split()[:7]:
        if any(character in word for character in "/'\"0123456789:_."):
            break
        words.append(word)
    return " ".join(words) or "other"


def twin_step(
    context: Context, listed: dict[str, tuple[Entity, ...]]
) -> Callable[[Recovered], Iterator[Twin | Dropped]]:
    """Draft -> its twins: those that a person wrote, else those that follow by rule."""
    shown: dict[str, str] = {}

    def step(item: Recovered) -> Iterator[Twin | Dropped]:
        draft = item.draft
        written = context.written.get(chain_key(draft.chain)) if draft.author == "hand" else None
        made: Iterator[Task | Dropped]
        if draft.author == "hand":
            made = twins_of(draft, written) if written else iter(())
        else:
            made = _by_rule(context, draft, listed, shown)
        names: dict[str, int] = {}
        for twin in made:
            if isinstance(twin, Dropped):
                yield twin
                continue
            number = names[twin.id] = names.get(twin.id, 0) + 1
            told = twin if number == 1 else twin.model_copy(update={"id": f"{twin.id}-{number}"})
            yield Twin(origin=draft.task.id, task=told)

    return step


def _by_rule(
    context: Context, draft: Draft, listed: dict[str, tuple[Entity, ...]], shown: dict[str, str]
) -> Iterator[Task | Dropped]:
    wanted = context.loaded.recipe.twins
    if wanted.underspecified:
        setup = draft.chain.world.setup
        names = context.nicknames.get(setup, {})
        others: Iterator[Draft | Dropped] = iter(())
        if draft.author == "phrasebook":  # more words cost nothing, and some go more easily than others
            others = context.author(setup).author(draft, context.loaded.recipe.seed, _WORDINGS)
        yield from underspecified(
            draft,
            context.source,
            listed[draft.chain.world.digest()],
            wordings=[one for one in others if isinstance(one, Draft)],
            books=context.books,
            follows=lambda one: recover(one, context.tools, names, context.books),
            shown=shown,
        )
    if wanted.infeasible:
        yield infeasible(draft.task, context.ground)


def _misjudged(task: Task, run: Trajectory, context: Context) -> str:
    """What the scorers say of a twin's right end where they do not take it for right; empty where they do."""
    verdicts = score(task, run, context.ground)
    said = run.messages[-1].content
    return "" if all(one.value == 1 for one in verdicts) else f"{verdicts[0].reason}: {said}"


def lesson_step(
    context: Context, listed: dict[str, tuple[Entity, ...]]
) -> Callable[[tuple[Task, Task | None, World]], Iterator[Lesson | Dropped]]:
    """(task, the complete one behind a twin, world) -> its reference run with the executed departures from it.

    A departure that passes no gate, or from which no pair can be made, is a line of its own. What is
    observed and what its operator declares both stay on record.
    """
    recipe = context.loaded.recipe

    def step(item: tuple[Task, Task | None, World]) -> Iterator[Lesson | Dropped]:
        task, origin, world = item
        say = (lambda told, root: ending(told, recipe.seed)) if task.kind in _TWINS else final_message
        run = chosen(task, context.source, context.cache, say)
        if run is None:
            yield Dropped(stage="negate", what=task.id, reason="the reference does not run any more")
            return
        if task.kind in _TWINS and (why := _misjudged(task, run, context)):
            yield Dropped(stage="negate", what=task.id, reason="the right end is not scored so", detail=why)
            return
        tools = tools_of(task, context.ground)
        judges = [context.judge] if context.judge else []
        rejected: list[Rejected] = []
        for one in negatives(
            task,
            context.source,
            cache=context.cache,
            entities=listed[world.digest()],
            operators=context.operators,
            origin=origin,
            seed=recipe.seed,
            most=recipe.negatives.per_operator,
        ):
            gone = one if isinstance(one, Dropped) else passed(task, one, tools, judges=judges)
            if isinstance(one, Dropped) or gone is not None:
                assert gone is not None
                yield gone
                continue
            made = pair(run, one)
            if isinstance(made, Dropped):
                yield made
            else:
                rejected.append(Rejected(negative=one, pair=made))
        yield Lesson(task=task.id, chosen=run, rejected=tuple(rejected))

    return step
