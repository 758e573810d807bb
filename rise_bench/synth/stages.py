"""How a stage is carried out: inputs that are missing, side by side, kept as they come; faults, interrupts, a clean stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Protocol, TypeVar

from rise_bench.errors import Fault, SetupError
from rise_bench.synth.folder import Row, StageFile
from rise_bench.synth.records import Dropped, Stage
from rise_bench.types import Record

__all__ = ["FAULTS", "Tick", "work", "work_in_a_row"]

I = TypeVar("I")  # noqa: E741 - an input
R = TypeVar("R", bound=Record)

_FAULTS_IN_A_ROW = 8
"""So many inputs one after the other that could not be run: the servers or the endpoint are gone, not the inputs bad."""

_ROUNDS = 3
"""So often a stream is begun again after a fault, as long as each round got further."""

FAULTS = frozenset({"fault", "ground fault", "server died", "a server died", "no answer"})
"""Reasons of drops that say nothing of what was dropped: what was to run it failed."""


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
    retry_faults: bool = False,
) -> list[Row[R]]:
    """The rows of all inputs in their order, after those that are missing were done.

    An input that faults (a server died) is done again after the others; one that faults twice is dropped with reason
    `fault`. Where many in a row fault the stage stops, and the next call goes on. Where an input fails otherwise, or a
    limit is reached, no other is begun, those that run are finished and kept, and then the stage stops.

    Args:
        stage: its name, for drops.
        file: where the rows are kept.
        inputs: key to input, in order.
        step: all that one input gives; called from several threads.
        workers: inputs side by side.
        tick: told after each.
        retry_faults: do inputs again whose rows say one of `FAULTS`.

    Raises:
        SetupError: the servers or the endpoint are gone; what was done is kept.
        RiseError, KeyboardInterrupt: as `step`; what was done is kept.
    """
    total = len(inputs)
    todo = _todo(file, inputs, retry_faults)
    if todo or not file.complete(inputs):
        tick(total - len(todo), total)
        faulted = _round(file, todo, step, workers, lambda n: tick(total - len(todo) + n, total))
        again = {key: todo[key] for key in faulted}
        for key, why in _round(file, again, step, 1, lambda n: None).items():
            file.add(Row(of=key, dropped=(Dropped(stage=stage, what=key, reason="fault", detail=why),)))
        file.finish(total)
    return file.rows(inputs)


def _todo(file: StageFile[R], inputs: Mapping[str, I], retry_faults: bool) -> dict[str, I]:
    """The inputs that are missing, and with `retry_faults` those whose rows say that they faulted."""
    rows = file.rows(inputs) if retry_faults else []
    faulted = {row.of for row in rows if any(one.reason in FAULTS for one in row.dropped)}
    return {key: value for key, value in inputs.items() if key in faulted or not file.has(key)}


def _round(
    file: StageFile[R],
    inputs: Mapping[str, I],
    step: Callable[[I], Iterable[R | Dropped]],
    workers: int,
    tick: Callable[[int], None],
) -> dict[str, str]:
    """Do the inputs; those that faulted, with the reason."""
    faulted: dict[str, str] = {}
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    left: dict[Future[list[R | Dropped]], str] = {pool.submit(_all, step, value): key for key, value in inputs.items()}
    in_a_row = 0
    try:
        for number, future in enumerate(as_completed(tuple(left)), 1):
            key = left.pop(future)
            try:
                file.add(_row(key, future.result()))
                in_a_row = 0
            except Fault as fault:
                faulted[key] = str(fault)
                in_a_row += 1
                if in_a_row >= _FAULTS_IN_A_ROW:
                    why = f"{fault.where}: {fault.what}" if fault.where else fault.what
                    what = f"{in_a_row} inputs in a row could not be run, the last because: {why}"
                    raise SetupError(what, where=file.path.name, remedy=_GO_ON) from fault
            tick(number)
    except Exception:
        pool.shutdown(wait=False, cancel_futures=True)
        _finish(file, left)
        raise
    finally:
        # an interrupt waits for nothing: what runs ends when its ground is closed, what has not begun never begins
        pool.shutdown(wait=False, cancel_futures=True)
    return faulted


def _finish(file: StageFile[R], left: Mapping[Future[list[R | Dropped]], str]) -> None:
    """Keep what still runs, as far as it gives something: an answer of a model is paid for once it was asked for."""
    for future in as_completed(future for future in left if not future.cancelled()):
        if future.exception() is None:
            file.add(_row(left[future], future.result()))


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
    retry_faults: bool = False,
) -> list[Row[R]]:
    """As `work`, for a stage that takes all inputs at once and gives one record for each as it goes.

    Args:
        stream: inputs to records; does its own work side by side.
        key_of: the key of the input that a record is of.

    Raises:
        SetupError, RiseError, KeyboardInterrupt: as `work`.
    """
    total = len(inputs)
    todo = _todo(file, inputs, retry_faults)
    if todo or not file.complete(inputs):
        for number in range(_ROUNDS if todo else 0):
            before = len(todo)
            tick(total - before, total)
            try:
                for record in stream(list(todo.values())):
                    if (key := key_of(record)) in todo:
                        file.add(_row(key, [record]))
                        del todo[key]
                        tick(total - len(todo), total)
            except Fault as fault:
                if number == _ROUNDS - 1 or len(todo) == before:
                    raise SetupError(str(fault), where=file.path.name, remedy=_GO_ON) from fault
            else:
                break
        for key in todo:
            file.add(Row(of=key, dropped=(Dropped(stage=stage, what=key, reason="no answer"),)))
        file.finish(total)
    return file.rows(inputs)
