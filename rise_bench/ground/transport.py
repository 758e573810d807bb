"""Carries JSON-RPC lines between the SDK's session and a server process, under a limit on the length of a line.

The SDK's own stdio transport joins a long line anew with every chunk: a result of 50 MB keeps the event loop, and every
other server on it, waiting for more than a minute.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import IO, Any

import anyio
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types as mcp_types
from mcp.shared.message import SessionMessage

from rise_bench.ground.sandbox import Launch

__all__ = ["MAX_LINE", "Framer", "process_streams"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one message; a longer answer is replaced by an error with its id."""

EDGE = 256
"""Bytes at either end of an overlong line among which its id is looked for."""

TOO_LARGE = -32000
UNREADABLE = -32700
GRACE_SECONDS = 2.0
TERM_SECONDS = 1.0
POLL_SECONDS = 0.01

_ID = re.compile(
    rb'\A\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)'
    rb'|"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z'
)
"""The message's own id, at its very start or end; anywhere else it may be part of the result."""

Received = MemoryObjectReceiveStream[SessionMessage | Exception]
Sent = MemoryObjectSendStream[SessionMessage]


class Framer:
    """Cuts a byte stream into messages. Lines that are no JSON-RPC are passed over.

    An answer that cannot be read becomes an error with its id: passed over, it would look like a server that hangs.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[SessionMessage]:
        """The messages that are complete with this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            message = self._message()
            self._parts, self._size = [], 0
            if message is not None:
                yield SessionMessage(message)
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        """Add to the line that is being read; of an overlong one only the ends are kept."""
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._limit:
            whole = b"".join(self._parts)
            self._parts = [whole[:EDGE], whole[-EDGE:]]

    def _message(self) -> mcp_types.JSONRPCMessage | None:
        line = b"".join(self._parts)
        if self._size > self._limit:
            return _unread(line, TOO_LARGE, f"the answer is larger than {self._limit} bytes")
        text = line.decode("utf-8-sig", "replace")
        try:
            return _message_of(text)
        except ValueError:
            pass
        try:
            # A text cut inside an emoji holds half a surrogate pair: legal JSON to most writers, not to this reader.
            whole = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
            return _message_of(whole.decode("utf-8"))
        except (ValueError, RecursionError):
            answers = b'"jsonrpc"' in line and (b'"result"' in line or b'"error"' in line)
            return _unread(line, UNREADABLE, "the answer is no valid JSON-RPC") if answers else None


def _message_of(text: str) -> mcp_types.JSONRPCMessage:
    message: mcp_types.JSONRPCMessage = mcp_types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    return message


def _unread(line: bytes, code: int, why: str) -> mcp_types.JSONRPCError | None:
    """The error in place of an answer that is not taken; None where it cannot be told which call it answers."""
    found = _ID.search(line)
    if found is None:
        return None
    error = mcp_types.ErrorData(code=code, message=why)
    return mcp_types.JSONRPCError(jsonrpc="2.0", id=int(found[1] or found[2]), error=error)


@asynccontextmanager
async def process_streams(launch: Launch, errors: IO[Any]) -> AsyncIterator[tuple[Received, Sent]]:
    """Streams of a process that is started on entry, and ended with all it started on exit.

    Args:
        errors: takes its standard error.

    Raises:
        OSError: it cannot be started.
    """
    process = await anyio.open_process(
        [launch.command, *launch.args], stderr=errors, cwd=launch.cwd, env={}, start_new_session=True
    )
    to_session, received = anyio.create_memory_object_stream[SessionMessage | Exception](64)
    sent, to_server = anyio.create_memory_object_stream[SessionMessage](64)
    with to_session, received, sent, to_server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process, to_session)
            tasks.start_soon(_write, process, to_server, to_session)
            try:
                yield received, sent
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(process)
                tasks.cancel_scope.cancel()


async def _read(process: Process, to_session: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    """Until the process closes its output, which closes the session's side."""
    framer = Framer()
    assert process.stdout is not None
    with to_session, suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        async for chunk in process.stdout:
            for message in framer.feed(chunk):
                await to_session.send(message)


async def _write(
    process: Process,
    to_server: MemoryObjectReceiveStream[SessionMessage],
    to_session: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    assert process.stdin is not None
    try:
        async for message in to_server:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(line.encode("utf-8", "replace") + b"\n")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        # A server that reads no more will not answer either: the session shall see the end, not wait for it.
        to_session.close()


async def _end(process: Process) -> None:
    """Close its input, which ends a well-behaved server; then end its whole process group."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stream.aclose()
    if not await _exits(process, GRACE_SECONDS):
        _signal(process, signal.SIGTERM)
        await _exits(process, TERM_SECONDS)
    _signal(process, signal.SIGKILL)
    await _exits(process, TERM_SECONDS)


async def _exits(process: Process, seconds: float) -> bool:
    """Whether it ends within that time. Polled: `wait` also waits for pipes that a child may hold open."""
    with anyio.move_on_after(seconds):
        while process.returncode is None:
            await anyio.sleep(POLL_SECONDS)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
