"""Any OpenAI-compatible endpoint as a model: retries, pacing, limits; what goes wrong said in one line."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError, RiseError, SetupError
from rise_bench.model import failures, history, responses, wire
from rise_bench.model.calls import PARSERS
from rise_bench.model.connection import MAX_REPLY_BYTES, Connection, TooLarge, body_of
from rise_bench.model.encoding import Encoder
from rise_bench.model.limiter import AdaptiveLimit
from rise_bench.model.load import refuse_unknown
from rise_bench.model.streams import ChatDeltas, ResponseEvents, gather
from rise_bench.types import Assistant, ModelRequest, Record, Reply, Sampling, canonical

__all__ = ["ChatEndpoint", "Settings", "endpoint"]

_DEFAULT_URL = "https://api.openai.com/v1"
_DEFAULT_KEY = "OPENAI_API_KEY"

_MAX_BACKOFF = 30.0
_ASIDE_SECONDS = 30.0
"""For what is asked beside the replies: which models, which version."""

_ASIDE_RETRIES = 3
_BUSY = (408, 409, 429, 502, 503, 504)
"""What an endpoint says that cannot answer now, and will later."""

_START = 8
"""Requests at once before anything is known of an endpoint."""

_IDENTITY = ("owned_by", "root", "parent", "revision", "system_fingerprint")
_FINGERPRINTS = 16
_PATHS = {"chat": "/chat/completions", "responses": "/responses"}


class Settings(Record):
    """Model arguments of a chat endpoint. None of them is a secret: the key is read from an environment variable."""

    base_url: str = ""
    """Empty = `OPENAI_BASE_URL`, else OpenAI's. Several, with `;` between, share the attempts (`several.py`)."""
    api_key_env: str = _DEFAULT_KEY
    api: Literal["chat", "responses"] = "chat"
    """Chat completions, or the Responses API."""
    tools: Literal["native", "prompted"] = "native"
    """`prompted` tells the tools in the system message and reads calls from the text: for endpoints that take no tools."""
    stream: bool = False
    """Ask for the answer in events; one that stops before its end is asked for again."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Most requests at once; what the endpoint bears is found by trying. One, where sampling is deterministic."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds for one request in all."""
    retries: int = Field(default=5, ge=0, le=20)
    backoff: float = Field(default=0.5, ge=0, le=60)
    """Seconds before the first retry; doubles at each, unless the endpoint says how long."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Newer hosted models refuse the old name. The Responses API has one of its own."""
    send_seed: bool = True
    """Send a seed wherever the temperature is not 0; some endpoints refuse the field, the Responses API has none."""
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request (`{"reasoning_effort": "low"}`)."""


class ChatEndpoint:
    """A model behind `POST <base_url>/chat/completions` or `/responses`.

    Called from many threads; one background event loop does the work. Source: DESIGN 4.2 for what is a fault and what is
    the model's own doing.
    """

    def __init__(self, served: str, settings: Settings, sampling: Sampling, key: str, base_url: str) -> None:
        self.name = f"openai:{served}"
        self.width = 1 if sampling.deterministic else settings.concurrency
        """Requests at once that keep the endpoint busy."""
        self.seeded = settings.send_seed and settings.api == "chat"
        """Does what is sampled follow the request's seed?"""
        self._served = served
        self._settings = settings
        self._sampling = sampling
        self._parser = _parser(settings, sampling)
        self._key = key
        self._url = base_url
        self._answered = False
        self._fingerprints: set[str] = set()
        self._jitter = random.Random(0)
        self._encoder = Encoder(
            served=served,
            sampling=sampling,
            api=settings.api,
            tools=settings.tools,
            stream=settings.stream,
            max_tokens_name=settings.max_tokens_name,
            seed=settings.send_seed,
            extra=settings.extra_body,
        )
        self._limit = AdaptiveLimit(min(_START, self.width), self.width, time.monotonic)
        self._line = Connection(base_url, key, timeout=settings.timeout)

    def __repr__(self) -> str:
        return f"ChatEndpoint({self._served!r}, {self._url!r})"

    def close(self) -> None:
        """Cancel what runs, close the connections. Safe to call twice."""
        self._line.close()

    # --- what it says of itself -----------------------------------------------------------------------------------------

    def content(self) -> str:
        """`identity` as canonical JSON."""
        return canonical(self.identity())

    def identity(self) -> dict[str, JsonValue]:
        """URL, served id and what GET /models tells of it (owner, root, revision).

        An endpoint that lists no models is told by URL and id alone. Times and permissions are left out: some servers
        make them up at each call. One that cannot be asked just now has no identity: with half of it a run that goes on
        would be taken for another.

        Raises:
            SetupError: nobody answers there, the key is refused, or it stays too busy to say.
        """
        entry = self._line.run(self._entry())
        told = {key: entry[key] for key in _IDENTITY if isinstance(entry.get(key), str) and entry[key]}
        return {"url": self._url, "id": self._served, **told}

    async def _entry(self) -> dict[str, Any]:
        """What GET /models says of the served model; empty where it says nothing that can be used."""
        try:
            listed = await self._listed()
        except (failures.Refused, TooLarge, ValueError, RecursionError) as error:
            if failures.status_of(error) == 401:
                raise self._error(error, tries=1) from None
            return {}
        entries = listed.get("data") if isinstance(listed, dict) else listed
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and entry.get("id") == self._served:
                return entry
        return {}

    async def _listed(self) -> Any:
        """The answer of GET /models, asked again where that can help.

        Raises:
            SetupError: none came.
            Refused, TooLarge, ValueError, RecursionError: it is of no use.
        """
        retries = min(_ASIDE_RETRIES, self._settings.retries)
        for attempt in range(retries + 1):
            try:
                return await self._asked("/models")
            except (failures.Refused, httpx2.HTTPError, TimeoutError) as error:
                if not failures.worth_retrying(error, attempt=attempt, retries=retries, answered=False):
                    if failures.is_unreachable(error):
                        raise self._error(error, tries=attempt + 1) from None
                    if failures.status_of(error) in _BUSY or not failures.status_of(error):
                        said = f"GET /models: {failures.told(error, self._key)}"
                        remedy = "run the same command again when the endpoint answers"
                        raise SetupError(said, where=self._url, remedy=remedy) from None
                    raise
                pause = failures.retry_after(error)
            await asyncio.sleep(self._backoff(attempt) if pause is None else pause)
        raise AssertionError("unreachable")

    async def _asked(self, url: str) -> Any:
        async with asyncio.timeout(min(_ASIDE_SECONDS, self._settings.timeout)):
            return json.loads(await self._line.get(url))

    def settings(self) -> dict[str, JsonValue]:
        """What answers and how it is asked: engine as far as it tells, how tools are rendered and calls are read.

        `server` and `system_fingerprint` are those of the answers so far; an endpoint may change them while a run goes on.
        """
        version = self._line.run(self._version())
        found: dict[str, JsonValue] = {
            "engine": "endpoint",
            "served": self._served,
            "api": self._settings.api,
            "tools": self._settings.tools,
            "tool_choice": self._sampling.tool_choice,
            "strict": self._sampling.strict,
            "parser": self._parser,
            "format": wire.VERSION,
        }
        if version:
            found["engine_version"] = version
        if servers := sorted(self._line.servers):
            found["server"] = ", ".join(servers)
        if fingerprints := sorted(self._fingerprints):
            found["system_fingerprint"] = ", ".join(fingerprints)
        return found

    async def _version(self) -> str:
        """What `/version` beside the API's root says (vLLM and others have one); empty where nothing does."""
        try:
            told = await self._asked(f"{self._url.removesuffix('/v1')}/version")
        except (failures.Refused, httpx2.HTTPError, TooLarge, TimeoutError, ValueError, RecursionError):
            return ""
        version = told.get("version") if isinstance(told, dict) else None
        return version[:100] if isinstance(version, str) else ""

    # --- replies --------------------------------------------------------------------------------------------------------

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Context overflow, output limit, content filter and a body beyond the cap are the model's doing: they come as
        `stop`.

        Raises:
            SetupError: before the first answer: nobody answers, key or model not accepted.
            ModelFault: 5xx, 429, time-out, broken connection or broken stream after retries; a request refused for
                another reason.
        """
        sent = self._encoder.encode(request)
        found = self._line.run(self._ask(sent.content))
        if isinstance(found, Reply):
            return found
        try:
            step = history.steps(request)
            return wire.read_reply(found, sent.names, parser=self._parser, step=step, schemas=sent.schemas)
        except wire.BadReply as error:
            raise self._error(error, tries=1) from None

    async def _ask(self, sent: bytes) -> JsonValue | Reply:
        """The body of the answer, or the reply that its refusal amounts to; tries again where that can help."""
        attempt = 0
        while True:
            async with self._limit.slot() as started_in:
                try:
                    async with asyncio.timeout(self._settings.timeout):
                        found = await self._completion(sent)
                    self._answered = True
                    self._limit.succeeded()
                    return found
                except TooLarge:
                    why = f"the reply is longer than {MAX_REPLY_BYTES} bytes"
                    return Reply(message=Assistant(malformed=why), stop="agent_failed")
                except (failures.Refused, httpx2.HTTPError, TimeoutError, wire.BadReply) as error:
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
        backoff = self._backoff(attempt) * (0.5 + self._jitter.random() / 2)
        return backoff if pause is None else pause + self._jitter.random() * min(0.25, self._settings.backoff)

    def _backoff(self, attempt: int) -> float:
        """Seconds to the next try where the server names none, before jitter."""
        return min(_MAX_BACKOFF, self._settings.backoff * 2.0**attempt)

    def _error(self, error: Exception, tries: int) -> RiseError:
        answered = self._answered
        return failures.as_error(
            error, url=self._url, served=self._served, tries=tries, answered=answered, key=self._key
        )

    async def _completion(self, sent: bytes) -> JsonValue:
        """One request: the answer as a chat completion, looked at as far as another try could better it."""
        found = await self._received(sent)
        if (refusal := failures.refusal_in(found)) is not None:
            raise refusal
        if self._settings.api == "responses":
            found = responses.as_completion(found)
        wire.first_choice(found)
        fingerprint = found.get("system_fingerprint")
        if fingerprint and isinstance(fingerprint, str) and len(self._fingerprints) < _FINGERPRINTS:
            self._fingerprints.add(fingerprint[:100])
        return found  # type: ignore[no-any-return]

    async def _received(self, sent: bytes) -> Any:
        async with self._line.post(_PATHS[self._settings.api], sent) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                return await gather(response, ChatDeltas() if self._settings.api == "chat" else ResponseEvents())
            body = await body_of(response)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise wire.BadReply(f"the body is no JSON ({type(error).__name__}): {body[:120]!r}") from None


def _parser(settings: Settings, sampling: Sampling) -> str:
    """How calls are read: what is told in our words is answered in our syntax."""
    if sampling.parser == "native" and settings.tools == "prompted":
        return "hermes"
    return "auto" if sampling.parser == "text" else sampling.parser


def endpoint(target: str, args: Mapping[str, JsonValue], sampling: Sampling) -> ChatEndpoint:
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
    parsers = ("native", "text", *PARSERS)
    if sampling.parser not in parsers:
        raise InputError(f"unknown parser {sampling.parser!r}", where=where, remedy=f"one of: {', '.join(parsers)}")
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
    return url.rstrip("/").removesuffix("/chat/completions").removesuffix("/responses")


def _key(settings: Settings, url: str) -> str:
    key = os.environ.get(settings.api_key_env, "").strip()
    if key:
        return key
    if settings.api_key_env != _DEFAULT_KEY or url == _DEFAULT_URL:
        raise SetupError(f"{settings.api_key_env} is not set", where=url, remedy="set it in the environment or in .env")
    return ""  # servers of one's own mostly want no key
