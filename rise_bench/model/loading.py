"""A model of transformers, found, described and loaded: what goes wrong is said in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from rise_bench.errors import InputError, RiseError, SetupError
from rise_bench.model.located import Located, locate
from rise_bench.plain import one_line

__all__ = [
    "context_of",
    "device_of",
    "load_tokenizer",
    "load_weights",
    "located",
    "named_dtype",
    "setup",
    "stop_ids",
    "with_weights",
]

_ENDLESS = 1 << 24
"""Lengths from here on are a tokenizer's way to say that it knows none."""


@contextmanager
def setup(where: str) -> Iterator[None]:
    """Whatever transformers or the hub raises, as a `SetupError` of one line."""
    try:
        yield
    except RiseError:
        raise
    except Exception as error:  # loading runs much foreign code, remote code too where that was allowed
        remedy = "check that the folder holds a whole model which this version of transformers knows"
        if "trust_remote_code" in str(error):
            remedy = "give trust_remote_code=true if you trust its authors: it runs their code"
        elif isinstance(error, ImportError):
            remedy = "pip install 'rise-bench[hf]', or the package that it names"
        elif isinstance(error, torch.OutOfMemoryError):
            remedy = "choose a smaller dtype, device_map=auto, or a smaller model"
        raise SetupError(f"cannot be loaded: {_line(error)}", where=where, remedy=remedy) from None


def located(target: str, revision: str = "", peft: str = "") -> tuple[Located, Located | None]:
    """(the model, its adapter). A target that is an adapter itself names its base.

    Raises:
        SetupError: one of them is neither a folder nor to be had from the hub.
    """
    adapter = locate(peft) if peft else None
    found = locate(target, revision)
    base = found.json("adapter_config.json").get("base_model_name_or_path")
    if adapter is None and not found.config and isinstance(base, str):
        return locate(base), found
    return found, adapter


def with_weights(found: Located) -> Located:
    """The model with its weights in its folder: a hub model's are fetched once.

    Raises:
        SetupError: they cannot be fetched.
    """
    if not found.commit:
        return found
    with setup(found.target):
        for kind in ("safetensors", "bin"):
            folder = snapshot_download(
                found.target,
                revision=found.commit,
                allow_patterns=[f"*.{kind}", f"*.{kind}.index.json"],
                ignore_patterns=["*/*", "consolidated*", "training_args.bin"],
            )
            if any(Path(folder).glob(f"*.{kind}")):
                break
    return found


def load_tokenizer(found: Located, *, chat_template: str = "", trust_remote_code: bool = False) -> Any:
    """The tokenizer, with the chat template of a file where one is named.

    Raises:
        SetupError: there is none that can be loaded.
        InputError: the file cannot be read.
    """
    with setup(found.target):
        tokenizer = AutoTokenizer.from_pretrained(found.folder, trust_remote_code=trust_remote_code)
    if chat_template:
        try:
            tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"the chat template cannot be read: {type(error).__name__}"
            raise InputError(what, where=chat_template, remedy="name a text file") from None
    return tokenizer


def load_weights(found: Located, adapter: Located | None, device: torch.device, **options: Any) -> Any:
    """The model on its device, ready to answer.

    Args:
        found: with its weights.
        adapter: a LoRA adapter.
        device: where to; not used where a `device_map` says it.
        options: of transformers' `from_pretrained`; empty ones are left out.

    Raises:
        SetupError: it cannot be loaded.
    """
    given = {key: value for key, value in options.items() if value}
    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with setup(found.target):
        model: Any = AutoModelForCausalLM.from_pretrained(found.folder, **given)
        if adapter is not None:
            model.load_adapter(str(adapter.folder))
        if "device_map" not in given:
            model.to(device)
        model.eval()
    return model


def device_of(asked: str) -> torch.device:
    """The device that a text names; `auto` is a CUDA device where there is one.

    Raises:
        InputError: there is no such device.
    """
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        what = f"this device cannot be used: {_line(error)}"
        raise InputError(what, where=f"device={asked}", remedy="leave it out, or write cpu, cuda or cuda:N") from None
    return device


def named_dtype(config: Mapping[str, Any]) -> str:
    """How the weights are stored, as `config.json` says it."""
    named = [place.get("dtype") or place.get("torch_dtype") for place in _places(config)]
    return next((one for one in named if isinstance(one, str)), "float32")


def stop_ids(config: Mapping[str, Any], defaults: Mapping[str, Any], tokenizer: Any) -> frozenset[int]:
    """Tokens that end a message, by whoever names some: a tokenizer often knows fewer than the generation defaults.

    Raises:
        SetupError: nobody names any.
    """
    named: list[Any] = [tokenizer.eos_token_id]
    for place in (defaults, *_places(config)):
        given = place.get("eos_token_id")
        named += given if isinstance(given, list) else [given]
    found = frozenset(one for one in named if isinstance(one, int))
    if not found:
        raise SetupError("no token that ends a message", where="model hf", remedy="set eos_token in its tokenizer")
    return found


def context_of(config: Mapping[str, Any], tokenizer: Any) -> int:
    """Most tokens of prompt and reply together; very many where nobody names a limit."""
    named = [place.get("max_position_embeddings") for place in _places(config)] + [tokenizer.model_max_length]
    return min((one for one in named if isinstance(one, int) and 0 < one < _ENDLESS), default=_ENDLESS)


def _places(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The configuration, and that of its text part where it has several."""
    inner = config.get("text_config")
    return (config, inner) if isinstance(inner, Mapping) else (config,)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"[:300]
