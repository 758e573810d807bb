"""What every stage of one synthesis works with: recipe, grounds, tools, entities, proposer, author, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rise_bench import plugins
from rise_bench.errors import PluginError
from rise_bench.ground.freeze import freeze
from rise_bench.ground.recipe import load_recipe as load_server
from rise_bench.ground.recipe import recipes_in
from rise_bench.store import read_record, write_atomic
from rise_bench.synth.author import Author, PhrasebookAuthor
from rise_bench.synth.cache import Cache
from rise_bench.synth.folder import Spec
from rise_bench.synth.llm import PROMPTS, Asker, LlmAuthor, LlmJudge, LlmProposer, Purse
from rise_bench.synth.phrasebook import FOLDER as PHRASEBOOKS
from rise_bench.synth.phrasebook import Phrasebooks, load_nicknames, load_phrasebooks
from rise_bench.synth.propose import Proposer, SchemaProposer
from rise_bench.synth.recipe import Asked, LoadedRecipe, tree_digest
from rise_bench.synth.requests import HandAuthor, Written, load_written
from rise_bench.types import Ground, GroundSource, Tool

__all__ = ["Context", "frozen", "open_context", "spec_of"]

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
    books: Phrasebooks
    written: Mapping[str, Written]
    words: str
    """Digest of phrasebooks or prompts, where the author rests on them."""
    workers: int
    askers: list[Asker] = field(default_factory=list)
    tools: dict[str, Tool] = field(default_factory=dict)
    nicknames: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """By fixture."""

    def close(self) -> None:
        """Stop servers and connections."""
        self.source.close()
        self.varied.close()
        for asker in self.askers:
            asker.close()


def frozen(loaded: LoadedRecipe, notice: Callable[[str], None] | None, *, allow_unsafe: bool) -> Ground:
    """The suite's frozen ground, taken from the servers where there is none yet.

    Raises:
        InputError: `ground.json` cannot be read, or a server has no recipe.
        SetupError: a server cannot be installed or started.
    """
    path = loaded.suite / "ground.json"
    if path.is_file():
        return read_record(Ground, path)
    own = recipes_in(loaded.suite / "recipes")
    recipes = [own.get(name) or load_server(name) for name in loaded.servers]
    ground = freeze(loaded.recipe.name, recipes, progress=notice, allow_unsafe=allow_unsafe)
    write_atomic(path, ground.model_dump_json(indent=1) + "\n")
    return ground


def spec_of(loaded: LoadedRecipe, ground: Ground) -> Spec:
    """What the synthesis is made from. Requests by hand and phrasebooks stay outside: mending them executes nothing anew."""
    recipe = loaded.recipe
    told = recipe.model_dump(mode="json", exclude={"suite": True, "output": True, "splits": {"apart_from"}})
    return Spec(
        name=recipe.name,
        recipe=told,
        ground=ground.digest(),
        worlds={world.setup: tree_digest(loaded.fixtures / world.setup) for world in loaded.worlds},
        format=FORMAT,
    )


def words_digest(author: str) -> str:
    """Of the texts that requests are made of, where they come with the package; empty for other authors."""
    folder = {"phrasebook": PHRASEBOOKS, "model": PROMPTS}.get(author)
    return tree_digest(folder) if folder else ""


def open_context(
    loaded: LoadedRecipe,
    ground: Ground,
    cache: Path,
    purse: Purse,
    *,
    workers: int,
    allow_unsafe: bool,
    notice: Callable[[str], None] | None,
) -> Context:
    """The context of a synthesis; servers are started when they are needed.

    Raises:
        InputError, SetupError, PluginError: author, model or written requests cannot be used.
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
    tools = {tool.id: tool for server in ground.servers for tool in server.tools}
    model = asker(writing) if recipe.requests.author == "model" else None
    author = _author(recipe.requests.author, model, books, names, written, tuple(tools))
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
        books=books,
        written=written,
        words=words_digest(recipe.requests.author),
        workers=workers,
        askers=askers,
        tools=tools,
        nicknames=names,
    )


def _author(
    name: str,
    model: Asker | None,
    books: Phrasebooks,
    names: Mapping[str, dict[str, tuple[str, ...]]],
    written: Mapping[str, Written],
    offered: tuple[str, ...],
) -> Callable[[str], Author]:
    """Who writes for a world."""
    if name == "phrasebook":
        return lambda setup: PhrasebookAuthor(books, names=names.get(setup, {}), offered=offered)
    if name == "hand":
        hand = HandAuthor(written)
        return lambda setup: hand
    if model is not None:
        llm = LlmAuthor(model)
        return lambda setup: llm
    made = plugins.load("author", name)
    own: Author = made() if callable(made) else made
    if not hasattr(own, "author"):
        what = f"{name} gives no author: it lacks `author(draft, seed, count)`"
        raise PluginError(what, where="requests.author", remedy="see docs/synthesis.md")
    return lambda setup: own
