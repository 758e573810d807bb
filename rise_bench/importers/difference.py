"""One attempt on which our verdict and the official one differ, and which class of difference it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from rise_bench.importers.imported import Attempt
from rise_bench.types import Label, Record, Task, Verdict

__all__ = ["Difference", "difference", "unlikeness"]


class Difference(Record):
    """Both verdicts on one attempt, with both reasons."""

    model: str
    task: str
    attempt: int
    ours: bool
    official: bool
    kind: str
    """Class of difference, made from direction, our labels and the official reason; the same words for all imports."""
    our_reason: str
    official_reason: str
    labels: tuple[Label, ...]


def difference(attempt: Attempt, task: Task, completion: Verdict, intent: Verdict) -> Difference:
    """The record of a difference; call it only where both verdicts are known and unlike."""
    labels = (*completion.labels, *intent.labels)
    ours = bool(intent.value)
    reason = intent.reason if completion.value else completion.reason
    return Difference(
        model=attempt.model,
        task=task.id,
        attempt=attempt.trajectory.attempt,
        ours=ours,
        official=bool(attempt.official),
        kind=f"laxer: {attempt.official_reason or 'failed'}"
        if ours
        else f"stricter: {_stricter(task, labels, reason)}",
        our_reason=reason,
        official_reason=attempt.official_reason,
        labels=labels,
    )


def _stricter(task: Task, labels: Sequence[Label], reason: str) -> str:
    """The first of our labels that decides, with what kind of unlikeness a wrong value is."""
    if task.kind == "no_call":
        return "malformed or empty output is no abstention" if "call was" not in reason else reason
    for label in labels:
        if label.name == "schema_violation":
            return f"schema_violation: {_schema_clause(label.note)}"
    for label in labels:
        if label.name == "wrong_value":
            return f"wrong_value: {_least(unlikeness(value, label.found) for value in _accepted(task, label))}"
    return labels[0].name if labels else reason


def _accepted(task: Task, label: Label) -> list[JsonValue]:
    """Every value that was accepted where the label says that another was found."""
    others = [
        value
        for item in task.intent.critical
        if item.call == label.reference and item.argument == label.argument
        for value in item.accept
    ]
    return [label.expected, *others]


def _schema_clause(note: str) -> str:
    """Which clause of the contract refuses the call, from the validator's message."""
    for clause, words in (
        ("enum", "is not one of"),
        ("type", "is not of type"),
        ("required", "is a required property"),
        ("undeclared", "Additional properties"),
    ):
        if words in note:
            return clause
    return "other"


_UNLIKENESS = ("case", "blanks", "products and powers", "punctuation", "keys", "length", "type", "value")
"""Ways in which two values differ, the slightest first."""


def _least(found: Iterable[str]) -> str:
    return min(found, key=_UNLIKENESS.index)


def unlikeness(expected: JsonValue, found: JsonValue) -> str:
    """The slightest way in which two unequal values differ; of containers, the gravest among their parts.

    `products and powers`: the same but for `*` and `^`; `punctuation`: but for blanks, points, dashes, quotes.
    """
    if isinstance(expected, str) and isinstance(found, str):
        for name, dropped in (
            ("case", ""),
            ("blanks", r"\s"),
            ("products and powers", r"[\s*^]"),
            ("punctuation", _LOOSE),
        ):
            if _squeezed(expected, dropped) == _squeezed(found, dropped):
                return name
        return "value"
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return "length"
        return _gravest(zip(expected, found, strict=True))
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            return "keys"
        return _gravest((value, found[key]) for key, value in expected.items())
    return "value" if type(expected) is type(found) else "type"


_LOOSE = r"[\s,./\-_*^'\"]"


def _gravest(pairs: Iterable[tuple[JsonValue, JsonValue]]) -> str:
    return max((unlikeness(a, b) for a, b in pairs if a != b), key=_UNLIKENESS.index, default="value")


def _squeezed(text: str, dropped: str) -> str:
    return re.sub(dropped, "", text.casefold()) if dropped else text.casefold()
