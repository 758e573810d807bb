"""Which arguments of a chain are intent-critical, found by running it with each of them otherwise (DESIGN 5.3).

An argument is consequential iff some slip in it that runs leads to another outcome: another end state, another fact, or
another value that a later call takes. Echoes in results do not count, and a slip that fails does not either: everybody
sees it. Wording that users leave open (a closing remark, a description) is free; a title, message or content is critical
as text, so the request has to state it word by word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.check import prove_recorded
from rise_bench.errors import ServerDied
from rise_bench.model.oracle import final_message
from rise_bench.mutations import mutated
from rise_bench.played import Played, failure, trajectory_of
from rise_bench.refs import unescape
from rise_bench.score import score
from rise_bench.score.answer import is_value_of
from rise_bench.synth.cache import Cache
from rise_bench.synth.critical.leaves import Leaf, is_wording, kind_of, leaves
from rise_bench.synth.critical.neighbours import Neighbours
from rise_bench.synth.critical.outcome import Outcome, told
from rise_bench.synth.critical.slips import slips
from rise_bench.synth.records import Chain, Counterfactual, Decision, Draft, Dropped, Entity, Primitive
from rise_bench.types import (
    Call,
    Critical,
    Fact,
    GroundSource,
    Intent,
    MatchKind,
    StateChange,
    Task,
    Tool,
    canonical,
)

__all__ = ["decide"]

_ENOUGH = 2
"""Slips with another outcome that settle that an argument is consequential."""
_NEAR = 4
_COMPETING = 12
_PLACEHOLDER = "(the request is written later)"


def decide(
    chain: Chain,
    facts: Sequence[Fact],
    source: GroundSource,
    tools: Mapping[str, Tool],
    cache: Cache,
    *,
    primitives: Iterable[Primitive] = (),
    entities: Iterable[Entity] = (),
    dictated: Collection[tuple[int, str]] = (),
) -> Draft | Dropped:
    """The chain as a task that lacks only its request, with the evidence for each critical argument; or why it is none.

    The task is proved as `tasks check` proves those written by hand, from the same runs. Reasons of drops: `does not run`,
    `no outcome`, `nothing critical`, `not proved`.

    Args:
        chain: ran end to end: `recorded`, `volatile` and `state` are there.
        facts: what could be asked; those that do not hold on the texts that an agent sees are left out.
        source: live ground.
        tools: by id.
        cache: where runs are kept.
        primitives: verified calls; the arguments of those on the same fixture are slips that exist.
        entities: values that servers list; those of the same world are slips that exist.
        dictated: (call, pointer) of free texts that the request, known beforehand, gives word for word.

    Raises:
        GroundFault: the ground could not be opened.
        InputError: the cache cannot be read or written.
    """
    task = _task(chain, tools)
    base = cache.run(source, task, chain.calls)
    if not base.whole:
        return _dropped(chain, "does not run", failure(base))
    asked = told(facts, base)
    neighbours, places = Neighbours(chain, primitives, entities), leaves(chain, tools)
    while True:
        if not asked and not any(change.match != "any" for change in chain.state or ()):
            return _dropped(chain, "no outcome", _without_outcome(told(facts, base), len(facts)))
        trials = _Trials(chain, task.model_copy(update={"answer": asked}), base, source, cache, frozenset(dictated))
        if all(tools[call.tool].effect == "read" for call in chain.calls):
            cache.run_reads(
                source, task, _slipped(chain, [leaf for leaf in places if not trials.open(leaf)], neighbours)
            )
        found = [trials.of(leaf, neighbours) for leaf in places]
        weak = trials.hidden - trials.shown
        if not weak:
            break
        asked = tuple(fact for number, fact in enumerate(asked) if number not in weak)
    critical = tuple(one.critical for one in found if one.critical is not None)
    decisions = tuple(one.decision for one in found)
    if not critical:
        return _dropped(chain, "nothing critical", _in_vain(decisions))
    intent = Intent(
        critical=critical,
        after=tuple((a, b) for a, b in chain.after if tools[chain.calls[a].tool].effect != "read"),
        free=tuple((one.decision.call, one.decision.argument) for one in found if one.free),
    )
    task = trials.task.model_copy(update={"intent": intent, "cluster": _cluster(chain, critical, tools)})
    return _proved(chain, task, trials, decisions)


def _proved(chain: Chain, task: Task, trials: _Trials, decisions: tuple[Decision, ...]) -> Draft | Dropped:
    """The draft, if the task holds as one written by hand must, and still does with all competing values in its facts."""
    proof = prove_recorded(task, trials.source, trials.base, trials.cache.run)
    if not proof.holds:
        refused = next(finding for finding in proof.findings if finding.severity == "refused")
        return _dropped(chain, "not proved", refused.what)
    task = proof.task.model_copy(update={"answer": _with_competing(task.answer, trials)})
    message = final_message(task, trials.base.root)
    for verdict in score(task, trajectory_of(task, trials.base, message), trials.source.ground):
        if verdict.value != 1:
            return _dropped(chain, "not proved", f"with competing values its reference scores {verdict.reason}")
    return Draft(chain=chain, decisions=decisions, facts=task.answer, task=task.model_copy(update={"request": ""}))


def _without_outcome(kept: Sequence[Fact], possible: int) -> str:
    """Why nothing is left to ask for."""
    said = "changes nothing that stays the same, and "
    if kept:
        values = ", ".join(str(fact.value) for fact in kept)
        return f"{said}what could be asked stands in the results of every slip as well: {values}"
    if possible:
        return f"{said}of the facts asked for none follows from the texts of its results, stated in a plain sentence"
    return f"{said}no result can be asked for"


def _in_vain(decisions: Sequence[Decision]) -> str:
    """How many slips were tried and how many of them did not run, with the first two failures in short."""
    tried = [(one, seen) for one in decisions for seen in one.tried]
    failed = [(one, seen) for one, seen in tried if not seen.ran]
    said = f"{len(tried)} slips tried in {len(decisions)} arguments, {len(failed)} of them did not run"
    for one, seen in failed[:2]:
        value = seen.value if isinstance(seen.value, str) else canonical(seen.value)
        said += f"; {one.argument} {value[:30]!r}: {' '.join(seen.where.split())[:70]}"
    return said


def _slipped(chain: Chain, places: Sequence[Leaf], neighbours: Neighbours) -> list[list[Call]]:
    """The chain with every slip that may be tried."""
    return [_replaced(chain, leaf, value) for leaf in places for value in slips(leaf, neighbours.of(leaf))]


def _replaced(chain: Chain, leaf: Leaf, value: JsonValue) -> list[Call]:
    calls = list(chain.calls)
    calls[leaf.call] = mutated(calls[leaf.call], leaf.pointer, value)
    return calls


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found of one leaf."""

    decision: Decision
    critical: Critical | None = None
    free: bool = False


