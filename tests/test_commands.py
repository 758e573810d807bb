"""Commands on a stored run: what they print, where, and the exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sample_run

from rise_bench.cli import COMMANDS, main
from rise_bench.store import load_suite


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    sample_run.make_suite(tmp_path / "suite")
    return tmp_path / "suite"


@pytest.fixture
def run(tmp_path: Path, suite: Path) -> Path:
    return sample_run.make_run(tmp_path / "runs", load_suite(str(suite)))


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], []])
def test_the_overview_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*name.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: rise-bench {name}" in capsys.readouterr().out


def test_an_unknown_command_is_exit_2_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprot"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: there is no command 'reprot'\n  remedy: did you mean 'report'?\n"


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"rise-bench \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_an_option_that_does_not_exist_is_exit_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["report", "--no-such-option"])
    assert stop.value.code == 2


def test_report_prints_scores_outcomes_and_what_they_rest_on(
    run: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--tasks", str(suite)]) == 0
    out = capsys.readouterr().out
    for words in ("Acc_intent", "silent deviation", "aligned", "wrong_value", "evidence: state 5", "not ranked:"):
        assert words in out


def test_report_as_json_is_one_document_with_both_denominators(
    run: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--tasks", str(suite), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["attempts"], report["judged"]) == (6, 5)
    assert report["outcomes"] == {"aligned": 3, "silent": 2, "visible": 0, "fault": 1, "unjudged": 0}


def test_report_as_markdown_is_markdown(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--tasks", str(suite), "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# by-hand on sample 1-0\n")


def test_report_finds_the_run_that_was_written_last(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--output", str(run.parent), "--tasks", str(suite), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["about"]["run"] == run.name


def test_a_run_that_could_not_begin_is_not_the_latest(
    run: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = ["--model", "silent", "--tasks", str(suite), "--ground", "replay", "--output", str(run.parent)]
    assert main(["eval", *tried]) == 2
    assert "--record" in capsys.readouterr().err
    assert main(["view", "--output", str(run.parent), "--tasks", str(suite)]) == 0
    assert run.name in capsys.readouterr().out


def test_a_reader_that_has_seen_enough_is_no_finding(suite: Path) -> None:
    command = [sys.executable, "-m", "rise_bench.cli", "tasks", "ls", str(suite)]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_report_without_a_run_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--output", str(tmp_path)]) == 2
    assert "remedy: make one: rise-bench eval" in capsys.readouterr().err


def test_score_of_an_unchanged_run_changes_nothing(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "verdicts.jsonl").read_bytes()
    assert main(["score", str(run), "--tasks", str(suite), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": str(run), "scored": 6, "changed": 0}
    assert (run / "verdicts.jsonl").read_bytes() == before


def test_score_says_how_many_verdicts_changed(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (run / "verdicts.jsonl").read_text(encoding="utf-8")
    (run / "verdicts.jsonl").write_text(text.replace('"value":1.0', '"value":0.0', 1), encoding="utf-8")
    assert main(["score", str(run), "--tasks", str(suite)]) == 0
    assert "6 attempts scored, 1 verdicts changed" in capsys.readouterr().out


def test_a_run_of_another_suite_is_refused(
    run: Path, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (suite / "suite.yaml").read_text(encoding="utf-8")
    (suite / "suite.yaml").write_text(text.replace("1-0", "2-0"), encoding="utf-8")
    assert main(["report", str(run), "--tasks", str(suite)]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_view_writes_a_page_and_says_where(run: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(run), "--tasks", str(suite)]) == 0
    assert capsys.readouterr().out == f"page  {(run / 'view.html').as_uri()}\n"
    assert "sample/count-invoices" in (run / "view.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "shown", "left"),
    [
        (["--only", "silent"], 2, 0),
        (["--sample-id", "sample/ask-which-date"], 2, 0),
        (["--limit", "4"], 4, 2),
        (["--only", "fault", "--sample-id", "sample/ask-which-date,sample/archive-notes"], 1, 0),
    ],
)
def test_view_shows_the_attempts_that_were_chosen(
    run: Path, suite: Path, options: list[str], shown: int, left: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(run), "--tasks", str(suite), "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["attempts"], found["left_out"]) == (shown, left)


def test_view_of_a_task_that_was_not_attempted_keeps_the_page_that_is_there(
    run: Path, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(run), "--tasks", str(suite), "--sample-id", "sample/nope"]) == 2
    assert "no attempt to show" in capsys.readouterr().err
    assert not (run / "view.html").exists()


def test_help_for_a_command_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["help", "view"])
    assert "usage: rise-bench view" in capsys.readouterr().out


def test_tasks_ls_lists_every_task(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "ls", str(suite), "--json"]) == 0
    assert [task["id"] for task in json.loads(capsys.readouterr().out)] == [t.id for t in sample_run.TASKS]
    assert main(["tasks", "ls", str(suite)]) == 0
    assert "sample/ask-which-date" in capsys.readouterr().out


def test_tasks_show_gives_the_reference_and_what_is_critical(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "sample/archive-notes", "--tasks", str(suite)]) == 0
    out = capsys.readouterr().out
    assert "critical: /source (path), /destination (path)" in out
    assert '"destination": "archive/2026/planning.md"' in out


def test_a_task_that_is_not_there_is_exit_2(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "sample/nothing", "--tasks", str(suite)]) == 2
    assert "error: sample/nothing: no such task" in capsys.readouterr().err


def test_a_suite_that_is_not_there_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "ls", str(tmp_path / "nothing")]) == 2
    assert "no such suite" in capsys.readouterr().err


def test_an_interrupt_is_exit_130(suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "--model", "sample_run:interrupted", "--tasks", str(suite), "--output", str(tmp_path / "runs")]
    assert main(words) == 130
    assert "interrupted; the same command goes on where it stopped" in capsys.readouterr().err


def test_control_characters_of_foreign_text_do_not_reach_the_terminal(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_suite(str(suite))
    run = sample_run.make_run(tmp_path / "hostile", loaded, model=f"m{sample_run.HOSTILE}")
    assert main(["report", str(run), "--tasks", str(suite)]) == 0
    out = capsys.readouterr().out
    assert "[red]" in out  # shown as it is, not taken as markup
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_an_error_with_control_characters_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "runs/\x1b[2J\nnothing"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 2
    assert "\x1b" not in error


def test_a_group_of_commands_lists_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--help"]) == 0
    assert re.findall(r"^  (tasks \w+)", capsys.readouterr().out, re.MULTILINE) == [
        "tasks ls",
        "tasks show",
        "tasks check",
    ]
    assert main(["tasks"]) == 2
    assert main(["tasks", "chek"]) == 2
    assert "did you mean 'tasks check'?" in capsys.readouterr().err
