"""What scikit-learn computes here: which of two calls looks rejected, and how near texts come to each other.

Reached by name (`extra.learners`): without this library gate 7 keeps all, and no distances are shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

__all__ = ["Features", "nearest", "wins"]

Features = tuple[dict[str, float], str]
"""Named features of a call, and the text of its values."""

_AT_ONCE = 512
"""Texts compared at once with all others: bounds the memory of the comparison."""


def wins(
    sides: Sequence[tuple[Features, Features]], groups: Sequence[str], folds: int, seed: int
) -> NDArray[np.float64]:
    """Per pair (chosen, rejected) 1 where the rejected side looks the more rejected, 0.5 at a tie; cross-validated.

    Args:
        groups: of each pair; no group is trained and tested on at once.
    """
    found = np.zeros(len(sides))
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(sides, groups=groups):
        model = _model(seed)
        model.fit([side for i in train for side in sides[i]], [label for _ in train for label in (0, 1)])
        good = model.decision_function([sides[i][0] for i in test])
        bad = model.decision_function([sides[i][1] for i in test])
        found[test] = np.where(np.isclose(good, bad), 0.5, (bad > good).astype(float))
    return found


def _model(seed: int) -> Pipeline:
    letters = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=1, max_features=20_000)
    features = FeatureUnion(
        [
            ("named", Pipeline([("take", FunctionTransformer(_named)), ("vector", DictVectorizer())])),
            ("text", Pipeline([("take", FunctionTransformer(_text)), ("vector", letters)])),
        ]
    )
    return Pipeline([("features", features), ("model", LogisticRegression(max_iter=1000, random_state=seed))])


def _named(rows: Sequence[Features]) -> list[dict[str, float]]:
    return [row[0] for row in rows]


def _text(rows: Sequence[Features]) -> list[str]:
    return [row[1] for row in rows]


def nearest(
    texts: Sequence[str], others: Sequence[str], every: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """For each text the cosine of its nearest among the others, in [0, 1], and which one that is.

    TF-IDF of words and pairs of words, weighted by all texts of `every`.
    """
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    vectoriser.fit(every)
    base = vectoriser.transform(others).T.tocsc()
    rows = vectoriser.transform(texts)
    best, which = np.empty(len(texts)), np.empty(len(texts), dtype=int)
    for start in range(0, len(best), _AT_ONCE):
        near = (rows[start : start + _AT_ONCE] @ base).toarray()
        best[start : start + _AT_ONCE] = near.max(axis=1)
        which[start : start + _AT_ONCE] = near.argmax(axis=1)
    return best, which
