"""A report counts what it says it counts, and hides no attempt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.report import About, Floor, Report, percent, to_markdown
from rise_bench.report import summarise as report_of
from rise_bench.types import Call, Label, LabelName, Scored, Task, TaskKind, Usage, Verdict


def about(tasks: int, attempts: int = 1) -> About:
    return About(suite="desk", suite_version="1-0", mode="live", model="m", tasks=tasks, attempts=attempts)


def attempt(
    task: str,
    complete: float | None,
    aligned: float | None,
    *,
    fault: str = "",
    reason: str = "",
    labels: tuple[LabelName, ...] = (),
    icp: tuple[int, int] = (0, 0),
    usage: Usage | None = None,
) -> Scored:
    common: dict[str, Any] = {"task": task, "version": "1-0", "reason": reason}
    deviations = tuple(Label(name=name) for name in labels)
    details: dict[str, JsonValue] = {"icp_total": icp[0], "icp_matched": icp[1]}
    return Scored(
        task=task,
        fault=fault,
        stop="fault" if fault else "answered",
        usage=usage or Usage(turns=2, calls=3, seconds=1.5),
        acc_task=Verdict(scorer="acc_task", value=complete, **common),
        acc_intent=Verdict(scorer="acc_intent", value=aligned, labels=deviations, details=details, **common),
    )


def task(name: str, cluster: str = "", kind: TaskKind = "complete") -> Task:
    more: dict[str, Any] = {"reasons": ("mail",)} if kind == "infeasible" else {}
    return Task(id=name, request="r", kind=kind, cluster=cluster, reference=(Call(tool="s.t"),) * 2, **more)


CLUSTERS = {
    "a": "x/files",
    "b": "x/files",
    "c": "y/git",
    "d": "y/git",
    "e": "y/db",
    "f": "y/db",
    "g": "z/db",
    "h": "z/db",
}
TASKS = {name: task(name, cluster, "infeasible" if name == "f" else "complete") for name, cluster in CLUSTERS.items()}


def summarise(attempts: Iterable[Scored], what: About, floors: Sequence[Floor] = ()) -> Report:
    """The report, every task that is not one of `TASKS` being a cluster of its own."""
    listed = list(attempts)
    return report_of(listed, {one.task: task(one.task) for one in listed} | TASKS, what, floors)


def mixed() -> Iterator[Scored]:
    """Six judged tasks (3 aligned, 2 silent, 1 visible), one fault, one unjudged."""
    yield attempt("a", 1, 1, icp=(2, 2))
    yield attempt("b", 1, 1, icp=(1, 1))
    yield attempt("c", 1, 1, labels=("schema_violation",))
    yield attempt("d", 1, 0, labels=("wrong_value", "wrong_value"), icp=(2, 0))
    yield attempt("e", 1, 0, labels=("wrong_tool",), icp=(1, 1))
    yield attempt("f", 0, 0, labels=("should_decline",))
    yield attempt("g", None, None, fault="fault: server did not start")
    yield attempt("h", 1, None, reason="1 parameter(s) need a judge")


def test_the_three_outcomes_and_both_kinds_of_none_add_up_to_all_attempts() -> None:
    report = summarise(mixed(), about(8))
    outcomes = report.outcomes
    assert (outcomes.aligned, outcomes.silent, outcomes.visible, outcomes.fault, outcomes.unjudged) == (3, 2, 1, 1, 1)
    assert (report.attempts, report.judged, report.tasks, report.tasks_attempted) == (8, 6, 6, 8)


def test_scores_are_means_over_judged_tasks_and_the_rate_is_within_complete_ones() -> None:
    report = summarise(mixed(), about(8))
    assert report.acc_task.value == pytest.approx(5 / 6)
    assert report.acc_intent.value == pytest.approx(3 / 6)
    assert report.silent_rate.value == pytest.approx(2 / 5)
    assert report.icp_recall.value == pytest.approx(4 / 6)


def test_every_none_as_0_divides_by_all_attempted_tasks() -> None:
    report = summarise(mixed(), about(8))
    assert report.acc_task_none_as_0 == pytest.approx(5 / 8)
    assert report.acc_intent_none_as_0 == pytest.approx(3 / 8)


def test_intervals_count_the_tasks_own_clusters() -> None:
    report = summarise(mixed(), about(8))
    assert (report.acc_intent.n, report.acc_intent.clusters) == (6, 3)
    assert report.acc_intent.low is not None


def test_reasons_of_what_is_not_judged_are_listed_with_their_number() -> None:
    assert summarise(mixed(), about(8)).faults == {"fault: server did not start": 1, "1 parameter(s) need a judge": 1}


def test_a_label_counts_its_attempts_once_and_says_how_many_were_silent() -> None:
    labels = {item.label: item for item in summarise(mixed(), about(8)).labels}
    wrong = labels["wrong_value"]
    assert (wrong.family, wrong.count, wrong.attempts, wrong.silent) == ("execution", 2, 1, 1)
    assert (labels["schema_violation"].attempts, labels["schema_violation"].silent) == (1, 0)


def test_slices_cover_kind_server_and_cluster() -> None:
    groups = {(g.by, g.name): g for g in summarise(mixed(), about(8)).groups}
    assert groups["kind", "infeasible"].acc_task.value == 0
    assert groups["server", "git"].acc_intent.value == pytest.approx(0.5)
    assert groups["cluster", "x/files"].tasks == 2
    assert groups["cluster", "x/files"].acc_task.low is None  # one cluster: no interval


def test_more_than_two_per_cent_of_faults_are_not_ranked() -> None:
    rows = [attempt(f"t{i}", 1, 1) for i in range(97)] + [attempt(f"f{i}", None, None, fault="x") for i in range(3)]
    assert any("faults" in why for why in summarise(rows, about(100)).not_ranked)
    assert summarise([*rows[:97], *[attempt(f"u{i}", 1, 1) for i in range(3)]], about(100)).not_ranked == ()


def test_two_per_cent_of_faults_are_still_ranked() -> None:
    rows = [attempt(f"t{i}", 1, 1) for i in range(98)] + [attempt(f"f{i}", None, None, fault="x") for i in range(2)]
    assert summarise(rows, about(100)).not_ranked == ()


def test_a_run_that_is_not_finished_is_not_ranked() -> None:
    assert summarise([attempt("a", 1, 1)], about(3)).not_ranked == ("1 of 3 attempts were made",)


def test_reliability_is_shown_over_several_attempts_only() -> None:
    rows = [attempt(t, 1, int(i < 2)) for t in "ab" for i in range(4)]
    report = summarise(rows, about(2, attempts=4))
    values = [p.acc_intent.value for p in report.passes]
    assert values == pytest.approx([0.5, 1 / 6, 0.0, 0.0])
    assert summarise([attempt("a", 1, 1)], about(1)).passes == ()


def test_pass_hat_k_leaves_out_tasks_with_fewer_judged_attempts_and_says_how_many() -> None:
    rows = [attempt("a", 1, 1), attempt("a", 1, 1), attempt("b", 1, 1), attempt("b", None, None, fault="x")]
    report = summarise(rows, about(2, attempts=2))
    assert [(p.k, p.acc_intent.n, p.left_out) for p in report.passes] == [(1, 2, 0), (2, 1, 1)]


def test_a_task_counts_once_however_many_attempts_it_has() -> None:
    rows = [attempt("a", 1, 1)] + [attempt("b", 0, 0) for _ in range(3)]
    assert summarise(rows, about(2, attempts=3)).acc_task.value == pytest.approx(0.5)


def test_cost_adds_up_and_tokens_nobody_counted_stay_unknown() -> None:
    cost = summarise(mixed(), about(8)).cost
    assert (cost.turns, cost.calls, cost.reference_calls, cost.seconds) == (16, 24, 16, 12.0)
    assert cost.input_tokens is None
    counted = attempt("a", 1, 1, usage=Usage(turns=1, calls=1, input_tokens=10, output_tokens=4))
    assert summarise([counted, attempt("b", 1, 1)], about(2)).cost.input_tokens == 10


def test_an_attempt_at_a_task_that_the_suite_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match="'zz' is not in suite desk"):
        report_of([attempt("zz", 1, 1)], TASKS, about(1))


def test_a_run_without_attempts_has_a_report_without_values() -> None:
    report = summarise([], about(3))
    assert (report.acc_task.value, report.acc_intent_none_as_0, report.judged) == (None, None, 0)
    assert "| **Acc_task** (looks done) | - |" in to_markdown(report)


def test_a_report_survives_the_way_through_json() -> None:
    report = summarise(mixed(), about(8), floors=[Floor(name="silent", acc_task=0.1, acc_intent=0.1)])
    assert Report.model_validate(json.loads(report.model_dump_json())) == report


def test_markdown_shows_scores_floors_and_deviations() -> None:
    text = to_markdown(summarise(mixed(), about(8), floors=[Floor(name="silent", acc_task=0.1, acc_intent=0.05)]))
    assert "| **Acc_intent** (did what was meant) | 50.0 % [" in text
    assert "silent 10.0 % / 5.0 %" in text
    assert "| execution | wrong_value | 1 | 16.7 % | 1 |" in text
    assert "**Not ranked:**" in text


def test_foreign_text_is_no_markup_in_markdown() -> None:
    rows = [attempt("a", None, None, fault="<img src=x> | [x](y)\n# heading \x1b[31m")]
    text = to_markdown(summarise(rows, about(1).model_copy(update={"model": "a|b*c"})))
    assert "a\\|b\\*c" in text
    assert "\\<img src=x\\> \\| \\[x\\](y) \\# heading �\\[31m" in text
    assert "\x1b" not in text


def test_percent_shows_a_dash_where_there_is_nothing() -> None:
    assert (percent(None), percent(0.125), percent(1.0)) == ("-", "12.5 %", "100.0 %")
