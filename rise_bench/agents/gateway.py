"""The door of one attempt: an MCP server that offers the task's tools, and the way to the named model endpoint."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from mcp import MCPError
from mcp import types as mcp_types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from rise_bench.agents.upstream import Meter, Upstream
from rise_bench.model.wire import Names
from rise_bench.types import Tool, ToolResult

__all__ = ["MAX_BODY", "MAX_PENDING", "MAX_REQUESTS", "Gateway"]

MAX_REQUESTS = 2_000
"""Requests of one attempt, whatever they ask, after which its program counts as flooding."""

MAX_PENDING = 64
"""Calls of one attempt that may wait for their results."""

MAX_BODY = 4 * 1024 * 1024
"""Bytes of one MCP request."""

TOO_LARGE = 413
NOT_EXECUTED = -32000
GRACE_SECONDS = 1

_as_sent: ContextVar[object] = ContextVar("_as_sent")

Call = Callable[[str, object], Coroutine[Any, Any, ToolResult]]
"""From wire name and arguments, as they were sent, to the call's result."""


class Gateway:
    """One attempt's tools over MCP (streamable HTTP), for whoever has its token.

    Args:
        tools: exactly what is offered.
        call: carries out a call; cancelled where the program hangs up.
        flooded: takes why the program has to be stopped.
        upstream: the model endpoint that the program may reach; None = none.
        meter: counts what it asks of the endpoint.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        call: Call,
        flooded: Callable[[str], None],
        upstream: Upstream | None,
        meter: Meter,
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._call = call
        self._flooded = flooded
        self._upstream = upstream
        self._meter = meter
        self._requests = 0
        self._pending = 0
        self._listing = _listing(tools)
        self._sessions = StreamableHTTPSessionManager(
            self._server(), stateless=True, json_response=True, max_request_body_size=MAX_BODY
        )
        self._web: _Web | None = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self, path: Path | None) -> int:
        """Listen on a Unix socket, or on a free port of the loopback where there is none; the port, 0 for a socket.

        Raises:
            OSError: it cannot listen there.
        """
        listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        try:
            listener.bind(str(path) if path else ("127.0.0.1", 0))
        except OSError:
            listener.close()
            raise
        self._web = _Web(self._app())
        self._serving = asyncio.create_task(self._web.serve(sockets=[listener]))
        await self._web.ready.wait()
        return 0 if path else int(listener.getsockname()[1])

    async def close(self) -> None:
        """Let go of the connections; whoever still waits gets no answer."""
        if self._web is not None and self._serving is not None:
            self._web.should_exit = True
            await asyncio.wait([self._serving])

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with self._sessions.run():
                yield

        routes = [
            Route("/mcp", _Door(self)),
            Route("/mcp/{token}", _Door(self)),
            Route("/v1/{path:path}", self._model, methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    def admits(self, request: Request) -> bool:
        """Whether a request has the token; counts it, since asking without one is a way to flood."""
        self._requests += 1
        if self._requests == MAX_REQUESTS + 1:
            self._flooded(f"sent more than {MAX_REQUESTS} requests to the gateway")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = request.path_params.get("token") or (bearer.strip() if scheme.casefold() == "bearer" else "")
        return self._requests <= MAX_REQUESTS and hmac.compare_digest(given.encode(), self.token.encode())

    async def exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one MCP request."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == TOO_LARGE:
                self._flooded(f"sent a request of more than {MAX_BODY} bytes to the gateway")
            await send(message)

        await self._sessions.handle_request(scope, receive, watched)

    async def _model(self, request: Request) -> Response:
        if not self.admits(request):
            return _refused()
        if self._upstream is None:
            why = "no model endpoint was named: --model-args endpoint=URL"
            return JSONResponse({"error": {"message": why, "type": "rise_gateway"}}, status_code=404)
        if self._meter.spent:  # between its calls nobody else would notice
            self._flooded(f"asked its model endpoint for more than {self._meter.most} tokens")
            return JSONResponse({"error": {"message": "no tokens left", "type": "rise_gateway"}}, status_code=400)
        return await self._upstream.pass_on(request, request.path_params["path"], self._meter)

    # --- MCP ----------------------------------------------------------------------------------------------------------

    def _server(self) -> Server[Any]:
        server: Server[Any] = Server(
            "rise-bench", on_list_tools=self._on_list, on_call_tool=self._on_call, get_tool_input_schema=_unchecked
        )
        server.middleware.append(_keep_arguments)
        return server

    async def _on_list(self, context: Any, params: Any) -> mcp_types.ListToolsResult:
        return self._listing

    async def _on_call(self, context: Any, params: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        if self._pending >= MAX_PENDING:
            self._flooded(f"had more than {MAX_PENDING} calls waiting")
            raise MCPError(NOT_EXECUTED, "too many calls at once")
        self._pending += 1
        try:
            result = await self._call(params.name, _as_sent.get(params.arguments))
        finally:
            self._pending -= 1
        return _answer(result)


class _Door:
    """`/mcp` as an ASGI application: the token is looked at before anything is read."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if not self._gateway.admits(request):
            await _refused()(scope, receive, send)
        elif request.method != "POST":  # no session to end, and no stream of the server's own to listen to
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            await self._gateway.exchange(scope, receive, send)


class _Web(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level=logging.CRITICAL,
                access_log=False,
                limit_concurrency=4 * MAX_PENDING,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; then say so."""
        await super().startup(sockets)
        self.ready.set()


async def _keep_arguments(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Let a call through whose arguments are no object: what the agent sent is recorded, not corrected."""
    params = ctx.params
    if ctx.method == "tools/call" and params is not None and "arguments" in params:
        _as_sent.set(params["arguments"])
        if not isinstance(params["arguments"], dict):
            ctx = replace(ctx, params={**params, "arguments": {}})
    return await call_next(ctx)


def _unchecked(name: str) -> None:
    """No schema: what is wrong with arguments is for the tools to say."""


def _listing(tools: Sequence[Tool]) -> mcp_types.ListToolsResult:
    names = Names.of(tools)
    found = [
        mcp_types.Tool.model_validate(
            {
                "name": names.wire(tool.id),
                "description": tool.description,
                "inputSchema": {"type": "object", **tool.parameters},
                "annotations": tool.annotations or None,
            },
            by_name=False,
        )
        for tool in tools
    ]
    return mcp_types.ListToolsResult(tools=found)


def _answer(result: ToolResult) -> mcp_types.CallToolResult:
    """A result as MCP has it.

    Raises:
        MCPError: the call met an error of the protocol, or was not executed.
    """
    if result.status in ("protocol_error", "not_executed"):
        raise MCPError(NOT_EXECUTED, result.content)
    structured = result.structured if isinstance(result.structured, dict) else None
    return mcp_types.CallToolResult(
        content=[mcp_types.TextContent(text=result.content)],
        structured_content=structured,
        is_error=result.status == "tool_error",
    )


def _refused() -> Response:
    return JSONResponse({"error": "unauthorized"}, status_code=401, headers={"WWW-Authenticate": "Bearer"})
