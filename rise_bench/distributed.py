"""The attempts of an evaluation on a Ray cluster: each worker process holds its own ground and reaches the same model."""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from rise_bench.errors import InputError, RiseError, SetupError
from rise_bench.work import Key, Made, Options, Worker

__all__ = ["connect", "ray_executor", "share"]

DEATHS = 3
"""Workers that may die one after the other with no attempt made in between."""

CLOSE_SECONDS = 20.0

_PARTS = ("suite", "ground", "model")


def ray_executor(worker: Worker, keys: Iterator[Key], width: int) -> Generator[Made]:
    """Attempts in the worker processes of a Ray cluster: the one that `RAY_ADDRESS` names, else one on this machine.

    The run's folder stays with the caller, so that there is one writer and the same resume. A worker that dies costs the
    attempts it had in flight: they are made again by another. Every worker makes the model anew: an endpoint is reached by
    all of them, an engine in a worker's own process is its own. A model that only one process can hold says why in
    `one_process` and is refused.

    Raises:
        InputError: an option that only one process can keep.
        SetupError: no cluster can be reached or started, or worker after worker dies.
        RiseError: what `Worker.of`, `open` and `make` raise there.
    """
    for option, wanted in (
        ("--record", worker.options.record is not None),
        ("--allow-drift", worker.options.allow_drift),
    ):
        if wanted:
            raise InputError("needs one process", where=option, remedy="leave out --executor ray")
    if why := getattr(worker.model, "one_process", ""):
        remedy = "start the server by itself and give its base_url=, or leave out --executor ray"
        raise InputError(why, where="--executor ray", remedy=remedy)
    device = _settings(worker).get("device", "cpu")
    options, identity = _portable(worker.options), _identity(worker)
    worker.model.close()  # an engine in this process would hold memory that the workers need
    ours = not ray.is_initialized()
    if ours:
        connect(options.workers)
    try:
        with closing(_Fleet(options, identity, width, gpu=device != "cpu")) as fleet:
            yield from fleet.run(keys)
    finally:
        if ours:
            ray.shutdown()


def _settings(worker: Worker) -> dict[str, Any]:
    settings = getattr(worker.model, "settings", None)
    return settings() if settings is not None else {}


def _identity(worker: Worker) -> tuple[str, str, str]:
    """What makes attempts comparable: suite, ground and model. Another machine may find others under the same names."""
    return worker.loaded.suite.digest(), worker.loaded.ground.digest(), worker.model.content()


def _portable(options: Options) -> Options:
    """The options with paths that mean the same in another process."""
    suite = str(Path(options.suite).resolve()) if Path(options.suite).is_dir() else options.suite
    return replace(options, notice=None, suite=suite, cassette=options.cassette.resolve() if options.cassette else None)


