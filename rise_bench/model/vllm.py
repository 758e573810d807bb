"""`vllm:ID`: a model served by vLLM, which runs as a server in an environment of its own; or one that runs already."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import JsonValue

from rise_bench.errors import InputError, ModelFault, RiseError, SetupError
from rise_bench.model import wire
from rise_bench.model.chat import ChatEndpoint
from rise_bench.model.located import Located, digest, locate
from rise_bench.model.vllm_options import (
    DETERMINISTIC,
    Own,
    Reading,
    adapter_name,
    asked,
    command,
    endpoint_settings,
    reading,
    sort_args,
)
from rise_bench.model.vllm_server import Server, find_executable, installed_version
from rise_bench.model.weights import tokenizer_digest, weights_digest
from rise_bench.plain import one_line
from rise_bench.types import Model, ModelRequest, Reply, Sampling, Suite, canonical

__all__ = ["GUARANTEE", "Attached", "Vllm", "make"]

WIDTH = 64
"""Requests at once where nothing else is said: what fills an engine of default settings."""

GUARANTEE = (
    "greedy, one request at a time, no cached prefixes, fixed seed: the same tokens on the same machine with the same "
    "versions and arguments"
)
"""What `--deterministic` comes to here."""

ATTACH_KEY = "VLLM_API_KEY"


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The model `target` (hub id or folder) behind a server that starts with the first request, or with `start`.

    Raises:
        InputError: no model named, or an argument that cannot be used.
        SetupError: no vLLM, no such model, or, to attach, no such server.
    """
    if not target:
        remedy = "write vllm:ID, a hub id or the folder of a model"
        raise InputError("no model named", where="model vllm", remedy=remedy)
    own, chat, flags = sort_args(args)
    if own.base_url:
        if ";" in own.base_url:
            raise InputError("one address", where="base_url", remedy="openai:NAME shares attempts among several")
        if flags:
            what = f"{next(iter(flags))!r} is an option of a server that is started"
            raise InputError(what, where="model vllm", remedy="leave it out: base_url attaches to one that runs")
        return Attached(target, own, chat, sampling)
    return Vllm(target, own, chat, flags, sampling)


# --- started ----------------------------------------------------------------------------------------------------------


