"""`agent:'COMMAND'`: any agent program as a model, one process per attempt."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, ValidationError

from rise_bench.agents.confine import Limits
from rise_bench.agents.episode import Episode, Setting
from rise_bench.agents.loop import Loop
from rise_bench.agents.program import read_command
from rise_bench.agents.upstream import Upstream
from rise_bench.errors import InputError, ModelFault, SetupError
from rise_bench.ground.sandbox import bwrap_problem
from rise_bench.model.load import refuse_unknown
from rise_bench.types import Model, ModelRequest, Record, Reply, Sampling, Suite, canonical

__all__ = ["AgentModel", "make"]

GIGABYTE = 1 << 30
CLOSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class _Args(Record):
    """`--model-args` of an agent program."""

    mount: str = ""
    """Folders of its code, separated by colons."""
    endpoint: str = ""
    """Base URL of the one model endpoint that it may reach."""
    api_key_env: str = ""
    """Variable that holds the endpoint's key."""
    confine: bool = True
    timeout: float | None = Field(default=None, gt=0)
    """Seconds that the program may run; None = as long as the attempt."""
    memory: float = Field(default=4.0, gt=0)
    """GiB of data of each of its processes."""
    version: str | int | float = ""
    """Whatever else tells this program from an earlier one."""


class AgentModel:
    """Starts the program on an attempt's first request and is told by it what comes next.

    A program that ends with exit status 0 has answered what it printed. One that fails, hangs or floods is ended with all
    it started, and its attempt with `agent_failed` (DESIGN 4.2).
    """

    cacheable = False
    """A kept reply would leave out the program, which the next request then would not find in the middle of its work."""

    def __init__(self, name: str, identity: str, setting: Setting, endpoint: str) -> None:
        self.name = name
        self._identity = identity
        self._setting = setting
        self._endpoint = endpoint
        self._loop = Loop()
        self._lock = threading.Lock()
        self._episodes: dict[tuple[str, int], Episode] = {}
        self._closing: list[Future[None]] = []
        self._closed = False

    def content(self) -> str:
        """SHA-256 (hex) of the command, the program's files, the endpoint's URL and the version that was given."""
        return self._identity

    def settings(self) -> dict[str, JsonValue]:
        """What answers, beyond its identity."""
        named: dict[str, JsonValue] = {"endpoint": self._endpoint} if self._endpoint else {}
        return {"confined": self._setting.confined, "memory_gib": self._setting.limits.memory / GIGABYTE, **named}

    def reply(self, request: ModelRequest) -> Reply:
        """What the attempt's program did next.

        Raises:
            ModelFault: it cannot be started, or failed while its model endpoint was failing.
        """
        key = (request.task, request.attempt)
        with self._lock:
            episode = self._episodes.get(key)
        if episode is None:
            episode = self._begin(key, request)
        return episode.reply(request)

    def _begin(self, key: tuple[str, int], request: ModelRequest) -> Episode:
        episode = None if self._closed else Episode(self._setting, self._loop, request)
        with self._lock:
            if episode is not None and not self._closed:
                self._episodes[key] = episode
                return episode
        if episode is not None:
            episode.stop()
        raise ModelFault("the model is closed", where=self.name)

    def ended(self, task: str, attempt: int) -> None:
        """End what an attempt left running."""
        with self._lock:
            episode = self._episodes.pop((task, attempt), None)
        closing = episode.stop() if episode is not None else None
        with self._lock:
            self._closing = [future for future in (*self._closing, closing) if future is not None and not future.done()]

    def close(self) -> None:
        """End every program. Closing twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            keys = list(self._episodes)
        for key in keys:
            self.ended(*key)
        wait(self._closing, CLOSE_SECONDS)
        if self._setting.upstream is not None:
            with suppress(RuntimeError, TimeoutError):
                self._loop.run(self._setting.upstream.close(), CLOSE_SECONDS)
        self._loop.close()


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The agent program that a command line names.

    Raises:
        InputError: no such program, a folder that it must not see, or arguments that cannot be used.
        SetupError: the endpoint's key is not set.
    """
    where = "model agent"
    refuse_unknown("agent", args, frozenset(_Args.model_fields))
    try:
        given = _Args.model_validate(dict(args))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {first['msg']}", where=where, remedy="see docs/agents.md") from error
    program = read_command(target, given.mount)
    problem = bwrap_problem()
    confined = given.confine and problem is None
    if not confined:
        why = problem if given.confine else "confine=false"
        logger.warning("the agent program runs unconfined (%s): it can see this machine and its network", why)
    identity = {
        "command": target,
        "files": program.identity(),
        "endpoint": given.endpoint,
        "version": str(given.version),
    }
    setting = Setting(
        program=program,
        confined=confined,
        limits=Limits(memory=int(given.memory * GIGABYTE)),
        timeout=given.timeout,
        upstream=_upstream(given),
    )
    digest = hashlib.sha256(canonical(identity).encode()).hexdigest()
    return AgentModel(f"agent:{target}", digest, setting, given.endpoint)


def _upstream(given: _Args) -> Upstream | None:
    """The way to the named endpoint; None where none is named."""
    if not given.endpoint:
        return None
    url = urlsplit(given.endpoint)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        remedy = "give a base URL, as https://HOST/v1; a key is named with api_key_env="
        raise InputError("is no base URL", where="endpoint=", remedy=remedy)
    key = os.environ.get(given.api_key_env, "").strip() if given.api_key_env else ""
    if given.api_key_env and not key:
        raise SetupError(
            f"{given.api_key_env} is not set", where=given.endpoint, remedy="set it in the environment or .env"
        )
    if not (key.isascii() and key.isprintable()):  # no header can hold it, and an error about the header would show it
        remedy = "set it to the key alone, without line breaks"
        raise InputError("holds characters that no key has", where=f"api_key_env={given.api_key_env}", remedy=remedy)
    return Upstream(given.endpoint.rstrip("/"), key)
