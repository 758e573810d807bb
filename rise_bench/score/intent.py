"""The calls against the intent: critical parameters, order, added constraints; each departure with its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.refs import escape, unescape
from rise_bench.score.assign import Fit, assign, assign_groups
from rise_bench.score.bind import Missing, expected_arguments, is_bound, part
from rise_bench.score.calls import Made, Tools
from rise_bench.score.plan import plan_of
from rise_bench.score.values import any_same, same, same_exact
from rise_bench.types import Critical, Judge, Label, LabelName, MatchKind, Task

__all__ = ["Comparison", "compare_calls", "other_values", "required_calls"]


@dataclass(slots=True)
class Comparison:
    """Made calls against reference calls.

    `chosen`: reference index -> the call that stands for it, tool and all. `siblings`: reference index -> a call of the
    same function group, for what `chosen` leaves open. `unjudged`: critical parameters that need a judge and had none.
    """

    chosen: dict[int, Made] = field(default_factory=dict)
    siblings: dict[int, Made] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    matched: int = 0
    total: int = 0
    unjudged: int = 0


def required_calls(task: Task, tools: Tools, executed: bool) -> list[int]:
    """Reference calls that intent needs on the tool meant.

    Those with a critical parameter or an effect; all of them where nothing is executed or the user named the way.
    Reads that only feed later calls are not required (DESIGN 4.2).
    """
    if not executed or task.path_matters:
        return list(range(len(task.reference)))
    critical = {item.call for item in task.intent.critical}
    return [i for i, call in enumerate(task.reference) if i in critical or tools.effect(call.tool) != "read"]


def compare_calls(
    task: Task, made: Sequence[Made], tools: Tools, *, root: str, executed: bool, judge: Judge | None
) -> Comparison:
    """The optimal assignment and every departure from the intent that the calls show."""
    plan = plan_of(task)
    known: dict[tuple[int, int], bool] = {}

    def holds(item: Critical, expected: dict[str, JsonValue], call: Made, judge: Judge | None = None) -> bool | None:
        key = (id(item), call.index)  # the assignment and the comparison after it ask the same
        verdict = known.get(key)
        if verdict is None:
            bound = bool(plan.bindings[item.call])
            verdict = _matches(item, expected, call, tools, root, judge, bound)
            if verdict is not None and not bound:
                known[key] = verdict
        return verdict

    def fit(index: int, call: Made, chosen: dict[int, Made]) -> Fit:
        expected = expected_arguments(task, index, chosen, root)
        sent = call.arguments or {}
        hits = sum(holds(item, expected, call) is True for item in plan.critical[index])
        others = sum(name in sent and same_exact(expected[name], sent[name]) for name in plan.others[index])
        return Fit(hits, others, call.index - index)

    found = Comparison(chosen=assign(task.reference, made, fit, plan.levels), total=len(task.intent.critical))
    required = required_calls(task, tools, executed)
    open_calls = [
        (i, task.reference[i], tools.group(task.reference[i].tool)) for i in required if i not in found.chosen
    ]
    taken = {call.index for call in found.chosen.values()}
    found.siblings = assign_groups(open_calls, [call for call in made if call.index not in taken])
    for index, call, _ in open_calls:
        found.labels.append(_missing(index, call.tool, found.siblings.get(index)))
    for index in required:
        if index in found.chosen:
            expected = expected_arguments(task, index, found.chosen, root)
            for item in plan.critical[index]:
                _count(task, item, expected, found, holds(item, expected, found.chosen[index], judge))
            found.labels.extend(_added(task, index, expected, found.chosen[index], tools, plan.critical[index]))
    found.labels.extend(_order(task, found.chosen))
    return found


def _missing(index: int, tool: str, sibling: Made | None) -> Label:
    if sibling is not None:
        return Label(name="wrong_tool", call=sibling.index, reference=index, expected=tool, found=sibling.tool)
    return Label(name="missing_step", reference=index, expected=tool)


def _count(task: Task, item: Critical, expected: dict[str, JsonValue], found: Comparison, verdict: bool | None) -> None:
    if verdict is None:
        found.unjudged += 1
    elif verdict:
        found.matched += 1
    else:
        found.labels.append(_departure(task, item, expected, found.chosen[item.call]))


def _departure(task: Task, item: Critical, expected: dict[str, JsonValue], call: Made) -> Label:
    wanted, sent = part(expected, item.argument), part(call.arguments, item.argument)
    name: LabelName = "wrong_value"
    if isinstance(sent, Missing):
        name = "missing_argument"
    elif isinstance(wanted, Missing):
        name = "extra_argument"
    elif is_bound(task.reference[item.call].arguments, item.argument):
        name = "stale_reference"
    return Label(
        name=name,
        call=call.index,
        reference=item.call,
        argument=item.argument,
        expected=None if isinstance(wanted, Missing) else wanted,
        found=None if isinstance(sent, Missing) else sent,
    )


def _matches(
    item: Critical,
    expected: dict[str, JsonValue],
    call: Made,
    tools: Tools,
    root: str,
    judge: Judge | None,
    bound: bool,
) -> bool | None:
    """Does the call hold the critical parameter? None: it needs a judge and there is none, or it could not decide.

    `bound`: the reference call has bindings, so that one may be left in `expected`.
    """
    if bound and is_bound(expected, item.argument):  # a binding that finds nothing can match nothing
        return False
    wanted, sent = part(expected, item.argument), part(call.arguments, item.argument)
    if type(wanted) is type(sent) and isinstance(wanted, str | int | float) and wanted == sent:
        return True  # the same scalar is the same by every rule
    top = unescape(item.argument.split("/")[1]) if item.argument else ""
    schema = tools.schema(call.tool, top)
    nested = item.argument.count("/") > 1
    if isinstance(sent, Missing) or (sent is None and wanted is not None):
        return item.optional or isinstance(wanted, Missing) or _is_default(wanted, None if nested else schema)
    accepted = [*([] if isinstance(wanted, Missing) else [wanted]), *item.accept]
    schema = None if nested else schema
    if any_same(accepted, sent, item.match, schema=schema, root=root, tolerance=item.tolerance):
        return True
    if item.match != "semantic":
        return False
    verdicts = [judge.same(value, sent, item.argument) for value in accepted] if judge else [None]
    return True if True in verdicts else (None if None in verdicts else False)


def _is_default(value: JsonValue, schema: dict[str, JsonValue] | None) -> bool:
    return schema is not None and "default" in schema and same_exact(value, schema["default"])


def _added(
    task: Task, index: int, expected: dict[str, JsonValue], call: Made, tools: Tools, critical: Sequence[Critical]
) -> list[Label]:
    """Constraining arguments that the reference does not have: not the schema's default, not free, not null.

    Inside an argument too, where parts of it are critical: a value put beside those constrains as well.
    """
    free = {pointer for number, pointer in task.intent.free if number == index}
    named = {item.argument for item in critical}
    deep = {name for name in named if name.count("/") > 1}
    return [
        Label(name="extra_argument", call=call.index, reference=index, argument=pointer, found=value)
        for pointer, value in _beyond(expected, call.arguments or {}, "", deep)
        if pointer not in free
        and not any(name == pointer or name.startswith(pointer + "/") for name in named)
        and value is not None
        and not (pointer.count("/") == 1 and _is_default(value, tools.schema(call.tool, unescape(pointer[1:]))))
    ]


def other_values(task: Task, index: int, chosen: Mapping[int, Made], root: str) -> list[Label]:
    """Arguments, neither critical nor free, that hold another value than the reference's.

    For a call that left something else than the reference did: such a value had a consequence in the outcome.
    """
    call = chosen[index]
    settled = [item.argument for item in plan_of(task).critical[index]]
    settled += [pointer for number, pointer in task.intent.free if number == index]
    expected = expected_arguments(task, index, chosen, root)
    labels: list[Label] = []
    for name, wanted in expected.items():
        pointer, sent = f"/{escape(name)}", part(call.arguments, f"/{escape(name)}")
        if isinstance(sent, Missing) or is_bound(expected, pointer):
            continue
        if any(place == pointer or place.startswith(pointer + "/") for place in settled):
            continue
        if not any(same(wanted, sent, kind, root=root) for kind in _LENIENT):
            labels.append(
                Label(
                    name="wrong_value", call=call.index, reference=index, argument=pointer, expected=wanted, found=sent
                )
            )
    return labels


_LENIENT: tuple[MatchKind, ...] = ("exact", "path", "text", "datetime", "sql")
"""Rules under one of which a value that nobody called critical may be the reference's."""


