"""`vllm:ID`: a model served by vLLM, which runs as a server in an environment of its own; or one that runs already."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError, ModelFault, RiseError, SetupError
from rise_bench.model import wire
from rise_bench.model.chat import ChatEndpoint, Settings
from rise_bench.model.families import family_of
from rise_bench.model.located import Located, digest, locate
from rise_bench.model.vllm_server import Server, find_executable, installed_version
from rise_bench.model.weights import tokenizer_digest, weights_digest
from rise_bench.plain import one_line
from rise_bench.types import Model, ModelRequest, Record, Reply, Sampling, Suite, canonical

__all__ = ["GUARANTEE", "Own", "Vllm", "command", "make"]

WIDTH = 64
"""Requests at once where nothing else is said: what fills an engine of default settings."""

GUARANTEE = (
    "greedy, one request at a time, no cached prefixes, fixed seed: the same tokens on the same machine with the same "
    "versions and arguments"
)
"""What `--deterministic` comes to here."""

ATTACH_KEY = "VLLM_API_KEY"

_KEPT = {
    "host": "the server listens on the loopback address alone",
    "port": "a free port is taken",
    "uds": "the server listens on a port",
    "api_key": "a key of its own is made for each server; to attach to a running one set VLLM_API_KEY",
    "served_model_name": "the model is served under its own id",
    "model": "write it behind the colon",
    "config": "a file could change what this command is",
    "root_path": "the client speaks to the server itself",
    "enable_auto_tool_choice": "it follows from tool_parser=",
    "tool_call_parser": "write tool_parser=",
    "enable_lora": "write peft=",
    "lora_modules": "write peft=",
    "headless": "there would be nobody to ask",
}
"""Options of `vllm serve` that are ours to give, and why."""

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` may be."""


class Own(Record):
    """Model arguments that are ours; those of a chat endpoint come beside them, and the rest goes to `vllm serve`."""

    executable: str = ""
    """The program; empty = `RISE_BENCH_VLLM`, else `vllm` on PATH."""
    base_url: str = ""
    """A running server to attach to, instead of one that is started."""
    revision: str = ""
    """Branch, tag or commit of a hub model."""
    tokenizer: str = ""
    tools: Literal["auto", "native", "prompted"] = "auto"
    """How tools are told: by the chat template, or in the system message."""
    tool_parser: str = ""
    """vLLM's parser of calls; empty = that of the model's family."""
    peft: str = ""
    """A LoRA adapter."""
    start_seconds: float = Field(default=1800.0, gt=0)
    restarts: int = Field(default=1, ge=0, le=100)
    """How often a server that died is started again."""
    log: str = ""
    """File that keeps the server's log; empty = one that goes when all went well."""