@dataclass(slots=True)
class _Trials:
    """Runs of a chain with one argument otherwise, each held against the honest run."""

    chain: Chain
    task: Task
    base: Played
    source: GroundSource
    cache: Cache
    dictated: frozenset[tuple[int, str]]
    ran: list[Played] = field(default_factory=list)
    """Runs with a slip in which every call succeeded."""
    hidden: set[int] = field(default_factory=set)
    """Numbers of facts that changed with an argument none of whose slips is told from the reference."""
    shown: set[int] = field(default_factory=set)
    """Numbers of facts that a slip leaves without support."""
    outcome: Outcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = Outcome(self.chain, self.base, self.task.answer)

    def open(self, leaf: Leaf) -> bool:
        """Is it a text whose wording the user leaves open?"""
        return is_wording(leaf) and (leaf.call, leaf.pointer) not in self.dictated

    def of(self, leaf: Leaf, neighbours: Neighbours) -> _Found:
        """Is the leaf critical, and why?"""
        if self.open(leaf):
            return _Found(Decision(call=leaf.call, argument=leaf.pointer, consequential=False), free=True)
        tried: list[Counterfactual] = []
        near: list[JsonValue] = []
        accept: list[JsonValue] = []
        hidden: set[int] = set()
        for value in slips(leaf, neighbours.of(leaf)):
            seen, played = self._with(leaf, value)
            tried.append(seen)
            if seen.ran and seen.changed == "nothing" and kind_of(leaf) == "enum":
                accept.append(value)
            if _counts(seen) and played is not None:
                if self._shows(played):
                    near.append(value)
                    self.shown |= self.outcome.unsupported(played, final_message(self.task, played.root))
                else:
                    hidden |= self.outcome.changed_facts(played)
            if len(near) >= _ENOUGH:
                break
        critical = None
        if near:
            critical = self._critical(leaf, near, accept, tried)
        else:
            self.hidden |= hidden
        decision = Decision(
            call=leaf.call,
            argument=leaf.pointer,
            bound=bool(leaf.bound),
            consequential=any(_counts(seen) for seen in tried),
            tried=tuple(tried),
        )
        return _Found(decision, critical)

    def _critical(
        self, leaf: Leaf, near: list[JsonValue], accept: list[JsonValue], tried: list[Counterfactual]
    ) -> Critical:
        """The parameter; whether the order of its list matters and whether it may be left out is tried as well."""
        kind: MatchKind = kind_of(leaf)
        if kind in ("set", "path", "text") and isinstance(leaf.value, list) and len(leaf.value) > 1:
            turned, _ = self._with(leaf, leaf.value[::-1])
            tried.append(turned)
            kind = "set" if turned.changed == "nothing" else "exact"
        optional = False
        if leaf.optional and leaf.pointer.count("/") == 1:
            without, _ = self._without(leaf)
            tried.append(without)
            optional = without.changed == "nothing"
        return Critical(
            call=leaf.call,
            argument=leaf.pointer,
            match=kind,
            near=tuple(near[:_NEAR]),
            accept=tuple(accept),
            optional=optional,
        )

    def _with(self, leaf: Leaf, value: JsonValue) -> tuple[Counterfactual, Played | None]:
        return self._seen(value, _replaced(self.chain, leaf, value))

    def _without(self, leaf: Leaf) -> tuple[Counterfactual, Played | None]:
        calls = list(self.chain.calls)
        call, name = calls[leaf.call], unescape(leaf.pointer[1:])
        kept = {key: value for key, value in call.arguments.items() if key != name}
        calls[leaf.call] = call.model_copy(update={"arguments": kept})
        seen, played = self._seen(None, calls)
        return seen.model_copy(update={"where": f"left out {seen.where}".strip()}), played

    def _seen(self, value: JsonValue, calls: Sequence[Call]) -> tuple[Counterfactual, Played | None]:
        try:
            played = self.cache.run(self.source, self.task, calls)
        except ServerDied as error:
            return Counterfactual(value=value, ran=False, changed="does not run", where=error.what), None
        if not played.whole:
            return Counterfactual(value=value, ran=False, changed="does not run", where=failure(played)), None
        self.ran.append(played)
        changed, where = self.outcome.against(played)
        return Counterfactual(value=value, ran=True, changed=changed, where=where), played

    def _shows(self, played: Played) -> bool:
        """Would the scorers tell it from the reference, were the reference's facts told after it?"""
        message = final_message(self.task, played.root)
        verdict = score(self.task, trajectory_of(self.task, played, message), self.source.ground)[1]
        return not verdict.details.get("outcome_equal")


