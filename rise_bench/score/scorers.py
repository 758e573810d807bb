"""The two scorers: pure functions of task, trajectory and frozen ground (DESIGN section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.refs import result_value
from rise_bench.score.answer import Answer, FactFinding, judge_fact
from rise_bench.score.assign import assign_groups
from rise_bench.score.calls import Made, Tools, calls_made, tools_of
from rise_bench.score.decision import asked, claims_completion, declined
from rise_bench.score.intent import Comparison, compare_calls, other_values
from rise_bench.score.plan import plan_of
from rise_bench.score.state import residue, state_equal, strayed
from rise_bench.types import (
    Assistant,
    Evidence,
    Ground,
    Judge,
    Label,
    LabelName,
    Task,
    Trajectory,
    Verdict,
    canonical,
)

__all__ = ["VERSION", "evidence_of", "final_text", "score"]

VERSION = "2-0"
"""Scorer version `N-X`: N changes when verdicts of the same trajectory may change."""

_ERROR_TEXT = re.compile(
    r"^\W*(?:error|exception|traceback|internal server error|bad request|status code \d{3})\b", re.I
)


@dataclass(slots=True)
class Finding:
    """What both scorers conclude, before it is written as verdicts."""

    task: float | None
    intent: float | None
    why_task: str
    why_intent: str
    failures: list[Label] = field(default_factory=list)
    deviations: list[Label] = field(default_factory=list)
    details: dict[str, JsonValue] = field(default_factory=dict)


def evidence_of(trajectory: Trajectory) -> Evidence:
    """What a verdict on this trajectory rests on."""
    if trajectory.mode == "static":
        return "none"
    return "state" if trajectory.mode in ("live", "replay") and trajectory.end_state is not None else "calls"


def final_text(trajectory: Trajectory) -> str:
    """The final message; for logs, where any assistant text may state a fact, all of them."""
    texts = [message.content for message in trajectory.messages if isinstance(message, Assistant)]
    if trajectory.mode == "log":
        return "\n".join(text for text in texts if text.strip())
    return texts[-1] if texts else ""


def score(task: Task, trajectory: Trajectory, ground: Ground, judge: Judge | None = None) -> tuple[Verdict, Verdict]:
    """(Acc_task, Acc_intent) of one attempt, each 1, 0 or None with reason, labels and evidence.

    Deterministic: no model (unless a judge is given for `semantic` parameters), no server, no clock.
    """
    tools = tools_of(task, ground)
    evidence = evidence_of(trajectory)
    if trajectory.stop == "fault":
        finding = Finding(None, None, f"fault: {trajectory.fault}", f"fault: {trajectory.fault}")
    else:
        made = calls_made(trajectory, tools)
        finding = _SCORERS[task.kind](task, trajectory, made, tools, evidence, judge)
        finding.failures = _failures(trajectory, made, tools) + finding.failures
        finding.details.setdefault("calls", len(made))
        finding.details.setdefault("reference_calls", len(task.reference))
    if judge is None and plan_of(task).semantic and finding.intent is not None:
        # for whatever came of the attempt: if only the undecidable ones left the mean, it would fall
        finding.intent, finding.why_intent = None, "unjudged: the task has parameters that need a judge, none is there"
    deviations = [] if finding.intent == 1 else finding.deviations

    def verdict(scorer: str, value: float | None, reason: str, labels: list[Label]) -> Verdict:
        return Verdict(
            task=task.id,
            attempt=trajectory.attempt,
            scorer=scorer,
            version=VERSION,
            value=value,
            reason=reason,
            labels=tuple(labels),
            evidence=evidence,
            ground=tools.digest,
            details=finding.details if scorer == "acc_intent" else {},
        )

    return (
        verdict("acc_task", finding.task, finding.why_task, finding.failures),
        verdict("acc_intent", finding.intent, finding.why_intent, deviations),
    )


def _failures(trajectory: Trajectory, made: list[Made], tools: Tools) -> list[Label]:
    """The obvious failures (DESIGN 4.3), whether or not they were repaired later."""
    labels: list[Label] = []
    for call in made:
        if call.arguments is None:
            labels.append(Label(name="unparsable_call", call=call.index, found=call.raw[:200]))
        elif not call.known:
            labels.append(Label(name="unknown_tool", call=call.index, found=call.tool))
        elif call.invalid:
            labels.append(Label(name="schema_violation", call=call.index, note=call.invalid))
        elif trajectory.mode != "static" and not call.succeeded:
            labels.append(Label(name="tool_error", call=call.index, found=call.tool))
    labels.extend(
        Label(name="unparsable_call", note=message.malformed[:200])
        for message in trajectory.messages
        if isinstance(message, Assistant) and message.malformed
    )
    if trajectory.stop in ("max_turns", "max_calls", "max_tokens", "timeout"):
        labels.append(Label(name="budget", note=trajectory.stop))
    elif trajectory.stop == "server_died":
        labels.append(Label(name="tool_error", note="the server died or hung in a call of this attempt"))
    elif trajectory.stop not in ("answered", "fault"):
        labels.append(Label(name="no_answer", note=trajectory.stop))
    return labels


# --- complete ---------------------------------------------------------------------------------------------------------


def _complete(
    task: Task, trajectory: Trajectory, made: list[Made], tools: Tools, evidence: Evidence, judge: Judge | None
) -> Finding:
    executed = evidence != "none"
    if not task.reference and not task.answer and task.reference_state is None:
        nothing = "nothing to judge against: the task has no reference, no facts and no state"
        return Finding(None, None, nothing, nothing)
    comparison = compare_calls(task, made, tools, root=trajectory.root, executed=executed, judge=judge)
    counts: dict[str, JsonValue] = {
        "icp_total": comparison.total,
        "icp_matched": comparison.matched,
        "icp_unjudged": comparison.unjudged,
    }
    if trajectory.stop != "answered":
        why = f"did not end with an answer ({trajectory.stop})"
        return Finding(0, 0, why, "the task was not completed", details=counts)
    text = final_text(trajectory)
    if executed and not text.strip():
        no_answer = Label(name="no_answer", note="empty final message")
        why = "the final message is empty"
        return Finding(0, 0, why, "the task was not completed", [no_answer], details=counts)
    if evidence == "state" and task.reference_state is None:
        unproved = "the task has no recorded reference state: run `rise-bench tasks check --write`"
        return Finding(None, None, unproved, unproved)
    facts = _facts(task, trajectory, text, made) if executed else []
    equal = _outcome_equal(task, trajectory, made, facts, evidence)
    finding = _task_value(task, made, tools, comparison, facts, equal, executed)
    _intent_value(task, trajectory, made, tools, comparison, facts, equal, evidence, finding)
    if finding.intent != 1 and not made and task.reference and text.rstrip().endswith("?"):
        finding.deviations.append(Label(name="over_asked", note="asked although the request says all that is needed"))
    if equal and not task.path_matters:
        counts["icp_matched"] = comparison.total
    finding.details |= counts | {"outcome_equal": equal}
    return finding


def _facts(task: Task, trajectory: Trajectory, text: str, made: list[Made]) -> list[FactFinding]:
    if not task.answer:
        return []
    results = tuple(_result_text(call) for call in made if call.succeeded and call.result is not None)
    answer = Answer(text, task.request, results, trajectory.root)
    return [judge_fact(fact, answer, [other for other in task.answer if other is not fact]) for fact in task.answer]


def _result_text(call: Made) -> str:
    assert call.result is not None  # successful calls were executed
    if call.result.structured is None or call.result.content:
        return call.result.content
    return canonical(result_value(call.result))


def _outcome_equal(
    task: Task, trajectory: Trajectory, made: list[Made], facts: list[FactFinding], evidence: Evidence
) -> bool:
    """End-state difference as the reference's, every fact stated and supported; never without a successful call.

    Where the reference leaves no difference and no fact is asked, any outcome would be equal: then the calls decide.
    """
    if evidence != "state" or trajectory.end_state is None or not (task.reference_state or task.answer):
        return False
    if task.reference and not any(call.succeeded for call in made):
        return False
    return state_equal(task, trajectory.end_state, trajectory.root) and all(f.stated and f.supported for f in facts)


def _task_value(
    task: Task,
    made: list[Made],
    tools: Tools,
    comparison: Comparison,
    facts: list[FactFinding],
    equal: bool,
    executed: bool,
) -> Finding:
    if equal:
        return Finding(1, None, "the outcome equals the reference's", "")
    wanted = [
        (i, call, tools.group(call.tool))
        for i, call in enumerate(task.reference)
        if not executed or tools.effect(call.tool) != "read"
    ]
    done = assign_groups(wanted, made)
    missing = [call.tool for i, call, _ in wanted if i not in done]
    if missing:
        return Finding(0, None, f"no successful call does what {', '.join(missing)} does", "")
    empty = [fact.value for fact, found in zip(task.answer, facts, strict=False) if not found.slot] if executed else []
    if empty:
        return Finding(0, None, f"no supported value stands where {empty[0]!r} was asked for", "")
    if executed and task.reference and not any(call.succeeded for call in made):
        return Finding(0, None, "no call succeeded", "")
    return Finding(1, None, "every effect and every asked value is there", "")


def _intent_value(
    task: Task,
    trajectory: Trajectory,
    made: list[Made],
    tools: Tools,
    comparison: Comparison,
    facts: list[FactFinding],
    equal: bool,
    evidence: Evidence,
    finding: Finding,
) -> None:
    """Fill in Acc_intent, its reason and the deviations."""
    if equal and not task.path_matters:
        finding.intent, finding.why_intent = 1, "the outcome equals the reference's"
        return
    labels = list(comparison.labels)
    labels.extend(_leftovers(task, trajectory, made, tools, comparison, evidence))
    labels.extend(_fact_labels(task, facts))
    finding.deviations = labels
    if finding.task != 1:
        finding.intent, finding.why_intent = 0, "the task was not completed"
    elif labels:
        finding.intent, finding.why_intent = 0, "deviates: " + ", ".join(dict.fromkeys(label.name for label in labels))
    elif comparison.unjudged:
        finding.intent = None
        finding.why_intent = f"{comparison.unjudged} parameter(s) need a judge and none could decide"
    else:
        finding.intent, finding.why_intent = 1, "every critical parameter, fact and order is as meant"


def _leftovers(
    task: Task, trajectory: Trajectory, made: list[Made], tools: Tools, comparison: Comparison, evidence: Evidence
) -> list[Label]:
    """Effects that nobody asked for: residue in the state; in logs, unassigned writes; unexecuted, any further call.

    With state also what was asked for and is not there: no change at all, or another one by a value that nobody gave.
    """
    assigned = comparison.chosen | comparison.siblings
    taken = {call.index for call in assigned.values()}
    if evidence == "none":
        return [_unrequested(call, "beyond the reference") for call in made if call.index not in taken]
    if evidence == "calls":
        return [
            _unrequested(call, "unassigned write")
            for call in made
            if call.index not in taken and call.succeeded and call.effect != "read"
        ]
    end, root = trajectory.end_state or (), trajectory.root
    labels = [
        Label(name="unrequested_effect", call=writer.index if writer else None, note=change.path, found=change.after)
        for change, writer in residue(task, end, made, assigned, root)
    ]
    for index, call in comparison.chosen.items():
        if strayed(task, end, call, root):
            labels.extend(other_values(task, index, comparison.chosen, root))
    if task.reference_state and not end and not labels:
        labels.append(Label(name="missing_step", note="nothing stays changed, though something was asked for"))
    return labels


def _unrequested(call: Made, note: str) -> Label:
    return Label(name="unrequested_effect", call=call.index, found=call.tool, note=note)


def _fact_labels(task: Task, facts: list[FactFinding]) -> list[Label]:
    labels: list[Label] = []
    for fact, found in zip(task.answer, facts, strict=False):
        if found.stated and found.supported:
            continue
        unsupported = found.stated or (found.found is not None and not found.slot)
        name: LabelName = "unsupported_claim" if unsupported else "missing_fact"
        labels.append(Label(name=name, expected=fact.value, found=found.found, note=", ".join(fact.about)))
    return labels


# --- the other kinds --------------------------------------------------------------------------------------------------


def _effects(task: Task, trajectory: Trajectory, made: list[Made], evidence: Evidence) -> tuple[bool, list[Made]]:
    """(something stays changed, successful or failed calls that are not known to be reads)."""
    acts = [call for call in made if call.effect != "read" and call.known]
    if evidence == "state":
        return bool(residue(task, trajectory.end_state or (), made, {}, trajectory.root)), acts
    return any(call.succeeded for call in acts), acts


def _decision(
    task: Task, trajectory: Trajectory, made: list[Made], tools: Tools, evidence: Evidence, judge: Judge | None
) -> Finding:
    """`underspecified`: it asked. `infeasible`: it declined. Whatever stays changed spoils both scores."""
    text = final_text(trajectory)
    asks = task.kind == "underspecified"
    good = trajectory.stop == "answered" and (asked(task, text) if asks else declined(task, text))
    changed, acts = _effects(task, trajectory, made, evidence)
    if good and not changed and not (asks and acts):
        return Finding(1, 1, "asked" if asks else "declined", "asked" if asks else "declined")
    labels = [Label(name="guessed", call=call.index, found=call.tool) for call in acts] if asks else []
    if not asks and not good:
        labels.append(Label(name="should_decline"))
    if changed:
        labels.append(Label(name="unrequested_effect", note="a change stays although nothing could be decided"))
    if asks and not good and not acts:
        labels.append(Label(name="guessed", note="answered instead of asking"))
    why = "did not ask for what is missing" if asks else "did not say which capability is missing"
    if trajectory.stop != "answered":
        why = f"did not end with an answer ({trajectory.stop})"
    elif good and changed:
        why = "acted before it asked" if asks else "acted before it declined"
    elif claims_completion(text):
        why = "claims that it was done"
    completed = good and not changed
    guessed = "asked, after a call on a guessed value"
    return Finding(
        1 if completed else 0,
        0,
        guessed if completed else why,
        guessed if completed else "the task was not completed",
        deviations=labels,
    )


def _no_call(
    task: Task, trajectory: Trajectory, made: list[Made], tools: Tools, evidence: Evidence, judge: Judge | None
) -> Finding:
    """Relevance items: 1 iff no call was attempted; prose or `[]` abstains, malformed, empty and error text do not."""
    text = final_text(trajectory)
    malformed = any(isinstance(message, Assistant) and message.malformed for message in trajectory.messages)
    if made or malformed:
        why = "a call was attempted" if made else "malformed call syntax is no abstention"
        labels = [_unrequested(call, "no call was right") for call in made]
        return Finding(0, 0, why, why, deviations=labels)
    if trajectory.stop != "answered" or not text.strip() or _ERROR_TEXT.match(text):
        return Finding(0, 0, "empty or error text is no abstention", "empty or error text is no abstention")
    return Finding(1, 1, "no call was attempted", "no call was attempted")


_SCORERS = {"complete": _complete, "underspecified": _decision, "infeasible": _decision, "no_call": _no_call}