def _beyond(expected: JsonValue, found: JsonValue, pointer: str, deep: set[str]) -> Iterator[tuple[str, JsonValue]]:
    """(pointer, value) of what `found` holds and `expected` does not, down to where `deep` names a critical parameter."""
    pairs: list[tuple[str, JsonValue, bool, JsonValue]] = []
    if isinstance(found, dict) and isinstance(expected, dict):
        pairs = [(escape(key), value, key in expected, expected.get(key)) for key, value in found.items()]
    elif isinstance(found, list) and isinstance(expected, list):
        pairs = [
            (str(i), v, i < len(expected), expected[i] if i < len(expected) else None) for i, v in enumerate(found)
        ]
    for key, value, there, wanted in pairs:
        if there and not deep:
            continue
        place = f"{pointer}/{key}"
        if not there:
            yield place, value
        elif any(name.startswith(place + "/") for name in deep):
            yield from _beyond(wanted, value, place, deep)


def _order(task: Task, chosen: Mapping[int, Made]) -> list[Label]:
    return [
        Label(
            name="wrong_order", call=chosen[later].index, reference=later, note=f"before call {chosen[earlier].index}"
        )
        for earlier, later in task.intent.after
        if earlier in chosen and later in chosen and chosen[earlier].index > chosen[later].index
    ]
