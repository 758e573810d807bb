"""An environment is there completely or not at all, and what stops it is said in one line."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from rise_bench.errors import SetupError
from rise_bench.ground.install import ensure, environment_dir, find_uv, installer_environment, is_installed
from rise_bench.ground.launchers import pinned, wanted
from rise_bench.ground.recipe import Package, Recipe


def recipe(registry: str, name: str, version: str, *pins: str) -> Recipe:
    package = Package.model_validate({"registry": registry, "name": name, "version": version, "pins": pins})
    return Recipe(name="one", package=package, command="x")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that installers find packages in."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name, value in (
        ("OFFLINE", "1"),
        ("NO_INDEX", "1"),
        ("FIND_LINKS", str(folder)),
        ("CACHE_DIR", str(tmp_path / "downloads")),
    ):
        monkeypatch.setenv(f"UV_{name}", value)
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def source(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the package `shop` writes while it is built: there is no wheel of it."""
    seen = tmp_path / "seen.txt"
    monkeypatch.setenv("SHOP_API_KEY", "sk-1")
    backend = (
        "import os, zipfile\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    open({str(seen)!r}, 'w').write(os.environ.get('SHOP_API_KEY', 'no key'))\n"
        "    with zipfile.ZipFile(f'{folder}/shop-1-py3-none-any.whl', 'w') as wheel:\n"
        "        at = 'shop-1.dist-info/'\n"
        "        wheel.writestr(at + 'METADATA', 'Metadata-Version: 2.1\\nName: shop\\nVersion: 1\\n')\n"
        "        wheel.writestr(at + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(at + 'RECORD', '')\n"
        "    return 'shop-1-py3-none-any.whl'\n"
    )
    files = {
        "pyproject.toml": "[build-system]\nrequires=[]\nbuild-backend='backend'\nbackend-path=['.']\n",
        "PKG-INFO": "Metadata-Version: 2.1\nName: shop\nVersion: 1\n",
        "backend.py": backend,
    }
    with tarfile.open(offline / "shop-1.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"shop-1/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return seen


def test_a_package_without_a_wheel_is_not_built_unasked(cache: Path, source: Path) -> None:
    with pytest.raises(SetupError, match="name it under `build`"):
        ensure(recipe("pypi", "shop", "1"))
    wish = wanted("uvx", ["shop"], "one")
    assert wish is not None
    with pytest.raises(SetupError, match="--build NAME"):
        pinned(wish, "one")
    assert not source.exists()


def test_what_is_built_when_asked_for_sees_no_keys_and_is_the_same_environment(cache: Path, source: Path) -> None:
    plain = recipe("pypi", "shop", "1")
    assert plain.package
    built = plain.model_copy(update={"package": plain.package.model_copy(update={"build": ("shop",)})})
    ensure(built)
    assert source.read_text(encoding="utf-8") == "no key"
    assert is_installed(plain), "how it was made must not make an environment stale"


def test_installers_get_what_finds_registries_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {
        "UV_INDEX_URL",
        "PIP_CERT",
        "npm_config_registry",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "no_proxy",
        "HOME",
        "PATH",
    }
    for name in ours | {"OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "UV_PUBLISH_TOKEN", "HF_TOKEN", "PATHS_KEY"}:
        monkeypatch.setenv(name, "x")
    given = installer_environment()
    assert ours <= set(given)
    assert not [name for name in given if "KEY" in name or "TOKEN" in name]


def test_an_install_script_of_npm_does_not_run(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No recipe can name a file to install, so npm is a script here that writes down its words."""
    said, folder = tmp_path / "said.txt", tmp_path / "bin"
    folder.mkdir()
    (folder / "npm").write_text(f'#!/bin/sh\necho "$@" > {said}\n', encoding="utf-8")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    ensure(recipe("npm", "@shop/one", "1.0.0", "zod@3.25.76"))
    words = said.read_text(encoding="utf-8").split()
    assert "--ignore-scripts" in words
    assert words[-2:] == ["@shop/one@1.0.0", "zod@3.25.76"]


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


def test_a_failing_installer_is_quoted_and_leaves_no_environment(cache: Path, offline: Path) -> None:
    wanted = recipe("pypi", "no-package-has-this-name", "1")
    lines: list[str] = []
    with pytest.raises(SetupError, match=r"one: cannot be installed: .* ended with \d+: ") as caught:
        ensure(wanted, lines.append)
    assert "\n" not in str(caught.value)
    assert not is_installed(wanted)
    assert [path for path in cache.rglob("*") if path.is_dir() and path.name.startswith(".one-")] == []
    assert lines == ["installing no-package-has-this-name==1"]


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
