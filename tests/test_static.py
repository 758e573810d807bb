"""Static steps: one next message after the reference's own history, judged by the two scorers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from score_kit import GROUND, call, task

from rise_bench.errors import InputError
from rise_bench.model.oracle import final_message
from rise_bench.mutations import mutated, near_misses
from rise_bench.refs import at
from rise_bench.static import Step, distractors, judge, shown, steps
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Assistant, Call, Task, ToolCall, ToolResult

PROMPT = "Work below {root}. It is {now}."


@cache
def desk() -> LoadedSuite:
    return load_suite("desk")


@cache
def desk_steps() -> tuple[Step, ...]:
    suite = desk().suite
    return tuple(step for item in suite.tasks for step in steps(item, desk().ground, suite.system_prompt))


def of_desk(name: str) -> Step:
    return next(step for step in desk_steps() if step.id == f"desk/{name}")


def says(*calls: tuple[str, dict[str, Any]], text: str = "") -> Assistant:
    """A message with calls, `{root}` as the agent sees it."""
    made = tuple(ToolCall(id=f"c{i}", tool=tool, arguments=arguments) for i, (tool, arguments) in enumerate(calls))
    return Assistant(content=text, tool_calls=made)


def value(step: Step, message: Assistant) -> tuple[float | None, float | None]:
    found = judge(step, message, desk().ground)
    return found.acc_task.value, found.acc_intent.value


def kit_steps(about: Task) -> list[Step]:
    return steps(about.model_copy(update={"servers": ("s",)}), GROUND, PROMPT)


def kit_value(step: Step, *calls: dict[str, Any], text: str = "") -> tuple[float | None, float | None]:
    made = says(*((item["tool"], item["arguments"]) for item in calls), text=text)
    found = judge(step, made, GROUND)
    return found.acc_task.value, found.acc_intent.value


# --- the dummies of DESIGN 4.4, on every step of the shipped suite ------------------------------------------------------


def test_the_references_own_message_scores_one_on_every_step() -> None:
    assert [step.id for step in desk_steps() if value(step, step.expected) != (1, 1)] == []


def test_silence_scores_nothing_on_every_step() -> None:
    assert [step.id for step in desk_steps() if value(step, Assistant()) != (0, 0)] == []


def test_every_near_miss_of_a_critical_parameter_fails_intent_unless_an_alternative_begins_with_it() -> None:
    passed, tried = [], 0
    for step in desk_steps():
        for critical in step.nexts[0].critical if step.nexts else ():
            call_ = step.nexts[0].call
            for other in near_misses(critical, at(call_.arguments, critical.argument)):
                made = mutated(call_, critical.argument, other)
                tried += 1
                found = judge(step, says((made.tool, made.arguments)), desk().ground)
                if found.acc_intent.value != 0 and "=a" not in found.task.id:
                    passed.append(step.id)
    assert tried > 400
    assert passed == []


def test_every_distractor_looks_done_and_is_not_what_was_meant() -> None:
    found = [(step, item) for step in desk_steps() for item in distractors(step, desk().ground)]
    assert len(found) > 400
    assert {value(step, item.message) for step, item in found} == {(1, 0)}
    assert {item.operator for _, item in found} == {"value", "tool"}


def test_the_right_tool_without_arguments_fails_intent_where_a_parameter_is_critical() -> None:
    critical = [step for step in desk_steps() if step.nexts and step.nexts[0].critical]
    assert [step.id for step in critical if value(step, says((step.nexts[0].call.tool, {})))[1] != 0] == []


def test_the_right_call_among_every_mutation_of_it_fails_intent() -> None:
    for step in desk_steps():
        wrong = distractors(step, desk().ground)
        calls = (*step.expected.tool_calls, *(call_ for item in wrong for call_ in item.message.tool_calls))
        if wrong:
            assert judge(step, Assistant(tool_calls=calls), desk().ground).acc_intent.value == 0, step.id


def test_the_right_answer_without_a_call_fails_where_calls_are_due() -> None:
    due = [step for step in desk_steps() if step.nexts]
    assert [step.id for step in due if value(step, Assistant(content=final_message(step.task))) != (0, 0)] == []


def test_asking_everywhere_passes_only_where_something_is_missing() -> None:
    question = Assistant(content="Before I start: which one do you mean, and which date, name and price?")
    passed = {step.task.kind for step in desk_steps() if value(step, question)[0] == 1}
    assert passed == {"underspecified"}


def test_acting_and_asking_at_once_is_guessing() -> None:
    step = next(step for step in desk_steps() if step.task.kind == "underspecified")
    tool = next(t for t in step.tools if t.effect == "write")
    arguments = dict.fromkeys(tool.parameters.get("required", []), "x")  # type: ignore[union-attr]
    acted = step.expected.model_copy(update={"tool_calls": (ToolCall(id="c", tool=tool.id, arguments=arguments),)})
    assert value(step, acted)[1] == 0


# --- what a step shows --------------------------------------------------------------------------------------------------


def test_a_step_gives_the_references_history_with_its_recorded_results() -> None:
    step = of_desk("editing-backup-retention#1")
    *_, called, result = step.messages
    assert isinstance(called, Assistant) and called.tool_calls[0].arguments == {"path": "/home/user/config/backup.json"}
    assert isinstance(result, ToolResult) and result.content.startswith('{\n  "target": "nas-2"')


def test_reads_that_nothing_critical_hangs_on_are_history_and_no_step() -> None:
    item = desk().tasks["desk/editing-backup-retention"]
    assert [step.index for step in desk_steps() if step.task is item] == [1]


def test_no_placeholder_is_left_in_what_a_model_reads() -> None:
    texts = [m.model_dump_json() for step in desk_steps() for m in (*step.messages, step.expected)]
    assert [text[:200] for text in texts if "{root}" in text or "$ref" in text] == []


def test_a_binding_holds_the_value_that_was_recorded() -> None:
    about = task(call("look"), call("book", day={"$ref": [0, "/day"]}), recorded=[{"day": "Monday"}, None])
    (step,) = kit_steps(about)
    assert step.expected.tool_calls[0].arguments == {"day": "Monday"}


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ("plain", "plain"),
        ({"content": "inner"}, "inner"),
        ({"result": "7"}, "7"),
        ({"a": "ü"}, '{"a": "ü"}'),
        ([1], "[1]"),
    ],
)
def test_a_result_is_shown_as_its_text_where_it_wraps_one_and_as_json_elsewhere(recorded: Any, text: str) -> None:
    assert shown(recorded) == text


def test_a_task_that_was_never_proved_is_refused_with_the_command_that_proves_it() -> None:
    with pytest.raises(InputError, match="tasks check --write"):
        kit_steps(task(call("book", day="Monday"), recorded=()))


# --- what is as good ----------------------------------------------------------------------------------------------------


def booked_twice(**intent: Any) -> Task:
    critical = [{"call": 0, "argument": "/day"}, {"call": 1, "argument": "/day"}]
    return task(call("book", day="Monday"), call("drop", day="Friday"), intent={"critical": critical, **intent})


def test_either_of_two_independent_calls_may_come_first() -> None:
    first, second = kit_steps(booked_twice())
    assert kit_value(first, call("drop", day="Friday")) == kit_value(first, call("book", day="Monday")) == (1, 1)
    assert kit_value(second, call("book", day="Monday"))[1] == 0  # it was made: the history holds it


def test_both_of_two_independent_calls_may_come_at_once_in_any_order() -> None:
    first, _ = kit_steps(booked_twice())
    assert kit_value(first, call("drop", day="Friday"), call("book", day="Monday")) == (1, 1)


def test_a_call_that_has_to_follow_another_may_come_with_it_and_not_before_it() -> None:
    first, _ = kit_steps(booked_twice(after=[[0, 1]]))
    book, drop = call("book", day="Monday"), call("drop", day="Friday")
    assert kit_value(first, book, drop) == (1, 1)
    assert kit_value(first, drop)[1] == kit_value(first, drop, book)[1] == 0


def test_a_call_that_needs_a_result_nobody_has_yet_is_not_next() -> None:
    about = task(
        call("book", day="Monday"),
        call("look"),
        call("drop", day={"$ref": [1, "/day"]}),
        recorded=[None, {"day": "Friday"}, None],
    )
    first, second = kit_steps(about)
    assert (first.index, second.index) == (0, 2)
    assert kit_value(first, call("drop", day="Friday"))[1] == 0
    assert kit_value(second, call("drop", day="Friday")) == (1, 1)


def test_out_of_its_turn_a_call_has_to_be_the_references_in_every_argument() -> None:
    critical = [{"call": 0, "argument": "/day"}, {"call": 1, "argument": "/day"}]
    about = task(
        call("book", day="Monday", room="A"), call("book", day="Friday", room="B"), intent={"critical": critical}
    )
    first, second = kit_steps(about)
    assert kit_value(first, call("book", day="Friday", room="B")) == (1, 1)
    assert kit_value(first, call("book", day="Friday", room="A")) == (1, 0)
    assert kit_value(second, call("book", day="Friday", room="A")) == (
        1,
        1,
    )  # in its turn, what is not critical is open


def test_a_call_beyond_those_that_may_come_next_fails_intent_only() -> None:
    first, _ = kit_steps(booked_twice())
    assert kit_value(first, call("book", day="Monday"), call("note", text="done")) == (1, 0)


def test_an_argument_that_the_user_left_open_may_hold_anything() -> None:
    about = task(call("note", text="a"), intent={"critical": [{"call": 0, "argument": "/text"}], "free": [[0, "/to"]]})
    (step,) = kit_steps(about)
    assert kit_value(step, call("note", text="a", to={"x": 1})) == (1, 1)
    (closed,) = kit_steps(task(call("note", text="a"), intent={"critical": [{"call": 0, "argument": "/text"}]}))
    assert kit_value(closed, call("note", text="a", to={"x": 1})) == (1, 0)


def test_a_tool_that_does_exactly_the_same_is_as_good() -> None:
    (step,) = kit_steps(task({**call("book", day="Monday"), "also": ["s.reserve"]}))
    assert kit_value(step, call("reserve", day="Monday")) == (1, 1)


def test_an_alternatives_next_act_is_as_good_and_all_its_arguments_count() -> None:
    about = booked_twice().model_copy(
        update={"alternatives": ((Call(tool="s.reserve", arguments={"day": "Sunday"}),),)}
    )
    first, second = kit_steps(about)
    assert kit_value(first, call("reserve", day="Sunday")) == (1, 1)
    assert kit_value(first, call("reserve", day="Monday"))[1] == 0
    assert kit_value(second, call("reserve", day="Sunday"))[1] == 0  # the history has taken the other way


def test_where_the_user_named_the_way_no_alternative_is_as_good() -> None:
    update = {"alternatives": ((Call(tool="s.reserve", arguments={"day": "Sunday"}),),), "path_matters": "do it"}
    first, _ = kit_steps(booked_twice().model_copy(update=update))
    assert kit_value(first, call("reserve", day="Sunday"))[1] == 0


def test_what_is_as_good_as_the_reference_is_no_distractor() -> None:
    same_day = {"call": 0, "argument": "/day", "match": "text", "accept": ["Mon"], "near": ["Mon", "Tuesday", "MONDAY"]}
    (step,) = kit_steps(task(call("book", day="Monday"), intent={"critical": [same_day]}))
    arguments = [item.message.tool_calls[0].arguments for item in distractors(step, GROUND)]
    assert arguments == [{"day": "Tuesday"}, {"day": "Monday"}]  # the second is sent to `reserve`
    assert [item.operator for item in distractors(step, GROUND)] == ["value", "tool"]


def test_a_mutation_that_the_contract_refuses_is_no_distractor() -> None:
    seats = {"call": 0, "argument": "/seats", "match": "number", "near": ["many", 3]}
    (step,) = kit_steps(task(call("book", day="Monday", seats=2), intent={"critical": [seats]}))
    values = [item.message.tool_calls[0].arguments["seats"] for item in distractors(step, GROUND)[:1]]  # type: ignore[index]
    assert values == [3]


# --- the other kinds ----------------------------------------------------------------------------------------------------


def test_an_item_that_needs_no_call_is_one_step_and_prose_passes_it() -> None:
    (step,) = kit_steps(task(kind="no_call"))
    assert kit_value(step, text="Nothing to do here.") == (1, 1)
    assert kit_value(step, call("look")) == (0, 0)


def test_malformed_call_syntax_is_no_call() -> None:
    (step,) = kit_steps(task(call("book", day="Monday")))
    found = judge(step, Assistant(content="<tool_call>{", malformed="no JSON"), GROUND)
    assert (found.acc_task.value, found.acc_intent.value) == (0, 0)
    assert [label.name for label in found.acc_task.labels] == ["unparsable_call"]


def test_a_verdict_says_that_nothing_was_executed() -> None:
    step = desk_steps()[0]
    found = judge(step, step.expected, desk().ground)
    assert (found.acc_task.evidence, found.acc_intent.evidence, found.trajectory.mode) == ("none", "none", "static")
