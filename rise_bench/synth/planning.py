"""How a recipe is to be carried out, and what that would come to: starts no server, asks no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench.synth.beforehand import frozen, refuse_unknown
from rise_bench.synth.chains.by_hand import load_proposed
from rise_bench.synth.context import spec_of
from rise_bench.synth.folder import KEY, SynthFolder
from rise_bench.synth.loading import load_recipe
from rise_bench.synth.requests.purse import Purse

__all__ = ["STAGES", "Plan", "Settings", "plan"]

STAGES = (
    *("entities", "propose", "verify", "compose", "reproduce", "ground", "author", "recover"),
    *("prove", "twins", "twins-proved", "negate", "release"),
)
"""Names of the stages in order; each but the last is a file of the folder."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a recipe is carried out; nothing of it is in the folder's digest."""

    recipe: Path
    output: Path = Path("synth")
    seed: int | None = None
    limit: int | None = None
    """Most chains; a wider limit later goes on from there."""
    until: str = ""
    """Stop after this stage."""
    workers: int = 2
    purse: Purse = field(default_factory=Purse)
    retry_faults: bool = False
    """Do inputs again whose rows say that they faulted."""
    release: Path | None = None
    """Where the suite is written as well; else only in the synthesis folder."""
    allow_unsafe: bool = False
    notice: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `synthesise` would do."""

    folder: str
    worlds: int
    servers: int
    tools: int
    proposals: int
    """At most."""
    chains: int
    model_requests: int
    """At most, where nothing has to be asked twice."""
    done: dict[str, int]
    """Inputs that are finished, by stage."""


def plan(settings: Settings) -> Plan:
    """What would be done, and what is there already. Starts no server, asks no model.

    Raises:
        InputError: the recipe or its chains cannot be used, or a server or suite that it names is not there.
        SetupError: a server must be frozen first and cannot be started.
        PluginError: no such author or mutation.
    """
    loaded = load_recipe(settings.recipe, settings.seed)
    refuse_unknown(loaded)
    recipe = loaded.recipe
    ground = frozen(loaded, settings.notice, allow_unsafe=settings.allow_unsafe)
    folder = SynthFolder.place(spec_of(loaded, ground), settings.output)
    per_server = {server.name: len(server.tools) for server in ground.servers}
    pairs = sum(per_server.get(name, 0) for called in loaded.called for name in called)
    by_hand = load_proposed(loaded.suite / recipe.chains.files, loaded.worlds) if recipe.chains.files else {}
    wanted = recipe.chains.per_world * len(loaded.worlds) + len(by_hand)
    chains = min(wanted, settings.limit or wanted)
    if not recipe.chains.per_world:
        pairs = 0  # nothing is composed, so nothing is proposed
    asked = (pairs if recipe.proposals.proposer == "model" else 0) + (
        chains if recipe.requests.author == "model" else 0
    )
    files = {name: folder / f"{name}.jsonl" for name in STAGES}
    return Plan(
        folder=str(folder),
        worlds=len(loaded.worlds),
        servers=len(loaded.servers),
        tools=sum(per_server.get(name, 0) for name in loaded.servers),
        proposals=pairs * recipe.proposals.per_tool,
        chains=chains,
        model_requests=asked,
        done={name: _lines(path) for name, path in files.items() if path.is_file()},
    )


def _lines(path: Path) -> int:
    """Inputs in a stage's file; one that was done again has more than one line."""
    with path.open("rb") as file:
        return len({match[0] for line in file if (match := KEY.match(line))})
