"""Synthesis recipes: what they say, and one clear line about each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rise_bench import store
from rise_bench.errors import InputError
from rise_bench.synth.loading import load_recipe, nearest
from rise_bench.synth.recipe import tree_digest
from rise_bench.synth.requests import phrasebook

W1 = {"setup": "w1", "now": "2026-04-02T09:00:00Z"}
GOOD = {"name": "small", "worlds": [W1]}


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
        ({"worlds": [{"setup": "w9", "now": "2026-04-02T09:00:00Z"}]}, "worlds.0.setup: there is no fixture 'w9'"),
        ({"worlds": [{"setup": "w1", "now": "yesterday"}]}, "worlds.0.now: 'yesterday' is no ISO 8601 instant"),
        ({"worlds": [{"setup": "w1", "now": "2026-02-30T09:00:00Z"}]}, "worlds.0.now: '2026-02-30T09:00:00Z'"),
        ({"worlds": [W1, W1]}, "world 'w1' is there twice"),
        ({"worlds": [{"setup": "w1", "now": "x", "servers": ["git"]}]}, "'git' is none of the recipe's servers"),
        ({"chains": {"per_world": -1}}, "chains.per_world"),
        ({"chains": {"per_world": 0}}, "there would be no chain"),
        ({"worlds": [{**W1, "calls": ["git"]}]}, "worlds.0.calls: 'git' is none of the servers of its world"),
        ({"chains": {"lengths": {9: 1.0}}}, "lengths are 1 to 8 calls"),
        ({"chains": {"lengths": {1: 0.0}}}, "lengths need shares above 0"),
        ({"proposals": {"proposer": "model"}}, "names none"),
        ({"requests": {"author": "model"}}, "names none"),
        ({"requests": {"author": "hand", "per_chain": 3}}, "per_chain is 1"),
        ({"splits": {"shares": {"test-unseen-servers": 1.0}}}, "made of `unseen_servers`"),
        ({"splits": {"unseen_servers": ["git"]}}, "splits.unseen_servers: 'git' is none of the recipe's servers"),
        ({"output": {"kind": "training"}}, "parts train and dev only"),
        ({"name": "a/b"}, "name"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, more: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as error:
        load_recipe(write(tmp_path, **more))
    assert said in error.value.what
    assert "recipe.yaml" in error.value.where
    assert error.value.remedy
    assert "\n" not in str(error.value)


def test_the_line_of_the_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, chains={"per_world": "many"})
    with pytest.raises(InputError) as error:
        load_recipe(path)
    line = int(error.value.where.rpartition(":")[2])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].startswith("chains")


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ({"worlds": [{**W1, "setup": "w11"}]}, "did you mean 'w1'? there are: w1; else put its files below"),
        ({"worlds": [{**W1, "servers": ["file"]}]}, "did you mean 'files'? there are: files, memory; else add it to"),
        ({"worlds": [{**W1, "calls": ["git"]}]}, "there are: files, memory; else add it to the servers of its world"),
        ({"splits": {"unseen_servers": ["memry"]}}, "did you mean 'memory'? there are: files, memory; else add it"),
        ({"worlds": [{**W1, "now": "noon"}]}, "write it as 2026-04-02T09:00:00Z"),
    ],
)
def test_what_is_not_there_comes_with_what_was_probably_meant(
    tmp_path: Path, more: dict[str, object], remedy: str
) -> None:
    path = write(tmp_path, **more)
    with pytest.raises(InputError) as error:
        load_recipe(path)
    assert error.value.remedy.startswith(remedy)
    line = int(error.value.where.rpartition(":")[2])
    assert path.read_text(encoding="utf-8").splitlines()[line - 1] == f"{next(iter(more))}:"


def test_of_many_names_only_those_nearest_are_told() -> None:
    many = [f"server-{number}" for number in range(40)] + ["calendar"]
    assert nearest("calender", many) == "did you mean 'calendar'?"
    assert nearest("xyz", many) == ""
    assert nearest("xyz", []) == "there are: none"


BAD = {
    "name: a\nworlds: [1,\nchains: 2\n": ":4",
    "name: a: b\n": ":1",
    "name: a\nchains:\n\t- b\n": ":3",
    "name: a\nseed: 'x\n": ":3",
    "- a\nname: b\n": ":2",
    "name: a\nworlds: {setup: w\n": ":3",
    "name: a\nseed: !!python/object:os.system x\n": ":2",
    "name: a\nseed: \x07\n": "",
    "name: a\n---\nname: b\n": ":2",
    "name: a\nseed: |\n x\n  y\n z\nsplits: @c\n": ":6",
    "name: a\nseed: *x\n": ":2",
}
"""YAML that cannot be read, and the line that is told."""


@pytest.mark.parametrize("text", BAD)
def test_yaml_that_cannot_be_read_is_told_in_the_same_words_with_and_without_libyaml(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    told = []
    for loader in (store._Quick, store._Loader):
        monkeypatch.setattr(store, "_Quick", loader)
        with pytest.raises(InputError) as error:
            load_recipe(path)
        told.append((error.value.what, error.value.where))
    assert told[0] == told[1]
    assert told[0][1] == f"{path}{BAD[text]}"


def test_the_quick_loader_reads_what_the_other_reads_and_dates_as_texts() -> None:
    assert store._Quick is not store._Loader, "PyYAML without libyaml: nothing to compare"
    files = [*Path(phrasebook.__file__).parent.glob("*/*.yaml"), *Path(store.DATA).glob("t*/**/recipe.yaml")]
    assert len(files) > 20
    odd = "day: 2026-04-02\nat: 2026-04-02T09:00:00Z\nyes: [0o17, 1_000, .inf, ~, 1:30]\n? a\n: &x [é]\ny: *x\n"
    for text in [*(file.read_text(encoding="utf-8") for file in files), odd]:
        assert repr(store._Quick(text).get_single_data()) == repr(store._Loader(text).get_single_data())
    assert store._Quick(odd).get_single_data()["day"] == "2026-04-02"


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000])
def test_yaml_without_a_bottom_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="nested too deep"):
        load_recipe(path)


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
