"""Gate 7: can chosen and rejected calls be told apart without the request? If so, the data teaches an artefact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from rise_bench.synth.records import Pair
from rise_bench.types import Assistant, canonical

__all__ = ["CallOnly", "call_only"]

FOLDS = 5
LIMIT = 0.6
"""Accuracy that the lower end of the interval may not exceed."""


@dataclass(frozen=True, slots=True)
class CallOnly:
    """How well a classifier that never sees the request tells the rejected call from the chosen one.

    `accuracy` is the share of pairs of tasks it was not trained on in which the rejected call got the higher score, ties
    half; 0.5 is chance. `low` and `high`: 95 % Wilson interval over pairs.
    """

    pairs: int
    tasks: int
    accuracy: float
    low: float
    high: float
    by_operator: dict[str, tuple[int, float]]
    """Operator to (pairs, accuracy)."""

    @property
    def reason(self) -> str:
        """Why the data is refused; empty where it is not."""
        if self.low <= LIMIT:
            return ""
        return f"the calls alone give {self.accuracy:.1%} [{self.low:.1%}, {self.high:.1%}] away"

    @property
    def artefacts(self) -> tuple[str, ...]:
        """Operators whose rejected calls alone give them away, whatever the others do: to be left out or mended."""
        return tuple(name for name, (n, share) in self.by_operator.items() if _wilson(share * n, n)[0] > LIMIT)


def call_only(pairs: Sequence[Pair], *, seed: int = 0) -> CallOnly | None:
    """Accuracy over pairs whose two sides both call something, cross-validated by task; None with too few tasks.

    Features are of the call alone: tool, names, types and lengths of arguments, character n-grams of their values.
    """
    used = [pair for pair in pairs if pair.chosen.tool_calls and pair.rejected.tool_calls]
    groups = [pair.task for pair in used]
    if len(set(groups)) < FOLDS:
        return None
    wins = np.zeros(len(used))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(used, groups=groups):
        model = _model(seed)
        model.fit(
            [_read(side) for i in train for side in (used[i].chosen, used[i].rejected)],
            [label for _ in train for label in (0, 1)],
        )
        wins[test] = _wins(model, [used[i] for i in test])
    low, high = _wilson(float(wins.sum()), len(used))
    return CallOnly(
        pairs=len(used),
        tasks=len(set(groups)),
        accuracy=float(wins.mean()),
        low=low,
        high=high,
        by_operator=_by_operator(used, wins),
    )


def _wilson(wins: float, n: int) -> tuple[float, float]:
    """95 % interval of a share; halves are rounded to even."""
    interval = binomtest(round(wins), n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def _wins(model: Pipeline, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Per pair 1 where the rejected call looks the more rejected, 0.5 at a tie."""
    good = model.decision_function([_read(pair.chosen) for pair in pairs])
    bad = model.decision_function([_read(pair.rejected) for pair in pairs])
    found: NDArray[np.float64] = np.where(np.isclose(good, bad), 0.5, (bad > good).astype(float))
    return found


def _by_operator(pairs: Iterable[Pair], wins: NDArray[np.float64]) -> dict[str, tuple[int, float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for pair, won in zip(pairs, wins.tolist(), strict=True):
        found[pair.operator].append(won)
    return {name: (len(some), sum(some) / len(some)) for name, some in sorted(found.items())}


Features = tuple[dict[str, float], str]


def _read(message: Assistant) -> Features:
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


def _model(seed: int) -> Pipeline:
    features = FeatureUnion(
        [
            ("named", Pipeline([("take", FunctionTransformer(_named)), ("vector", DictVectorizer())])),
            (
                "text",
                Pipeline(
                    [
                        ("take", FunctionTransformer(_text)),
                        ("vector", TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=1, max_features=20_000)),
                    ]
                ),
            ),
        ]
    )
    return Pipeline([("features", features), ("model", LogisticRegression(max_iter=1000, random_state=seed))])


def _named(rows: Sequence[Features]) -> list[dict[str, float]]:
    return [row[0] for row in rows]


def _text(rows: Sequence[Features]) -> list[str]:
    return [row[1] for row in rows]
