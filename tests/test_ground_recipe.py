"""Recipes are read strictly, and a bad one is named by file and field in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rise_bench.errors import InputError
from rise_bench.ground.recipe import CATALOG, Package, Recipe, catalog, load_recipe


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


@pytest.mark.parametrize(
    ("registry", "name", "version", "pins"),
    [
        ("pypi", "mcp-server-time", "2026.10.19", ("mcp[cli]>=1.2,<3", "pdfminer.six==20260107", "a==1.*", "pydantic")),
        ("pypi", "srv[a,b]", "1!2.0.post1+local", ("a~=1.4",)),
        ("npm", "@scope/one", "1.64.0-alpha-1790635538000", ("@a/b@^1.2.3", "zod@~3", "c@>=1.0", "d@1.x", "e")),
    ],
)
def test_packages_of_a_registry_are_taken(registry: str, name: str, version: str, pins: tuple[str, ...]) -> None:
    Package.model_validate({"registry": registry, "name": name, "version": version, "pins": pins})


@pytest.mark.parametrize(
    "odd",
    [
        {"name": "--index-url=https://example.org"},
        {"name": "-e"},
        {"name": "../one"},
        {"name": "one @ file:///tmp/one.whl"},
        {"name": "one\n"},
        {"version": "file:/tmp/one.tgz"},
        {"version": "1/../../x"},
        {"version": "latest"},
        {"pins": ["--ignore-scripts=false"]},
        {"pins": ["-r/etc/passwd"]},
        {"pins": ["./one"]},
        {"pins": ["a @ https://example.org/a.whl"]},
        {"pins": ["a==1 --pre"]},
        {"build": ["--no-build-isolation"]},
        {"python": "/tmp/python"},
        {"registry": "npm", "name": "@a/../b"},
        {"registry": "npm", "pins": ["a@file:/tmp/a"]},
        {"registry": "npm", "pins": ["owner/repository"]},
        {"registry": "npm", "pins": ["a@npm:b@1"]},
    ],
    ids=str,
)
def test_options_paths_and_addresses_are_no_packages(odd: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Package.model_validate({"registry": "pypi", "name": "one", "version": "1", **odd})


def test_a_server_made_of_gpl_code_is_not_for_released_suites_and_one_beside_a_gpl_service_is() -> None:
    values = {"name": "one", "command": "x", "license": "MIT"}
    also = [{"registry": "pypi", "name": "radicale", "version": "3"}]

    def releasable(**more: object) -> bool:
        return Recipe.model_validate(values | more).releasable

    assert releasable()
    assert releasable(copyleft={"soxr": "LGPL-2.1-or-later"})
    assert not releasable(copyleft={"libzim": "GPL-3.0-or-later"})
    assert not releasable(copyleft={"ultralytics": "AGPL-3.0-only"})
    assert not releasable(copyleft={"radicale": "GPL-3.0-or-later"})
    assert releasable(copyleft={"radicale": "GPL-3.0-or-later"}, also=also)
    assert not releasable(license="")


def test_what_an_entry_takes_of_its_user_is_told_in_words() -> None:
    def asks(**more: object) -> str:
        return Recipe.model_validate({"name": "one"} | more).asks

    assert asks(command="x", env={"MODE": "fast"}) == ""
    told = asks(command="x", env={"A": "${OPENAI_API_KEY}"}, mounts=["/home/me"])
    assert told == "to read /home/me; the variables ${OPENAI_API_KEY}"
    assert asks(url="https://me@example.org/${KEY}") == "the variables ${KEY}; all calls, at example.org"
