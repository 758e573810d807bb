"""The worlds of the suite `core` and of the training data are whole, each built from its own files, and share nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from rise_bench.ground.contract import load_contract
from rise_bench.ground.fixture import materialise
from rise_bench.ground.recipe import load_recipe
from rise_bench.store import read_yaml
from rise_bench.synth.loading import load_recipe as load_synthesis
from rise_bench.synth.requests.phrasebook import load_nicknames

PROJECT = Path(__file__).parent.parent
CORE, DESK, TRAINING = PROJECT / "tasks" / "core", PROJECT / "tasks" / "desk", PROJECT / "training"
SERVERS: list[str] = yaml.safe_load((CORE / "suite.yaml").read_text())["servers"]

OWN = {"memory.jsonl", "shop.json", "site/index.html", "tasks.json", "vault/.obsidian/app.json"}
"""Files whose names the servers ask for."""


def worlds(suite: Path) -> list[Path]:
    """The folders of a suite's worlds."""
    return sorted((suite / "fixtures").iterdir())


@pytest.fixture(scope="module", params=[*worlds(CORE), *worlds(TRAINING)], ids=lambda path: str(path.name))
def world(request: pytest.FixtureRequest) -> Path:
    """A world's folder."""
    found: Path = request.param
    return found


@pytest.fixture(scope="module")
def home(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world's tree."""
    folder = tmp_path_factory.mktemp("home") / "user"
    materialise(world, folder, "/home/user")
    return folder


def test_the_suite_names_releasable_servers_of_at_least_twelve_domains_all_of_them_recorded() -> None:
    recipes = [load_recipe(name) for name in SERVERS]
    assert [recipe.name for recipe in recipes if not recipe.releasable] == []
    assert [name for name in SERVERS if load_contract(name) is None] == []
    assert 24 <= len(set(SERVERS)) == len(SERVERS) <= 28
    assert len({recipe.domain for recipe in recipes}) >= 12


def test_the_page_of_worlds_has_a_row_and_a_section_for_each() -> None:
    page, names = (CORE / "WORLDS.md").read_text(), [world.name for world in worlds(CORE)]
    assert sorted(re.findall(r"^## (core-\d\d):", page, re.M)) == names
    assert sorted(re.findall(r"^\| (core-\d\d) \| [^|]+ \| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \|", page, re.M)) == names


def test_a_world_is_built_from_its_own_files(home: Path) -> None:
    for path in home.rglob("*.geojson"):
        assert "type" in json.loads(path.read_text())
    for path in home.rglob("*.ics"):
        text = path.read_text()
        assert f"UID:{path.stem}\n" in text, "Radicale finds an item by its name"
        assert text.count("BEGIN:V") == text.count("\nEND:V") == 2


def test_every_file_and_calendar_that_has_a_nickname_is_there(world: Path, home: Path) -> None:
    names = load_nicknames(world)
    assert len(names) >= 20
    files = [name for name in names if re.search(r"\.(csv|md|txt|xlsx|geojson|ini|pgn|json)$", name)]
    notes = {path.name for path in (home / "vault").rglob("*.md")}  # where a folder is an argument of its own
    missing = [name for name in files if not (home / name).is_file() and not (home / "vault" / name).is_file()]
    missing = [name for name in missing if name not in notes]
    calendars = [name.removeprefix("/user/") for name in names if name.startswith("/user/")]
    missing += [name for name in calendars if not (home / "calendar/collection-root/user" / name).is_dir()]
    assert missing == []


def test_training_data_is_made_of_cores_seen_servers_alone_and_without_a_canary() -> None:
    loaded = load_synthesis(TRAINING / "recipe.yaml")
    unseen = load_synthesis(CORE / "recipe.yaml").recipe.splits.unseen_servers
    assert {name for world in loaded.worlds for name in world.servers} == set(SERVERS) - set(unseen)
    assert "canary" not in yaml.safe_load((TRAINING / "suite.yaml").read_text())
    others = [(TRAINING / name).resolve() for name in loaded.recipe.splits.apart_from]
    assert sorted(others) == sorted([CORE.resolve(), DESK.resolve()])


def test_the_page_of_training_worlds_has_the_clocks_that_the_recipe_sets() -> None:
    rows = re.findall(r"^\| (train-\d\d) \| [^|]+ \| (\S+) \| \w+ \|$", (TRAINING / "README.md").read_text(), re.M)
    assert sorted(rows) == sorted(
        {(world.setup, world.now) for world in load_synthesis(TRAINING / "recipe.yaml").worlds}
    )
    assert sorted(name for name, _ in rows) == [world.name for world in worlds(TRAINING)]


def held(suite: Path) -> Iterator[tuple[str, str]]:
    """What the people of a suite's worlds would know it by: paths, nicknames, titles, names of persons; all lower case."""
    for world in worlds(suite):
        values = load_nicknames(world)
        yield from (("nickname", name.casefold()) for names in values.values() for name in names)
        build = read_yaml(world / "build.yaml") if (world / "build.yaml").is_file() else {}
        assert isinstance(build, dict)
        yield from (("repository", name) for name in build.get("git") or {})
        for path in world.rglob("*"):
            if path.is_file():
                yield from told(path, path.relative_to(world).as_posix().removeprefix("files/"))


def told(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """What one file of a world tells."""
    if not name.startswith((".", "calendar/")) and name not in OWN | {"build.yaml", "nicknames.yaml"}:
        yield "path", name
    text = path.read_bytes().decode(errors="ignore")
    titles = re.findall(r"^SUMMARY:(.+)$", text, re.M)
    titles += re.findall(r'"(?:D:displayname|title|originalRequest)": "(.+?)"', text)
    titles += re.findall(r"^# (.+)$", text, re.M) if path.suffix == ".md" else []
    titles += re.findall(r"^ *-? ?message: (.+)$", text, re.M) if path.name == "build.yaml" else []
    if path.name in ("memory.jsonl", "tasks.jsonl"):
        titles += [row["name"] for row in map(json.loads, text.splitlines()) if "name" in row]
    yield from (("title", title.casefold()) for title in titles)
    yield from (("table", table) for table in re.findall(r"^CREATE TABLE (\w+)", text, re.M))
    if path.suffix != ".xlsx":
        pairs = re.findall(r"\b([A-Z][a-z'-]+ [A-Z][a-z'-]+)\b", text)
        yield from (("name", pair) for pair in pairs if not pair.startswith("Dear "))


@cache
def holdings(suite: Path) -> frozenset[tuple[str, str]]:
    """All that `held` tells."""
    return frozenset(held(suite))


@pytest.mark.parametrize("suite", [CORE, DESK], ids=lambda path: path.name)
def test_training_shares_no_person_file_title_or_nickname_with_a_test_suite(suite: Path) -> None:
    kinds = {kind for kind, _ in holdings(TRAINING)}
    assert kinds == {"nickname", "repository", "path", "title", "table", "name"}, "each kind was looked for"
    assert {kind for kind, _ in holdings(suite)} >= {"repository", "path", "title", "table", "name"}
    assert sorted(holdings(TRAINING) & holdings(suite)) == []
