"""What a recipe names outside itself, looked for before anything is written or run: servers, plug-ins, suites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rise_bench import plugins
from rise_bench.errors import InputError, RiseError
from rise_bench.ground.contract import load_contract
from rise_bench.ground.freeze import freeze
from rise_bench.ground.recipe import catalog, recipes_in
from rise_bench.ground.recipe import load_recipe as load_server
from rise_bench.store import read_record, write_atomic
from rise_bench.synth.gates.parting import Parting
from rise_bench.synth.loading import at_key, choices, nearest, place
from rise_bench.synth.negatives.operators import OPERATORS, Operator, plugged
from rise_bench.synth.recipe import LoadedRecipe
from rise_bench.synth.requests.author import Author, plugged_author
from rise_bench.types import Ground

__all__ = ["AUTHORS", "Plugs", "frozen", "refuse_unknown"]

AUTHORS = ("phrasebook", "hand", "model")
"""That come with the package."""


@dataclass(frozen=True, slots=True)
class Plugs:
    """What plug-ins give to a recipe."""

    author: Author | None = None
    """None where the author is one of `AUTHORS`."""
    operators: tuple[Operator, ...] = OPERATORS
    """Those that come with the package, then those of plug-ins."""


def refuse_unknown(loaded: LoadedRecipe) -> Plugs:
    """The recipe's plug-ins, once all that it names outside itself was found.

    Raises:
        InputError, PluginError: a server, a plug-in or a suite is not there or is of no use; names file and key.
    """
    _refuse_servers(loaded)
    plugs = _plugs(loaded)
    Parting(loaded)
    return plugs


def _plugs(loaded: LoadedRecipe) -> Plugs:
    """What the recipe's plug-ins give.

    Raises:
        PluginError: one is not there, or does not offer what it should; names file and key.
    """
    found = OPERATORS
    for name in loaded.recipe.negatives.mutations:
        try:
            found += plugged([name])
        except RiseError as error:
            raise at_key(error, loaded.path, "negatives.mutations") from error
    author = loaded.recipe.requests.author
    if author in AUTHORS:
        return Plugs(operators=found)
    try:
        return Plugs(plugged_author(author), found)
    except RiseError as error:
        known = (*AUTHORS, *plugins.known("author"))
        strange = ":" not in author and author not in known
        remedy = choices(nearest(author, known), "name a plug-in as module:attribute") if strange else ""
        raise at_key(error, loaded.path, "requests.author", remedy) from error


def frozen(loaded: LoadedRecipe, notice: Callable[[str], None] | None, *, allow_unsafe: bool) -> Ground:
    """The suite's frozen ground; where there is none yet, from the catalogue's recorded contracts, else from the servers.

    Raises:
        InputError: `ground.json` cannot be read, or a server has no recipe.
        SetupError: a server cannot be installed or started.
    """
    path = loaded.suite / "ground.json"
    if path.is_file():
        return read_record(Ground, path)
    own = recipes_in(loaded.suite / "recipes")
    recorded = {name: load_contract(name) for name in loaded.servers if name not in own}
    asked = [own.get(name) or load_server(name) for name in loaded.servers if recorded.get(name) is None]
    live = freeze(loaded.recipe.name, asked, progress=notice, allow_unsafe=allow_unsafe)
    servers = {server.name: server for server in live.servers}
    servers |= {name: contract.server for name, contract in recorded.items() if contract is not None}
    ground = Ground(name=loaded.recipe.name, servers=tuple(servers[name] for name in loaded.servers))
    write_atomic(path, ground.model_dump_json(indent=1) + "\n")
    return ground


def _refuse_servers(loaded: LoadedRecipe) -> None:
    """Nothing, where the ground has every server of the recipe, or can come to have it."""
    path = loaded.suite / "ground.json"
    there = {server.name for server in read_record(Ground, path).servers} if path.is_file() else None
    known = {*catalog(), *recipes_in(loaded.suite / "recipes"), *(there or ())}
    file = loaded.path if loaded.recipe.servers else loaded.suite / "suite.yaml"
    for name in loaded.servers:
        if name not in known:
            more = f"put its recipe into {loaded.suite / 'recipes'} (`rise-bench ground add` writes one)"
            remedy = choices(nearest(name, known), more)
            raise InputError(f"servers: there is no server {name!r}", where=place(file, "servers"), remedy=remedy)
        if there is not None and name not in there:
            raise InputError(
                f"servers: {name!r} is not frozen in {path}",
                where=place(file, "servers"),
                remedy=f"take it out, or remove {path.name}: the next run freezes all servers anew, for another folder",
            )
