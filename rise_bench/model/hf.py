"""`hf:ID`: a model of transformers in our own process, attempts batched, calls read by our parsers."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import torch
from pydantic import Field, JsonValue, ValidationError
from transformers import __version__ as transformers_version

from rise_bench.errors import InputError
from rise_bench.model import history
from rise_bench.model.batching import Batcher
from rise_bench.model.decoding import Rows, SeededSampler, draw_seed, joinable, prefilled
from rise_bench.model.loading import (
    context_of,
    device_of,
    load_tokenizer,
    load_weights,
    located,
    named_dtype,
    stop_ids,
    with_weights,
)
from rise_bench.model.located import locate
from rise_bench.model.prompt import PLAIN_STOPS, read_text
from rise_bench.model.rendering import Rendering, Tools, refuse_constraints, rendering
from rise_bench.model.weights import tokenizer_digest, weights_digest
from rise_bench.model.wire import Names
from rise_bench.types import Model, ModelRequest, Record, Reply, Sampling, Suite, canonical

__all__ = ["GUARANTEE", "HuggingFace", "Settings", "make"]

GUARANTEE = (
    "greedy, one request at a time, deterministic kernels where there are any: the same tokens on the same machine with "
    "the same versions and arguments"
)
"""What `--deterministic` comes to here."""


_MASK_BYTES = 1 << 30
"""A padded batch has a mask of rows x length x length: beyond this it is read in parts."""

_ASIDE = re.compile(r"_|output_|use_cache|transformers_version")
"""Generation defaults that change nothing in what is said."""


class Settings(Record):
    """Model arguments."""

    revision: str = ""
    """Branch, tag or commit of a hub model."""
    tokenizer: str = ""
    """Another tokenizer's id or folder."""
    chat_template: str = ""
    """A file with another chat template."""
    template_args: dict[str, JsonValue] = Field(default_factory=dict)
    """Further variables of the template (`{"enable_thinking": false}`)."""
    tools: Tools = "auto"
    """How tools are told: by the template (`native`), in the system message (`prompted`), or as the template allows."""
    peft: str = ""
    """A LoRA adapter's id or folder."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """`auto` = as the weights are stored."""
    device: str = "auto"
    """`auto` = a CUDA device where there is one."""
    device_map: str = ""
    """As transformers takes it (`auto` spreads a model over several devices); needs accelerate."""
    batch_size: int = Field(default=8, ge=1, le=1024)
    context: int | None = Field(default=None, gt=0)
    """Tokens of prompt and reply; empty = as the model says."""
    attn_implementation: str = ""
    trust_remote_code: bool = False


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The model `target`: a hub id, the folder of a saved model, or that of an adapter which names its base.

    Its weights are loaded with the first request.

    Raises:
        InputError: no model named, or an argument that cannot be used.
        SetupError: no such model.
    """
    if not target:
        remedy = "write hf:ID, a hub id or the folder of a model"
        raise InputError("no model named", where="model hf", remedy=remedy)
    try:
        settings = Settings.model_validate({key.replace("-", "_"): value for key, value in args.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name, takes = ".".join(map(str, first["loc"])), ", ".join(Settings.model_fields)
        remedy = f"it takes: {takes}" if first["type"] == "extra_forbidden" else "correct the model argument"
        raise InputError(f"{name}: {first['msg']}", where="model hf", remedy=remedy) from None
    refuse_constraints(sampling, "transformers")
    return HuggingFace(target, settings, sampling)


@dataclass(frozen=True, slots=True)
class _Job:
    """A request as tokens."""

    tokens: list[int]
    room: int
    """Most new tokens."""
    seed: int


@dataclass(frozen=True, slots=True)
class _Written:
    """What a job gave: its text, how many tokens that took, and whether the model ended it itself."""

    text: str
    tokens: int
    ended: bool


class HuggingFace:
    """A causal language model of transformers.

    Requests of many attempts are gathered into batches of like length, padded on the left. What is drawn at a
    temperature above 0 follows the request's seed, task, attempt and step, and not who else is in the batch; but sums
    are rounded otherwise in batches of another shape, and where two tokens are all but equally likely that can decide.
    `Sampling.deterministic` leaves no such choice: see `GUARANTEE`. Source: our design.
    """

    pinned = True
    """Its identity holds the weights."""
    seeded = True
    """It samples by the request's seed."""

    def __init__(self, target: str, settings: Settings, sampling: Sampling) -> None:
        self.name = f"hf:{target}"
        self.notice: Callable[[str], None] = _to_stderr
        """Takes a line about what takes long."""
        self.width = 1 if sampling.deterministic else settings.batch_size
        if sampling.deterministic:  # read by CUDA's library when it starts
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        self._settings = settings
        self._sampling = sampling
        self._found, self._adapter = located(target, settings.revision, settings.peft)
        self._tokenizer_at = locate(settings.tokenizer) if settings.tokenizer else self._found
        self._tokenizer = load_tokenizer(
            self._tokenizer_at,
            chat_template=settings.chat_template,
            trust_remote_code=settings.trust_remote_code,
        )
        self._device = device_of(settings.device)
        self._dtype = settings.dtype if settings.dtype != "auto" else named_dtype(self._found.config)
        self._defaults = dict(self._found.json("generation_config.json"))
        self._stops = stop_ids(self._found.config, self._defaults, self._tokenizer)
        self._rendering = self._rendered()
        self._context = settings.context or context_of(self._found.config, self._tokenizer)
        self._lock = threading.Lock()
        self._model: Any = None
        self._joinable = True
        self._batcher: Batcher[_Job, _Written] = Batcher(
            self._run, self.width, length=lambda job: len(job.tokens), name=self.name
        )

    def _rendered(self) -> Rendering:
        template = self._tokenizer.chat_template
        text = canonical(template) if isinstance(template, dict) else template or ""

        def apply(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
            more = self._settings.template_args
            made: str = self._tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=True, tokenize=False, **more
            )
            return made

        return rendering(
            apply if template else None,
            template=text,
            config=self._found.config,
            tools=self._settings.tools,
            sampling=self._sampling,
            ends=self._tokenizer.convert_ids_to_tokens(sorted(self._stops)),
        )

    # --- what it says of itself -----------------------------------------------------------------------------------------

    def content(self) -> str:
        """Hashes of weights, adapter, tokenizer and template, how tools are told and calls read, precision."""
        adapter = {"adapter": weights_digest(with_weights(self._adapter).folder, self.notice)} if self._adapter else {}
        return canonical(
            {
                "weights": weights_digest(with_weights(self._found).folder, self.notice),
                **adapter,
                "tokenizer": tokenizer_digest(self._tokenizer_at.folder),
                "template": self._rendering.template,
                "template_args": self._settings.template_args,
                "tools": self._rendering.tools,
                "parser": f"harness:{self._rendering.parser}",
                "dtype": self._dtype,
            }
        )

    def settings(self) -> dict[str, JsonValue]:
        """Versions, device, precision, batch size, rendering, generation defaults, what `--deterministic` guarantees."""
        cuda = self._device.type == "cuda"
        found: dict[str, JsonValue] = {
            "engine": "transformers",
            "engine_version": transformers_version,
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(self._device) if cuda else self._device.type,
            "dtype": self._dtype,
            "attention": self._settings.attn_implementation or "default",
            "batch_size": self.width,
            "context": self._context,
            "commit": self._found.commit,
            "generation_defaults": {key: value for key, value in self._defaults.items() if not _ASIDE.match(key)},
            "tool_choice": self._sampling.tool_choice,
            **self._rendering.settings(),
        }
        if self._adapter:
            found["peft"] = version("peft")
        return {**found, "guarantee": GUARANTEE} if self._sampling.deterministic else found

    def start(self) -> None:
        """Load the weights now, which the first request would else.

        Raises:
            SetupError: they cannot be loaded.
        """
        if self._model is None:
            self._model = self._loaded()
            self._joinable = joinable(self._model)

    # --- replies --------------------------------------------------------------------------------------------------------

    def reply(self, request: ModelRequest) -> Reply:
        """The model's next message.

        Raises:
            SetupError: the weights cannot be loaded.
            ModelFault: the engine failed, as when memory does not suffice for this request alone.
        """
        names = Names.of(request.tools)
        tools = request.tools if self._sampling.tool_choice != "none" else ()
        step = history.steps(request)
        prompt = self._rendering.prompt(request.messages, tools, names)
        bare = self._rendering.apply is None  # a template writes its own first token
        with self._lock:  # a fast tokenizer's settings are not made for many threads
            tokens: list[int] = self._tokenizer(prompt, add_special_tokens=bare).input_ids
        room = min(self._sampling.max_tokens, self._context - len(tokens))
        made, written = _Written("", 0, ended=False), ""
        if room > 0:
            seed = draw_seed(request.seed, request.task, request.attempt, step)
            made = self._batcher.ask(_Job(tokens, room, seed))
            written = f"<think>{made.text}" if prompt.rstrip().endswith("<think>") else made.text
        schemas = {names.wire(tool.id): tool.parameters for tool in tools}
        full: Literal["context_overflow", "output_limit"]
        full = "context_overflow" if room < self._sampling.max_tokens else "output_limit"
        return Reply(
            message=read_text(written, names, parser=self._rendering.parser, step=step, schemas=schemas),
            input_tokens=len(tokens),
            output_tokens=made.tokens,
            stop=None if made.ended else full,
        )

    def close(self) -> None:
        """End what runs at its next token, release who waits, give the memory back. Closing twice is harmless."""
        self._batcher.close()
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    # --- the worker's side ----------------------------------------------------------------------------------------------

    def _run(self, jobs: list[_Job]) -> list[_Written]:
        self.start()
        return self._part(jobs)

    def _part(self, jobs: Sequence[_Job]) -> list[_Written]:
        """A batch, in as many parts as memory wants."""
        mask = len(jobs) * max(len(job.tokens) for job in jobs) ** 2
        if len(jobs) == 1 or self._joinable or mask <= _MASK_BYTES:
            try:
                return self._generate(jobs)
            except torch.OutOfMemoryError:
                if len(jobs) == 1:
                    raise
            torch.cuda.empty_cache()
            self.notice(f"{self.name}: memory does not suffice for {len(jobs)} requests at once: halved")
        half = len(jobs) // 2
        return self._part(jobs[:half]) + self._part(jobs[half:])

    def _loaded(self) -> Any:
        own = self._settings
        self.notice(f"{self.name}: loading weights")
        model = load_weights(
            with_weights(self._found),
            with_weights(self._adapter) if self._adapter else None,
            self._device,
            dtype=self._dtype,
            trust_remote_code=own.trust_remote_code,
            device_map=own.device_map,
            attn_implementation=own.attn_implementation,
        )
        if self._sampling.deterministic:
            torch.use_deterministic_algorithms(True, warn_only=True)
        model.generation_config = self._greedy(model.generation_config)
        return model

    def _greedy(self, config: Any) -> Any:
        """The model's own generation defaults, but greedy: what is drawn is drawn by `SeededSampler`."""
        config.update(do_sample=False, num_beams=1, temperature=None, top_p=None, top_k=None, max_length=None)
        config.eos_token_id = sorted(self._stops)
        config.pad_token_id = self._pad
        return config

    @property
    def _pad(self) -> int:
        """Any token will do: it is masked in prompts, and stands after a row's end in replies."""
        pad = self._tokenizer.pad_token_id
        return pad if isinstance(pad, int) else min(self._stops)

    @torch.inference_mode()
    def _generate(self, jobs: Sequence[_Job]) -> list[_Written]:
        width = max(len(job.tokens) for job in jobs)
        tokens = torch.full((len(jobs), width), self._pad, dtype=torch.long)
        mask = torch.zeros_like(tokens)
        for row, job in enumerate(jobs):
            tokens[row, width - len(job.tokens) :] = torch.tensor(job.tokens)
            mask[row, width - len(job.tokens) :] = 1
        more: dict[str, Any] = {}
        if self._rendering.apply is None:
            more = {"tokenizer": self._tokenizer, "stop_strings": list(PLAIN_STOPS)}
        if self._joinable and len(jobs) > 1 and min(len(job.tokens) for job in jobs) > 1:
            more["past_key_values"] = prefilled(self._model, [job.tokens[:-1] for job in jobs])
        made = self._model.generate(
            input_ids=tokens.to(self._model.device),
            attention_mask=mask.to(self._model.device),
            max_new_tokens=max(job.room for job in jobs),
            logits_processor=self._samplers(jobs),
            stopping_criteria=[Rows([job.room for job in jobs], width, lambda: self._batcher.closed)],
            **more,
        )
        return [self._cut(row[width:].tolist(), job) for row, job in zip(made, jobs, strict=True)]

    def _samplers(self, jobs: Sequence[_Job]) -> list[SeededSampler]:
        sampling, defaults = self._sampling, self._defaults
        if sampling.deterministic or sampling.temperature == 0:
            return []
        temperature = sampling.temperature if sampling.temperature is not None else defaults.get("temperature")
        return [
            SeededSampler(
                [job.seed for job in jobs],
                temperature=temperature or 1.0,
                top_p=sampling.top_p if sampling.top_p is not None else defaults.get("top_p"),
                top_k=defaults.get("top_k"),
                device=self._model.device,
            )
        ]

    def _cut(self, made: list[int], job: _Job) -> _Written:
        """The row up to where the model ended it, special tokens kept: some families write calls with them."""
        made = made[: job.room]
        end = next((at for at, token in enumerate(made) if token in self._stops), None)
        kept = made if end is None else made[:end]
        text: str = self._tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if end is None and self._rendering.apply is None:
            cut = min((at for stop in PLAIN_STOPS if (at := text.find(stop)) >= 0), default=None)
            if cut is not None:
                return _Written(text[:cut], len(made), ended=True)
        return _Written(text, len(made) if end is None else end + 1, ended=end is not None)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
