"""Mutation operators: ways to depart from intent on purpose, each with what it declares (DESIGN 5.6)."""

from __future__ import annotations

from collections.abc import Iterable

from rise_bench import plugins
from rise_bench.errors import PluginError
from rise_bench.synth.negatives.operators import decision, extra, missing, response, structure, tool, value
from rise_bench.synth.negatives.operators.base import Family, Material, Mutant, Operator

__all__ = ["OPERATORS", "Family", "Material", "Mutant", "Operator", "operator", "plugged"]

OPERATORS: tuple[Operator, ...] = (
    *tool.OPERATORS,
    *value.OPERATORS,
    *missing.OPERATORS,
    *extra.OPERATORS,
    *structure.OPERATORS,
    *decision.OPERATORS,
    *response.OPERATORS,
)
"""All of them, in the order of DESIGN 5.6."""

_BY_ID = {one.id: one for one in OPERATORS}


def operator(name: str) -> Operator | None:
    """The operator of this id (`value:date+1d`), None where there is none."""
    return _BY_ID.get(name)


def plugged(names: Iterable[str]) -> tuple[Operator, ...]:
    """The operators of plug-ins of kind `mutation`, which `operator` knows from now on.

    Args:
        names: of plug-ins, or `module:attribute`; each is an `Operator` or several of them.

    Raises:
        PluginError: there is no such plug-in, it gives something else, or an id that is taken.
    """
    found: list[Operator] = []
    for name in names:
        made = plugins.load("mutation", name)
        some = (made,) if isinstance(made, Operator) else made
        if not isinstance(some, tuple | list) or not some or not all(isinstance(one, Operator) for one in some):
            remedy = "offer an Operator, or a tuple of them (docs/synthesis.md)"
            raise PluginError("is no mutation operator", where=f"mutation plug-in {name!r}", remedy=remedy)
        for one in some:
            if _BY_ID.setdefault(one.id, one) is not one:
                what = f"the id {one.id!r} is taken"
                raise PluginError(what, where=f"mutation plug-in {name!r}", remedy="give the operator another name")
        found += some
    return tuple(found)
