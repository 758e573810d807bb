"""Any JSONL log of OpenAI-style messages can be scored; a bad line is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rise_bench.errors import InputError
from rise_bench.importers import import_chat, study
from rise_bench.importers.messages import messages_of
from rise_bench.score import score
from rise_bench.types import Assistant, System, ToolResult, User

FILE = Path(__file__).parent / "fixtures" / "chat-small.jsonl"


def test_attempts_at_one_task_are_numbered_and_scored_against_its_reference() -> None:
    imported = import_chat(FILE)
    rows = [a for a in imported if a.trajectory.task == "reminder"]
    values = [score(imported.tasks["reminder"], a.trajectory, imported.ground)[1].value for a in rows]
    assert [a.trajectory.attempt for a in rows] == [0, 1]
    assert values == [1, 0]
    assert [a.official for a in rows] == [True, True]


def test_a_bare_list_of_messages_is_a_conversation_without_a_reference() -> None:
    imported = import_chat(FILE)
    assert imported.tasks["3"].request == "hello"
    assert any("nothing to judge them against" in note for note in imported.notes)


def test_legacy_calls_text_parts_and_missing_ids_are_read() -> None:
    messages = messages_of(
        [
            {"role": "developer", "content": "be kind"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{bad"}},
            {"role": "function", "name": "f", "content": "x", "is_error": True},
        ],
        "here",
    )
    assert messages[:2] == (System(content="be kind"), User(content="a\nb"))
    call, result = messages[2], messages[3]
    assert isinstance(call, Assistant)
    assert isinstance(result, ToolResult)
    assert call.tool_calls[0].arguments == "{bad"
    assert (result.call_id, result.status) == (call.tool_calls[0].id, "tool_error")


def test_a_call_without_a_result_in_the_log_was_not_executed() -> None:
    asked = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}
    found = messages_of([asked, {"role": "user", "content": "hm"}], "here")
    assert [m.role for m in found] == ["assistant", "tool", "user"]
    assert isinstance(found[1], ToolResult)
    assert found[1].status == "not_executed"


def test_results_of_parallel_calls_may_come_in_any_order() -> None:
    calls = [{"id": i, "function": {"name": "f", "arguments": "{}"}} for i in ("1", "2")]
    results = [{"role": "tool", "tool_call_id": i, "content": i} for i in ("2", "1")]
    found = messages_of([{"role": "assistant", "tool_calls": calls}, *results], "here")
    assert [m.content for m in found if isinstance(m, ToolResult)] == ["2", "1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON"),
        ("3", "is a int"),
        ({"messages": []}, "has no messages"),
        ({"messages": [{"role": "user", "content": "x"}], "refrence": []}, "unknown key 'refrence'"),
        ({"messages": [{"role": "poet", "content": "x"}]}, "unknown role 'poet'"),
        ({"messages": [{"role": "user", "content": 3}]}, "content of type int"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "tool call without a name"),
        ({"messages": [{"role": "user", "content": "x"}], "reference": [{"arguments": {}}]}, "no name"),
        (
            {"messages": [{"role": "user", "content": "x"}], "reference": [{"name": "f", "arguments": "[]"}]},
            "no JSON object",
        ),
        ({"messages": [{"role": "user", "content": "x"}], "intent": [{"call": 0, "argument": "/a"}]}, "cannot be read"),
        ({"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]}, "no name"),
        ({"messages": [{"role": "user", "content": "x"}], "answer": "42"}, "`answer` is a str"),
        ({"messages": [{"role": "user", "content": "x"}], "answer": 0}, "`answer` is a int"),
        ({"messages": [{"role": "user", "content": "x"}], "passed": "false"}, "`passed` is 'false'"),
        ({"messages": [{"role": "user", "content": "x"}], "official": 0.5}, "`official` is 0.5"),
        ({"messages": [{"role": "user", "content": "x"}], "attempt": "1"}, "`attempt` is '1'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    path = tmp_path / "log.jsonl"
    good = json.dumps([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}])
    path.write_text(good + "\n" + (line if isinstance(line, str) else json.dumps(line)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        import_chat(path)
    assert "log.jsonl:2" in caught.value.where


def _log(folder: Path, *rows: dict[str, Any]) -> Path:
    """A log of attempts at task `t`, each `rows` entry with one call and an answer."""
    call = {"id": "1", "function": {"name": "book", "arguments": '{"day": 19}'}}
    messages = [
        {"role": "user", "content": "the 19th"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
        {"role": "assistant", "content": "Booked."},
    ]
    path = folder / "log.jsonl"
    path.write_text(
        "".join(json.dumps({"id": "t", "messages": messages} | row) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def _reference(day: int) -> dict[str, Any]:
    return {"reference": [{"name": "book", "arguments": {"day": day}}]}


@pytest.mark.parametrize("order", [1, -1])
def test_one_line_that_gives_the_reference_gives_it_to_every_attempt(tmp_path: Path, order: int) -> None:
    imported = import_chat(_log(tmp_path, *[_reference(20), {}][::order]))
    assert [score(imported.tasks["t"], a.trajectory, imported.ground)[1].value for a in imported] == [0, 0]


def test_lines_that_contradict_each_other_about_a_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another `reference`") as caught:
        import_chat(_log(tmp_path, _reference(20), _reference(19)))
    assert "log.jsonl:2" in caught.value.where


def test_an_attempt_that_occurs_twice_is_not_counted_twice_but_refused(tmp_path: Path) -> None:
    imported = import_chat(_log(tmp_path, {"attempt": 0}, {"attempt": 0}))
    with pytest.raises(InputError, match="attempt 0 at task 't' by 'log' occurs twice"):
        list(imported)


def test_a_model_without_attempts_at_some_tasks_is_said_to_be_so(tmp_path: Path) -> None:
    imported = import_chat(_log(tmp_path, {"id": "a"}, {"id": "b"}, {"id": "a", "model": "other"}))
    notes = [note for note in study(imported).notes if "no attempt" in note]
    assert notes == ["other: no attempt at 1 of 2 tasks; its means are over the rest"]


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no line"):
        import_chat(path)


def test_given_critical_parameters_and_facts_replace_the_default(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    row = {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
        "reference": [{"name": "set_x", "arguments": {"a": 1, "b": 2}}],
        "intent": [{"call": 0, "argument": "/b", "match": "number"}],
        "answer": [4, {"value": "blue", "about": ["colour"]}],
    }
    path.write_text(json.dumps(row), encoding="utf-8")
    task = import_chat(path).tasks["1"]
    assert [item.argument for item in task.intent.critical] == ["/b"]
    assert [(fact.value, fact.type) for fact in task.answer] == [(4, "number"), ("blue", "text")]
