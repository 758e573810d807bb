"""What a negative, and the task that it departs from, must pass before it may teach anything; one function a gate.

A gate gives its reason, empty where it lets through. Source: DESIGN 5.6, and the acceptance gates of the literature on
preference data for tool calls; which one throws away what is counted by `passed`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.offer import mask_root
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.score.calls import Tools
from rise_bench.score.values import any_same
from rise_bench.synth.operators import operator
from rise_bench.synth.records import Dropped, Negative, Recovery
from rise_bench.types import Assistant, Call, Critical, Judge, Task, ToolCall, ToolResult, canonical

__all__ = [
    "CallJudge",
    "Cell",
    "acceptable",
    "balanced",
    "cell_of",
    "chosen_holds",
    "differs",
    "minimal",
    "passed",
    "rejected_runs",
    "rejections",
    "split_first",
    "value_type",
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
    critical = _critical(task, negative)
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


def _critical(task: Task, negative: Negative) -> Critical | None:
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


# --- 6: no direction is the wrong one ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What negatives are balanced over."""

    operator: str
    """Without the sign of its direction."""
    type: str
    """Of the argument: `path`, `date`, `number`, `text`, ...; empty where none is concerned."""
    direction: str


def cell_of(negative: Negative, task: Task) -> Cell:
    """The cell in which a negative counts."""
    known = operator(negative.operator)
    direction = known.direction if known else ""
    name = negative.operator.replace("+", "±", 1) if direction == "+" else negative.operator
    name = name.replace("-", "±", 1) if direction == "-" and "+" not in name else name
    if negative.operator in ("value:tenfold", "value:tenth"):
        name = "value:±ten"
    critical = _critical(task, negative)
    kind = critical.match if critical is not None and critical.match != "exact" else value_type(negative.was)
    return Cell(name, kind if negative.argument else "", direction)


def value_type(value: JsonValue) -> str:
    """`number`, `flag`, `list`, `object`, `text` or `none`."""
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return names.get(type(value), "none")


def balanced(
    found: Sequence[tuple[Negative, Task]], *, seed: int, most: int | None = None
) -> tuple[list[Negative], list[Dropped]]:
    """Gate 6: the negatives that stay, in their order, and those that go.

    Of two opposite directions in one operator and type each keeps as many as the rarer has; no cell keeps more than
    `most`. Who goes is drawn from `seed` and the cell, so that neither order nor threads matter.

    Args:
        most: None: as many as three times the median cell.
    """
    cells: dict[Cell, list[int]] = defaultdict(list)
    for number, (negative, task) in enumerate(found):
        cells[cell_of(negative, task)].append(number)
    sizes = sorted(len(members) for members in cells.values())
    cap = most if most is not None else max(1, 3 * sizes[len(sizes) // 2]) if sizes else 0
    keep: set[int] = set()
    why: dict[int, str] = {}
    for cell, members in sorted(cells.items()):
        opposite = Cell(cell.operator, cell.type, {"+": "-", "-": "+"}.get(cell.direction, ""))
        room = min(cap, len(cells.get(opposite, ())) if cell.direction else cap)
        ranked = sorted(members, key=lambda i: _key(found[i][0]))
        random.Random(f"{seed}:{cell}").shuffle(ranked)
        keep.update(ranked[:room])
        reason = "one direction outweighs the other" if room < cap else "its cell is full"
        why.update((i, f"{cell.operator} {cell.type} {cell.direction}: {reason}") for i in ranked[room:])
    left = [
        Dropped(
            stage="gate", what=f"{n.task} {n.operator} {n.call}:{n.argument}", reason="6 out of balance", detail=why[i]
        )
        for i, (n, _) in enumerate(found)
        if i not in keep
    ]
    return [negative for i, (negative, _) in enumerate(found) if i in keep], left


def _key(negative: Negative) -> str:
    """What is departed from, and how: nothing of the sandbox in which it ran."""
    made = canonical(mask_root(negative.made, negative.root))
    return f"{negative.task} {negative.operator} {negative.call}:{negative.argument} {made}"


# --- 8: split first ---------------------------------------------------------------------------------------------------


def split_first(part_of: Mapping[str, str], primitives: Mapping[str, Iterable[str]]) -> list[str]:
    """Gate 8: primitives that stand in more than one part, each with its parts; empty where the split was clean.

    A negative belongs to the part of its task, so what does not straddle before mutation cannot straddle after it.

    Args:
        part_of: task id to its part of the split.
        primitives: task id to the digests of the primitives behind it.
    """
    parts: dict[str, set[str]] = defaultdict(set)
    for task, digests in primitives.items():
        for digest in digests:
            parts[digest].add(part_of[task])
    return [
        f"{digest[:12]} stands in {', '.join(sorted(found))}"
        for digest, found in sorted(parts.items())
        if len(found) > 1
    ]


def rejections(dropped: Iterable[Dropped]) -> Counter[str]:
    """How many each gate refused."""
    return Counter(one.reason for one in dropped if one.stage == "gate")


def _short(value: JsonValue) -> str:
    return canonical(value)[:60]
