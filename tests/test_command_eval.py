"""`eval` from the command line, on replay: what it prints where, and what bad input looks like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import toy

from rise_bench.cli import main
from rise_bench.commands.arguments import model_args, read_env_file


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return toy.make_suite(tmp_path / "suite").path


@pytest.fixture
def words(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The common beginning of a command line, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)
    return ["eval", "--tasks", str(suite), "--ground", "replay", "--model", "oracle"]


def test_eval_prints_the_report_and_says_where_run_and_page_are(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    captured = capsys.readouterr()
    (run,) = (tmp_path / "runs").iterdir()
    assert "Acc_intent" in captured.out
    assert f"page  rise-bench view runs/{run.name} --tasks {words[2]}" in captured.out.replace("\n", "")
    assert captured.err.splitlines()[-1].startswith(f"oracle on {words[2]}: 7/7, ")
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["attempts"] == 7
    assert (run / "report.md").read_text(encoding="utf-8").startswith("# oracle on ")


def test_eval_as_json_prints_one_document_and_no_progress(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found = json.loads(captured.out)
    assert (found["made"], found["left"], found["finished"]) == (7, 0, "")
    assert found["report"]["acc_intent"]["value"] == 1.0


def test_a_finished_run_is_not_run_again_and_says_how_to(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    capsys.readouterr()
    assert main(words) == 0
    assert "finished on 20" in (error := capsys.readouterr().err)
    assert "nothing run; --fresh runs it again" in error


def test_a_dry_run_says_what_would_be_run_and_runs_nothing(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--dry-run", "--attempts", "2", "--json", "--price-in", "3", "--price-out", "9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["attempts"], found["done"], found["left"]) == (14, 0, 14)
    assert found["input_cost"] == pytest.approx(found["prompt_tokens"] * 3 / 1e6)
    assert not (tmp_path / "runs").exists()
    assert main([*words, "--dry-run"]) == 0
    assert "to be made" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("a=1,b=x", {"a": 1, "b": "x"}),
        ('a=1,e={"effort": "low", "k": [1, 2], "s": "},="},b=x', {"a": 1, "b": "x"}),
        ('e={"effort": "low"}', {}),
        ("path=/x={1,b=2", {"path": "/x={1", "b": 2}),
        ("url=http://a/v1;http://b/v1,list=[1]", {"url": "http://a/v1;http://b/v1", "list": "[1]"}),
    ],
)
def test_a_json_object_among_the_model_arguments_is_one_value(typed: str, read: dict[str, object]) -> None:
    found = model_args([typed])
    inside = found.pop("e", None)
    assert found == read
    assert inside in (None, {"effort": "low"}, {"effort": "low", "k": [1, 2], "s": "},="})
    assert (inside is None) is ("e={" not in typed)


def test_options_reach_the_run(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Be brief. {root}", encoding="utf-8")
    options = ["--seed", "7", "--budget-turns", "3", "--system-prompt", "@prompt.txt", "--temperature", "0.5"]
    assert main([*words, *options, "--sample-id", "toy/send-mail,toy/say-thanks", "--output", "elsewhere"]) == 0
    (run,) = (tmp_path / "elsewhere").iterdir()
    spec = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert (spec["seed"], spec["budget"]["turns"], spec["sampling"]["temperature"]) == (7, 3, 0.5)
    assert spec["system_prompt"] == "Be brief. {root}"
    assert len((run / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def toy_head(suite: Path) -> str:
    return (suite / "suite.yaml").read_text(encoding="utf-8")


Break = Callable[[Path], object]
BAD: dict[str, tuple[list[str], Break, str]] = {
    "unknown model": (["--model", "orcle"], lambda suite: None, "did you mean 'oracle'?"),
    "model arguments": (["--model-args", "nonsense"], lambda suite: None, "'nonsense' is no key=value"),
    "unknown model argument": (["--model-args", "zzz=1"], lambda suite: None, "unknown argument 'zzz'"),
    "unknown task": (["--sample-id", "toy/zzz"], lambda suite: None, "toy/zzz: no such task"),
    "wrong suite version": (["--tasks", "{suite}@9-9"], lambda suite: None, "not 9-9"),
    "no such suite": (["--tasks", "nowhere"], lambda suite: None, "nowhere: no such suite"),
    "budget of nothing": (["--budget-turns", "0"], lambda suite: None, "--budget-turns: is 0"),
    "cost without prices": (["--max-cost", "1"], lambda suite: None, "--max-cost: needs prices"),
    "prompt file": (["--system-prompt", "@nowhere.txt"], lambda suite: None, "@nowhere.txt: cannot be read"),
    "no recording": (["--cassette", "nowhere.jsonl"], lambda suite: None, "nowhere.jsonl: cannot be read"),
    "broken YAML": ([], lambda suite: (suite / "suite.yaml").write_text("name: [", encoding="utf-8"), "is not YAML"),
    "unknown key": (
        [],
        lambda suite: (suite / "suite.yaml").write_text(f"colour: red\n{toy_head(suite)}", encoding="utf-8"),
        "unknown key 'colour'",
    ),
    "not UTF-8": ([], lambda suite: (suite / "suite.yaml").write_bytes(b"\xff\xfe"), "is not UTF-8"),
    "NaN in a file": (
        [],
        lambda suite: (suite / "tasks.jsonl").write_text('{"id":"a","request":"b","answer":[NaN]}\n', encoding="utf-8"),
        "tasks.jsonl:1",
    ),
    "missing file": ([], lambda suite: (suite / "tasks.jsonl").unlink(), "tasks.jsonl: no such file"),
    "output in the way": (
        ["--output", "taken"],
        lambda suite: Path("taken").write_text("a file", encoding="utf-8"),
        "cannot be written",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_with_a_remedy_and_exit_2(
    name: str, words: list[str], suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, damage, expected = BAD[name]
    damage(suite)
    assert main([*words, *(option.replace("{suite}", str(suite)) for option in options)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert 1 <= len(lines) <= 2
    assert lines[0].startswith("error: ")
    assert expected in captured.err
    assert all(line.startswith("  remedy: ") for line in lines[1:])


@pytest.mark.parametrize("option", ["--attempts", "--limit", "--max-tokens"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_that_cannot_be_is_a_usage_error(option: str, value: str, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, option, value])
    assert stop.value.code == 2


def test_a_refused_connection_is_one_line_and_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = "base_url=http://127.0.0.1:9/v1,retries=0"
    assert main([*words, "--model", "openai:m", "--model-args", endpoint]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") <= 2
    assert captured.err.startswith("error: ")
    assert "127.0.0.1:9" in captured.err


def test_keys_come_from_the_nearest_env_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / ".env").write_text("RISE_TEST_ONE=file\nRISE_TEST_TWO=file\n", encoding="utf-8")
    monkeypatch.chdir(inner)
    monkeypatch.setenv("RISE_TEST_ONE", "environment")
    monkeypatch.setenv("RISE_TEST_TWO", "")  # so that it is put back afterwards
    monkeypatch.delenv("RISE_TEST_TWO")
    read_env_file()
    assert (os.environ["RISE_TEST_ONE"], os.environ["RISE_TEST_TWO"]) == ("environment", "file")
