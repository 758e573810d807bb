"""The record of a comparison: what `rise-bench compare --json` prints."""

from __future__ import annotations

from typing import Literal

from rise_bench.baselines import Score
from rise_bench.conditions import Difference
from rise_bench.stats import Estimate
from rise_bench.types import GroundMode, Record

__all__ = [
    "Bound",
    "Comparison",
    "Contrast",
    "Estimand",
    "NoneAs0",
    "Outlook",
    "Pair",
    "Party",
    "Slice",
    "SliceKind",
    "Unshared",
    "Verdict",
]

Estimand = Literal["suite", "servers"]
"""What a difference is about: this suite's tasks, or new servers of which the suite's clusters are a sample."""

SliceKind = Literal["domain", "kind", "deviation"]

Verdict = Literal[
    "better",  # the second than the first; on Acc_intent also not worse on Acc_task
    "worse",
    "unguarded",  # a difference of Acc_intent without what guards it: the better one not worse on Acc_task
    "equivalent",  # within delta
    "not worse",  # the second than the first, within delta
    "not better",
    "no evidence",
    "too few clusters",
    "not ranked",  # a side has too many faults for any claim
    "no test",
]
"""What follows for the second of a pair."""


class Party(Record):
    """One of the compared, by itself: everything that it attempted, whoever else did."""

    name: str
    run: str
    """Name of the run's folder, or of the baseline's entry."""
    suite_version: str
    tasks: int
    """Tasks attempted."""
    suite_tasks: int
    attempts: int
    """Attempts made."""
    faults: int
    unjudged: int
    acc_intent: Estimate
    acc_task: Estimate
    acc_intent_none_as_0: float | None
    acc_task_none_as_0: float | None
    not_ranked: str
    """Why no claim is made about it; empty = claims are made."""


class Unshared(Record):
    """What of two sides is not compared."""

    tasks_first: int
    """Tasks that only the first attempted."""
    tasks_second: int
    attempts_first: int
    """Attempts of the first, at tasks of both, that the second did not make."""
    attempts_second: int
    none_first: int
    """Attempts of both that were left out since the first has no verdict (fault or unjudged)."""
    none_second: int
    scores: tuple[str, ...] = ()
    """Why a score is not compared."""


class Bound(Record):
    """A one-sided test that a difference stays within delta; `p_adjusted` after Holm over all pairs."""

    p: float | None
    p_adjusted: float | None
    shown: bool | None
    reason: str = ""
    """Why there is no p."""
    warning: str = ""
    """Why it may be shown more often than it should be."""


class Outlook(Record):
    """How small a difference the comparison can show, and what a difference as seen would take (closed form)."""

    detectable: float | None
    """Smallest true difference shown with the power, as a share; None where none is."""
    alpha: float
    """Level that the comparison has to pass at the worst: alpha over the number of pairs."""
    power: float
    tasks: int | None
    """Tasks that would show a difference as large as the one seen; None where there is none, or beyond a million."""
    clusters: int | None
    """The clusters that these tasks would stand in."""
    too_few: bool = False
    """No result whatever of so few clusters (or tasks) passes this level."""
    reason: str = ""


class NoneAs0(Record):
    """The same with every attempt without a verdict counted as 0."""

    first: float
    second: float
    difference: float
    p: float | None
    attempts: int


class Contrast(Record):
    """One score of a pair over the attempts that both made and that both were judged in. Differences are second - first."""

    score: Score
    first: Estimate
    second: Estimate
    difference: Estimate
    only_first: int
    """Pairs of attempts in which only the first has the higher verdict."""
    only_second: int
    attempts: int
    """Pairs of attempts compared."""
    method: str
    p: float | None
    p_adjusted: float | None
    """After Holm over all pairs."""
    smallest_p: float | None
    """The least p that the test could have given here."""
    p_claim: float | None
    """Of the claim that the score supports: for Acc_intent the larger of `p` and the gate's, for Acc_task `p`."""
    p_claim_adjusted: float | None
    not_worse: Bound
    """The second is worse than the first by less than delta."""
    not_better: Bound
    """The second is better than the first by less than delta."""
    equivalent: Bound
    """Both."""
    outlook: Outlook
    none_as_0: NoneAs0 | None
    """None where every attempt of both has its verdicts."""
    verdict: Verdict
    sentence: str


class Slice(Record):
    """One part of a pair's tasks, or one label: its difference.

    `p` is None where nothing can be shown with so few clusters (or tasks); else `p_adjusted` is after Benjamini and Hochberg
    over all slices of its kind and score.
    """

    by: SliceKind
    name: str
    score: Score | None
    """None for a label, of which the share of attempts that carry it is compared."""
    tasks: int
    clusters: int
    first: float
    second: float
    difference: Estimate
    p: float | None
    p_adjusted: float | None


class Pair(Record):
    """Two sides."""

    first: str
    second: str
    tasks: int
    """Tasks compared."""
    attempts: int
    """Pairs of attempts compared."""
    clusters: int
    unshared: Unshared
    contrasts: tuple[Contrast, ...]
    slices: tuple[Slice, ...]
    settings: tuple[Difference, ...]
    """In what else the two runs differ; what spoils the comparison first."""


class Comparison(Record):
    """Sides compared pair by pair."""

    suite: str
    mode: GroundMode
    estimand: Estimand
    why: str
    """Why this estimand."""
    alpha: float
    delta: float
    """As a share."""
    delta_from: str
    parties: tuple[Party, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    """What a reader must know of the data before the numbers."""