def _counts(seen: Counterfactual) -> bool:
    return seen.changed in ("state", "fact", "later call")


def _with_competing(facts: Sequence[Fact], trials: _Trials) -> tuple[Fact, ...]:
    """The facts, each with what runs with a slip would have told in its place; what another fact says is no rival."""
    found: list[Fact] = []
    for number, fact in enumerate(facts):
        rivals: dict[str, JsonValue] = {}
        for played in trials.ran:
            for value in trials.outcome.rivals(played, number):
                if not any(is_value_of(value, other) for other in facts):
                    rivals.setdefault(canonical(value), value)
        found.append(fact.model_copy(update={"competing": tuple(rivals[key] for key in sorted(rivals))[:_COMPETING]}))
    return tuple(found)


def _task(chain: Chain, tools: Mapping[str, Tool]) -> Task:
    """The task as far as the chain alone says it."""
    identity = hashlib.sha256(canonical([chain.world.model_dump(mode="json"), _plain(chain)]).encode()).hexdigest()
    state: tuple[StateChange, ...] | None = chain.state
    return Task(
        id=f"{chain.world.setup}/{identity[:16]}",
        request=_PLACEHOLDER,
        now=chain.world.now,
        servers=_offered(chain, tools, identity),
        setup=chain.world.setup,
        reference=chain.calls,
        recorded=chain.recorded,
        volatile=chain.volatile,
        reference_state=state,
    )


def _plain(chain: Chain) -> list[JsonValue]:
    return [[call.tool, dict(call.arguments)] for call in chain.calls]


_DECOYS = 2
"""Servers of the world that are offered although nobody needs them: those with siblings of the tools needed first."""


def _offered(chain: Chain, tools: Mapping[str, Tool], identity: str) -> tuple[str, ...]:
    """Servers of the chain, then the decoys, drawn by the chain."""
    used = list(dict.fromkeys(call.tool.partition(".")[0] for call in chain.calls))
    groups = {tools[call.tool].function_group for call in chain.calls if call.tool in tools}
    alike = {tool.server for tool in tools.values() if tool.function_group in groups}

    def order(server: str) -> tuple[bool, str]:
        return server not in alike, hashlib.sha256(f"{identity} {server}".encode()).hexdigest()

    others = sorted((server for server in chain.world.servers if server not in used), key=order)
    return (*used, *others[:_DECOYS])


def _cluster(chain: Chain, critical: Sequence[Critical], tools: Mapping[str, Tool]) -> str:
    """Fixture and server of the deciding call: the last critical one that changes something, else the last critical one."""
    calls = sorted({item.call for item in critical})
    acting = [number for number in calls if tools[chain.calls[number].tool].effect != "read"]
    deciding = chain.calls[(acting or calls)[-1]].tool
    return f"{chain.world.setup}/{deciding.partition('.')[0]}"


def _dropped(chain: Chain, reason: str, detail: str) -> Dropped:
    return Dropped(stage="ground", what=chain.digest(), reason=reason, detail=detail[:300])
