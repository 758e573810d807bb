"""Run folders: written line by line by one writer, resumed, streamed.

A run folder holds `run.json` (the spec, written first), `trajectories.jsonl` and `verdicts.jsonl` (one flushed line per
attempt; a later line of the same attempt supersedes an earlier one), and `conditions.jsonl` (a line whenever attempts begin
to be made under other conditions). Its name ends in the spec's digest: same spec, same folder, resume.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from rise_bench.errors import InputError
from rise_bench.store import cannot_write, line_of, read_record, write_atomic
from rise_bench.types import Conditions, Record, RunSpec, Scored, Trajectory, Usage, canonical

__all__ = ["Run"]

R = TypeVar("R", bound=Record)

Key = tuple[str, int]
_KEY = re.compile(rb'^\{"task":("(?:[^"\\]|\\.)*"),"attempt":(\d+)')


class Run:
    """A run folder: open it to write (one writer at a time) or to read.

    Reading is lazy: an index of line offsets is kept in memory, never the attempts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append_lock = threading.Lock()
        self._closed = False
        self._writer = FileLock(str(path / "run.lock"))

    @property
    def trajectories_file(self) -> Path:
        """`trajectories.jsonl`."""
        return self.path / "trajectories.jsonl"

    @property
    def verdicts_file(self) -> Path:
        """`verdicts.jsonl`."""
        return self.path / "verdicts.jsonl"

    @property
    def conditions_file(self) -> Path:
        """`conditions.jsonl`."""
        return self.path / "conditions.jsonl"

    @staticmethod
    def folder(spec: RunSpec, output: Path) -> Path:
        """Where a spec's run lies: named after the suite and the spec's digest."""
        name = re.sub(r"[^\w.-]+", "-", spec.suite).strip("-")
        return output / f"{name}-{spec.digest()[:12]}"

    @classmethod
    def create(cls, spec: RunSpec, output: Path) -> Run:
        """The folder of this spec under `output`, made if it is not there, locked for writing.

        Raises:
            InputError: the folder cannot be written, another process writes in it, or it holds another spec.
        """
        run = cls(cls.folder(spec, output))
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            run._writer.acquire(timeout=0)
        except Timeout:
            raise run._busy() from None
        except OSError as error:
            raise cannot_write(run.path, error) from error
        if not (run.path / "run.json").is_file():
            write_atomic(run.path / "run.json", spec.model_dump_json(indent=1) + "\n")
        elif run.spec() != spec:
            run.close()
            raise InputError("holds another run's spec", where=str(run.path), remedy="give another --output")
        run._mend()
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """An existing run folder, to read.

        Raises:
            InputError: there is no run.
        """
        if not (path / "run.json").is_file():
            raise InputError("is no run folder (no run.json)", where=str(path), remedy="name a folder under runs/")
        return cls(path)

    def spec(self) -> RunSpec:
        """What the run is."""
        return read_record(RunSpec, self.path / "run.json")

    def conditions(self) -> tuple[Conditions, ...]:
        """Under what its attempts were made, in order; more than one where it went on under others."""
        if not self.conditions_file.is_file():
            return ()
        with self.conditions_file.open("rb") as file:
            lines = [line for line in file if line.endswith(b"\n")]  # the last may still be written, or never ended
        return tuple(line_of(Conditions, line, f"{self.conditions_file}:{n}") for n, line in enumerate(lines, 1))

    def under(self, conditions: Conditions) -> None:
        """Keep the conditions of the attempts to come, unless they are those of the last ones.

        Raises:
            InputError: the folder cannot be written.
        """
        there = self.conditions()
        if not there or there[-1].model_copy(update={"since": conditions.since}) != conditions:
            with self._append_lock:
                self._append(self.conditions_file, conditions)

    def results_digest(self) -> str:
        """SHA-256 (hex) of all verdicts, without what they cost: equal for two runs that came to the same."""
        rows = {(row.task, row.attempt): row.model_copy(update={"usage": Usage()}).digest() for row in self.scored()}
        return hashlib.sha256(canonical([[*key, rows[key]] for key in sorted(rows)]).encode()).hexdigest()

    def close(self) -> None:
        """Let another writer in; nothing can be appended any more. Closing twice is harmless."""
        with self._append_lock:
            self._closed = True
            self._writer.release()

    def set_aside(self) -> Path:
        """Rename the folder so that a fresh run can take its place; nothing is deleted. The new path."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.{number}")).exists():
            number += 1
        self.path.rename(target)
        return target

    def _mend(self) -> None:
        """Cut off a last line that a killed writer left unfinished: its attempt counts as not made."""
        for path in (self.trajectories_file, self.verdicts_file, self.conditions_file):
            if not path.is_file():
                continue
            with path.open("r+b") as file:
                there = size = file.seek(0, os.SEEK_END)
                while size:
                    start = max(0, size - 65536)
                    file.seek(start)
                    newline = file.read(size - start).rfind(b"\n")
                    if newline >= 0:
                        size = start + newline + 1
                        break
                    size = start
                if size < there:  # else the file keeps its time: when the run ended
                    file.truncate(size)

    def append(self, trajectory: Trajectory, scored: Scored) -> None:
        """Keep one attempt: its trajectory, then its verdicts, each a flushed line.

        Raises:
            InputError: the disk is full or read-only (what was written before is kept), or the run is closed.
        """
        with self._append_lock:
            self._append(self.trajectories_file, trajectory)
            self._append(self.verdicts_file, scored)

    def _append(self, path: Path, record: Record) -> None:
        if self._closed:
            raise InputError("is closed: nothing more is kept", where=str(self.path), remedy="create the run again")
        try:
            with path.open("ab") as file:
                file.write(record.model_dump_json().encode() + b"\n")
        except OSError as error:
            self._mend()
            raise cannot_write(path, error) from error

    def begun(self) -> bool:
        """Is anything kept, readable or not?"""
        return self.trajectories_file.is_file() and self.trajectories_file.stat().st_size > 0

    def keys(self) -> set[Key]:
        """(task, attempt) of the trajectories that are there."""
        return set(_offsets(self.trajectories_file))

    def unscored(self) -> set[Key]:
        """(task, attempt) whose trajectory has no verdicts of its own: a writer died between the two files.

        Of a redone fault the verdicts of the fault are still there then; they speak of a fault that is superseded.
        """
        faults = [row for row in self.scored() if row.fault]
        stale = {(r.task, r.attempt) for r in faults if self.trajectory(r.task, r.attempt).fault != r.fault}
        return (self.keys() - set(_offsets(self.verdicts_file))) | stale

    def append_scored(self, scored: Scored) -> None:
        """Keep the verdicts of an attempt whose trajectory is there already."""
        with self._append_lock:
            self._append(self.verdicts_file, scored)

    def trajectories(self) -> Iterator[Trajectory]:
        """The trajectories, one at a time; superseded lines are skipped."""
        yield from _stream(Trajectory, self.trajectories_file)

    def trajectory(self, task: str, attempt: int = 0) -> Trajectory:
        """One trajectory.

        Raises:
            InputError: it is not there.
        """
        offset = _offsets(self.trajectories_file).get((task, attempt))
        if offset is None:
            raise InputError(f"no attempt {attempt} at {task!r}", where=str(self.path))
        with self.trajectories_file.open("rb") as file:
            file.seek(offset)
            return line_of(Trajectory, file.readline(), f"{self.trajectories_file} at byte {offset}")

    def scored(self) -> Iterator[Scored]:
        """The verdict rows, one at a time; superseded lines are skipped."""
        yield from _stream(Scored, self.verdicts_file)

    def write_scored(self, rows: Iterator[Scored]) -> None:
        """Replace the verdicts (after re-scoring), atomically and without holding them all.

        Raises:
            InputError: another process writes in this run (its next verdicts would be lost), or the folder cannot be written.
        """
        try:
            self._writer.acquire(timeout=0)
        except Timeout:
            raise self._busy() from None
        except OSError as error:
            raise cannot_write(self.path, error) from error
        try:
            self._replace_verdicts(rows)
        finally:
            self._writer.release()

    def _busy(self) -> InputError:
        return InputError(
            "another process writes in this run", where=str(self.path), remedy="wait until it ends, or stop it"
        )

    def _replace_verdicts(self, rows: Iterator[Scored]) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self.path, prefix=".verdicts.")
        except OSError as error:
            raise cannot_write(self.verdicts_file, error) from error
        try:
            with os.fdopen(handle, "wb") as file:
                for row in rows:
                    file.write(row.model_dump_json().encode() + b"\n")
            os.chmod(name, 0o644)
            os.replace(name, self.verdicts_file)
        except OSError as error:
            raise cannot_write(self.verdicts_file, error) from error
        finally:
            Path(name).unlink(missing_ok=True)


def _offsets(path: Path) -> dict[Key, int]:
    """Where the last line of each attempt starts; lines without an end are not counted."""
    found: dict[Key, int] = {}
    if not path.is_file():
        return found
    offset = 0
    with path.open("rb") as file:
        for line in file:
            match = _KEY.match(line)
            if match and line.endswith(b"\n"):
                found[json.loads(match[1]), int(match[2])] = offset
            elif line.strip() and line.endswith(b"\n"):
                raise InputError(
                    "a line does not begin with task and attempt",
                    where=f"{path} at byte {offset}",
                    remedy="remove the line, or run again with --fresh",
                )
            offset += len(line)
    return found


def _stream(kind: type[R], path: Path) -> Iterator[R]:
    last = set(_offsets(path).values())
    if not last:
        return
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if offset in last:
                yield line_of(kind, line, f"{path}:{number}")
            offset += len(line)
