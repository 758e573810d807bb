"""A run as an Inspect log: Inspect reads it, its numbers are the report's, and it comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sample_run
from inspect_ai.analysis import samples_df
from inspect_ai.log import EvalLog, EvalSample, bundle_log_dir, read_eval_log, write_eval_log

from rise_bench import bench
from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.importers.inspect import import_inspect
from rise_bench.inspect_log import export_inspect
from rise_bench.runs import Run
from rise_bench.score import score
from rise_bench.store import load_suite
from rise_bench.types import Assistant, Scored, Stop, ToolCall, ToolResult, Trajectory

SUFFIXES = ("eval", "json")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    sample_run.make_suite(tmp_path / "suite")
    return tmp_path / "suite"


@pytest.fixture
def run(tmp_path: Path, suite: Path) -> Path:
    return sample_run.make_run(tmp_path / "runs", load_suite(str(suite)))


def exported(run: Path, suite: Path, target: Path) -> EvalLog:
    export_inspect(run, target, str(suite))
    return read_eval_log(target, resolve_attachments=True)


def by_key(log: EvalLog) -> dict[tuple[str, int], EvalSample]:
    return {(str(sample.id), sample.epoch - 1): sample for sample in log.samples or ()}


def verdicts(run: Path) -> dict[tuple[str, int], Scored]:
    return {(row.task, row.attempt): row for row in Run.open(run).scored()}


# --- what Inspect sees ------------------------------------------------------------------------------------------------


def test_inspect_computes_from_the_samples_the_means_that_the_report_has(
    run: Path, suite: Path, tmp_path: Path
) -> None:
    log, report = exported(run, suite, tmp_path / "a.eval"), bench.report(run, str(suite))
    assert log.results is not None
    found = {score.name: {name: m.value for name, m in score.metrics.items()} for score in log.results.scores}
    assert found["acc_intent"]["mean"] == pytest.approx(report.acc_intent.value)
    assert found["acc_task"]["mean"] == pytest.approx(report.acc_task.value)
    assert found["acc_task"]["ci_low"] == report.acc_task.low
    assert found["acc_intent"]["stderr"] > 0
    assert found["silent_deviation"]["rate"] == report.silent_rate.value
    assert log.results.headline is not None
    assert log.results.headline.scorer == "acc_intent"


def test_a_fault_is_an_error_without_scores_and_no_zero(run: Path, suite: Path, tmp_path: Path) -> None:
    log = exported(run, suite, tmp_path / "a.eval")
    fault = by_key(log)[sample_run.ASK.id, 1]
    assert fault.error is not None
    assert "the server did not start" in fault.error.message
    assert not fault.scores
    assert log.results is not None
    assert (log.results.total_samples, log.results.completed_samples) == (6, 5)


def test_a_score_says_why_and_carries_the_labels(run: Path, suite: Path, tmp_path: Path) -> None:
    silent = by_key(exported(run, suite, tmp_path / "a.eval"))[sample_run.MOVE.id, 1]
    row = verdicts(run)[sample_run.MOVE.id, 1]
    assert silent.scores is not None
    assert (silent.scores["acc_task"].value, silent.scores["acc_intent"].value) == (1, 0)
    assert silent.scores["acc_intent"].explanation == row.acc_intent.reason
    assert silent.scores["acc_intent"].answer == silent.output.completion == "Moved the notes."
    assert json.loads(silent.target[0]) == {"name": "files.list", "arguments": {"path": "notes"}}
    about = silent.scores["acc_intent"].metadata
    assert about is not None
    assert [label["name"] for label in about["labels"]] == [label.name for label in row.acc_intent.labels]
    assert silent.metadata["outcome"] == "silent"


def test_an_attempt_that_one_scorer_cannot_decide_is_unscored_by_both(run: Path, suite: Path, tmp_path: Path) -> None:
    stored = Run.open(run)
    rows = [
        row.model_copy(update={"acc_intent": row.acc_intent.model_copy(update={"value": None, "reason": "no judge"})})
        if (row.task, row.attempt) == (sample_run.COUNT.id, 0)
        else row
        for row in stored.scored()
    ]
    stored.write_scored(iter(rows))
    log, report = exported(run, suite, tmp_path / "a.eval"), bench.report(run, str(suite))
    scores = by_key(log)[sample_run.COUNT.id, 0].scores
    assert scores is not None
    assert all(score.value != score.value for score in scores.values())  # NaN, as Inspect writes "unscored"
    assert scores["acc_intent"].explanation == "no judge"
    assert log.results is not None
    means = {score.name: score.metrics["mean"].value for score in log.results.scores if "mean" in score.metrics}
    assert means == pytest.approx({"acc_intent": report.acc_intent.value, "acc_task": report.acc_task.value})


def test_a_run_of_nothing_but_faults_has_no_mean(suite: Path, tmp_path: Path) -> None:
    def faulted(made: Trajectory) -> Trajectory:
        return made.model_copy(update={"stop": "fault", "fault": "ModelFault: down", "messages": ()})

    run = sample_run.make_run(tmp_path / "runs", load_suite(str(suite)), faulted)
    log = exported(run, suite, tmp_path / "a.eval")
    assert log.results is not None
    assert [score.metrics for score in log.results.scores] == [{}, {}]


@pytest.mark.parametrize(
    ("stop", "kind", "limit"),
    [
        ("max_turns", "turn", 30),
        ("max_calls", "custom", 60),
        ("max_tokens", "token", 200_000),
        ("timeout", "time", 600),
        ("context_overflow", "context", 0),
        ("agent_failed", "custom", 0),
    ],
)
def test_a_reached_limit_is_a_limit_and_is_scored(
    stop: Stop, kind: str, limit: float, suite: Path, tmp_path: Path
) -> None:
    run = sample_run.make_run(
        tmp_path / "runs",
        load_suite(str(suite)),
        lambda made: made if made.fault else made.model_copy(update={"stop": stop}),
    )
    sample = by_key(exported(run, suite, tmp_path / "a.eval"))[sample_run.COUNT.id, 0]
    assert sample.limit is not None
    assert (sample.limit.type, sample.limit.limit, sample.limit.reason) == (kind, limit, stop)
    assert sample.error is None
    assert sample.scores is not None
    assert sample.scores["acc_task"].value == 0


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Inspect's, on the newest pandas
def test_inspects_data_frame_has_a_row_for_each_attempt(run: Path, suite: Path, tmp_path: Path) -> None:
    export_inspect(run, tmp_path / "logs" / "a.eval", str(suite))
    frame = samples_df(str(tmp_path / "logs"))
    assert len(frame) == 6
    assert set(frame["id"]) == {task.id for task in sample_run.TASKS}
    assert frame["score_acc_intent"].count() == 5


def test_the_viewers_bundle_lists_the_log(run: Path, suite: Path, tmp_path: Path) -> None:
    assert main(["export", "inspect", str(run), "--tasks", str(suite)]) == 0
    bundle_log_dir(str(run / "logs"), str(tmp_path / "bundle"))
    listing = json.loads((tmp_path / "bundle" / "logs" / "listing.json").read_text(encoding="utf-8"))
    (head,) = listing.values()
    assert (head["task"], head["model"], head["status"]) == ("rise_bench/sample", "by-hand", "success")
    assert (tmp_path / "bundle" / "index.html").is_file()


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_attempt_comes_back_as_it_was_and_scores_the_same(
    suffix: str, run: Path, suite: Path, tmp_path: Path
) -> None:
    export_inspect(run, tmp_path / f"a.{suffix}", str(suite))
    imported = import_inspect(tmp_path / f"a.{suffix}", str(suite))
    stored, rows = Run.open(run), verdicts(run)
    attempts = list(imported)
    assert {(a.trajectory.task, a.trajectory.attempt) for a in attempts} == set(rows)
    for made in attempts:
        trajectory = made.trajectory
        row = rows[trajectory.task, trajectory.attempt]
        assert trajectory == stored.trajectory(trajectory.task, trajectory.attempt)
        assert score(imported.tasks[trajectory.task], trajectory, imported.ground) == (row.acc_task, row.acc_intent)
        value = row.acc_intent.value
        assert made.official == (None if value is None else bool(value))
    assert imported.models == ("by-hand",)


ODD = (
    Assistant(content="<think>Which one?</think> data:image/png;base64,AAAA", malformed="a bracket is missing"),
    Assistant(
        tool_calls=(
            ToolCall(id="", tool="files.list", arguments='{"path": '),
            ToolCall(id="same", tool="no such tool", arguments={"none": None, "big": 10**20, "list": [{}, [], 0.1]}),
            ToolCall(id="same", tool="files.list", arguments={}),
        )
    ),
    ToolResult(call_id="", tool="files.list", status="protocol_error", content="data:text/plain;base64,QUJD"),
    ToolResult(call_id="same", tool="no such tool", status="tool_error", structured={}, changed=()),
    ToolResult(call_id="same", tool="files.list", structured={"a": None, "b": [None, False]}, changed=("a\u2028b",)),
    Assistant(tool_calls=(ToolCall(id="last", tool="files.list", arguments=""),)),
    ToolResult(call_id="last", tool="", status="not_executed", content="not executed: max_calls\x00\x1b[31m"),
)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_that_an_agent_writes_is_lost_on_the_way(suffix: str, suite: Path, tmp_path: Path) -> None:
    def odd(made: Trajectory) -> Trajectory:
        return made if made.fault else made.model_copy(update={"messages": (*made.messages, *ODD)})

    run = sample_run.make_run(tmp_path / "runs", load_suite(str(suite)), odd)
    export_inspect(run, tmp_path / f"a.{suffix}", str(suite))
    for made in import_inspect(tmp_path / f"a.{suffix}", str(suite)):
        assert made.trajectory == Run.open(run).trajectory(made.trajectory.task, made.trajectory.attempt)


def test_messages_that_were_edited_since_are_refused(run: Path, suite: Path, tmp_path: Path) -> None:
    log = exported(run, suite, tmp_path / "a.eval")
    by_key(log)[sample_run.COUNT.id, 1].messages[-1].content = "There are 7 invoices."
    write_eval_log(log, tmp_path / "b.eval")
    with pytest.raises(InputError, match=r"b\.eval, sample 'sample/count-invoices' epoch 2: is not what was exported"):
        list(import_inspect(tmp_path / "b.eval", str(suite)))


def test_a_score_that_was_edited_since_is_the_logs_own_verdict_and_not_ours(
    run: Path, suite: Path, tmp_path: Path
) -> None:
    log = exported(run, suite, tmp_path / "a.eval")
    scores = by_key(log)[sample_run.COUNT.id, 1].scores
    assert scores is not None
    scores["acc_intent"].value = "C"
    write_eval_log(log, tmp_path / "b.eval")
    imported = import_inspect(tmp_path / "b.eval", str(suite))
    (made,) = [a for a in imported if (a.trajectory.task, a.trajectory.attempt) == (sample_run.COUNT.id, 1)]
    assert made.official is True
    assert score(imported.tasks[sample_run.COUNT.id], made.trajectory, imported.ground)[1].value == 0


def test_a_suite_that_is_not_the_runs_is_refused(run: Path, suite: Path, tmp_path: Path) -> None:
    export_inspect(run, tmp_path / "a.eval", str(suite))
    with pytest.raises(InputError, match="was run on sample 1-0 with digest"):
        import_inspect(tmp_path / "a.eval", "desk")
    with pytest.raises(InputError, match="no such suite"):
        import_inspect(tmp_path / "a.eval")


def test_an_export_of_another_layout_is_refused(run: Path, suite: Path, tmp_path: Path) -> None:
    log = exported(run, suite, tmp_path / "a.eval")
    assert log.eval.metadata is not None
    log.eval.metadata["rise_bench"]["format"] = "rise-bench run 99"
    write_eval_log(log, tmp_path / "b.eval")
    with pytest.raises(InputError, match="was exported as 'rise-bench run 99'"):
        import_inspect(tmp_path / "b.eval", str(suite))


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_names_the_log_as_inspect_would(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "inspect", str(run), "--tasks", str(suite), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["attempts"] == 6
    name = Path(said["log"])
    assert name.parent == run / "logs"
    assert name.match("20??-??-??T??-??-??+00-00_sample_*.eval")
    assert [path.name for path in name.parent.iterdir()] == [name.name]


def test_the_same_run_gives_the_same_log_twice(run: Path, suite: Path, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        assert main(["export", "inspect", str(run), "--tasks", str(suite), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-o", "log.txt"], "ends in '.txt'"),
        (["-o", "/proc/nowhere/log.eval"], "cannot be written"),
        (["--tasks", "desk"], "was run on sample 1-0"),
    ],
)
def test_a_log_that_cannot_be_written_is_exit_2(
    words: list[str], expected: str, run: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "inspect", str(run), "--tasks", str(suite), *words]) == 2
    assert expected in capsys.readouterr().err


def test_an_attempt_without_verdicts_names_the_remedy(
    run: Path, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = Run.open(run)
    stored.write_scored(row for row in list(stored.scored()) if row.attempt == 0)
    assert main(["export", "inspect", str(run), "--tasks", str(suite), "-o", str(tmp_path / "a.eval")]) == 2
    assert "rise-bench score" in capsys.readouterr().err


@pytest.mark.servers
@pytest.mark.slow
def test_a_live_run_comes_back_with_the_same_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    assert main(["eval", "--model", "oracle", "--tasks", "desk", "--limit", "8", "--output", str(runs)]) == 0
    assert main(["export", "inspect", "--output", str(runs), "-o", str(tmp_path / "a.eval")]) == 0
    (run,) = [path.parent for path in runs.glob("*/run.json")]
    rows, imported = verdicts(run), import_inspect(tmp_path / "a.eval")
    for made in imported:
        row = rows.pop((made.trajectory.task, made.trajectory.attempt))
        task = imported.tasks[made.trajectory.task]
        assert score(task, made.trajectory, imported.ground) == (row.acc_task, row.acc_intent)
    assert rows == {}
