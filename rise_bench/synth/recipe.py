"""A synthesis recipe: from which servers and worlds, how much, by which proposer and author, split and released how."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints, model_validator

from rise_bench.synth.records import World
from rise_bench.types import Record

__all__ = ["LENGTHS", "PARTS", "Asked", "LoadedRecipe", "Part", "SynthRecipe", "tree_digest"]

Part = Literal["train", "dev", "test-seen-tools", "test-unseen-servers"]
"""Where a task goes (DESIGN 5.7)."""

PARTS: tuple[Part, ...] = ("train", "dev", "test-seen-tools", "test-unseen-servers")

LENGTHS: dict[int, float] = {1: 0.30, 2: 0.28, 3: 0.18, 4: 0.10, 5: 0.06, 6: 0.04, 7: 0.02, 8: 0.02}
"""Shares of chains by number of calls, where a recipe names none (our design: what people ask for is mostly short)."""

SHARES: dict[Part, float] = {"train": 0.8, "dev": 0.1, "test-seen-tools": 0.1}
"""Of primitives, where a recipe names none."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class Asked(Record):
    """A language model behind an OpenAI-compatible endpoint, and how it is asked."""

    model: str = ""
    """As `--model` of `eval`: `openai:NAME`, `vllm:ID`, ...; empty = none."""
    args: dict[str, JsonValue] = Field(default_factory=dict)
    """As `--model-args`; no secrets."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=2048, gt=0)
    tries: int = Field(default=2, ge=1, le=5)
    """How often it is asked for one thing before its answers are given up as nonsense."""


class Worlds(Record):
    """One fixture, or the servers and clock of several."""

    setup: str
    now: str
    servers: tuple[str, ...] = ()
    """Empty = the recipe's servers."""
    calls: tuple[str, ...] = ()
    """Servers whose tools are called; the others list what exists, and are offered. Empty = all of them."""


class Proposals(Record):
    """Calls that are tried."""

    proposer: Literal["schema", "model"] = "schema"
    per_tool: int = Field(default=24, gt=0)
    """At most so many for one tool in one world, spread over scenarios."""
    model: Asked = Asked()


class Chains(Record):
    """Chains that are composed. Those of a world hang on nothing outside it: more worlds leave them as they are."""

    per_world: int = Field(default=60, ge=0)
    """Over all parts together; fewer where no more can be found. With 0 no calls are proposed: all chains are from `files`."""
    files: str = ""
    """Folder of YAML files with chains that people propose, relative to the suite's folder; empty = none."""
    lengths: dict[int, float] = Field(default_factory=lambda: dict(LENGTHS))
    """Number of calls to share."""

    @model_validator(mode="after")
    def _shares(self) -> Chains:
        if any(not 1 <= length <= 8 for length in self.lengths):
            raise ValueError("lengths are 1 to 8 calls")
        if not self.lengths or any(share < 0 for share in self.lengths.values()) or not sum(self.lengths.values()):
            raise ValueError("lengths need shares above 0")
        return self


class Requests(Record):
    """How chains get words."""

    author: str = "phrasebook"
    """`phrasebook`; `hand` (the files below); `model`; or a plug-in of kind `author`."""
    per_chain: int = Field(default=1, gt=0, le=64)
    files: str = "requests"
    """`hand`: folder of reviewed YAML files, relative to the suite's folder."""
    model: Asked = Asked()
    judge: Asked = Asked()
    """Refuses requests under which a mutated call would be as good; none = the rules alone."""


class Negatives(Record):
    """Executed departures from intent."""

    per_operator: int = Field(default=0, ge=0)
    """At most so many of one operator for one task; 0 = none are made."""
    mutations: tuple[str, ...] = ()
    """Plug-ins of kind `mutation` whose operators are used besides the built-in ones."""


class Twins(Record):
    """Tasks whose right end is a question or a refusal, made from complete ones."""

    underspecified: int = Field(default=0, ge=0)
    infeasible: int = Field(default=0, ge=0)


