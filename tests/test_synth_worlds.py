"""The worlds of the suite `core` are whole: each is built from its own files, and what its people name is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from rise_bench.ground.contract import load_contract
from rise_bench.ground.fixture import materialise
from rise_bench.ground.recipe import load_recipe
from rise_bench.synth.phrasebook import load_nicknames

CORE = Path(__file__).parent.parent / "tasks" / "core"
WORLDS = sorted(path.name for path in (CORE / "fixtures").iterdir())
SERVERS: list[str] = yaml.safe_load((CORE / "suite.yaml").read_text())["servers"]


def built(world: str, folder: Path) -> Path:
    """The world's tree."""
    materialise(CORE / "fixtures" / world, folder, "/home/user")
    return folder


def test_the_suite_names_releasable_servers_of_at_least_twelve_domains_all_of_them_recorded() -> None:
    recipes = [load_recipe(name) for name in SERVERS]
    assert [recipe.name for recipe in recipes if not recipe.releasable] == []
    assert [name for name in SERVERS if load_contract(name) is None] == []
    assert 24 <= len(set(SERVERS)) == len(SERVERS) <= 28
    assert len({recipe.domain for recipe in recipes}) >= 12


def test_the_page_of_worlds_has_a_row_and_a_section_for_each() -> None:
    page = (CORE / "WORLDS.md").read_text()
    assert sorted(re.findall(r"^## (core-\d\d):", page, re.M)) == WORLDS
    assert sorted(re.findall(r"^\| (core-\d\d) \| [^|]+ \| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \|", page, re.M)) == WORLDS


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_built_from_its_own_files(world: str, tmp_path: Path) -> None:
    root = built(world, tmp_path / "home")
    for path in root.rglob("*.geojson"):
        assert "type" in json.loads(path.read_text())
    for path in root.rglob("*.ics"):
        text = path.read_text()
        assert f"UID:{path.stem}\n" in text, "Radicale finds an item by its name"
        assert text.count("BEGIN:V") == text.count("\nEND:V") == 2


@pytest.mark.parametrize("world", WORLDS)
def test_every_file_and_calendar_that_has_a_nickname_is_there(world: str, tmp_path: Path) -> None:
    root = built(world, tmp_path / "home")
    names = load_nicknames(CORE / "fixtures" / world)
    assert len(names) >= 20
    files = [name for name in names if re.search(r"\.(csv|md|txt|xlsx|geojson|ini|pgn)$", name)]
    missing = [name for name in files if not (root / name).is_file() and not (root / "vault" / name).is_file()]
    calendars = [name.removeprefix("/user/") for name in names if name.startswith("/user/")]
    missing += [name for name in calendars if not (root / "calendar/collection-root/user" / name).is_dir()]
    assert missing == []
