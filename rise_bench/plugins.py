"""Plug-ins by name: what is built in, what installed packages offer, and `module:attribute`."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any

from rise_bench.errors import PluginError

__all__ = ["KINDS", "known", "load", "unknown"]

_BUILTIN: dict[str, dict[str, str]] = {
    "scorer": {},
    "model": {
        "oracle": "rise_bench.model.oracle:make",
        "silent": "rise_bench.model.trivial:make_silent",
        "random-tool": "rise_bench.model.trivial:make_random_tool",
        "always-ask": "rise_bench.model.trivial:make_always_ask",
        "always-decline": "rise_bench.model.trivial:make_always_decline",
        "lexical": "rise_bench.model.lexical:make",
        "scripted": "rise_bench.model.scripted:make",
        "openai": "rise_bench.model.several:make",
        "vllm": "rise_bench.model.vllm:make",
        "hf": "rise_bench.model.hf:make",
        "lm-eval": "rise_bench.model.lm_eval_backend:make",
        "agent": "rise_bench.agents.model:make",
    },
    "ground": {
        "live": "rise_bench.ground.doors:live",
        "replay": "rise_bench.ground.replay:make",
    },
    "executor": {
        "local": "rise_bench.executors:local",
        "ray": "rise_bench.distributed:ray_executor",
    },
    "mutation": {},
    "author": {},
    "importer": {
        "bfcl": "rise_bench.importers:import_bfcl",
        "openai-chat": "rise_bench.importers:import_chat",
        "tau": "rise_bench.importers:import_tau",
        "lm-eval": "rise_bench.importers.lm_eval:import_lm_eval",
        "inspect": "rise_bench.importers.inspect:import_inspect",
    },
    "exporter": {
        "inspect": "rise_bench.inspect_log:export_inspect",
    },
}

_EXTRA_OF = {
    "torch": "hf",
    "transformers": "hf",
    "peft": "hf",
    "huggingface_hub": "vllm",
    "lm_eval": "lmeval",
    "inspect_ai": "inspect",
    "ray": "ray",
    "sklearn": "synth",
    "matplotlib": "plots",
}
"""Libraries that come with an extra of this package."""

KINDS = tuple(_BUILTIN)
"""Kinds of plug-ins; the entry-point group of a kind is `rise_bench.<kind>`."""


def _targets(kind: str) -> dict[str, str]:
    """Name -> `module:attribute`, built-ins before installed ones: a package cannot quietly replace a built-in."""
    if kind not in _BUILTIN:
        raise PluginError(f"unknown kind of plug-in {kind!r}", remedy=f"one of: {', '.join(KINDS)}")
    installed = {point.name: point.value for point in entry_points(group=f"rise_bench.{kind}")}
    return installed | _BUILTIN[kind]


def known(kind: str) -> tuple[str, ...]:
    """Sorted names of this kind's plug-ins. Nothing is imported.

    Raises:
        PluginError: no such kind.
    """
    return tuple(sorted(_targets(kind)))


def unknown(kind: str, name: str) -> PluginError:
    """The error that says which names exist and which one was probably meant."""
    names = known(kind)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listing = ", ".join(names) or "none built in"
    return PluginError(f"unknown {kind} {name!r}", remedy=f"{hint}known: {listing}; or module:attribute")


def load(kind: str, name: str) -> Any:
    """The object behind a plug-in's name or `module:attribute`.

    Raises:
        PluginError: unknown name or kind; the module cannot be imported or has no such attribute.
    """
    target = _targets(kind).get(name, name)
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise unknown(kind, name)
    where = f"{kind} plug-in {name!r}"
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # an import runs foreign code: whatever escapes is the plug-in's failure
        remedy = f"check that {module_name} is installed and imports on its own"
        if isinstance(error, ModuleNotFoundError) and (extra := _EXTRA_OF.get(str(error.name).split(".")[0])):
            remedy = f"pip install 'rise-bench[{extra}]'"
        elif target == name and (close := difflib.get_close_matches(module_name, known(kind), n=1)):
            remedy = f"did you mean {f'{close[0]}:{attribute}'!r}? else {remedy}"
        what = f"cannot import {module_name}: {type(error).__name__}: {error}"
        raise PluginError(what, where=where, remedy=remedy) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            remedy = "check the spelling, or update the package that offers it"
            raise PluginError(f"{module_name} has no attribute {attribute!r}", where=where, remedy=remedy)
        found = getattr(found, part)
    return found
