"""`lm-eval:BACKEND`: any model of lm-eval's registry, attempts batched through its `generate_until`."""

from __future__ import annotations

import copy
import functools
import inspect
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError, RiseError, SetupError
from rise_bench.model import history
from rise_bench.model.batching import Batcher
from rise_bench.model.located import Located
from rise_bench.model.prompt import PLAIN_STOPS, read_text
from rise_bench.model.rendering import Rendering, Tools, refuse_constraints, rendering
from rise_bench.model.weights import weights_digest
from rise_bench.model.wire import Names
from rise_bench.plain import one_line
from rise_bench.types import Model, ModelRequest, Record, Reply, Sampling, Suite, canonical

__all__ = ["LmEval", "Own", "make"]

GUARANTEE = "greedy, one request at a time; the rest is the backend's affair"
"""What `--deterministic` comes to here."""


_UNKNOWN_STOPS = ("<|endoftext|>",)
"""Where nobody tells what ends a message: lm-eval sends an empty list of stops on, which some servers refuse."""


_SECRET = frozenset({"api_key", "auth", "auth_token", "header", "headers", "hf_token", "token", "use_auth_token"})
"""Arguments of backends that hold keys: arguments are written into the run."""


class Own(Record):
    """Model arguments that are ours; all others go to the backend as they are."""

    tools: Tools = "auto"
    """How tools are told: by the tokenizer's chat template, in the system message, or as the template allows."""
    batch_size: int = Field(default=8, ge=1, le=1024)
    """Requests at once; the backend is told the same."""


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The backend `target` with its arguments (`pretrained=DIR,dtype=float32`), made at once.

    Raises:
        InputError: no such backend, or an argument that cannot be used.
        SetupError: the backend cannot be made.
    """
    refuse_constraints(sampling, "lm-eval")
    try:
        own = Own.model_validate({key: value for key, value in args.items() if key in Own.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(what, where="model lm-eval", remedy="correct the model argument") from None
    passed = {key: value for key, value in args.items() if key not in Own.model_fields}
    if secret := next((key for key in passed if key.casefold() in _SECRET), None):
        remedy = "set it in the environment (OPENAI_API_KEY, HF_TOKEN, ...)"
        raise InputError(
            f"{secret} is not taken: arguments are kept with the run", where="model lm-eval", remedy=remedy
        )
    return LmEval(target, own, passed, sampling)


@dataclass(frozen=True, slots=True)
class _Job:
    prompt: Any
    """Text, or what the backend's own template made."""
    tokens: int
    """0 where the backend cannot count."""
    room: int
    """Most new tokens."""


