"""Our records as chat-completion JSON and back: the whole wire format, without a connection."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from rise_bench.model.calls import Schemas, clean_text, parse, read_arguments, without_thought
from rise_bench.types import Assistant, Message, Reply, Sampling, Tool, ToolCall, ToolResult

__all__ = ["VERSION", "BadReply", "Names", "chat_messages", "fields", "first_choice", "read_reply", "tool_schema"]

VERSION = "1"
"""Of the way our records become JSON and back; another one when the same records would be sent or read differently."""

_MAX_NAME = 64
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_-]")

_STOPS: dict[str, Literal["output_limit", "content_filter"]] = {
    "length": "output_limit",
    "max_tokens": "output_limit",
    "content_filter": "content_filter",
}

_GIVEN_UP = ("error", "abort")
"""Finish reasons of gateways (OpenRouter) and engines (vLLM, SGLang) whose upstream failed under HTTP 200."""


class BadReply(ValueError):
    """A body that is no chat completion: the endpoint's fault, not the model's."""


@dataclass(frozen=True, slots=True)
class Names:
    """Tool ids as the chat API allows them (`server__tool`, at most 64 of `a-zA-Z0-9_-`), and back."""

    to_wire: Mapping[str, str]
    to_id: Mapping[str, str]

    @classmethod
    def of(cls, tools: Sequence[Tool]) -> Names:
        """Names of the tools offered; two that would fall together are told apart by a hash of their ids."""
        to_wire: dict[str, str] = {}
        to_id: dict[str, str] = {}
        for tool in tools:
            name = wire_name(tool.id)
            if name in to_id:
                name = _hashed(name, tool.id)
            to_wire[tool.id] = name
            to_id[name] = tool.id
        return cls(to_wire, to_id)

    def wire(self, tool: str) -> str:
        """The wire name of an id; of a name that no tool has, as near as the API allows."""
        return self.to_wire.get(tool) or wire_name(tool) or "unnamed"

    def id(self, name: str) -> str:
        """The id behind a wire name; a name that no tool has stays as it came."""
        return self.to_id.get(name, name)


def wire_name(tool: str) -> str:
    """`server__tool`, what the API does not allow replaced, cut to 64 characters with a hash where it was longer."""
    name = _NOT_ALLOWED.sub("_", tool.replace(".", "__", 1))
    return name if len(name) <= _MAX_NAME else _hashed(name, tool)


def _hashed(name: str, tool: str) -> str:
    return f"{name[: _MAX_NAME - 9]}_{hashlib.sha256(tool.encode()).hexdigest()[:8]}"


def fields(model: str, sampling: Sampling, names: Names, *, tools: bool) -> dict[str, Any]:
    """The request's JSON besides messages and tools. Only what is set is sent: some servers refuse an empty field.

    Args:
        model: the served id.
        sampling: how to sample; `deterministic` is greedy whatever else it says.
        names: of the tools offered.
        tools: are any offered as tools?
    """
    found: dict[str, Any] = {"model": model, "max_tokens": sampling.max_tokens}
    if sampling.deterministic:
        found["temperature"] = 0.0
    else:
        found |= {key: value for key in ("temperature", "top_p") if (value := getattr(sampling, key)) is not None}
    if tools and sampling.tool_choice in ("none", "required"):
        found["tool_choice"] = sampling.tool_choice
    elif tools and sampling.tool_choice != "auto":
        found["tool_choice"] = {"type": "function", "function": {"name": names.wire(sampling.tool_choice)}}
    return found


def tool_schema(tool: Tool, names: Names, *, strict: bool = False) -> dict[str, Any]:
    """A tool as chat APIs and chat templates are given it; `strict` asks the engine to hold arguments to the schema."""
    parameters = {"type": "object", "properties": {}, **tool.parameters}
    function: dict[str, Any] = {
        "name": names.wire(tool.id),
        "description": tool.description,
        "parameters": parameters,
    }
    return {"type": "function", "function": function | ({"strict": True} if strict else {})}


def chat_messages(messages: Sequence[Message], names: Names) -> list[dict[str, Any]]:
    """Messages as chat APIs take them, arguments as JSON text."""
    return [_message(message, names) for message in messages]


def _message(message: Message, names: Names) -> dict[str, Any]:
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if isinstance(message, Assistant) and message.tool_calls:
        # '' and not null beside calls: chat templates of local servers print null or fail on it
        calls = [_call(call, names) for call in message.tool_calls]
        return {"role": "assistant", "content": message.content, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def _call(call: ToolCall, names: Names) -> dict[str, Any]:
    # Servers that render the history parse the arguments again and refuse the whole request where that fails.
    arguments = call.arguments if isinstance(call.arguments, dict) else {"unparsable": call.arguments}
    return {
        "id": call.id,
        "type": "function",
        # in the model's own order: sorted, its calls would not be rendered as it wrote them, nor found in a prefix cache
        "function": {"name": names.wire(call.tool), "arguments": json.dumps(arguments, ensure_ascii=False)},
    }


def read_reply(found: JsonValue, names: Names, *, parser: str, step: int, schemas: Schemas | None = None) -> Reply:
    """The first choice of a chat completion.

    Args:
        found: the body.
        names: of the tools offered.
        parser: how calls are read from the content where the endpoint sends none: `native` does not, and says that what
            is marked as a call is malformed; any other is a name of `calls.PARSERS`.
        step: how many messages the agent gave before; makes ids for calls that came without one.
        schemas: of the arguments, by wire name, for syntaxes that write values without quotes.

    Raises:
        BadReply: the body is no chat completion.
    """
    choice = first_choice(found)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise BadReply("its first choice has no message")
    # A thought that the endpoint left in the text is no more said to the user than one that it sends beside it.
    content = without_thought(_content(message.get("content")).strip())[1] or _content(message.get("refusal"))
    calls = _calls(message, names, step)
    malformed = ""
    if not calls and content:
        content, calls, malformed = _from_text(content, names, parser, step, schemas)
    usage = found.get("usage") if isinstance(found, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    return Reply(
        message=Assistant(content=content, tool_calls=calls, malformed=malformed),
        input_tokens=_count(counts.get("prompt_tokens")),
        output_tokens=_count(counts.get("completion_tokens")),
        stop=_STOPS.get(str(choice.get("finish_reason"))),
    )


def first_choice(found: JsonValue) -> dict[str, Any]:
    """The first choice of a body.

    Raises:
        BadReply: there is none, or the endpoint itself gave up in the middle of it.
    """
    choices = found.get("choices") if isinstance(found, dict) else None
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        raise BadReply(f"the body has no choices: {json.dumps(found, ensure_ascii=False)[:200]}")
    choice: dict[str, Any] = choices[0]
    if choice.get("error") or choice.get("finish_reason") in _GIVEN_UP:
        why = json.dumps(choice.get("error"), ensure_ascii=False)[:200]
        raise BadReply(f"the endpoint gave up (finish_reason {choice.get('finish_reason')!r}, error {why})")
    return choice


def _content(value: Any) -> str:
    """Content as text: null is empty, a list of parts is its text parts in a row."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return clean_text("".join(str(part["text"]) for part in value if isinstance(part, dict) and "text" in part))
    return ""


