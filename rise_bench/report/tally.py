"""From scored attempts to the report.

They are streamed: memory grows with the number of tasks, by a few numbers each, never with what attempts contain. Faults
and unjudged attempts are None: they leave the means, are counted in both denominators, and stand as 0 in one extra line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rise_bench.errors import InputError
from rise_bench.report.records import About, Cost, Floor, Group, LabelCount, Outcomes, Pass, Report
from rise_bench.stats import Estimate, mean_interval, pass_hat_k, ratio_interval
from rise_bench.types import Evidence, LabelName, Scored, Task, Verdict

__all__ = ["FAMILIES", "FAULT_LIMIT", "NAMES", "outcome_of", "summarise"]

FAULT_LIMIT = 0.02
"""Share of faulted attempts above which a run is not ranked (DESIGN 4.2)."""

FAMILIES: dict[str, tuple[LabelName, ...]] = {
    "planning": ("wrong_tool", "missing_step", "unrequested_effect", "wrong_order"),
    "execution": ("wrong_value", "missing_argument", "extra_argument", "stale_reference"),
    "answer": ("unsupported_claim", "missing_fact"),
    "decision": ("guessed", "over_asked", "should_decline"),
    "failure": ("unparsable_call", "unknown_tool", "schema_violation", "tool_error", "budget", "no_answer"),
}
"""Labels by family (DESIGN 4.3)."""

NAMES = {
    "aligned": "aligned",
    "silent": "silently deviated",
    "visible": "visibly failed",
    "fault": "faults",
    "unjudged": "unjudged",
}
"""What may come of an attempt (1/1, 1/0, 0/0, not run, not decidable), and the words for it."""

_FAMILY_OF = {label: family for family, labels in FAMILIES.items() for label in labels}


def outcome_of(scored: Scored) -> str:
    """What came of an attempt: a key of `NAMES`."""
    if scored.fault:
        return "fault"
    if scored.acc_task.value is None or scored.acc_intent.value is None:
        return "unjudged"
    if scored.acc_intent.value == 1:
        return "aligned"
    return "silent" if scored.acc_task.value == 1 else "visible"


def _count(verdict: Verdict, name: str) -> int:
    value = verdict.details.get(name, 0)
    return int(value) if isinstance(value, int | float) else 0


@dataclass(slots=True)
class _Tally:
    """What is kept of one task."""

    kind: str
    cluster: str
    seen: int = 0
    judged: int = 0
    complete: int = 0
    aligned: int = 0
    icp_total: int = 0
    icp_matched: int = 0


@dataclass(slots=True)
class _Totals:
    """What is kept of all attempts together."""

    tasks: dict[str, _Tally] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    label_count: Counter[LabelName] = field(default_factory=Counter)
    label_attempts: Counter[LabelName] = field(default_factory=Counter)
    label_silent: Counter[LabelName] = field(default_factory=Counter)
    evidence: Counter[Evidence] = field(default_factory=Counter)
    scorers: set[str] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    counts_tokens: bool = False

    def add(self, task: Task, scored: Scored) -> None:
        tally = self.tasks.get(task.id)
        if tally is None:
            tally = self.tasks[task.id] = _Tally(task.kind, task.own_cluster)
        tally.seen += 1
        self._add_usage(task, scored)
        done, meant = scored.acc_task, scored.acc_intent
        self.scorers.update(f"{verdict.scorer} {verdict.version}" for verdict in (done, meant))
        outcome = outcome_of(scored)
        self.outcomes[outcome] += 1
        if outcome in ("fault", "unjudged"):
            self.reasons[scored.fault or next(v.reason for v in (done, meant) if v.value is None)] += 1
            return
        self.evidence[meant.evidence] += 1
        tally.judged += 1
        tally.complete += outcome != "visible"
        tally.aligned += outcome == "aligned"
        tally.icp_total += _count(meant, "icp_total")
        tally.icp_matched += _count(meant, "icp_matched")
        labels = [label.name for verdict in (done, meant) for label in verdict.labels]
        self.label_count.update(labels)
        self.label_attempts.update(set(labels))
        if outcome == "silent":
            self.label_silent.update(set(labels))

    def _add_usage(self, task: Task, scored: Scored) -> None:
        usage = scored.usage
        self.used.update(turns=usage.turns, calls=usage.calls, reference_calls=len(task.reference), cached=usage.cached)
        self.seconds += usage.seconds
        if usage.input_tokens is not None or usage.output_tokens is not None:
            self.counts_tokens = True
            self.used.update(input_tokens=usage.input_tokens or 0, output_tokens=usage.output_tokens or 0)


def summarise(
    attempts: Iterable[Scored],
    tasks: Mapping[str, Task],
    about: About,
    floors: Sequence[Floor] = (),
    level: float = 0.95,
) -> Report:
    """The report of a run.

    Args:
        attempts: in any order, superseded ones left out; read once.
        tasks: task id -> task, all that were attempted.
        about: what the run is.
        floors: scores of the suite's trivial agents.
        level: confidence level of all intervals.

    Raises:
        InputError: an attempt at a task that is not among `tasks`.
    """
    totals = _Totals()
    for scored in attempts:
        task = tasks.get(scored.task)
        if task is None:
            remedy = "give the suite that the run was made with"
            raise InputError(f"task {scored.task!r} is not in suite {about.suite}", where=about.run, remedy=remedy)
        totals.add(task, scored)
    # in the suite's order: attempts end in any, and sums of floats would show it
    tallies = [totals.tasks[name] for name in tasks if name in totals.tasks]
    judged = [t for t in tallies if t.judged]
    outcomes = Outcomes(**totals.outcomes)
    seen = sum(t.seen for t in tallies)
    return Report(
        about=about,
        tasks=len(judged),
        tasks_attempted=len(tallies),
        attempts=seen,
        judged=sum(t.judged for t in tallies),
        **_scores(judged, level),
        icp_recall=ratio_interval(
            [t.icp_matched for t in judged], [t.icp_total for t in judged], [t.cluster for t in judged], level
        ),
        acc_task_none_as_0=_none_as_0(tallies, lambda t: t.complete),
        acc_intent_none_as_0=_none_as_0(tallies, lambda t: t.aligned),
        outcomes=outcomes,
        labels=_labels(totals),
        groups=tuple(_groups(judged, level)),
        passes=tuple(_passes(judged, about.attempts, level)),
        cost=Cost(
            turns=totals.used["turns"],
            calls=totals.used["calls"],
            reference_calls=totals.used["reference_calls"],
            input_tokens=totals.used["input_tokens"] if totals.counts_tokens else None,
            output_tokens=totals.used["output_tokens"] if totals.counts_tokens else None,
            seconds=totals.seconds,
            cached=totals.used["cached"],
        ),
        floors=tuple(floors),
        evidence=dict(totals.evidence),
        scorers=tuple(sorted(totals.scorers)),
        faults=dict(totals.reasons.most_common(20)),
        not_ranked=tuple(_not_ranked(about, outcomes, seen, len(totals.scorers))),
    )


class _Scores(NamedTuple):
    acc_task: Estimate
    acc_intent: Estimate
    silent: Estimate


def _estimates(judged: Sequence[_Tally], level: float) -> _Scores:
    clusters = [t.cluster for t in judged]
    return _Scores(
        mean_interval([t.complete / t.judged for t in judged], clusters, level),
        mean_interval([t.aligned / t.judged for t in judged], clusters, level),
        ratio_interval([t.complete - t.aligned for t in judged], [t.complete for t in judged], clusters, level),
    )


def _scores(judged: Sequence[_Tally], level: float) -> dict[str, Estimate]:
    task, intent, silent = _estimates(judged, level)
    return {"acc_task": task, "acc_intent": intent, "silent_rate": silent}


def _none_as_0(tallies: Sequence[_Tally], hits: Callable[[_Tally], int]) -> float | None:
    return sum(hits(t) / t.seen for t in tallies) / len(tallies) if tallies else None


def _labels(totals: _Totals) -> tuple[LabelCount, ...]:
    order = [label for labels in FAMILIES.values() for label in labels]
    return tuple(
        LabelCount(
            label=label,
            family=_FAMILY_OF[label],
            count=totals.label_count[label],
            attempts=totals.label_attempts[label],
            silent=totals.label_silent[label],
        )
        for label in order
        if totals.label_count[label]
    )


def _groups(judged: Sequence[_Tally], level: float) -> Iterable[Group]:
    slices: dict[tuple[str, str], list[_Tally]] = {}
    for tally in judged:
        slices.setdefault(("kind", tally.kind), []).append(tally)
        slices.setdefault(("server", tally.cluster.rsplit("/", 1)[-1]), []).append(tally)
        slices.setdefault(("cluster", tally.cluster), []).append(tally)
    for by in ("kind", "server", "cluster"):
        for (what, name), members in sorted(slices.items()):
            if what == by:
                task, intent, silent = _estimates(members, level)
                runs = sum(t.judged for t in members)
                yield Group(
                    by=by, name=name, tasks=len(members), judged=runs, acc_task=task, acc_intent=intent, silent=silent
                )


def _passes(judged: Sequence[_Tally], attempts: int, level: float) -> Iterable[Pass]:
    """pass^1 .. pass^attempts; none where there is one attempt, as pass^1 is the score itself."""
    for k in range(1, attempts + 1) if attempts > 1 else ():
        enough = [t for t in judged if t.judged >= k]
        if not enough:
            return
        tried, clusters = [t.judged for t in enough], [t.cluster for t in enough]
        yield Pass(
            k=k,
            acc_task=pass_hat_k([t.complete for t in enough], tried, k, clusters, level),
            acc_intent=pass_hat_k([t.aligned for t in enough], tried, k, clusters, level),
            left_out=len(judged) - len(enough),
        )


def _not_ranked(about: About, outcomes: Outcomes, attempts: int, scorers: int) -> Iterable[str]:
    wanted = about.tasks * about.attempts
    if attempts < wanted:
        yield f"{attempts} of {wanted} attempts were made"
    if attempts and outcomes.fault / attempts > FAULT_LIMIT:
        yield f"{100 * outcomes.fault / attempts:.1f} % of the attempts are faults; the limit is {100 * FAULT_LIMIT:.0f} %"
    if outcomes.unjudged:
        yield f"{outcomes.unjudged} attempts are unjudged"
    if scorers > 2:
        yield "verdicts of different scorer versions are mixed: run `rise-bench score`"
    if about.mode == "log":
        yield "imported logs are not ranked"
