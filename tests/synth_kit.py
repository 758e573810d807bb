"""What the tests of the whole synthesis share: a tiny suite, the command, and what it leaves on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rise_bench.cli import main

HERE = Path(__file__).resolve().parent


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    errors: str


def copied_recipe(folder: Path) -> Path:
    """The recipe of `data/synth_whole` in a copy of its suite."""
    return Path(shutil.copytree(HERE / "data" / "synth_whole", folder / "shed")) / "recipe.yaml"


def command(recipe: Path, output: Path, *more: str) -> list[str]:
    """The words after `rise-bench`."""
    return ["synth", str(recipe), "--output", str(output), *more]


def synth(recipe: Path, output: Path, *more: str) -> Said:
    """The command in this process, which has all imported."""
    out, errors = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = main(command(recipe, output, *more))
    return Said(code, out.getvalue(), errors.getvalue())


def process(recipe: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    """The command as a user starts it, in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rise_bench.cli", *command(recipe, output, *more)],
        env=os.environ | {"PYTHONPATH": str(HERE.parent)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def made_in(output: Path) -> Path:
    """The one synthesis folder there."""
    (folder,) = output.iterdir()
    return folder


def changed(recipe: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A recipe beside another one, changed."""
    value = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    change(value)
    path = recipe.with_name("changed.yaml")
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSON Lines file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What the inputs of a stage gave, without the line that says that it is done."""
    return [row for row in read(path) if "of" in row] if path.exists() else []


def lines_in(path: Path) -> int:
    """How many whole lines stand there already, while somebody writes."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
