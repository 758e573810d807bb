"""Missing operators: something that the request states is left out, and the call still runs."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from rise_bench.mutations import mutated
from rise_bench.refs import at, unescape
from rise_bench.synth.negatives.operators.base import DEVIATED, Material, Mutant, Operator, Site, replaced, sites
from rise_bench.types import Call

__all__ = ["OPERATORS"]


def _optional(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A stated argument that the contract does not require."""
    for site in sites(material, bound=None):
        parent, _, token = site.argument.rpartition("/")
        name = unescape(token)
        if not _may_go(material, site, parent, name):
            continue
        calls = list(material.task.reference)
        calls[site.call] = _without(calls[site.call], parent, name)
        yield Mutant(operator.id, operator.declared, tuple(calls), site.call, site.argument, site.value, None)


def _may_go(material: Material, site: Site, parent: str, name: str) -> bool:
    """May the contract do without it?"""
    if not parent:
        return not material.required(site.tool, name)
    around = material.schema(site.tool, parent)
    required = around.get("required")
    held = at(dict(material.task.reference[site.call].arguments), parent) if not site.bound else None
    return isinstance(held, dict) and not (isinstance(required, list) and name in required)


def _without(call: Call, parent: str, name: str) -> Call:
    held = at(dict(call.arguments), parent)
    assert isinstance(held, dict)  # `_may_go` looked
    left: dict[str, JsonValue] = {key: value for key, value in held.items() if key != name}
    return call.model_copy(update={"arguments": left}) if not parent else mutated(call, parent, left)


def _item(material: Material, operator: Operator) -> Iterator[Mutant]:
    """A list of several stated things, without its last one."""
    for site in sites(material):
        if isinstance(site.value, list) and len(site.value) > 1:
            yield replaced(material.task, operator, site, site.value[:-1])


OPERATORS = (Operator("missing", "optional", DEVIATED, _optional), Operator("missing", "item", DEVIATED, _item))
