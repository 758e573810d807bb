"""What an agent reads off its history: the request, its steps so far, the results of its calls."""

from __future__ import annotations

from rise_bench.types import Assistant, ModelRequest, Reply, ToolCall, ToolResult, User

__all__ = ["answer", "call_id", "calling", "request_text", "results", "steps"]


def _start(request: ModelRequest) -> int:
    """Index of the first message after the request that is being answered: the last user message."""
    for index in range(len(request.messages) - 1, -1, -1):
        if isinstance(request.messages[index], User):
            return index + 1
    return 0


def request_text(request: ModelRequest) -> str:
    """The text of the request that is being answered; empty where there is none."""
    start = _start(request)
    return request.messages[start - 1].content if start else ""


def steps(request: ModelRequest) -> int:
    """How many messages the agent has already given to this request."""
    return sum(isinstance(message, Assistant) for message in request.messages[_start(request) :])


def results(request: ModelRequest) -> list[ToolResult]:
    """Results of the calls that the agent made for this request, in order."""
    return [message for message in request.messages[_start(request) :] if isinstance(message, ToolResult)]


def call_id(step: int, index: int) -> str:
    """The id of the agent's call `index` in its message `step`: the same in every run."""
    return f"call_{step}_{index}"


def answer(text: str) -> Reply:
    """A final message."""
    return Reply(message=Assistant(content=text))


def calling(request: ModelRequest, *calls: ToolCall, content: str = "") -> Reply:
    """A message with calls, ids filled where they are empty."""
    step = steps(request)
    named = tuple(
        call if call.id else call.model_copy(update={"id": call_id(step, index)}) for index, call in enumerate(calls)
    )
    return Reply(message=Assistant(content=content, tool_calls=named))
