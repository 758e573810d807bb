"""A chain in the making: which verified calls, in which order, tied by what; and the chain that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rise_bench.mutations import mutated
from rise_bench.synth.chains.known import Known
from rise_bench.synth.chains.links import Link, touches
from rise_bench.synth.records import Chain, Edge
from rise_bench.types import Call

__all__ = ["Piece", "Shape", "chain_of", "flaw", "shape_of"]

Shape = Literal["single", "serial", "parallel", "mixed"]
"""As `Chain.shape`."""

_ASKED = 3
"""Answers that one request asks for at most."""

_UNDOING = ("delete", "remove", "clear", "drop", "cancel", "reset")


@dataclass(frozen=True, slots=True)
class Piece:
    """Positions in a pool of calls, in the order in which they are made."""

    order: tuple[int, ...]
    joints: tuple[tuple[int, int, Link], ...] = ()
    """(earlier, later, how)."""

    @property
    def feeding(self) -> frozenset[int]:
        """Calls whose answer a later one rests on."""
        return frozenset(one for one, _, found in self.joints if found.kind in ("value", "made", "text"))

    def with_link(self, one: int, two: int, found: Link) -> Piece:
        """The piece with the one of the two calls that it does not have: a later call last, an earlier one first."""
        order = (*self.order, two) if one in self.order else (one, *self.order)
        return Piece(order, (*self.joints, (one, two, found)))

    def beside(self, other: Piece, pool: Sequence[Known]) -> Piece:
        """Both, untied; what only reads comes first, so that it is asked of the world as it was."""
        first, second = (self, other) if not _writes(self, pool) or _writes(other, pool) else (other, self)
        return Piece((*first.order, *second.order), (*first.joints, *second.joints))


def _writes(piece: Piece, pool: Sequence[Known]) -> bool:
    return any(pool[index].changes for index in piece.order)


def flaw(piece: Piece, pool: Sequence[Known]) -> str:
    """Why nobody would want this; empty where somebody could."""
    calls = [pool[index] for index in piece.order]
    sinks = [pool[index] for index in piece.order if index not in piece.feeding]
    reads = [call for call in sinks if not call.changes]
    if len(reads) > _ASKED:
        return "asks for too much"
    if not all(call.informs for call in reads):
        return "a read that tells nothing"
    if any(_alike(one, two) for at, one in enumerate(calls) for two in calls[at + 1 :]):
        return "the same twice"
    if _overwrites(piece, pool):
        return "writes over itself"
    if _rests_on_change(piece, pool):
        return "rests on an answer that is another one by then"
    return "undoes what it made" if _undoes(piece, pool) else ""


def _overwrites(piece: Piece, pool: Sequence[Known]) -> bool:
    """Do two calls change the same thing without the one having made it for the other?"""
    made = {(one, two) for one, two, how in piece.joints if how.kind in ("made", "object")}
    pairs = [(one, two) for at, one in enumerate(piece.order) for two in piece.order[at + 1 :]]
    return any(pool[one].spots & pool[two].spots for one, two in pairs if (one, two) not in made)


def _rests_on_change(piece: Piece, pool: Sequence[Known]) -> bool:
    """Is a value taken of an answer that differs from the recorded one, asked about something else or after a change?

    Or does another value stand by now where one was that a text gave?
    """
    at = {index: position for position, index in enumerate(piece.order)}
    moved = {two for _, two, how in piece.joints if how.kind in ("made", "object")}
    sources = {one for one, _, how in piece.joints if how.kind in ("value", "text")}
    taken = {(two, bind.argument) for _, two, how in piece.joints for bind in how.binds}
    if any(how.about and all((two, argument) in taken for argument in how.about) for _, two, how in piece.joints):
        return True
    return any(
        one in moved or any(pool[other].changes and touches(pool[other], pool[one]) for other in piece.order[: at[one]])
        for one in sources
    )


def _alike(one: Known, two: Known) -> bool:
    """Is it the same call but for how much of the answer is shown, or the same question asked of a sibling?"""
    if one.changes or two.changes:
        return one.digest == two.digest
    same = one.names == two.names
    return same and (one.tool == two.tool or (one.server == two.server and one.primitive.value == two.primitive.value))


def _undoes(piece: Piece, pool: Sequence[Known]) -> bool:
    """Is what one call makes taken away again before it was read, or read after it was taken away?"""
    at = {index: position for position, index in enumerate(piece.order)}
    made = [(one, two) for one, two, how in piece.joints if how.kind in ("made", "object")]
    for one, gone in made:
        if pool[gone].name.lower().startswith(_UNDOING):
            uses = [at[two] for maker, two in made if maker == one and two != gone]
            if not uses or max(uses) > at[gone]:
                return True
    return False


def chain_of(piece: Piece, pool: Sequence[Known]) -> Chain:
    """The virtual chain: calls bound to each other, their edges, the order that state asks for."""
    at = {index: position for position, index in enumerate(piece.order)}
    calls = [Call(tool=pool[index].tool, arguments=pool[index].primitive.arguments) for index in piece.order]
    edges: list[Edge] = []
    bound: set[tuple[int, str]] = set()
    for one, two, found in sorted(piece.joints, key=lambda joint: (at[joint[1]], -at[joint[0]])):
        for bind in found.binds:
            position = at[two]
            if (position, bind.argument) in bound:
                continue
            bound.add((position, bind.argument))
            value: JsonValue = bind.value
            if bind.pointer is not None:
                value = {"$ref": [at[one], bind.pointer]}
                if bind.before or bind.after:
                    value = {"$join": [part for part in (bind.before, value, bind.after) if part]}
                edges.append(Edge(producer=at[one], pointer=bind.pointer, consumer=position, argument=bind.argument))
            calls[position] = mutated(calls[position], bind.argument, value)
    after = _after(piece, pool, at, {(edge.producer, edge.consumer) for edge in edges})
    return Chain(
        world=pool[piece.order[0]].primitive.world,
        calls=tuple(calls),
        primitives=tuple(pool[index].digest for index in piece.order),
        edges=tuple(edges),
        after=after,
        shape=shape_of(len(calls), [*((edge.producer, edge.consumer) for edge in edges), *after]),
    )


def _after(
    piece: Piece, pool: Sequence[Known], at: dict[int, int], bound: set[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Order besides that of bindings: what follows from prose, and calls about the same thing one of which changes it."""
    pairs = {(at[one], at[two]) for one, two, how in piece.joints if how.kind in ("text", "object", "state")}
    about = [_about(index, piece, pool) for index in piece.order]
    for later, two in enumerate(piece.order):
        for earlier, one in enumerate(piece.order[:later]):
            writer, other = (pool[one], pool[two]) if pool[one].changes else (pool[two], pool[one])
            if writer.changes and (touches(writer, other) or about[earlier] & about[later]):
                pairs.add((earlier, later))
    return tuple(sorted(pairs - bound))


def _about(index: int, piece: Piece, pool: Sequence[Known]) -> frozenset[int]:
    """Calls of this chain that made what the call is about, itself where it makes something."""
    makers = {one for one, two, how in piece.joints if two == index and how.kind in ("made", "object")}
    return frozenset(makers | ({index} if pool[index].makes else set()))


def shape_of(length: int, ties: Sequence[tuple[int, int]]) -> Shape:
    """The shape of so many calls that are tied to each other: (earlier, later)."""
    if length == 1:
        return "single"
    parts = {index: {index} for index in range(length)}
    for one, two in ties:
        joined = parts[one] | parts[two]
        for index in joined:
            parts[index] = joined
    if len(parts[0]) == length:
        return "serial"
    return "mixed" if any(len(part) > 1 for part in parts.values()) else "parallel"
