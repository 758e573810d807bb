"""OpenAI-style messages and tool specs as our records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.model.calls import clean_text, read_arguments
from rise_bench.types import Assistant, Call, Message, System, Tool, ToolCall, ToolResult, User

__all__ = ["failed_flag", "messages_of", "reference_of", "tools_of", "unseen_tools"]

_NO_RESULT = "the log holds no result of this call"


def messages_of(raw: Any, where: str) -> tuple[Message, ...]:
    """The messages as records, in order; a call without a result in the log gets one with status `not_executed`.

    Missing call ids are filled from the position; a result without an id belongs to the oldest call still open.

    Raises:
        InputError: not a list of messages, or a role, call or content that cannot be read; names the message.
    """
    if not isinstance(raw, list) or not raw:
        raise InputError("has no messages", where=where, remedy="give a list of {role, content, tool_calls} objects")
    messages: list[Message] = []
    open_calls: list[ToolCall] = []
    for number, item in enumerate(raw):
        here = f"{where}, message {number}"
        if not isinstance(item, dict):
            raise InputError(
                f"is a {type(item).__name__}, not an object", where=here, remedy="write {role, content, tool_calls}"
            )
        role = item.get("role")
        if role in ("tool", "function"):
            call = _answered(item, open_calls, here)
            open_calls.remove(call)
            messages.append(_result(item, call, here))
            continue
        messages.extend(_unanswered(open_calls))
        open_calls = []
        if role == "assistant":
            message = _assistant(item, number, here)
            open_calls = list(message.tool_calls)
            messages.append(message)
        elif role in _PLAIN:
            messages.append(_PLAIN[role](content=_content(item.get("content"), here)))
        else:
            remedy = "roles are system, developer, user, assistant, tool"
            raise InputError(f"has the unknown role {role!r}", where=here, remedy=remedy)
    messages.extend(_unanswered(open_calls))
    return tuple(messages)


_PLAIN: dict[str, Callable[..., Message]] = {"system": System, "developer": System, "user": User}


def _unanswered(calls: Sequence[ToolCall]) -> list[Message]:
    return [ToolResult(call_id=c.id, tool=c.tool, status="not_executed", content=_NO_RESULT) for c in calls]


def _content(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        return clean_text("\n".join(part for part in parts if isinstance(part, str)))
    raise InputError(f"has content of type {type(value).__name__}", where=where, remedy="content is text or text parts")


def _assistant(item: dict[str, Any], number: int, where: str) -> Assistant:
    raw = item.get("tool_calls")
    if raw is None:
        legacy = item.get("function_call")
        raw = [{"function": legacy}] if legacy else []
    if not isinstance(raw, list):
        raise InputError("`tool_calls` is not a list", where=where, remedy="write a list of calls")
    calls = [_call(entry, f"call_{number}_{index}", where) for index, entry in enumerate(raw)]
    return Assistant(content=_content(item.get("content"), where), tool_calls=tuple(calls))


def _call(entry: Any, default_id: str, where: str) -> ToolCall:
    function = entry.get("function", entry) if isinstance(entry, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise InputError(
            "has a tool call without a name", where=where, remedy="write {id, function: {name, arguments}}"
        )
    call_id = entry.get("id")
    return ToolCall(
        id=call_id if isinstance(call_id, str) and call_id else default_id,
        tool=name,
        arguments=read_arguments(function.get("arguments")),
    )


def _answered(item: dict[str, Any], calls: Sequence[ToolCall], where: str) -> ToolCall:
    call_id = item.get("tool_call_id")
    for call in calls:
        if call_id == call.id or (call_id is None and item.get("name") in (None, call.tool)):
            return call
    what = f"answers the call {call_id!r}, which was not made just before"
    raise InputError(what, where=where, remedy="put each result behind the message that holds its call")


def _result(item: dict[str, Any], call: ToolCall, where: str) -> ToolResult:
    status = "tool_error" if failed_flag(item) else "ok"
    content = _content(item.get("content"), where)
    return ToolResult.model_validate({"call_id": call.id, "tool": call.tool, "status": status, "content": content})


def failed_flag(item: dict[str, Any]) -> bool:
    """True where the log itself says that the call failed (`is_error`, `isError`, `error`)."""
    return any(bool(item.get(key)) for key in ("is_error", "isError", "error"))


def tools_of(raw: Any, where: str) -> tuple[Tool, ...]:
    """Tools from OpenAI (`{type, function}`), Anthropic (`input_schema`) or MCP (`inputSchema`) specs.

    Raises:
        InputError: not a list of such specs.
    """
    if not isinstance(raw, list):
        raise InputError("`tools` is not a list", where=where, remedy="write a list of tool specs")
    return tuple(_tool(entry, where) for entry in raw)


def _tool(entry: Any, where: str) -> Tool:
    spec = entry.get("function", entry) if isinstance(entry, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        raise InputError("a tool has no name", where=where, remedy="write {type: function, function: {name, ...}}")
    described = [spec.get(key) for key in ("parameters", "inputSchema", "input_schema")]
    parameters: dict[str, JsonValue] = next((value for value in described if isinstance(value, dict)), {})
    annotations = spec.get("annotations")
    return Tool(
        server="",
        name=spec["name"],
        description=str(spec.get("description") or ""),
        parameters=parameters,
        annotations=annotations if isinstance(annotations, dict) else {},
    )


def unseen_tools(known: Sequence[Tool], names: Sequence[str]) -> tuple[Tool, ...]:
    """Tools that a log calls but does not describe: any arguments are accepted."""
    have = {tool.name for tool in known}
    return tuple(Tool(server="", name=name) for name in dict.fromkeys(names) if name not in have)


def reference_of(raw: Any, where: str) -> tuple[Call, ...]:
    """Reference calls from `{name, arguments}`, `{name, kwargs}`, `{tool, arguments}` or OpenAI tool calls.

    Raises:
        InputError: not a list of calls with object arguments.
    """
    if not isinstance(raw, list):
        raise InputError("the reference is not a list of calls", where=where, remedy="write [{name, arguments}]")
    calls: list[Call] = []
    for entry in raw:
        spec = entry.get("function", entry) if isinstance(entry, dict) else None
        name = (spec.get("name") or spec.get("tool")) if isinstance(spec, dict) else None
        if spec is None or not isinstance(name, str):
            raise InputError("a reference call has no name", where=where, remedy="write {name, arguments}")
        arguments: dict[str, JsonValue] | str = read_arguments(spec.get("arguments", spec.get("kwargs")))
        if isinstance(arguments, str):
            what = f"the arguments of reference call {name!r} are no JSON object"
            raise InputError(what, where=where, remedy="write {name, arguments: {...}}")
        calls.append(Call(tool=name, arguments=arguments))
    return tuple(calls)
