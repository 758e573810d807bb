"""`tasks check` proves good tasks and refuses those that do not reproduce or do not discriminate."""

from __future__ import annotations

import pytest
import toy

from rise_bench.check import Proof, prove
from rise_bench.types import (
    Call,
    Critical,
    Derivation,
    Fact,
    GroundSession,
    Intent,
    StateChange,
    Task,
    ToolCall,
    ToolResult,
)


def proof(task: Task, ground: toy.FolderGround | None = None) -> Proof:
    """The proof of a task on the in-memory ground, both runs on the same one unless the second is given."""
    return prove(task, toy.FolderGround(), ground or toy.FolderGround())


def refused(task: Task) -> str:
    """What the task is refused for, all findings in one text."""
    found = proof(task)
    assert not found.holds
    return "\n".join(finding.what for finding in found.findings if finding.severity == "refused")


def but(task: Task, **more: object) -> Task:
    return task.model_copy(update=more)


@pytest.mark.parametrize("task", [t for t in toy.TASKS if t.kind != "no_call"], ids=lambda task: task.id)
def test_a_good_task_holds_and_has_its_recorded_fields(task: Task) -> None:
    found = proof(task)
    assert found.holds, found.findings
    assert found.task.reference_state is not None
    assert len(found.task.recorded) == len(task.reference)


def test_what_mutated_calls_would_have_answered_competes() -> None:
    assert proof(toy.COUNT).task.answer[0].competing == (2,)
    assert proof(toy.TOTAL).task.answer[0].competing == ("3990",)


def test_what_another_fact_asks_for_does_not_compete() -> None:
    """`4180 this year, 3990 the year before`: the one sentence that tells both would spoil either."""
    total = toy.TOTAL.answer[0]
    before = toy.TOTAL.reference[0].model_copy(update={"arguments": {"path": "sales/2025-q1.txt"}})
    last = total.model_copy(update={"value": 3990, "about": ("total", "last")})
    both = but(toy.TOTAL, reference=(*toy.TOTAL.reference, before), answer=(total, last))
    assert [fact.competing for fact in proof(both).task.answer] == [(), ()]


def test_a_task_whose_near_miss_ends_the_same_is_refused() -> None:
    blind = Critical(call=0, argument="/path", match="path", near=("inbox/2026-03/",))
    same = but(toy.COUNT, intent=Intent(critical=(blind,)))
    assert "same outcome" in refused(same)


def test_a_tolerance_that_takes_in_other_values_is_refused() -> None:
    """`36.26 +- 0.3` written as a relative tolerance takes a third of the values beside it for the fact."""
    (total,) = toy.TOTAL.answer
    assert "relative tolerance 0.3" in refused(but(toy.TOTAL, answer=(total.model_copy(update={"tolerance": 0.3}),)))
    assert proof(but(toy.TOTAL, answer=(total.model_copy(update={"tolerance": 0.0005}),))).holds


def test_a_fact_that_is_not_what_the_reference_gives_is_refused() -> None:
    wrong = Fact(
        value=4, type="number", about=("invoices",), derive=Derivation(op="count", pattern=r"invoice-\d+\.txt")
    )
    assert "its own reference scores" in refused(but(toy.COUNT, answer=(wrong,)))


def test_a_reference_that_does_not_run_is_refused() -> None:
    broken = but(toy.TOTAL, reference=(Call(tool="files.read", arguments={"path": "sales/2024-q1.txt"}),))
    assert "does not run" in refused(broken)


def test_a_task_that_an_agent_passes_by_doing_nothing_is_refused() -> None:
    idle = but(toy.COUNT, answer=())
    assert "does nothing would pass" in refused(idle)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"now": ""}, "has no `now`"),
        ({"cluster": ""}, "has no cluster"),
        ({"intent": Intent()}, "no critical parameter"),
        ({"servers": ()}, "not offered"),
        ({"reference": (Call(tool="files.burn", arguments={"path": "x"}),)}, "does not have"),
        ({"intent": Intent(critical=(Critical(call=0, argument="/nowhere"),))}, "/nowhere"),
    ],
)
def test_what_the_text_of_a_task_shows_to_be_wrong_is_refused_without_running(
    change: dict[str, object], found: str
) -> None:
    assert found in refused(but(toy.COUNT, **change))


def test_a_critical_parameter_without_any_near_miss_is_refused() -> None:
    lonely = Critical(call=0, argument="/source", match="path")
    intent = Intent(critical=(lonely,))
    renamed = Call(tool="files.move", arguments={"source": "notes/planning.md", "destination": "notes/plan.md"})
    assert "give `near` values" in refused(but(toy.MOVE, reference=(renamed,), intent=intent))


def test_an_alternative_that_ends_elsewhere_is_refused() -> None:
    elsewhere = Call(tool="files.write", arguments={"path": "reminders/may.txt", "content": "Call Ada on 19 April."})
    assert "alternative 0" in refused(but(toy.WRITE, alternatives=((elsewhere,),)))


class Clocked(toy.FolderGround):
    """A ground whose writes carry a stamp, as a server's that writes the time: two honest runs differ."""

    def open(self, task: Task) -> GroundSession:
        return _Stamped(super().open(task))


class _Stamped:
    def __init__(self, session: GroundSession) -> None:
        self._session = session
        self.tools, self.root = session.tools, session.root

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        return self._session.call(call, timeout)

    def end_state(self) -> tuple[StateChange, ...]:
        return tuple(c.model_copy(update={"after": f"{c.after} later"}) for c in self._session.end_state() or ())

    def close(self) -> None:
        self._session.close()


def test_a_leaf_in_which_two_honest_runs_differ_is_volatile_and_a_task_that_rests_on_it_alone_is_refused() -> None:
    found = proof(toy.WRITE, Clocked())
    assert "state:reminders/april.txt" in found.task.volatile
    assert not found.holds
