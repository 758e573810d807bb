"""The records of a report: a run in numbers."""

from __future__ import annotations

from rise_bench.stats import Estimate
from rise_bench.types import Conditions, Evidence, GroundMode, LabelName, Record, Sampling

__all__ = [
    "About",
    "Cost",
    "Floor",
    "Group",
    "LabelCount",
    "Outcomes",
    "Pass",
    "Report",
]


class About(Record):
    """What the run is, as far as a reader of its numbers must know."""

    suite: str
    suite_version: str = ""
    ground: str = ""
    """Digest of the ground."""
    mode: GroundMode
    model: str
    run: str = ""
    """Name of the run folder."""
    tasks: int
    """Tasks of the suite, attempted or not."""
    attempts: int = 1
    """Attempts that the run asks for per task."""
    seed: int = 0
    sampling: Sampling = Sampling()
    conditions: tuple[Conditions, ...] = ()
    """Under what the attempts were made; more than one where the run went on under others."""
    results: str = ""
    """Digest of all verdicts, without what they cost."""


class Outcomes(Record):
    """Attempts by what came of them. `aligned + silent + visible` are the judged ones."""

    aligned: int = 0
    silent: int = 0
    """Complete but not aligned: nobody watching would have noticed."""
    visible: int = 0
    fault: int = 0
    unjudged: int = 0
    """No fault, but a scorer could not decide (a `semantic` match without a judge)."""


class LabelCount(Record):
    """How often a deviation or failure was seen."""

    label: LabelName
    family: str
    count: int
    attempts: int
    """Judged attempts that carry it."""
    silent: int
    """Of these, the silently deviated ones."""


class Group(Record):
    """One slice of the tasks."""

    by: str
    """`kind`, `server` (of the deciding call) or `cluster`."""
    name: str
    tasks: int
    judged: int
    acc_task: Estimate
    acc_intent: Estimate
    silent: Estimate


class Pass(Record):
    """pass^k of both scores over the tasks that have k judged attempts."""

    k: int
    acc_task: Estimate
    acc_intent: Estimate
    left_out: int
    """Tasks with fewer than k judged attempts."""


class Cost(Record):
    """What the attempts used, in all. Tokens None where the model does not count them."""

    turns: int = 0
    calls: int = 0
    reference_calls: int = 0
    """Calls of the references of the same attempts."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float = 0.0
    cached: int = 0
    """Turns whose reply came from a cache: their tokens are counted, their time is not what the model takes."""


class Floor(Record):
    """What an agent that never looks at the request scores on the same suite."""

    name: str
    acc_task: float
    acc_intent: float


class Report(Record):
    """A run in numbers. Estimates are shares in [0, 1] over tasks, with intervals by the tasks' own clusters."""

    about: About
    tasks: int
    """Tasks with at least one judged attempt: the denominator of both scores."""
    tasks_attempted: int
    """Tasks with any attempt: the denominator that counts None as 0."""
    attempts: int
    judged: int
    acc_task: Estimate
    acc_intent: Estimate
    silent_rate: Estimate
    """P(not aligned | complete)."""
    icp_recall: Estimate
    """Share of the critical parameters that were matched."""
    acc_task_none_as_0: float | None
    acc_intent_none_as_0: float | None
    outcomes: Outcomes
    labels: tuple[LabelCount, ...]
    groups: tuple[Group, ...]
    passes: tuple[Pass, ...]
    cost: Cost
    floors: tuple[Floor, ...]
    evidence: dict[Evidence, int]
    """Judged attempts by what their verdicts rest on."""
    scorers: tuple[str, ...]
    faults: dict[str, int]
    """Reasons of faults and unjudged attempts with their number, the most frequent first."""
    not_ranked: tuple[str, ...]
    """Why the run may not stand on a board; empty = it may."""
