"""Chains that people propose: reviewed YAML files of calls, which are run and proved as those that are composed are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.refs import bindings, resolve
from rise_bench.score.answer import is_value_of
from rise_bench.store import read_yaml
from rise_bench.synth.chains.pieces import shape_of
from rise_bench.synth.facts.choice import facts_of, possible_facts
from rise_bench.synth.keys import chain_key
from rise_bench.synth.records import Chain, Edge, Primitive, World
from rise_bench.types import Call, Fact, Record, Tool, canonical

__all__ = ["ProposedChain", "asked_facts", "load_proposed", "primitives_of"]

R = TypeVar("R", bound=Record)


def _fact_or_value(wanted: object) -> object:
    """A fact where it looks like one, so that what is wrong with it is said of the fact."""
    if not isinstance(wanted, Mapping):
        return wanted
    try:
        return Fact.model_validate(wanted)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}") from None


class ProposedChain(Record):
    """Calls that somebody would want made, and what they would want to be told."""

    calls: tuple[Call, ...] = Field(min_length=1, max_length=8)
    """Bound by `$ref` where a value flows."""
    after: tuple[tuple[int, int], ...] = ()
    """Order besides that of bindings: (earlier, later)."""
    ask: tuple[Annotated[Fact | JsonValue, BeforeValidator(_fact_or_value)], ...] | None = None
    """Values of the results that are asked for, or whole facts; empty = nothing; None = whatever is most telling."""

    def chain(self, world: World) -> Chain:
        """The virtual chain in a world."""
        edges: list[Edge] = []
        for number, call in enumerate(self.calls):
            for argument, producer, pointer in bindings(dict(call.arguments)):
                edges.append(Edge(producer=producer, pointer=pointer, consumer=number, argument=argument))
        ties = [*((edge.producer, edge.consumer) for edge in edges), *self.after]
        shape = shape_of(len(self.calls), ties)
        return Chain(world=world, calls=self.calls, primitives=(), edges=tuple(edges), after=self.after, shape=shape)


class _File(Record):
    """Proposed chains of one fixture."""

    setup: str
    chains: tuple[Any, ...] = ()


def load_proposed(folder: Path, worlds: Sequence[World]) -> dict[str, tuple[Chain, ProposedChain]]:
    """Chain key to the virtual chain and what was written of it, of all `*.yaml` in a folder.

    A chain runs in the first world with its fixture whose servers are all that it calls.

    Raises:
        InputError: a file cannot be read, a chain is none, stands there twice, or there is no world for it.
    """
    found: dict[str, tuple[Chain, ProposedChain]] = {}
    for path in sorted(folder.glob("*.yaml")):
        head = _validated(_File, read_yaml(path), str(path))
        for number, item in enumerate(head.chains):
            where = f"{path} [{number}]"
            proposed = _validated(ProposedChain, item, where)
            chain = proposed.chain(_world(proposed, head.setup, worlds, where))
            _refuse_forward(chain, where)
            key = chain_key(chain)
            if key in found:
                raise InputError(f"chain {key} stands there twice", where=where, remedy="keep one of them")
            found[key] = (chain, proposed)
    return found


def _validated(kind: type[R], value: object, where: str) -> R:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        line = f"{field}: {message}" if field else message
        raise InputError(line, where=where, remedy="see docs/synthesis.md") from None


def _world(proposed: ProposedChain, setup: str, worlds: Sequence[World], where: str) -> World:
    servers = {call.tool.partition(".")[0] for call in proposed.calls}
    for world in worlds:
        if world.setup == setup and servers <= set(world.servers):
            return world
    what = f"the recipe has no world {setup!r} with the servers {', '.join(sorted(servers))}"
    raise InputError(what, where=where, remedy="correct the chain, or add the servers to a world of the recipe")


def _refuse_forward(chain: Chain, where: str) -> None:
    ties = [*((edge.producer, edge.consumer) for edge in chain.edges), *chain.after]
    if wrong := next((tie for tie in ties if not 0 <= tie[0] < tie[1] < len(chain.calls)), None):
        what = f"call {wrong[1]} cannot rest on call {wrong[0]}: it comes no earlier"
        raise InputError(what, where=where, remedy="calls are counted from 0")


def asked_facts(chain: Chain, proposed: ProposedChain | None, tools: Mapping[str, Tool]) -> tuple[Fact, ...]:
    """The facts of a chain that ran: those that its author asks for, else the most telling.

    Raises:
        LookupError: no rule finds a value that is asked for in the results.
    """
    if proposed is None or proposed.ask is None:
        return facts_of(chain, tools)
    possible = possible_facts(chain, tools)
    chosen: list[Fact] = []
    for wanted in proposed.ask:
        if isinstance(wanted, Fact):
            chosen.append(wanted)
            continue
        fact = next((fact for fact in possible if _is(wanted, fact)), None)
        if fact is None:
            raise LookupError(f"{canonical(wanted)}: ask for a value as it stands there, or write the whole fact")
        chosen.append(fact)
    return tuple(chosen)


def _is(wanted: JsonValue, fact: Fact) -> bool:
    return wanted == fact.value or is_value_of(wanted, fact)


def primitives_of(chain: Chain, tools: Mapping[str, Tool], ground: str) -> Iterator[Primitive]:
    """The calls of a chain that ran which were made of the world as it is: reads before any change, and an only change.

    Args:
        ground: digest of the ground.
    """
    changes = [number for number, call in enumerate(chain.calls) if tools[call.tool].effect != "read"]
    first = changes[0] if changes else len(chain.calls)
    for number, call in enumerate(chain.calls[: first + 1]):
        if number == first and len(changes) > 1:
            return
        prefix = f"result:{number}:"
        arguments = resolve(dict(call.arguments), list(chain.recorded))
        assert isinstance(arguments, dict)  # it ran
        yield Primitive(
            world=chain.world,
            tool=call.tool,
            arguments=arguments,
            scenario="hand",
            value=chain.recorded[number],
            volatile=tuple(name.removeprefix(prefix) for name in chain.volatile if name.startswith(prefix)),
            state=chain.state if number == first else (),
            ground=ground,
        )
