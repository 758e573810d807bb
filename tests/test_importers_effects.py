"""What tools do is judged from annotations, names and results, by rules that name no tool of any benchmark."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rise_bench.importers.effects import FAILURE_PATTERNS, infer_effects, infer_failures
from rise_bench.types import Assistant, Message, Tool, ToolCall, ToolResult, User


def log(*steps: tuple[str, dict[str, Any], str], end: str = "bye") -> list[Message]:
    """A log of calls (tool, arguments, result); `end` is what the assistant says last, nothing if empty."""
    messages: list[Message] = [User(content="go")]
    for i, (tool, arguments, result) in enumerate(steps):
        messages.append(Assistant(tool_calls=(ToolCall(id=str(i), tool=tool, arguments=arguments),)))
        messages.append(ToolResult(call_id=str(i), tool=tool, content=result))
    return [*messages, Assistant(content=end)] if end else messages


def effect(tool: str, *logs: list[Message], annotations: dict[str, Any] | None = None) -> str:
    names = {tool, *(c.tool for one in logs for m in one if isinstance(m, Assistant) for c in m.tool_calls)}
    tools = [Tool(server="", name=n, annotations=(annotations or {}) if n == tool else {}) for n in names]
    return infer_effects(tools, logs)[tool].effect


def test_an_annotation_outweighs_the_name() -> None:
    assert effect("delete_all", annotations={"readOnlyHint": True}) == "read"
    assert effect("get_and_clear", annotations={"readOnlyHint": False}) == "write"
    assert effect("peek", annotations={"destructiveHint": True}) == "write"


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("get_order_update", "read"),
        ("update_get_flag", "write"),
        ("listAllThings", "read"),
        ("server.createIssue", "write"),
        ("please_cancel_it", "write"),
        ("frobnicate", "unknown"),
    ],
)
def test_the_first_verb_of_the_name_decides(tool: str, expected: str) -> None:
    assert effect(tool) == expected


def test_a_tool_seen_to_change_what_a_later_read_shows_writes() -> None:
    seen = log(("get_x", {}, "1"), ("frob", {}, "ok"), ("get_x", {}, "2"))
    assert effect("frob", seen) == "write"
    assert effect("get_x", seen) == "read"


def test_a_change_is_not_put_down_to_a_failed_call_nor_to_one_of_two() -> None:
    failed = log(("get_x", {}, "1"), ("frob", {}, "Error: no"), ("get_x", {}, "2"))
    both = log(("get_x", {}, "1"), ("frob", {}, "ok"), ("blip", {}, "ok"), ("get_x", {}, "2"))
    assert effect("frob", failed) == "unknown"
    assert effect("frob", both) == "unknown"


def test_a_read_whose_result_changes_by_itself_shows_nothing() -> None:
    seen = log(("get_time", {}, "1"), ("get_time", {}, "2"), ("frob", {}, "ok"), ("get_time", {}, "3"))
    assert effect("frob", seen) == "unknown"


def test_equal_calls_with_equal_data_are_pure_but_a_bare_acknowledgement_shows_nothing() -> None:
    assert effect("frob", log(("frob", {"a": 1}, "[3]"), ("frob", {"a": 1}, "[3]"))) == "read"
    assert effect("frob", log(("frob", {"a": 1}, "ok"), ("frob", {"a": 1}, "ok"))) == "unknown"
    assert effect("frob", log(("frob", {"a": 1}, "[3]"), ("frob", {"a": 1}, "[4]"))) == "unknown"


def test_a_tool_that_always_ends_its_log_hands_over_and_changes_nothing() -> None:
    ended = log(("transfer_on", {}, "passed on"), end="")
    assert effect("transfer_on", ended, ended) == "read"
    assert effect("transfer_on", ended) == "write", "once may be where the log was cut"
    assert effect("transfer_on", ended, ended, log(("transfer_on", {}, "passed on"))) == "write"


@pytest.mark.parametrize(
    "text",
    [
        "Error: no seat",
        "ValueError: x",
        "permission denied",
        "Unknown action fly_away",
        '{"error": "no such user"}',
        '{"id": 3, "success": false}',
        '{"status": "error", "id": 1}',
        '{"isError": true}',
    ],
)
def test_common_ways_of_failing_are_found(text: str) -> None:
    patterns = infer_failures([text, "fine"])
    assert patterns
    assert any(re.search(pattern, text, re.MULTILINE) for pattern in patterns)


@pytest.mark.parametrize(
    "text", ["errors were fixed: 0", '{"error": null, "id": 1}', '{"success": true}', "The error rate is 3 %", "[]", ""]
)
def test_results_that_only_speak_of_errors_are_no_failures(text: str) -> None:
    assert infer_failures([text]) == ()


def test_only_patterns_that_occur_become_part_of_the_ground() -> None:
    assert len(infer_failures(["Error: x"])) == 1 < len(FAILURE_PATTERNS)