def connect(workers: int) -> None:
    """Join the cluster that `RAY_ADDRESS` names, else start one on this machine.

    Raises:
        SetupError: neither works.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        else:
            cpus = max(workers, os.cpu_count() or 1)
            ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises what it likes, plain exceptions among it
        remedy = "check RAY_ADDRESS (`ray status`), or leave out --executor ray"
        raise SetupError(f"no Ray cluster: {' '.join(str(error).split())[:200]}", where="ray", remedy=remedy) from error


class _Remote:
    """What runs in a worker process."""

    def __init__(self, options: Options, identity: tuple[str, str, str], folder: Path) -> None:
        self._options = options
        self._identity = identity
        self._folder = folder
        self._worker: Worker | None = None

    def open(self) -> None:
        """Not in the constructor: what that raises reaches the caller as text alone."""
        if self._folder.is_dir():  # a cluster that was there before works in a folder of its own
            os.chdir(self._folder)
        self._worker = Worker.of(self._options)
        for name, here, there in zip(_PARTS, _identity(self._worker), self._identity, strict=True):
            if here != there:
                what = f"a worker finds another {name} than this process: {here[:200]}, not {there[:200]}"
                remedy = "give all machines the same files, environment variables (OPENAI_BASE_URL) and packages"
                raise SetupError(what, where="ray", remedy=remedy)
        self._worker.open()

    def make(self, key: Key) -> Made:
        assert self._worker is not None
        return self._worker.make(key)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


@dataclass
class _Member:
    """One worker process and what it is making."""

    actor: Any
    running: dict[Any, Key] = field(default_factory=dict)


class _Fleet:
    """The worker processes, kept busy and replaced."""

    def __init__(self, options: Options, identity: tuple[str, str, str], width: int, *, gpu: bool) -> None:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        processors = max(1, int(resources.get("CPU", 1)))
        if options.workers > processors:  # the rest would be waited for without end
            what = f"{options.workers} are more than the cluster's {processors} processors"
            raise InputError(what, where="--workers", remedy="give fewer, or add machines to the cluster")
        count = min(options.workers or processors, width)
        self._each = math.ceil(width / count)
        self._options = options
        self._identity = identity
        self._gpus = share(resources.get("GPU", 0), count) if gpu else 0
        self._deaths = 0
        self._again: deque[Key] = deque()
        self._members = [self._start() for _ in range(count)]

    def _start(self) -> _Member:
        # one more at once than there are attempts: `close` must not wait for them
        wanted: dict[str, Any] = {"num_cpus": 1, "num_gpus": self._gpus, "max_concurrency": self._each + 1}
        return _Member(ray.remote(**wanted)(_Remote).remote(self._options, self._identity, Path.cwd()))

    def run(self, keys: Iterator[Key]) -> Iterator[Made]:
        """The attempts as they end."""
        for member in list(self._members):
            self._opened(member)
        while True:
            self._fill(keys)
            running = {ref: member for member in self._members for ref in member.running}
            if not running:
                return
            ended, _ = ray.wait(list(running), num_returns=1)
            made = self._result(ended[0], running[ended[0]])
            if made is not None:
                self._deaths = 0
                yield made

    def _opened(self, member: _Member) -> None:
        """Wait until a worker is open; one that dies at that is replaced."""
        try:
            ray.get(member.actor.open.remote())
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:  # its process, its machine or what it had made is gone
            self._bury(member, error)

    def _fill(self, keys: Iterator[Key]) -> None:
        for _ in range(self._each):  # a round each, so that few attempts spread over all workers
            for member in self._members:
                if len(member.running) < self._each:
                    key = self._again.popleft() if self._again else next(keys, None)
                    if key is None:
                        return
                    member.running[member.actor.make.remote(key)] = key

    def _result(self, ref: Any, member: _Member) -> Made | None:
        """The attempt behind a reference; None where its worker died, whose attempts are then made again."""
        try:
            made: Made = ray.get(ref)
        except RayTaskError as error:
            raise _cause(error) from None
        except RayError as error:  # its process, its machine or what it had made is gone
            self._bury(member, error)
            return None
        del member.running[ref]
        return made

    def _bury(self, member: _Member, error: Exception) -> None:
        """Replace a dead worker and take its attempts back.

        Raises:
            SetupError: worker after worker dies.
        """
        self._deaths += 1
        if self._deaths > DEATHS:
            what = f"{self._deaths} workers died one after the other: {' '.join(str(error).split())[:300]}"
            raise SetupError(what, where="ray", remedy="look into Ray's logs; give fewer --workers") from None
        self._again.extend(member.running.values())
        ray.kill(member.actor)
        self._members[self._members.index(member)] = fresh = self._start()
        self._opened(fresh)

    def close(self) -> None:
        """End the workers: those that answer close their servers first."""
        closing = [member.actor.close.remote() for member in self._members]
        ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for member in self._members:
            ray.kill(member.actor)


def share(gpus: float, workers: int) -> float:
    """A worker's part of the cluster's GPUs as Ray takes it: whole ones, or a part of one in steps of 0.0001."""
    part = gpus / workers
    return float(math.floor(part)) if part >= 1 else math.floor(part * 10_000) / 10_000


def _cause(error: RayTaskError) -> BaseException:
    """What was raised in the worker, as it would have been raised here."""
    cause = error.cause
    return cause if isinstance(cause, RiseError) else error