class Reading(Record):
    """How tools are told to the model, and who reads its calls by which parser."""

    tools: Literal["native", "prompted"]
    by: Literal["engine", "harness"]
    parser: str
    why: str = ""


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The model `target` (hub id or folder) behind a server that starts with the first request, or with `start`.

    Raises:
        InputError: no model named, or an argument that cannot be used.
        SetupError: no vLLM, no such model, or, to attach, no such server.
    """
    if not target:
        remedy = "write vllm:ID, a hub id or the folder of a model"
        raise InputError("no model named", where="model vllm", remedy=remedy)
    own, chat, flags = _sorted(args)
    if own.base_url:
        if flags:
            what = f"{next(iter(flags))!r} is an option of a server that is started"
            raise InputError(what, where="model vllm", remedy="leave it out: base_url attaches to one that runs")
        return Attached(target, own, chat, sampling)
    return Vllm(target, own, chat, flags, sampling)


def _sorted(args: Mapping[str, JsonValue]) -> tuple[Own, dict[str, JsonValue], dict[str, JsonValue]]:
    """(our arguments, the endpoint client's, those for `vllm serve`)."""
    given = {key.replace("-", "_"): value for key, value in args.items()}
    for key, why in _KEPT.items():
        if key in given or (key.startswith("enable_") and key.replace("enable_", "no_enable_", 1) in given):
            raise InputError(f"{key} cannot be given", where="model vllm", remedy=why)
    chat = {key: given.pop(key) for key in list(given) if key in Settings.model_fields and key not in Own.model_fields}
    ours = {key: given.pop(key) for key in list(given) if key in Own.model_fields}
    try:
        return Own.model_validate(ours), chat, given
    except ValidationError as error:
        raise _refused(error) from None


def reading(own: Own, sampling: Sampling, found: Located) -> Reading:
    """vLLM's own parser where it has one for the family; else ours; else tools are told in the system message."""
    if own.tools == "prompted":
        return Reading(tools="prompted", by="harness", parser="hermes", why="as asked for")
    if sampling.parser != "native":
        return Reading(tools="native", by="harness", parser=sampling.parser, why="as asked for")
    if own.tool_parser:
        return Reading(tools="native", by="engine", parser=own.tool_parser, why="as asked for")
    family = family_of(found.config, found.template)
    if family is None and own.tools == "auto":
        why = "no parser is known for its template and model type; name one with tool_parser="
        return Reading(tools="prompted", by="harness", parser="hermes", why=why)
    if family is not None and family.vllm_parser:
        return Reading(tools="native", by="engine", parser=family.vllm_parser, why=f"family {family.name}")
    why = f"family {family.name}, which vLLM has no parser for" if family else "no family known"
    return Reading(tools="native", by="harness", parser=family.parser if family else "auto", why=why)


def _asked(sampling: Sampling, read: Reading) -> Sampling:
    """The sampling for the endpoint's client. Where we read the calls the server must not: tools stay in the prompt at
    `tool_choice` none, but nothing is parsed.
    """
    if read.by == "engine":
        return sampling
    choice = "none" if read.tools == "native" and sampling.tool_choice == "auto" else sampling.tool_choice
    return sampling.model_copy(update={"parser": read.parser, "tool_choice": choice})


def _endpoint_settings(chat: Mapping[str, JsonValue], read: Reading, width: int) -> Settings:
    given: dict[str, Any] = {"concurrency": width, **chat, "tools": read.tools}
    if read.by == "harness":  # the marks of calls are special tokens in some families: they must not be left out
        given["extra_body"] = {"skip_special_tokens": False, **given.get("extra_body", {})}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> InputError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return InputError(f"{field}: {first['msg']}", where="model vllm", remedy="correct the model argument")


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
        self._flags = {**flags, **(_DETERMINISTIC if sampling.deterministic else {})}
        self._served = _adapter_name(own.peft) if own.peft else target
        seats = flags.get("max_num_seqs")
        width = seats if isinstance(seats, int) and seats > 0 else WIDTH
        self._settings = _endpoint_settings(chat, self.reading, width)
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
                sampling = _asked(self._sampling, self.reading)
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

_DETERMINISTIC: dict[str, JsonValue] = {"enable_prefix_caching": False, "seed": 0}


def command(
    executable: Path,
    target: str,
    own: Own,
    flags: Mapping[str, JsonValue],
    *,
    reading: Reading,
    found: Located,
    adapter: Located | None = None,
) -> list[str]:
    """The command line, without address and port."""
    words = [str(executable), "serve", target, "--served-model-name", target]
    if found.commit:
        words += ["--revision", found.commit]
    if own.tokenizer:
        words += ["--tokenizer", own.tokenizer]
    if reading.by == "engine" and reading.tools == "native":
        words += ["--enable-auto-tool-choice", "--tool-call-parser", reading.parser]
    if adapter is not None:
        words += ["--enable-lora", "--lora-modules", f"{_adapter_name(own.peft)}={adapter.folder}"]
        rank = adapter.json("adapter_config.json").get("r")
        if "max_lora_rank" not in flags and isinstance(rank, int):
            words += ["--max-lora-rank", str(next((size for size in _RANKS if size >= rank), rank))]
    for key, value in flags.items():
        words += _words(key, value)
    return words


def _words(key: str, value: JsonValue) -> list[str]:
    """An option as `vllm serve` takes it."""
    name = key.replace("_", "-")
    if not name.replace("-", "").isalnum():
        raise InputError(f"{key!r} is no option", where="model vllm", remedy="see `vllm serve --help=all`")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *(_word(item) for item in value)]
    return [f"--{name}", _word(value)]


def _weights(found: Located) -> str:
    """A hub model's id and commit, which pin all of it; of a folder, the hash of its weights and configuration."""
    return f"{found.target}@{found.commit}" if found.commit else weights_digest(found.folder)


def _template_digest(given: JsonValue, found: Located) -> str:
    """Of the template in use: vLLM takes another one as a file or as the text itself."""
    if not isinstance(given, str):
        return digest(found.template)
    path = Path(given)
    return digest(path.read_text(encoding="utf-8") if "{" not in given and path.is_file() else given)


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)


def _adapter_name(peft: str) -> str:
    return f"{Path(peft.rstrip('/')).name}-adapter"


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
        settings = _endpoint_settings(chat, read, WIDTH)
        key = os.environ.get(settings.api_key_env if "api_key_env" in chat else ATTACH_KEY, "").strip() or "none"
        url = own.base_url.rstrip("/").removesuffix("/v1")
        self._version = _version_and_model(url, target, key)
        self._endpoint = ChatEndpoint(target, settings, _asked(sampling, read), key=key, base_url=f"{url}/v1")
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
