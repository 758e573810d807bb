"""Makes catalogue entries of servers that a host's JSON tells of: installed, started, looked at, written down."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from rise_bench.errors import GroundFault, InputError, RiseError, SetupError
from rise_bench.ground.contract import Contract, make_contract, unknown_effects, write_contract
from rise_bench.ground.freeze import published
from rise_bench.ground.hiding import Hidden, is_secret, variables_in
from rise_bench.ground.hosts import Entry
from rise_bench.ground.install import Progress, ensure
from rise_bench.ground.launchers import Wanted, pinned, program_in, script_needs, wanted
from rise_bench.ground.own import Own, as_data, own_command, place_args
from rise_bench.ground.probes import Probe, Probed, run_probes
from rise_bench.ground.recipe import Recipe, Risk, catalog
from rise_bench.ground.remote import elsewhere
from rise_bench.ground.samples import sample, schema_problem
from rise_bench.ground.sandbox import means
from rise_bench.store import write_atomic
from rise_bench.types import Tool

__all__ = ["MAX_TOOLS", "Added", "Adding", "add_server", "fit_names"]

MAX_TOOLS = 2_000
"""Tools of one server beyond which no model could be offered them."""

CALL_SECONDS = 15.0

_RUNS_CODE = re.compile(
    r"(^|[_-])(exec|execute|eval|shell|bash|terminal|command|run_(code|python|script)|python|sql_shell)($|[_-])"
)
_OWN_VARIABLES = frozenset({"PATH", "HOME", "TMPDIR", "USER", "LANG", "TZ"})
"""What the sandbox sets itself."""


@dataclass(frozen=True)
class Adding:
    """How servers are added."""

    folder: Path
    """Where the entries go: `NAME.yaml`, `contracts/NAME.json` and, of calls that worked, `probes/NAME/probes.yaml`."""
    force: bool = False
    """Write over entries that are there, and take tools whose schema is invalid."""
    probe: bool = False
    """Call tools that may write, too."""
    risk: Risk | None = None
    """What the server is said to do; None = guessed from the names of its tools."""
    start_seconds: float = 60.0
    allow_unsafe: bool = False
    notice: Progress | None = None
    build: tuple[str, ...] = ()
    """Packages that may be built from source, which runs their authors' programs outside the sandbox."""


@dataclass(frozen=True)
class Added:
    """A server that was added."""

    recipe: Recipe
    contract: Contract
    path: Path
    told: tuple[str, ...]
    """What its owner should know, one line each."""


@dataclass
class _Draft:
    """An entry in the making."""

    values: dict[str, object]
    hidden: Hidden
    told: list[str] = field(default_factory=list)


def fit_names(names: Iterable[str]) -> dict[str, str]:
    """Name in the file to the name of the entry: small letters, digits and hyphens, each once."""
    made: dict[str, str] = {}
    for name in names:
        fit = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "server"
        fit = fit if fit[0].isalpha() else f"server-{fit}"
        number, base = 2, fit
        while fit in made.values():
            fit, number = f"{base}-{number}", number + 1
        made[name] = fit
    return made


def add_server(entry: Entry, name: str, how: Adding, taken: dict[str, str]) -> Added:
    """Write the entry and the contract of one server that was installed and started.

    Args:
        name: of the entry (`fit_names`).
        taken: variables that stand for secrets of servers added before, with their values; this one's are added.

    Raises:
        InputError: the entry cannot be used, or is there already.
        SetupError: the server cannot be installed or started, or what it publishes cannot be used; nothing is written.
    """
    path = how.folder / f"{name}.yaml"
    if path.exists() and not how.force:
        raise InputError("is there already", where=str(path), remedy="--force writes over it")
    values: dict[str, object] = {"name": name, "reset": "restart", "start_seconds": how.start_seconds}
    draft = _Draft(values, Hidden(name, taken))
    if name != entry.name:
        draft.told.append(f"{entry.name!r} is named {name} here")
    try:
        _describe(entry, draft, how)
        taken |= draft.hidden.values
        for variable, value in draft.hidden.values.items():
            os.environ.setdefault(variable, value)  # for this look at it; nothing is written
        return _look(draft, path, how)
    except RiseError as error:
        mask = draft.hidden.mask
        raise type(error)(mask(error.what), where=mask(error.where), remedy=mask(error.remedy)) from None


# --- the entry --------------------------------------------------------------------------------------------------------


