"""Gates 1 to 5: what a negative, and the task that it departs from, must pass before it may teach anything.

One function a gate; it gives its reason, empty where it lets through. Source: DESIGN 5.6, and the acceptance gates of
the literature on preference data for tool calls; which one throws away what is counted by `passed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.offer import mask_root
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.score.calls import Tools
from rise_bench.score.values import any_same
from rise_bench.synth.negatives.operators import operator
from rise_bench.synth.records import Dropped, Negative, Recovery
from rise_bench.types import Assistant, Call, Critical, Judge, Task, ToolCall, ToolResult, canonical

__all__ = [
    "CallJudge",
    "acceptable",
    "chosen_holds",
    "critical_of",
    "differs",
    "minimal",
    "passed",
    "rejected_runs",
]


@runtime_checkable
class CallJudge(Protocol):
    """A judge that can also compare what calls do."""

    def acceptable(self, task: Task, calls: Sequence[Call]) -> bool | None:
        """Would these calls do what the request says as well as the reference? None where it cannot tell."""
        ...


def passed(
    task: Task,
    negative: Negative,
    tools: Tools,
    *,
    recoveries: Sequence[Recovery] | None = None,
    judges: Sequence[Judge] = (),
) -> Dropped | None:
    """The first gate of 1 to 5 that refuses the negative, as a line of the funnel; None where all let it through."""
    gates: tuple[tuple[str, Callable[[], str]], ...] = (
        ("1 chosen does not hold", lambda: chosen_holds(task, tools, recoveries)),
        ("2 rejected does not run", lambda: rejected_runs(negative, tools)),
        ("3 same as chosen", lambda: differs(task, negative)),
        ("4 also acceptable", lambda: acceptable(task, negative, judges)),
        ("5 not minimal", lambda: minimal(task, negative)),
    )
    for name, gate in gates:
        if reason := gate():
            what = f"{negative.task} {negative.operator} {negative.call}:{negative.argument}"
            return Dropped(stage="gate", what=what, reason=name, detail=reason[:300])
    return None


# --- 1 and 2: both sides run ------------------------------------------------------------------------------------------


def chosen_holds(task: Task, tools: Tools, recoveries: Sequence[Recovery] | None = None) -> str:
    """Gate 1: the reference ran, is valid under the contract, and the request determines every critical value.

    Args:
        recoveries: how each critical value follows from the request; None = a person wrote the request.
    """
    if task.kind == "complete":
        if len(task.recorded) != len(task.reference) or not task.reference:
            return "the reference was never run end to end"
        for number, call in enumerate(task.reference):
            arguments = resolve(dict(call.arguments), list(task.recorded))
            assert isinstance(arguments, dict)
            if refusal := tools.invalid(call.tool, arguments):
                return f"call {number} is not schema-valid: {refusal}"
    lost = [f"{found.call}:{found.argument}" for found in recoveries or () if found.by == "none"]
    if lost:
        return f"the request does not determine {', '.join(lost)}"
    found = {(one.call, one.argument) for one in recoveries or ()}
    unsaid = [c for c in task.intent.critical if recoveries is not None and (c.call, c.argument) not in found]
    return f"nobody looked how {unsaid[0].argument} of call {unsaid[0].call} is recovered" if unsaid else ""


def rejected_runs(negative: Negative, tools: Tools) -> str:
    """Gate 2: what is rejected is valid and ran, else it teaches syntax and not intent."""
    results = [message for message in negative.messages if isinstance(message, ToolResult)]
    for call, result in zip(_calls(negative), results, strict=False):
        if isinstance(call.arguments, str):
            return f"{call.tool} is called with text that is no object"
        if refusal := tools.invalid(call.tool, call.arguments):
            return f"{call.tool} is not schema-valid: {refusal}"
        if result.status != "ok" or tools.failed_text(call.tool, result.content):
            return f"{call.tool} fails: {result.content[:120]}"
    return "" if len(results) == len(_calls(negative)) else "a call has no result"


# --- 3 and 4: it is wrong ---------------------------------------------------------------------------------------------


def differs(task: Task, negative: Negative) -> str:
    """Gate 3: the calls or the message differ, and so does the outcome, by the scorers that executed it."""
    if negative.observed[1] is None:
        return "could not be judged"
    if negative.observed[1] == 1:
        return "the outcome is the reference's"
    if not negative.messages or not isinstance(negative.messages[-1], Assistant):
        return "says nothing in the end"
    return ""


def acceptable(task: Task, negative: Negative, judges: Sequence[Judge] = ()) -> str:
    """Gate 4: somebody with that request would refuse the mutant.

    By rule: the changed argument is not one that the user left open, nor does its rule take the new value as the old
    one. By judges, where there are any: none of them holds the two values for the same, and none is undecided; of calls that
    differ in more than a value, none holds them for as good as the reference, where it can judge calls.
    """
    if negative.call is None:
        return ""
    if negative.operator.startswith("tool:") and negative.made in task.reference[negative.call].also:
        return f"{negative.made} does exactly the same"
    other_value = bool(negative.argument) and negative.made is not None and negative.was is not None
    if not other_value and (reason := _calls_as_good(task, negative, judges)):
        return reason
    if not negative.argument:
        return ""
    if (negative.call, negative.argument) in task.intent.free:
        return "the user left that argument open"
    critical = critical_of(task, negative)
    if critical is not None and negative.made is not None:
        accepted = [negative.was, *critical.accept]
        if any_same(accepted, negative.made, critical.match, tolerance=critical.tolerance, root=negative.root):
            return f"{_short(negative.made)} is as good as {_short(negative.was)}"
    if critical is not None and negative.made is None and critical.optional:
        return "the argument may be left out"
    if not other_value:
        return ""
    about = f"{task.request}\n{negative.argument}"
    return _refusal([judge.same(negative.was, negative.made, about) for judge in judges], "the same")


def _calls_as_good(task: Task, negative: Negative, judges: Sequence[Judge]) -> str:
    """What judges of calls say of a departure that is no other value: another tool, an argument less, another order."""
    if task.kind != "complete":
        return ""
    made = [
        Call(tool=one.tool, arguments=mask_root(one.arguments, negative.root))  # type: ignore[arg-type]
        for one in _calls(negative)
        if isinstance(one.arguments, dict)
    ]
    opinions = [judge.acceptable(task, made) for judge in judges if isinstance(judge, CallJudge)]
    return _refusal(opinions, "as good")


def _refusal(opinions: Sequence[bool | None], what: str) -> str:
    if True in opinions:
        return f"a judge takes it for {what}"
    return "a judge could not decide" if None in opinions else ""


def critical_of(task: Task, negative: Negative) -> Critical | None:
    """The critical parameter of the task in which the negative departs; None where it departs in something else."""
    same = (c for c in task.intent.critical if (c.call, c.argument) == (negative.call, negative.argument))
    return next(same, None)


# --- 5: it is one departure -------------------------------------------------------------------------------------------


def minimal(task: Task, negative: Negative) -> str:
    """Gate 5: what differs from the reference is one thing: an argument, a call, an order, or what is said.

    What follows from it (a later call on another result) is no second departure: each call is compared with what the
    reference would have sent after the results of this very run.
    """
    known = operator(negative.operator)
    if known is None:
        return f"no operator is called {negative.operator!r}"
    if task.kind != "complete" or known.family in ("decision", "structure"):
        return ""
    calls = _calls(negative)
    values = [result_value(message) for message in negative.messages if isinstance(message, ToolResult)]
    departures = abs(len(calls) - len(task.reference))
    for number, (call, meant) in enumerate(zip(calls, task.reference, strict=False)):
        departures += 1 if call.tool != meant.tool else _apart(call, meant.arguments, values[:number], negative.root)
    allowed = 0 if known.family == "response" else 1
    return "" if departures == allowed else f"{departures} departures"


def _apart(call: ToolCall, meant: Mapping[str, JsonValue], values: list[JsonValue], root: str) -> int:
    """How many arguments are not what the reference would have sent."""
    try:
        wanted = resolve(substitute_root(dict(meant), root), values)
    except InputError:
        return 1
    sent = call.arguments
    if not (isinstance(wanted, dict) and isinstance(sent, dict)):
        return 1
    return sum(name not in wanted or name not in sent or wanted[name] != sent[name] for name in wanted.keys() | sent)


def _calls(negative: Negative) -> list[ToolCall]:
    return [call for m in negative.messages if isinstance(m, Assistant) for call in m.tool_calls]


def _short(value: JsonValue) -> str:
    return canonical(value)[:60]
