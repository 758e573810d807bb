"""What is given for `vllm:ID`, sorted: our arguments, the client's, those of `vllm serve`; and the command they come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.model.chat import Settings
from rise_bench.model.families import family_of
from rise_bench.model.located import Located
from rise_bench.types import Record, Sampling, canonical

__all__ = [
    "DETERMINISTIC",
    "Own",
    "Reading",
    "adapter_name",
    "asked",
    "command",
    "endpoint_settings",
    "reading",
    "sort_args",
]

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


def sort_args(args: Mapping[str, JsonValue]) -> tuple[Own, dict[str, JsonValue], dict[str, JsonValue]]:
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


def asked(sampling: Sampling, read: Reading) -> Sampling:
    """The sampling for the endpoint's client. Where we read the calls the server must not: tools stay in the prompt at
    `tool_choice` none, but nothing is parsed.
    """
    if read.by == "engine":
        return sampling
    choice = "none" if read.tools == "native" and sampling.tool_choice == "auto" else sampling.tool_choice
    return sampling.model_copy(update={"parser": read.parser, "tool_choice": choice})


def endpoint_settings(chat: Mapping[str, JsonValue], read: Reading, width: int) -> Settings:
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


DETERMINISTIC: dict[str, JsonValue] = {"enable_prefix_caching": False, "seed": 0}


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
        words += ["--enable-lora", "--lora-modules", f"{adapter_name(own.peft)}={adapter.folder}"]
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


def _word(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)


def adapter_name(peft: str) -> str:
    return f"{Path(peft.rstrip('/')).name}-adapter"
