"""Defects of the field's scorers as one table: what each system answers, and what ours says; none passes wrongly.

Systems and inputs: research note A3 (run or read there), and the defects that STYLE lists. "Acc_intent" of the whole
scorer is asked wherever calls are compared, because a part that is right alone may still not be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from score_kit import GROUND, Did, attempt, call, static, task, values, wrote

from rise_bench.refs import strict_json
from rise_bench.score import score
from rise_bench.score.answer import Answer, judge_fact
from rise_bench.score.calls import calls_made, tools_of
from rise_bench.score.scorers import final_text
from rise_bench.types import Assistant, Fact, Ground, MatchKind, Server, Task, Tool, Trajectory

VALUES = Ground(
    name="values",
    servers=(
        Server(
            name="s",
            tools=(
                Tool(
                    server="s",
                    name="f",
                    effect="read",
                    parameters={
                        "type": "object",
                        "properties": {
                            "text": {"type": "string"},
                            "n": {"type": "number"},
                            "i": {"type": "integer"},
                            "d": {"type": "string", "default": "metric"},
                            "l": {"type": "array"},
                            "o": {"type": "object"},
                        },
                    },
                ),
            ),
        ),
    ),
)


def _intent(expected: dict[str, Any], sent: dict[str, Any] | list[dict[str, Any]], match: MatchKind = "exact") -> Any:
    """Acc_intent of a static attempt: one reference call with every argument critical, `sent` made."""
    about = Task.model_validate(
        {
            "id": "x",
            "request": "x",
            "reference": [{"tool": "s.f", "arguments": expected}],
            "intent": {"critical": [{"call": 0, "argument": f"/{name}", "match": match} for name in expected]},
        }
    )
    made = [Did("f", one) for one in (sent if isinstance(sent, list) else [sent])]
    return score(about, static(*made), VALUES)[1].value


def _calls(reference: list[dict[str, Any]], made: list[Did]) -> Any:
    """Acc_intent of an executed attempt over the kit's ground, every argument critical, effects by call (a log)."""
    critical = [{"call": i, "argument": f"/{name}"} for i, one in enumerate(reference) for name in one["arguments"]]
    return values(task(*reference, intent={"critical": critical}), attempt(*made, mode="log"))[1]


def _stated(value: Any, text: str, kind: str = "text") -> float:
    fact = Fact.model_validate({"value": value, "type": kind, "about": ["it"]})
    return float(judge_fact(fact, Answer(text, "x", (str(value),))).stated)


def _relevance(text: str, malformed: str = "") -> Any:
    about = task(kind="no_call")
    message = Assistant(content=text, malformed=malformed)
    return score(about, Trajectory(task="kit/task", mode="static", messages=(message,)), GROUND)[1].value


@dataclass(frozen=True)
class Row:
    """One defect: whose, on what, what it answers, and what ours must say (1, 0, None)."""

    system: str
    given: str
    theirs: str
    ours: Callable[[], Any]
    right: float | None


BOOK = {"day": "2026-01-19", "room": "B"}
REPLIES_THAT_ARE_NO_ABSTENTION = ("", "Error during inference: timeout", "  ")

