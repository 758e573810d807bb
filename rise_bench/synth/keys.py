"""By what synthesis knows things again: chains, primitives and requests, whatever was recorded of them since."""

from __future__ import annotations

import hashlib
import unicodedata

from rise_bench.synth.records import Chain, Primitive, Proposal
from rise_bench.types import Call, Task, canonical

__all__ = ["call_key", "chain_key", "primitive_key", "proposal_key", "request_key", "task_chain_key"]


def chain_key(chain: Chain) -> str:
    """16 hex digits of a chain's fixture, clock and calls: the same however its results are recorded."""
    return _chain(chain.world.setup, chain.world.now, chain.calls)


def task_chain_key(task: Task) -> str:
    """The `chain_key` of the chain that a task stands for."""
    return _chain(task.setup, task.now, task.reference)


def _chain(setup: str, now: str, calls: tuple[Call, ...]) -> str:
    return _hash([setup, now, [[call.tool, call.arguments] for call in calls]])


def primitive_key(primitive: Primitive) -> str:
    """16 hex digits of fixture, clock, tool and arguments."""
    return _hash([primitive.world.setup, primitive.world.now, primitive.tool, primitive.arguments])


def call_key(setup: str, now: str, call: Call) -> str:
    """The `primitive_key` of a call that binds to nothing."""
    return _hash([setup, now, call.tool, call.arguments])


def proposal_key(made: Proposal | Primitive) -> str:
    """16 hex digits of what was proposed, the same for the proposal and for the primitive that came of it."""
    return _hash([made.world.model_dump(mode="json"), made.tool, made.arguments, made.scenario])


def request_key(text: str) -> str:
    """A request as it counts for being the same: case folded, one blank between words, compatibility forms made one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _hash(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
