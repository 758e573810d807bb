"""Carries JSON-RPC lines between the SDK's session and a server process, under a limit on the length of a line.

The SDK's own stdio transport joins a long line anew with every chunk: a result of 50 MB keeps the event loop, and every
other server on it, waiting for more than a minute.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import IO, Any, Self

import anyio
import anyio.to_thread
import psutil
from anyio.abc import Process
from mcp import types as mcp_types
from mcp.shared.message import SessionMessage

from rise_bench.ground.folders import runs
from rise_bench.ground.sandbox import Launch

__all__ = ["MAX_LINE", "Framer", "Streams", "process_streams", "stdio"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one message; a longer answer is replaced by an error with its id."""

EDGE = 256
"""Bytes at either end of an overlong line among which its id is looked for."""

TOO_LARGE = -32000
UNREADABLE = -32700
NOTED = 20
"""Lines on standard output that are no protocol and are kept all the same."""

NOTED_BYTES = 200
BLANK = b"\xef\xbb\xbf \t\r"
"""What may stand before a message: a byte order mark, white space."""

KILL_SECONDS = 5.0
POLL_SECONDS = 0.002

_ID = re.compile(
    rb'\A\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)'
    rb'|"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z'
)
"""The message's own id, at its very start or end; anywhere else it may be part of the result."""

Streams = Callable[[IO[Any]], AbstractAsyncContextManager[tuple[Any, Any, int | None]]]
"""Opens the way to a server: given what takes its standard error, the SDK's two streams, and the pid of its process or None.

Entered when the server is to be started and left when it is to be ended; an error on entry means that it did not start.
"""


class Framer:
    """Cuts a byte stream into messages. Lines that are no JSON-RPC are passed over.

    An answer that cannot be read becomes an error with its id: passed over, it would look like a server that hangs.

    Args:
        limit: bytes of one line.
        passed: told of each line that is passed over, blank ones apart.
    """

    def __init__(self, limit: int = MAX_LINE, passed: Callable[[bytes], None] | None = None) -> None:
        self._limit = limit
        self._passed = passed
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[SessionMessage]:
        """The messages that are complete with this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            message = self._message()
            if message is not None:
                yield SessionMessage(message)
            elif self._passed is not None and (line := b"".join(self._parts).strip()):
                self._passed(line)
            self._parts, self._size = [], 0
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
        if not line.lstrip(BLANK).startswith(b"{"):
            return None  # told apart before anything is parsed: a flood of such lines would hold up all other servers
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


def stdio(launch: Launch) -> Streams:
    """The way to a server that is a process of its own, started on entry."""
    return partial(process_streams, launch)


@asynccontextmanager
async def process_streams(launch: Launch, errors: IO[Any]) -> AsyncIterator[tuple[_FromServer, _ToServer, int | None]]:
    """Streams and pid of a process that is started on entry, and ended with all it started on exit.

    Args:
        errors: takes its standard error.

    Raises:
        OSError: it cannot be started.
    """
    process = await anyio.open_process(
        [launch.command, *launch.args],
        stderr=errors,
        cwd=launch.cwd,
        env=launch.environment,
        start_new_session=True,
    )
    try:
        yield _FromServer(process, _Noted(errors)), _ToServer(process), process.pid
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


class _Noted:
    """Writes the first lines on standard output that are no protocol to where the complaints are: an error shows their end."""

    def __init__(self, errors: IO[Any]) -> None:
        self._errors = errors
        self._left = NOTED

    def __call__(self, line: bytes) -> None:
        if self._left:
            self._left -= 1
            self._errors.write(
                f"on its standard output, no protocol: {line[:NOTED_BYTES].decode('utf-8', 'replace')}\n"
            )
            self._errors.flush()


class _FromServer:
    """The session's reading stream: takes the messages from the process's output itself, with no task between them."""

    def __init__(self, process: Process, passed: Callable[[bytes], None]) -> None:
        assert process.stdout is not None
        self._stdout = process.stdout
        self._framer = Framer(passed=passed)
        self._read: deque[SessionMessage] = deque()

    async def receive(self) -> SessionMessage:
        """The next message.

        Raises:
            EndOfStream: the process has closed its output.
        """
        while not self._read:
            try:
                chunk = await self._stdout.receive()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
                raise anyio.EndOfStream from error
            self._read.extend(self._framer.feed(chunk))
        return self._read.popleft()

    async def aclose(self) -> None:
        """Nothing: the process's end closes it."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _ToServer:
    """The session's writing stream: each message is written by the task that sends it."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        self._stdin = process.stdin

    async def send(self, message: SessionMessage, /) -> None:
        """Write it.

        Raises:
            BrokenResourceError: the process reads no more; it will not answer either.
        """
        line = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            await self._stdin.send(line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """Nothing: the process's end closes it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


async def _end(process: Process) -> None:
    """Kill it with all that it started, and wait until all of that is gone: what still runs could write into the next attempt.

    Nothing is asked politely first: its state has been read, and its folder is about to be emptied.
    """
    below = await anyio.to_thread.run_sync(_below, process.pid)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stream.aclose()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in below:
        with suppress(psutil.Error):
            child.kill()
    with anyio.move_on_after(KILL_SECONDS):
        # Polled: `wait` also waits for pipes that a child may hold open.
        while process.returncode is None:
            await anyio.sleep(POLL_SECONDS)
        while any(map(runs, below)):
            await anyio.sleep(POLL_SECONDS)


def _below(pid: int) -> list[psutil.Process]:
    """What a process has started, and what that has started; the first process of a namespace goes only after all in it."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
