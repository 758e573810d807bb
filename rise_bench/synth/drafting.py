"""From servers to drafts: what exists in the worlds, which calls hold, which chains of them, and what is critical in those."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TypeVar

from rise_bench.synth import steps
from rise_bench.synth.chains.by_hand import primitives_of
from rise_bench.synth.context import Context
from rise_bench.synth.folder import SynthFolder
from rise_bench.synth.gates.split import part_of
from rise_bench.synth.keys import chain_key, primitive_key, proposal_key
from rise_bench.synth.made import Listed, Parted
from rise_bench.synth.primitives.propose import coverage
from rise_bench.synth.primitives.verify import verify
from rise_bench.synth.recipe import PARTS, Part
from rise_bench.synth.records import Chain, Draft, Dropped, Entity, Primitive, Proposal
from rise_bench.synth.running import Running
from rise_bench.types import Call

__all__ = ["Drafting", "grouped", "in_turn", "servers_of"]

_PROPOSALS_PER_CHAIN = 8
"""With `limit`: so many proposals are verified for each chain that is wanted."""

T = TypeVar("T")
K = TypeVar("K")


class Drafting:
    """The stages up to drafts, each public method what some of them give.

    Args:
        limit: most chains.
    """

    def __init__(self, context: Context, running: Running, folder: SynthFolder, limit: int | None) -> None:
        self._context = context
        self._recipe = context.loaded.recipe
        self._running = running
        self._folder = folder
        self._limit = limit
        self.listed: dict[str, tuple[Entity, ...]] = {}
        """What exists, by the digest of the world."""
        self.covered: dict[str, tuple[int, int]] = {}
        """Tool to the coverage scenarios that there is a verified call for, and those that there are."""

    def primitives(self) -> list[Primitive]:
        """What exists, what is tried, what holds."""
        context = self._context
        worlds = {world.digest(): world for world in self._context.loaded.worlds}
        called = dict(zip(worlds, self._context.loaded.called, strict=True))
        found = self._running.made("entities", "worlds listed", Listed, worlds, steps.listing_step(context))
        self.listed = dict.fromkeys(worlds, ()) | {one.world: one.entities for one in found}
        if not self._recipe.chains.per_world:
            return []
        pairs = {
            f"{digest[:16]} {tool.id}": (world, tool.id)
            for digest, world in worlds.items()
            for tool in context.tools.values()
            if tool.server in called[digest]
        }
        step = steps.propose_step(context, self.listed)
        rows = self._running.rows("propose", "proposed", Proposal, pairs, step)
        limit = self._limit
        turns = in_turn([row.made for row in rows])
        tried = {proposal_key(one): one for one in (turns[: limit * _PROPOSALS_PER_CHAIN] if limit else turns)}
        verified = self._running.streamed(
            "verify",
            "verified",
            Primitive,
            tried,
            lambda left: verify(left, context.source, context.varied, context.workers),
            lambda one: one.what if isinstance(one, Dropped) else proposal_key(one),
        )
        self._covered(verified, {name for names in called.values() for name in names})
        return verified

    def _covered(self, primitives: Sequence[Primitive], servers: set[str]) -> None:
        """Write down how many coverage scenarios of each tool there is a verified call for."""
        found = coverage((tool for tool in self._context.tools.values() if tool.server in servers), primitives)
        self.covered = found
        lines = {tool: {"verified": done, "scenarios": there} for tool, (done, there) in sorted(found.items())}
        self._folder.write("coverage.json", json.dumps(lines, indent=1) + "\n")

    def drafts(self, primitives: Sequence[Primitive]) -> tuple[list[Draft], dict[str, Part]]:
        """Chains within each part, run end to end, with what is critical in them; key of each chain to its part."""
        context, running = self._context, self._running
        turns = [*self._composed(primitives), *self._proposed()][: self._limit]
        # those of the same servers one after the other: what runs is kept running
        virtual = {chain_key(one.chain): one.chain for one in sorted(turns, key=_place)}
        ran = running.made("reproduce", "reproduced", Chain, virtual, steps.reproduce_step(context))
        calls = {one.digest(): one for chain in ran for one in self.of_hand(chain)}
        step = steps.ground_step(context, self.listed, [*primitives, *calls.values()])
        drafts = running.made("ground", "grounded", Draft, {self._ground_key(one): one for one in ran}, step)
        return drafts, {chain_key(one.chain): one.part for one in turns}

    def _composed(self, primitives: Sequence[Primitive]) -> list[Parted]:
        """Chains of the primitives of one part of one world, each world and part in its turn."""
        splits, seed, wanted = self._recipe.splits, self._recipe.seed, self._recipe.chains.per_world
        if not wanted:
            return []
        inputs: dict[str, steps.Pool] = {}
        for world, own in grouped(primitives, lambda one: one.world.digest()).items():
            parts = grouped(own, lambda one: part_of(one.tool, one.arguments, splits, seed))
            for part in sorted(parts):
                count = max(1, round(wanted * len(parts[part]) / len(own)))
                digest = steps.digest_of([count, *sorted(primitive_key(one) for one in parts[part])])
                inputs[f"{part} {world[:16]} {digest}"] = steps.Pool(part, parts[part], count)
        rows = self._running.rows("compose", "composed", Parted, inputs, steps.compose_step(self._context))
        return in_turn([row.made for row in rows])

    def _proposed(self) -> list[Parted]:
        """The chains that people propose, as if composed."""
        splits, seed = self._recipe.splits, self._recipe.seed
        found: list[Parted] = []
        for chain, _ in self._context.proposed.values():
            parts = {part_of(call.tool, call.arguments, splits, seed) for call in chain.calls}
            found.append(Parted(part=max(parts, key=PARTS.index), chain=chain))
        if found:
            self._running.count("by hand", "proposed by hand", len(found), len(found), ())
        return found

    def of_hand(self, chain: Chain) -> Iterable[Primitive]:
        """The primitives that come with a chain that a person proposed; of others they were there before."""
        if self._context.proposed_of(chain) is None:
            return ()
        return primitives_of(chain, self._context.tools, self._context.ground.digest())

    def _ground_key(self, chain: Chain) -> str:
        """Of the chain, of what its author asks for, and of the texts that the request dictates."""
        proposed = self._context.proposed_of(chain)
        texts = ", ".join(f"{call}:{place}" for call, place in sorted(self._context.dictated_in(chain)))
        return f"{chain_key(chain)} {proposed.digest()[:16] if proposed else ''} {texts}".rstrip()


def _place(one: Parted) -> tuple[list[str], str, str]:
    """Chains of the same servers in the same world follow each other, so that those servers can go on running."""
    return servers_of(one.chain.calls), one.chain.world.setup, one.chain.world.now


def grouped(some: Sequence[T], name: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by name, names and items in the order in which they come."""
    found: dict[K, list[T]] = {}
    for one in some:
        found.setdefault(name(one), []).append(one)
    return found


def servers_of(calls: Sequence[Call]) -> list[str]:
    """Servers that are called, in a fixed order."""
    return sorted({call.tool.partition(".")[0] for call in calls})


def in_turn(groups: Sequence[Sequence[T]]) -> list[T]:
    """The first of each group, then the second of each: a limit cuts all groups alike."""
    return [one for turn in zip_longest(*groups) for one in turn if one is not None]
