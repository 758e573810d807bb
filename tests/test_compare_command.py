"""`rise-bench compare` reads run folders, prints what follows from them, and says in one line what it cannot compare."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
from compare_kit import make_run, make_suite

from rise_bench.baselines import MeasuredBaseline
from rise_bench.cli import main
from rise_bench.compare import Comparison, compare, side_of_baseline, side_of_run, sides_of_runs
from rise_bench.compare.frame import Frame
from rise_bench.compare.sides import told_apart
from rise_bench.errors import InputError
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Conditions

COUNT = 44
LOW, HIGH = "1" * 10 + "0" * 34, "0" * 4 + "1" * 40


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedSuite:
    return make_suite(tmp_path / "suite", COUNT)


@pytest.fixture
def runs(tmp_path: Path, loaded: LoadedSuite) -> list[str]:
    low = make_run(tmp_path / "runs", loaded, "low", LOW, labels={20: "wrong_value", 21: "wrong_value"})
    high = make_run(tmp_path / "runs", loaded, "high", HIGH)
    return [str(low), str(high)]


def ran(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["compare", *words])
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def comparison(words: list[str], capsys: pytest.CaptureFixture[str]) -> Comparison:
    code, out, _ = ran([*words, "--json"], capsys)
    assert code == 0
    return Comparison.model_validate_json(out)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    code, out, err = ran(words, capsys)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) <= 2 and lines[0].startswith("error: ")
    return err


# --- the command ------------------------------------------------------------------------------------------------------


def test_two_runs_are_compared_and_the_sentence_names_the_better_one(
    runs: list[str], loaded: LoadedSuite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = ran([*runs, "--tasks", str(loaded.path)], capsys)
    assert code == 0
    assert "Acc_intent: high is better than low by 68.2 points" in out
    assert "A, B" in out and "4, 34" in out and "B better" in out
    assert "new servers (clusters): the 44 tasks stand in 22 clusters" in out
    assert "all 44 tasks with all attempts are shared" in out
    found = comparison([*runs, "--tasks", str(loaded.path)], capsys)
    one = found.pairs[0].contrasts[0]
    assert (one.only_first, one.only_second, one.first.value) == (4, 34, pytest.approx(10 / 44))


def test_runs_are_found_by_name_and_a_baseline_may_stand_beside_them(
    runs: list[str], tmp_path: Path, loaded: LoadedSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_run(tmp_path / "runs", loaded, "base", "10" * 22)
    where = ["--output", str(tmp_path / "runs"), "--tasks", str(loaded.path)]
    found = comparison([*(Path(run).name for run in runs), "--baseline", base.name, *where], capsys)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("base", "low"), ("base", "high")]


def test_delta_score_estimand_and_slices_are_as_asked_for(
    runs: list[str], loaded: LoadedSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*runs, "--tasks", str(loaded.path)]
    asked = [*words, "--delta", "5", "--score", "acc_task", "--estimand", "suite", "--by", "deviation", "--by", "none"]
    found = comparison(asked, capsys)
    assert (found.delta, found.delta_from, found.estimand) == (0.05, "as asked for", "suite")
    assert [one.score for one in found.pairs[0].contrasts] == ["acc_task"]
    (label,) = found.pairs[0].slices
    assert (label.by, label.name, label.first, label.second) == (
        "deviation",
        "wrong_value",
        pytest.approx(2 / COUNT),
        0,
    )
    code, out, _ = ran([*words, "--by", "domain", "--by", "deviation"], capsys)
    assert code == 0 and "by domain" in out and "wrong_value" in out and "BH p" in out


def test_faults_and_attempts_of_one_run_only_are_told(
    tmp_path: Path, loaded: LoadedSuite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    a = make_run(tmp_path / "runs", loaded, "a", "-" * 4 + "1" * 36 + "....")
    b = make_run(tmp_path / "runs", loaded, "b", ("01" * 22, "10" * 22))
    code, out, _ = ran([str(a), str(b), "--tasks", str(loaded.path)], capsys)
    assert code == 0
    assert "4 task(s) only in B; 40 attempt(s) only in B; 4 attempt(s) without a verdict of A" in out
    assert "no claim, since a has 10.0 % faults" in out and "with every None as 0" in out
    assert "40 of 44" in out


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is not None, reason="matplotlib is installed")
def test_a_plot_without_matplotlib_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert "rise-bench[plots]" in refused(["nowhere", "--plot", "x.svg"], capsys)


# --- what it refuses --------------------------------------------------------------------------------------------------


def test_one_run_alone_twice_or_nowhere_is_refused(
    runs: list[str], loaded: LoadedSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = ["--tasks", str(loaded.path)]
    assert "nothing to compare" in refused([runs[0], *suite], capsys)
    assert "is there twice" in refused([runs[0], f"{runs[0]}/", *suite], capsys)
    assert "is no run folder" in refused([runs[0], "nowhere", *suite], capsys)
    assert "is not a whole number" in code_of(["--seed", "x"], runs, capsys)
    assert "above 0" in code_of(["--delta", "0"], runs, capsys)


def code_of(words: list[str], runs: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["compare", *runs, *words])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_runs_of_other_suites_modes_and_scorers_are_refused(
    runs: list[str], tmp_path: Path, loaded: LoadedSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = ["--tasks", str(loaded.path)]
    other = make_suite(tmp_path / "other", COUNT, version="1-1", changed=[0, 1, 2])
    newer = str(make_run(tmp_path / "runs", other, "newer", HIGH))
    both = [*suite, "--tasks", str(other.path)]
    assert "with digest" in refused([runs[0], newer, *suite], capsys)
    assert "suite s 1-1" in refused([runs[0], newer, *both], capsys)
    found = comparison([runs[0], newer, "--common", *both], capsys)
    assert (found.pairs[0].tasks, found.pairs[0].unshared.tasks_second) == (COUNT - 3, 3)
    replay = str(make_run(tmp_path / "runs", loaded, "replay", HIGH, mode="replay"))
    assert "ground mode replay" in refused([runs[0], replay, "--common", *suite], capsys)
    scored = str(make_run(tmp_path / "runs", loaded, "scored", HIGH, version="3-0"))
    assert "version 3-0" in refused([runs[0], scored, *suite], capsys)
    assert "share no scorer version" in refused([runs[0], scored, "--common", *suite], capsys)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: text.replace('"value":1.0', '"value":NaN', 1), "NaN"),
        (lambda text: text.replace('"value":1.0', '"value":1.5', 1), "less than or equal to 1"),
        (lambda text: text.replace('"task":"t3"', '"task":"t999"'), "t999"),
        (lambda text: text.replace('"attempt":0', '"attempt":7', 1), "attempt 7"),
        (lambda text: "", "no scored attempt"),
    ],
)
def test_broken_verdicts_are_told_with_their_place(
    runs: list[str], loaded: LoadedSuite, capsys: pytest.CaptureFixture[str], spoil: object, told: str
) -> None:
    file = Path(runs[1]) / "verdicts.jsonl"
    file.write_text(spoil(file.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    err = refused([*runs, "--tasks", str(loaded.path)], capsys)
    assert told in err and Path(runs[1]).name in err


# --- sides ------------------------------------------------------------------------------------------------------------


def test_a_runs_side_holds_its_last_verdicts_faults_and_labels(tmp_path: Path, loaded: LoadedSuite) -> None:
    lines = ("1-0?" + "1" * 40, "01.." + "." * 40)
    run = Run.open(make_run(tmp_path / "runs", loaded, "m", lines, labels={2: "wrong_tool"}))
    with run.verdicts_file.open("a", encoding="utf-8") as file:  # t0 was done again
        first = run.verdicts_file.read_text(encoding="utf-8").splitlines()[0]
        file.write(first.replace('"value":1.0', '"value":0.0') + "\n")
    side = side_of_run(run, loaded)
    np.testing.assert_array_equal(side.acc_intent[:4], [[0, 0], [math.nan, 1], [0, math.nan], [math.nan, math.nan]])
    np.testing.assert_array_equal(side.made[:4], [[1, 1], [1, 1], [1, 0], [1, 0]])
    assert side.faults.sum() == 1 and side.faults[1, 0]
    assert side.labels is not None and list(side.labels) == ["wrong_tool"] and side.labels["wrong_tool"].sum() == 1
    assert (side.name, side.attempts, side.tasks[5].cluster) == ("m", 2, "c2")


def test_a_measured_baseline_is_a_side_that_compares_as_its_run_does(tmp_path: Path, loaded: LoadedSuite) -> None:
    low = make_run(tmp_path / "runs", loaded, "low", LOW)
    high = Run.open(make_run(tmp_path / "runs", loaded, "high", "-" + HIGH[1:]))
    entry = MeasuredBaseline(
        name="high-s",
        title="high on s",
        run=high.spec().digest(),
        results=high.results_digest(),
        spec=high.spec(),
        conditions=(Conditions(since="2026-11-23", rise_bench="0", python="3", executor="local", concurrency=1),),
        date="2026-11-23",  # type: ignore[arg-type]
        scorers={"acc_task": "2-0", "acc_intent": "2-0"},
        tasks=COUNT,
        acc_task=("-" + HIGH[1:],),
        acc_intent=("-" + HIGH[1:],),
    )
    mine = side_of_run(Run.open(low), loaded)
    by_run = compare([mine, side_of_run(high, loaded)]).pairs[0].contrasts[0]
    by_entry = compare([mine, side_of_baseline(entry, loaded)]).pairs[0].contrasts[0]
    assert (by_entry.p, by_entry.difference, by_entry.none_as_0) == (by_run.p, by_run.difference, by_run.none_as_0)
    assert by_entry.verdict == by_run.verdict == "not ranked"  # one fault of 44
    other = make_suite(tmp_path / "other", COUNT, version="1-1")
    with pytest.raises(InputError, match="baseline high-s: was run on s 1-0"):
        side_of_baseline(entry, other)


def test_runs_of_one_model_are_told_apart_by_their_folders(tmp_path: Path, loaded: LoadedSuite) -> None:
    paths = [make_run(tmp_path / "runs", loaded, "m", LOW, seed=seed) for seed in (0, 1)]
    names = [side.name for side in sides_of_runs(paths, [str(loaded.path)])]
    assert names == [f"m ({path.name})" for path in paths]
    assert [side.name for side in told_apart([side_of_run(Run.open(paths[0]), loaded)])] == ["m"]


def test_a_tasks_domain_is_that_of_the_server_its_cluster_ends_in() -> None:
    frame = Frame.of(load_suite("desk"))
    found = {task.task.cluster.rsplit("/", 1)[-1]: task.domain for task in frame.tasks}
    assert found["git"] == "version control" and found["filesystem"] == found["text-editor"] == "files"
    assert len(set(found.values())) < len(found)


# --- plot -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_forest_plot_is_written_with_every_pair_and_is_the_same_each_time(
    runs: list[str], loaded: LoadedSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    pytest.importorskip("matplotlib")
    words = [*runs, "--tasks", str(loaded.path), "--json", "--plot"]
    one, two = tmp_path / "new" / f"one.{kind}", tmp_path / f"two.{kind}"
    json.loads(ran([*words, str(one)], capsys)[1])
    ran([*words, str(two)], capsys)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG" if kind == "png" else b"<?xml")
    if kind == "svg":
        text = one.read_text(encoding="utf-8")
        assert "high minus low" in text and "Acc_intent" in text and "this suite" not in text


def test_a_plot_of_another_kind_is_refused(
    runs: list[str], loaded: LoadedSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert "name it .svg or .png" in refused([*runs, "--tasks", str(loaded.path), "--plot", "x.pdf"], capsys)
