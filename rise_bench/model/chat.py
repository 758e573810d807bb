"""Any OpenAI-compatible chat endpoint as a model: retries, pacing, limits; what goes wrong said in one line."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError, RiseError, SetupError
from rise_bench.model import failures, history, wire
from rise_bench.model.limiter import AdaptiveLimit
from rise_bench.model.load import refuse_unknown
from rise_bench.types import Assistant, Model, ModelRequest, Record, Reply, Sampling, Suite, canonical

__all__ = ["ChatEndpoint", "Settings", "make"]

_DEFAULT_URL = "https://api.openai.com/v1"
_DEFAULT_KEY = "OPENAI_API_KEY"

MAX_REPLY_BYTES = 20_000_000
"""A longer body ends the attempt: no answer to one message is that long."""

_MAX_ERROR_BYTES = 100_000
_MAX_BACKOFF = 30.0
_IDENTITY = ("owned_by", "root", "parent", "revision", "system_fingerprint")
_T = TypeVar("_T")


class Settings(Record):
    """Model arguments of a chat endpoint. None of them is a secret: the key is read from an environment variable."""

    base_url: str = ""
    """Empty = `OPENAI_BASE_URL`, else the SDK's default."""
    api_key_env: str = _DEFAULT_KEY
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Most requests at once; what the endpoint bears is found by trying."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one request in all."""
    retries: int = Field(default=5, ge=0, le=20)
    backoff: float = Field(default=0.5, ge=0, le=60)
    """Seconds before the first retry; doubles at each, unless the endpoint says how long."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Newer hosted models refuse the old name."""
    send_seed: bool = True
    """Send a seed wherever the temperature is not 0; some endpoints refuse the field."""
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request (`{"reasoning_effort": "low"}`)."""


class _TooLarge(Exception):
    """The endpoint sends more than will be read."""


class _Capped(httpx2.AsyncByteStream):
    """A body that ends at a limit rather than in memory: in an error, or just cut where it only explains one."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int, *, cut: bool) -> None:
        self._stream = stream
        self._left = limit
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            if len(chunk) > self._left:
                if not self._cut:
                    raise _TooLarge
                yield chunk[: self._left]
                return
            self._left -= len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _cap(response: httpx2.Response) -> None:
    """Hook on every response, before its body is read by anybody (the SDK reads errors whole)."""
    limit = _MAX_ERROR_BYTES if response.is_error else MAX_REPLY_BYTES
    response.stream = _Capped(cast(httpx2.AsyncByteStream, response.stream), limit, cut=response.is_error)