def _calls(message: dict[str, Any], names: Names, step: int) -> tuple[ToolCall, ...]:
    listed = message.get("tool_calls")
    if listed is None and isinstance(message.get("function_call"), dict):  # the form of old servers
        listed = [{"function": message["function_call"]}]
    calls: list[ToolCall] = []
    taken: set[str] = set()
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        function = item.get("function") if isinstance(item, dict) else None
        function = function if isinstance(function, dict) else {}
        given = clean_text(str(item.get("id") or "")) if isinstance(item, dict) else ""
        identity = given if given and given not in taken else f"call_{step}_{index}"
        taken.add(identity)
        name = clean_text(str(function.get("name") or ""))
        calls.append(ToolCall(id=identity, tool=names.id(name), arguments=read_arguments(function.get("arguments"))))
    return tuple(calls)


def _from_text(
    content: str, names: Names, parser: str, step: int, schemas: Schemas | None
) -> tuple[str, tuple[ToolCall, ...], str]:
    """Content, calls and what is malformed, for a message without native calls."""
    if parser != "native":
        parsed = parse(content, id_prefix=f"call_{step}", parser=parser, schemas=schemas)
        calls = tuple(call.model_copy(update={"tool": names.id(call.tool)}) for call in parsed.calls)
        return parsed.text if calls else content, calls, parsed.malformed
    parsed = parse(content, id_prefix=f"call_{step}")
    offered = bool(parsed.calls) and all(call.tool in names.to_id for call in parsed.calls)
    if parsed.marked or offered:  # the model called, the endpoint did not see it: neither an answer nor a call
        unseen = f"calls written as text ({parsed.syntax}) that the endpoint did not read"
        return content, (), parsed.malformed or unseen
    return content, (), ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
