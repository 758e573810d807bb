"""The MCP client: a synchronous face on the official SDK, which runs on one event loop in a background thread."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import json
import math
import threading
import weakref
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import anyio
import psutil
from mcp import ClientSession, MCPError
from mcp import types as mcp_types
from pydantic import JsonValue, ValidationError

from rise_bench.errors import GroundFault, ServerDied, SetupError
from rise_bench.ground.secrets import Redactor
from rise_bench.ground.transport import Streams
from rise_bench.types import CallStatus, Tool

__all__ = ["MAX_STRUCTURED", "MAX_TEXT", "Connection", "Outcome", "end_those_of"]

MAX_TEXT = 200_000
"""Characters of a result's text that are kept."""

MAX_STRUCTURED = 1_000_000
"""Characters of canonical JSON up to which structured content is kept."""

MAX_TOOLS = 10_000
"""Tools after which a list counts as endless."""

CLOSE_SECONDS = 10.0
PING_SECONDS = 5.0
TAIL = 300
"""Characters of standard error that an error shows."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Outcome:
    """What one call gave."""

    status: CallStatus
    content: str
    structured: JsonValue = None


class _Loop:
    """One event loop in one daemon thread, started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="rise-bench-mcp", daemon=True).start()
            return self._loop

    def submit(self, work: Coroutine[Any, Any, _Value]) -> concurrent.futures.Future[_Value]:
        return asyncio.run_coroutine_threadsafe(work, self.get())


