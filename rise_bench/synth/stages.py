"""How a stage is carried out: inputs that are missing, side by side, kept as they come; faults, interrupts, a clean stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Protocol, TypeVar

from rise_bench.errors import Fault, SetupError
from rise_bench.synth.folder import Row, StageFile
from rise_bench.synth.records import Dropped, Stage
from rise_bench.types import Record

__all__ = ["Tick", "work", "work_in_a_row"]

I = TypeVar("I")  # noqa: E741 - an input
R = TypeVar("R", bound=Record)

_FAULTS_IN_A_ROW = 8
"""So many inputs one after the other that could not be run: the servers or the endpoint are gone, not the inputs bad."""

_ROUNDS = 3
"""So often a stream is begun again after a fault, as long as each round got further."""


class Tick(Protocol):
    """Told how far a stage is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` inputs are finished."""
        ...


def work(
    stage: Stage,
    file: StageFile[R],
    inputs: Mapping[str, I],
    step: Callable[[I], Iterable[R | Dropped]],
    *,
    workers: int,
    tick: Tick,
) -> list[Row[R]]:
    """The rows of all inputs in their order, after those that are missing were done.

    An input that faults (a server died) is done again after the others; one that faults twice is dropped with reason
    `fault`. Where many in a row fault the stage stops, and the next call goes on.

    Args:
        stage: its name, for drops.
        file: where the rows are kept.
        inputs: key to input, in order.
        step: all that one input gives; called from several threads.
        workers: inputs side by side.
        tick: told after each.

    Raises:
        SetupError: the servers or the endpoint are gone; what was done is kept.
        RiseError, KeyboardInterrupt: as `step`; what was done is kept.
    """
    total = len(inputs)
    if not file.complete(inputs):
        left = {key: value for key, value in inputs.items() if not file.has(key)}
        tick(total - len(left), total)
        faulted = _round(file, left, step, workers, lambda n: tick(total - len(left) + n, total))
        again = {key: left[key] for key in faulted}
        for key, why in _round(file, again, step, 1, lambda n: None).items():
            file.add(Row(of=key, dropped=(Dropped(stage=stage, what=key, reason="fault", detail=why),)))
        file.finish(total)
    return file.rows(inputs)


def _round(
    file: StageFile[R],
    inputs: Mapping[str, I],
    step: Callable[[I], Iterable[R | Dropped]],
    workers: int,
    tick: Callable[[int], None],
) -> dict[str, str]:
    """Do the inputs; those that faulted, with the reason."""
    faulted: dict[str, str] = {}
    if not inputs:
        return faulted
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        running: dict[Future[list[R | Dropped]], str] = {
            pool.submit(_all, step, value): key for key, value in inputs.items()
        }
        in_a_row = 0
        for number, future in enumerate(as_completed(running), 1):
            key = running[future]
            try:
                file.add(_row(key, future.result()))
                in_a_row = 0
            except Fault as fault:
                faulted[key] = str(fault)
                in_a_row += 1
                if in_a_row >= _FAULTS_IN_A_ROW:
                    what = f"{in_a_row} inputs in a row could not be run, the last because: {fault}"
                    raise SetupError(what, where=file.path.name, remedy=_GO_ON) from fault
            tick(number)
    finally:
        # an interrupt waits for nothing: what runs ends when its ground is closed, what has not begun never begins
        pool.shutdown(wait=False, cancel_futures=True)
    return faulted


_GO_ON = "see what became of the servers or the endpoint, then run the same command again: it goes on where it stopped"


def _all(step: Callable[[I], Iterable[R | Dropped]], value: I) -> list[R | Dropped]:
    return list(step(value))


def _row(key: str, gave: Iterable[R | Dropped]) -> Row[R]:
    made: list[R] = []
    dropped: list[Dropped] = []
    for one in gave:
        if isinstance(one, Dropped):
            dropped.append(one)
        else:
            made.append(one)
    return Row(of=key, made=tuple(made), dropped=tuple(dropped))


def work_in_a_row(
    stage: Stage,
    file: StageFile[R],
    inputs: Mapping[str, I],
    stream: Callable[[list[I]], Iterator[R | Dropped]],
    key_of: Callable[[R | Dropped], str],
    *,
    tick: Tick,
) -> list[Row[R]]:
    """As `work`, for a stage that takes all inputs at once and gives one record for each as it goes.

    Args:
        stream: inputs to records; does its own work side by side.
        key_of: the key of the input that a record is of.

    Raises:
        SetupError, RiseError, KeyboardInterrupt: as `work`.
    """
    total = len(inputs)
    for number in range(_ROUNDS):
        if file.complete(inputs):
            break
        left = {key: value for key, value in inputs.items() if not file.has(key)}
        before = done = total - len(left)
        tick(done, total)
        try:
            for record in stream(list(left.values())):
                key = key_of(record)
                if key in left and not file.has(key):
                    file.add(_row(key, [record]))
                    done += 1
                    tick(done, total)
        except Fault as fault:
            if number == _ROUNDS - 1 or done == before:
                raise SetupError(str(fault), where=file.path.name, remedy=_GO_ON) from fault
            continue
        for key in (key for key in left if not file.has(key)):
            file.add(Row(of=key, dropped=(Dropped(stage=stage, what=key, reason="no answer"),)))
        file.finish(total)
    return file.rows(inputs)
