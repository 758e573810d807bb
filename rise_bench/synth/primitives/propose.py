"""Arguments proposed for every tool by coverage scenario, over what exists; one interface for all proposers (DESIGN 5.1)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from rise_bench.synth.primitives.fill import Filler, plain, properties_of, required_of
from rise_bench.synth.records import Entity, Primitive, Proposal, World
from rise_bench.types import Tool, canonical

__all__ = ["Proposer", "SchemaProposer", "coverage", "propose", "scenarios"]

BEYOND = 1_000_000
"""Bounds beyond which nobody tries a number."""


class Proposer(Protocol):
    """Proposes calls of one tool in one world."""

    name: str

    def propose(self, world: World, tool: Tool, entities: Sequence[Entity], seed: int) -> Iterator[Proposal]:
        """Proposals; none is an answer.

        Args:
            entities: what exists in the world.
            seed: the same seed, the same proposals, as far as the proposer can hold it.
        """
        ...


def propose(
    world: World, tools: Iterable[Tool], entities: Sequence[Entity], seed: int, proposer: Proposer | None = None
) -> Iterator[Proposal]:
    """Proposals for the tools of the world's servers, tool by tool, no call twice.

    Args:
        entities: what exists in the world; others are passed over.
        proposer: by schema unless given.
    """
    by = proposer or SchemaProposer()
    digest = world.digest()
    here = [entity for entity in entities if entity.world == digest]
    for tool in tools:
        if tool.server not in world.servers:
            continue
        seen: set[str] = set()
        for proposal in by.propose(world, tool, here, seed):
            if (key := canonical(proposal.arguments)) not in seen:
                seen.add(key)
                yield proposal


def scenarios(tool: Tool) -> tuple[str, ...]:
    """The coverage scenarios of a tool by its schema (DESIGN 5.1): what is to be covered, in order."""
    properties, required = properties_of(tool), required_of(tool)
    optional = [name for name in properties if name not in required]
    found = ["required_only"]
    if len(optional) > 1:
        found.append("all")
    found += [f"only:{name}" for name in optional]
    for name, schema in properties.items():
        choices = schema.get("enum")
        if isinstance(choices, list):
            found += [f"enum:{name}={choice}" for choice in choices[:12]]
        if _bounds(schema):
            found.append(f"boundary:{name}")
        items = plain(schema.get("items"), tool.parameters)
        if isinstance(schema.get("properties"), dict) or isinstance(items.get("properties"), dict):
            found.append(f"nested:{name}")
    return tuple(found)


def coverage(tools: Iterable[Tool], primitives: Iterable[Primitive]) -> dict[str, tuple[int, int]]:
    """Tool id to (scenarios of which a call was verified, scenarios there are).

    A verified call counts for every scenario that its arguments fulfil, whatever it was proposed for.
    """
    ran: dict[str, list[Primitive]] = {}
    for primitive in primitives:
        ran.setdefault(primitive.tool, []).append(primitive)
    counted: dict[str, tuple[int, int]] = {}
    for tool in tools:
        wanted = set(scenarios(tool))
        done = {name for one in ran.get(tool.id, ()) for name in (one.scenario, *_fulfilled(tool, one.arguments))}
        counted[tool.id] = len(wanted & done), len(wanted)
    return counted


def _fulfilled(tool: Tool, arguments: Mapping[str, JsonValue]) -> Iterator[str]:
    """Scenarios that some arguments are a case of."""
    properties, required = properties_of(tool), required_of(tool)
    optional = [name for name in arguments if name not in required]
    if not optional:
        yield "required_only"
    elif len(optional) == 1:
        yield f"only:{optional[0]}"
    if arguments.keys() >= properties.keys():
        yield "all"
    for name, value in arguments.items():
        if isinstance(properties.get(name, {}).get("enum"), list):
            yield f"enum:{name}={value}"


def _bounds(schema: Mapping[str, JsonValue]) -> list[JsonValue]:
    """The least and the greatest number that is allowed, as far as somebody would try them."""
    found = (schema.get(keyword) for keyword in ("minimum", "maximum"))
    return [n for n in found if isinstance(n, int | float) and not isinstance(n, bool) and abs(n) <= BEYOND]


class SchemaProposer:
    """Proposes by JSON Schema, known-good calls and what exists; needs no model.

    Args:
        variants: calls of the plainest scenario; others get fewer.
        most: calls of one tool.
    """

    name = "schema"

    def __init__(self, variants: int = 6, most: int = 40) -> None:
        self._variants = variants
        self._most = most

    def propose(self, world: World, tool: Tool, entities: Sequence[Entity], seed: int) -> Iterator[Proposal]:
        """Proposals of one tool, no call twice: known-good calls first, then scenario by scenario."""
        rng = random.Random(f"{seed}:{world.digest()}:{tool.id}")
        filler = Filler(world, tool, entities, rng)
        seen: set[str] = set()
        for scenario, arguments in self._all(tool, filler):
            key = canonical(arguments)
            if key in seen:
                continue
            seen.add(key)
            yield Proposal(world=world, tool=tool.id, arguments=arguments, scenario=scenario, proposer=self.name)
            if len(seen) >= self._most:
                return

    def _all(self, tool: Tool, filler: Filler) -> Iterator[tuple[str, dict[str, JsonValue]]]:
        for number, seed in enumerate(filler.seeds[: self._variants]):
            if (arguments := filler.planted(seed, number)) is not None:
                yield next(_fulfilled(tool, arguments), "known-good"), arguments
        required = filler.required
        for variant in range(self._variants):
            yield from _case("required_only", filler.fill(required, variant))
        wanted = scenarios(tool)
        for number, scenario in enumerate(wanted):
            word, _, about = scenario.partition(":")
            if word == "only":
                for variant in (number, number + len(filler.seeds)):
                    yield from _case(scenario, filler.fill((*required, about), variant))
            elif word in ("enum", "boundary", "nested"):
                yield from _set_cases(scenario, word, about, filler, number)
        for variant in range(2):
            if "all" in wanted:
                yield from _case("all", filler.fill(filler.properties, variant))
        for variant in range(self._variants, self._variants * 3):  # more of the plainest, as far as there is room
            yield from _case("required_only", filler.fill(required, variant))


def _case(scenario: str, arguments: dict[str, JsonValue] | None) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    if arguments is not None:
        yield scenario, arguments


def _set_cases(
    scenario: str, word: str, about: str, filler: Filler, variant: int
) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    """Calls in which one argument has a value that the scenario names."""
    name, _, member = about.partition("=")
    schema = filler.properties[name]
    rest = filler.fill([other for other in filler.required if other != name], variant)
    if rest is None:
        return
    values: list[JsonValue] = []
    if word == "enum":
        choices = schema.get("enum")
        values = [choice for choice in choices if str(choice) == member] if isinstance(choices, list) else []
    elif word == "boundary":
        values = _bounds(schema)
    else:
        values = [made for n in range(2) if (made := filler.nested(name, variant + n)) is not None]
    for value in values:
        whole = {**rest, name: value}
        yield scenario, {key: whole[key] for key in filler.properties if key in whole}
