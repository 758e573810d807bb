"""The `desk` suite: what is released was proved, its oracle passes live, and agents that look at nothing do not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from rise_bench.bench import Options, evaluate, floors, report
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.suites import check_suite

RECORDED = {"recorded": (), "volatile": (), "reference_state": None}


@pytest.fixture(scope="module")
def desk() -> LoadedSuite:
    return load_suite("desk")


def test_the_suite_is_as_large_and_as_mixed_as_it_says(desk: LoadedSuite) -> None:
    kinds = Counter(task.kind for task in desk.suite.tasks)
    used = {call.tool.partition(".")[0] for task in desk.suite.tasks for call in task.reference}
    lengths = Counter(len(task.reference) for task in desk.suite.tasks if task.kind == "complete")
    assert kinds["complete"] >= 60
    assert kinds["underspecified"] >= 8
    assert kinds["infeasible"] >= 6
    assert len(used) >= 8
    assert set(lengths) <= set(range(1, 7))
    assert len([task for task in desk.suite.tasks if len(task.servers) > 1]) > len(desk.suite.tasks) / 2


def test_every_released_task_is_the_one_that_was_written_by_hand(desk: LoadedSuite) -> None:
    written = load_suite("desk", proved=False).tasks
    assert written.keys() == desk.tasks.keys()
    for name, task in desk.tasks.items():
        plain = task.model_copy(update={**RECORDED, "answer": written[name].answer})
        assert plain == written[name].model_copy(update=RECORDED), name
        assert [(f.value, f.about) for f in task.answer] == [(f.value, f.about) for f in written[name].answer], name


def test_every_complete_task_has_a_recorded_outcome_that_says_something(desk: LoadedSuite) -> None:
    for task in desk.suite.tasks:
        assert task.reference_state is not None, task.id
        if task.kind == "complete":
            assert len(task.recorded) == len(task.reference), task.id
            assert task.answer or any(change.match != "any" for change in task.reference_state), task.id


def test_no_task_needs_the_real_date(desk: LoadedSuite) -> None:
    assert [task.id for task in desk.suite.tasks if not task.now] == []


def test_agents_that_never_look_at_the_request_score_nothing_on_complete_tasks(desk: LoadedSuite) -> None:
    for floor in floors(desk):
        assert floor.acc_intent <= 0.15, floor
        if floor.name == "do-nothing":
            assert floor.acc_task == floor.acc_intent == 0


@pytest.mark.servers
def test_the_oracle_scores_one_and_one_on_every_task_live(tmp_path: Path, desk: LoadedSuite) -> None:
    done = evaluate(Options(suite="desk", model="oracle", output=tmp_path))
    rows = list(Run.open(done.run).scored())
    wrong = [
        (row.task, row.fault or row.acc_task.reason, row.acc_intent.reason)
        for row in rows
        if (row.acc_task.value, row.acc_intent.value) != (1, 1)
    ]
    assert len(rows) == len(desk.suite.tasks)
    assert wrong == []
    assert report(done.run).outcomes.aligned == len(rows)


@pytest.mark.servers
def test_tasks_prove_again_as_they_were_recorded() -> None:
    sample = (
        "desk/files-archive-march-invoices",
        "desk/files-okafor-rate",
        "desk/git-hotfix-branch",
        "desk/numbers-june-freight",
        "desk/ask-claim-lena",
    )
    proved = check_suite("desk", only=sample)
    assert [finding for finding in proved.findings if finding.severity == "refused"] == []
    assert proved.proved == len(sample)
    assert proved.mutations >= 4
