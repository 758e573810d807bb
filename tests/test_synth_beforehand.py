"""What a recipe names outside itself and is not there is told at once, with file, key and remedy; nothing is written then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from score_kit import GROUND
from synth_kit import contents, synth

from rise_bench.errors import InputError, PluginError, RiseError
from rise_bench.ground.recipe import catalog
from rise_bench.store import suites
from rise_bench.synth.beforehand import refuse_unknown
from rise_bench.synth.folder import Row
from rise_bench.synth.loading import load_recipe
from rise_bench.synth.made import Listed
from rise_bench.synth.negatives.operators import OPERATORS, Operator
from rise_bench.synth.negatives.operators.base import DEVIATED
from rise_bench.synth.pipeline import synthesise
from rise_bench.synth.planning import Settings, plan
from rise_bench.synth.records import Draft, Dropped
from rise_bench.synth.stages import Tick

NOBODY: object = "no author"


class Own:
    """An author from outside."""

    made = 0

    def __init__(self) -> None:
        Own.made += 1

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        yield Dropped(stage="author", what="x", reason="says nothing")


SATURDAY = Operator("value", "saturday-of-the-test", DEVIATED, lambda material, operator: iter(()))


def write(folder: Path, *, frozen: bool = True, suite: tuple[str, ...] = ("s",), **more: object) -> Path:
    (folder / "fixtures" / "w1").mkdir(parents=True)
    (folder / "suite.yaml").write_text(f"name: kit\nservers: [{', '.join(suite)}]\n", encoding="utf-8")
    if frozen:
        (folder / "ground.json").write_text(GROUND.model_dump_json(), encoding="utf-8")
    recipe = {"name": "kit", "worlds": [{"setup": "w1", "now": "2026-04-02T09:00:00Z"}], **more}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


@contextmanager
def silent(name: str) -> Iterator[Tick]:
    raise AssertionError(f"the stage {name} was begun")
    yield


VERBS: dict[str, Callable[[Settings], object]] = {
    "dry run": plan,
    "run": lambda settings: synthesise(settings, silent),
}


def told(path: Path, verb: str) -> RiseError:
    """What the verb says of the recipe; it has written nothing by then."""
    before = contents(path.parent)
    with pytest.raises((InputError, PluginError)) as error:
        VERBS[verb](Settings(recipe=path, output=path.parent / "out"))
    assert contents(path.parent) == before
    assert not (path.parent / "out").exists()
    assert "\n" not in str(error.value)
    return error.value


def line(path: Path, start: str) -> str:
    """`FILE:LINE` of the first line that begins so."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return f"{path}:{next(number for number, text in enumerate(lines, 1) if text.startswith(start))}"


@pytest.fixture(params=VERBS)
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- servers ----------------------------------------------------------------------------------------------------------


def test_a_server_that_is_known_but_not_frozen_is_refused(tmp_path: Path, verb: str) -> None:
    path = write(tmp_path, servers=["s", "time"])
    error = told(path, verb)
    assert error.what == f"servers: 'time' is not frozen in {tmp_path / 'ground.json'}"
    assert error.where == line(path, "servers:")
    assert error.remedy.startswith("take it out, or remove ground.json")


def test_a_server_that_nobody_knows_is_refused_with_the_nearest_names(tmp_path: Path, verb: str) -> None:
    path = write(tmp_path, servers=["s", "tme"])
    error = told(path, verb)
    assert (error.what, error.where) == ("servers: there is no server 'tme'", line(path, "servers:"))
    assert error.remedy.startswith("did you mean 'time'? else put its recipe into ")


def test_without_a_frozen_ground_the_line_names_the_recipe_and_not_the_whole_catalogue(
    tmp_path: Path, verb: str
) -> None:
    path = write(tmp_path, frozen=False, servers=["calender"])
    error = told(path, verb)
    assert (error.what, error.where) == ("servers: there is no server 'calender'", line(path, "servers:"))
    assert "did you mean 'calendar'?" in error.remedy
    assert sum(f"{name!r}" in error.remedy for name in catalog()) <= 3


def test_of_servers_that_the_suite_names_the_line_names_the_suite(tmp_path: Path, verb: str) -> None:
    error = told(write(tmp_path, suite=("s", "time")), verb)
    assert error.where == line(tmp_path / "suite.yaml", "servers:")


def test_a_server_of_the_suites_own_recipes_can_be_frozen(tmp_path: Path) -> None:
    path = write(tmp_path, frozen=False, servers=["kettle"])
    assert "no server 'kettle'" in told(path, "dry run").what
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "kettle.yaml").write_text("name: kettle\ncommand: kettle\n", encoding="utf-8")
    refuse_unknown(load_recipe(path))


