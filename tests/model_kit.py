"""Requests with tools for models of our own process, small enough for a tiny one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rise_bench.types import Assistant, Message, Model, ModelRequest, Reply, System, Tool, ToolCall, ToolResult, User

__all__ = ["REQUESTS", "TOOLS", "asked", "side_by_side"]

TOOLS = tuple(
    Tool(
        server=server,
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": {argument: {"type": "string"} for argument in arguments},
            "required": list(arguments),
        },
    )
    for server, name, description, arguments in (
        ("filesystem", "read_text_file", "Read the complete contents of a file.", ("path",)),
        ("filesystem", "write_file", "Create a file or overwrite it.", ("path", "content")),
        ("calendar", "list-events", "List the events of a calendar.", ("calendarId",)),
        ("time", "get_current_time", "The time in a time zone.", ("timezone",)),
    )
)


def asked(text: str, *then: Message, task: str = "", attempt: int = 0, seed: int = 0) -> ModelRequest:
    """A request, and what followed it."""
    messages: tuple[Message, ...] = (System(content="You work for one person at a desk."), User(content=text), *then)
    return ModelRequest(messages=messages, tools=TOOLS, task=task or text, attempt=attempt, seed=seed)


_CALL = ToolCall(id="call_0_0", tool="filesystem.read_text_file", arguments={"path": "/home/user/notes.txt"})

REQUESTS = (
    asked("Read me notes.txt, please."),
    asked(
        "Read me notes.txt, please.",
        Assistant(tool_calls=(_CALL,)),
        ToolResult(call_id="call_0_0", tool=_CALL.tool, content="Bring 12 boxes."),
        task="read, then say",
    ),
    asked("What time is it in Asia/Tokyo?"),
    asked("What is in my calendar about photos?"),
    asked("Write 42 into budget.txt."),
    asked("Move my travel appointment, would you?"),
    asked("Somebody rang about the roof: who was it, and what do they want me to do about it by Friday?"),
)


def side_by_side(model: Model, requests: Sequence[ModelRequest]) -> list[Reply]:
    """The replies to requests that are made at the same time."""
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(model.reply, requests))
