"""Gates: each refuses what it is there for, gives its reason, and lets the rest through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from score_kit import GROUND, call, task

from rise_bench.score.calls import tools_of
from rise_bench.synth.gates.balance import balanced, cell_of
from rise_bench.synth.gates.callonly import LIMIT, call_only
from rise_bench.synth.gates.passing import (
    acceptable,
    chosen_holds,
    differs,
    minimal,
    passed,
    rejected_runs,
)
from rise_bench.synth.gates.thinning import thinned
from rise_bench.synth.output.pairs import pair
from rise_bench.synth.records import Dropped, Negative, Pair, Recovery
from rise_bench.types import Assistant, Call, Task, ToolCall, ToolResult, Trajectory, User


def book(**more: Any) -> Task:
    critical = [{"call": 0, "argument": "/day", "match": "date"}]
    return task(call("book", day="2026-05-20", room="B"), intent={"critical": critical, **more})


def negative(arguments: dict[str, Any], **more: Any) -> Negative:
    given: dict[str, Any] = {
        "task": "kit/task",
        "operator": "value:date+1d",
        "call": 0,
        "argument": "/day",
        "was": "2026-05-20",
        "made": "2026-05-21",
        "declared": (1, 0),
        "observed": (1, 0),
    }
    tool, content, status = more.pop("tool", "s.book"), more.pop("content", "ok"), more.pop("status", "ok")
    messages = (
        User(content="Do it."),
        Assistant(tool_calls=(ToolCall(id="call-0", tool=tool, arguments=arguments),)),
        ToolResult(call_id="call-0", tool=tool, content=content, status=status),
        Assistant(content=more.pop("say", "Done as you asked.")),
    )
    return Negative.model_validate({**given, "messages": messages, **more})


WRONG_DAY = {"day": "2026-05-21", "room": "B"}
TOOLS = tools_of(book(), GROUND)


def test_a_negative_that_departs_in_one_value_passes_every_gate() -> None:
    assert passed(book(), negative(WRONG_DAY), TOOLS) is None


@pytest.mark.parametrize(
    ("made", "gate"),
    [
        ({"arguments": {"room": "B"}}, "2 rejected does not run"),
        ({"arguments": WRONG_DAY, "content": "Error: full"}, "2 rejected does not run"),
        ({"arguments": WRONG_DAY, "status": "tool_error"}, "2 rejected does not run"),
        ({"arguments": WRONG_DAY, "observed": (1, 1)}, "3 same as chosen"),
        ({"arguments": WRONG_DAY, "observed": (1, None)}, "3 same as chosen"),
        ({"arguments": WRONG_DAY, "made": "20 May 2026"}, "4 also acceptable"),
        ({"arguments": {"day": "2026-05-21", "room": "C"}}, "5 not minimal"),
        ({"arguments": {"day": "2026-05-20", "room": "B"}}, "5 not minimal"),
    ],
)
def test_each_gate_refuses_what_it_is_there_for(made: dict[str, Any], gate: str) -> None:
    found = passed(book(), negative(**made), TOOLS)
    assert found is not None
    assert found.reason == gate
    assert found.detail


def test_a_value_that_the_request_does_not_determine_may_not_be_chosen() -> None:
    lost = Recovery(call=0, argument="/day", by="none")
    said = Recovery(call=0, argument="/day", by="verbatim", words="20 May")
    assert "does not determine 0:/day" in chosen_holds(book(), TOOLS, [lost])
    assert "nobody looked" in chosen_holds(book(), TOOLS, [])
    assert chosen_holds(book(), TOOLS, [said]) == ""


def test_a_reference_that_was_never_run_or_is_not_valid_may_not_be_chosen() -> None:
    assert "never run" in chosen_holds(book().model_copy(update={"recorded": ()}), TOOLS)
    assert "not schema-valid" in chosen_holds(task(call("book", room="B")), TOOLS)


def test_an_argument_left_open_is_no_departure() -> None:
    assert "left that argument open" in acceptable(book(free=[[0, "/day"]]), negative(WRONG_DAY))


class Says:
    """A judge with one opinion."""

    name = "says"

    def __init__(self, opinion: bool | None) -> None:
        self.opinion = opinion

    def same(self, expected: object, found: object, about: str) -> bool | None:
        return self.opinion


class SaysOfCalls(Says):
    """A judge with one opinion of calls, who was shown these."""

    shown: tuple[Call, ...] = ()

    def acceptable(self, task: Task, calls: Sequence[Call]) -> bool | None:
        self.shown = tuple(calls)
        return self.opinion


@pytest.mark.parametrize("opinion", [True, False, None])
def test_calls_with_another_tool_are_shown_whole_to_judges_that_can_judge_them(opinion: bool | None) -> None:
    judge = SaysOfCalls(opinion)
    other = negative({"path": "/tmp/x/a"}, tool="s.look", operator="tool:sibling", argument="", root="/tmp/x")
    other = other.model_copy(update={"was": "s.book", "made": "s.look"})
    assert (acceptable(book(), other, [judge]) == "") is (opinion is False)
    assert judge.shown == (Call(tool="s.look", arguments={"path": "{root}/a"}),)
    assert acceptable(book(), other, [Says(True)]) == ""  # who judges values alone is not asked


def test_an_argument_left_out_is_judged_by_the_calls_and_not_as_a_value() -> None:
    judge = SaysOfCalls(False)
    less = negative({"day": "2026-05-20"}, operator="missing:stated", argument="/room", was="B", made=None)
    assert acceptable(book(), less, [judge]) == ""
    assert judge.shown == (Call(tool="s.book", arguments={"day": "2026-05-20"}),)


@pytest.mark.parametrize(("opinions", "kept"), [((False, False), True), ((False, True), False), ((None, False), False)])
def test_every_judge_must_refuse_the_mutant(opinions: tuple[bool | None, ...], kept: bool) -> None:
    assert (acceptable(book(), negative(WRONG_DAY), [Says(opinion) for opinion in opinions]) == "") is kept


def test_a_later_call_that_follows_from_the_departure_is_no_second_one() -> None:
    about = task(
        call("look", path="a"),
        call("book", day={"$ref": [0, "/day"]}),
        intent={"critical": [{"call": 0, "argument": "/path"}]},
        recorded=[{"day": "2026-05-20"}, "ok"],
    )
    messages = (
        User(content="Do it."),
        Assistant(tool_calls=(ToolCall(id="call-0", tool="s.look", arguments={"path": "b"}),)),
        ToolResult(call_id="call-0", content='{"day": "2026-06-01"}'),
        Assistant(tool_calls=(ToolCall(id="call-1", tool="s.book", arguments={"day": "2026-06-01"}),)),
        ToolResult(call_id="call-1", content="ok"),
        Assistant(content="Done."),
    )
    followed = negative({}, argument="/path", operator="value:entity").model_copy(update={"messages": messages})
    assert minimal(about, followed) == ""
    astray = messages[3].model_copy(
        update={"tool_calls": (ToolCall(id="call-1", tool="s.book", arguments={"day": "2026-05-20"}),)}
    )
    twice = followed.model_copy(update={"messages": (*messages[:3], astray, *messages[4:])})
    assert minimal(about, twice) == "2 departures"


def test_a_silent_negative_differs_in_nothing_that_can_be_read() -> None:
    cut = negative(WRONG_DAY)
    assert differs(book(), cut.model_copy(update={"messages": cut.messages[:-1]})) == "says nothing in the end"
    assert rejected_runs(cut.model_copy(update={"messages": cut.messages[:2]}), TOOLS) == "a call has no result"


def many(operator: str, count: int, **more: Any) -> list[tuple[Negative, Task]]:
    return [(negative(WRONG_DAY, operator=operator, task=f"t{i}", **more), book()) for i in range(count)]


def test_opposite_directions_are_kept_in_equal_numbers() -> None:
    later, earlier = many("value:date+1d", 9), many("value:date-1d", 4)
    kept, left = balanced([*later, *earlier], seed=1)
    counts = [sum(one.operator == name for one in kept) for name in ("value:date+1d", "value:date-1d")]
    assert counts == [4, 4]
    assert {one.reason for one in left} == {"6 out of balance"}
    assert len(left) == 5


def test_a_direction_without_its_opposite_is_not_kept() -> None:
    assert balanced(many("value:tenfold", 3), seed=1)[0] == []


def test_who_stays_hangs_on_the_seed_and_not_on_the_order() -> None:
    found = [*many("value:date+1d", 9), *many("value:date-1d", 4)]
    one = {item.digest() for item in balanced(found, seed=1)[0]}
    assert one == {item.digest() for item in balanced(found[::-1], seed=1)[0]}
    assert one != {item.digest() for item in balanced(found, seed=2)[0]}


def test_who_stays_does_not_hang_on_the_sandbox_in_which_it_ran() -> None:
    found = [*many("value:date+1d", 9), *many("value:date-1d", 4)]
    elsewhere = [(one.model_copy(update={"root": f"/tmp/box-{i}"}), task) for i, (one, task) in enumerate(found)]
    stays = [[(one.task, one.operator) for one in balanced(some, seed=1)[0]] for some in (found, elsewhere)]
    assert stays[0] == stays[1]


def test_opposite_operators_share_a_cell_but_for_their_direction() -> None:
    later, earlier = (
        cell_of(negative(WRONG_DAY, operator=name), book()) for name in ("value:date+1d", "value:date-1d")
    )
    assert (later.operator, later.type) == (earlier.operator, earlier.type) == ("value:date±1d", "date")
    assert (later.direction, earlier.direction) == ("+", "-")


# --- pairs ------------------------------------------------------------------------------------------------------------


def reference(root: str = "", arguments: dict[str, Any] | None = None) -> Trajectory:
    ran = negative(arguments or {"day": "2026-05-20", "room": "B"})
    return Trajectory(task="kit/task", mode="live", messages=ran.messages, root=root)


def test_a_pair_is_cut_at_the_first_step_that_departs() -> None:
    found = pair(reference(), negative(WRONG_DAY))
    assert isinstance(found, Pair)
    assert [message.role for message in found.history] == ["user"]
    assert found.chosen.tool_calls[0].arguments != found.rejected.tool_calls[0].arguments
    assert found.span == "0:/day"


def test_another_sandbox_is_no_departure() -> None:
    mine, its = ({"day": f"/tmp/{name}/20", "room": "B"} for name in ("a", "b"))
    same = negative(its, root="/tmp/b", say="It is in /tmp/b now.")
    chosen = reference("/tmp/a", mine)
    found = pair(chosen, same)
    assert isinstance(found, Pair)
    assert found.rejected.content == "It is in /tmp/a now."  # the calls are the same, the last message is not


def test_histories_that_differ_give_no_pair() -> None:
    other = negative({"day": "2026-05-20", "room": "B"}, content="another result", say="Something else.")
    found = pair(reference(), other)
    assert isinstance(found, Dropped)
    assert found.reason == "the histories differ"


# --- the call-only classifier -----------------------------------------------------------------------------------------


def sides(number: int, chosen: str, rejected: str) -> Pair:
    made = [
        Assistant(tool_calls=(ToolCall(id="c", tool="s.look", arguments={"path": path}),))
        for path in (chosen, rejected)
    ]
    return Pair(task=f"t{number}", operator="value:entity", history=(), chosen=made[0], rejected=made[1])


def test_an_artefact_in_the_rejected_calls_is_found() -> None:
    found = call_only([sides(i, f"notes/{i:03d}.txt", f"notes/{i:03d}.bak") for i in range(40)])
    assert found.all.accuracy is not None and found.all.accuracy > 0.95
    assert found.all.low is not None and found.all.low > LIMIT
    assert found.finding.startswith("the calls alone tell rejected from chosen: all pairs 100.0% [")
    assert "value:entity 100.0% [" in found.finding
    assert "make more chains" in found.finding
    assert found.artefacts == ("value:entity",)


def test_calls_that_differ_by_chance_alone_are_near_a_coin() -> None:
    pairs = [sides(i, *(("north", "south") if (i * 7919) % 13 % 2 else ("south", "north"))) for i in range(130)]
    found = call_only(pairs)
    assert found.all.low is not None and found.all.low < 0.5 + 0.1
    assert found.finding == ""
    assert found.artefacts == ()
    assert found.by_operator["value:entity"].pairs == 130


def test_an_artefact_of_one_operator_is_seen_beside_others_that_are_clean() -> None:
    clean = [sides(i, *(("north", "south") if (i * 7919) % 13 % 2 else ("south", "north"))) for i in range(130)]
    guilty = [
        sides(200 + i, f"n/{i:03d}.txt", f"n/{i:03d}.bak").model_copy(update={"operator": "value:sign"})
        for i in range(40)
    ]
    found = call_only([*clean, *guilty])
    assert found.artefacts == ("value:sign",)
    assert not found.all.gives_away
    assert "value:sign" in found.finding
    assert "all pairs" not in found.finding
    assert "value:entity" not in found.finding


@pytest.mark.parametrize(("pairs", "tasks"), [(10, 10), (60, 3), (0, 0)])
def test_too_few_rows_give_no_figure_and_say_so(pairs: int, tasks: int) -> None:
    found = call_only([sides(i % max(tasks, 1), f"{i}.txt", f"{i}.bak") for i in range(pairs)])
    assert found.all.accuracy is None
    assert found.all.note.startswith(f"not enough rows: {pairs} pairs of {tasks} tasks")
    assert found.finding == ""


def test_an_operator_with_few_rows_has_no_figure_of_its_own() -> None:
    few = [sides(i, f"{i}.txt", f"{i}.bak").model_copy(update={"operator": "value:sign"}) for i in range(9)]
    found = call_only([*(sides(i, f"{i}.txt", f"{i}.bak") for i in range(40)), *few])
    assert found.all.accuracy is not None
    assert found.by_operator["value:sign"].accuracy is None
    assert found.by_operator["value:entity"].accuracy is not None


def test_what_gives_itself_away_is_thinned_and_what_does_not_is_left_alone() -> None:
    clean = [sides(i, *(("north", "south") if (i * 7919) % 13 % 2 else ("south", "north"))) for i in range(130)]
    guilty = [
        sides(200 + i, f"n/{i:03d}.txt", f"n/{i:03d}.bak").model_copy(update={"operator": "value:sign"})
        for i in range(40)
    ]
    found = thinned([*clean, *guilty])
    assert found.before.artefacts == ("value:sign",)
    assert found.after.artefacts == ()
    assert set(range(130)) <= set(found.kept)
    assert len(found.kept) + len(found.dropped) == 170
    assert {one.reason for one in found.dropped} == {"7 given away"}
    assert thinned([*clean, *guilty]) == found


def test_half_told_departures_keep_as_many_of_either_kind() -> None:
    """A third of them look like the others' chosen side, the rest show: those that show go until none outweighs."""
    hidden = [sides(i, f"n/{i:03d}.bak", f"n/{i:03d}.txt") for i in range(30)]
    shown = [sides(100 + i, f"n/{i:03d}.txt", f"n/{i:03d}.bak") for i in range(90)]
    found = thinned([*hidden, *shown])
    assert set(range(30)) <= set(found.kept)
    assert 30 <= len(found.kept) < 75
    assert not found.after.all.gives_away


def test_too_few_to_tell_are_not_thinned() -> None:
    few = [sides(i, f"{i}.txt", f"{i}.bak") for i in range(9)]
    assert thinned(few).kept == tuple(range(9))
    assert thinned([]).kept == ()