class _Handed(Generic[_Value]):
    """A coroutine that the loop runs for a thread that waits: `asyncio.run_coroutine_threadsafe` at two thirds of its price,
    which is a good part of what a call costs this process.
    """

    def __init__(self, work: Coroutine[Any, Any, _Value]) -> None:
        self._work = work
        self._done = threading.Lock()
        self._done.acquire()
        self._task: asyncio.Task[None] | None = None
        self._value: _Value
        self._error: BaseException | None = None

    def begin(self) -> None:
        """On the loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            self._value = await self._work
        except BaseException as error:
            self._error = ConnectionError("it was given up") if isinstance(error, asyncio.CancelledError) else error
        finally:
            self._done.release()

    def cancel(self) -> None:
        """On the loop."""
        if self._task is not None:
            self._task.cancel()

    def wait(self, timeout: float) -> _Value:
        """Its value; raises what it raised, or TimeoutError."""
        if not self._done.acquire(timeout=timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value


_loop = _Loop()
_open: weakref.WeakSet[Connection] = weakref.WeakSet()


class Connection:
    """One server and the MCP session with it. Calls may come from many threads at once.

    Args:
        streams: opens the way to the server, such as `stdio(launch)`.
        log: file that takes its standard error.
        exceeded: which of its limits it was killed for, in words; empty where it was not.
        secrets: name to value of what must not stand in anything that the server is quoted with.
    """

    def __init__(
        self,
        name: str,
        streams: Streams,
        log: Path,
        exceeded: Callable[[], str] = str,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._exceeded = exceeded
        self._redactor = Redactor(secrets or {})
        self._streams = streams
        self._log = log
        self._scope: anyio.CancelScope | None = None
        self._closing = False
        self._session: ClientSession | None = None
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._done: concurrent.futures.Future[None] | None = None
        self.thread: threading.Thread | None = None
        """That began it."""
        self.pid: int | None = None
        """Of the process that was started, bubblewrap's where there is one; None for a server that runs elsewhere."""
        self.dead = ""
        """Why no further call can be made; empty while it can."""
        self.changed = False
        """Has it said that its tools changed, since somebody last listed them and made this False?"""

    def begin(self) -> None:
        """Start the process without waiting for it."""
        _open.add(self)
        self.thread = threading.current_thread()
        self._done = _loop.submit(self._run())

    def start(self, timeout: float) -> None:
        """Start the process, if `begin` has not, and wait until it has answered `initialize`.

        Raises:
            SetupError: it ended, or did not answer in time; with the tail of its standard error.
        """
        if self._done is None:
            self.begin()
        try:
            self._ready.result(timeout)
        except Exception as error:
            self.dead = "it did not start"
            self.close()
            why = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else _reason(error)
            why = self._exceeded() or self._redactor.text(why)
            raise SetupError(f"cannot be started: {why}{self._tail()}", where=self.name) from error

    async def _run(self) -> None:
        """Own the process: the SDK wants its context managers entered and left by one task."""
        try:
            self._scope = anyio.CancelScope()
            if self._closing:
                self._scope.cancel()
            with self._scope, self._log.open("w", encoding="utf-8", errors="replace") as errors:
                async with (
                    self._streams(errors) as (reader, writer, self.pid),
                    ClientSession(reader, writer, message_handler=self._heard) as session,
                ):
                    await session.initialize()
                    self._session = session
                    self._ready.set_result(None)
                    await anyio.sleep_forever()
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self.dead = self.dead or "it is closed"
            self._session = None
            if not self._ready.done():
                self._ready.set_exception(ConnectionError("closed before it was ready"))

    async def _heard(self, message: object) -> None:
        """What the server says of its own accord."""
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self.changed = True

    def list_tools(self, timeout: float = 30.0) -> tuple[Tool, ...]:
        """The server's tools as it publishes them now, in its order; `effect` and `group` are not filled in.

        Raises:
            ServerDied: it ended or did not answer; GroundFault for a server that runs elsewhere.
            SetupError: what it answered is no list of tools.
        """
        try:
            tools = self._wait(self._list_tools(), timeout, "listing its tools")
        except SetupError as error:
            raise SetupError(self._redactor.text(error.what), where=self.name) from None
        return tuple(Tool.model_validate(self._redactor.value(tool.model_dump(mode="json"))) for tool in tools)

    async def _list_tools(self) -> tuple[Tool, ...]:
        session = self._live()
        tools: list[Tool] = []
        cursor: str | None = None
        while True:
            try:
                page = await session.list_tools(params=mcp_types.PaginatedRequestParams(cursor=cursor))
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise SetupError(
                    f"its list of tools is no valid one: {place}: {first['msg']}", where=self.name
                ) from error
            except MCPError as error:
                if error.error.code == mcp_types.METHOD_NOT_FOUND and not tools:
                    return ()  # it has prompts or resources alone
                raise
            for tool in page.tools:
                notes = (
                    tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True)
                    if tool.annotations
                    else {}
                )
                tools.append(
                    Tool(
                        server=self.name,
                        name=tool.name,
                        description=tool.description or "",
                        parameters=_finite(tool.input_schema),
                        annotations=_finite(notes),
                    )
                )
            cursor = page.next_cursor
            if len(tools) > MAX_TOOLS:
                raise SetupError(f"its list of tools does not end, {MAX_TOOLS} were read", where=self.name)
            if not cursor:
                return tuple(tools)

    def call(self, tool: str, arguments: dict[str, JsonValue], timeout: float) -> Outcome:
        """The server's answer to one call, whatever the arguments; its own failures are answers too.

        Args:
            timeout: seconds after which the server counts as hanging.

        Raises:
            ServerDied: it ended or hung in this call; it is then closed for good.
            GroundFault: the same of a server that runs elsewhere: nobody can tell whether the call did it.
        """
        outcome = self._wait(self._call(tool, arguments), timeout, f"calling {tool}")
        content, structured = self._redactor.text(outcome.content), self._redactor.value(outcome.structured)
        return replace(outcome, content=content, structured=structured)

    async def _call(self, tool: str, arguments: dict[str, JsonValue]) -> Outcome:
        session = self._live()
        request = mcp_types.CallToolRequest(params=mcp_types.CallToolRequestParams(name=tool, arguments=arguments))
        try:
            # Not `session.call_tool`: it raises where a server breaks its own output schema, and an agent's host shows it.
            result = await session.send_request(request, mcp_types.CallToolResult)
        except MCPError as error:
            if error.error.code == mcp_types.CONNECTION_CLOSED and await self._is_gone(session):
                raise ConnectionError("it ended") from error
            return Outcome("protocol_error", _cap(error.error.message))
        except ValidationError as error:
            return Outcome(
                "protocol_error", f"the server's answer is no valid tool result ({error.error_count()} errors)"
            )
        text = "\n".join(_text(block) for block in result.content)
        structured = _finite(result.structured_content)
        if structured is not None and len(json.dumps(structured)) > MAX_STRUCTURED:
            structured = None
        if not text and structured is not None:
            text = json.dumps(structured, ensure_ascii=False)
        return Outcome("tool_error" if result.is_error else "ok", _cap(text), structured)

    async def _is_gone(self, session: ClientSession) -> bool:
        """Whether the connection is closed, rather than this code being the server's own choice for an error."""
        try:
            with anyio.fail_after(PING_SECONDS):
                await session.send_ping()
        except MCPError as error:
            return error.error.code == mcp_types.CONNECTION_CLOSED
        except TimeoutError:
            return True
        return False

    def _live(self) -> ClientSession:
        if self.dead or self._session is None:
            raise ConnectionError(self.dead or "it is not started")
        return self._session

    def _wait(self, work: Coroutine[Any, Any, _Value], timeout: float, doing: str) -> _Value:
        loop, handed = _loop.get(), _Handed(work)
        loop.call_soon_threadsafe(handed.begin)
        try:
            return handed.wait(timeout)
        except TimeoutError as error:
            loop.call_soon_threadsafe(handed.cancel)
            why = f"hung: no answer within {timeout:g} s"
            raise self._died(why, doing) from error
        except (OSError, MCPError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise self._died(f"died: {_reason(error)}", doing) from error

    def _died(self, why: str, doing: str) -> GroundFault:
        if limit := self._exceeded():
            why = f"died: {limit}"
        self.dead = self.dead or why
        what = self._redactor.text(f"{why}, while {doing}{self._tail()}")
        self.close(wait=False)
        return (GroundFault if self.pid is None else ServerDied)(what, where=self.name)

    def _tail(self) -> str:
        """The end of the server's standard error, for an error line."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - 16 * TAIL))
                written = self._redactor.text(log.read().decode("utf-8", "replace"))
                text = " ".join(written.split())[-TAIL:]
        except OSError:
            return ""
        return f"; it last wrote: {text}" if text else ""

    def _processes(self) -> list[psutil.Process]:
        """The server and all that it started; none where it runs elsewhere or is dead."""
        if self.pid is None or self.dead:
            return []
        try:
            top = psutil.Process(self.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []

    def memory_mb(self) -> float:
        """What the server and all that it started hold now, in MiB; shared pages are counted in part (PSS)."""
        total = 0
        for process in self._processes():
            with suppress(psutil.Error):
                held = process.memory_full_info()
                total += getattr(held, "pss", held.uss)
        return round(total / 2**20, 1)

    def held(self) -> int:
        """Processes, threads and open files of the server and all that it started; 0 where it runs elsewhere."""
        count = 0
        for process in self._processes():
            with suppress(psutil.Error):
                count += 1 + process.num_threads() + process.num_fds()
        return count

    def close(self, *, wait: bool = True) -> None:
        """End the process: its input is closed, then it is killed with all it started. Closing twice is harmless."""
        self.dead = self.dead or "it is closed"
        if self._done is None:
            return
        if not self._done.done():
            _loop.get().call_soon_threadsafe(self._cancel)
        if wait:
            concurrent.futures.wait([self._done], CLOSE_SECONDS)
            _open.discard(self)

    def _cancel(self) -> None:
        """On the loop: leave `_run`, or keep it from going on if it has not begun."""
        self._closing = True
        if self._scope is not None:
            self._scope.cancel()


def end_those_of(threads: Collection[threading.Thread]) -> None:
    """Close the connections that these threads began; whoever waits for one of them goes on with an error."""
    _close([connection for connection in list(_open) if connection.thread in threads])


def _close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close(wait=False)
    for connection in connections:
        connection.close()


# At interpreter exit nothing may be left running.
atexit.register(lambda: _close(list(_open)))


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: the SDK's task groups wrap what happened."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _text(block: mcp_types.ContentBlock) -> str:
    """A content block as text; what is no text is named with its type and size."""
    match block:
        case mcp_types.TextContent():
            return block.text
        case mcp_types.ImageContent() | mcp_types.AudioContent():
            return f"[{block.mime_type}, {len(block.data) * 3 // 4} bytes]"
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as resource):
            return resource.text
        case mcp_types.EmbeddedResource(resource=mcp_types.BlobResourceContents() as resource):
            kind = resource.mime_type or "application/octet-stream"
            return f"[{kind}, {len(resource.blob) * 3 // 4} bytes]"
        case mcp_types.ResourceLink():
            return f"[{block.name}: {block.uri}]"
    return f"[{type(block).__name__}]"


def _cap(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\n[cut: {len(text)} characters, the first {MAX_TEXT} are shown]"


def _finite(value: Any) -> Any:
    """The value with NaN and infinities, which are no JSON, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value
