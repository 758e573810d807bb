"""Mutation operators: ways to depart from intent on purpose, each with what it declares (DESIGN 5.6)."""

from __future__ import annotations

from rise_bench.synth.operators import decision, extra, missing, response, structure, tool, value
from rise_bench.synth.operators.base import Family, Material, Mutant, Operator

__all__ = ["OPERATORS", "Family", "Material", "Mutant", "Operator", "operator"]

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
