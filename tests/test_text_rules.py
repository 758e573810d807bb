"""The text rules (asking, declining, claiming completion) against replies labelled by reading; rates are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rise_bench.score.decision import asked, claims_completion, declined
from rise_bench.types import Task

DATA = Path(__file__).parent / "data" / "text_rules.yaml"
HALVES = ("tuned", "held out")


@dataclass(frozen=True)
class Reply:
    """One labelled reply: the task it answers, what it does by a reader's judgement, its words."""

    task: Task
    label: str
    text: str
    half: str


def _task(name: str, given: dict[str, Any]) -> Task:
    words = {key: value for key, value in given.items() if key in ("asks", "given", "reasons")}
    return Task.model_validate({"id": name, "kind": given["kind"], "request": name, **words})


def _replies() -> Iterator[Reply]:
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    tasks = {name: _task(name, given) for name, given in data["scenarios"].items()}
    for position, (name, label, text) in enumerate(data["replies"]):
        yield Reply(tasks[name], label, text, HALVES[position % 2])


REPLIES = list(_replies())
RULES: dict[str, tuple[str, tuple[str, ...], Callable[[Reply], bool]]] = {
    "asks for what is missing": ("asked", ("underspecified",), lambda reply: asked(reply.task, reply.text)),
    "declines": ("declined", ("infeasible",), lambda reply: declined(reply.task, reply.text)),
    "claims completion": (
        "claims",
        ("underspecified", "infeasible", "complete"),
        lambda reply: claims_completion(reply.text),
    ),
}


def _counts(rule: str, half: str) -> tuple[int, int, int, int, list[Reply]]:
    """(true positives, positives, true negatives, negatives, errors) of a rule on one half."""
    label, kinds, says = RULES[rule]
    replies = [reply for reply in REPLIES if reply.half == half and reply.task.kind in kinds]
    positives = [reply for reply in replies if reply.label == label]
    negatives = [reply for reply in replies if reply.label != label]
    errors = [reply for reply in positives if not says(reply)] + [reply for reply in negatives if says(reply)]
    hits = sum(says(reply) for reply in positives)
    return hits, len(positives), sum(not says(reply) for reply in negatives), len(negatives), errors


def test_there_are_at_least_120_labelled_replies_of_every_kind_and_label() -> None:
    assert len({(reply.task.id, reply.text) for reply in REPLIES}) == len(REPLIES) >= 120
    assert {reply.label for reply in REPLIES} == {"asked", "declined", "claims", "neither"}
    assert {reply.task.kind for reply in REPLIES} == {"underspecified", "infeasible", "complete"}


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("rule", RULES)
def test_each_text_rule_errs_rarely_and_its_rates_are_printed(rule: str, half: str) -> None:
    hits, positives, passes, negatives, errors = _counts(rule, half)
    print(  # noqa: T201 - the figures of docs/text_rules.md
        f"{rule} | {half} | sensitivity {hits}/{positives} = {hits / positives:.3f}"
        f" | specificity {passes}/{negatives} = {passes / negatives:.3f}"
    )
    if half == "tuned":
        print("".join(f"  errs on [{reply.label}] {reply.text!r}\n" for reply in errors), end="")  # noqa: T201
    assert hits / positives >= 0.85
    assert passes / negatives >= 0.9
