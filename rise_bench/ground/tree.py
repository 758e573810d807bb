"""Walks and removes folder trees of any depth: an agent can nest deeper than Python's own walkers can follow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["remove", "walk"]


def walk(top: Path) -> Iterator[tuple[str, list[os.DirEntry[str]], list[os.DirEntry[str]]]]:
    """Per folder, top first: its path relative to `top` ("" for itself), its folders, all else; both sorted by name.

    Links are not followed and count as "all else". Whoever removes an entry from the list of folders keeps the walk out
    of it. A folder that cannot be read is empty.
    """
    pending = [""]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(top / here if here else top) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            entries = []
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        others = [entry for entry in entries if not entry.is_dir(follow_symlinks=False)]
        yield here, folders, others
        pending += [f"{here}/{entry.name}" if here else entry.name for entry in reversed(folders)]


def remove(top: Path, *, keep_top: bool = False) -> None:
    """Remove a tree, whatever permissions its folders were given; with `keep_top` only what is in it.

    Raises:
        OSError: something in it cannot be removed.
    """
    seen: list[Path] = []
    pending = [top]
    while pending:
        here = pending.pop()
        seen.append(here)
        here.chmod(0o700)
        with os.scandir(here) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    Path(entry.path).unlink()
    for folder in reversed(seen):
        if folder != top or not keep_top:
            folder.rmdir()
