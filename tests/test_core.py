"""The `core` suite: as large as it says, each request written by hand, its oracle passes live, what looks at nothing fails."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from rise_bench.bench import Options, evaluate, floors, report
from rise_bench.refs import at
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.suites import check_suite
from rise_bench.types import Task

CORE = Path(__file__).parent.parent / "tasks" / "core"
UNSEEN = {"agenda", "backlog", "decisions", "excel-negokaz", "geometry", "chess-rules", "home-finance", "medcalc"}


@pytest.fixture(scope="module")
def core() -> LoadedSuite:
    return load_suite("core")


def servers_of(task: Task) -> set[str]:
    return {call.tool.partition(".")[0] for call in task.reference}


def test_the_suite_is_as_large_and_as_mixed_as_it_says(core: LoadedSuite) -> None:
    kinds = Counter(task.kind for task in core.suite.tasks)
    assert kinds["complete"] >= 600
    assert kinds["underspecified"] + kinds["infeasible"] >= 80
    used: set[str] = set().union(*(servers_of(task) for task in core.suite.tasks))
    assert len(used) >= 20
    assert used >= UNSEEN
    lengths = Counter(len(task.reference) for task in core.suite.tasks if task.kind == "complete")
    assert set(lengths) <= set(range(1, 9))
    assert sum(lengths[n] for n in lengths if n > 1) > lengths[1]


def test_a_part_is_unseen_exactly_where_a_server_of_it_is_called(core: LoadedSuite) -> None:
    for task in core.suite.tasks:
        if task.reference:
            part = "test-unseen-servers" if servers_of(task) & UNSEEN else "test-seen-tools"
            assert task.tags[0] == part, task.id


def test_every_request_is_one_that_was_written_by_hand_and_no_two_are_alike(core: LoadedSuite) -> None:
    written: list[str] = []
    for path in sorted((CORE / "requests").glob("*.yaml")):
        for item in yaml.safe_load(path.read_text(encoding="utf-8")):
            written.append(item["request"])
            written += [twin["request"] for twin in item.get("twins", ())]
    released = Counter(task.request for task in core.suite.tasks)
    assert released.keys() <= set(written)
    assert [request for request, times in released.items() if times > 1] == []


def test_every_complete_task_has_a_recorded_outcome_that_says_something(core: LoadedSuite) -> None:
    for task in core.suite.tasks:
        if task.kind == "complete":
            assert len(task.recorded) == len(task.reference), task.id
            assert task.intent.critical, task.id
            state = task.reference_state or ()
            assert task.answer or any(change.match != "any" for change in state), task.id


def test_no_text_that_the_request_dictates_is_left_open(core: LoadedSuite) -> None:
    for task in core.suite.tasks:
        for call, pointer in task.intent.free:
            text = str(at(dict(task.reference[call].arguments), pointer))
            assert text.strip(".!").casefold() not in task.request.casefold(), task.id


def test_no_primitive_of_a_server_of_the_unseen_part_is_in_the_seen_part(core: LoadedSuite) -> None:
    seen = {tuple(sorted(servers_of(task))) for task in core.suite.tasks if task.tags[0] == "test-seen-tools"}
    assert not UNSEEN & set().union(*map(set, seen))


def test_agents_that_never_look_at_the_request_score_nothing_on_complete_tasks(core: LoadedSuite) -> None:
    for floor in floors(core):
        assert floor.acc_intent <= 0.15, floor
        if floor.name == "do-nothing":
            assert floor.acc_task == floor.acc_intent == 0


def test_every_critical_value_follows_from_its_request() -> None:
    found = json.loads((CORE / "evidence" / "recoverability.json").read_text(encoding="utf-8"))
    assert found["requests"] >= 600
    assert sum(found["by"].values()) == found["values"] > found["requests"]
    assert found["masked"] <= found["base_rate"]


def test_departures_were_told_from_what_was_meant_operator_by_operator() -> None:
    found = json.loads((CORE / "evidence" / "checks.json").read_text(encoding="utf-8"))["acc_intent"]
    assert len(found["by_operator"]) >= 30
    assert all(one["caught"]["value"] == 1 for one in found["by_operator"].values())
    # six slips of one task end in an empty list, told as nought: visibly wrong where a silent deviation was declared
    assert sum(one["n"] - one["as_declared"] for one in found["by_operator"].values()) <= 6
    assert found["sensitivity"]["value"] == found["specificity"]["value"] == 1
    assert found["specificity"]["n"] >= 700
    assert found["unscored"] == 0


def test_departures_that_were_dropped_as_aligned_stand_beside_those_that_were_not() -> None:
    found = json.loads((CORE / "evidence" / "checks.json").read_text(encoding="utf-8"))
    counts = found["acc_intent"]["dropped_as_aligned"]
    funnel = (CORE / "evidence" / "funnel.md").read_text(encoding="utf-8")
    assert [str(sum(counts.values()))] == re.findall(r"^- (\d+) as good as the reference$", funnel, re.MULTILINE)
    assert all(count > 0 for count in counts.values())
    assert found["call_only"]["finding"] == ""


def sample(core: LoadedSuite) -> list[str]:
    """A task for each of the servers that other tests install as well, for three more, and one of each kind of twin."""
    installed = {name for task in load_suite("desk").suite.tasks for name in task.servers}
    installed |= {"agenda", "chess-rules", "backlog"}
    chosen: dict[str, str] = {}
    for task in core.suite.tasks:
        if task.kind != "complete":
            chosen.setdefault(task.kind, task.id)
        elif installed.issuperset(task.servers):
            for name in sorted(servers_of(task)):
                chosen.setdefault(name, task.id)
    assert len(chosen) >= 10
    return list(dict.fromkeys(chosen.values()))


def assert_the_oracle_is_right(core: LoadedSuite, ids: Sequence[str], output: Path) -> None:
    done = evaluate(Options(suite="core", model="oracle", sample_ids=ids, output=output))
    rows = list(Run.open(done.run).scored())
    wrong = [
        (row.task, row.fault or row.acc_task.reason, row.acc_intent.reason)
        for row in rows
        if (row.acc_task.value, row.acc_intent.value) != (1, 1)
    ]
    assert len(rows) == len(ids or core.suite.tasks)
    assert wrong == []
    assert report(done.run).outcomes.aligned == len(rows)


@pytest.mark.servers
@pytest.mark.slow
def test_the_oracle_scores_one_and_one_on_a_sample_live(tmp_path: Path, core: LoadedSuite) -> None:
    assert_the_oracle_is_right(core, sample(core), tmp_path)


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.skipif("RISE_BENCH_FULL" not in os.environ, reason="RISE_BENCH_FULL is not set; `make test-core` sets it")
def test_the_oracle_scores_one_and_one_on_every_task_live(tmp_path: Path, core: LoadedSuite) -> None:
    assert_the_oracle_is_right(core, (), tmp_path)


@pytest.mark.servers
def test_tasks_prove_again_as_they_were_recorded(core: LoadedSuite) -> None:
    wanted = [task for task in core.suite.tasks if task.kind == "complete" and len(task.reference) == 2]
    ids = [task.id for task in wanted if servers_of(task) <= {"filesystem", "sqlite", "todo"}][:4]
    proved = check_suite("core", only=ids)
    assert [finding for finding in proved.findings if finding.severity == "refused"] == []
    assert proved.proved == len(ids)
    assert proved.mutations >= 4
