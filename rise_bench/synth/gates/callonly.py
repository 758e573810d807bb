"""Gate 7: can chosen and rejected calls be told apart without the request? If so, the data teaches an artefact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from rise_bench.synth.gates.extra import INSTALL, learners
from rise_bench.synth.records import Pair
from rise_bench.types import Assistant, canonical

__all__ = ["LEAST_PAIRS", "LEAST_TASKS", "LIMIT", "CallOnly", "Rate", "blind_wins", "call_only", "rates"]

FOLDS = 5
LEAST_PAIRS, LEAST_TASKS = 30, 15
"""Below these an accuracy would be noise: none is given."""
LIMIT = 0.6
"""Accuracy that the lower end of the interval may not exceed."""
_REMEDY = "make more chains, or leave these operators out of what you train on (`operator` of each pair)"


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of pairs of tasks that were not trained on in which the rejected call looked the more rejected, ties half.

    0.5 is chance; `low` and `high`: 95 % Wilson interval over pairs. All None where there is no figure: `note` says why.
    """

    pairs: int
    tasks: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def gives_away(self) -> bool:
        """True where the calls alone tell, beyond the limit."""
        return self.low is not None and self.low > LIMIT


@dataclass(frozen=True, slots=True)
class CallOnly:
    """How well a classifier that never sees the request tells the rejected call from the chosen one."""

    all: Rate
    by_operator: dict[str, Rate]

    @property
    def finding(self) -> str:
        """Where calls alone tell beyond the limit, and what to do, as one line; empty where they do not, or no figure is."""
        rates = {"all pairs": self.all, **self.by_operator}
        told = [
            f"{name} {one.accuracy:.1%} [{one.low:.1%}, {one.high:.1%}]"
            for name, one in rates.items()
            if one.gives_away
        ]
        return f"the calls alone tell rejected from chosen: {', '.join(told)}; {_REMEDY}" if told else ""

    @property
    def artefacts(self) -> tuple[str, ...]:
        """Operators whose rejected calls alone give them away, whatever the others do."""
        return tuple(name for name, rate in self.by_operator.items() if rate.gives_away)


def call_only(pairs: Sequence[Pair], *, seed: int = 0) -> CallOnly:
    """Accuracy over pairs whose two sides both call something, cross-validated by task; over all, and by operator.

    Features are of the call alone: tool, names, types and lengths of arguments, character n-grams of their values.
    """
    return rates(pairs, blind_wins(pairs, seed=seed))


def blind_wins(pairs: Sequence[Pair], *, seed: int = 0) -> dict[int, float] | None:
    """Number of each pair whose two sides both call something -> 1 where the rejected call looked the more rejected to a
    classifier that was trained on other tasks, 0 where the chosen one did, 0.5 at a tie.

    None where there are too few pairs to train on, or scikit-learn is not there.
    """
    used = _used(pairs)
    groups = [pairs[i].task for i in used]
    module = learners()
    if module is None or _few(len(used), len(set(groups))):
        return None
    sides = [(_read(pairs[i].chosen), _read(pairs[i].rejected)) for i in used]
    return dict(zip(used, module.wins(sides, groups, FOLDS, seed).tolist(), strict=True))


def rates(pairs: Sequence[Pair], wins: Mapping[int, float] | None) -> CallOnly:
    """What `blind_wins` of these pairs come to, over all and by operator."""
    members: dict[str, list[int]] = defaultdict(list)
    used = _used(pairs)
    for number in used:
        members[pairs[number].operator].append(number)
    return CallOnly(
        all=_rate(used, pairs, wins),
        by_operator={name: _rate(some, pairs, wins) for name, some in sorted(members.items())},
    )


def _used(pairs: Sequence[Pair]) -> list[int]:
    return [i for i, pair in enumerate(pairs) if pair.chosen.tool_calls and pair.rejected.tool_calls]


def _few(pairs: int, tasks: int) -> bool:
    return pairs < LEAST_PAIRS or tasks < LEAST_TASKS


def _rate(members: Sequence[int], pairs: Sequence[Pair], wins: Mapping[int, float] | None) -> Rate:
    tasks = len({pairs[i].task for i in members})
    if _few(len(members), tasks):
        note = f"not enough rows: {len(members)} pairs of {tasks} tasks, {LEAST_PAIRS} of {LEAST_TASKS} are needed"
        return Rate(len(members), tasks, note=note)
    if wins is None:
        return Rate(len(members), tasks, note=f"needs scikit-learn: {INSTALL}")
    won = sum(wins[i] for i in members)
    interval = binomtest(round(won), len(members)).proportion_ci(method="wilson")  # halves are rounded to even
    return Rate(len(members), tasks, won / len(members), float(interval.low), float(interval.high))


def _read(message: Assistant) -> tuple[dict[str, float], str]:
    """The call as (named features, text of its values)."""
    named: dict[str, float] = {}
    values: list[str] = []
    for call in message.tool_calls:
        named[f"tool={call.tool}"] = 1
        arguments = call.arguments if isinstance(call.arguments, dict) else {"": call.arguments}
        for name, value in arguments.items():
            text = value if isinstance(value, str) else canonical(value)
            named[f"has={name}"] = 1
            named[f"type={name}:{type(value).__name__}"] = 1
            named[f"length={name}"] = min(len(text), 200) / 200
            values.append(f"{name}={text}")
    named["arguments"] = len(values) / 10
    return named, "\n".join(values)
