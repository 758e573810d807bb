"""What is recorded of a catalogue server: its contract as published, what its tools were seen to do, how it behaved."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from rise_bench.errors import InputError
from rise_bench.ground.recipe import CATALOG, Recipe
from rise_bench.store import write_atomic
from rise_bench.types import Effect, Record, Server, Tool

if TYPE_CHECKING:  # reading a contract needs no client of servers
    from rise_bench.ground.probes import Probed

__all__ = ["CONTRACTS", "Basis", "Contract", "Seen", "load_contract", "make_contract", "write_contract"]

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
    recorded: date
    start_seconds: float
    memory_mb: float
    seen: dict[str, Seen] = Field(default_factory=dict)


def make_contract(recipe: Recipe, probed: Probed, on: date) -> Contract:
    """The contract of a server that was probed."""
    seen: dict[str, Seen] = {}
    tools: list[Tool] = []
    for tool in probed.tools:
        calls = [made for made in probed.made if made.probe.tool == tool.name]
        good = [made for made in calls if made.status == "ok"]
        changed = any(made.changed for made in calls)
        effect, basis, contradicted = _effect(recipe, tool, tried=bool(good), changed=changed)
        seen[tool.name] = Seen(
            ok=len(good),
            failed=len(calls) - len(good),
            as_text=sum(made.status == "failed" for made in calls),
            changed=changed,
            milliseconds=median(made.milliseconds for made in good) if good else None,
            basis=basis,
            contradicted=contradicted,
        )
        tools.append(tool.model_copy(update={"effect": effect, "group": recipe.group_of(tool.name)}))
    server = Server(
        name=recipe.name,
        version=recipe.version,
        license=recipe.license,
        domain=recipe.domain,
        tools=tuple(tools),
        failures=recipe.failures,
    )
    return Contract(
        server=server,
        recorded=on,
        start_seconds=round(probed.start_seconds, 2),
        memory_mb=probed.memory_mb,
        seen=seen,
    )


def _effect(
    recipe: Recipe, tool: Tool, *, tried: bool, changed: bool
) -> tuple[Effect, tuple[Basis, ...], tuple[Basis, ...]]:
    """The effect, what says so, and what says otherwise.

    A change that was seen outweighs everything; then the entry; then the annotation; then that nothing was seen to change.
    """
    hint = tool.annotations.get("readOnlyHint")
    says: dict[Basis, Effect] = {}
    if changed:
        says["observed"] = "write"
    if tool.name in recipe.effects:
        says["stated"] = recipe.effects[tool.name]
    if isinstance(hint, bool):
        says["annotation"] = "read" if hint else "write"
    if tried and not changed and recipe.keeps in ("nothing", "files"):
        says["observed"] = "read"
    effect: Effect = next(iter(says.values()), "unknown")
    # A call that changed nothing does not show that no call does.
    against = {basis for basis, said in says.items() if said != effect and not (basis == "observed" and said == "read")}
    basis = tuple(name for name, said in says.items() if said == effect)
    return effect, basis, tuple(sorted(against))


def load_contract(name: str, folder: Path = CONTRACTS) -> Contract | None:
    """The recorded contract of a server, None where none was recorded.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return Contract.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"is no contract: {error.errors()[0]['msg']}"
        raise InputError(what, where=str(path), remedy=f"rise-bench ground record {name}") from error


def write_contract(contract: Contract, folder: Path = CONTRACTS) -> Path:
    """Write a contract in canonical order; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{contract.server.name}.json"
    data = contract.model_dump(mode="json", exclude_defaults=True)
    write_atomic(path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path
