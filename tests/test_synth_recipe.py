"""Synthesis recipes: what they say, and one clear line about each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rise_bench.errors import InputError
from rise_bench.synth.recipe import load_recipe, tree_digest

GOOD = {"name": "small", "worlds": [{"setup": "w1", "now": "2026-04-02T09:00:00Z"}]}


def write(folder: Path, **more: object) -> Path:
    (folder / "fixtures" / "w1" / "files").mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text("name: s\nservers: [files, memory]\n", encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **more}, sort_keys=False), encoding="utf-8")
    return path


def test_a_short_recipe_takes_its_servers_from_the_suite(tmp_path: Path) -> None:
    loaded = load_recipe(write(tmp_path))
    assert loaded.servers == ("files", "memory")
    assert loaded.worlds[0].servers == ("files", "memory")


def test_a_seed_on_the_command_line_replaces_the_recipes_own(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, seed=4)).recipe.seed == 4
    assert load_recipe(write(tmp_path, seed=4), seed=9).recipe.seed == 9


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"wrlds": []}, "wrlds: unknown key"),
        ({"worlds": []}, "worlds: Tuple should have at least 1 item"),
        ({"worlds": [{"setup": "w9", "now": "2026-04-02T09:00:00Z"}]}, "there is no fixture 'w9'"),
        ({"worlds": [GOOD["worlds"][0], GOOD["worlds"][0]]}, "world 'w1' is there twice"),  # type: ignore[index]
        ({"worlds": [{"setup": "w1", "now": "x", "servers": ["git"]}]}, "'git' is none of the recipe's servers"),
        ({"chains": {"per_world": -1}}, "chains.per_world"),
        ({"chains": {"per_world": 0}}, "there would be no chain"),
        ({"worlds": [{**GOOD["worlds"][0], "calls": ["git"]}]}, "calls 'git', which is none of its servers"),  # type: ignore[index]
        ({"chains": {"lengths": {9: 1.0}}}, "lengths are 1 to 8 calls"),
        ({"chains": {"lengths": {1: 0.0}}}, "lengths need shares above 0"),
        ({"proposals": {"proposer": "model"}}, "names none"),
        ({"requests": {"author": "model"}}, "names none"),
        ({"requests": {"author": "hand", "per_chain": 3}}, "per_chain is 1"),
        ({"splits": {"shares": {"test-unseen-servers": 1.0}}}, "made of `unseen_servers`"),
        ({"splits": {"unseen_servers": ["git"]}}, "'git' is none of its servers"),
        ({"output": {"kind": "training"}}, "parts train and dev only"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, more: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        load_recipe(write(tmp_path, **more))
    assert said in error.value.what
    assert "recipe.yaml" in error.value.where
    assert "\n" not in str(error.value)


def test_the_line_of_the_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, chains={"per_world": "many"})
    with pytest.raises(InputError) as error:
        load_recipe(path)
    line = int(error.value.where.rpartition(":")[2])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].startswith("chains")


def test_a_recipe_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("- a\n", encoding="utf-8")
    with pytest.raises(InputError, match="is not a mapping"):
        load_recipe(path)


def test_a_tree_is_known_by_paths_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("1", encoding="utf-8")
    one = tree_digest(tmp_path)
    (tmp_path / "a" / "x.txt").write_text("2", encoding="utf-8")
    two = tree_digest(tmp_path)
    (tmp_path / "a" / "x.txt").write_text("1", encoding="utf-8")
    assert tree_digest(tmp_path) == one != two