def _describe(entry: Entry, draft: _Draft, how: Adding) -> None:
    """Fill in how the server is started or reached; its packages are installed on the way."""
    if entry.url:
        headers = {word: draft.hidden.header(word, value) for word, value in entry.headers.items()}
        values = {"url": draft.hidden.address(entry.url), "headers": headers, "keeps": "service", "risk": "network"}
        draft.values |= values
        return
    base = entry.folder / Path(entry.cwd).expanduser() if entry.cwd else entry.folder
    args = [_known(arg, before, entry.name) for before, arg in zip(("", *entry.args), entry.args, strict=False)]
    wish = wanted(entry.command, args, entry.name) or _of_script(entry, args, base)
    own = _packaged(wish, base, draft, how) if wish else own_command(entry.command, args, base, entry.name)
    if entry.cwd:
        draft.told.append("runs in its sandbox, not in `cwd`: what it reads from there belongs into the fixture")
    env = own.env | {
        word: draft.hidden.setting(word, as_data(value, base, draft.told) if not is_secret(word, value) else value)
        for word, value in entry.env.items()
        if word not in _OWN_VARIABLES
    }
    draft.told += own.told
    draft.values |= {"command": own.command, "args": own.args, "env": env, "mounts": own.mounts}


def _of_script(entry: Entry, args: Sequence[str], base: Path) -> Wanted | None:
    """A script under `uv run` that says itself what it needs."""
    if Path(entry.command).name != "uv" or "run" not in args:
        return None
    script = next((base / arg for arg in args if arg.endswith(".py") and (base / arg).is_file()), None)
    needs = script_needs(script) if script else ()
    return Wanted("pypi", needs, "python", tuple(args[list(args).index("run") + 1 :])) if needs else None


def _packaged(wish: Wanted, base: Path, draft: _Draft, how: Adding) -> Own:
    """The command line of a package, installed into an environment of its own."""
    name = str(draft.values["name"])
    package, exact = pinned(wish, name, how.build)
    draft.values["package"] = package.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    if not exact:
        draft.told.append(f"no version was named: pinned to {package.requirement}, the newest that fits")
    installed = ensure(Recipe(name=name, package=package, command="none"), how.notice)
    own = Own(program_in(installed, package, wish.program, name))
    place_args(own, wish.args, base, name, code=wish.program in ("python", "fastmcp", "mcp"))
    return own


def _known(arg: str, before: str, where: str) -> str:
    """An argument with the variables that it names filled in: entries have them in `env` and `headers` only."""
    option, equals, value = arg.partition("=")
    name = option if equals and arg.startswith("-") else before if before.startswith("-") and "=" not in before else ""
    if not (arg.startswith("-") and not equals) and is_secret(name, value if equals and arg.startswith("-") else arg):
        remedy = "hand it over in `env`, where it is kept out of the file"
        raise InputError(
            "an argument looks like a secret, and every process can read arguments", where=where, remedy=remedy
        )
    for variable in variables_in(arg):
        if variable not in os.environ or is_secret(variable, "x" * 8):
            remedy = f"write its value, or hand {variable} over in `env`"
            raise InputError(f"an argument names the variable {variable}", where=where, remedy=remedy)
        arg = arg.replace(f"${{{variable}}}", os.environ[variable])
    return arg


# --- the look at it ---------------------------------------------------------------------------------------------------


def _look(draft: _Draft, path: Path, how: Adding) -> Added:
    """Start the server, see what it publishes, try harmless calls, and write all down."""
    recipe = Recipe.model_validate(draft.values)
    if not recipe.url:
        if how.risk:
            recipe = recipe.model_copy(update={"risk": how.risk})
        elif (problem := means().problem) and not how.allow_unsafe:
            remedy = "install bubblewrap; or say what it does, --risk writes; or pass --allow-unsafe"
            raise SetupError(f"nobody has said what it does, and {problem}", where=recipe.name, remedy=remedy)
    tools = published(recipe, progress=how.notice, allow_unsafe=how.allow_unsafe, steady=True)
    _check_tools(recipe.name, tools, draft, how.force)
    if not recipe.url:
        risk = how.risk or _guessed(tools)
        recipe = recipe.model_copy(update={"risk": risk})
        if how.risk is None:
            draft.told.append(f"risk: {risk}, guessed from the names of its tools; --risk says otherwise")
    probes, probed = _tried(recipe, tools, how)
    _tell_of_calls(recipe, tools, probed, draft)
    # What a guessed call failed at says nothing of the tool; what it changed does.
    probed.made = [made for made in probed.made if made.status == "ok" or made.changed]
    writes = {
        made.probe.tool: "write" for made in probed.made if made.changed and _hint(tools, made.probe.tool) is not False
    }
    recipe = recipe.model_copy(update={"effects": dict(sorted(writes.items()))})
    contract = make_contract(recipe, probed, datetime.now(UTC).date())
    if draft.hidden.mask(text := contract.model_dump_json()) != text:
        raise SetupError("publishes a secret in the description of its tools", where=recipe.name)
    _write(recipe, contract, probes, path)
    _tell_the_rest(recipe, draft, contract)
    return Added(recipe, contract, path, tuple(draft.told))