# --- suites -----------------------------------------------------------------------------------------------------------


def test_a_suite_to_stay_apart_from_is_looked_for_at_the_start(tmp_path: Path, verb: str) -> None:
    path = write(tmp_path, splits={"apart_from": ["dsek"]})
    error = told(path, verb)
    assert (error.what, error.where) == ("splits.apart_from: there is no suite 'dsek'", line(path, "splits:"))
    assert error.remedy.startswith("did you mean 'desk'?")
    assert f"else name a folder with a suite.yaml, which {tmp_path / 'dsek'} is not" in error.remedy


def test_a_suite_to_stay_apart_from_is_read_at_the_start(tmp_path: Path, verb: str) -> None:
    path = write(tmp_path, splits={"apart_from": ["beside"]})
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "suite.yaml").write_text("- no mapping\n", encoding="utf-8")
    error = told(path, verb)
    assert error.what == f"splits.apart_from: {tmp_path / 'beside' / 'suite.yaml'}: is not a mapping"
    assert error.where == line(path, "splits:")
    assert error.remedy


# --- plug-ins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "what", "remedy"),
    [
        ("nobody", "unknown author 'nobody'", "there are: hand, model, phrasebook; else name a plug-in"),
        ("phrasbook", "unknown author 'phrasbook'", "did you mean 'phrasebook'? there are:"),
        (
            "nosuch_module:x",
            "author plug-in 'nosuch_module:x': cannot import nosuch_module",
            "check that nosuch_module",
        ),
        ("test_synth_beforehand:NOBODY", "test_synth_beforehand:NOBODY gives no author", "see docs/synthesis.md"),
    ],
)
def test_an_author_that_is_none_is_refused(tmp_path: Path, verb: str, author: str, what: str, remedy: str) -> None:
    path = write(tmp_path, requests={"author": author})
    error = told(path, verb)
    assert error.what.startswith(f"requests.author: {what}")
    assert error.where == line(path, "requests:")
    assert error.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nobody", "unknown mutation 'nobody'"),
        (
            "test_synth_beforehand:NOBODY",
            "mutation plug-in 'test_synth_beforehand:NOBODY': is no mutation operator",
        ),
    ],
)
def test_mutations_that_are_none_are_refused(tmp_path: Path, verb: str, name: str, what: str) -> None:
    path = write(tmp_path, negatives={"per_operator": 1, "mutations": ["test_synth_beforehand:SATURDAY", name]})
    error = told(path, verb)
    assert (error.what, error.where) == (f"negatives.mutations: {what}", line(path, "negatives:"))
    assert error.remedy


def test_plug_ins_are_made_once_and_handed_on(tmp_path: Path) -> None:
    requests, negatives = {"author": "test_synth_beforehand:Own"}, {"mutations": ["test_synth_beforehand:SATURDAY"]}
    before = Own.made
    plugs = refuse_unknown(load_recipe(write(tmp_path, requests=requests, negatives=negatives)))
    assert Own.made == before + 1
    assert type(plugs.author).__name__ == "Own"
    assert plugs.operators[: len(OPERATORS)] == OPERATORS
    assert [one.id for one in plugs.operators[len(OPERATORS) :]] == ["value:saturday-of-the-test"]


# --- what is there ----------------------------------------------------------------------------------------------------


def test_a_recipe_whose_names_are_all_there_is_planned(tmp_path: Path) -> None:
    path = write(tmp_path, servers=["s"], splits={"apart_from": [next(iter(suites()))]})
    planned = plan(Settings(recipe=path, output=tmp_path / "out"))
    assert (planned.worlds, planned.servers, planned.tools, planned.done) == (1, 1, 7, {})


def test_an_input_that_was_done_again_is_planned_as_one(tmp_path: Path) -> None:
    settings = Settings(recipe=write(tmp_path), output=tmp_path / "out")
    folder = Path(plan(settings).folder)
    folder.mkdir(parents=True)
    lost = Row[Listed](of="a", dropped=(Dropped(stage="propose", what="a", reason="fault"),))
    rows = [lost, Row[Listed](of="b"), Row[Listed](of="a"), Row[Listed](of='"')]
    done = json.dumps({"done": 3})
    text = "".join(f"{row.model_dump_json()}\n" for row in rows) + f"{done}\n"
    (folder / "entities.jsonl").write_text(text, encoding="utf-8")
    assert plan(settings).done == {"entities": 3}


def test_the_command_says_it_in_a_line_and_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, requests={"author": "nobody"})
    said: Any = synth(path, tmp_path / "out", "--dry-run")
    assert said.code == 2
    first, remedy = said.errors.splitlines()
    assert first.startswith(f"error: {path}:")
    assert remedy.startswith("  remedy: there are: hand, model, phrasebook")
