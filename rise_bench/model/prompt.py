"""What a model reads, rendered one way for every door: messages for a chat template, or plain text where tools must be told
in words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rise_bench.model.calls import Schemas, clean_text, parse, without_thought
from rise_bench.model.wire import Names, tool_schema
from rise_bench.types import Assistant, Message, System, Tool, ToolResult, canonical

__all__ = ["PLAIN_STOPS", "TOLD", "plain_prompt", "prompted", "read_text", "template_messages", "tools_digest"]

TOLD = """\
You may call these tools, one JSON schema a line:
<tools>
{tools}
</tools>
To call one, write its name and its arguments as JSON, once for each call and with nothing else inside:
<tool_call>
{{"name": "NAME", "arguments": {{}}}}
</tool_call>
Results come back between <tool_response> marks."""
"""How tools are told to a model that cannot be given them as tools (our design, after the Hermes format)."""

PLAIN_STOPS = ("\nUser:",)
"""Where a model that continues a `plain_prompt` has begun to speak for somebody else."""


def template_messages(messages: Sequence[Message], names: Names) -> list[dict[str, Any]]:
    """Messages as chat templates take them: as on the wire, but with arguments as objects, which templates print."""
    return [_message(message, names) for message in messages]


def _message(message: Message, names: Names) -> dict[str, Any]:
    if isinstance(message, ToolResult):
        name = names.wire(message.tool) if message.tool else ""
        return {"role": "tool", "tool_call_id": message.call_id, "name": name, "content": message.content}
    if isinstance(message, Assistant) and message.tool_calls:
        calls = [
            {"id": call.id, "type": "function", "function": _call(names.wire(call.tool), call.arguments)}
            for call in message.tool_calls
        ]
        return {"role": "assistant", "content": message.content, "tool_calls": calls}
    return {"role": message.role, "content": message.content}


def _call(name: str, arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments if isinstance(arguments, dict) else {"unparsable": arguments}}


def prompted(messages: Sequence[Message], tools: Sequence[Tool], names: Names) -> list[dict[str, str]]:
    """Messages of role and content alone: tools told in the system message, calls and results written out.

    For models and engines that take no tools. The answer is read by the `hermes` parser.
    """
    told = TOLD.format(tools="\n".join(canonical(tool_schema(tool, names)) for tool in tools)) if tools else ""
    found: list[dict[str, str]] = []
    for message in messages:
        role, content = _written(message, names)
        if role == "user" and isinstance(message, ToolResult) and found and found[-1]["role"] == "user":
            found[-1]["content"] += f"\n{content}"
        else:
            found.append({"role": role, "content": content})
    if not told:
        return found
    if messages and isinstance(messages[0], System):
        found[0]["content"] += f"\n\n{told}"
        return found
    return [{"role": "system", "content": told}, *found]


def _written(message: Message, names: Names) -> tuple[str, str]:
    if isinstance(message, ToolResult):
        return "user", f"<tool_response>\n{message.content}\n</tool_response>"
    if isinstance(message, Assistant):
        calls = (_call(names.wire(call.tool), call.arguments) for call in message.tool_calls)
        written = (f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls)
        return "assistant", "\n".join(part for part in (message.content, *written) if part)
    return message.role, message.content


def tools_digest(tools: Sequence[Tool], names: Names) -> str:
    """SHA-256 (hex) of the tools as they are rendered, in their order: it is part of what the model reads."""
    return hashlib.sha256(canonical([tool_schema(tool, names) for tool in tools]).encode()).hexdigest()


def plain_prompt(messages: Sequence[Mapping[str, str]]) -> str:
    """Messages of role and content as one text, for models without a chat template: it ends where the assistant begins."""
    parts = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
    return "\n\n".join([*parts, "Assistant:"])


def read_text(text: str, names: Names, *, parser: str, step: int, schemas: Schemas | None = None) -> Assistant:
    """What an engine of our own process wrote, as a message: a leading thought left out, wire names as tool ids.

    Args:
        text: all that was written, without the token that ended it.
        names: of the tools offered.
        parser: a name of `calls.PARSERS`.
        step: how many messages the agent gave before; makes the calls' ids.
        schemas: of the arguments, by wire name.
    """
    content = without_thought(clean_text(text).strip())[1]
    parsed = parse(content, id_prefix=f"call_{step}", parser=parser, schemas=schemas)
    calls = tuple(call.model_copy(update={"tool": names.id(call.tool)}) for call in parsed.calls)
    return Assistant(content=parsed.text if calls else content, tool_calls=calls, malformed=parsed.malformed)
