"""What steers transformers while it writes: each row's own limit and its own random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessor, StoppingCriteria, TopKLogitsWarper, TopPLogitsWarper
from transformers.cache_utils import DynamicLayer

__all__ = ["Rows", "SeededSampler", "draw_seed", "joinable", "prefilled"]


def draw_seed(seed: int, task: str, attempt: int, step: int) -> int:
    """The seed of one message: the same in every run, another one for every attempt and step."""
    return random.Random(f"{seed}/{task}/{attempt}/{step}").randrange(2**63)


class Rows(StoppingCriteria):
    """Ends each row at its own limit, and all of them once nobody waits any more."""

    def __init__(self, room: Sequence[int], width: int, ended: Callable[[], bool]) -> None:
        """
        Args:
            room: most new tokens, per row.
            width: tokens of the padded prompts.
            ended: has the engine been closed?
        """
        self._until = torch.tensor(room) + width
        self._ended = ended

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: object) -> torch.Tensor:
        """Per row: is it done?"""
        length = input_ids.shape[1]
        return ((self._until <= length) | self._ended()).to(input_ids.device)


class SeededSampler(LogitsProcessor):
    """Turns greedy choice into sampling, row by row: the largest of logits plus Gumbel noise is a sample of them.

    Each row has a generator of its own, so that what is drawn for it does not depend on the rows beside it. Source: the
    Gumbel-max trick.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        temperature: float,
        top_p: float | None,
        top_k: int | None,
        device: torch.device,
    ) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._temperature = temperature
        self._warpers: list[LogitsProcessor] = []
        if top_k:
            self._warpers.append(TopKLogitsWarper(top_k))
        if top_p is not None and top_p < 1:
            self._warpers.append(TopPLogitsWarper(top_p))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores whose largest entry, per row, is the token drawn."""
        scores = scores.float() / self._temperature
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        for row, generator in enumerate(self._generators):
            noise = torch.empty(scores.shape[1], device=generator.device).exponential_(generator=generator)
            scores[row] -= noise.log().to(scores.device)
        return scores


def joinable(model: Any) -> bool:
    """Can prompts that were read one by one be joined? Not where sliding windows or recurrences keep other state."""
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


def prefilled(model: Any, prompts: Sequence[Sequence[int]]) -> DynamicCache:
    """Keys and values of prompts read one by one, padded on the left into one batch.

    A padded batch is read with a mask of rows x length x length, which for prompts of some thousand tokens costs more
    than it saves and rounds otherwise than a prompt alone. So only the writing is batched.
    """
    read: list[DynamicCache] = []
    for tokens in prompts:
        cache = DynamicCache(config=model.config)
        ids = torch.tensor([list(tokens)], device=model.device)
        model.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
        read.append(cache)
    width = max(len(tokens) for tokens in prompts)
    merged = DynamicCache(config=model.config)
    for index in range(len(read[0].layers)):
        layers: list[Any] = [cache.layers[index] for cache in read]
        keys = torch.cat([_padded(layer.keys, width) for layer in layers])
        merged.update(keys, torch.cat([_padded(layer.values, width) for layer in layers]), index)
        for layer in layers:  # gives the memory back
            layer.keys = layer.values = None
    return merged


def _padded(states: Any, width: int) -> torch.Tensor:
    """States of shape (1, heads, length, size), zeros before them up to `width`."""
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[2], 0))
