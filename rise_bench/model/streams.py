"""Streamed answers put together again: an answer that does not say that it ended is a broken one, never a short one."""

from __future__ import annotations

import json
from typing import Any, Protocol

import httpx2

from rise_bench.model.connection import MAX_REPLY_BYTES, TooLarge
from rise_bench.model.failures import refusal_in, unread_call
from rise_bench.model.wire import BadReply

__all__ = ["ChatDeltas", "ResponseEvents", "gather"]

_MAX_CALLS = 1000
"""More calls in one message are no answer; an index is never used to make room."""


class _Gathering(Protocol):
    """Takes the events of one answer."""

    def add(self, event: dict[str, Any]) -> None:
        """Take one event."""
        ...

    def whole(self) -> dict[str, Any]:
        """The answer as it would have come in one piece.

        Raises:
            BadReply: it never ended.
        """
        ...


async def gather(response: httpx2.Response, into: _Gathering) -> dict[str, Any]:
    """The answer of an event stream, as it would have come in one piece.

    Raises:
        BadReply: an event that is no JSON object, or a stream that stops before the answer does.
        Refused: an error with a status of its own, in the middle of the stream.
        TooLarge, httpx2.HTTPError
    """
    size = 0
    async for event in httpx2.EventSource(response, max_event_size=MAX_REPLY_BYTES):
        size += len(event.data)
        if size > MAX_REPLY_BYTES:
            raise TooLarge
        if event.data.strip() == "[DONE]":
            break
        if not event.data:  # a sign of life
            continue
        into.add(_event(event.data))
    return into.whole()


def _event(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if (unread := unread_call(text)) is not None:  # sent with line breaks in it, which end an event
            raise unread from None
        raise BadReply(f"an event is no JSON ({type(error).__name__}): {text[:120]!r}") from None
    if not isinstance(found, dict):
        raise BadReply(f"an event is no object: {text[:120]!r}")
    if (refusal := refusal_in(found)) is not None:
        raise refusal
    if found.get("error"):
        raise BadReply(f"the endpoint gave up in the middle: {json.dumps(found['error'], ensure_ascii=False)[:200]}")
    return found


class ChatDeltas:
    """A chat completion in deltas: content and refusal in pieces, calls in pieces by index, usage in a last event."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {"content": [], "refusal": []}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: Any = None
        self._error: Any = None
        self._told: dict[str, Any] = {}

    def add(self, event: dict[str, Any]) -> None:
        """Take one chunk."""
        for key in ("usage", "system_fingerprint", "model", "id"):
            if event.get(key):
                self._told[key] = event[key]
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            return
        self._finish = choice.get("finish_reason") or self._finish
        self._error = choice.get("error") or self._error
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        for key, pieces in self._texts.items():
            if isinstance(delta.get(key), str):
                pieces.append(delta[key])
        calls = delta.get("tool_calls")
        for position, piece in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(piece, dict):
                self._add_call(piece, position)

    def _add_call(self, piece: dict[str, Any], position: int) -> None:
        index = piece.get("index")
        index = index if isinstance(index, int) else position
        if index not in self._calls and len(self._calls) >= _MAX_CALLS:
            raise BadReply(f"more than {_MAX_CALLS} calls in one message")
        call = self._calls.setdefault(index, {"id": None, "function": {"name": "", "arguments": []}})
        call["id"] = call["id"] or piece.get("id")
        function = piece.get("function")
        if isinstance(function, dict):
            # the name comes whole, by some servers again and again; the arguments come in pieces
            call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
            arguments = function.get("arguments")
            if arguments is not None:
                text = arguments if isinstance(arguments, str) else json.dumps(arguments)
                call["function"]["arguments"].append(text)

    def whole(self) -> dict[str, Any]:
        """The completion.

        Raises:
            BadReply: no finish reason came.
        """
        if self._finish is None and self._error is None:
            raise BadReply("the stream stopped before the answer ended")
        calls = [
            {**call, "function": {**call["function"], "arguments": "".join(call["function"]["arguments"])}}
            for _, call in sorted(self._calls.items())
        ]
        message: dict[str, Any] = {key: "".join(pieces) for key, pieces in self._texts.items()}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish, "error": self._error}
        return {**self._told, "choices": [choice]}


class ResponseEvents:
    """A response in events: the last one carries it whole."""

    def __init__(self) -> None:
        self._response: dict[str, Any] | None = None

    def add(self, event: dict[str, Any]) -> None:
        """Take one event."""
        last = event.get("type") in ("response.completed", "response.incomplete", "response.failed")
        if last and isinstance(event.get("response"), dict):
            self._response = event["response"]
        if event.get("type") == "error":
            raise BadReply(f"the endpoint gave up in the middle: {json.dumps(event, ensure_ascii=False)[:200]}")

    def whole(self) -> dict[str, Any]:
        """The response.

        Raises:
            BadReply: it was never said to have ended.
        """
        if self._response is None:
            raise BadReply("the stream stopped before the answer ended")
        return self._response
