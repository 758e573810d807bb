"""One stage after the other: keys and steps in, records out; bars, funnel, and the stage after which to stop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from rise_bench.synth.folder import Row, StageFile, SynthFolder
from rise_bench.synth.funnel import Funnel, counted, level
from rise_bench.synth.records import Dropped, Stage
from rise_bench.synth.stages import Tick, work, work_in_a_row
from rise_bench.types import Record

__all__ = ["Progress", "Running", "Until"]

I = TypeVar("I")  # noqa: E741 - an input
R = TypeVar("R", bound=Record)

Progress = Callable[[str], AbstractContextManager[Tick]]
"""A bar for the stage of this name."""

_KINDS: dict[str, Stage] = {
    "entities": "propose",
    "prove": "gate",
    "twins": "author",
    "twins-proved": "gate",
}
"""Files whose name is no stage of the records."""


class Until(Exception):
    """The last stage that was asked for is done."""


class Running:
    """Carries stages out in a folder.

    Args:
        until: raise `Until` after the stage of this name; empty = never.
        retry_faults: do inputs again whose rows say that they faulted.
    """

    def __init__(
        self,
        name: str,
        folder: SynthFolder,
        progress: Progress,
        workers: int,
        until: str = "",
        *,
        retry_faults: bool = False,
    ) -> None:
        self.folder = folder
        self.funnel = Funnel(name=name)
        self._progress = progress
        self._workers = workers
        self._until = until
        self._retry_faults = retry_faults

    def rows(
        self, name: str, word: str, kind: type[R], inputs: Mapping[str, I], step: Callable[[I], Iterable[R | Dropped]]
    ) -> list[Row[R]]:
        """The rows of a stage, one an input, in the order of the inputs.

        Raises:
            Until: this was the last one wanted.
            SetupError, RiseError, KeyboardInterrupt: as `work`.
        """
        file = self.folder.stage(name, kind)
        stage: Stage = _KINDS.get(name, name)  # type: ignore[arg-type]
        workers, again = self._workers, self._retry_faults
        with self._told(name, word, file, inputs), self._progress(name) as tick:
            rows = work(stage, file, inputs, step, workers=workers, tick=tick, retry_faults=again)
        self._ended(name, word, rows)
        return rows

    def made(
        self, name: str, word: str, kind: type[R], inputs: Mapping[str, I], step: Callable[[I], Iterable[R | Dropped]]
    ) -> list[R]:
        """As `rows`, and of these only what was made."""
        return [one for row in self.rows(name, word, kind, inputs, step) for one in row.made]

    def streamed(
        self,
        name: Stage,
        word: str,
        kind: type[R],
        inputs: Mapping[str, I],
        stream: Callable[[list[I]], Iterator[R | Dropped]],
        key_of: Callable[[R | Dropped], str],
    ) -> list[R]:
        """As `made`, for a stage that takes all inputs at once."""
        file = self.folder.stage(name, kind)
        with self._told(name, word, file, inputs), self._progress(name) as tick:
            rows = work_in_a_row(name, file, inputs, stream, key_of, tick=tick, retry_faults=self._retry_faults)
        self._ended(name, word, rows)
        return [one for row in rows for one in row.made]

    @contextmanager
    def _told(self, name: str, word: str, file: StageFile[R], inputs: Collection[str]) -> Iterator[None]:
        """Where a stage is stopped in its middle, what it did by then is counted."""
        try:
            yield
        except BaseException:
            rows = file.rows(inputs)
            note = f"unfinished: {len(rows)} of {len(inputs)} inputs are done"
            self.funnel = self.funnel.with_level(level(name, word, rows, note=note))
            raise

    def _ended(self, name: str, word: str, rows: Sequence[Row[R]]) -> None:
        self.funnel = self.funnel.with_level(level(name, word, rows))
        if name == self._until:
            raise Until(name)

    def count(self, name: str, word: str, inputs: int, made: int, dropped: Iterable[Dropped]) -> None:
        """Count a stage that keeps no rows, as it follows from what is there; what it drops stands in a file of its own."""
        dropped = list(dropped)
        lines = "".join(f"{one.model_dump_json()}\n" for one in dropped)
        self.folder.write(f"{word.replace(' ', '-')}.dropped.jsonl", lines)
        self.funnel = self.funnel.with_level(counted(name, word, inputs, made, dropped))
