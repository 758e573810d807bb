"""The identity of a model's weights: what its files hold, hashed once and remembered."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from rise_bench.errors import SetupError
from rise_bench.store import cache_folder, write_atomic
from rise_bench.types import canonical

__all__ = ["files_digest", "tokenizer_digest", "weights_digest"]

_INDEXED = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("adapter_model.safetensors", ""),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ("adapter_model.bin", ""),
)
"""What engines look for, in their order: one file, or the index of many."""

_CONFIGURED = ("config.json", "generation_config.json", "adapter_config.json")
"""They change what the same weights say: rope scaling, stop tokens, the scale of an adapter."""

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "tekken.json",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONG = 2 << 30
"""Bytes from which on hashing takes long enough to be told."""


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def weights_digest(folder: Path, notice: Callable[[str], None] = _to_stderr) -> str:
    """SHA-256 (hex) over names and contents of a folder's weights and configuration: our design.

    A file is read once: its hash is remembered by path, size and time of change. Files in a hub's cache are known by
    the name that the hub gave them, and are not read.

    Args:
        folder: of a saved model, an adapter, or a hub model's snapshot.
        notice: takes a line about each file that takes long.

    Raises:
        SetupError: no weights there, or a file cannot be read.
    """
    files = _weight_files(folder)
    if not files:
        remedy = "name the folder of a saved model (safetensors or bin files)"
        raise SetupError("no weights in this folder", where=str(folder), remedy=remedy)
    return files_digest([*files, *(folder / name for name in _CONFIGURED)], notice)


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 (hex) over a folder's tokenizer files; empty where it has none."""
    return files_digest(folder / name for name in _TOKENIZER)


def files_digest(files: Iterable[Path], notice: Callable[[str], None] = _to_stderr) -> str:
    """SHA-256 (hex) over names and contents of those files that exist; empty where none does.

    Raises:
        SetupError: a file cannot be read.
    """
    there = {file.name: _file_digest(file, notice) for file in files if file.is_file()}
    return hashlib.sha256(canonical(there).encode()).hexdigest() if there else ""


def _weight_files(folder: Path) -> list[Path]:
    for single, index in _INDEXED:
        if (folder / single).is_file():
            return [folder / single]
        if index and (folder / index).is_file():
            return [folder / name for name in _indexed(folder / index)]
    return next((found for kind in ("safetensors", "bin") if (found := sorted(folder.glob(f"*.{kind}")))), [])


def _indexed(path: Path) -> list[str]:
    """The files that an index names.

    Raises:
        SetupError: it is no index, or names a file that is not there.
    """
    try:
        named = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        what = f"no index of weights: {type(error).__name__}"
        raise SetupError(what, where=str(path), remedy="save or download the model again") from None
    missing = [name for name in named if not (path.parent / name).is_file()]
    if missing:
        what = f"{missing[0]} is missing, one of {len(named)} files of weights"
        raise SetupError(what, where=str(path.parent), remedy="download the model again")
    return named


def _file_digest(path: Path, notice: Callable[[str], None]) -> str:
    real = path.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):  # a hub's cache: large files are named by content
        return real.name
    try:
        state = real.stat()
        return _Remembered(real, state.st_size, state.st_mtime_ns).digest(notice)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise SetupError(what, where=str(path), remedy="check its permissions") from None


class _Remembered:
    """The hash of one file, kept in the cache folder as long as size and time of change stay."""

    def __init__(self, path: Path, size: int, changed: int) -> None:
        self._path = path
        self._state = [str(path), size, changed]
        self._size = size
        name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
        self._note = cache_folder() / "weights" / f"{name}.json"

    def digest(self, notice: Callable[[str], None]) -> str:
        try:
            *state, found = json.loads(self._note.read_text(encoding="utf-8"))
            if state == self._state and isinstance(found, str) and _SHA256.fullmatch(found):
                return found
        except (OSError, ValueError, TypeError):
            pass
        if self._size > _LONG:
            notice(f"hashing {self._path.name} ({self._size / 1e9:.1f} GB), once")
        with self._path.open("rb") as file:
            made = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            write_atomic(self._note, json.dumps([*self._state, made]))
        except (OSError, ValueError):  # a cache that cannot be written costs time, not the run
            return made
        return made
