"""How many requests an endpoint gets at once: grows while it answers, shrinks when it asks for less."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["AdaptiveLimit"]

_SHRINK = 0.8


class AdaptiveLimit:
    """Additive increase, multiplicative decrease (AIMD) of the number of requests in flight.

    Each success adds 1 / limit (so about one per round of requests), each push-back takes a fifth away, at most once for
    the requests that were already in flight together. `pause_until` holds every new request back, as Retry-After asks.
    All methods run on one event loop.
    """

    def __init__(self, start: int, ceiling: int, clock: Callable[[], float]) -> None:
        self.limit = float(min(start, ceiling))
        self._ceiling = float(ceiling)
        self._clock = clock
        self._in_flight = 0
        self._round = 0
        self._pause = 0.0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Room for one request; gives the round it belongs to, for `pushed_back`."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._in_flight < max(1, int(self.limit)))
            self._in_flight += 1
        try:
            while (wait := self._pause - self._clock()) > 0:
                await asyncio.sleep(wait)
            yield self._round
        finally:
            self._in_flight -= 1
            async with self._freed:
                self._freed.notify_all()

    def succeeded(self) -> None:
        """An answer came: let a little more through."""
        self.limit = min(self._ceiling, self.limit + 1 / self.limit)

    def pushed_back(self, started_in: int, pause: float = 0.0) -> None:
        """The endpoint asked for less (429, 503), or for `pause` seconds of silence."""
        if started_in == self._round:
            self.limit = max(1.0, self.limit * _SHRINK)
            self._round += 1
        self._pause = max(self._pause, self._clock() + pause)
