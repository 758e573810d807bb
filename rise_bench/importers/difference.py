"""One attempt on which our verdict and the official one differ, and which class of difference it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import JsonValue

from rise_bench.importers.imported import Attempt
from rise_bench.types import Label, Record, Task, Verdict

__all__ = ["Difference", "difference"]


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
        kind=f"laxer: {attempt.official_reason or 'failed'}" if ours else f"stricter: {_stricter(task, labels, reason)}",
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
            return f"wrong_value: {_unlikeness(label.expected, label.found)}"
    return labels[0].name if labels else reason


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


def _unlikeness(expected: JsonValue, found: JsonValue) -> str:
    """In what two values differ that another rule may take for the same."""
    if isinstance(expected, str) and isinstance(found, str):
        if expected.casefold() == found.casefold():
            return "case"
        if _squeezed(expected, r"\s") == _squeezed(found, r"\s"):
            return "blanks"
        if _squeezed(expected, r"[\s,./\-_*^'\"]") == _squeezed(found, r"[\s,./\-_*^'\"]"):
            return "punctuation"
        return "other text"
    if isinstance(expected, list) and isinstance(found, list):
        return "list"
    return "other" if type(expected) is type(found) else "type"


def _squeezed(text: str, dropped: str) -> str:
    return re.sub(dropped, "", text.casefold())
