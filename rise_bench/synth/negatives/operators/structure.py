"""Structure operators: the right calls in the wrong order or number, or on the wrong one of several results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.mutations import mutated
from rise_bench.refs import at, bindings, resolve
from rise_bench.synth.negatives.operators.base import DEVIATED, VISIBLE, Material, Mutant, Operator, bound_by
from rise_bench.types import Call, canonical

__all__ = ["OPERATORS"]


def _renumbered(calls: Sequence[Call], order: Sequence[int]) -> tuple[Call, ...] | None:
    """The calls of `order`, each by its old index, bindings following them; None where one would bind to a later call."""
    place = {old: new for new, old in reversed(list(enumerate(order)))}
    moved: list[Call] = []
    for new, old in enumerate(order):
        producers = {producer for _, producer, _ in bindings(dict(calls[old].arguments))}
        if any(producer not in place or place[producer] >= new for producer in producers):
            return None
        arguments = _rebound(dict(calls[old].arguments), place)
        moved.append(calls[old].model_copy(update={"arguments": arguments}))
    return tuple(moved)


def _rebound(value: JsonValue, place: dict[int, int]) -> JsonValue:
    match value:
        case {"$ref": [int(producer), str(pointer)], **rest} if not rest:
            return {"$ref": [place[producer], pointer]}
        case dict():
            return {key: _rebound(item, place) for key, item in value.items()}
        case list():
            return [_rebound(item, place) for item in value]
    return value


def _swap(material: Material, operator: Operator) -> Iterator[Mutant]:
    """Two calls whose order matters, the other way round."""
    task = material.task
    for earlier, later in task.intent.after:
        order = list(range(len(task.reference)))
        order[earlier], order[later] = later, earlier
        if calls := _renumbered(task.reference, order):
            yield Mutant(operator.id, operator.declared, calls, min(earlier, later), "", earlier, later)


def _deeds(material: Material) -> list[int]:
    return [i for i, call in enumerate(material.task.reference) if material.effect(call.tool) != "read"]


def _twice(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A deed done a second time, right after the first."""
    task = material.task
    for number in _deeds(material):
        order = [*range(number + 1), number, *range(number + 1, len(task.reference))]
        if calls := _renumbered(task.reference, order):
            yield Mutant(operator.id, operator.declared, calls, number + 1, "", None, task.reference[number].tool)


def _skip(material: Material, operator: Operator) -> Iterator[Mutant]:
    """One of several deeds left out."""
    task = material.task
    feeds = bound_by(task.reference)
    deeds = _deeds(material)
    for number in deeds if len(deeds) > 1 else ():
        order = [i for i in range(len(task.reference)) if i != number]
        if number not in feeds and (calls := _renumbered(task.reference, order)):
            yield Mutant(operator.id, operator.declared, calls, number, "", task.reference[number].tool, None)


def _crossed(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A binding to the neighbour of the result that was meant."""
    for number, place, producer, pointer in _bindings(material):
        for other in _neighbours(material.task.recorded[producer], pointer):
            yield _bind(material, operator, number, place, (producer, pointer), (producer, other))


def _stale(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A binding to what an earlier call of the same tool gave, instead of the later one."""
    task = material.task
    for number, place, producer, pointer in _bindings(material):
        for earlier in range(producer):
            if task.reference[earlier].tool == task.reference[producer].tool:
                try:
                    before = at(task.recorded[earlier], pointer)
                except InputError:
                    continue
                if before != at(task.recorded[producer], pointer):
                    yield _bind(material, operator, number, place, (producer, pointer), (earlier, pointer))


def _bindings(material: Material) -> Iterator[tuple[int, str, int, str]]:
    """(call, argument, producer, pointer) of arguments that are one binding and nothing else."""
    for number, call in enumerate(material.task.reference):
        for place, producer, pointer in bindings(dict(call.arguments)):
            whole = place and at(dict(call.arguments), place) == {"$ref": [producer, pointer]}
            if whole and producer < len(material.task.recorded):
                yield number, place, producer, pointer


def _neighbours(value: JsonValue, pointer: str) -> Iterator[str]:
    """The same leaf of the next item in the innermost list, where there is one of another value."""
    tokens = pointer.split("/")
    for depth in range(len(tokens) - 1, 0, -1):
        if not tokens[depth].isdigit():
            continue
        held = at(value, "/".join(tokens[:depth]))
        for index in range(len(held)) if isinstance(held, list) else ():
            other = "/".join([*tokens[:depth], str(index), *tokens[depth + 1 :]])
            try:
                found = at(value, other)
            except InputError:
                continue
            if type(found) is type(at(value, pointer)) and found != at(value, pointer):
                yield other
                return


def _bind(
    material: Material, operator: Operator, number: int, place: str, was: tuple[int, str], made: tuple[int, str]
) -> Mutant:
    task = material.task
    calls = list(task.reference)
    calls[number] = mutated(calls[number], place, {"$ref": list(made)})
    before, after = (resolve({"$ref": list(end)}, list(task.recorded)) for end in (was, made))
    assert canonical(before) != canonical(after)
    return Mutant(operator.id, operator.declared, tuple(calls), number, place, before, after)


OPERATORS = (
    Operator("structure", "swap", DEVIATED, _swap),
    Operator("structure", "twice", DEVIATED, _twice),
    Operator("structure", "skip", VISIBLE, _skip),
    Operator("structure", "crossed", DEVIATED, _crossed),
    Operator("structure", "stale", DEVIATED, _stale),
)
