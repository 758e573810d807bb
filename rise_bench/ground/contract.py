"""What is recorded of a catalogue server: its contract as published, what its tools were seen to do, how it behaved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError, model_validator

from rise_bench.errors import InputError
from rise_bench.ground.recipe import CATALOG, Recipe
from rise_bench.store import write_atomic
from rise_bench.types import Effect, Record, Server, Tool

if TYPE_CHECKING:  # reading a contract needs no client of servers
    from rise_bench.ground.probes import Probed

__all__ = [
    "CONTRACTS",
    "Basis",
    "Contract",
    "Seen",
    "effect_of",
    "load_contract",
    "make_contract",
    "server_of",
    "unknown_effects",
    "write_contract",
]

CONTRACTS = CATALOG / "contracts"
"""The recorded contracts, one JSON file a server."""

Basis = Literal["observed", "stated", "annotation"]
"""What says a tool's effect: calls that ran, with the state before and after; the catalogue entry; the server itself."""


class Seen(Record):
    """What calls of one tool showed."""

    ok: int = 0
    """Calls that succeeded."""
    failed: int = 0
    as_text: int = 0
    """Of those that failed: told as ordinary text, `isError` false."""
    changed: bool = False
    """Did a call change the state?"""
    milliseconds: float | None = None
    """Median time of the calls that succeeded."""
    basis: tuple[Basis, ...] = ()
    """What says the tool's effect; empty where nothing does."""
    contradicted: tuple[Basis, ...] = ()
    """What says otherwise."""


class Contract(Record):
    """One server as it was frozen, and what was seen on that day."""

    server: Server
    server_digest: str
    """`server.digest()`: of all that is frozen, tools with their descriptions above all."""
    recorded: date
    start_seconds: float
    memory_mb: float
    seen: dict[str, Seen] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_recorded(self) -> Contract:
        if self.server_digest != self.server.digest():
            raise ValueError("`server` is not what its digest says: it was edited by hand")
        return self


def make_contract(recipe: Recipe, probed: Probed, on: date) -> Contract:
    """The contract of a server that was probed."""
    seen: dict[str, Seen] = {}
    tools: list[Tool] = []
    for tool in probed.tools:
        calls = [made for made in probed.made if made.probe.tool == tool.name]
        good = [made for made in calls if made.status == "ok"]
        changed = any(made.changed for made in calls)
        effect = effect_of(recipe, tool, changed=changed)
        basis, contradicted = _grounds(recipe, tool, effect, tried=bool(good), changed=changed)
        seen[tool.name] = Seen(
            ok=len(good),
            failed=len(calls) - len(good),
            as_text=sum(made.status == "failed" for made in calls),
            changed=changed,
            milliseconds=median(made.milliseconds for made in good) if good else None,
            basis=basis,
            contradicted=contradicted,
        )
        tools.append(tool.model_copy(update={"effect": effect}))
    server = server_of(recipe, tools)
    return Contract(
        server=server,
        server_digest=server.digest(),
        recorded=on,
        start_seconds=round(probed.start_seconds, 2),
        memory_mb=probed.memory_mb,
        seen=seen,
    )


def server_of(recipe: Recipe, tools: Iterable[Tool]) -> Server:
    """The server as it is frozen, with these tools in the function groups of its entry."""
    grouped = (tool.model_copy(update={"group": recipe.group_of(tool.name)}) for tool in tools)
    return Server(
        name=recipe.name,
        version=recipe.version,
        license=recipe.license,
        domain=recipe.domain,
        tools=tuple(grouped),
        failures=recipe.failures,
    )


def effect_of(recipe: Recipe, tool: Tool, *, changed: bool = False) -> Effect:
    """What a tool does: writes where a call was seen to change the state; else as the entry says, else as the server does.

    That calls changed nothing does not show that no call does: where nobody says it, the effect is unknown.
    """
    if changed:
        return "write"
    stated = recipe.effects.get(tool.name)
    return stated or _annotated(tool) or "unknown"


def _annotated(tool: Tool) -> Effect | None:
    """What the server says of the tool."""
    hint = tool.annotations.get("readOnlyHint")
    return ("read" if hint else "write") if isinstance(hint, bool) else None


def _grounds(
    recipe: Recipe, tool: Tool, effect: Effect, *, tried: bool, changed: bool
) -> tuple[tuple[Basis, ...], tuple[Basis, ...]]:
    """What says that this is the tool's effect, and what says otherwise."""
    says: dict[Basis, Effect | None] = {
        "stated": recipe.effects.get(tool.name),
        "annotation": _annotated(tool),
    }
    if changed:
        says = {"observed": "write", **says}
    elif tried and effect == "read" and recipe.keeps in ("nothing", "files"):
        says["observed"] = "read"
    basis = tuple(name for name, said in says.items() if said == effect)
    return basis, tuple(sorted(name for name, said in says.items() if said not in (effect, None)))


def unknown_effects(contract: Contract) -> str:
    """The tools that nobody says the effect of, with what to do about it, in one line; empty where there are none."""
    names = [tool.name for tool in contract.server.tools if tool.effect == "unknown"]
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"not known whether they read or write: {shown}; say so under `effects`" if names else ""


def load_contract(name: str, folder: Path = CONTRACTS) -> Contract | None:
    """The recorded contract of a server, None where none was recorded.

    Raises:
        InputError: its file is damaged, or was edited by hand.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return Contract.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"is no contract: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        own = "" if folder == CONTRACTS else f" --recipes {folder.parent}"
        raise InputError(what, where=str(path), remedy=f"rise-bench ground record {name}{own}") from error


def write_contract(contract: Contract, folder: Path = CONTRACTS) -> Path:
    """Write a contract in canonical order; the file."""
    path = folder / f"{contract.server.name}.json"
    data = contract.model_dump(mode="json", exclude_defaults=True)
    write_atomic(path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path
