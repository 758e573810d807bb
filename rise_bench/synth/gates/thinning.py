"""Gate 7: of departures that their calls give away without the request, only as many stay as hide as well as they show."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rise_bench.synth.gates.callonly import CallOnly, blind_wins, rates
from rise_bench.synth.records import Dropped, Pair

__all__ = ["Thinned", "thinned"]

ROUNDS = 8
"""How often what is left is looked at again, by a classifier that is trained on what is left."""


@dataclass(frozen=True, slots=True)
class Thinned:
    """Which pairs stay, and how well the calls alone told before and after."""

    kept: tuple[int, ...]
    """Numbers of the pairs that stay, ascending; those that call nothing on one side are among them."""
    dropped: tuple[Dropped, ...]
    before: CallOnly
    after: CallOnly


def thinned(pairs: Sequence[Pair], *, seed: int = 0) -> Thinned:
    """Drop, of each operator that gives itself away, pairs that were told blindly until as many are left as were not.

    An operator with enough pairs for a figure whose calls are always told goes; one with too few stays. Who goes is drawn
    from `seed` and the pair, so that threads do not matter. Where no classifier can be trained, all stay.
    """
    kept = list(range(len(pairs)))
    dropped: list[Dropped] = []
    wins = blind_wins(pairs, seed=seed)
    before = after = rates(pairs, wins)
    for _ in range(ROUNDS):
        left = [pairs[i] for i in kept]
        told = _surplus(left, wins or {}, after, seed)
        if not told:
            break
        dropped += (_dropped(left[i], rate) for i, rate in sorted(told.items()))
        kept = [number for i, number in enumerate(kept) if i not in told]
        left = [pairs[i] for i in kept]
        wins = blind_wins(left, seed=seed)
        after = rates(left, wins)
    return Thinned(tuple(kept), tuple(dropped), before, after)


def _surplus(pairs: Sequence[Pair], wins: Mapping[int, float], found: CallOnly, seed: int) -> dict[int, float]:
    """Number of each pair that has to go -> accuracy on its operator."""
    members: dict[str, list[int]] = defaultdict(list)
    for number in wins:
        members[pairs[number].operator].append(number)
    gone: dict[int, float] = {}
    for name in found.artefacts:
        told = sorted((i for i in members[name] if wins[i] == 1), key=lambda i: (pairs[i].task, pairs[i].span, i))
        hidden = sum(wins[i] == 0 for i in members[name])
        random.Random(f"{seed}:{name}").shuffle(told)
        gone.update(dict.fromkeys(told[hidden:], found.by_operator[name].accuracy or 0.0))
    return gone


def _dropped(pair: Pair, rate: float) -> Dropped:
    detail = f"the calls alone tell {rate:.0%} of {pair.operator}"
    return Dropped(stage="gate", what=f"{pair.task} {pair.operator} {pair.span}", reason="7 given away", detail=detail)
