"""Chains of verified calls that make sense one after the other: along values, objects and state, or side by side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Annotated, TypeVar

from pydantic import Field

from rise_bench.synth.chains.known import Known, known, mentions
from rise_bench.synth.chains.links import Link, link
from rise_bench.synth.chains.pieces import Piece, Shape, chain_of, flaw
from rise_bench.synth.keys import chain_key
from rise_bench.synth.records import Chain, Primitive
from rise_bench.types import Record, Tool

__all__ = ["Plan", "compose"]

T = TypeVar("T")

_WEIGHT = {"value": 6.0, "made": 5.0, "object": 4.0, "state": 2.0, "text": 2.0}
"""How much rather one kind of link is followed than another."""

_TRIES = 40
"""Attempts at a chain for each one that is wanted."""

_CHOICE = 80
"""Steps, or neighbours, that are weighed at a time."""


_LENGTHS = {1: 0.2, 2: 0.25, 3: 0.2, 4: 0.13, 5: 0.09, 6: 0.06, 7: 0.04, 8: 0.03}
_SHAPES: dict[Shape, float] = {"serial": 0.6, "parallel": 0.2, "mixed": 0.2}


class Plan(Record):
    """How many chains of which kinds are wanted."""

    count: int = Field(default=600, ge=1)
    """Chains in all, over all worlds."""
    lengths: dict[Annotated[int, Field(ge=1, le=8)], float] = Field(
        default_factory=lambda: dict(_LENGTHS), min_length=1
    )
    """Length (1 to 8) to its share."""
    shapes: dict[Shape, float] = Field(default_factory=lambda: dict(_SHAPES))
    """Shape to its share among chains of more than one call."""
    per_pair: int = Field(default=6, ge=1)
    """Chains in which the same primitive may follow the same other one."""
    per_primitive: int = Field(default=12, ge=1)
    """Chains in which the same primitive may stand."""
    per_tools: int = Field(default=12, ge=1)
    """Chains of one world that may call the same tools in the same order."""
    pool: int = Field(default=500, ge=2)
    """Primitives of one world that are compared with each other, drawn evenly over its tools."""


def compose(
    primitives: Sequence[Primitive], tools: Mapping[str, Tool], seed: int, plan: Plan | None = None
) -> Iterator[Chain]:
    """Virtual chains, world by world; the same for the same primitives in whatever order they come.

    Every primitive's tool begins or joins a chain where one can be made of it, before tools come a second time. What is
    wanted and cannot be found is left out: fewer chains than `plan.count` come then.

    Args:
        primitives: verified; those of other worlds are never mixed.
        tools: id to tool, for schemas and effects.
        seed: of all choices.
    """
    plan = plan or Plan()
    worlds: dict[str, list[Primitive]] = defaultdict(list)
    for primitive in primitives:
        worlds[primitive.world.digest()].append(primitive)
    total = len(primitives)
    for name in sorted(worlds):
        rng = Random(f"compose:{seed}:{name}")
        wanted = max(1, round(plan.count * len(worlds[name]) / total))
        pool = _drawn(worlds[name], rng, plan.pool)
        calls = _without_existing([known(one, tools.get(one.tool)) for one in pool])
        yield from _Composer(calls, rng, plan, wanted).chains()


def _drawn(primitives: Sequence[Primitive], rng: Random, most: int) -> list[Primitive]:
    """At most so many primitives, tool by tool in turn, in an order that does not depend on that of the input."""
    by_tool: dict[str, list[Primitive]] = defaultdict(list)
    for primitive in sorted({one.digest(): one for one in primitives}.values(), key=lambda one: one.digest()):
        by_tool[primitive.tool].append(primitive)
    for some in by_tool.values():
        rng.shuffle(some)
    deepest = max(len(some) for some in by_tool.values())
    turns = [by_tool[tool][turn] for turn in range(deepest) for tool in sorted(by_tool) if turn < len(by_tool[tool])]
    return turns[:most]


def _without_existing(calls: Sequence[Known]) -> list[Known]:
    """The calls, none of which makes what others are shown: a leaf may be new in a thing that is not."""
    shown = "\n".join(call.shown for call in calls if not call.changes)
    return [replace(call, makes=frozenset(name for name in call.makes if not mentions(shown, name))) for call in calls]


class _Composer:
    """Grows chains over the primitives of one world, and counts what was used so that nothing is used too often."""

    def __init__(self, pool: Sequence[Known], rng: Random, plan: Plan, wanted: int) -> None:
        self._pool = pool
        self._rng = rng
        self._plan = plan
        self._wanted = wanted
        self._next: list[dict[int, Link]] = [{} for _ in pool]
        self._before: list[dict[int, Link]] = [{} for _ in pool]
        for one, earlier in enumerate(pool):
            for two, later in enumerate(pool):
                if one != two and (found := link(earlier, later)):
                    self._next[one][two] = found
                    self._before[two][one] = found
        self._tools: Counter[str] = Counter()
        self._used: Counter[int] = Counter()
        self._pairs: Counter[tuple[int, int]] = Counter()
        self._sequences: Counter[tuple[str, ...]] = Counter()
        self._kinds: Counter[tuple[int, Shape]] = Counter()
        self._seen: set[str] = set()
        kinds: list[tuple[int, Shape]] = []
        for length in sorted(plan.lengths):
            shapes: list[Shape] = ["single"] if length == 1 else self._possible(length)
            kinds += [(length, shape) for shape in shapes]
        self._shares = {kind: self._share(kind) for kind in kinds}

    def chains(self) -> Iterator[Chain]:
        """As many chains as are wanted, or can be found."""
        made = 0
        barren: Counter[str] = Counter()
        for _ in range(self._wanted * _TRIES):
            if made == self._wanted or not self._shares:
                return
            length, shape = self._most_wanted(made)
            start = self._start(barren)
            if start is None:
                return
            chain = self._accepted(self._piece(start, length, shape), (length, shape))
            if chain is None:
                barren[self._pool[start].tool] += 1
                continue
            made += 1
            yield chain

    def _most_wanted(self, made: int) -> tuple[int, Shape]:
        """Length and shape of which the fewest were made, measured by their share; random among near equals."""

        def missing(kind: tuple[int, Shape]) -> float:
            return self._shares[kind] * (made + 1) - self._kinds[kind] + self._rng.random() * 0.5

        return max(self._shares, key=missing)

    def _possible(self, length: int) -> list[Shape]:
        """Shapes that a chain of so many calls can have: nobody asks for more than three things at a time."""
        fits: dict[Shape, bool] = {"serial": True, "parallel": length <= 3, "mixed": length >= 3}
        return [shape for shape in sorted(self._plan.shapes) if fits.get(shape)]

    def _share(self, kind: tuple[int, Shape]) -> float:
        """The share of all chains that is wanted of this length and shape."""
        length, shape = kind
        share = self._plan.lengths.get(length, 0.0) / sum(self._plan.lengths.values())
        if shape == "single":
            return share
        among = sum(self._plan.shapes[other] for other in self._possible(length))
        return share * self._plan.shapes.get(shape, 0.0) / among if among else 0.0

    def _start(self, barren: Counter[str]) -> int | None:
        """A primitive of the tool that was used least; tools with which nothing could be made come later."""
        free = [i for i in range(len(self._pool)) if self._used[i] < self._plan.per_primitive]
        if not free:
            return None

        def turn(index: int) -> tuple[float, int, float]:
            tool = self._pool[index].tool
            return self._tools[tool] + barren[tool] / 8, self._used[index], self._rng.random()

        return min(free, key=turn)

    # --- growing ------------------------------------------------------------------------------------------------------

    def _piece(self, start: int, length: int, shape: Shape) -> Piece:
        if shape in ("single", "serial"):
            return self._grown(start, length, frozenset())
        count = length if shape == "parallel" else self._rng.choice([2, 2, 3]) if length > 3 else 2
        sizes = [1] * count
        for _ in range(length - count):
            sizes[self._rng.randrange(count)] += 1
        whole = self._grown(start, sizes[0], frozenset())
        for size in sizes[1:]:
            beside = self._beside(whole)
            if beside is None:
                break
            whole = whole.beside(self._grown(beside, size, self._around(whole)), self._pool)
        return whole

    def _around(self, piece: Piece) -> frozenset[int]:
        """Calls that are tied to one of the piece: none of them is a goal of its own beside it."""
        tied = {other for one in piece.order for other in (*self._next[one], *self._before[one])}
        return frozenset(tied | set(piece.order))

    def _grown(self, start: int, length: int, without: frozenset[int]) -> Piece:
        """A connected piece of at most so many calls around the start."""
        piece = Piece((start,))
        while len(piece.order) < length:
            possible = self._few(list(self._steps(piece, without)))
            steps = [(self._appeal(one, two, found, piece), one, two) for one, two, found in possible]
            steps = [step for step in steps if step[0] > 0]
            if not steps:
                break
            _, one, two = self._rng.choices(steps, weights=[step[0] for step in steps])[0]
            piece = piece.with_link(one, two, self._next[one][two])
        return piece

    def _few(self, some: list[T]) -> list[T]:
        return some if len(some) <= _CHOICE else self._rng.sample(some, _CHOICE)

    def _steps(self, piece: Piece, without: frozenset[int]) -> Iterator[tuple[int, int, Link]]:
        for inside in piece.order:
            for two, found in self._next[inside].items():
                if two not in piece.order and two not in without:
                    yield inside, two, found
            for one, found in self._before[inside].items():
                if one not in piece.order and one not in without:
                    yield one, inside, found

    def _appeal(self, one: int, two: int, found: Link, piece: Piece) -> float:
        """How good a step is: by its kind, by how often what it adds was used, and whether an idle read gets its use."""
        new = two if one in piece.order else one
        if self._used[new] >= self._plan.per_primitive or self._pairs[one, two] >= self._plan.per_pair:
            return 0.0
        worth = _WEIGHT[found.kind] / (1 + self._pairs[one, two]) / (1 + self._tools[self._pool[new].tool])
        if any(self._pool[new].tool == self._pool[inside].tool for inside in piece.order):
            worth /= 4
        uses_read = new == two and not self._pool[one].changes and one not in piece.feeding
        return worth * (2 if uses_read else 1)

    def _beside(self, piece: Piece) -> int | None:
        """A call about the same theme that no value, object or state ties to the piece."""
        tied = self._around(piece)
        free = [i for i in range(len(self._pool)) if i not in tied and self._used[i] < self._plan.per_primitive]
        calls = [self._pool[inside] for inside in piece.order]
        appeal = {i: _kinship(calls, self._pool[i]) / (1 + self._tools[self._pool[i].tool]) for i in self._few(free)}
        known_kin = [index for index, weight in appeal.items() if weight > 0]
        if not known_kin:
            return None
        return self._rng.choices(known_kin, weights=[appeal[index] for index in known_kin])[0]

    # --- accepting ----------------------------------------------------------------------------------------------------

    def _accepted(self, piece: Piece, wanted: tuple[int, Shape]) -> Chain | None:
        """The piece as a chain, counted; None where it makes no sense or is one too many of its kind.

        What came out other than it was wanted is taken while there are too few of what it is, or while its tools are new.
        """
        calls = [self._pool[index] for index in piece.order]
        tools = tuple(call.tool for call in calls)
        if self._sequences[tools] >= self._plan.per_tools or flaw(piece, self._pool):
            return None
        chain = chain_of(piece, self._pool)
        same = chain_key(chain)
        kind = (len(chain.calls), chain.shape)
        if same in self._seen or len(set(map(str, chain.calls))) < len(chain.calls):
            return None
        enough = self._kinds[kind] >= self._shares.get(kind, 0.0) * self._wanted
        if kind != wanted and enough and all(self._tools[tool] for tool in tools):
            return None
        self._seen.add(same)
        self._sequences[tools] += 1
        self._tools.update(tools)
        self._used.update(piece.order)
        self._pairs.update((one, two) for one, two, _ in piece.joints)
        self._kinds[kind] += 1
        return chain


def _kinship(piece: Sequence[Known], other: Known) -> float:
    """How much two goals belong together: things that both name count most, then folder, then server."""
    named = {name for call in piece for name in call.names | call.writes}
    shared = {name for name in (other.names | other.writes) & named if len(name) > 3}
    folders = {name.partition("/")[0] for name in named if "/" in name}
    nearby = any("/" in name and name.partition("/")[0] in folders for name in other.names)
    return 4.0 * min(len(shared), 2) + 1.5 * nearby + 1.0 * any(call.server == other.server for call in piece)
