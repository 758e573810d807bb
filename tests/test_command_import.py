"""`import openai-chat` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rise_bench.cli import main


@pytest.fixture
def log(tmp_path: Path) -> Path:
    def line(path: str, passed: bool) -> dict[str, object]:
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": "delete_file", "arguments": json.dumps({"path": path})},
        }
        messages = [
            {"role": "user", "content": "Delete a.txt."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "deleted"},
            {"role": "assistant", "content": "Deleted a.txt."},
        ]
        reference = [{"name": "delete_file", "arguments": {"path": "a.txt"}}]
        return {"id": "one", "model": "m[red]", "messages": messages, "reference": reference, "passed": passed}

    rows = [line("a.txt", True) | {"attempt": 0}, line("b.txt", False) | {"attempt": 1}]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_log_is_scored_and_compared_with_the_verdicts_beside_it(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "openai-chat", str(log), "--json"]) == 0
    (scores,) = json.loads(capsys.readouterr().out)["scores"]
    assert (scores["attempts"], scores["acc_task"], scores["acc_intent"], scores["official"]) == (2, 1.0, 0.5, 0.5)


def test_the_tables_name_the_model_as_it_is_written(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "openai-chat", str(log), "--differences"]) == 0
    out = capsys.readouterr().out
    for words in ("m[red]", "Acc_intent", "agreement", "100.0 %", "pass^2"):
        assert words in out


def test_all_figures_are_written_where_asked(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "openai-chat", str(log), "--output", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["tasks"] == 1


def test_what_was_exported_opens_by_the_command_that_is_named(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "openai-chat", str(log), "--export", str(tmp_path / "out")]) == 0
    named = capsys.readouterr().err.partition("rise-bench ")[2].split()
    assert main(named) == 0
    assert "view.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["bfcl", "nowhere"], "has no questions/*.jsonl"),
        (["tau", "nowhere.json"], "nowhere.json"),
        (["openai-chat", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    ],
)
def test_a_source_that_is_not_there_is_exit_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", *words]) == 2
    assert expected in capsys.readouterr().err


def test_a_kind_of_source_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["import", "nonsense", "x"])
    assert stop.value.code == 2
