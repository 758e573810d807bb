"""From a `--model` text to the model behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from rise_bench import plugins
from rise_bench.errors import InputError, PluginError
from rise_bench.types import Model, Sampling, Suite

__all__ = ["ModelFactory", "identity_args", "load"]

OPERATIONAL_ARGS = frozenset(
    {
        *("api_key_env", "backoff", "concurrency", "timeout", "retries"),
        *("executable", "start_seconds", "restarts", "log"),
    }
)
"""Arguments that say how an endpoint or engine is reached, not what answers: they stay outside a run's digest (DESIGN 9)."""


_SECRETS = frozenset({"access_token", "auth_token", "authorization", "hf_token", "password", "secret", "token"})


class ModelFactory(Protocol):
    """What a plug-in of kind `model` is."""

    def __call__(self, target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
        """A model.

        Args:
            target: what follows the colon in `NAME:target`; may be empty.
            args: `--model-args`.
            suite: the tasks that will be met, for the agents that play their references.
            sampling: how to sample, for models that do.

        Raises:
            InputError: target or args cannot be used.
            SetupError: the engine or endpoint cannot be started or reached.
        """
        ...


def load(
    name: str,
    args: Mapping[str, JsonValue] | None = None,
    suite: Suite | None = None,
    sampling: Sampling | None = None,
) -> Model:
    """The model that a text names: a known name, `NAME:target` (`scripted:PATH`, `openai:ID`) or `module:attribute`.

    Raises:
        PluginError: unknown or broken plug-in.
        InputError: its target or arguments cannot be used, or a secret is among them.
        SetupError: its engine or endpoint cannot be started or reached.
    """
    head, _, target = name.partition(":")
    if head not in plugins.known("model"):
        head, target = name, ""
    factory = plugins.load("model", head)
    if not callable(factory):
        remedy = "name a factory (target, args, suite, sampling)"
        raise PluginError(f"{head} is not callable", where="model", remedy=remedy)
    if secret := next((key for key in args or {} if key.replace("-", "_").casefold() in _SECRETS), None):
        what = f"{secret}= among the arguments would be stored with the run"
        raise InputError(what, where=f"model {head}", remedy="set it in the environment or in .env (HF_TOKEN, ...)")
    model: Model = factory(target, dict(args or {}), suite, sampling or Sampling())
    for needed in ("name", "content", "reply", "close"):
        if not hasattr(model, needed):
            what = f"{head} gave no model: it lacks {needed!r}"
            raise PluginError(what, where="model", remedy="return a types.Model")
    return model


def identity_args(args: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments that belong in `RunSpec.model_args`: without those that only say how to reach the model.

    None may hold a secret: keys are read from environment variables; `load` and the doors refuse them as arguments.
    """
    return {key: value for key, value in sorted(args.items()) if key not in OPERATIONAL_ARGS}


def refuse_unknown(model: str, args: Mapping[str, JsonValue], allowed: frozenset[str] = frozenset()) -> None:
    """Nothing, where every argument is known.

    Raises:
        InputError: an argument that this model does not take.
    """
    extra = sorted(set(args) - allowed)
    if extra:
        takes = ", ".join(sorted(allowed)) or "none"
        raise InputError(f"unknown argument {extra[0]!r}", where=f"model {model}", remedy=f"it takes: {takes}")
