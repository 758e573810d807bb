"""Decision operators: guessing where asking was right, asking, declining or answering where acting was."""

from __future__ import annotations

import random
from collections.abc import Iterator

from rise_bench.model.oracle import final_message
from rise_bench.played import Played
from rise_bench.refs import unescape
from rise_bench.synth.negatives.observed import reported
from rise_bench.synth.negatives.operators.base import VISIBLE, Material, Mutant, Operator
from rise_bench.synth.requests.endings import capability_of, claim, question, refusal, slot_of, spaced
from rise_bench.types import Task

__all__ = ["OPERATORS"]


def _saying(operator: Operator, message: str) -> Mutant:
    """Nothing is called, the message is the last word."""
    return Mutant(operator.id, operator.declared, (), says=lambda task, played: message, made=message)


def _draw(material: Material, operator: Operator) -> random.Random:
    """Of this operator on this task. What is right on twins is wrong here in the same words: only the decision differs."""
    return random.Random(f"{material.task.id}:{operator.id}")


def _ask(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A question about something that the request states."""
    for critical in material.task.intent.critical[:1]:
        name = unescape(critical.argument.rsplit("/", 1)[-1])
        slot = slot_of(material.task.reference[critical.call].tool, name)
        what = slot.ask if slot else "one" if name.isdigit() else spaced(name) or "one"
        message = question(what, _draw(material, operator), value=not (slot is None or slot.choose))
        yield _saying(operator, message)


def _decline(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A refusal of what the tools can do."""
    called = material.task.reference[-1].tool if material.task.reference else ""
    tool = material.tools.get(called)
    if tool is not None:
        what = capability_of(tool, material.server(tool.server)).what
        yield _saying(operator, refusal(what, _draw(material, operator)))


def _without_looking(material: Material, operator: Operator) -> Iterator[Mutant]:
    """The right words, and no call behind them."""
    yield _saying(operator, final_message(material.task))


def _guess(material: Material, operator: Operator) -> Iterator[Mutant]:
    """The calls of the complete task, their value guessed, and a report as if it had been said."""
    if (origin := material.origin) is not None:

        def say(task: Task, played: Played) -> str:
            return reported(origin, played) or final_message(origin)

        yield Mutant(operator.id, operator.declared, origin.reference, 0, says=say)


def _claim(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A claim that it was done, and nothing done."""
    yield _saying(operator, claim(_draw(material, operator)))


OPERATORS = (
    Operator("decision", "ask", VISIBLE, _ask),
    Operator("decision", "decline", VISIBLE, _decline),
    Operator("decision", "without-looking", VISIBLE, _without_looking),
    Operator("decision", "guess", VISIBLE, _guess, kinds=("underspecified", "infeasible")),
    Operator("decision", "claim", VISIBLE, _claim, kinds=("underspecified", "infeasible")),
)
