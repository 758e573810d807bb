"""`openai:NAME`: one endpoint, or several that serve the same model; then each attempt stays with one of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from rise_bench.errors import InputError, ModelFault
from rise_bench.model.chat import ChatEndpoint, endpoint
from rise_bench.types import Model, ModelRequest, Reply, Sampling, Suite, canonical

__all__ = ["Several", "make"]

_TRY_AGAIN = 20
"""Of so many attempts one may go to an endpoint that faulted last."""


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The endpoint that serves model `target`, or all that `base_url` names with `;` between.

    Raises:
        InputError, SetupError: as `chat.endpoint`.
    """
    given = str(args.get("base_url") or os.environ.get("OPENAI_BASE_URL") or "")
    urls = [url.strip() for url in given.split(";") if url.strip()]
    if len(urls) < 2:
        return endpoint(target, args, sampling)
    return Several([endpoint(target, {**args, "base_url": url}, sampling) for url in dict.fromkeys(urls)])


class Several:
    """Attempts go round the endpoints in turn; all requests of one go to the same, which has its beginning cached.

    The endpoints must say the same of the model they serve (owner, root, revision), so that they are one model.
    """

    def __init__(self, endpoints: Sequence[ChatEndpoint]) -> None:
        self.name = endpoints[0].name
        self.width = sum(one.width for one in endpoints)
        self.seeded = all(one.seeded for one in endpoints)
        self._endpoints = tuple(endpoints)
        self._lock = threading.Lock()
        self._of: dict[tuple[str, int], ChatEndpoint] = {}
        self._load = dict.fromkeys(self._endpoints, 0)
        self._faulted: set[ChatEndpoint] = set()
        self._begun = 0

    def content(self) -> str:
        """What the endpoints say of the model, and their addresses.

        Raises:
            SetupError: one does not answer, or refuses the key.
            InputError: they serve different things under one name.
        """
        told = [one.identity() for one in self._endpoints]
        urls = [str(one.pop("url")) for one in told]
        for one, url in zip(told, urls, strict=True):
            if one != told[0]:
                raise InputError(
                    f"{canonical(one)} is not what the first serves: {canonical(told[0])}",
                    where=url,
                    remedy="name endpoints of one model",
                )
        return canonical({**told[0], "url": ";".join(sorted(urls))})

    def settings(self) -> dict[str, JsonValue]:
        """Those of the first, and how many there are; where another differs, both values."""
        found: dict[str, JsonValue] = {}
        for one in self._endpoints:
            for key, value in one.settings().items():
                found[key] = value if found.get(key, value) == value else f"{found[key]} | {value}"
        return found | {"endpoints": len(self._endpoints)}

    def reply(self, request: ModelRequest) -> Reply:
        """The next message, from the attempt's endpoint.

        Raises:
            ModelFault: as `ChatEndpoint.reply`.
        """
        busy = self._endpoint(request)
        try:
            made = busy.reply(request)
        except ModelFault:
            self._faulted.add(busy)
            raise
        self._faulted.discard(busy)
        return made

    def _endpoint(self, request: ModelRequest) -> ChatEndpoint:
        key = (request.task, request.attempt)
        with self._lock:
            if key not in self._of:
                chosen = min(self._turn(), key=lambda one: self._load[one])
                self._load[chosen] += 1
                self._of[key] = chosen
            return self._of[key]

    def _turn(self) -> Sequence[ChatEndpoint]:
        """Who may take the next attempt: those that did not fault last. One that is down has always room, and would draw
        all attempts to it; now and then it is tried again, for it may have come back.
        """
        self._begun += 1
        sound = [one for one in self._endpoints if one not in self._faulted]
        return self._endpoints if not sound or self._begun % _TRY_AGAIN == 0 else sound

    def ended(self, task: str, attempt: int) -> None:
        """The attempt's endpoint is free for another."""
        with self._lock:
            busy = self._of.pop((task, attempt), None)
            if busy is not None:
                self._load[busy] -= 1

    def close(self) -> None:
        """Close all."""
        for one in self._endpoints:
            one.close()
