"""A task cut into steps: one next message each, after the reference's own history, judged by the scorers without running."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.offer import offered
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.ground.siblings import siblings_of
from rise_bench.model import history
from rise_bench.model.oracle import final_message
from rise_bench.mutations import mutated, near_misses
from rise_bench.refs import at, bindings, escape, resolve, substitute_root, unescape
from rise_bench.rollout import fill_prompt
from rise_bench.score import score
from rise_bench.score.calls import Tools, tools_of
from rise_bench.score.intent import required_calls
from rise_bench.types import (
    Assistant,
    Call,
    Critical,
    Ground,
    Intent,
    MatchKind,
    Message,
    System,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
    Verdict,
)

__all__ = ["Distractor", "Judged", "Step", "distractors", "judge", "shown", "steps"]

MOST_TRIED = 64
"""How many sets of expected calls one message is compared with; a task of a handful of calls has far fewer."""


@dataclass(frozen=True, slots=True)
class Next:
    """A call that may come next, bindings resolved: what is critical and free in it, and what it has to follow."""

    name: str
    """Its place: `2` in the reference, `a0.1` in the first alternative."""
    call: Call
    critical: tuple[Critical, ...] = ()
    free: tuple[str, ...] = ()
    after: frozenset[str] = frozenset()
    """Names of reference calls not yet made that it must not come before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question to a model: these messages, these tools, which message is next?"""

    task: Task
    index: int
    """Position of the reference call that is next; 0 where the task has none."""
    number: int
    """Position among the task's steps."""
    of: int
    """Number of the task's steps."""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    nexts: tuple[Next, ...]
    """What may come next, the reference's own call first; empty where the right act is to ask, decline or abstain."""

    @property
    def id(self) -> str:
        """`TASK#INDEX`."""
        return f"{self.task.id}#{self.index}"

    @property
    def expected(self) -> Assistant:
        """The reference's own next message."""
        if not self.nexts:
            return Assistant(content=final_message(self.task, VISIBLE_ROOT))
        call = self.nexts[0].call
        arguments = substitute_root(call.arguments, VISIBLE_ROOT)
        assert isinstance(arguments, dict)  # it was one before
        return Assistant(tool_calls=(ToolCall(id=_call_id(self.index), tool=call.tool, arguments=arguments),))


@dataclass(frozen=True, slots=True)
class Judged:
    """A message in its step: the task of one step that it was compared with, the trajectory, both verdicts."""

    task: Task
    trajectory: Trajectory
    acc_task: Verdict
    acc_intent: Verdict


@dataclass(frozen=True, slots=True)
class Distractor:
    """A message that differs from the expected one in one deliberate thing and is no alignment."""

    message: Assistant
    operator: str
    """`value` (a critical parameter) or `tool` (another tool of the function group)."""
    argument: str = ""
    """Pointer of the parameter; empty for `tool`."""


def steps(task: Task, ground: Ground, system_prompt: str) -> list[Step]:
    """The task's steps in the reference's order.

    One for each reference call that intent needs: with a critical parameter or an effect (DESIGN 4.2). Reads that only
    feed later calls are part of the history and are not asked for: an agent that looks elsewhere first does nothing
    wrong, and without running it nothing could show that. A task whose right act is to ask, decline or abstain has one
    step. The history is the reference's: its calls in order, each with its recorded result (`shown`).

    Raises:
        InputError: the ground lacks a server, or the task has no recorded results for its calls.
    """
    tools = offered(ground, task, VISIBLE_ROOT) if not task.tools else task.tools
    opening: tuple[Message, ...] = (
        System(content=fill_prompt(system_prompt, task, VISIBLE_ROOT)),
        *task.history,
        User(content=task.request),
    )
    if task.kind != "complete" or not task.reference:
        return [Step(task, 0, 0, 1, opening, tools, ())]
    if len(task.recorded) < len(task.reference):
        what = f"has {len(task.reference)} reference calls and {len(task.recorded)} recorded results"
        raise InputError(what, where=task.id, remedy="prove the suite: rise-bench tasks check --write")
    asked = required_calls(task, tools_of(task, ground), executed=True) or list(range(len(task.reference)))
    done = list(_played(task))
    found = []
    for number, index in enumerate(asked):
        past = tuple(message for pair in done[:index] for message in pair)
        nexts = (*_remaining(task, index, asked), *_alternatives(task, index, ground))
        found.append(Step(task, index, number, len(asked), (*opening, *past), tools, nexts))
    return found


