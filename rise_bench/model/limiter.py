"""How many requests an endpoint gets at once: grows while it answers, shrinks when it asks for less."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["AdaptiveLimit"]

_SHRINK = 0.8


class AdaptiveLimit:
    """How many requests may be in flight: grown by successes, cut by push-back, never above the ceiling.

    Until the first push-back each success adds 1, so the limit doubles with each round of requests and an engine is full
    after a few; from then on additive increase, multiplicative decrease (AIMD): each success adds 1 / limit (about one per
    round), each push-back takes a fifth away, at most once for the requests that were already in flight together. A pause,
    as Retry-After asks for one, holds every new request back. Those who wait are served in their order. All methods run
    on one event loop.
    """

    def __init__(self, start: int, ceiling: int, clock: Callable[[], float]) -> None:
        self.limit = float(min(start, ceiling))
        self._ceiling = float(ceiling)
        self._clock = clock
        self._in_flight = 0
        self._round = 0
        self._pause = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Room for one request; gives the round it belongs to, for `pushed_back`."""
        await self._enter()
        try:
            while (wait := self._pause - self._clock()) > 0:
                await asyncio.sleep(wait)
            yield self._round
        finally:
            self._in_flight -= 1
            self._admit()

    async def _enter(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # admitted and cancelled at once: the room goes to the next
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        room = max(1, int(self.limit))
        while self._waiting and self._in_flight < room:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)

    def succeeded(self) -> None:
        """An answer came: let more through."""
        more = 1.0 if self._round == 0 else 1 / self.limit
        self.limit = min(self._ceiling, self.limit + more)

    def pushed_back(self, started_in: int, pause: float = 0.0) -> None:
        """The endpoint asked for less (429, 503), or for `pause` seconds of silence."""
        if started_in == self._round:
            self.limit = max(1.0, self.limit * _SHRINK)
            self._round += 1
        self._pause = max(self._pause, self._clock() + pause)
