"""HTTP to one endpoint for many threads: one event loop, bodies that are capped, and no word about what they mean."""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar, cast

import httpx2

from rise_bench.model.failures import Refused

__all__ = ["MAX_REPLY_BYTES", "Connection", "TooLarge"]

MAX_REPLY_BYTES = 20_000_000
"""A longer body ends the attempt: no answer to one message is that long."""

_MAX_ERROR_BYTES = 100_000
_CONNECT_SECONDS = 30.0

_KEPT_SECONDS = 4.0
"""How long an idle connection is kept: below the 5 s after which common servers (uvicorn, Node) hang up on their side."""

_T = TypeVar("_T")


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than many requests."""
    return httpx2.create_ssl_context()


class TooLarge(Exception):
    """The endpoint sends more than will be read."""


class _Cut(httpx2.AsyncByteStream):
    """A body that ends after so many bytes: it only explains a refusal."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _MAX_ERROR_BYTES
        async for chunk in self._stream:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _cut(response: httpx2.Response) -> None:
    """Hook on every response, before its body is read by anybody (a redirect's is read by the client)."""
    if not response.is_success:
        response.stream = _Cut(cast(httpx2.AsyncByteStream, response.stream))


class _Job(Generic[_T]):
    """Work handed over by a thread, which waits for `result`."""

    __slots__ = ("_task", "_work", "result")

    def __init__(self, work: Coroutine[Any, Any, _T]) -> None:
        self.result: Future[_T] = Future()
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.result.cancelled():
            self._work.close()
        else:
            self._task = loop.create_task(self._run())

    def stop(self) -> None:
        if self._task is None:
            self.result.cancel()
            self._work.close()
        else:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            found = await self._work
        except asyncio.CancelledError:
            self.result.cancel()
            raise
        except BaseException as error:
            self.result.set_exception(error)
        else:
            self.result.set_result(found)


class Connection:
    """Requests to one endpoint: from any thread, on one loop in a thread of its own.

    What goes wrong below HTTP is an `httpx2.HTTPError`; an error status is `Refused`. Neither is judged here.
    """

    def __init__(self, base_url: str, key: str, *, timeout: float) -> None:
        self.servers: set[str] = set()
        """Values of the `server` header seen."""
        self._url = base_url
        self._loop = asyncio.new_event_loop()
        self._jobs: deque[_Job[Any]] = deque()
        self._woken = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="rise-bench-chat", daemon=True)
        self._thread.start()
        self._headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        # the caller keeps the time of a whole request; here only a host that does not answer at all
        self._timeout = httpx2.Timeout(None, connect=min(_CONNECT_SECONDS, timeout))
        # A client for each request in flight, the last one used first: a pool looks at all its idle connections at each
        # request, which costs more than the request itself where there are dozens.
        self._idle: list[httpx2.AsyncClient] = []

    def _client(self) -> httpx2.AsyncClient:
        if self._idle:
            return self._idle.pop()
        return httpx2.AsyncClient(
            headers=self._headers,
            timeout=self._timeout,
            limits=httpx2.Limits(keepalive_expiry=_KEPT_SECONDS),
            verify=_tls(),
            follow_redirects=True,
            event_hooks={"response": [_cut]},
        )

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What the coroutine gives, run on the loop while this thread waits. An interrupt of the wait stops the work."""
        job = _Job(work)
        try:
            self._jobs.append(job)
            if not self._woken:  # one wake-up serves all that were handed over before it
                self._woken = True
                self._loop.call_soon_threadsafe(self._take)
            return job.result.result()
        except BaseException:
            if not job.result.done() and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._take)  # the interrupt may have come before the wake-up
                self._loop.call_soon_threadsafe(job.stop)
            raise

    def _take(self) -> None:
        self._woken = False
        while self._jobs:
            self._jobs.popleft().start(self._loop)

    def close(self) -> None:
        """Cancel what runs, close the connections, end the thread. Safe to call twice."""
        if self._loop.is_closed():
            return
        self.run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for client in self._idle:
            await client.aclose()

    async def get(self, url: str) -> bytes:
        """The body behind a path below the base URL, or a whole URL.

        Raises:
            Refused, TooLarge, httpx2.HTTPError
        """
        async with self._answer("GET", url, None, {}) as response:
            return await body_of(response)

    @asynccontextmanager
    async def post(self, path: str, content: bytes) -> AsyncIterator[httpx2.Response]:
        """The answer to some JSON, its body still to be read.

        Raises:
            Refused, TooLarge, httpx2.HTTPError
        """
        async with self._answer("POST", path, content, {"Content-Type": "application/json"}) as response:
            yield response

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        whole = f"{self._url}{url}" if url.startswith("/") else url
        client = self._client()
        kept = True
        try:
            response = await client.send(
                client.build_request(method, whole, content=content, headers=headers), stream=True
            )
            try:
                if server := response.headers.get("server"):
                    self.servers.add(server[:100])
                if not response.is_success:
                    # uvicorn hangs up after an error of the application: the next request would meet a broken connection
                    kept = response.status_code < 500
                    raise Refused(response.status_code, response.headers, await body_of(response))
                yield response
            finally:
                await response.aclose()
        finally:
            if kept:
                self._idle.append(client)
            else:
                await client.aclose()


async def body_of(response: httpx2.Response) -> bytes:
    """The whole body, read in pieces up to the cap, also where it unpacks to more than was sent.

    Raises:
        TooLarge, httpx2.HTTPError
    """
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise TooLarge
    return bytes(body)