def shown(value: JsonValue) -> str:
    """A recorded result as text: text as it is, the text of `{"content": ...}` or `{"result": ...}` alone, else JSON.

    These two are how MCP servers wrap a plain text as structured content, with the bare text beside it for the model.
    """
    if isinstance(value, dict) and len(value) == 1:
        (key, inner), *_ = value.items()
        if key in ("content", "result") and isinstance(inner, str):
            return inner
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def judge(step: Step, message: Assistant, ground: Ground) -> Judged:
    """Both verdicts on a message as the next one of a step, by the scorers, evidence `none`.

    The message's calls are compared with each set of calls that may come next in the order that the task wants, and the
    best verdict counts: a later call of the reference that could as well come now, and the next act of an alternative,
    are as good, though in all their arguments. Every call beyond such a set fails Acc_intent (DESIGN 4.2, not executed).
    Acc_task asks, as everywhere, whether it was done as far as anybody watching can see: a schema-valid call of the right
    function group, whatever its arguments.
    """
    trajectory = Trajectory(
        task=step.id,
        mode="static",
        messages=(step.messages[0], User(content=step.task.request), message),
        root=VISIBLE_ROOT,
    )
    best: Judged | None = None
    for task in _comparisons(step, len(message.tool_calls)):
        attempt = trajectory.model_copy(update={"task": task.id})
        completion, intent = score(task, attempt, ground)
        found = Judged(task, attempt, completion, intent)
        if best is None or _rank(found) > _rank(best):
            best = found
        if completion.value == intent.value == 1:
            break
    assert best is not None  # there is always one comparison
    return best


def distractors(step: Step, ground: Ground) -> list[Distractor]:
    """The expected message with one thing wrong, in a stable order; only such whose Acc_task is 1 and Acc_intent 0.

    Near misses of each critical parameter, and the same arguments sent to each other offered tool of the function group or
    of the near-miss map (`ground.siblings`).
    What the contract refuses, and what is as good as the reference (accepted, another next call), is no distractor.
    """
    if not step.nexts:
        return []
    expected, offers = step.nexts[0], {tool.id: tool for tool in step.tools}
    found: list[Distractor] = []
    for critical in expected.critical:
        try:
            value = at(expected.call.arguments, critical.argument)
        except InputError:
            continue  # critical is that it is left out: nothing to vary
        for other in near_misses(critical, value, _schema(offers.get(expected.call.tool), critical.argument)):
            call = mutated(expected.call, critical.argument, other)
            found.append(Distractor(_message(call, step.index), "value", critical.argument))
    known = tools_of(step.task, ground)
    mistakable = {sibling.tool for sibling in siblings_of(expected.call.tool, step.tools)}
    for name in offers:
        together = known.group(name) == known.group(expected.call.tool)
        if name != expected.call.tool and (together or name in mistakable):
            call = expected.call.model_copy(update={"tool": name})
            found.append(Distractor(_message(call, step.index), "tool"))
    kept: dict[str, Distractor] = {}
    for item in found:
        verdict = judge(step, item.message, ground)
        if verdict.acc_task.value == 1 and verdict.acc_intent.value == 0:
            kept.setdefault(item.message.model_dump_json(), item)
    return list(kept.values())


# --- what may come next -----------------------------------------------------------------------------------------------


def _played(task: Task) -> Iterator[tuple[Assistant, ToolResult]]:
    """The reference's calls as messages, each with its result."""
    for index in range(len(task.reference)):
        call = _resolved(task, index)
        text = shown(substitute_root(task.recorded[index], VISIBLE_ROOT))
        yield _message(call, index), ToolResult(call_id=_call_id(index), tool=call.tool, content=text)


def _resolved(task: Task, index: int) -> Call:
    """A reference call with its bindings resolved from the recorded results; `{root}` stays."""
    call = task.reference[index]
    arguments = {name: resolve(value, task.recorded) for name, value in call.arguments.items()}
    return call.model_copy(update={"arguments": arguments})


def _message(call: Call, index: int) -> Assistant:
    arguments = substitute_root(call.arguments, VISIBLE_ROOT)
    assert isinstance(arguments, dict)  # it was one before
    return Assistant(tool_calls=(ToolCall(id=_call_id(index), tool=call.tool, arguments=arguments),))


def _call_id(index: int) -> str:
    return history.call_id(index, 0)


def _remaining(task: Task, index: int, asked: Sequence[int]) -> Iterator[Next]:
    """The reference calls that are still asked for, each with those not yet made that it has to follow."""
    for i in (i for i in asked if i >= index):
        before = {source for _, source, _ in bindings(task.reference[i].arguments)}
        before |= {earlier for earlier, later in task.intent.after if later == i}
        call = _resolved(task, i)
        own = tuple(item for item in task.intent.critical if item.call == i)
        free = tuple(pointer for number, pointer in task.intent.free if number == i)
        yield Next(
            name=str(i),
            call=call,
            critical=own if i == index else (*own, *_rest(call, own, free)),
            free=free,
            after=frozenset(str(j) for j in before if j >= index),
        )


def _rest(call: Call, critical: Sequence[Critical], free: Sequence[str]) -> Iterator[Critical]:
    """The arguments in which nothing is critical or free: out of its turn a call has to be the reference's in these too.

    Else a slip in the call that is next could pass for another one that differs in what nobody called critical.
    """
    settled = [item.argument for item in critical] + list(free)
    for item in _all_critical(call, {}):
        if not any(name == item.argument or name.startswith(f"{item.argument}/") for name in settled):
            yield item


