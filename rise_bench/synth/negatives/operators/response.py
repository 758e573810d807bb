"""Response operators: the calls are right, what is said of them is not."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from rise_bench.model.oracle import final_message
from rise_bench.refs import ROOT
from rise_bench.score.answer import is_value_of
from rise_bench.score.text import contains_phrase, numbers_in, tokens
from rise_bench.synth.negatives.observed import texts_of_values
from rise_bench.synth.negatives.operators.base import DEVIATED, VISIBLE, Material, Mutant, Operator
from rise_bench.types import Fact, Task

__all__ = ["OPERATORS"]


def _saying(
    material: Material, operator: Operator, was: JsonValue, made: JsonValue, answer: tuple[Fact, ...]
) -> Mutant:
    said = material.task.model_copy(update={"answer": answer})
    return Mutant(
        operator.id,
        operator.declared,
        material.task.reference,
        was=was,
        made=made,
        says=lambda task, played: final_message(said, played.root),
    )


def _other_value(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A value that also stands in the results, told in the place of the one that was asked for."""
    task = material.task
    for number, fact in enumerate(task.answer):
        other = _beside(task, fact)
        if other is not None:
            answer = list(task.answer)
            answer[number] = fact.model_copy(update={"value": other, "accept": ()})
            yield _saying(material, operator, fact.value, other, tuple(answer))


def _beside(task: Task, fact: Fact) -> JsonValue:
    """The first wrong value of the fact's type that the results support; None where there is none."""
    texts = [text.replace(ROOT, "") for text in texts_of_values(task.recorded)]
    candidates: list[JsonValue] = [value for value in fact.competing if fact.derive or _stands(value, fact, texts)]
    if fact.type == "number" and not isinstance(fact.value, str | list | dict | None):
        found = sorted({n for text in texts for n in numbers_in(text) if abs(n) >= 2})
        candidates += [int(n) if n.is_integer() else n for n in sorted(found, key=lambda n: abs(n - float(fact.value)))]  # type: ignore[arg-type]
    elif fact.type in ("date", "datetime"):
        found_days = [text[token.start : token.end] for text in texts for token in tokens(text, "date")]
        candidates += found_days if fact.type == "date" else []
    return next((value for value in candidates if value is not None and not is_value_of(value, fact)), None)


def _stands(value: JsonValue, fact: Fact, texts: list[str]) -> bool:
    if fact.type == "number" and isinstance(value, int | float):
        return any(float(value) in numbers_in(text) for text in texts)
    return any(contains_phrase(text, str(value)) for text in texts)


def _omitted(material: Material, operator: Operator) -> Iterator[Mutant]:
    """One of the things that were asked is not told; what is told of the others must not read as if it were this one."""
    for number, fact in enumerate(material.task.answer):
        rest = material.task.answer[:number] + material.task.answer[number + 1 :]
        told = final_message(material.task.model_copy(update={"answer": rest}), "")
        if not any(contains_phrase(told, word) for word in fact.about):
            yield _saying(material, operator, fact.value, None, rest)


OPERATORS = (
    Operator("response", "other-value", DEVIATED, _other_value),
    Operator("response", "omitted", VISIBLE, _omitted),
)
