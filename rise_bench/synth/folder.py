"""A synthesis folder: what it is made from, one JSON Lines file a stage, one line for all that one input gave.

A line is written and flushed when its input is finished, so a killed run loses at most the inputs it had in hand. The
last line of a stage that has seen all its inputs is a `Done`.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.store import cannot_write, line_of, read_record, write_atomic
from rise_bench.synth.records import Dropped
from rise_bench.types import Record

__all__ = ["KEY", "Done", "Row", "Spec", "StageFile", "SynthFolder"]

R = TypeVar("R", bound=Record)


class Spec(Record):
    """What a synthesis is made from; its digest names the folder. Concurrency, limits and output stay outside."""

    name: str
    recipe: dict[str, JsonValue]
    """The recipe, without what only says how or whereto."""
    ground: str
    """Digest of the ground."""
    worlds: dict[str, str]
    """Fixture to the digest of its files."""
    format: int = 1
    """Of what stages keep."""


class Row(Record, Generic[R]):
    """All that one input of a stage gave."""

    of: str
    """Key of the input."""
    made: tuple[R, ...] = ()
    dropped: tuple[Dropped, ...] = ()


class Done(Record):
    """The stage has seen all its inputs."""

    done: int
    """How many they were."""


class StageFile(Generic[R]):
    """The rows of one stage on disk; the offsets of complete lines are kept in memory, their content is not.

    Args:
        path: the file; made at the first row.
        kind: what the stage makes.
    """

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self._row: type[Row[R]] = Row[kind]  # type: ignore[valid-type]
        self._lock = threading.Lock()
        self._offsets: dict[str, int] = {}
        self._done: int | None = None
        self._read()

    def has(self, key: str) -> bool:
        """Is the input with this key finished?"""
        return key in self._offsets

    def complete(self, inputs: Collection[str]) -> bool:
        """Are all these inputs finished, and does the file's last line say that the stage has seen so many?"""
        return self._done == len(inputs) and all(key in self._offsets for key in inputs)

    def add(self, row: Row[R]) -> None:
        """Keep what one input gave. Called from many threads.

        Raises:
            InputError: the disk is full or read-only; what was written before is kept.
        """
        line = row.model_dump_json().encode() + b"\n"
        with self._lock:
            self._offsets[row.of] = self._append(line)
            self._done = None

    def finish(self, inputs: int) -> None:
        """Write down that the stage has seen all of so many inputs; nothing where that stands there already."""
        with self._lock:
            if self._done != inputs:
                self._append(Done(done=inputs).model_dump_json().encode() + b"\n")
                self._done = inputs

    def rows(self, keys: Iterable[str]) -> list[Row[R]]:
        """The rows of these inputs, in the order of the keys, whatever order threads wrote them in.

        Raises:
            InputError: a line is no row of this stage.
        """
        wanted = [(key, self._offsets[key]) for key in keys if key in self._offsets]
        if not wanted:
            return []
        with self.path.open("rb") as file:
            return [self._at(file.seek(offset), file.readline()) for _, offset in wanted]

    def _at(self, offset: int, line: bytes) -> Row[R]:
        return line_of(self._row, line, f"{self.path} at byte {offset}")

    def _append(self, line: bytes) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                offset = file.tell()
                file.write(line)
        except OSError as error:
            self._cut()
            raise cannot_write(self.path, error) from error
        return offset

    def _read(self) -> None:
        """Find the rows; a last line that a killed writer left unfinished is cut off: its input counts as not seen."""
        self._cut()
        if not self.path.is_file():
            return
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                self._note(line, offset)
                offset += len(line)

    def _note(self, line: bytes, offset: int) -> None:
        match = KEY.match(line)
        if match:
            self._offsets[json.loads(match[1])] = offset
            self._done = None
        elif (done := _DONE.match(line)) is not None:
            self._done = int(done[1])
        else:
            remedy = "remove the line: its input is then done again"
            raise InputError("is no line of a stage", where=f"{self.path} at byte {offset}", remedy=remedy)

    def _cut(self) -> None:
        if not self.path.is_file():
            return
        with self.path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            while size:
                start = max(0, size - 65536)
                file.seek(start)
                newline = file.read(size - start).rfind(b"\n")
                if newline >= 0:
                    size = start + newline + 1
                    break
                size = start
            file.truncate(size)


KEY = re.compile(rb'^\{"of":("(?:[^"\\]|\\.)*"),')
"""Of a line of a stage's file: the input that it is of."""
_DONE = re.compile(rb'^\{"done":(\d+)\}\n$')


class SynthFolder:
    """The folder of one synthesis, locked for one writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = FileLock(str(path / "synth.lock"))

    @staticmethod
    def place(spec: Spec, output: Path) -> Path:
        """Where a spec's synthesis lies: named after the recipe and the spec's digest."""
        return output / f"{spec.name}-{spec.digest()[:12]}"

    @classmethod
    def create(cls, spec: Spec, output: Path) -> SynthFolder:
        """The folder of this spec, made if it is not there, locked for writing.

        Raises:
            InputError: it cannot be written, or another process writes in it.
        """
        folder = cls(cls.place(spec, output))
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            folder._writer.acquire(timeout=0)
        except Timeout:
            remedy = "wait until it ends, or stop it"
            what = "another process writes in this synthesis"
            raise InputError(what, where=str(folder.path), remedy=remedy) from None
        except OSError as error:
            raise cannot_write(folder.path, error) from error
        if not (folder.path / "synth.json").is_file():
            write_atomic(folder.path / "synth.json", spec.model_dump_json(indent=1) + "\n")
        return folder

    def spec(self) -> Spec:
        """What the synthesis is made from."""
        return read_record(Spec, self.path / "synth.json")

    def stage(self, name: str, kind: type[R]) -> StageFile[R]:
        """The file of a stage."""
        return StageFile(self.path / f"{name}.jsonl", kind)

    def write(self, name: str, text: str) -> Path:
        """Keep a text beside the stages, whole or not at all."""
        write_atomic(self.path / name, text)
        return self.path / name

    def close(self) -> None:
        """Let another writer in. Closing twice is harmless."""
        self._writer.release()
