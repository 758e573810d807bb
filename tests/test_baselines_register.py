"""From runs to measured baselines: what is refused, what is kept, what it comes to, and what it can be compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_run

from rise_bench import bench
from rise_bench.baselines import (
    MeasuredBaseline,
    Registry,
    entry_of,
    load_registry,
    measured_of,
    rivals,
    scorer_versions,
)
from rise_bench.baselines.figures import figures
from rise_bench.errors import InputError
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite
from rise_bench.types import Conditions, RunSpec, Scored, Trajectory

UNDER = Conditions(since="2026-11-23T10:00:00Z", rise_bench="0.1.0", python="3.11", executor="local", concurrency=2)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedSuite:
    return sample_run.make_suite(tmp_path / "suite")


@pytest.fixture
def run(tmp_path: Path, loaded: LoadedSuite) -> Run:
    """Two attempts at three tasks, one of the six a fault."""
    return made_of(tmp_path, loaded, sample_run.trajectories())


def made_of(folder: Path, loaded: LoadedSuite, attempts: list[Trajectory], **spec: Any) -> Run:
    given: dict[str, Any] = {
        "suite": "sample",
        "suite_version": "1-0",
        "mode": "live",
        "model": "by-hand",
        "attempts": 2,
    }
    given |= {"suite_digest": loaded.suite.digest(), "ground_digest": loaded.ground.digest()}
    run = Run.create(
        RunSpec.model_validate(given | {"system_prompt": loaded.suite.system_prompt} | spec), folder / "runs"
    )
    run.under(UNDER)
    for one in attempts:
        run.append(one, bench.score_attempt(loaded.tasks[one.task], one, loaded))
    run.close()
    return run


def sound() -> list[Trajectory]:
    return [one for one in sample_run.trajectories() if not one.fault]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_an_entry_keeps_spec_conditions_versions_and_every_verdict(run: Run, loaded: LoadedSuite) -> None:
    entry = measured_of(run, loaded, name="mine", by="somebody", notes=["one"], most_faults=1.0)
    assert (entry.spec, entry.run, entry.results) == (run.spec(), run.spec().digest(), run.results_digest())
    assert (entry.conditions, entry.by, entry.notes) == ((UNDER,), "somebody", ("one",))
    assert entry.title == "by-hand on sample 1-0, live"
    places = {task: place for place, task in enumerate(loaded.tasks)}
    for row in run.scored():
        at = places[row.task]
        assert entry.values("acc_task")[row.attempt][at] == row.acc_task.value
        assert entry.values("acc_intent")[row.attempt][at] == row.acc_intent.value
    assert entry.acc_task == ("111", "11-") and entry.acc_intent == ("111", "00-")


def test_the_figures_are_those_of_the_report(run: Run, loaded: LoadedSuite, tmp_path: Path) -> None:
    entry = measured_of(run, loaded, name="mine", most_faults=1.0)
    report = bench.report(run.path, str(tmp_path / "suite"))
    found = figures(entry, [task.cluster for task in loaded.suite.tasks])
    assert (found.acc_task, found.acc_intent) == (report.acc_task, report.acc_intent)
    assert found.none_as_0 == (report.acc_task_none_as_0, report.acc_intent_none_as_0)
    assert (found.attempts, found.made, found.judged) == (6, 6, 5)


def test_without_the_suite_there_is_a_mean_and_no_interval(run: Run, loaded: LoadedSuite) -> None:
    found = figures(measured_of(run, loaded, name="mine", most_faults=1.0), None)
    assert found.acc_intent.value == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert (found.acc_intent.low, found.acc_intent.high) == (None, None)
    assert found.acc_intent.reason


def test_a_task_without_any_verdict_leaves_the_mean_but_not_the_other_denominator(
    tmp_path: Path, loaded: LoadedSuite
) -> None:
    broken = [replace_fault(one) if one.task == "sample/archive-notes" else one for one in sound()]
    entry = measured_of(made_of(tmp_path, loaded, broken), loaded, name="mine", incomplete=True, most_faults=1.0)
    assert entry.acc_intent == ("1-1", "0-.")
    found = figures(entry, None)
    assert (found.acc_intent.value, found.acc_intent.n) == (0.75, 2)
    assert found.none_as_0[1] == pytest.approx((0.5 + 0 + 1) / 3)
    assert (found.attempts, found.made, found.judged) == (6, 5, 3)


def test_a_task_that_was_never_attempted_is_in_no_mean(tmp_path: Path, loaded: LoadedSuite) -> None:
    entry = measured_of(made_of(tmp_path, loaded, sound()[:4]), loaded, name="mine", incomplete=True)
    assert entry.acc_intent == ("11.", "00.")
    found = figures(entry, None)
    assert (found.acc_intent.value, found.acc_intent.n, found.none_as_0) == (0.5, 2, (1.0, 0.5))


def replace_fault(one: Trajectory) -> Trajectory:
    return one.model_copy(update={"messages": (), "end_state": None, "stop": "fault", "fault": "GroundFault: gone"})


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(run: Run, loaded: LoadedSuite, **more: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        measured_of(run, loaded, **{"name": "mine", "most_faults": 0.02} | more)
    assert caught.value.remedy and "\n" not in str(caught.value)
    return caught.value


def test_too_many_faults_are_refused_unless_allowed(run: Run, loaded: LoadedSuite) -> None:
    assert refused(run, loaded).what == "1 of 6 attempts are faults; the limit is 2 %"
    assert measured_of(run, loaded, name="mine", most_faults=1 / 6).made() == ((True,) * 3,) * 2


def test_missing_attempts_are_refused_unless_allowed_and_are_no_faults(tmp_path: Path, loaded: LoadedSuite) -> None:
    short = made_of(tmp_path, loaded, sound())
    assert refused(short, loaded).what == "5 of 6 attempts were made"
    entry = measured_of(short, loaded, name="mine", incomplete=True)
    assert entry.acc_task == ("111", "11.")


def test_an_empty_run_is_refused_even_if_incomplete_ones_are_allowed(tmp_path: Path, loaded: LoadedSuite) -> None:
    empty = made_of(tmp_path, loaded, [])
    assert refused(empty, loaded, incomplete=True, most_faults=1.0).what == "0 of 6 attempts were made"


def test_an_imported_log_is_no_run_of_ours(tmp_path: Path, loaded: LoadedSuite) -> None:
    assert "imported log" in refused(made_of(tmp_path, loaded, sample_run.trajectories(), mode="log"), loaded).what


def test_a_run_without_conditions_is_refused(run: Run, loaded: LoadedSuite) -> None:
    run.conditions_file.unlink()
    assert "conditions.jsonl" in refused(run, loaded, most_faults=1.0).what


def test_an_attempt_without_verdicts_is_refused(run: Run, loaded: LoadedSuite) -> None:
    lines = run.verdicts_file.read_text(encoding="utf-8").splitlines(keepends=True)
    run.verdicts_file.write_text("".join(lines[:-1]), encoding="utf-8")
    found = refused(run, loaded, incomplete=True, most_faults=1.0)
    assert found.what == "1 attempts have no verdicts of their own" and "rise-bench score" in found.remedy


def test_verdicts_of_two_scorer_versions_are_refused(run: Run, loaded: LoadedSuite) -> None:
    rows = list(run.scored())
    older = rows[0].acc_task.model_copy(update={"version": "1-0"})
    run.write_scored(iter([rows[0].model_copy(update={"acc_task": older}), *rows[1:]]))
    assert refused(run, loaded, most_faults=1.0).what.startswith("acc_task was judged by 1-0, ")


def test_verdicts_of_another_suite_are_refused(run: Run, loaded: LoadedSuite) -> None:
    smaller = loaded.suite.model_copy(update={"tasks": loaded.suite.tasks[1:]})
    assert "is not one of the suite's 2 tasks x 2" in refused(run, replace(loaded, suite=smaller), most_faults=1.0).what


@pytest.mark.parametrize("name", ["", "Big", "a b", "../x", "a" * 81])
def test_a_name_that_is_none_is_refused(run: Run, loaded: LoadedSuite, name: str) -> None:
    assert refused(run, loaded, name=name, most_faults=1.0).where == "--name"


# --- of what it is a run ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry()


def spec_of(model: str, **args: Any) -> RunSpec:
    base = {"suite": "s", "suite_version": "1", "suite_digest": "5", "ground_digest": "6", "mode": "live"}
    return RunSpec.model_validate({**base, "model": model, "model_args": args, "system_prompt": ""})


@pytest.mark.parametrize(
    ("spec", "given", "found"),
    [
        (spec_of("lexical"), "", "lexical"),
        (spec_of("lexical", k=1), "", ""),
        (spec_of("by-hand"), "", ""),
        (spec_of("vllm:Qwen/Qwen3-14B", tool_parser="hermes", reasoning_parser="deepseek_r1"), "", "qwen3-14b"),
        (spec_of("vllm:Qwen/Qwen3-14B", tool_parser="xlam"), "", ""),
        (spec_of("openai:Qwen/Qwen3-14B", base_url="http://x/v1"), "", ""),
        (spec_of("openai:Qwen/Qwen3-14B", base_url="http://x/v1"), "qwen3-14b", "qwen3-14b"),
    ],
)
def test_a_run_is_of_the_entry_whose_model_line_it_has_or_which_is_named(
    shipped: Registry, spec: RunSpec, given: str, found: str
) -> None:
    assert entry_of(shipped, spec, given) == found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("silent", "the run is of lexical, not of silent"),
        ("qwen3-8b", "the run is of lexical, not of Qwen/Qwen3-8B"),
        ("rise-paper", "is a reported baseline"),
        ("lexicla", "no baseline of that name"),
    ],
)
def test_a_run_is_not_called_what_it_is_not(shipped: Registry, given: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        entry_of(shipped, spec_of("lexical"), given)


# --- what it can be compared with -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"suite_digest": "9" * 64, "suite_version": "2-0"},
            "measured on sample 2-0 (999999999999), the run was made on 1-0",
        ),
        ({"mode": "replay"}, "measured on ground replay, the run was made on live"),
    ],
)
def test_what_is_of_another_version_or_ground_is_left_out_with_the_reason(
    run: Run, loaded: LoadedSuite, change: dict[str, str], told: str
) -> None:
    entry = measured_of(run, loaded, name="mine", most_faults=1.0)
    other = entry.model_copy(update={"spec": entry.spec.model_copy(update=change)})
    found = rivals(Registry({"mine": other}), run.spec(), entry.scorers)
    assert found.entries == () and found.left_out["mine"].startswith(told)


def test_what_was_judged_by_another_version_is_left_out(run: Run, loaded: LoadedSuite) -> None:
    entry = measured_of(run, loaded, name="mine", most_faults=1.0)
    found = rivals(Registry({"mine": entry}), run.spec(), dict(entry.scorers) | {"acc_intent": "9-9"})
    assert found.left_out == {
        "mine": f"acc_intent was judged by version {entry.scorers['acc_intent']}, in the run by 9-9"
    }


def test_a_run_is_not_compared_with_itself_but_with_its_like(run: Run, loaded: LoadedSuite) -> None:
    entry = measured_of(run, loaded, name="mine", most_faults=1.0)
    versions = scorer_versions(run.scored(), run)
    assert rivals(Registry({"mine": entry}), run.spec(), versions, run.results_digest()).left_out == {
        "mine": "this run itself"
    }
    again = run.spec().model_copy(update={"seed": 1})
    assert rivals(Registry({"mine": entry}), again, versions, run.results_digest()).entries == (entry,)


def test_other_suites_and_kinds_are_not_even_mentioned(run: Run, loaded: LoadedSuite, shipped: Registry) -> None:
    entry: MeasuredBaseline = measured_of(run, loaded, name="mine", most_faults=1.0)
    both = Registry({**shipped.entries, "mine": entry})
    elsewhere = run.spec().model_copy(update={"suite": "elsewhere"})
    found = rivals(both, elsewhere, entry.scorers)
    assert (found.entries, dict(found.left_out)) == ((), {})


def test_rows_give_one_version_each(run: Run) -> None:
    rows: list[Scored] = list(run.scored())
    assert scorer_versions(rows, run) == {
        "acc_task": rows[0].acc_task.version,
        "acc_intent": rows[0].acc_intent.version,
    }
    with pytest.raises(InputError, match="judged by no scorer"):
        scorer_versions([], run)
