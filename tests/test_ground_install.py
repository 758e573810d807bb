"""An environment is there completely or not at all, and what stops it is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rise_bench.errors import SetupError
from rise_bench.ground.install import ensure, environment_dir, find_uv, is_installed
from rise_bench.ground.recipe import Package, Recipe


def recipe(registry: str, name: str, version: str, *pins: str) -> Recipe:
    package = Package.model_validate({"registry": registry, "name": name, "version": version, "pins": pins})
    return Recipe(name="one", package=package, command="x")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_recipe_without_packages_needs_nothing(cache: Path) -> None:
    installed = ensure(Recipe(name="own", command="/bin/true"))
    assert (installed.folder, installed.venv, installed.node) == (None, None, None)
    assert not cache.exists()


def test_another_version_or_another_pin_is_another_environment(cache: Path) -> None:
    folders = {
        environment_dir(recipe("pypi", "a", "1")),
        environment_dir(recipe("pypi", "a", "2")),
        environment_dir(recipe("pypi", "a", "1", "b==1")),
        environment_dir(recipe("npm", "a", "1")),
    }
    assert len(folders) == 4
    assert all(folder.is_relative_to(cache) for folder in folders)


def test_an_environment_that_is_there_is_used_as_it_is(cache: Path) -> None:
    wanted = recipe("pypi", "a", "1")
    assert not is_installed(wanted)
    (environment_dir(wanted) / "venv").mkdir(parents=True)
    assert is_installed(wanted)
    assert ensure(wanted).venv == environment_dir(wanted) / "venv"


def test_a_failing_installer_is_quoted_and_leaves_no_environment(cache: Path) -> None:
    wanted = recipe("pypi", "no package has this name", "1")
    lines: list[str] = []
    with pytest.raises(SetupError, match=r"one: cannot be installed: .* ended with \d+: ") as caught:
        ensure(wanted, lines.append)
    assert "\n" not in str(caught.value)
    assert not is_installed(wanted)
    assert [path for path in cache.rglob("*") if path.is_dir() and path.name.startswith(".one-")] == []
    assert lines == ["installing no package has this name==1"]


def test_a_machine_without_npm_is_told_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(SetupError, match=r"npm is not installed \(install Node.js"):
        ensure(recipe("npm", "a", "1"))


def test_a_cache_that_cannot_be_made_is_told_how_to_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(SetupError, match="RISE_BENCH_CACHE"):
        ensure(recipe("pypi", "a", "1"))


def test_uv_is_found_beside_the_interpreter_even_where_path_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    beside = Path(sys.executable).parent / "uv"
    assert find_uv() == (str(beside) if beside.is_file() else None)