class Vllm:
    """A model behind a `vllm serve` of our own, started by `start` or the first request and ended by `close`.

    A server that dies is started again `restarts` times; requests that were with it are asked anew. After that every
    request is a fault, so that the run ends soon and goes on later. Source: our design.
    """

    pinned = True
    """Its identity holds the weights."""

    def __init__(
        self,
        target: str,
        own: Own,
        chat: Mapping[str, JsonValue],
        flags: Mapping[str, JsonValue],
        sampling: Sampling,
    ) -> None:
        self.name = f"vllm:{target}"
        self.notice: Callable[[str], None] = _to_stderr
        """Takes a line about each step of the server's start."""
        self._own = own
        self._sampling = sampling
        self._executable = find_executable(own.executable)
        self._found = locate(target, own.revision)
        self._adapter = locate(own.peft) if own.peft else None
        self._template = _template_digest(flags.get("chat_template"), self._found)
        self.reading = reading(own, sampling, self._found)
        self._flags = {**flags, **(DETERMINISTIC if sampling.deterministic else {})}
        self._served = adapter_name(own.peft) if own.peft else target
        seats = flags.get("max_num_seqs")
        width = seats if isinstance(seats, int) and seats > 0 else WIDTH
        self._settings = endpoint_settings(chat, self.reading, width)
        self.width = 1 if sampling.deterministic else self._settings.concurrency
        self.seeded = self._settings.send_seed and self._settings.api == "chat"
        self._command = command(
            self._executable, target, own, self._flags, reading=self.reading, found=self._found, adapter=self._adapter
        )
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._endpoint: ChatEndpoint | None = None
        self._generation = 0
        self._closed = False
        self._lost = ""

    def content(self) -> str:
        """Weights (hash of the folder, or id and commit), adapter, template, and how tools are told and calls read."""
        adapter = {"adapter": _weights(self._adapter)} if self._adapter else {}
        tokenizer = {} if self._found.commit else {"tokenizer": tokenizer_digest(self._found.folder)}
        told = {"tools": self.reading.tools, "parser": f"{self.reading.by}:{self.reading.parser}"}
        return canonical({"weights": _weights(self._found), **tokenizer, **adapter, "template": self._template, **told})

    def settings(self) -> dict[str, JsonValue]:
        """vLLM's version and arguments, parser, template digest, and what `--deterministic` guarantees."""
        found: dict[str, JsonValue] = {
            "engine": "vllm",
            "engine_version": installed_version(self._executable),
            "engine_arguments": [f"{key}={canonical(value)}" for key, value in sorted(self._flags.items())],
            "engine_environment": _engine_environment(),
            "template": self._template,
            "tools": self.reading.tools,
            "parser": f"{self.reading.by}:{self.reading.parser}",
            "parser_reason": self.reading.why,
            "tool_choice": self._sampling.tool_choice,
            "strict": self._sampling.strict,
            "format": wire.VERSION,
        }
        return {**found, "guarantee": GUARANTEE} if self._sampling.deterministic else found

    def start(self) -> None:
        """Start the server now, and wait until it answers.

        Raises:
            SetupError: it could not be started.
        """
        self._up()

    @property
    def server(self) -> Server:
        """The server, started where that was not done yet.

        Raises:
            SetupError, ModelFault: as `reply`.
        """
        self._up()
        assert self._server is not None
        return self._server

    def _up(self) -> tuple[ChatEndpoint, int]:
        """The endpoint, its server started where that was not done yet, and how often it was started."""
        with self._lock:
            if self._closed:
                raise ModelFault("the model is closed", where=self.name)
            if self._lost:
                raise self._fault()
            if self._endpoint is None:
                log = Path(self._own.log).absolute() if self._own.log else None
                server = Server(
                    self._command,
                    environment=_environment(self._executable),
                    name=self.name,
                    log=log,
                    seconds=self._own.start_seconds,
                    notice=self.notice,
                )
                self._server = server
                server.start()
                sampling = asked(self._sampling, self.reading)
                self._endpoint = ChatEndpoint(
                    self._served, self._settings, sampling, key=server.key, base_url=f"{server.url}/v1"
                )
                self._generation += 1
            return self._endpoint, self._generation

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Raises:
            SetupError: the server could not be started.
            ModelFault: it died more often than it may be started again, or failed while it lives.
        """
        while True:
            endpoint, generation = self._up()
            try:
                return endpoint.reply(request)
            except (ModelFault, SetupError) as error:
                self._again(generation, error)

    def _again(self, generation: int, error: RiseError) -> None:
        """Start the dead server again, unless another thread did.

        Raises:
            ModelFault, SetupError: `error`, where the server lives; or it is lost for good.
        """
        with self._lock:
            if generation != self._generation and not self._lost:
                return
            if self._lost or self._closed or self._server is None:
                raise self._fault() from None
            if self._server.healthy() or not self._server.ends_within(_DYING_SECONDS):
                raise error
            why = self._server.why_it_ended()
            if self._generation > self._own.restarts:
                self._lost = f"the server died: {why}"
                raise self._fault() from None
            self.notice(f"{self.name}: the server died, starting it again: {why}")
            try:
                self._server.start()
            except SetupError as failed:
                self._lost = f"the server died and could not be started again: {failed.what}"
                raise self._fault() from None
            self._generation += 1

    def _fault(self) -> ModelFault:
        remedy = "run the same command again with --retry-faults"
        return ModelFault(self._lost or "the model is closed", where=self.name, remedy=remedy)

    def close(self) -> None:
        """End the server and all that it started. Closing twice is harmless."""
        self._closed = True
        if self._server is not None:
            self._server.interrupt()
        with self._lock:
            if self._server is not None:
                self._server.close()
            if self._endpoint is not None:
                self._endpoint.close()


_DYING_SECONDS = 15.0
"""What a server whose engine died gets to notice that and end."""


def _weights(found: Located) -> str:
    """A hub model's id and commit, which pin all of it; of a folder, the hash of its weights and configuration."""
    return f"{found.target}@{found.commit}" if found.commit else weights_digest(found.folder)


