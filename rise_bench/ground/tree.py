"""Walks, reads and removes folder trees that others may change meanwhile: of any depth, never through a link."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

__all__ = ["Entry", "open_plain", "own", "read_link", "remove", "walk"]

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
SECONDS = 20.0
"""After which somebody who keeps filling a folder that is being emptied has won."""

DEPTH = 30
"""Folders that are entered one in the other before the next is moved aside: each takes a descriptor."""

_numbers = itertools.count()
"""Names of moved folders, never used twice."""


@dataclass(frozen=True)
class Entry:
    """What a folder held when it was listed: like `os.DirEntry`, but with the path that the walk was told to take."""

    name: str
    path: str
    folder: bool
    file: bool
    """A regular file."""
    link: bool

    def is_symlink(self) -> bool:
        """Is it a link?"""
        return self.link

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Is it a regular file or, followed, a link to one?"""
        return self.file or (follow_symlinks and self.link and Path(self.path).is_file())


def walk(top: Path, below: Path | None = None) -> Iterator[tuple[str, list[Entry], list[Entry]]]:
    """Per folder, top first: its path relative to `top` ("" for itself), its folders, all else; both sorted by name.

    Links are not followed and count as "all else", nor is one that was put in a folder's place since that was listed.
    Whoever removes an entry from the list of folders keeps the walk out of it. A folder that cannot be read is empty.

    Args:
        below: tree in which `top` must lie, where that itself may have become a link; a path without links.
    """
    start, real = (top, below) if below else (top.resolve(), top.resolve())
    pending = [""]
    while pending:
        here = pending.pop()
        try:
            descriptor = _open_below(f"{start}/{here}", real, os.O_RDONLY | os.O_DIRECTORY)
            try:
                entries = _listed(descriptor, f"{top}/{here}" if here else str(top))
            finally:
                os.close(descriptor)
        except OSError:
            entries = []
        folders = [entry for entry in entries if entry.folder]
        others = [entry for entry in entries if not entry.folder]
        yield here, folders, others
        pending += [f"{here}/{entry.name}" if here else entry.name for entry in reversed(folders)]


def _listed(descriptor: int, path: str) -> list[Entry]:
    """What the folder behind a descriptor holds, sorted by name."""
    with os.scandir(descriptor) as found:
        entries = [
            Entry(
                entry.name,
                f"{path}/{entry.name}",
                entry.is_dir(follow_symlinks=False),
                entry.is_file(follow_symlinks=False),
                entry.is_symlink(),
            )
            for entry in found
        ]
    return sorted(entries, key=lambda entry: entry.name)


def _open_below(path: str, real: Path, flags: int) -> int:
    """A descriptor of what lies in a tree, the path of which has no links; not of what a link leads to.

    Raises:
        OSError: it cannot be opened, or a link led elsewhere, put there since the folder was looked at.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # A link in place of one of its folders shows in where the descriptor ended up.
        place = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - a path may have a thousand parts
        if not f"{place}/".startswith(f"{real}/"):
            raise OSError(f"{path} leads elsewhere")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_plain(path: Path, below: Path) -> BufferedReader:
    """A regular file that lies in the tree `below`, opened for reading.

    Args:
        below: a path without links.

    Raises:
        OSError: it is no regular file, or a link led elsewhere, put there since the folder was looked at.
    """
    descriptor = _open_below(str(path), below, os.O_RDONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb")


def read_link(path: Path, below: Path) -> str:
    """Where a link that lies in the tree `below` points to.

    Args:
        below: a path without links.

    Raises:
        OSError: it is no link (any more).
    """
    descriptor = _open_below(str(path), below, os.O_PATH)
    try:
        return os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)


def own(top: Path, uid: int) -> None:
    """Give a tree that nobody else can reach to that user and group.

    Raises:
        OSError: it cannot be given away.
    """
    os.chown(top, uid, uid)
    for _, folders, others in walk(top):
        for entry in (*folders, *others):
            os.chown(entry.path, uid, uid, follow_symlinks=False)


def remove(top: Path, *, keep_top: bool = False) -> None:
    """Remove a tree, whatever permissions its folders were given; with `keep_top` only what is in it.

    Every folder is entered by the descriptor of the one that it lies in, so nobody who works in the tree can lead us out
    of it by a link put in a folder's place.

    Raises:
        OSError: something in it cannot be removed.
    """
    aside = _Aside(top)
    try:
        _permit(str(top), None)
        here = os.open(top, FOLDER)
        try:
            _drain(here, aside, DEPTH)
        finally:
            os.close(here)
        aside.drain()
    finally:
        aside.close()
    if not keep_top:
        top.rmdir()


class _Aside:
    """A folder beside a tree, made when first needed, to which what lies too deep is moved, to be emptied in its turn."""

    def __init__(self, top: Path) -> None:
        self.until = time.monotonic() + SECONDS
        self._top = top
        self._folder: Path | None = None
        self._descriptor = -1

    def take(self, name: str, parent: int) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=f".{self._top.name}-", dir=self._top.parent))
            self._descriptor = os.open(self._folder, FOLDER)
        os.rename(name, str(next(_numbers)), src_dir_fd=parent, dst_dir_fd=self._descriptor)

    def drain(self) -> None:
        while self._folder is not None and any(self._folder.iterdir()):
            _drain(self._descriptor, self, DEPTH)

    def close(self) -> None:
        if self._folder is not None:
            os.close(self._descriptor)
            shutil.rmtree(self._folder, ignore_errors=True)


def _drain(here: int, aside: _Aside, depth: int) -> None:
    """Empty the folder behind a descriptor; of what lies deeper than `depth`, put the folders aside.

    Raises:
        OSError: something cannot be removed, or others fill the folder again and again.
    """
    for attempt in itertools.count():
        with os.scandir(here) as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        if not entries:
            return
        if attempt and time.monotonic() > aside.until:
            raise OSError(errno.ENOTEMPTY, "somebody keeps filling it")
        for name, is_folder in entries:
            if not (is_folder and _permit(name, here)):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=here)
            elif depth == 0:
                aside.take(name, here)
            else:
                inner = os.open(name, FOLDER, dir_fd=here)
                try:
                    _drain(inner, aside, depth - 1)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=here)


def _permit(name: str, parent: int | None) -> bool:
    """Let the owner do anything in a folder; False where it is none (any more)."""
    try:
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return False
        raise
    try:
        # The descriptor's own way, which no link can bend.
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
    finally:
        os.close(descriptor)
    return True
