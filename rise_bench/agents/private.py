"""What an agent must never see: this package with its tasks, a checkout of it, suites, and runs with their verdicts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.ground.tree import walk

__all__ = ["installed_copies", "is_private", "private_below", "refuse_private"]

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None
"""The folder of the checkout that this runs from; None where the package is installed."""

OURS = frozenset({"rise_bench", "tasks", "tests", "baselines", "leaderboard", "benchmarks", "schemas", "runs", ".git"})
"""Folders of a checkout that hold tasks, answers or verdicts."""

SUITE, RUN = "suite.yaml", "run.json"
HIDDEN = frozenset({".git", ".ssh", ".aws", ".config"})
KEYS = ".env"
SKIPPED = frozenset({"node_modules", "__pycache__"})
PACKAGES = frozenset({"site-packages", "dist-packages"})


def private_below(folder: Path) -> list[Path]:
    """What is to be covered inside a folder that an agent is shown: suites, runs, this package, histories, files of keys."""
    found: list[Path] = []
    for here, folders, others in walk(folder):
        names = {entry.name for entry in others}
        if here and (SUITE in names or RUN in names):
            found.append(folder / here)
            folders.clear()
            continue
        found += [Path(entry.path) for entry in others if entry.name == KEYS or entry.name.startswith(f"{KEYS}.")]
        for entry in list(folders):
            path = Path(entry.path)
            private = entry.name in HIDDEN or _is_package(path)
            if private:
                found.append(path)
            elif entry.name in PACKAGES and _is_package(path / PACKAGE.name):
                found.append(path / PACKAGE.name)
            if private or entry.name in SKIPPED | PACKAGES:
                folders.remove(entry)
    return found


def installed_copies(shown: Path) -> list[Path]:
    """Copies of this package, whose data are tasks with their answers, in a runtime that an agent is shown."""
    places = (place for name in sorted(PACKAGES) for place in shown.glob(f"lib/python*/{name}/{PACKAGE.name}"))
    copies = [place for place in places if _is_package(place)]
    if PACKAGE.is_relative_to(shown) and PACKAGE not in copies:
        copies.append(PACKAGE)
    return copies


def _is_package(folder: Path) -> bool:
    """Whether a folder is this package or a copy of it: its name alone may be anything's."""
    return folder == PACKAGE or (folder.name == PACKAGE.name and (folder / "__init__.py").is_file())


def is_private(path: Path) -> bool:
    """Whether `refuse_private` refuses the path."""
    return bool(_why(path.resolve()))


def refuse_private(path: Path) -> None:
    """Nothing, where an agent may be shown the path with what is private in it covered.

    Raises:
        InputError: it is, or lies in, something private, or it is so wide that nobody could say what it shows.
    """
    real = path.resolve()
    if why := _why(real):
        remedy = "keep the program in a folder of its own, or name that with mount="
        raise InputError(f"would show the agent {why}", where=str(path), remedy=remedy)


def _why(real: Path) -> str:
    """What is wrong with showing a resolved path; empty where nothing is."""
    if real == Path("/") or real == Path.home().resolve() or Path.home().resolve().is_relative_to(real):
        return "a whole home folder"
    if Path(os.path.realpath(tempfile.gettempdir())).is_relative_to(real):
        return "every temporary folder, the tools' sandboxes among them"
    if real.is_relative_to(PACKAGE):
        return "rise-bench itself"
    if CHECKOUT is not None:
        if CHECKOUT.is_relative_to(real):
            return "the checkout of rise-bench"
        if real.is_relative_to(CHECKOUT) and real.relative_to(CHECKOUT).parts[0] in OURS:
            return "rise-bench's own tasks or results"
    for parent in (real, *real.parents):
        if (parent / SUITE).is_file():
            return f"the suite in {parent}"
        if (parent / RUN).is_file():
            return f"the run in {parent}"
    return ""
