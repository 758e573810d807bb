"""Replies kept between runs: a model asked the same again answers at once, and the attempt says so."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.store import cache_folder
from rise_bench.types import Model, ModelRequest, Reply, Sampling, canonical

__all__ = ["CachedModel", "cached"]

_TABLE = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"


def cached(
    model: Model,
    sampling: Sampling,
    wanted: Literal["auto", "on", "off"],
    *,
    args: Mapping[str, JsonValue] | None = None,
    renew: bool = False,
) -> Model:
    """The model, behind the cache where one is wanted and its replies are determined by what the key holds.

    Args:
        model: what answers. `pinned = True` says that its identity holds its weights; `seeded = True` that it samples by
            the request's seed; `cacheable = False` that its replies do more than answer (a program that is running).
        sampling: how it is sampled; above temperature 0 only seeded models are cached.
        wanted: `auto` = only pinned models: an endpoint's name says nothing about what answers tomorrow.
        args: the model's arguments, as far as they belong to its identity: a model need not tell all of them again.
        renew: ask anew, and keep the new replies.

    Raises:
        InputError: the cache is wanted but cannot be honest, or cannot be opened.
    """
    if not getattr(model, "cacheable", True):
        if wanted == "on":
            what = f"{model.name} does more than answer: a kept reply would leave that out"
            raise InputError(what, where="--cache on", remedy="leave it out")
        return model
    determined = sampling.temperature == 0 or getattr(model, "seeded", False)
    if wanted == "off" or (wanted == "auto" and not (determined and getattr(model, "pinned", False))):
        return model
    if not determined:
        raise InputError(
            f"{model.name} is sampled at temperature {sampling.temperature} without a seed of its own per attempt: a kept "
            "reply would stand for all of them",
            where="--cache on",
            remedy="leave it out, or give --temperature 0",
        )
    return CachedModel(model, sampling, cache_folder() / "replies.sqlite", args=args, renew=renew)


class CachedModel:
    """A model with its replies kept in a file, by everything that determines them.

    The key: name, arguments, identity and settings of the model (weights, template, engine and version), our own version
    (a reply is kept as we read it), sampling, the messages and tools in full, task, number of the attempt and seed.
    Attempts never share a reply, so that pass^k means what it says. Faults are not kept.
    """

    def __init__(
        self,
        model: Model,
        sampling: Sampling,
        path: Path,
        *,
        args: Mapping[str, JsonValue] | None = None,
        renew: bool = False,
    ) -> None:
        self.name = model.name
        self._model = model
        self._renew = renew
        told = [model.name, dict(args or {}), model.content(), _settings(model), version("rise-bench")]
        self._identity = canonical([*told, sampling.model_dump(mode="json")])
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._kept = sqlite3.connect(path, check_same_thread=False, timeout=30, isolation_level=None)
            self._kept.execute("PRAGMA journal_mode=WAL")
            self._kept.execute("PRAGMA synchronous=NORMAL")
            self._kept.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def __getattr__(self, name: str) -> Any:
        """Whatever else the model has (`settings`, `ended`, `width`, ...)."""
        return getattr(self._model, name)

    def content(self) -> str:
        """The model's own: a cache does not change what answers."""
        return self._model.content()

    def reply(self, request: ModelRequest) -> Reply:
        """The kept reply, else the model's, which is kept.

        Raises:
            ModelFault: as the model; nothing is kept then.
            InputError: the file can no longer be read or written.
        """
        key = self._key(request)
        if not self._renew and (found := self._found(key)) is not None:
            return found.model_copy(update={"cached": True})
        made = self._model.reply(request)
        self._do("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, made.model_dump_json()))
        return made

    def _found(self, key: str) -> Reply | None:
        row = self._do("SELECT reply FROM replies WHERE key = ?", (key,))
        try:
            return None if row is None else Reply.model_validate_json(row[0])
        except ValidationError:  # kept by a version with other records
            return None

    def _do(self, statement: str, values: tuple[str, ...]) -> tuple[str] | None:
        try:
            with self._lock:
                row: tuple[str] | None = self._kept.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return row

    def _unusable(self, error: Exception) -> InputError:
        remedy = "remove the file, set RISE_BENCH_CACHE to a writable folder, or give --cache off"
        return InputError(f"the cache of replies cannot be used: {error}", where=str(self._path), remedy=remedy)

    def _key(self, request: ModelRequest) -> str:
        asked = request.model_dump_json(exclude={"seconds", "tokens"})
        return hashlib.sha256(f"{self._identity}\n{asked}".encode()).hexdigest()

    def close(self) -> None:
        """Close the file and the model."""
        with self._lock:
            self._kept.close()
        self._model.close()


def _settings(model: Model) -> Mapping[str, JsonValue]:
    settings = getattr(model, "settings", None)
    return settings() if settings is not None else {}
