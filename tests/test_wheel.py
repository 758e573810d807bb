"""The wheel holds what the installed package needs: data, templates, recipes; and nothing of the workshop."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel(names: set[str]) -> None:
    files = [path for path in (ROOT / "rise_bench").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {"siblings.yaml", "probes.yaml", "time.json", "rise_shop.json", "time.yaml"} <= {path.name for path in files}
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names


@pytest.mark.parametrize("folder", ["tasks", "baselines"])
def test_data_beside_the_package_travels_inside_it(names: set[str], folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    assert {f"rise_bench/_data/{path.relative_to(ROOT).as_posix()}" for path in files} <= names


def test_nothing_else_is_in_the_wheel(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"rise_bench"}
    assert [name for name in names if "__pycache__" in name or "/runs/" in name] == []
