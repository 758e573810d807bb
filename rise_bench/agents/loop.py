"""One event loop in a daemon thread, for the gateways and the processes of all attempts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["Loop"]

_Value = TypeVar("_Value")


class Loop:
    """Runs coroutines for other threads. Its thread starts every process: bubblewrap dies with the thread that did."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rise-bench-agents", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, _Value]) -> concurrent.futures.Future[_Value]:
        """The future of a coroutine that begins now."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, _Value], timeout: float | None = None) -> _Value:
        """What a coroutine gives; `TimeoutError` after that many seconds, and it is cancelled."""
        future = self.submit(work)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def soon(self, act: Callable[..., object], *args: object) -> None:
        """Call on the loop's thread; nothing happens once the loop is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act, *args)

    def close(self) -> None:
        """End every task, then the thread. Closing twice is harmless."""
        if self._loop.is_closed():
            return
        with suppress(concurrent.futures.TimeoutError):
            self.run(_cancel_all(), timeout=5.0)
        self.soon(self._loop.stop)
        self._thread.join(5.0)
        if not self._loop.is_running():
            self._loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
