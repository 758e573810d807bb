"""One score of one pair measured by itself, and then all pairs adjusted as one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rise_bench.baselines import Score
from rise_bench.compare.methods import Method, outlook
from rise_bench.compare.pairing import Shared
from rise_bench.compare.records import Bound, Contrast, Estimand, NoneAs0
from rise_bench.compare.sentences import sentence, verdict_of
from rise_bench.stats import Equivalence, Estimate, Test, holm

__all__ = ["Measured", "contrasts", "measured"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one score of one pair, before the other pairs are looked at."""

    shared: Shared
    score: Score
    method: Method
    first: Estimate
    second: Estimate
    difference: Estimate
    test: Test
    not_worse: Equivalence
    not_better: Equivalence

    @property
    def p_equivalent(self) -> float | None:
        """Of the hypothesis that the two differ by delta or more: the larger of its two one-sided tests."""
        ps = (self.not_worse.p, self.not_better.p)
        return None if ps[0] is None or ps[1] is None else max(ps[0], ps[1])


def measured(shared: Shared, score: Score, estimand: Estimand, delta: float, alpha: float, seed: int) -> Measured:
    """All tests and intervals of one score of one pair."""
    first, second = shared.values[score]
    method = Method.of(first, second, shared.clusters, estimand, seed)
    return Measured(
        shared=shared,
        score=score,
        method=method,
        first=method.mean(first),
        second=method.mean(second),
        difference=method.difference(first, second),
        test=method.test(first, second),
        not_worse=method.not_worse(first, second, delta, alpha),
        not_better=method.not_worse(second, first, delta, alpha),
    )


def contrasts(
    pairs: Sequence[Sequence[Measured]], *, estimand: Estimand, delta: float, alpha: float
) -> list[tuple[Contrast, ...]]:
    """The scores of every pair with their verdicts; each score's p values are adjusted over all pairs (Holm).

    A claim on Acc_intent has the larger of two p values: of its own test, and of the test that the better one is not
    worse on Acc_task; so the chance of any false claim stays at alpha (intersection-union within a pair, Holm over them).
    """
    done: list[dict[Score, Contrast]] = [{} for _ in pairs]
    for score in {one.score: None for pair in pairs for one in pair}:
        places = [(number, one) for number, pair in enumerate(pairs) for one in pair if one.score == score]
        claims = [_claim(one, pairs[number]) for number, one in places]
        family = _Family.of([one for _, one in places], claims, alpha)
        for row, (number, one) in enumerate(places):
            done[number][score] = _contrast(one, family, row, estimand, delta)
    return [tuple(found.values()) for found in done]


@dataclass(frozen=True, slots=True)
class _Family:
    """Adjusted p of one score over all pairs, in the pairs' order."""

    alpha: float
    size: int
    p: list[float | None]
    claim: list[float | None]
    claim_adjusted: list[float | None]
    not_worse: list[float | None]
    not_better: list[float | None]
    equivalent: list[float | None]

    @classmethod
    def of(cls, members: Sequence[Measured], claims: list[float | None], alpha: float) -> _Family:
        return cls(
            alpha=alpha,
            size=len(members),
            p=holm([one.test.p for one in members]),
            claim=claims,
            claim_adjusted=holm(claims),
            not_worse=holm([one.not_worse.p for one in members]),
            not_better=holm([one.not_better.p for one in members]),
            equivalent=holm([one.p_equivalent for one in members]),
        )

    def bound(self, p: float | None, adjusted: float | None, found: Equivalence) -> Bound:
        shown = None if adjusted is None else adjusted <= self.alpha
        return Bound(p=p, p_adjusted=adjusted, shown=shown, reason=found.reason, warning=found.warning)


def _claim(one: Measured, pair: Sequence[Measured]) -> float | None:
    if one.score == "acc_task":
        return one.test.p
    gate = next((other for other in pair if other.score == "acc_task"), None)
    if gate is None or one.test.p is None:
        return None
    bound = gate.not_worse if (one.difference.value or 0.0) > 0 else gate.not_better
    return None if bound.p is None else max(one.test.p, bound.p)


def _contrast(one: Measured, family: _Family, row: int, estimand: Estimand, delta: float) -> Contrast:
    first, second = one.shared.values[one.score]
    found = Contrast(
        score=one.score,
        first=one.first,
        second=one.second,
        difference=one.difference,
        only_first=int((first > second).sum()),
        only_second=int((second > first).sum()),
        attempts=int((~np.isnan(first)).sum()),
        method=one.method.name,
        p=one.test.p,
        p_adjusted=family.p[row],
        smallest_p=one.test.smallest_p,
        p_claim=family.claim[row],
        p_claim_adjusted=family.claim_adjusted[row],
        not_worse=family.bound(one.not_worse.p, family.not_worse[row], one.not_worse),
        not_better=family.bound(one.not_better.p, family.not_better[row], one.not_better),
        equivalent=family.bound(one.p_equivalent, family.equivalent[row], one.not_worse),
        outlook=outlook(one.method, first, second, family.alpha / family.size),
        none_as_0=_none_as_0(one, estimand),
        verdict="no test",
        sentence="",
    )
    sides = (one.shared.first, one.shared.second)
    why = "; ".join(dict.fromkeys(side.not_ranked for side in sides if side.not_ranked))
    found = found.model_copy(update={"verdict": verdict_of(found, family.alpha, ranked=not why)})
    names = (sides[0].name, sides[1].name)
    said = sentence(found, *names, delta=delta, family=family.size, not_ranked=why)
    return found.model_copy(update={"sentence": said})


def _none_as_0(one: Measured, estimand: Estimand) -> NoneAs0 | None:
    if not one.shared.missing:
        return None
    first, second = one.shared.zeroed[one.score]
    method = Method.of(first, second, one.shared.zeroed_clusters, estimand, one.method.seed)
    means = method.mean(first).value or 0.0, method.mean(second).value or 0.0
    return NoneAs0(
        first=means[0],
        second=means[1],
        difference=means[1] - means[0],
        p=method.test(first, second).p,
        attempts=int((~np.isnan(first)).sum()),
    )
