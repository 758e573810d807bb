"""The registry of baselines: the shipped entries and one's own, by kind and name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rise_bench.baselines.records import (
    KINDS,
    Baseline,
    MeasuredBaseline,
    RunnableBaseline,
    TrivialBaseline,
)
from rise_bench.errors import InputError
from rise_bench.store import DATA, read_yaml, write_atomic

__all__ = ["SHIPPED", "Registry", "load_baseline", "load_registry", "write_baseline"]

SHIPPED = DATA / "baselines"
"""The entries that come with the package, one YAML file each."""

B = TypeVar("B", bound=Baseline)

_NOT_MEASURED = {
    "reported": "its figures were published by others and made on other tasks",
    "runnable": "nothing was run for it",
    "trivial": "it names an agent, no run of it",
}


@dataclass(frozen=True, slots=True)
class Registry:
    """Baselines by name. What is asked for as one kind is never answered with another."""

    entries: Mapping[str, Baseline]

    def of(self, kind: type[B]) -> tuple[B, ...]:
        """All entries of a kind, by name."""
        return tuple(entry for _, entry in sorted(self.entries.items()) if isinstance(entry, kind))

    def get(self, kind: type[B], name: str) -> B:
        """The entry of that kind and name.

        Raises:
            InputError: no such name, or an entry of another kind.
        """
        entry = self.entries.get(name)
        if isinstance(entry, kind):
            return entry
        wanted = str(kind.model_fields["kind"].default)
        known = ", ".join(found.name for found in self.of(kind)) or "none"
        if entry is None:
            raise InputError(f"no {wanted} baseline of that name", where=name, remedy=f"known: {known}")
        why = f": {_NOT_MEASURED[entry.kind]}" if wanted == "measured" else ""
        remedy = f"known {wanted} ones: {known}"
        raise InputError(f"is a {entry.kind} baseline, not a {wanted} one{why}", where=name, remedy=remedy)

    def find(self, name: str) -> Baseline:
        """The entry of that name, whatever its kind.

        Raises:
            InputError: no such name; names the nearest.
        """
        entry = self.entries.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, self.entries, n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]!r}?" if near else "see `rise-bench baselines ls`"
            raise InputError("no baseline of that name", where=name, remedy=remedy)
        return entry

    def runs_of(self, name: str) -> tuple[MeasuredBaseline, ...]:
        """The measured entries of a trivial or runnable one; empty where it was not run."""
        return tuple(entry for entry in self.of(MeasuredBaseline) if entry.of == name)


def load_registry(folder: Path | None = None) -> Registry:
    """The shipped baselines, and those in a folder of one's own (which may be the shipped one).

    Raises:
        InputError: no such folder; a file that is no entry (file, key, remedy); a name that is there twice; a measured
            entry of something that is not registered.
    """
    if folder is not None and not folder.is_dir():
        raise InputError("no such folder of baselines", where=str(folder), remedy="check the path")
    entries: dict[str, Baseline] = {}
    files: dict[str, Path] = {}
    own = () if folder is None or folder.resolve() == SHIPPED.resolve() else _files(folder)
    for path in (*_files(SHIPPED), *own):
        entry = load_baseline(path)
        if entry.name in files:
            what = f"name: {entry.name!r} is there twice, also in {files[entry.name]}"
            raise InputError(what, where=str(path), remedy="give each entry a name of its own")
        entries[entry.name], files[entry.name] = entry, path
    for name, entry in entries.items():
        if isinstance(entry, MeasuredBaseline) and entry.of:
            _refuse_stray(entry, entries, files[name])
    return Registry(entries)


def load_baseline(path: Path) -> Baseline:
    """The entry in a YAML (or JSON) file.

    Raises:
        InputError: missing, not YAML, or no entry; names file and key.
    """
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise InputError("is not a mapping", where=str(path), remedy="one baseline a file, with `kind` and `name`")
    found = value.get("kind")
    record = KINDS.get(found) if isinstance(found, str) else None  # type: ignore[call-overload]
    if record is None:
        what = f"kind: {found!r} is none" if "kind" in value else "kind: is missing"
        raise InputError(what, where=str(path), remedy=f"one of: {', '.join(KINDS)}")
    try:
        entry: Baseline = record.model_validate(value)
    except ValidationError as error:
        raise InputError(first_fault(error), where=str(path), remedy=f"see schemas/{record.__name__}.json") from None
    return entry


def write_baseline(folder: Path, entry: Baseline) -> Path:
    """Write an entry into a folder as `NAME.yaml` (JSON, which YAML contains), and return the file.

    Raises:
        InputError: there is such a file, or the folder cannot be written.
    """
    path = folder / f"{entry.name}.yaml"
    if path.exists():
        raise InputError("is there already", where=str(path), remedy="choose another name, or remove the file")
    write_atomic(path, entry.model_dump_json(indent=1) + "\n")
    return path


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def _refuse_stray(entry: MeasuredBaseline, entries: Mapping[str, Baseline], path: Path) -> None:
    meant = entries.get(entry.of)
    if not isinstance(meant, TrivialBaseline | RunnableBaseline):
        known = "is not registered" if meant is None else f"is a {meant.kind} one"
        remedy = "name a trivial or runnable entry, or leave `of` empty"
        raise InputError(f"of: {entry.of!r} {known}", where=str(path), remedy=remedy)


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong: its key, and what."""
    first = error.errors()[0]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        field, _, key = field.rpartition(".")
        message = f"unknown key {key!r}"
    elif first["type"] == "string_type" and isinstance(first["input"], int | float):
        message = f"{first['input']!r} is read as a number; put the text in quotes"
    return f"{field + ': ' if field else ''}{message}{more}"
