"""Reads the JSON in which MCP hosts are told of servers (`mcpServers`), as people have it, into one shape."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.errors import InputError

__all__ = ["Entry", "read_hosts"]

WRAPPERS = ("mcpServers", "servers", "context_servers", "mcp_servers", "mcp")
"""Keys under which hosts keep the servers; `mcp` holds `servers` once more."""

SHAPE = '{"mcpServers": {"NAME": {"command": "...", "args": [...]}}}'

_STDIO, _HTTP = (
    frozenset({"stdio", "local", "command"}),
    frozenset({"http", "streamable-http", "streamablehttp", "remote"}),
)

_HOST_WORD = re.compile(
    r"\$\{(env|input):([^}]+)\}|\$\{([A-Za-z_]\w*):-([^}]*)\}|\$\{(workspaceFolder|workspaceRoot|userHome)\}"
)
"""What hosts fill in: `${env:NAME}`, `${input:ID}`, `${NAME:-DEFAULT}`, folders. A plain `${NAME}` stays as it is."""


@dataclass(frozen=True)
class Entry:
    """One server as a host would start or reach it; `${NAME}` stands for a variable of the environment."""

    name: str
    folder: Path
    """What relative paths in it are relative to."""
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def read_hosts(path: Path) -> tuple[Entry, ...]:
    """The servers of a file, in its order; those that it says are disabled are left out.

    Raises:
        InputError: not there, no JSON, of another shape, or empty.
    """
    servers = _servers(_read(path), path)
    found = [_entry(str(name), value, path) for name, value in servers.items() if not _disabled(value)]
    if not found:
        raise InputError("names no servers", where=str(path), remedy=f"write {SHAPE}")
    return tuple(found)


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})", where=str(path), remedy="save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not text.strip():
        raise InputError("is empty", where=str(path), remedy=f"write {SHAPE}")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        line = text.splitlines()[error.lineno - 1] if error.lineno <= len(text.splitlines()) else ""
        if re.match(r"\s*(//|/\*|#)", line[error.colno - 1 :]) or line.lstrip().startswith(("//", "/*", "#")):
            raise InputError("holds a comment, and JSON has none", where=where, remedy="remove it") from None
        raise InputError(f"is not JSON: {error.msg}", where=where, remedy="mend the line") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", where=str(path), remedy=f"write {SHAPE}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return made


def _servers(data: Any, path: Path) -> Mapping[str, Any]:
    """Name to entry, whatever the host wraps them in."""
    for _ in range(2):
        key = next((key for key in WRAPPERS if isinstance(data, dict) and isinstance(data.get(key), dict)), None)
        if key is None:
            break
        data = data[key]
    if isinstance(data, dict) and any(isinstance(data.get(key), str) for key in ("command", "url")):
        data = {path.stem: data}  # one server by itself
    if not isinstance(data, dict) or not all(isinstance(value, dict) for value in data.values()):
        raise InputError("is no list of MCP servers", where=str(path), remedy=f"write {SHAPE}")
    return data


def _disabled(value: Mapping[str, Any]) -> bool:
    return value.get("disabled") is True or value.get("enabled") is False


def _entry(name: str, value: Mapping[str, Any], path: Path) -> Entry:
    """One server. What hosts keep beside it (approvals, time-outs, icons) is passed over."""
    where = f"{path}: {name}"
    folder = path.resolve().parent

    def text(key: str, default: str = "") -> str:
        found = value.get(key) or default
        if not isinstance(found, str):
            raise InputError(f"{key}: is no text", where=where, remedy=f"write {SHAPE}")
        return _filled(found, folder)

    def texts(key: str) -> dict[str, str]:
        found = value.get(key) or {}
        if not isinstance(found, dict) or any(isinstance(item, dict | list) for item in found.values()):
            raise InputError(f"{key}: is no mapping of names to texts", where=where)
        return {str(word): _filled(_plain(item), folder) for word, item in found.items() if item is not None}

    args = value.get("args") or []
    if not isinstance(args, list) or any(isinstance(arg, dict | list) or arg is None for arg in args):
        raise InputError("args: is no list of texts", where=where)
    command = value.get("command")
    if isinstance(command, dict):  # Zed: {"path": ..., "args": ..., "env": ...}
        return _entry(name, {**value, **command, "command": command.get("path", "")}, path)
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        return _entry(name, {**value, "command": command[0] if command else "", "args": [*command[1:], *args]}, path)
    kind, url = text("type", text("transport")).lower(), text("url", text("serverUrl", text("httpUrl")))
    if kind == "sse":
        remedy = "give the address of its streamable HTTP endpoint and `type: http`"
        raise InputError("speaks SSE, which MCP has replaced by streamable HTTP", where=where, remedy=remedy)
    if kind and kind not in _STDIO | _HTTP:
        raise InputError(f"type {kind!r} is not known", where=where, remedy="stdio or http")
    entry = Entry(
        name=name,
        folder=folder,
        command=text("command"),
        args=tuple(_filled(_plain(arg), folder) for arg in args),
        env=texts("env") or texts("environment"),
        cwd=text("cwd"),
        url=url,
        headers=texts("headers"),
    )
    entry = _bridged(entry)
    if bool(entry.command) == bool(entry.url):
        raise InputError("needs either a `command` or a `url`", where=where, remedy=f"write {SHAPE}")
    if entry.url and not re.match(r"https?://[^/\s]", entry.url):
        raise InputError(f"url: {entry.url!r} is no address of HTTP", where=where, remedy="http://... or https://...")
    return entry


def _bridged(entry: Entry) -> Entry:
    """A server that `mcp-remote` reaches for a host that cannot, as the address that it stands for."""
    words = list(entry.args)
    if not any(re.fullmatch(r"mcp-remote(@.*)?", word) for word in words):
        return entry
    url = next((word for word in words if re.match(r"https?://", word)), "")
    given = [words[n + 1] for n, word in enumerate(words[:-1]) if word == "--header"]
    pairs = [header.partition(":") for header in given]
    headers = {name.strip(): _in_env(value.strip(), entry.env) for name, _, value in pairs}
    return Entry(entry.name, entry.folder, url=url, headers=headers) if url else entry


def _in_env(text: str, env: Mapping[str, str]) -> str:
    """The text with variables that the entry itself sets filled in."""
    return re.sub(r"\$\{(\w+)\}", lambda found: env.get(found[1], found[0]), text)


def _plain(value: object) -> str:
    """A number or truth value as a host hands it on."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _filled(text: str, folder: Path) -> str:
    def word(found: re.Match[str]) -> str:
        kind, name, variable, default, place = found.groups()
        if kind == "env":
            return f"${{{name}}}"
        if kind == "input":
            return f"${{{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').upper()}}}"
        if variable:
            return f"${{{variable}}}" if variable in os.environ else default
        return str(Path.home() if place == "userHome" else folder)

    return _HOST_WORD.sub(word, text)
