"""Extra operators: a constraint, a scope or an effect that nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from rise_bench.refs import escape
from rise_bench.synth.negatives.operators import value
from rise_bench.synth.negatives.operators.base import DEVIATED, Material, Mutant, Operator
from rise_bench.synth.negatives.operators.carry import carried
from rise_bench.types import Call

__all__ = ["OPERATORS"]

_WIDE = re.compile(r"recurs|(?:^|_)all(?:$|_(?!day))|include|hidden|archiv|deleted|force|overwrite|full|every", re.I)
_LIMIT = re.compile(r"limit|max|top|first|head|tail|count|size|depth", re.IGNORECASE)


def _unused(material: Material) -> Iterator[tuple[int, str, dict[str, JsonValue]]]:
    """(call, name, schema) of the arguments that the reference leaves out and nobody left open."""
    for number, call in enumerate(material.task.reference):
        tool = material.tools.get(call.tool)
        properties = tool.parameters.get("properties") if tool else None
        for name, schema in properties.items() if isinstance(properties, dict) else ():
            free = (number, f"/{escape(name)}") in material.task.intent.free
            if name not in call.arguments and not free and isinstance(schema, dict):
                yield number, name, _plain(schema)


def _plain(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The schema, or the choice of a nullable one that is not null, with its default kept."""
    choices = schema.get("anyOf")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("type") != "null":
            return {"default": schema.get("default"), **choice}
    return schema


def _with(material: Material, operator: Operator, number: int, name: str, made: JsonValue) -> Mutant:
    calls = list(material.task.reference)
    calls[number] = calls[number].model_copy(update={"arguments": {**calls[number].arguments, name: made}})
    return Mutant(operator.id, operator.declared, tuple(calls), number, f"/{escape(name)}", None, made)


def _constraint(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A choice among several, or a small limit, though no such thing was said."""
    for number, name, schema in _unused(material):
        choices, kind = schema.get("enum"), schema.get("type")
        if isinstance(choices, list):
            others = [item for item in choices if item is not None and item != schema.get("default")]
            yield from (_with(material, operator, number, name, item) for item in others[:1])
        elif kind in ("integer", "number") and _LIMIT.search(name):
            low = schema.get("minimum")
            yield _with(material, operator, number, name, low if isinstance(low, int) and low > 0 else 1)


def _scope(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A switch that takes in more, though no more was asked for."""
    for number, name, schema in _unused(material):
        if schema.get("type") == "boolean" and _WIDE.search(name) and schema.get("default") is not True:
            yield _with(material, operator, number, name, True)


def _effect(material: Material, operator: Operator) -> Iterator[Mutant]:
    """After all that was asked, one more deed of another kind, on what the request is about or beside it."""
    task = material.task
    used = {call.tool for call in task.reference} | {name for call in task.reference for name in call.also}
    for tool in material.tools.values():
        if tool.effect != "write" or tool.id in used:
            continue
        for call in task.reference:
            if tool.server == call.tool.partition(".")[0] and (given := carried(material, call, tool)) is not None:
                if _MAKES.search(tool.name):
                    given = {name: _beside(name, item) for name, item in given.items()}
                yield _after_all(material, operator, Call(tool=tool.id, arguments=given), None, tool.id)
                break


_MAKES = re.compile(r"create|make|new|write|save|copy|add", re.IGNORECASE)


def _beside(name: str, given: JsonValue) -> JsonValue:
    """A path next to the one that is there: what makes something cannot make it twice."""
    if isinstance(given, str) and re.search(r"path|file|dir|folder|name|title", name, re.IGNORECASE):
        stem, dot, suffix = given.rpartition(".")
        return f"{stem}-copy.{suffix}" if dot and stem and "/" not in suffix else f"{given}-copy"
    return given


def _neighbour(material: Material, operator: Operator) -> Iterator[Mutant]:
    """The deed that was asked, done a second time to something that it was not asked for."""
    entity = next(one for one in value.OPERATORS if one.name == "entity")
    for near in entity.mutants(material):
        assert near.call is not None  # value operators change a call
        call = near.calls[near.call]
        if material.effect(call.tool) != "read":
            yield _after_all(material, operator, call, near.was, near.made)


def _after_all(material: Material, operator: Operator, call: Call, was: JsonValue, made: JsonValue) -> Mutant:
    calls = (*material.task.reference, call)
    return Mutant(operator.id, operator.declared, calls, len(material.task.reference), "", was, made)


OPERATORS = (
    Operator("extra", "constraint", DEVIATED, _constraint),
    Operator("extra", "scope", DEVIATED, _scope),
    Operator("extra", "effect", DEVIATED, _effect),
    Operator("extra", "neighbour", DEVIATED, _neighbour),
)
