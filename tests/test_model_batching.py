"""Requests of many threads, gathered into batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rise_bench.errors import ModelFault, SetupError
from rise_bench.model.batching import Batcher

FOREVER = 600.0
"""A linger that only a full batch ends: no test waits for it."""


class Engine:
    """Doubles what it is asked, keeps its batches, and can be held."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.running = threading.Event()
        self.let_go = threading.Event()
        self.let_go.set()
        self.error: Exception | None = None

    def run(self, jobs: list[int]) -> list[int]:
        self.batches.append(jobs)
        self.running.set()
        self.let_go.wait()
        if self.error is not None:
            raise self.error
        return [2 * job for job in jobs]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def batcher(engine: Engine, size: int, linger: float = 0.0) -> Batcher[int, int]:
    return Batcher(engine.run, size, length=lambda job: job, name="toy", linger=linger)


def until(holds: Callable[[], bool]) -> None:
    changed = threading.Event()
    while not holds():
        changed.wait(0.001)


def held(asked: Batcher[int, int], engine: Engine, threads: ThreadPoolExecutor, jobs: list[int]) -> list[Future[int]]:
    """The first job is with the engine, which is held; the others wait, in this order."""
    engine.let_go.clear()
    found = [threads.submit(asked.ask, jobs[0])]
    engine.running.wait()
    for number, job in enumerate(jobs[1:], start=1):
        found.append(threads.submit(asked.ask, job))
        until(lambda wanted=number: asked.waiting == wanted)  # type: ignore[misc]
    return found


def test_requests_that_wait_together_are_one_batch_shortest_first(engine: Engine, threads: ThreadPoolExecutor) -> None:
    asked = batcher(engine, 4, FOREVER)
    assert list(threads.map(asked.ask, [30, 10, 40, 20])) == [60, 20, 80, 40]
    assert engine.batches == [[10, 20, 30, 40]]
    asked.close()


def test_the_oldest_request_is_next_with_those_nearest_to_it(engine: Engine, threads: ThreadPoolExecutor) -> None:
    asked = batcher(engine, 2)
    answers = held(asked, engine, threads, [1, 100, 5, 99, 6])
    engine.let_go.set()
    assert [answer.result() for answer in answers] == [2, 200, 10, 198, 12]
    assert engine.batches == [[1], [99, 100], [5, 6]]
    asked.close()


def test_a_batch_that_fails_is_a_fault_of_its_own_requests_alone(engine: Engine) -> None:
    asked = batcher(engine, 2)
    engine.error = ValueError("two\nlines")
    with pytest.raises(ModelFault, match="toy: ValueError: two lines"):
        asked.ask(1)
    engine.error = None
    assert asked.ask(2) == 4
    asked.close()


def test_an_engine_that_cannot_be_set_up_says_so_itself(engine: Engine) -> None:
    asked = batcher(engine, 2)
    engine.error = SetupError("no weights", where="toy")
    with pytest.raises(SetupError, match="no weights"):
        asked.ask(1)
    asked.close()


def test_too_few_results_are_a_fault(threads: ThreadPoolExecutor) -> None:
    asked: Batcher[int, int] = Batcher(lambda jobs: jobs[1:], 2, length=lambda job: job, name="toy", linger=FOREVER)
    for answer in [threads.submit(asked.ask, job) for job in (1, 2)]:
        with pytest.raises(ModelFault, match="1 results for 2 requests"):
            answer.result()
    asked.close()


def test_closing_releases_who_waits_and_who_is_being_answered(engine: Engine, threads: ThreadPoolExecutor) -> None:
    asked = batcher(engine, 1)
    answers = held(asked, engine, threads, [1, 2, 3])
    closing = threads.submit(asked.close)
    for answer in answers:
        with pytest.raises(ModelFault, match="the model is closed"):
            answer.result()
    engine.let_go.set()
    closing.result()
    asked.close()
    assert asked.closed
    assert engine.batches == [[1]]
    with pytest.raises(ModelFault, match="the model is closed"):
        asked.ask(4)
