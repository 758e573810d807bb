"""What is sent to an endpoint: one request as the bytes of either API, its tools encoded once and not at each turn."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from rise_bench.model import responses, wire
from rise_bench.model.calls import Schemas
from rise_bench.model.prompt import prompted
from rise_bench.types import ModelRequest, Sampling, Tool

__all__ = ["Encoder", "Sent"]

_KEPT = 512
"""Encoded sets of tools that are kept: one a suite mostly, one a task where tasks bring their own."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body, with the names and the argument schemas that its tools have there."""

    content: bytes
    names: wire.Names
    schemas: Schemas


@dataclass(frozen=True, slots=True)
class _Offer:
    """A set of tools as it is sent. `tools` keeps them alive, so that their identities stay theirs."""

    tools: Sequence[Tool]
    names: wire.Names
    schemas: Schemas
    encoded: bytes


@dataclass(slots=True, kw_only=True)
class Encoder:
    """Requests as bytes, for one endpoint.

    Args:
        served: the served id.
        sampling: how to sample.
        api: which API the endpoint has.
        tools: `prompted` tells them in the system message, for endpoints that take none.
        stream: ask for the answer in events.
        max_tokens_name: how the endpoint calls the limit.
        seed: send one wherever replies are sampled, or determined.
        extra: further fields, which replace ours of the same name.
    """

    served: str
    sampling: Sampling
    api: Literal["chat", "responses"]
    tools: Literal["native", "prompted"]
    stream: bool
    max_tokens_name: str
    seed: bool
    extra: Mapping[str, JsonValue]
    _offers: dict[tuple[int, ...], _Offer] = field(default_factory=dict, init=False, repr=False)

    def encode(self, request: ModelRequest) -> Sent:
        """The body of a request: its fields, its messages, its tools."""
        offer = self._offer(request.tools)
        parts: dict[str, bytes] = {}
        if self.tools == "prompted":
            messages: list[dict[str, Any]] = [*prompted(request.messages, request.tools, offer.names)]
        else:
            messages = wire.chat_messages(request.messages, offer.names)
            if offer.encoded:
                parts["tools"] = offer.encoded
        if self.api == "responses":
            parts["input"] = _json(responses.items(messages))
        else:
            parts["messages"] = _json(messages)
        fields = self._fields(request, offer)
        content = bytearray(_json(fields))
        del content[-1:]  # the brace that closes the fields
        for key, part in parts.items():
            if key not in fields:
                content += b',"%b":%b' % (key.encode(), part)
        return Sent(bytes(content) + b"}", offer.names, offer.schemas)

    def _fields(self, request: ModelRequest, offer: _Offer) -> dict[str, Any]:
        found = wire.fields(self.served, self.sampling, offer.names, tools=bool(offer.encoded))
        found[self.max_tokens_name] = found.pop("max_tokens")
        if self.seed and (self.sampling.deterministic or self.sampling.temperature != 0):
            found["seed"] = random.Random(f"{request.seed}/{request.task}/{request.attempt}").randrange(2**31)
        if self.stream:
            found |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.api == "responses":
            found = responses.fields(found)
        return {**found, **self.extra}

    def _offer(self, tools: Sequence[Tool]) -> _Offer:
        """The tools as they are sent, from the last time where they are the very same objects."""
        key = tuple(map(id, tools))
        offer = self._offers.get(key)
        if offer is None:
            if len(self._offers) >= _KEPT:
                self._offers.clear()
            offer = self._offers[key] = self._made(tools)
        return offer

    def _made(self, tools: Sequence[Tool]) -> _Offer:
        names = wire.Names.of(tools)
        by_name = {names.wire(tool.id): tool.parameters for tool in tools}
        if self.tools == "prompted" or not tools:
            return _Offer(tools, names, by_name, b"")
        schemas = [wire.tool_schema(tool, names, strict=self.sampling.strict) for tool in tools]
        if self.api == "responses":
            schemas = [responses.tool(schema) for schema in schemas]
        return _Offer(tools, names, by_name, _json(schemas))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
