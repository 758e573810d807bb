"""Agreement with official verdicts: counts, classes of difference, faults apart; imports written as runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rise_bench import bench
from rise_bench.importers import Study, export, import_bfcl, import_tau, study
from rise_bench.importers.difference import unlikeness

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def found() -> Study:
    return study(import_bfcl(FIXTURES / "bfcl-small"))


def test_faults_and_attempts_without_a_verdict_are_compared_with_nothing(found: Study) -> None:
    calls = next(a for a in found.agreements if (a.model, a.group) == ("native", "calls"))
    assert (calls.n, calls.agreed, calls.both_pass, calls.both_fail) == (3, 3, 1, 2)
    assert not any(a.model == "prompted" for a in found.agreements)
    assert found.unscored == ("native simple_3 0: fault: Error during inference: 503",)


def test_relevance_is_counted_apart_with_malformed_as_no_abstention(found: Study) -> None:
    apart = next(a for a in found.agreements if (a.model, a.group) == ("native", "no_call"))
    assert (apart.n, apart.both_pass, apart.both_fail, apart.only_theirs, apart.only_ours) == (5, 1, 1, 3, 0)
    assert found.classes == {
        "stricter: malformed or empty output is no abstention": 2,
        "stricter: a call was attempted": 1,
    }
    assert {d.task for d in found.differences} == {"relevance_2", "relevance_3", "relevance_4"}


def test_means_say_on_how_many_attempts_they_rest(found: Study) -> None:
    native = next(row for row in found.scores if row.model == "native")
    assert (native.attempts, native.scored, native.official_on) == (10, 9, 9)
    assert native.acc_intent == pytest.approx(3 / 9)
    assert native.acc_task == pytest.approx(4 / 9)


def test_pass_k_is_the_unbiased_estimate_over_tasks() -> None:
    row = study(import_tau(FIXTURES / "tau-small.json")).scores[0]
    assert row.pass_k_official == pytest.approx((0.5, 1 / 12))  # 1 of 2 and 2 of 4: (1/2 + 1/2)/2, (0 + 1/6)/2
    assert row.pass_k_ours == pytest.approx((0.5, 1 / 12))


@pytest.mark.parametrize(
    ("expected", "sent", "kind"),
    [
        ("Oslo", "OSLO", "case"),
        ("3x + 2", "3x+2", "blanks"),
        ("3x**2", "3*x^2", "products and powers"),
        ("win rate", "win_rate", "punctuation"),
        ("Oslo", "Bergen", "value"),
        (5, "5", "type"),
        ([1, 2], [1], "length"),
        (["a b", "c"], ["a_b", "C"], "punctuation"),
        ({"a": 1}, {"a": 1, "b": 2}, "keys"),
    ],
)
def test_a_difference_is_named_by_the_slightest_rule_that_would_forgive_it(
    expected: object, sent: object, kind: str
) -> None:
    assert unlikeness(expected, sent) == kind  # type: ignore[arg-type]


def test_an_import_written_as_a_run_reports_the_same_scores(tmp_path: Path, found: Study) -> None:
    imported = import_bfcl(FIXTURES / "bfcl-small")
    suite, runs = export(imported, tmp_path)
    again = export(imported, tmp_path)
    assert again == (suite, runs)
    report = bench.report(runs[imported.models.index("native")], str(suite))
    native = next(row for row in found.scores if row.model == "native")
    assert report.attempts == native.attempts
    assert report.acc_intent.value == pytest.approx(native.acc_intent)
