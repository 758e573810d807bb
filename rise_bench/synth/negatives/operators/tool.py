"""Tool operators: a call goes to a tool that reads alike, with the arguments carried over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rise_bench.refs import bindings
from rise_bench.synth.negatives.operators.base import DEVIATED, VISIBLE, Material, Mutant, Operator, bound_by
from rise_bench.synth.negatives.operators.carry import carried
from rise_bench.types import Call

__all__ = ["OPERATORS"]


def _is_deed(material: Material, tool: str) -> bool:
    return material.effect(tool) != "read"


def _group(material: Material, tool: str) -> str:
    return material.tools[tool].function_group if tool in material.tools else tool


def _stands_in(material: Material, tool: str, other: str) -> bool:
    """Would anybody watching take the other for the deed that was asked: read for read, or one function group?"""
    if _is_deed(material, tool):
        return _is_deed(material, other) and _group(material, tool) == _group(material, other)
    return not _is_deed(material, other)


def _other_deed(material: Material, tool: str, other: str) -> bool:
    return _is_deed(material, tool) and _is_deed(material, other) and not _stands_in(material, tool, other)


def _read_for_write(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A deed replaced by looking at what it was to be done to, with a tool of the same server."""
    task = material.task
    feeds = bound_by(task.reference)
    for number, call in enumerate(task.reference):
        if number in feeds or not _is_deed(material, call.tool):
            continue
        near = [sibling.tool for sibling in material.siblings.get(call.tool, ())]
        reads = [name for name in material.tools if not _is_deed(material, name)]
        own = call.tool.partition(".")[0]
        for name in sorted(reads, key=lambda name: (name not in near, name)):
            if material.tools[name].server == own and (given := carried(material, call, material.tools[name])):
                yield _instead(material, operator, number, Call(tool=name, arguments=given))


def _to(relation: str, fits: Callable[[Material, str, str], bool]) -> Callable[[Material, Operator], Iterator[Mutant]]:
    """Each call to each of its siblings of the relation that fits."""

    def make(material: Material, operator: Operator) -> Iterator[Mutant]:
        task = material.task
        feeds = bound_by(task.reference)
        critical = {item.call for item in task.intent.critical}
        for number, call in enumerate(task.reference):
            if number in feeds or (number not in critical and not _is_deed(material, call.tool)):
                continue  # what later calls bind to has another shape in another tool; and some reads nobody asked for
            for sibling in material.siblings.get(call.tool, ()):
                if sibling.tool in (call.tool, *call.also) or relation != sibling.relation:
                    continue
                given = carried(material, call, material.tools[sibling.tool])
                if given is not None and fits(material, call.tool, sibling.tool):
                    yield _instead(material, operator, number, Call(tool=sibling.tool, arguments=given))

    return make


def _instead(material: Material, operator: Operator, number: int, other: Call) -> Mutant:
    calls = list(material.task.reference)
    was, calls[number] = calls[number].tool, other
    assert all(producer < number for _, producer, _ in bindings(dict(other.arguments)))
    return Mutant(operator.id, operator.declared, tuple(calls), number, "", was, other.tool)


OPERATORS = (
    Operator("tool", "same", DEVIATED, _to("same", _stands_in)),
    Operator("tool", "wider", DEVIATED, _to("wider", _stands_in)),
    Operator("tool", "narrower", DEVIATED, _to("narrower", _stands_in)),
    Operator("tool", "similar", DEVIATED, _to("similar", _stands_in)),
    Operator("tool", "inverse", VISIBLE, _to("inverse", _other_deed)),
    Operator("tool", "other-deed", VISIBLE, _to("similar", _other_deed)),
    Operator("tool", "read-for-write", VISIBLE, _read_for_write),
)
