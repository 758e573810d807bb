"""Assignment of made calls to reference calls: optimal, one-to-one, producers first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from score_kit import GROUND, Did, attempt, call, task, values, verdicts, wrote

from rise_bench.score.assign import Fit, assign, assign_groups, levels
from rise_bench.score.calls import Made, calls_made, tools_of
from rise_bench.types import Call, Task

TOOLS = ("look", "book", "note")


def _made(*tools: str, failed: frozenset[int] = frozenset()) -> list[Made]:
    did = [Did(tool, {}, status="tool_error" if i in failed else "ok") for i, tool in enumerate(tools)]
    return calls_made(attempt(*did), tools_of(task(), GROUND))


def _reference(*tools: str, also: tuple[str, ...] = ()) -> list[Call]:
    return [Call(tool=f"s.{tool}", also=also) for tool in tools]


def _weight(reference: list[Call], chosen: dict[int, Made], fits: dict[tuple[int, int], Fit]) -> tuple[int, int, int]:
    """What is compared: critical parameters, then other arguments, then nearness (as the module says)."""
    found = [fits[index, made.index] for index, made in chosen.items()]
    span = len(reference) + 8
    return sum(f.critical for f in found), sum(f.others for f in found), sum(span - abs(f.position) for f in found)


def _exhaustive(reference: list[Call], made: list[Made], fits: dict[tuple[int, int], Fit]) -> tuple[int, int, int]:
    best = (0, 0, 0)
    slots: list[Made | None] = [*(call for call in made if call.succeeded), *([None] * len(reference))]
    for picked in set(permutations(range(len(slots)), len(reference))):
        chosen = {
            index: call
            for index, slot in enumerate(picked)
            if (call := slots[slot]) is not None
            and (call.tool == reference[index].tool or call.tool in reference[index].also)
        }
        best = max(best, _weight(reference, chosen, fits))
    return best


@given(st.data())
def test_no_other_choice_of_calls_is_better_up_to_six_calls(data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(TOOLS), min_size=1, max_size=3))
    done = data.draw(st.lists(st.sampled_from(TOOLS), max_size=3))
    also = data.draw(st.sampled_from([(), ("s.book",)]))
    failed = data.draw(st.frozensets(st.integers(0, 2)))
    reference, made = _reference(*wanted, also=also), _made(*done, failed=failed)
    fits = {
        (i, one.index): Fit(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 4)), one.index - i)
        for i in range(len(reference))
        for one in made
    }
    chosen = assign(reference, made, lambda index, one, _: fits[index, one.index])
    assert _weight(reference, chosen, fits) == _exhaustive(reference, made, fits)


@given(
    wanted=st.lists(st.sampled_from(TOOLS), max_size=6),
    done=st.lists(st.sampled_from(TOOLS), max_size=6),
    failed=st.frozensets(st.integers(0, 5)),
)
def test_a_call_stands_for_one_reference_call_at_most_and_never_a_failed_or_another_tool(
    wanted: list[str], done: list[str], failed: frozenset[int]
) -> None:
    reference, made = _reference(*wanted), _made(*done, failed=failed)
    chosen = assign(reference, made, lambda index, one, _: Fit(0, 0, one.index - index))
    assert len({one.index for one in chosen.values()}) == len(chosen)
    assert all(one.succeeded and one.tool == reference[index].tool for index, one in chosen.items())
    for tool in TOOLS:
        there = sum(one.succeeded for one in made if one.tool == f"s.{tool}")
        assert sum(one.tool == f"s.{tool}" for one in chosen.values()) == min(there, wanted.count(tool))


def test_a_tool_listed_in_also_is_as_good_as_the_one_meant() -> None:
    about = task(
        {"tool": "s.book", "arguments": {"day": "2026-01-19"}, "also": ["s.reserve"]},
        intent={"critical": [{"call": 0, "argument": "/day", "match": "date"}]},
        reference_state=[wrote("a", "1")],
    )
    done = attempt(Did("reserve", {"day": "2026-01-19"}, changed=("b",)), end=[wrote("b", "1")])
    assert values(about, done) == (1, 1)
    assert values(task(*about.model_dump()["reference"][:0], **{"reference_state": ()}), done) == (1, 0)


def test_producers_come_before_their_consumers() -> None:
    reference = [
        Call(tool="s.look"),
        Call(tool="s.book", arguments={"day": {"$ref": [0, "/day"]}}),
        Call(tool="s.note", arguments={"text": {"$join": ["x", {"$ref": [1, ""]}]}}),
        Call(tool="s.look"),
    ]
    assert levels(reference) == [[0, 3], [1], [2]]


def test_a_consumer_is_compared_with_what_its_own_producer_gave() -> None:
    about = task(
        call("look", path="a"),
        call("drop", day={"$ref": [0, "/id"]}),
        recorded=[{"id": "old"}, None],
        volatile=["result:0:/id"],
        intent={"critical": [{"call": 1, "argument": "/day"}]},
        reference_state=[wrote("x", None, "1")],
    )

    def run(day: str) -> tuple[float | None, float | None]:
        look = Did("look", {"path": "a"}, '{"id": "new"}')
        return values(about, attempt(look, Did("drop", {"day": day}, changed=("y",)), end=[wrote("y", None, "1")]))

    assert run("new") == (1, 1)
    assert run("old") == (1, 0)


def test_two_crossed_calls_are_paired_so_that_most_critical_parameters_match() -> None:
    # deepeval pairs greedily and gets 0.25 here; three of four arguments can be matched
    reference = [call("book", day="1", room="1"), call("book", day="1", room="2")]
    critical = [{"call": i, "argument": f"/{name}"} for i in (0, 1) for name in ("day", "room")]
    about = task(*reference, intent={"critical": critical}, reference_state=[wrote("a", "1")])
    done = attempt(Did("book", {"day": "1", "room": "2"}), Did("book", {"day": "9", "room": "1"}), end=[])
    details: dict[str, Any] = verdicts(about, done)[1].details
    assert (details["icp_matched"], details["icp_total"]) == (3, 4)


def test_groups_prefer_the_tool_meant_and_never_use_a_call_twice() -> None:
    made = _made("reserve", "book")
    wanted = [
        (0, Call(tool="s.book"), "booking"),
        (1, Call(tool="s.book"), "booking"),
        (2, Call(tool="s.book"), "booking"),
    ]
    chosen = assign_groups(wanted, made)
    assert len(chosen) == 2
    assert {one.index for one in chosen.values()} == {0, 1}
    assert assign_groups(wanted[:1], made)[0].tool == "s.book"
    assert assign_groups([], made) == {}


def test_a_reference_without_calls_has_no_levels() -> None:
    assert levels(Task(id="x", request="x").reference) == []
