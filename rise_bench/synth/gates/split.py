"""Gate 8: who goes to which part, by server, then by primitive, before anything is composed; that nothing crosses, proved."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from rise_bench.errors import InputError
from rise_bench.refs import resolve
from rise_bench.store import LoadedSuite
from rise_bench.synth.gates.extra import learners
from rise_bench.synth.keys import call_key, request_key, task_chain_key
from rise_bench.synth.recipe import PARTS, Part, Splits
from rise_bench.types import Call, Record, Task, canonical

__all__ = [
    "Holdings",
    "Neighbours",
    "call_keys",
    "crossings",
    "holdings_of_suite",
    "neighbours",
    "part_of",
    "refuse_crossings",
]


def part_of(tool: str, arguments: Mapping[str, object], splits: Splits, seed: int) -> Part:
    """The part of all primitives with this tool and these arguments, in whatever world they ran.

    Follows from seed, tool and arguments alone: more primitives, or another order, move none.
    """
    if tool.partition(".")[0] in splits.unseen_servers:
        return "test-unseen-servers"
    shares = [(part, splits.shares[part]) for part in PARTS if splits.shares.get(part)]
    whole = sum(share for _, share in shares)
    text = canonical([seed, tool, arguments])
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64 * whole
    for part, share in shares:
        if place < share:
            return part
        place -= share
    return shares[-1][0]


@dataclass(slots=True)
class Holdings:
    """What a part holds, by keys."""

    tasks: set[str] = field(default_factory=set)
    primitives: set[str] = field(default_factory=set)
    chains: set[str] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)

    def add(self, task: Task) -> None:
        """Count a task in."""
        self.tasks.add(task.id)
        self.primitives.update(call_keys(task))
        if task.reference:
            self.chains.add(task_chain_key(task))
        self.requests.add(request_key(task.request))

    def shares(self, task: Task) -> str:
        """What a task has in common with the holdings: `task`, `request`, `chain`, `primitive`; empty = nothing."""
        if task.id in self.tasks:
            return "task"
        if request_key(task.request) in self.requests:
            return "request"
        if task.reference and task_chain_key(task) in self.chains:
            return "chain"
        return "primitive" if self.primitives & call_keys(task) else ""


def holdings_of_suite(loaded: LoadedSuite) -> Holdings:
    """What a released suite holds."""
    found = Holdings()
    for task in loaded.suite.tasks:
        found.add(task)
    return found


def call_keys(task: Task) -> set[str]:
    """Keys of the calls of a task's reference as they ran, each by fixture, clock, tool and arguments."""
    found: set[str] = set()
    for call in task.reference:
        try:
            arguments = resolve(dict(call.arguments), list(task.recorded))
        except InputError:  # bound to a result that is not recorded
            continue
        assert isinstance(arguments, dict)  # a mapping with its bindings resolved
        found.add(call_key(task.setup, task.now, Call(tool=call.tool, arguments=arguments)))
    return found


_TESTS: tuple[Part, ...] = ("test-seen-tools", "test-unseen-servers")


def crossings(parts: Mapping[str, Holdings]) -> list[str]:
    """What two parts share, one line each; empty = nothing crosses.

    The two test parts may both begin with the same look at a file or table: nobody learns from either.
    """
    found: list[str] = []
    for one, two in combinations(parts, 2):
        both_tests = one in _TESTS and two in _TESTS
        for kind in ("tasks", "chains", "requests", *(() if both_tests else ("primitives",))):
            both: set[str] = getattr(parts[one], kind) & getattr(parts[two], kind)
            if both:
                found.append(f"{one} and {two} share {len(both)} {kind}, such as {sorted(both)[0]!r}")
    return found


def refuse_crossings(parts: Mapping[str, Holdings], where: str) -> None:
    """Nothing, where no two parts share anything.

    Raises:
        InputError: they do; says what.
    """
    if found := crossings(parts):
        remedy = "this is a defect of the split, not of your data: keep the folder and report it"
        raise InputError("; ".join(found), where=where, remedy=remedy)


class Neighbours(Record):
    """How near the requests of one part come to those of another: TF-IDF cosine of words and pairs of words."""

    part: str
    other: str
    n: int
    """Requests of `part`, each with its nearest one in `other`."""
    median: float
    p95: float
    most: float
    nearest: tuple[str, str]
    """The nearest two."""


def neighbours(requests: Mapping[str, Sequence[str]]) -> tuple[Neighbours, ...]:
    """For every two parts with requests, how near those of the later one come to those of the earlier; 0 far, 1 the same.

    Nothing without scikit-learn.
    """
    texts = {part: list(dict.fromkeys(some)) for part, some in requests.items() if some}
    module = learners()
    if len(texts) < 2 or module is None:
        return ()
    every = [text for some in texts.values() for text in some]
    found: list[Neighbours] = []
    for other, part in combinations(texts, 2):
        best, which = module.nearest(texts[part], texts[other], every)
        top = int(best.argmax())
        median, p95 = np.quantile(best, [0.5, 0.95])
        found.append(
            Neighbours(
                part=part,
                other=other,
                n=len(best),
                median=round(float(median), 4),
                p95=round(float(p95), 4),
                most=round(float(best[top]), 4),
                nearest=(texts[part][top], texts[other][int(which[top])]),
            )
        )
    return tuple(found)