def _check_tools(name: str, tools: Sequence[Tool], draft: _Draft, force: bool) -> None:
    if not tools:
        raise SetupError("publishes no tools", where=name, remedy="a server without tools has nothing to evaluate")
    if len(tools) > MAX_TOOLS:
        raise SetupError(
            f"publishes {len(tools)} tools, more than {MAX_TOOLS}", where=name, remedy="have it offer fewer"
        )
    bad = {tool.name: problem for tool in tools if (problem := schema_problem(tool))}
    if bad and not force:
        first, problem = next(iter(bad.items()))
        more = f" (and {len(bad) - 1} more tools)" if len(bad) > 1 else ""
        raise SetupError(f"tool {first!r}: {problem}{more}", where=name, remedy="mend it, or --force takes it as it is")
    draft.told += [f"tool {tool!r}: {problem}; its calls are not checked against it" for tool, problem in bad.items()]
    odd = [tool.name for tool in tools if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", tool.name)]
    if odd:
        draft.told.append(
            f"chat endpoints will know {', '.join(map(repr, odd[:5]))} under other names: letters, digits, _ and -"
        )


def _guessed(tools: Sequence[Tool]) -> Risk:
    return "executes" if any(_RUNS_CODE.search(tool.name.lower()) for tool in tools) else "writes"


def _tried(recipe: Recipe, tools: Sequence[Tool], how: Adding) -> tuple[tuple[Probe, ...], Probed]:
    """Calls that worked, and what they showed. Only tools that claim to read are called, unless more is asked for."""
    may: set[str] = {tool.name for tool in tools if tool.annotations.get("readOnlyHint") is True}
    if recipe.url and not how.probe:
        may = set()
    elif how.probe and not recipe.url:  # what it does elsewhere, nobody undoes
        may = {tool.name for tool in tools}
    guessed = [(tool.name, sample(tool)) for tool in tools if tool.name in may and not schema_problem(tool)]
    probes = [
        Probe(tool=name, arguments=arguments, seconds=CALL_SECONDS)
        for name, arguments in guessed
        if arguments is not None
    ]
    installed = ensure(recipe, how.notice)
    with tempfile.TemporaryDirectory(prefix="rise-bench-probes-") as folder:
        _write_probes(probes, Path(folder))
        try:
            probed = run_probes(recipe, installed, Path(folder), allow_unsafe=how.allow_unsafe)
        except GroundFault as error:
            raise SetupError(error.what, where=recipe.name, remedy=error.remedy) from error
    return tuple(made.probe for made in probed.made if made.status == "ok"), probed


def _write_probes(probes: Sequence[Probe], folder: Path) -> None:
    rows = [probe.model_dump(mode="json", exclude_defaults=True) for probe in probes]
    write_atomic(folder / "probes.yaml", yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120))


def _write(recipe: Recipe, contract: Contract, probes: Sequence[Probe], path: Path) -> None:
    values = recipe.model_dump(mode="json", exclude_defaults=True, exclude_none=True) | {"reset": recipe.reset}
    values["risk"] = recipe.risk
    head = "# Written by `rise-bench ground add`; its fields are those of rise_bench/ground/recipe.py.\n"
    if probes:
        _write_probes(probes, path.parent / "probes" / recipe.name)
    write_contract(contract, path.parent / "contracts")
    write_atomic(path, head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120))


# --- what is said -----------------------------------------------------------------------------------------------------


def _hint(tools: Sequence[Tool], name: str) -> bool | None:
    found = next((tool.annotations.get("readOnlyHint") for tool in tools if tool.name == name), None)
    return found if isinstance(found, bool) else None


def _tell_of_calls(recipe: Recipe, tools: Sequence[Tool], probed: Probed, draft: _Draft) -> None:
    for made in probed.made:
        if made.status == "died":
            draft.told.append(f"{made.probe.tool}: {made.text}")
        elif made.changed and _hint(tools, made.probe.tool) is True:
            draft.told.append(f"{made.probe.tool} says that it only reads, and changed {', '.join(made.changed[:3])}")
    if len(probed.made) and probed.made[-1].status == "died":
        draft.told.append("the calls after that were not made")


def _tell_the_rest(recipe: Recipe, draft: _Draft, contract: Contract) -> None:
    if line := elsewhere(recipe):
        draft.told.append(line)
    if line := unknown_effects(contract):
        draft.told.append(line)
    if recipe.name in catalog():
        draft.told.append(f"the catalogue has a server named {recipe.name}; yours is used where its folder is named")
    for variable in draft.hidden.values:
        draft.told.append(f"{variable} is a secret and was not written: set it in the environment, or in .env")
