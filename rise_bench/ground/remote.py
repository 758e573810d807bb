"""The way to a server: a process in the sandbox, or streamable HTTP to one that runs elsewhere."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import IO, Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from rise_bench.ground.client import Connection
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.secrets import from_user, secrets_of
from rise_bench.ground.transport import MAX_LINE, Streams, stdio

__all__ = ["connect", "elsewhere", "http_streams"]

CONNECT_SECONDS = 30.0

READ_SECONDS = 3600.0
"""Longest silence of an answer that is being read; how long a call may take, its caller says."""

_BROKEN = frozenset({401, 403, 407, 408, 429, 502, 503, 504})
"""Status codes that speak of the way to the server or of its operator, never of the call."""

# The SDK logs with tracebacks what it also reports; without a handler of somebody's own they would land on stderr.
logging.getLogger("mcp.client.streamable_http").addHandler(logging.NullHandler())


def connect(recipe: Recipe, installed: Installed, sandbox: Sandbox) -> Connection:
    """A connection with the server, not yet begun: with a process in the sandbox, or by its URL.

    Raises:
        SetupError: a program or variable that it needs is missing, or it may not run here (see `Sandbox.launch`).
    """
    way = _way_to(recipe, installed, sandbox)
    return Connection(recipe.name, way, sandbox.log(recipe.name), sandbox.exceeded, secrets_of([recipe]))


def _way_to(recipe: Recipe, installed: Installed, sandbox: Sandbox) -> Streams:
    if not recipe.url:
        return stdio(sandbox.launch(recipe, installed))
    headers = {name: from_user(recipe, value) for name, value in recipe.headers.items()}
    return partial(http_streams, from_user(recipe, recipe.url), headers)


def elsewhere(recipe: Recipe) -> str:
    """One line on what cannot be held of a server that runs elsewhere; empty for one that runs here."""
    if not recipe.url:
        return ""
    place = recipe.url.partition("?")[0]
    return f"{recipe.name} runs elsewhere ({place}): no sandbox, no fresh state, no set clock; verdicts rest on calls alone"


@asynccontextmanager
async def http_streams(url: str, headers: dict[str, str], errors: IO[Any]) -> AsyncIterator[tuple[Any, Any, None]]:
    """The SDK's streams to a server of streamable HTTP; what goes wrong on the way ends them.

    Args:
        url: of its endpoint.
        headers: sent with every request.
        errors: takes a line about each answer that is an error of HTTP.
    """

    async def look(response: httpx2.Response) -> None:
        kind = response.headers.get("content-type", "").lower()
        if response.status_code >= 400:
            errors.write(f"HTTP {response.status_code} {response.reason_phrase}\n")
            errors.flush()
            if _is_broken(response, kind):
                raise ConnectionError(f"HTTP {response.status_code} {response.reason_phrase}")
        if response.headers.get("content-encoding", "identity") != "identity":
            # A few bytes could be any number of them, unpacked.
            raise ConnectionError("an answer came compressed, though none was asked to")
        if kind.startswith("application/json"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Limited(response.stream)

    timeout = httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
    headers = {**headers, "accept-encoding": "identity"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, event_hooks={"response": [look]}) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MAX_LINE) as (reader, writer),
    ):
        yield reader, writer, None


def _is_broken(response: httpx2.Response, kind: str) -> bool:
    """Whether the way is at fault rather than the call: the SDK hands any error to whoever called, as if it were."""
    request = response.request
    if request.method != "POST":  # a server need not offer the stream of its own messages, nor the end of a session
        return False
    if response.status_code in _BROKEN:
        return True
    if response.status_code == 404 and "mcp-session-id" in request.headers:
        return True  # the server has forgotten the session
    return response.status_code >= 500 and not kind.startswith("application/json")


class _Limited(httpx2.AsyncByteStream):
    """A body that ends with an error where it is longer than one message may be."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > MAX_LINE:
                raise httpx2.StreamError(f"the answer is larger than {MAX_LINE} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
