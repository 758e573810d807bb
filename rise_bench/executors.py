"""Who makes the attempts of an evaluation: the threads of this process, unless another executor is asked for."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from rise_bench.work import Key, Made, Worker

__all__ = ["Executor", "local"]

_LOOK_SECONDS = 0.5
"""How long to wait for an attempt before looking for an interrupt."""


class Executor(Protocol):
    """What a plug-in of kind `executor` is."""

    def __call__(self, worker: Worker, keys: Iterator[Key], width: int) -> Generator[Made]:
        """The attempts, in the order in which they end.

        A key is drawn only when there is room for it, so that whoever hands them out can stop. What still runs when the
        iterator is closed is given up.

        Args:
            worker: with its model; its ground not yet opened.
            keys: what is to be made.
            width: most attempts side by side.

        Raises:
            RiseError: an attempt cannot be made for a reason that concerns them all.
        """
        ...


def local(worker: Worker, keys: Iterator[Key], width: int) -> Generator[Made]:
    """Attempts in threads of this process."""
    worker.open()
    running: set[Future[Made]] = set()
    while True:
        while len(running) < width and (key := next(keys, None)):
            running.add(_begin(worker, key))
        if not running:
            return
        # with a time-out: an interrupt that comes just before an endless wait would not end it
        ended, running = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        # what was made is kept before an error of another attempt ends the run
        for future in sorted(ended, key=lambda future: future.exception() is not None):
            yield future.result()


def _begin(worker: Worker, key: Key) -> Future[Made]:
    """An attempt in a thread of its own: a daemon, since the threads of an executor would hold the interpreter's exit
    until the slowest model has answered, and so an interrupt.
    """
    future: Future[Made] = Future()

    def body() -> None:
        try:
            future.set_result(worker.make(key))
        except BaseException as error:  # whatever it is, it belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=body, name=f"attempt {key[1]} at {key[0]}", daemon=True).start()
    return future
