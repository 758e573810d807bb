"""The Responses API as a second spelling of a chat completion: requests translated there, answers translated back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rise_bench.model.wire import BadReply

__all__ = ["as_completion", "fields", "items", "tool"]

_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
_ENDED = ("completed", "incomplete")


def fields(chat: dict[str, Any]) -> dict[str, Any]:
    """The request's fields besides messages and tools, from those of a chat completion.

    There is no seed in this API. Nothing is kept at the endpoint (`store`): the history is sent whole each time.
    """
    found: dict[str, Any] = {"store": False}
    for key, value in chat.items():
        if key in ("seed", "stream_options"):
            continue
        if key == "tool_choice" and isinstance(value, dict):
            value = {"type": "function", "name": value["function"]["name"]}
        found[_RENAMED.get(key, key)] = value
    return found


def tool(chat: dict[str, Any]) -> dict[str, Any]:
    """A tool, flat. `strict` is said either way: left out, this API would take it as true."""
    return {"type": "function", "strict": False, **chat["function"]}


def items(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Input items: a message of the chat format each, calls and their results as items of their own."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            found.append(
                {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
            )
            continue
        calls = message.get("tool_calls") or []
        if message["content"] or not calls:
            found.append({"type": "message", "role": message["role"], "content": message["content"]})
        found += [{"type": "function_call", "call_id": call["id"], **call["function"]} for call in calls]
    return found


def as_completion(found: Any) -> dict[str, Any]:
    """A response as the chat completion that says the same.

    Raises:
        BadReply: the body is no response, or the endpoint gave up on it.
    """
    output = found.get("output") if isinstance(found, dict) else None
    if not isinstance(output, list):
        raise BadReply(f"the body has no output: {json.dumps(found, ensure_ascii=False)[:200]}")
    status = found.get("status", "completed")
    if found.get("error") or status not in _ENDED:
        why = json.dumps(found.get("error"), ensure_ascii=False)[:200]
        raise BadReply(f"the endpoint gave up (status {status!r}, error {why})")
    listed = [item for item in output if isinstance(item, dict)]
    parts = [part for item in listed if item.get("type") == "message" for part in _parts(item)]
    message: dict[str, Any] = {
        "content": "".join(str(part["text"]) for part in parts if "text" in part),
        "refusal": "".join(str(part["refusal"]) for part in parts if "refusal" in part),
    }
    calls = [_call(item) for item in listed if item.get("type") == "function_call"]
    if calls:
        message["tool_calls"] = calls
    usage = found.get("usage") if isinstance(found.get("usage"), dict) else {}
    counts = {"prompt_tokens": usage.get("input_tokens"), "completion_tokens": usage.get("output_tokens")}
    choice = {"index": 0, "message": message, "finish_reason": _finish(found, status)}
    return {"choices": [choice], "usage": counts}


def _parts(item: dict[str, Any]) -> list[dict[str, Any]]:
    content = item.get("content")
    if isinstance(content, str):
        return [{"text": content}]
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _call(item: dict[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id") or item.get("id"), "type": "function", "function": function}


def _finish(found: dict[str, Any], status: str) -> str:
    if status == "completed":
        return "stop"
    details = found.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason not in _FINISH:
        raise BadReply(f"the endpoint gave up (incomplete, reason {reason!r})")
    return _FINISH[reason]
