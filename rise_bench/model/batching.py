"""Requests of many threads gathered into batches for an engine that answers several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rise_bench.errors import Fault, ModelFault, RiseError

__all__ = ["Batcher"]

Job = TypeVar("Job")
Result = TypeVar("Result")

LINGER = 0.03
"""Seconds that a batch waits for company after each request: attempts that got their results together ask together."""


@dataclass
class _Asked(Generic[Job, Result]):
    """A request that somebody waits for."""

    job: Job
    done: threading.Event = field(default_factory=threading.Event)
    results: list[Result] = field(default_factory=list)
    """One, when done well."""
    error: RiseError | None = None


class Batcher(Generic[Job, Result]):
    """One worker thread that answers what many threads ask, up to `size` of it at once.

    Whoever has waited longest is in the next batch, with those whose jobs are nearest in length: little is padded, and
    nobody starves.
    """

    def __init__(
        self,
        run: Callable[[list[Job]], list[Result]],
        size: int,
        *,
        length: Callable[[Job], int],
        name: str = "engine",
        linger: float = LINGER,
    ) -> None:
        """
        Args:
            run: one batch, shortest job first; as many results in the same order. Called from the worker alone. What it
                raises, other than a `RiseError`, is a fault of every job of that batch and of no other.
            size: most jobs at once.
            length: of a job, in any unit.
            name: shown in faults.
            linger: seconds a batch that is not full waits for one more job.
        """
        self._run = run
        self._size = size
        self._length = length
        self._name = name
        self._linger = linger
        self._changed = threading.Condition()
        self._waiting: list[_Asked[Job, Result]] = []
        self._running: list[_Asked[Job, Result]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"{name}-batches", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """True once `close` was called: a batch that still runs may end early."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many requests are in no batch yet."""
        return len(self._waiting)

    def ask(self, job: Job) -> Result:
        """The job's result, when its batch is done.

        Raises:
            ModelFault: the batch failed, or the engine was closed.
            RiseError: as `run` raised it.
        """
        asked: _Asked[Job, Result] = _Asked(job)
        with self._changed:
            if self._closed:
                raise self._gone()
            self._waiting.append(asked)
            self._changed.notify_all()
        asked.done.wait()
        if asked.error is not None:
            raise asked.error
        return asked.results[0]

    def close(self) -> None:
        """Release everybody who waits, with a fault, and let the worker end. Closing twice is harmless."""
        with self._changed:
            self._closed = True
            for asked in [*self._waiting, *self._running]:
                asked.error = asked.error or self._gone()
                asked.done.set()
            self._waiting.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)

    def _gone(self) -> ModelFault:
        return ModelFault("the model is closed", where=self._name)

    def _work(self) -> None:
        while batch := self._gathered():
            try:
                results = self._run([asked.job for asked in batch])
                if len(results) != len(batch):
                    raise ModelFault(f"{len(results)} results for {len(batch)} requests", where=self._name)
                for asked, result in zip(batch, results, strict=True):
                    asked.results.append(result)
            except Exception as error:  # the engine is foreign code: whatever escapes is the fault of this batch alone
                self._failed(batch, error)
            with self._changed:
                self._running = []
            for asked in batch:
                asked.done.set()

    def _failed(self, batch: list[_Asked[Job, Result]], error: Exception) -> None:
        for asked in batch:
            if isinstance(error, RiseError) and not isinstance(error, Fault):
                asked.error = error
            else:
                what = error.what if isinstance(error, RiseError) else _one_line(error)
                asked.error = ModelFault(what, where=self._name)  # one each: threads raise them at the same time

    def _gathered(self) -> list[_Asked[Job, Result]]:
        """The next batch; empty once closed."""
        with self._changed:
            while not self._closed and not self._waiting:
                self._changed.wait()
            while not self._closed and len(self._waiting) < self._size and self._changed.wait(self._linger):
                pass
            if self._closed:
                return []
            self._running = self._chosen()
            return self._running

    def _chosen(self) -> list[_Asked[Job, Result]]:
        oldest = self._waiting[0]
        ordered = sorted(self._waiting, key=lambda asked: self._length(asked.job))
        at = next(index for index, asked in enumerate(ordered) if asked is oldest)
        start = min(max(0, at - self._size // 2), max(0, len(ordered) - self._size))
        chosen = ordered[start : start + self._size]
        taken = {id(asked) for asked in chosen}
        self._waiting = [asked for asked in self._waiting if id(asked) not in taken]
        return chosen


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300]