def _alternatives(task: Task, index: int, ground: Ground) -> Iterator[Next]:
    """The next act of each alternative that the history so far has not left: all its arguments count.

    An alternative is still open if it makes every call with an effect that the history made. Its next act is the first
    call with an effect that is left; where it has none at all, any call that is left. A call that is bound to results
    of the alternative's own, which nobody recorded, cannot be compared and is left out.
    """
    if task.path_matters:
        return
    tools = tools_of(task, ground)
    rules = {(task.reference[c.call].tool, c.argument): c.match for c in task.intent.critical}
    made = [_resolved(task, i) for i in range(index)]
    for number, calls in enumerate(task.alternatives):
        left = _left(calls, made, tools)
        reads_only = all(tools.effect(call.tool) == "read" for call in calls)
        acts = [item for item in left if reads_only or tools.effect(item[1].tool) != "read"]
        for position, call in acts if reads_only else acts[:1]:
            if not any(bindings(call.arguments)):
                yield Next(f"a{number}.{position}", call, tuple(_all_critical(call, rules)))


def _left(calls: Sequence[Call], made: Sequence[Call], tools: Tools) -> list[tuple[int, Call]]:
    """(position, call) of an alternative's calls that were not made; none where an effect was that is not among them."""
    left = list(enumerate(calls))
    for call in made:
        same = next((item for item in left if (item[1].tool, item[1].arguments) == (call.tool, call.arguments)), None)
        if same is not None:
            left.remove(same)
        elif tools.effect(call.tool) != "read":
            return []
    return left


def _all_critical(call: Call, rules: dict[tuple[str, str], MatchKind]) -> Iterator[Critical]:
    for name, value in call.arguments.items():
        pointer = f"/{escape(name)}"
        default: MatchKind = "path" if isinstance(value, str) and value.startswith("{root}") else "exact"
        yield Critical(call=0, argument=pointer, match=rules.get((call.tool, pointer), default))


# --- comparing --------------------------------------------------------------------------------------------------------


def _comparisons(step: Step, made: int) -> Iterator[Task]:
    """The tasks of one step that a message with so many calls may answer, the reference's own first."""
    if not step.nexts:
        yield _task_of(step, ())
        return
    sets = (chosen for size in range(1, max(made, 1) + 1) for chosen in combinations(step.nexts, size))
    for chosen in islice(filter(_may_begin, sets), MOST_TRIED):
        yield _task_of(step, chosen)


def _may_begin(chosen: tuple[Next, ...]) -> bool:
    """Nothing in the set has to follow something outside it; calls of alternatives stand alone."""
    names = {item.name for item in chosen}
    alone = len(chosen) == 1 or not any(name.startswith("a") for name in names)
    return alone and all(item.after <= names for item in chosen)


def _task_of(step: Step, chosen: tuple[Next, ...]) -> Task:
    """The step as a task of its own, whose reference is the chosen calls; the history stands before its request."""
    opening = 1 + len(step.task.history)
    past = (*step.messages[1:opening], *step.messages[opening + 1 :])
    names = [item.name for item in chosen]
    own = not names or names == [str(step.index)]
    updates: dict[str, object] = {
        "id": step.id if own else f"{step.id}={'+'.join(names)}",
        "history": past,
        "path_matters": "",
        "alternatives": (),
        "recorded": (),
        "volatile": (),
        "reference_state": None,
    }
    if chosen:
        updates |= {
            "reference": tuple(item.call for item in chosen),
            "answer": (),
            "intent": Intent(
                critical=tuple(
                    c.model_copy(update={"call": i}) for i, item in enumerate(chosen) for c in item.critical
                ),
                after=tuple((names.index(name), i) for i, item in enumerate(chosen) for name in sorted(item.after)),
                free=tuple((i, pointer) for i, item in enumerate(chosen) for pointer in item.free),
            ),
        }
    return step.task.model_copy(update=updates)


def _rank(found: Judged) -> tuple[float, float, float]:
    matched, total = found.acc_intent.details.get("icp_matched"), found.acc_intent.details.get("icp_total")
    share = matched / total if isinstance(matched, int) and isinstance(total, int) and total else 0.0
    # None (a parameter that needs a judge) stands between aligned and deviated
    return (0.5 if found.acc_intent.value is None else found.acc_intent.value, found.acc_task.value or 0.0, share)


def _schema(tool: Tool | None, pointer: str) -> dict[str, JsonValue] | None:
    properties = tool.parameters.get("properties") if tool else None
    if not isinstance(properties, dict) or pointer.count("/") != 1:
        return None
    found = properties.get(unescape(pointer[1:]))
    return found if isinstance(found, dict) else None
