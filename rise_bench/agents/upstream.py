"""The way from an agent program to the one model endpoint it may reach: the key is added here and never goes inside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

__all__ = ["Meter", "Upstream"]

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of a request to the endpoint."""

MAX_COUNTED = 16 * 1024 * 1024
"""Bytes of an answer up to which its token counts are read."""

MAX_TAIL = 256 * 1024
"""Bytes at the end of a stream of events in which its token counts are looked for."""

READ_SECONDS = 300.0
"""How long the endpoint may stay silent; less than an attempt has, so that its silence is not the program's failure."""

PASSED_ON = ("content-type", "accept", "openai-beta", "anthropic-version", "anthropic-beta")
PASSED_BACK = ("content-type", "retry-after", "x-request-id")
NOT_SERVED = frozenset({401, 403, 408, 429})
"""Statuses, besides 5xx, by which the endpoint's side says no, whatever the model wrote."""


@dataclass(slots=True)
class Meter:
    """What one attempt's program asked of the endpoint."""

    most: int | None = None
    """Tokens that it may ask for; None = any number."""
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = False
    """Whether any answer said how many tokens it cost."""
    failing: str = ""
    """Why the endpoint did not answer the last request; empty where it did."""
    taken: tuple[int, int] = field(default=(0, 0))

    def count(self, usage: Any) -> None:
        """Add the token counts of an answer, in the words of chat completions or of responses."""
        if isinstance(usage, dict):
            given = _number(usage.get("prompt_tokens", usage.get("input_tokens")))
            made = _number(usage.get("completion_tokens", usage.get("output_tokens")))
            self.counted = self.counted or given is not None or made is not None
            self.input_tokens += given or 0
            self.output_tokens += made or 0

    @property
    def spent(self) -> bool:
        """Has it had all that it may?"""
        return self.most is not None and self.input_tokens + self.output_tokens >= self.most

    def take(self) -> tuple[int | None, int | None]:
        """Tokens in and out since it was last asked; None where nothing was ever counted."""
        if not self.counted:
            return None, None
        before, self.taken = self.taken, (self.input_tokens, self.output_tokens)
        return self.input_tokens - before[0], self.output_tokens - before[1]


class Upstream:
    """Passes requests under a base URL on and streams their answers back.

    Args:
        base: the endpoint's base URL, without a slash at its end.
        key: what the endpoint takes for authorization; empty = nothing is sent.
    """

    def __init__(self, base: str, key: str) -> None:
        self._base = base
        self._key = key
        timeout = httpx2.Timeout(READ_SECONDS, connect=15.0)
        self._client = httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)

    async def pass_on(self, request: Request, path: str, meter: Meter) -> Response:
        """The endpoint's answer to a request for a path under its base, or why there is none."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_REQUEST:
                return _refusal(413, f"a request may hold {MAX_REQUEST} bytes")
        if any(part in ("", ".", "..") for part in path.split("/")) or "\\" in path:
            return _refusal(404, "no such path")
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers["accept-encoding"] = "identity"
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        url = httpx2.URL(f"{self._base}/{path}", params=request.query_params.multi_items() or None)
        asked = self._client.build_request(request.method, url, headers=headers, content=bytes(body))
        try:
            answer = await self._client.send(asked, stream=True)
            failing = answer.is_server_error or answer.status_code in NOT_SERVED
            meter.failing = f"HTTP {answer.status_code}" if failing else ""
            return await _answer(answer, meter)
        except httpx2.HTTPError as error:
            meter.failing = f"{type(error).__name__}: {error}".rstrip(": ")
            return _refusal(502, "the endpoint does not answer")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _answer(answer: httpx2.Response, meter: Meter) -> Response:
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    length = answer.headers.get("content-length", "")
    whole = length.isdecimal() and int(length) <= MAX_COUNTED
    if not whole or "json" not in answer.headers.get("content-type", ""):
        events = "event-stream" in answer.headers.get("content-type", "")
        return StreamingResponse(_stream(answer, meter, events), status_code=answer.status_code, headers=headers)
    try:
        content = await answer.aread()
    finally:
        await answer.aclose()
    _count(content, meter)
    return Response(content, status_code=answer.status_code, headers=headers)


async def _stream(answer: httpx2.Response, meter: Meter, events: bool) -> AsyncIterator[bytes]:
    """The answer as it comes; token counts are read from the last event that holds any, else from the whole of it."""
    tail, kept = bytearray(), MAX_TAIL if events else MAX_COUNTED
    try:
        async for part in answer.aiter_bytes():
            tail += part
            if len(tail) > 2 * kept:
                del tail[:-kept]
            yield part
    except httpx2.HTTPError as error:
        meter.failing = f"the answer broke off: {type(error).__name__}"
        raise
    finally:
        await answer.aclose()
    if not events and _count(bytes(tail), meter):  # JSON of unknown length, often over many lines
        return
    for line in reversed(tail.splitlines()):
        if b'"usage"' in line and _count(bytes(line).removeprefix(b"data:").strip(), meter):
            return


def _count(content: bytes, meter: Meter) -> bool:
    """Add the token counts of a JSON text; False where it holds none."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    usage = found.get("usage") if isinstance(found, dict) else None
    if usage is None and isinstance(found, dict) and isinstance(found.get("response"), dict):
        usage = found["response"].get("usage")
    meter.count(usage)
    return isinstance(usage, dict)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": {"message": why, "type": "rise_gateway"}}, status_code=status)