TABLE = [
    Row(
        "BFCL ast_checker",
        "2024-11-1 for 2024-1-11",
        "valid",
        lambda: _intent({"text": "2024-1-11"}, {"text": "2024-11-1"}, "text"),
        0,
    ),
    Row("BFCL ast_checker", "'-5' for '5'", "valid", lambda: _intent({"text": "5"}, {"text": "-5"}, "text"), 0),
    Row("BFCL ast_checker", "'1.5' for '15'", "valid", lambda: _intent({"text": "15"}, {"text": "1.5"}, "text"), 0),
    Row(
        "BFCL ast_checker",
        "a/bc.txt for ab/c.txt",
        "valid",
        lambda: _intent({"text": "ab/c.txt"}, {"text": "a/bc.txt"}, "text"),
        0,
    ),
    Row("BFCL ast_checker", "0.1 + 0.2 for 0.3", "invalid", lambda: _intent({"n": 0.3}, {"n": 0.1 + 0.2}), 1),
    Row("BFCL ast_checker", "5.0 for the integer 5", "invalid", lambda: _intent({"i": 5}, {"i": 5.0}), 1),
    Row(
        "BFCL ast_checker", "a default passed openly", "invalid", lambda: _intent({"n": 1}, {"n": 1, "d": "metric"}), 1
    ),
    Row(
        "BFCL ast_checker",
        "another value than the default, unasked",
        "-",
        lambda: _intent({"n": 1}, {"n": 1, "d": "imperial"}),
        0,
    ),
    Row(
        "BFCL ast_checker",
        "[b, a] for a set [a, b]",
        "invalid",
        lambda: _intent({"l": ["a", "b"]}, {"l": ["b", "a"]}, "set"),
        1,
    ),
    Row("BFCL ast_checker", "[b, a] for a list [a, b]", "-", lambda: _intent({"l": ["a", "b"]}, {"l": ["b", "a"]}), 0),
    Row(
        "BFCL relevance",
        "empty or error text as abstention",
        "valid",
        lambda: max(map(_relevance, REPLIES_THAT_ARE_NO_ABSTENTION)),
        0,
    ),
    Row(
        "BFCL relevance",
        "malformed call syntax as abstention",
        "valid",
        lambda: _relevance("[f(x=", malformed="unclosed"),
        0,
    ),
    Row("BFCL relevance", "[] as abstention", "valid", lambda: _relevance("[]"), 1),
    Row(
        "BFCL 'Error during inference'",
        "a fault of the endpoint",
        "wrong answer",
        lambda: values(task(call("book", **BOOK)), attempt(say=None, stop="fault", fault="503"))[1],
        None,
    ),
    Row(
        "tau2 compare_with_tool_call",
        "book() for book(day, room)",
        "match",
        lambda: _calls([call("book", **BOOK)], [Did("book", {})]),
        0,
    ),
    Row(
        "tau2 compare_with_tool_call",
        "book(day) for book(day, room)",
        "match",
        lambda: _calls([call("book", **BOOK)], [Did("book", {"day": "2026-01-19"})]),
        0,
    ),
    Row(
        "tau2 _check_actions",
        "one call for two required",
        "match",
        lambda: _calls([call("book", **BOOK)] * 2, [Did("book", BOOK)]),
        0,
    ),
    Row(
        "tau2 _check_actions",
        "an extra write",
        "match",
        lambda: _calls([call("book", **BOOK)], [Did("book", BOOK), Did("note", {"text": "x"})]),
        0,
    ),
    Row("tau2 data", "a polite agent that does nothing", "1.0", lambda: _calls([call("total", path="march")], []), 0),
    Row(
        "deepeval",
        "the same call twice, wanted twice",
        "0.5",
        lambda: _calls([call("book", **BOOK)] * 2, [Did("book", BOOK)] * 2),
        1,
    ),
    Row(
        "deepeval",
        "wrong arguments",
        "1.0",
        lambda: _calls([call("book", **BOOK)], [Did("book", {**BOOK, "day": "2026-01-20"})]),
        0,
    ),
    Row(
        "deepeval",
        "the right call and ten unasked ones",
        "1.0",
        lambda: _calls([call("book", **BOOK)], [Did("book", BOOK)] + [Did("drop", {"day": str(i)}) for i in range(10)]),
        0,
    ),
    Row(
        "ragas",
        "a made-up argument delete_all=True",
        "1.0",
        lambda: _calls([call("book", **BOOK)], [Did("book", {**BOOK, "delete_all": True})]),
        0,
    ),
    Row("ragas", "'5' for 5 where the schema says text", "1.0", lambda: _intent({"text": 5}, {"text": "5"}), 0),
    Row("ragas", "5.0 for 5", "0.0", lambda: _intent({"n": 5}, {"n": 5.0}), 1),
    Row(
        "ragas",
        "the same object, another key order",
        "0.0",
        lambda: _intent({"o": {"a": 1, "b": 2}}, {"o": {"b": 2, "a": 1}}),
        1,
    ),
    Row(
        "ragas",
        "one harmless read before",
        "0.0",
        lambda: _calls([call("book", **BOOK)], [Did("look", {}), Did("book", BOOK)]),
        1,
    ),
    Row(
        "ragas",
        "calls in another order without an order edge",
        "0.0",
        lambda: _calls([call("book", **BOOK), call("note", text="x")], [Did("note", {"text": "x"}), Did("book", BOOK)]),
        1,
    ),
    Row("ragas F1", "none expected, none made", "0.0", lambda: _relevance("I see nothing to call."), 1),
    Row(
        "ragas F1",
        "made once, expected twice",
        "1.0",
        lambda: _calls([call("look", path="a")] * 2, [Did("look", {"path": "a"})]),
        0,
    ),
    Row(
        "ACEBench",
        "'not Asian' for 'Asian'",
        "valid",
        lambda: _intent({"text": "Asian"}, {"text": "not Asian"}, "text"),
        0,
    ),
    Row("ACEBench", "'It is not Asian.' states 'Asian'", "valid", lambda: _stated("Asian", "It is not Asian."), 0),
    Row("ACEBench", "'Caucasian' states 'Asian'", "valid", lambda: _stated("Asian", "It is Caucasian."), 0),
    Row(
        "ROUGE >= 0.7 (ToolSandbox kind)",
        "20 January for 19 January",
        "pass",
        lambda: _intent({"text": "party on 19 January at noon"}, {"text": "party on 20 January at noon"}, "text"),
        0,
    ),
    Row("vacuous pass", "expected {} and any call", "pass", lambda: _intent({}, {"n": 1, "text": "x"}), 0),
    Row("vacuous pass", "expected {} and a call with {}", "pass", lambda: _intent({}, {}), 1),
    Row("vacuous pass", "no call at all for expected {}", "-", lambda: _intent({}, []), 0),
    Row(
        "vacuous pass",
        "another tool's call for expected {}",
        "-",
        lambda: _calls([call("look")], [Did("drop", {"day": "1"})]),
        0,
    ),
    Row(
        "exception text graded (MCP-Universe)",
        "the final message is an error of the agent's program",
        "score",
        lambda: values(task(call("look")), attempt(Did("look", {}), say="KeyError", stop="agent_failed"))[1],
        0,
    ),
    Row(
        "greedy pairing",
        "f(9,1), f(1,2) for f(1,1), f(1,2), crossed order",
        "fails the right one",
        lambda: _calls(
            [call("note", text="a"), call("note", text="b")], [Did("note", {"text": "b"}), Did("note", {"text": "a"})]
        ),
        1,
    ),
    Row(
        "mean over what was scored (mcp-bench)",
        "a semantic parameter without a judge",
        "left out",
        lambda: values(
            task(
                call("note", text="a"),
                intent={"critical": [{"call": 0, "argument": "/text", "match": "semantic"}]},
                reference_state=[wrote("n", "a")],
            ),
            attempt(Did("note", {"text": "b"}, changed=("n",)), end=[wrote("n", "b")]),
        )[1],
        None,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.system}: {row.given}")
def test_the_fields_defects_are_not_ours(row: Row) -> None:
    assert row.ours() == row.right


class Mumbler:
    """A judge whose reply cannot be read; LiveMCPBench read any text that holds "success" as success."""

    name = "mumbler"

    def same(self, expected: Any, found: Any, about: str) -> bool | None:
        """Not decided."""
        return None


class Agreeing(Mumbler):
    """A judge that says yes."""

    def same(self, expected: Any, found: Any, about: str) -> bool | None:
        """Decided."""
        return True


def test_an_unread_judge_is_no_success() -> None:
    about = task(
        call("note", text="a"),
        intent={"critical": [{"call": 0, "argument": "/text", "match": "semantic"}]},
        reference_state=[wrote("n", "a")],
    )
    done = attempt(Did("note", {"text": "b"}, changed=("n",)), end=[wrote("n", "b")])
    assert values(about, done, judge=Mumbler()) == (1, None)
    assert values(about, done, judge=Agreeing()) == (1, 1)
    assert values(about, attempt(say="success", end=()), judge=Agreeing()) == (0, 0)


def test_a_task_that_needs_a_judge_is_set_apart_whatever_came_of_the_attempt() -> None:
    about = task(
        call("note", text="a"),
        intent={"critical": [{"call": 0, "argument": "/text", "match": "semantic"}]},
        reference_state=[wrote("n", "a")],
    )
    same = attempt(Did("note", {"text": "a"}, changed=("n",)), end=[wrote("n", "a")])
    other = attempt(Did("note", {"text": "b"}, changed=("n",)), end=[wrote("n", "b")])
    nothing = attempt(say="Done.", end=())
    assert [values(about, done) for done in (same, other, nothing)] == [(1, None), (1, None), (0, None)]


def test_model_text_is_never_run() -> None:
    # BFCL multi-turn gives it to Python's eval()
    bomb = "__import__('os').system('exit 1')"
    done = attempt(Did("look", bomb), Did("note", {"text": bomb}), say=bomb)
    assert [made.arguments for made in calls_made(done, tools_of(task(), GROUND))] == [None, {"text": bomb}]
    assert final_text(done) == bomb
    assert values(task(call("book", **BOOK)), done) == (0, 0)
    with pytest.raises(ValueError, match="Expecting value"):
        strict_json(bomb)


def test_what_no_recorded_result_holds_can_be_matched_by_nothing() -> None:
    # gold that no call can satisfy must not become gold that any call satisfies
    about = task(
        call("look"),
        call("drop", day={"$ref": [0, "/id"]}),
        recorded=["no such pointer", None],
        intent={"critical": [{"call": 1, "argument": "/day"}]},
        reference_state=[wrote("d", None, "1")],
    )
    for arguments in ({}, {"day": None}, {"day": "1"}, {"day": ""}, {"day": "no such pointer"}):
        done = attempt(Did("look", {}), Did("drop", arguments, changed=("d",)), end=[wrote("e", None, "1")])
        assert values(about, done)[1] == 0
