"""What an attempt is offered, what a host answers itself, and the sandbox's path in values; the same live and replayed."""

from __future__ import annotations

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import ROOT, substitute_root
from rise_bench.types import Ground, Task, Tool, ToolCall, ToolResult

__all__ = ["mask_root", "mask_tool", "offered", "rejected", "resolve_root"]


def offered(ground: Ground, task: Task, root: str) -> tuple[Tool, ...]:
    """All tools of the task's servers as frozen, in the task's order of servers, `{root}` resolved.

    Raises:
        InputError: the ground does not have one of the servers.
    """
    servers = {server.name: server for server in ground.servers}
    missing = [name for name in task.servers if name not in servers]
    if missing:
        raise InputError(
            f"server {missing[0]!r} is not in ground {ground.name!r}", where=task.id, remedy=f"it has {sorted(servers)}"
        )
    tools = [tool for name in task.servers for tool in servers[name].tools]
    return tuple(
        tool.model_copy(update={"description": tool.description.replace(ROOT, root)})
        if ROOT in tool.description
        else tool
        for tool in tools
    )


def rejected(call: ToolCall, tool: Tool | None) -> ToolResult | None:
    """The host's own answer to a call that no server can be sent, None where one can."""
    if tool is None:
        text = f"Unknown tool: {call.tool}"
    elif isinstance(call.arguments, str):
        text = "arguments are not a JSON object"
    else:
        return None
    return ToolResult(call_id=call.id, tool=call.tool, status="protocol_error", content=text)


def resolve_root(value: JsonValue, root: str) -> JsonValue:
    """`value` with `{root}` replaced by the sandbox's path in every text, keys included."""
    return substitute_root(value, root)


def mask_root(value: JsonValue, root: str) -> JsonValue:
    """`value` with the sandbox's path replaced by `{root}` in every text, keys included."""
    if not root:
        return value
    if isinstance(value, str):
        return value.replace(root, ROOT)
    if isinstance(value, dict):
        return {key.replace(root, ROOT): mask_root(item, root) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_root(item, root) for item in value]
    return value


def mask_tool(tool: Tool, root: str) -> Tool:
    """The tool as it is frozen: with `{root}` for the sandbox's path in its description and schema."""
    return Tool.model_validate(mask_root(tool.model_dump(mode="json"), root))