class LmEval:
    """A model of lm-eval: what is read and written is text, the rest of a conversation is ours.

    Tools are told by the chat template of the backend's tokenizer where it has one, and in the system message where not:
    lm-eval itself never passes any. lm-eval tells nobody why a text ended: one as long as was allowed counts as cut off.
    """

    seeded = False
    """Backends sample as they like."""

    def __init__(self, target: str, own: Own, passed: Mapping[str, JsonValue], sampling: Sampling) -> None:
        self.name = f"lm-eval:{target}"
        self.width = 1 if sampling.deterministic else own.batch_size
        self._passed = dict(passed)
        self._sampling = sampling
        self._lm = _made(target, self._passed, self.width)
        self._tokenizer = _tokenizer_of(self._lm)
        self._counting = threading.Lock()
        found = Located(target, Path(str(passed.get("pretrained") or "")).expanduser().absolute())
        self._folder = found.folder if passed.get("pretrained") and found.folder.is_dir() else None
        self.pinned = self._folder is not None
        """Its identity holds the weights, where they are a folder."""
        self._rendering = self._rendered(own, found.config if self._folder else {})
        self._until = self._stops()
        self._batcher: Batcher[_Job, str] = Batcher(
            self._run, self.width, length=lambda job: job.tokens or len(str(job.prompt)), name=self.name
        )

    def _rendered(self, own: Own, config: Mapping[str, Any]) -> Rendering:
        """By the tokenizer's own template where it can be reached; else by the backend's, which takes no tools."""
        template = getattr(self._tokenizer, "chat_template", None)
        text = template if isinstance(template, str) else canonical(template) if template else ""
        found = functools.partial(rendering, template=text, config=config, sampling=self._sampling, tools=own.tools)
        made = _templated(self._lm)
        if template and type(made) is str:
            ends = [end] if isinstance(end := getattr(self._tokenizer, "eos_token", None), str) else []
            return found(self._by_tokenizer, ends=ends, heard=self._heard)
        return found(self._by_backend if made else None)

    def _by_tokenizer(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
        more = getattr(self._lm, "chat_template_args", None) or {}
        made: str = self._tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=True, tokenize=False, **more
        )
        return made

    def _by_backend(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> Any:
        if tools:
            raise ValueError("lm-eval passes no tools")
        return self._lm.apply_chat_template(messages, add_generation_prompt=True)

    def _heard(self, text: str) -> str:
        """What the backend gives back of a text: `hf` leaves out special tokens, with which some families mark calls."""
        decode = getattr(self._lm, "tok_decode", None)
        if decode is None:
            return text
        return str(decode(self._tokenizer(text, add_special_tokens=False).input_ids))

    def _stops(self) -> list[str]:
        if self._rendering.apply is None:
            return list(PLAIN_STOPS)
        ids = getattr(getattr(getattr(self._lm, "model", None), "generation_config", None), "eos_token_id", None)
        if self._tokenizer is None:
            return list(_UNKNOWN_STOPS)
        listed = ids if isinstance(ids, list) else [ids]
        named = [self._tokenizer.eos_token, *(self._tokenizer.decode([one]) for one in listed if one is not None)]
        return list(dict.fromkeys(stop for stop in named if stop))

    # --- what it says of itself -----------------------------------------------------------------------------------------

    def content(self) -> str:
        """Backend, its arguments, hashes of weights and adapter where they are folders, how tools are told and read."""
        found: dict[str, JsonValue] = {"backend": self.name, "arguments": self._passed}
        if self._folder is not None:
            found["weights"] = weights_digest(self._folder)
            del found["arguments"]
            found["arguments"] = {
                key: value for key, value in self._passed.items() if key not in ("pretrained", "peft")
            }
        peft = self._passed.get("peft")
        if isinstance(peft, str) and Path(peft).expanduser().is_dir():
            found["adapter"] = weights_digest(Path(peft).expanduser())
        told = {"template": self._rendering.template, "tools": self._rendering.tools}
        return canonical({**found, **told, "parser": f"harness:{self._rendering.parser}"})

    def settings(self) -> dict[str, JsonValue]:
        """Version of lm-eval, its arguments, batch size, rendering, stop texts."""
        found: dict[str, JsonValue] = {
            "engine": self.name,
            "engine_version": version("lm-eval"),
            "engine_arguments": [f"{key}={canonical(value)}" for key, value in sorted(self._passed.items())],
            "device": str(getattr(self._lm, "device", "") or ""),
            "dtype": str(getattr(getattr(self._lm, "model", None), "dtype", "") or ""),
            "batch_size": self.width,
            "until": list(self._until),
            "tool_choice": self._sampling.tool_choice,
            **self._rendering.settings(),
        }
        return {**found, "guarantee": GUARANTEE} if self._sampling.deterministic else found

    # --- replies --------------------------------------------------------------------------------------------------------

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Raises:
            ModelFault: the backend failed.
        """
        names = Names.of(request.tools)
        tools = request.tools if self._sampling.tool_choice != "none" else ()
        step = history.steps(request)
        prompt = self._rendering.prompt(request.messages, tools, names)
        length = self._count(prompt)
        context = getattr(self._lm, "max_length", None) if length is not None else None
        most = self._sampling.max_tokens
        room = min(most, context - (length or 0)) if isinstance(context, int) else most
        text = self._batcher.ask(_Job(prompt, length or 0, room)) if room > 0 else ""
        written = self._count(text) if length is not None else None
        stop: Literal["context_overflow", "output_limit"] | None = None
        if room <= 0 or (written is not None and written >= room):
            stop = "output_limit" if room == most else "context_overflow"
        begun = isinstance(prompt, str) and prompt.rstrip().endswith("<think>")
        return Reply(
            message=read_text(
                f"<think>{text}" if begun else text,
                names,
                parser=self._rendering.parser,
                step=step,
                schemas={names.wire(tool.id): tool.parameters for tool in tools},
            ),
            input_tokens=length,
            output_tokens=written,
            stop=stop,
        )

    def _count(self, text: Any) -> int | None:
        """Tokens of a text; None where the backend has no tokenizer of transformers."""
        if self._tokenizer is None or type(text) is not str:
            return None
        with self._counting:
            return len(self._tokenizer(text, add_special_tokens=False).input_ids)

    def close(self) -> None:
        """Release who waits, and the backend. Closing twice is harmless."""
        self._batcher.close()

    # --- the worker's side ----------------------------------------------------------------------------------------------

    def _run(self, jobs: list[_Job]) -> list[str]:
        """One call of the backend. Requests of another length limit would be batches of their own in it."""
        sampling = self._sampling
        given: dict[str, Any] = {"do_sample": False, "temperature": 0.0}
        if not (sampling.deterministic or sampling.temperature == 0):
            given = {"do_sample": True}
            given |= {key: value for key in ("temperature", "top_p") if (value := getattr(sampling, key)) is not None}
        given["until"] = list(self._until)
        requests = [
            Instance("generate_until", {}, (job.prompt, {**given, "max_gen_toks": job.room}), index)
            for index, job in enumerate(jobs)
        ]
        quiet = "disable_tqdm" in inspect.signature(self._lm.generate_until).parameters
        made = self._lm.generate_until(requests, **({"disable_tqdm": True} if quiet else {}))
        return [str(text) for text in made]


def _tokenizer_of(lm: Any) -> Any:
    """A copy of the backend's tokenizer, if it is one of transformers: the backend changes its own while it works."""
    try:
        found = lm.tokenizer
        return copy.deepcopy(found) if callable(found) and hasattr(found, "chat_template") else None
    except Exception:  # a backend is foreign code: some look for one on the hub only now
        return None


def _templated(lm: Any) -> Any:
    """What the backend's own chat template makes: text, or an object of its own; None where it has none."""
    try:
        return lm.apply_chat_template([{"role": "user", "content": "a"}], add_generation_prompt=True)
    except Exception:  # as in `_tokenizer_of`
        return None


def _made(target: str, passed: Mapping[str, JsonValue], batch_size: int) -> Any:
    """The backend's object.

    Raises:
        InputError: no such backend.
        SetupError: it cannot be made.
    """
    try:
        kind = get_model(target)
    except ValueError as error:
        names = str(error).rpartition("names: ")[2]
        remedy = f"write lm-eval:BACKEND, one of: {names}"
        raise InputError(f"lm-eval has no backend {target!r}", where="model lm-eval", remedy=remedy) from None
    except ImportError as error:
        raise _failed(target, error, f"pip install 'lm-eval[{target}]'") from None
    try:
        return kind.create_from_arg_obj(dict(passed), {"batch_size": batch_size})
    except RiseError:
        raise
    except ImportError as error:
        raise _failed(target, error, f"pip install 'lm-eval[{target}]', or the package that it names") from None
    except Exception as error:  # loading runs foreign code
        raise _failed(target, error, "correct its model arguments: they are those of lm-eval's --model_args") from None


def _failed(target: str, error: Exception, remedy: str) -> SetupError:
    what = f"the backend cannot be made: {type(error).__name__}: {one_line(error)}"[:300]
    return SetupError(what, where=f"lm-eval:{target}", remedy=remedy)
