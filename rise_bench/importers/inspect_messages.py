"""Our messages as Inspect's and back, nothing lost either way, and the messages of any other Inspect log as chat rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
)
from inspect_ai.tool import ToolCall as InspectCall
from inspect_ai.tool import ToolCallError

from rise_bench.types import Assistant, CallStatus, Message, System, ToolCall, ToolResult, User

__all__ = ["FORMAT", "KEY", "chat_rows", "from_inspect", "to_inspect"]

KEY = "rise_bench"
"""Where our own values stand in the metadata of a log, a sample or a message."""

FORMAT = "rise-bench run 1"
"""Says that a log was made from a run, and how its metadata is laid out."""

_ERROR_TYPE: dict[CallStatus, Any] = {"tool_error": "unknown", "protocol_error": "unknown", "not_executed": "cancelled"}
_UNREADABLE = "the arguments are no JSON object"


def to_inspect(messages: Sequence[Message], prefix: str, model: str) -> list[ChatMessage]:
    """The messages as Inspect keeps them; what it has no field for stands in their metadata.

    Args:
        messages: of one attempt.
        prefix: begins the messages' ids, which must differ between attempts.
        model: written on each assistant message.
    """
    return [_to_inspect(message, f"{prefix}-{number}", model) for number, message in enumerate(messages)]


def _to_inspect(message: Message, name: str, model: str) -> ChatMessage:
    if isinstance(message, System):
        return ChatMessageSystem(id=name, content=message.content)
    if isinstance(message, User):
        return ChatMessageUser(id=name, content=message.content)
    if isinstance(message, Assistant):
        raw = {str(i): call.arguments for i, call in enumerate(message.tool_calls) if isinstance(call.arguments, str)}
        kept = {name: said for name, said in (("malformed", message.malformed), ("raw", raw)) if said}
        return ChatMessageAssistant(
            id=name,
            content=message.content,
            tool_calls=[_call(call) for call in message.tool_calls] or None,
            model=model,
            source="generate",
            metadata=_metadata(kept),
        )
    kept = message.model_dump(mode="json", include={"status", "structured", "changed"}, exclude_defaults=True)
    return ChatMessageTool(
        id=name,
        content=message.content,
        tool_call_id=message.call_id,
        function=message.tool,
        error=None if message.status == "ok" else ToolCallError(_ERROR_TYPE[message.status], message.content),
        metadata=_metadata(kept),
    )


def _call(call: ToolCall) -> InspectCall:
    if isinstance(call.arguments, str):
        return InspectCall(id=call.id, function=call.tool, arguments={}, parse_error=f"{_UNREADABLE}: {call.arguments}")
    return InspectCall(id=call.id, function=call.tool, arguments=dict(call.arguments))


def _metadata(kept: dict[str, Any]) -> dict[str, Any] | None:
    return {KEY: kept} if kept else None


def from_inspect(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """What `to_inspect` was given."""
    return tuple(_from_inspect(message) for message in messages)


def _from_inspect(message: ChatMessage) -> Message:
    kept = (message.metadata or {}).get(KEY, {})
    if isinstance(message, ChatMessageSystem):
        return System(content=message.text)
    if isinstance(message, ChatMessageUser):
        return User(content=message.text)
    if isinstance(message, ChatMessageTool):
        return ToolResult(call_id=message.tool_call_id or "", tool=message.function or "", content=message.text, **kept)
    raw = kept.get("raw", {})
    calls = tuple(
        ToolCall(id=call.id, tool=call.function, arguments=raw.get(str(i), call.arguments))
        for i, call in enumerate(message.tool_calls or ())
    )
    return Assistant(content=message.text, tool_calls=calls, malformed=kept.get("malformed", ""))


def chat_rows(messages: Sequence[ChatMessage], completion: str) -> list[dict[str, Any]]:
    """Messages of an eval that is not ours, as OpenAI-style rows; reasoning, images and sound are left out.

    Inspect's agents may end with a call of `submit`: that is their way to give the answer, not a tool of the task, so
    it becomes a last message.

    Args:
        messages: of one sample.
        completion: the sample's own final answer.
    """
    rows = [_row(message) for message in messages]
    if submitted := _submission(rows):
        asked, result = submitted
        rows.pop()  # the result: it stands last
        asked["tool_calls"] = asked["tool_calls"][:-1]
        if rows[-1] is asked and not asked["tool_calls"]:
            rows.pop()
            completion = completion or asked["content"]
        rows.append({"role": "assistant", "content": completion or result["content"]})
    return rows


def _row(message: ChatMessage) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "content": message.text}
    if isinstance(message, ChatMessageAssistant) and message.tool_calls:
        row["tool_calls"] = [
            # Inspect keeps no raw text of arguments that it could not read, only what it said about them
            {"id": call.id, "function": {"name": call.function, "arguments": call.parse_error or call.arguments}}
            for call in message.tool_calls
        ]
    if isinstance(message, ChatMessageTool):
        row |= {"tool_call_id": message.tool_call_id, "name": message.function}
        if message.error is not None:
            row |= {"is_error": True, "content": message.text or message.error.message}
    return row


def _submission(rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(the message that calls `submit`, its result) where that call is the last thing that happens."""
    if not rows or rows[-1]["role"] != "tool" or rows[-1]["name"] != "submit" or rows[-1].get("is_error"):
        return None
    for row in reversed(rows):
        calls = row.get("tool_calls")
        if calls and calls[-1]["id"] == rows[-1]["tool_call_id"]:
            return row, rows[-1]
    return None
