"""Recipes are read strictly, and a bad one is named by file and field in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rise_bench.errors import InputError
from rise_bench.ground.recipe import CATALOG, catalog, load_recipe


@pytest.mark.parametrize("name", catalog())
def test_a_shipped_recipe_is_named_like_its_file_and_pins_exact_versions(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.domain
    assert recipe.packages
    for package in recipe.packages:
        mark = "==" if package.registry == "pypi" else "@"
        assert all(mark in pin[1:] for pin in package.pins), "a pin without a version drifts"


def test_the_catalogue_has_the_servers_of_the_first_suite() -> None:
    assert set(catalog()) >= {"filesystem", "sqlite", "git", "excel", "memory", "time", "calculator", "units", "tasks"}


def test_an_unknown_server_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown server 'filesystm' \(one of: .*filesystem"):
        load_recipe("filesystm")


def test_a_name_cannot_lead_out_of_the_catalogue() -> None:
    with pytest.raises(InputError, match="unknown server"):
        load_recipe("../catalog/time")


def test_a_recipe_is_read_from_yaml_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: mine\ncommand: run-me\nenv: {A: b}\n", encoding="utf-8")
    (tmp_path / "a.json").write_text('{"name": "mine", "command": "run-me", "env": {"A": "b"}}', encoding="utf-8")
    assert load_recipe(tmp_path / "a.yaml") == load_recipe(str(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("name: x\ncommand: y\nargz: [1]\n", "argz: Extra inputs are not permitted"),
        ("name: x\n", "needs either a `command`"),
        ("name: X y\ncommand: y\n", "name: String should match"),
        ("name: x\ncommand: y\ngroups: {a: [t], b: [t]}\n", "tool 't' is in two groups, 'a' and 'b'"),
        ("name: x\ncommand: y\neffects: {t: read}\ngroups: {a: [u]}\n", "tool 'u' of group 'a' has no entry"),
        ("name: x\ncommand: y\nfailures: ['(']\n", "failure pattern"),
        ("name: [\n", "cannot be read"),
        ("- 1\n", "recipe: "),
    ],
)
def test_a_bad_recipe_is_one_line_with_file_and_field(tmp_path: Path, text: str, finding: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
    assert finding in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such recipe file"):
        load_recipe(tmp_path / "none.yaml")


def test_a_recipe_that_is_not_utf8_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path / "a.yaml")


def test_every_file_of_the_catalogue_is_a_recipe() -> None:
    files = [path for path in CATALOG.iterdir() if path.is_file()]  # beside them: probes and contracts
    assert sorted(path.suffix for path in files) == [".yaml"] * len(catalog())
