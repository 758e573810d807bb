"""What every stage of one synthesis works with: recipe, grounds, tools, entities, proposer, author, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench import plugins
from rise_bench.synth.beforehand import Plugs
from rise_bench.synth.cache import Cache
from rise_bench.synth.chains.by_hand import ProposedChain, load_proposed
from rise_bench.synth.critical.leaves import dictated
from rise_bench.synth.folder import Spec
from rise_bench.synth.keys import chain_key
from rise_bench.synth.negatives.operators import Operator
from rise_bench.synth.primitives.propose import Proposer, SchemaProposer
from rise_bench.synth.recipe import Asked, LoadedRecipe, tree_digest
from rise_bench.synth.records import Chain
from rise_bench.synth.requests.author import Author, PhrasebookAuthor
from rise_bench.synth.requests.by_hand import HandAuthor, Written, load_written
from rise_bench.synth.requests.llm import PROMPTS, Asker, LlmAuthor, LlmJudge, LlmProposer
from rise_bench.synth.requests.phrasebook import FOLDER as PHRASEBOOKS
from rise_bench.synth.requests.phrasebook import NICKNAMES, Phrasebooks, load_nicknames, load_phrasebooks
from rise_bench.synth.requests.purse import Purse
from rise_bench.types import Ground, GroundSource, Tool

__all__ = ["Context", "open_context", "spec_of"]

FORMAT = 1
"""Of what stages keep; another one when the same recipe would be carried out differently."""


@dataclass(slots=True)
class Context:
    """All that stages share. Used from many threads; `close` it."""

    loaded: LoadedRecipe
    ground: Ground
    source: GroundSource
    varied: GroundSource
    cache: Cache
    proposer: Proposer
    author: Callable[[str], Author]
    """Of a world's fixture."""
    judge: LlmJudge | None
    operators: tuple[Operator, ...]
    """Of departures from intent."""
    books: Phrasebooks
    written: Mapping[str, Written]
    proposed: Mapping[str, tuple[Chain, ProposedChain]]
    """Chains that people propose, by key."""
    words: str
    """Digest of phrasebooks or prompts, where the author rests on them."""
    workers: int
    askers: list[Asker] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)
    nicknames: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """By fixture."""

    def proposed_of(self, chain: Chain) -> ProposedChain | None:
        """What a person wrote of a chain; None where it was composed."""
        found = self.proposed.get(chain_key(chain))
        return found[1] if found else None

    def dictated_in(self, chain: Chain) -> frozenset[tuple[int, str]]:
        """(call, pointer) of free texts that a request written by hand gives word for word."""
        written = self.written.get(chain_key(chain))
        return dictated(chain, self.tools, written.request) if written else frozenset()

    def close(self) -> None:
        """Stop servers and connections."""
        self.source.close()
        self.varied.close()
        for asker in self.askers:
            asker.close()


def spec_of(loaded: LoadedRecipe, ground: Ground) -> Spec:
    """What the synthesis is made from. Requests by hand, phrasebooks and nicknames stay outside: they execute nothing."""
    recipe = loaded.recipe
    told = recipe.model_dump(mode="json", exclude={"suite": True, "output": True, "splits": {"apart_from"}})
    if not recipe.negatives.mutations:  # a recipe that names none keeps the folder that it had before one could
        told["negatives"].pop("mutations")
    return Spec(
        name=recipe.name,
        recipe=told,
        ground=ground.digest(),
        worlds={world.setup: tree_digest(loaded.fixtures / world.setup, NICKNAMES) for world in loaded.worlds},
        format=FORMAT,
    )


def words_digest(author: str) -> str:
    """Of the texts that requests are made of, where they come with the package; empty for other authors."""
    folder = {"phrasebook": PHRASEBOOKS, "model": PROMPTS}.get(author)
    return tree_digest(folder) if folder else ""


def open_context(
    loaded: LoadedRecipe,
    ground: Ground,
    plugs: Plugs,
    cache: Path,
    purse: Purse,
    *,
    workers: int,
    allow_unsafe: bool,
    notice: Callable[[str], None] | None,
) -> Context:
    """The context of a synthesis; servers are started when they are needed.

    Raises:
        InputError, SetupError, PluginError: a model or written requests cannot be used.
    """
    recipe = loaded.recipe
    askers: list[Asker] = []

    def asker(asked: Asked) -> Asker:
        askers.append(Asker(asked, purse, recipe.seed))
        return askers[-1]

    proposing, writing, judging = recipe.proposals.model, recipe.requests.model, recipe.requests.judge
    by_model = recipe.proposals.proposer == "model"
    count = recipe.proposals.per_tool
    proposer: Proposer = LlmProposer(asker(proposing), count) if by_model else SchemaProposer(most=count)
    books = load_phrasebooks()
    names = {world.setup: load_nicknames(loaded.fixtures / world.setup) for world in loaded.worlds}
    written = load_written(loaded.suite / recipe.requests.files)
    own = loaded.suite / recipe.chains.files if recipe.chains.files else None
    proposed = load_proposed(own, loaded.worlds) if own else {}
    tools = {tool.id: tool for server in ground.servers for tool in server.tools}
    own_author = LlmAuthor(asker(writing)) if recipe.requests.author == "model" else plugs.author
    author = _author(recipe.requests.author, own_author, books, names, written, tuple(tools))
    open_ground = plugins.load("ground", "live")
    where = {"ground": ground, "fixtures": loaded.fixtures, "recipes": loaded.suite / "recipes"}
    how = {"allow_unsafe": allow_unsafe, "notice": notice}
    return Context(
        loaded=loaded,
        ground=ground,
        source=open_ground(**where, **how),
        varied=open_ground(**where, **how, varied=True),
        cache=Cache(cache),
        proposer=proposer,
        author=author,
        judge=LlmJudge(asker(judging)) if judging.model else None,
        operators=plugs.operators,
        books=books,
        written=written,
        proposed=proposed,
        words=words_digest(recipe.requests.author),
        workers=workers,
        askers=askers,
        tools=tools,
        nicknames=names,
    )


def _author(
    name: str,
    other: Author | None,
    books: Phrasebooks,
    names: Mapping[str, dict[str, tuple[str, ...]]],
    written: Mapping[str, Written],
    offered: tuple[str, ...],
) -> Callable[[str], Author]:
    """Who writes for a world; `other` where the phrasebooks and people do not."""
    if name == "phrasebook":
        return lambda setup: PhrasebookAuthor(books, names=names.get(setup, {}), offered=offered)
    if name == "hand":
        hand = HandAuthor(written)
        return lambda setup: hand
    assert other is not None  # `beforehand` found the plug-in
    return lambda setup: other