def _template_digest(given: JsonValue, found: Located) -> str:
    """Of the template in use: vLLM takes another one as a file or as the text itself."""
    if not isinstance(given, str):
        return digest(found.template)
    path = Path(given)
    return digest(path.read_text(encoding="utf-8") if "{" not in given and path.is_file() else given)


def _environment(executable: Path) -> dict[str, str]:
    """What the server's environment has beside ours: its own programs first, as if its environment were activated."""
    path = os.pathsep.join([str(executable.parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "VLLM_NO_USAGE_STATS": os.environ.get("VLLM_NO_USAGE_STATS", "1"), "VLLM_LOGGING_COLOR": "0"}


def _engine_environment() -> list[JsonValue]:
    """Variables that change how vLLM computes, as `NAME=value`; none holds a secret."""
    names = ("VLLM_ATTENTION_BACKEND", "VLLM_BATCH_INVARIANT", "VLLM_USE_V1", "VLLM_USE_V2_MODEL_RUNNER")
    return [f"{name}={os.environ[name]}" for name in names if name in os.environ]


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


# --- attached ---------------------------------------------------------------------------------------------------------


class Attached:
    """A model on a vLLM server that somebody else runs. Its parser and its weights are that server's affair."""

    def __init__(self, target: str, own: Own, chat: Mapping[str, JsonValue], sampling: Sampling) -> None:
        self.name = f"vllm:{target}"
        native = sampling.parser == "native" and own.tools != "prompted"
        parser = "native" if native else "hermes" if own.tools == "prompted" else sampling.parser
        tools: Literal["native", "prompted"] = "prompted" if own.tools == "prompted" else "native"
        read = Reading(tools=tools, by="engine" if native else "harness", parser=parser)
        settings = endpoint_settings(chat, read, WIDTH)
        key = os.environ.get(settings.api_key_env if "api_key_env" in chat else ATTACH_KEY, "").strip() or "none"
        url = own.base_url.rstrip("/").removesuffix("/v1")
        self._version = _version_and_model(url, target, key)
        self._endpoint = ChatEndpoint(target, settings, asked(sampling, read), key=key, base_url=f"{url}/v1")
        self.width = self._endpoint.width
        self.seeded = self._endpoint.seeded

    def content(self) -> str:
        """Address, served id and what the server tells of it: nobody can see its weights from here."""
        return self._endpoint.content()

    def settings(self) -> dict[str, JsonValue]:
        """vLLM's version, and what the client knows of the endpoint."""
        return {**self._endpoint.settings(), "engine": "vllm", "engine_version": self._version}

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Raises:
            ModelFault: the server failed after retries.
        """
        return self._endpoint.reply(request)

    def close(self) -> None:
        """Close the connections. The server stays."""
        self._endpoint.close()


def _version_and_model(url: str, target: str, key: str) -> str:
    """vLLM's version, once the server is known to serve `target`.

    Raises:
        SetupError: nobody answers, the key is refused, or it serves something else.
    """
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30.0) as client:
        try:
            listed = client.get("/v1/models")
            version = client.get("/version")
        except httpx2.HTTPError as error:
            remedy = "start it, or correct base_url="
            raise SetupError(f"nobody answers ({type(error).__name__})", where=url, remedy=remedy) from None
    if listed.status_code == 401:
        raise SetupError("the key is refused", where=url, remedy=f"set {ATTACH_KEY}, or name a variable: api_key_env=")
    served = _ids(listed)
    if target not in served:
        named = ", ".join(served[:10]) or "no model that it tells of"
        raise SetupError(f"serves {named}; not {target!r}", where=url, remedy="write vllm:ID with a served id")
    told = _object(version).get("version")
    return one_line(told)[:40] if isinstance(told, str) else ""


def _ids(response: httpx2.Response) -> list[str]:
    listed = _object(response).get("data")
    entries = listed if isinstance(listed, list) else []
    return [one_line(entry["id"])[:200] for entry in entries if isinstance(entry, dict) and "id" in entry]


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
