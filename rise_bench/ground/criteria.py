"""By what servers are chosen: standardisation, usability, popularity, computed from entry and contract where they can be.

The paper names these three criteria and not how they are measured; the measures are our design.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import JsonValue

from rise_bench.ground.contract import Contract, load_contract
from rise_bench.ground.recipe import Recipe, catalog, load_recipe, recipes_in
from rise_bench.types import Tool

__all__ = ["Criteria", "Entry", "entries", "judged"]

DESCRIBED = 12
"""Characters from which a description says something."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """A server by the criteria. Shares are 0 to 1; None where there is nothing to take a share of."""

    tools_described: float | None
    parameters_described: float | None
    parameters_typed: float | None
    annotated: float | None
    """Tools that say whether they only read."""
    start_seconds: float
    milliseconds: float | None
    """Median time of a call that succeeded."""
    memory_mb: float
    called: float | None
    """Tools of which a call succeeded here."""
    errors_told: float | None
    """Failing calls that came back as errors rather than as ordinary text."""
    popularity: str
    """As recorded: `official`, names of benchmarks that use it; or `unknown`."""

    @property
    def standardisation(self) -> float | None:
        """Mean of the first four, 0 to 1."""
        found = (self.tools_described, self.parameters_described, self.parameters_typed, self.annotated)
        shares = [share for share in found if share is not None]
        return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A catalogue entry with its contract, where one is recorded."""

    recipe: Recipe
    contract: Contract | None

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The recorded tools."""
        return self.contract.server.tools if self.contract else ()

    @property
    def called(self) -> int:
        """Tools of which a call succeeded."""
        return sum(seen.ok > 0 for seen in self.contract.seen.values()) if self.contract else 0


def entries(folder: Path | None = None) -> tuple[Entry, ...]:
    """The whole catalogue by name, or all servers of a folder of one's own.

    Raises:
        InputError: a file in the folder that is no recipe.
    """
    if folder is None:
        return tuple(Entry(load_recipe(name), load_contract(name)) for name in catalog())
    return tuple(
        Entry(recipe, load_contract(name, folder / "contracts")) for name, recipe in recipes_in(folder).items()
    )


def judged(entry: Entry) -> Criteria | None:
    """The server by the criteria, None where no contract is recorded."""
    contract = entry.contract
    if contract is None:
        return None
    tools, seen = entry.tools, contract.seen.values()
    parameters = [schema for tool in tools for schema in _parameters(tool)]
    times = [one.milliseconds for one in seen if one.milliseconds is not None]
    failed = sum(one.failed for one in seen)
    return Criteria(
        tools_described=_share([len(tool.description) >= DESCRIBED for tool in tools]),
        parameters_described=_share([bool(schema.get("description")) for schema in parameters]),
        parameters_typed=_share([_typed(schema) for schema in parameters]),
        annotated=_share([isinstance(tool.annotations.get("readOnlyHint"), bool) for tool in tools]),
        start_seconds=contract.start_seconds,
        milliseconds=median(times) if times else None,
        memory_mb=contract.memory_mb,
        called=_share([one.ok > 0 for one in seen]),
        errors_told=1 - sum(one.as_text for one in seen) / failed if failed else None,
        popularity=_popularity(entry.recipe),
    )


def _parameters(tool: Tool) -> list[dict[str, JsonValue]]:
    properties = tool.parameters.get("properties")
    found = properties.values() if isinstance(properties, dict) else ()
    return [schema if isinstance(schema, dict) else {} for schema in found]


def _typed(schema: dict[str, JsonValue]) -> bool:
    return any(key in schema for key in ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"))


def _share(found: Sequence[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _popularity(recipe: Recipe) -> str:
    known = recipe.popularity
    if known is None:
        return "unknown"
    return ", ".join((*(["official"] if known.official else []), *known.benchmarks)) or "unknown"
