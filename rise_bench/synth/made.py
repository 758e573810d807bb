"""What stages keep that is more than one record of `records.py`: calls that exist, requests with their derivations."""

from __future__ import annotations

from rise_bench.synth.recipe import Part
from rise_bench.synth.records import Chain, Draft, Entity, Recovery
from rise_bench.types import Record, Task

__all__ = ["Listed", "Parted", "Proved", "Recovered", "Twin"]


class Listed(Record):
    """The values that exist in one world."""

    world: str
    entities: tuple[Entity, ...]


class Parted(Record):
    """A chain and the part of all its primitives."""

    part: Part
    chain: Chain


class Recovered(Record):
    """A draft with a request, and how each critical value follows from it."""

    draft: Draft
    recoveries: tuple[Recovery, ...]


class Proved(Record):
    """A task that ran live, its reference scored 1/1, and each critical mutation ended elsewhere."""

    task: Task
    mutations: int


class Twin(Record):
    """A task whose right end is a question or a refusal, and the complete task behind it."""

    origin: str
    task: Task
