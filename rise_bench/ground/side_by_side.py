"""Work on several servers side by side that an interrupt ends at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from rise_bench.ground.client import end_those_of

__all__ = ["side_by_side"]

LOOK_SECONDS = 0.2
"""How long to wait before looking for an interrupt, or for servers that were started after it."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    workers: int,
    stop: Callable[[], object] = lambda: None,
) -> Generator[_Result]:
    """What the work gives for each item, as soon as it is there.

    When this is given up, by an interrupt for one, no further item is begun, and the servers that the work has started
    are ended, so that it ends itself.

    Args:
        workers: most items side by side.
        stop: is called when this is given up, more than once; ends servers that the work uses and has not started.
    """
    threads: set[threading.Thread] = set()
    pool = ThreadPoolExecutor(workers, initializer=lambda: threads.add(threading.current_thread()))
    waiting = {pool.submit(work, item) for item in items}
    try:
        while waiting:
            # with a time-out: an interrupt that comes just before an endless wait would not end it
            ended, waiting = wait(waiting, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while running := [future for future in waiting if not future.done()]:
            stop()
            end_those_of(threads)
            wait(running, timeout=LOOK_SECONDS)