class Splits(Record):
    """Who goes where; primitives are split before anything is composed of them (DESIGN 5.7)."""

    shares: dict[Part, float] = Field(default_factory=lambda: dict(SHARES))
    unseen_servers: tuple[str, ...] = ()
    """All their primitives go to `test-unseen-servers`, and no other."""
    apart_from: tuple[str, ...] = ()
    """Suites with which no task, primitive, chain or request may be shared; relative to the recipe's folder."""

    @model_validator(mode="after")
    def _sensible(self) -> Splits:
        if "test-unseen-servers" in self.shares:
            raise ValueError("test-unseen-servers is made of `unseen_servers`, not of a share")
        if not self.shares or any(share < 0 for share in self.shares.values()) or not sum(self.shares.values()):
            raise ValueError("shares need a part with a share above 0")
        return self


class Spread(Record):
    """Training rows: executed chains told in several words and contexts."""

    trajectories: int = Field(default=20_000, ge=0)
    pairs: int = Field(default=40_000, ge=0)
    contexts: int = Field(default=4, gt=0, le=64)
    """Most contexts (tools offered beside, system prompts) of one wording."""
    offered: tuple[int, int] = (4, 20)
    """Least and most tools offered."""
    sample: int = Field(default=500, ge=0)
    """Rows of each kind written into the sample files."""


class Output(Record):
    """What is made at the end."""

    kind: Literal["suite", "training"] = "suite"
    spread: Spread = Spread()


class SynthRecipe(Record):
    """All of a synthesis but the files that it names."""

    name: Name
    seed: int = 0
    suite: str = "."
    """Folder with `suite.yaml`, `fixtures/` and, for servers that the catalogue does not have, `recipes/`."""
    servers: tuple[str, ...] = ()
    """Empty = those of `suite.yaml`."""
    worlds: tuple[Worlds, ...] = Field(min_length=1)
    proposals: Proposals = Proposals()
    chains: Chains = Chains()
    requests: Requests = Requests()
    negatives: Negatives = Negatives()
    twins: Twins = Twins()
    splits: Splits = Splits()
    output: Output = Output()

    @model_validator(mode="after")
    def _consistent(self) -> SynthRecipe:
        if self.proposals.proposer == "model" and not self.proposals.model.model:
            raise ValueError("proposals.proposer is `model`, and proposals.model.model names none")
        if self.requests.author == "model" and not self.requests.model.model:
            raise ValueError("requests.author is `model`, and requests.model.model names none")
        if self.requests.author == "hand" and self.requests.per_chain != 1:
            raise ValueError("requests.per_chain is 1 where they are written by hand")
        if self.output.kind == "training" and set(self.splits.shares) - {"train", "dev"}:
            raise ValueError("training data has the parts train and dev only; tests are suites of their own")
        if not self.chains.per_world and not self.chains.files:
            raise ValueError("chains.per_world is 0, and chains.files names no folder: there would be no chain")
        worlds = [(world.setup, world.now, world.servers) for world in self.worlds]
        if twice := next((one for one in worlds if worlds.count(one) > 1), None):
            raise ValueError(f"world {twice[0]!r} is there twice, with the same clock and servers")
        return self


class LoadedRecipe(Record):
    """A recipe, the file it came from, and its worlds with their servers."""

    recipe: SynthRecipe
    path: str
    folder: str
    """Of the suite."""
    servers: tuple[str, ...]
    worlds: tuple[World, ...]
    called: tuple[tuple[str, ...], ...]
    """Servers whose tools are called, world by world."""

    @property
    def suite(self) -> Path:
        """Folder of the suite."""
        return Path(self.folder)

    @property
    def fixtures(self) -> Path:
        """Folder of the fixture trees."""
        return self.suite / "fixtures"


def tree_digest(folder: Path, but: str = "") -> str:
    """SHA-256 (hex) of all files below a folder, by path and content; of nothing where there is no folder.

    Args:
        but: a file of the folder that does not count.
    """
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / but):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