class ChatEndpoint:
    """A model behind `POST <base_url>/chat/completions`.

    Called from many threads; one background event loop does the work. Source: DESIGN 4.2 for what is a fault and what is
    the model's own doing.
    """

    def __init__(self, served: str, settings: Settings, sampling: Sampling, key: str, base_url: str) -> None:
        self.name = f"openai:{served}"
        self._served = served
        self._settings = settings
        self._sampling = sampling
        self._key = key
        self._url = base_url
        self._answered = False
        self._jitter = random.Random(0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rise-bench-chat", daemon=True)
        self._thread.start()
        self._client, self._limit = self._run(self._open())

    def __repr__(self) -> str:
        return f"ChatEndpoint({self._served!r}, {self._url!r})"

    async def _open(self) -> tuple[openai.AsyncOpenAI, AdaptiveLimit]:
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [_cap]}, headers={"Accept-Encoding": "identity"})
        client = openai.AsyncOpenAI(
            api_key=self._key, base_url=self._url, max_retries=0, timeout=self._settings.timeout, http_client=http
        )
        return client, AdaptiveLimit(min(8, self._settings.concurrency), self._settings.concurrency, time.monotonic)

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # an interrupt in the waiting thread must not leave the request running

    def close(self) -> None:
        """Cancel what runs, close the connections, end the thread. Safe to call twice."""
        if self._loop.is_closed():
            return
        self._run(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.close()

    def content(self) -> str:
        """URL, served id and what GET /models tells of it (owner, root, revision), as canonical JSON.

        An endpoint that lists no models is told by URL and id alone. Times and permissions are left out: some servers
        make them up at each call.

        Raises:
            SetupError: nobody answers there, or the key is refused.
        """
        entry = self._run(self._entry())
        told = {key: entry[key] for key in _IDENTITY if isinstance(entry.get(key), str) and entry[key]}
        return canonical({"url": self._url, "id": self._served, **told})

    async def _entry(self) -> dict[str, Any]:
        """What GET /models says of the served model; empty where it says nothing that can be used."""
        try:
            async with asyncio.timeout(min(30.0, self._settings.timeout)):
                listed = (await self._client.get("/models", cast_to=httpx2.Response)).json()
        except (openai.OpenAIError, _TooLarge, TimeoutError, ValueError, RecursionError) as error:
            if failures.is_unreachable(error) or isinstance(error, openai.AuthenticationError):
                raise self._error(error, tries=1) from None
            return {}
        entries = listed.get("data") if isinstance(listed, dict) else listed
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and entry.get("id") == self._served:
                return entry
        return {}

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Context overflow, output limit, content filter and a body beyond the cap are the model's doing: they come as
        `stop`.

        Raises:
            SetupError: before the first answer: nobody answers, key or model not accepted.
            ModelFault: 5xx, 429, time-out or broken connection after retries; a request refused for another reason.
        """
        names = wire.Names.of(request.tools)
        found = self._run(self._ask(self._sent(request, names)))
        if isinstance(found, Reply):
            return found
        try:
            return wire.read_reply(found, names, parser=self._sampling.parser, step=history.steps(request))
        except wire.BadReply as error:
            raise self._error(error, tries=1) from None

    def _sent(self, request: ModelRequest, names: wire.Names) -> dict[str, Any]:
        sent = wire.body(self._served, request.messages, request.tools, self._sampling, names)
        sent[self._settings.max_tokens_name] = sent.pop("max_tokens")
        if self._settings.send_seed and self._sampling.temperature != 0:
            sent["seed"] = random.Random(f"{request.seed}/{request.task}/{request.attempt}").randrange(2**31)
        return {**sent, **self._settings.extra_body}

    async def _ask(self, sent: dict[str, Any]) -> JsonValue | Reply:
        """The body of the answer, or the reply that its refusal amounts to; tries again where that can help."""
        attempt = 0
        while True:
            async with self._limit.slot() as started_in:
                try:
                    async with asyncio.timeout(self._settings.timeout):
                        found = await self._post(sent)
                    self._answered = True
                    self._limit.succeeded()
                    return found
                except _TooLarge:
                    why = f"the reply is longer than {MAX_REPLY_BYTES} bytes"
                    return Reply(message=Assistant(malformed=why), stop="agent_failed")
                except (openai.OpenAIError, httpx2.HTTPError, TimeoutError, wire.BadReply) as error:
                    if (amounts_to := failures.own_doing(error)) is not None:
                        return amounts_to
                    wait = self._wait(error, attempt, started_in)
            await asyncio.sleep(wait)
            attempt += 1

    def _wait(self, error: Exception, attempt: int, started_in: int) -> float:
        """Seconds until the next try.

        Raises:
            SetupError, ModelFault: another try is of no use.
        """
        pause = failures.retry_after(error)
        retries = self._settings.retries
        if not failures.worth_retrying(error, attempt=attempt, retries=retries, answered=self._answered):
            raise self._error(error, tries=attempt + 1) from None
        if failures.pushes_back(error):
            self._limit.pushed_back(started_in, pause or 0.0)
        backoff = min(_MAX_BACKOFF, self._settings.backoff * 2**attempt) * (0.5 + self._jitter.random() / 2)
        return backoff if pause is None else pause + self._jitter.random() * min(0.25, self._settings.backoff)

    def _error(self, error: Exception, tries: int) -> RiseError:
        answered = self._answered
        return failures.as_error(
            error, url=self._url, served=self._served, tries=tries, answered=answered, key=self._key
        )

    async def _post(self, sent: dict[str, Any]) -> JsonValue:
        """One request. The body is read in pieces up to the cap, also where it unpacks to more than was sent."""
        body = bytearray()
        rest = {key: value for key, value in sent.items() if key not in ("model", "messages")}
        create = self._client.chat.completions.with_streaming_response.create
        async with create(model=sent["model"], messages=sent["messages"], extra_body=rest) as response:
            async for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_REPLY_BYTES:
                    raise _TooLarge
        try:
            found: JsonValue = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise wire.BadReply(f"the body is no JSON ({type(error).__name__}): {bytes(body[:120])!r}") from None
        wire.first_choice(found)  # looked at here too, where another try is possible
        return found


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The chat endpoint that serves model `target`.

    Raises:
        InputError: no model named, an unknown argument, one out of range, or a secret among them.
        SetupError: the endpoint needs a key and none is set.
    """
    where = "model openai"
    if not target:
        raise InputError("no model named", where=where, remedy="write openai:NAME, the name that the endpoint serves")
    if "api_key" in args:
        what = "a key among the arguments would be stored with the run"
        raise InputError(what, where=where, remedy="set OPENAI_API_KEY, or name another variable with api_key_env=")
    refuse_unknown("openai", args, frozenset(Settings.model_fields))
    try:
        settings = Settings.model_validate(dict(args))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}", where=where, remedy="correct the model argument") from None
    if sampling.parser not in ("native", "text"):
        raise InputError(f"unknown parser {sampling.parser!r}", where=where, remedy="one of: native, text")
    url = _checked_url(settings.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or _DEFAULT_URL)
    return ChatEndpoint(target, settings, sampling, key=_key(settings, url), base_url=url)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    remedy = "write it like http://127.0.0.1:8000/v1"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url[:80]!r} is no http address", where="base_url", remedy=remedy)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "an address with credentials or a query would be stored with the run", where="base_url", remedy=remedy
        )
    return url.rstrip("/").removesuffix("/chat/completions")


def _key(settings: Settings, url: str) -> str:
    key = os.environ.get(settings.api_key_env, "").strip()
    if key:
        return key
    if settings.api_key_env != _DEFAULT_KEY or url == _DEFAULT_URL:
        raise SetupError(f"{settings.api_key_env} is not set", where=url, remedy="set it in the environment or in .env")
    return "none"  # servers of one's own mostly want no key; the SDK insists on one
