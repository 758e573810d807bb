"""What a sandbox holds, as canonical leaves, and the difference of two such states."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from rise_bench.ground.front_matter import markdown_leaves
from rise_bench.ground.leaves import Unreadable, ics_leaves, json_leaves, jsonl_leaves, sqlite_leaves
from rise_bench.ground.office import office_leaves, xlsx_leaves
from rise_bench.ground.remember import NotKept, remembered
from rise_bench.ground.repository import repository_leaves
from rise_bench.ground.secrets import Redactor
from rise_bench.ground.tree import open_plain, read_link, walk
from rise_bench.refs import ROOT
from rise_bench.types import StateChange

__all__ = ["IGNORED", "UUID", "Begun", "Rules", "Snapshot", "State", "difference"]

IGNORED = (
    ".cache/**",
    ".npm/**",
    ".node_repl_history",
    ".local/share/uv/**",
    "**/__pycache__/**",
    "**/*.pyc",
    "**/~$*",
    "**/.~lock.*",
)
"""Caches and lock files that no recipe counts as state; a server's own logs are named by its recipe."""

MAX_TEXT = 256 * 1024
"""Bytes up to which a text file is a leaf of its own text; beyond it a leaf of its hash."""

FRONT = (b"---", b"\xef\xbb\xbf---")
"""How a front matter begins."""

MAX_PARSED = 64 * 1024 * 1024
"""Bytes up to which a structured file is taken apart."""

SQLITE = b"SQLite format 3\0"
SIDECARS = ("-wal", "-shm", "-journal")
LINES = {".jsonl", ".ndjson"}
KINDS = LINES | {
    *(".db", ".sqlite", ".sqlite3", ".json", ".geojson", ".ics"),
    *(".xlsx", ".xlsm", ".docx", ".pptx", ".odt", ".ods", ".odp"),
}
"""Suffixes of files that are taken apart; SQLite databases are known by how they begin, whatever they are called."""

PASSING = (OSError, MemoryError, RecursionError, sqlite3.OperationalError)
"""Failures that say nothing of a file: the disk was full, or the stack was deep already."""

MAX_FILES = 20_000
MAX_READ = 1 << 30
MAX_STATE = 32 * 1024 * 1024
"""Entries (files, links, repositories, empty folders) of a snapshot, their bytes, and the characters of its leaves."""

REPOSITORY_BYTES = 16 * 1024 * 1024
"""For how many bytes a repository counts."""

CONDENSED = 100
"""Characters of a leaf that stands for many, but for its path."""

REST = "//"
"""Leaf that stands for what is beyond these limits: no file has such a path."""

SETTLED_NS = 50_000_000
"""A file changed this recently may change again under the same time stamp, so its leaves are not reused."""

UUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")

Leaves = dict[str, str]
_Identity = tuple[int, ...]
"""When the latest of its files changed; then of each file: changed at all, status changed, size, inode, content changed."""


class _Known(NamedTuple):
    """What was read of one entry."""

    identity: _Identity
    leaves: Leaves
    ids: frozenset[str]
    size: int
    """Characters of the leaves that it has, even where one leaf stands for all of them."""
    whole: bool


Begun = dict[str, _Known]
"""What attempts that begin alike were seen to begin with: relative path to what was read there."""


@dataclass(frozen=True)
class Rules:
    """What counts as state: globs relative to the sandbox, and the fields that name a line of a JSON Lines file."""

    state: tuple[str, ...] = ("**",)
    ignore: tuple[str, ...] = ()
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """Canonical leaves of one moment: leaf path to canonical text; and the generated ids that occur in them."""

    leaves: Mapping[str, str]
    ids: frozenset[str]


class State:
    """Reads the same folder again and again, taking apart only what changed since.

    Args:
        root: the folder's path as the servers see it.
        secrets: name to value of what must not stand in any leaf.
        begun: of folders filled with the same copies, root, rules and secrets; what this one begins with is added. A file of
            the size and modification time that one of them had there is taken for the same, until it changes.
    """

    def __init__(
        self,
        folder: Path,
        root: str,
        rules: Rules | None = None,
        secrets: Mapping[str, str] | None = None,
        begun: Begun | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.root = root
        rules = rules or Rules()
        self._rules = rules
        self._counts = _matcher(rules.state)
        self._ignored = _matcher((*IGNORED, *rules.ignore))
        self._redactor = Redactor(secrets or {})
        self._known: dict[str, _Known] = {}
        self._begun = begun
        """None once the folder was read."""

    def snapshot(self) -> Snapshot:
        """All leaves now, as far as the limits reach; the leaf `//` says what is beyond them.

        Never raises over what a file holds: what cannot be read as its kind is a hash of bytes.
        """
        leaves: Leaves = {}
        ids: set[str] = set()
        seen: dict[str, _Known] = {}
        rest: list[int] = []
        bytes_left, characters_left = MAX_READ, MAX_STATE
        for path, relative, read in self._entries():
            repository = read == self._repository
            identity = _identity(path, self.folder if repository else None)
            size = REPOSITORY_BYTES if repository else sum((identity or ())[3::5])
            if len(seen) >= MAX_FILES or size > bytes_left or len(relative) + CONDENSED > characters_left:
                rest.append(size)
                continue
            bytes_left -= size
            found = self._known.get(relative)
            stale = found is None or identity is None or found.identity != identity or _recent(identity)
            if stale and identity and self._begun and (copied := self._begun.get(relative)):
                stale = _content(copied.identity) != _content(identity)
                found = found if stale else copied._replace(identity=identity)
            if found is None or stale or found.whole != (found.size <= characters_left):
                found = _known(
                    identity or (), self._canonical(read(path, relative)), self._clean(relative), characters_left
                )
            characters_left -= found.size if found.whole else len(relative) + CONDENSED
            seen[relative] = found
            leaves.update(found.leaves)
            ids |= found.ids
        self._known = seen
        if self._begun is not None:
            self._begun.update(seen)
            self._begun = None
        if rest:
            leaves[REST] = f"<{len(rest)} further entries, {sum(rest)} bytes, not read>"
        return Snapshot(leaves, frozenset(ids))

    def _entries(self) -> Iterable[tuple[Path, str, Callable[[Path, str], Leaves]]]:
        """Path, path relative to the sandbox, and reader of every file, link, repository and empty folder."""
        for here, folders, others in walk(self.folder):
            prefix = f"{here}/" if here else ""
            if prefix and not folders and not others and self._is_state(here):
                yield self.folder / here, prefix, _folder
            for entry in list(folders):
                relative = f"{prefix}{entry.name}"
                if entry.name == ".git" or self._ignored(f"{relative}/x"):
                    folders.remove(entry)
                    if entry.name == ".git" and self._is_state(relative):
                        yield Path(entry.path), relative, self._repository
            for entry in others:
                relative = f"{prefix}{entry.name}"
                if not self._is_state(relative) or _is_sidecar(entry.path):
                    continue
                yield Path(entry.path), relative, (self._link if entry.link else self._file)

    def _is_state(self, relative: str) -> bool:
        return self._counts(relative) and not self._ignored(relative)

    def _canonical(self, leaves: Leaves) -> Leaves:
        """The leaves with the sandbox's path as `{root}` and without secrets, as text that a record can hold."""
        return {self._clean(path): self._clean(text) for path, text in leaves.items()}

    def _clean(self, text: str) -> str:
        clean = self._redactor.text(_encodable(text))
        return clean.replace(self.root, ROOT) if self.root else clean

    def _link(self, path: Path, relative: str) -> Leaves:
        try:
            return {relative: f"-> {read_link(path, self.folder)}"}
        except OSError as error:
            return {relative: f"<unreadable: {type(error).__name__}>"}

    def _repository(self, path: Path, relative: str) -> Leaves:
        repository = relative.removesuffix(".git").rstrip("/")
        return {f"{repository}#{part}": text for part, text in repository_leaves(path, self.folder).items()}

    def _file(self, path: Path, relative: str) -> Leaves:
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return {relative: "<no regular file>"}
            with open_plain(path, self.folder) as file:
                if os.fstat(file.fileno()).st_size > MAX_PARSED:
                    return {relative: _hash_file(file)}
                data = file.read(MAX_PARSED)
        except OSError as error:
            return {relative: f"<unreadable: {type(error).__name__}>"}
        if path.suffix.lower() in {".md", ".markdown"}:
            return _markdown(relative, data)
        parts = self._parts(path, relative, data)
        if parts is None:
            return {relative: _plain(data)}
        return {f"{relative}#{part}": text for part, text in parts.items()}

    def _log_of(self, path: Path) -> bytes:
        """A database's write-ahead log, empty where it has none."""
        try:
            with open_plain(path.with_name(f"{path.name}-wal"), self.folder) as file:
                return file.read(MAX_PARSED)
        except OSError:
            return b""

    def _parts(self, path: Path, relative: str, data: bytes) -> Mapping[str, str] | None:
        """The file taken apart by its kind, None where it has no known one or is broken."""
        suffix = path.suffix.lower()
        keys: tuple[str, ...] = ()
        log = b""
        if data.startswith(SQLITE):
            log = self._log_of(path)
        elif suffix in LINES:
            keys = next((keys for glob, keys in self._rules.keys.items() if fnmatch.fnmatchcase(relative, glob)), ())
        elif suffix not in KINDS:
            return None
        return _taken_apart(suffix, data, log, tuple(keys))


@remembered
def _taken_apart(suffix: str, data: bytes, log: bytes, keys: tuple[str, ...]) -> Leaves | None:
    try:
        if data.startswith(SQLITE):
            return sqlite_leaves(data, log)
        if not data and suffix in {".db", ".sqlite", ".sqlite3"}:
            return {}  # what SQLite leaves behind where a database was only looked for
        if suffix in {".json", ".geojson"}:
            return json_leaves(data)
        if suffix in LINES:
            return jsonl_leaves(data, keys)
        if suffix == ".ics":
            return ics_leaves(data)
        if suffix in {".xlsx", ".xlsm"}:
            return xlsx_leaves(data)
        if suffix in {".docx", ".pptx", ".odt", ".ods", ".odp"}:
            return office_leaves(data)
    except (Unreadable, ValueError, RecursionError) as error:  # the last two: what only a hostile file brings about
        if isinstance(error.__cause__ or error, PASSING):
            raise NotKept(None) from error
        return None
    return None


def _encodable(text: str) -> str:
    """The text with what UTF-8 cannot hold (half a surrogate pair, a file name of other bytes) as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_sidecar(path: str) -> bool:
    """True for what SQLite keeps beside a database that is there; the same name elsewhere is a file like any other."""
    return path.endswith(SIDECARS) and Path(path.rpartition("-")[0]).is_file()


def _plain(data: bytes) -> str:
    """The text of a text file, else hash and size."""
    if len(data) <= MAX_TEXT and b"\0" not in data:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return f"sha256:{hashlib.sha256(data).hexdigest()} {len(data)} bytes"


def _markdown(relative: str, data: bytes) -> Leaves:
    """The text under the file's own path, and each field of a front matter beside it."""
    parts = _front_matter(data) if len(data) <= MAX_TEXT and data.startswith(FRONT) else None
    if parts is not None:
        return {f"{relative}{part}": text for part, text in parts.items()}
    return {relative: _plain(data)}


@remembered
def _front_matter(data: bytes) -> Leaves | None:
    """The fields as `#POINTER`, and under no name the text below; None where the front matter is broken."""
    try:
        below, fields = markdown_leaves(data)
    except (Unreadable, ValueError, RecursionError) as error:  # the last two: what only a hostile file brings about
        if isinstance(error.__cause__ or error, PASSING):
            raise NotKept(None) from error
        return None
    return {"": below} | {f"#{pointer}": text for pointer, text in fields.items()}


def _hash_file(file: BufferedReader) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"sha256:{digest} {file.tell()} bytes"


def _folder(_path: Path, relative: str) -> Leaves:
    return {relative: ""}


def _known(identity: _Identity, leaves: Leaves, relative: str, limit: int) -> _Known:
    """What was read, with one leaf in place of leaves that hold more than `limit` characters."""
    size = sum(len(path) + len(text) for path, text in leaves.items())
    if size > limit:
        digest = hashlib.sha256(
            "\0".join(word for leaf in sorted(leaves.items()) for word in leaf).encode()
        ).hexdigest()
        return _Known(identity, {relative: f"sha256:{digest} {len(leaves)} leaves"}, frozenset(), size, whole=False)
    return _Known(identity, leaves, frozenset(_uuids(leaves)), size, whole=True)


def _matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a relative path matches one of the globs; `**/` at the front also matches nothing."""
    patterns = [pattern for glob in globs for pattern in ((glob, glob[3:]) if glob.startswith("**/") else (glob,))]
    matches = re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in patterns)).match
    return lambda path: matches(path) is not None


def _identity(path: Path, below: Path | None) -> _Identity | None:
    """What changes when a file (with its write-ahead log) or, with `below`, a repository's bookkeeping changes."""
    numbers: list[int] = []
    try:
        for place in _bookkeeping(path, below) if below else (str(path), f"{path}-wal"):
            try:
                found = os.lstat(place)
            except FileNotFoundError:
                continue
            latest = max(found.st_mtime_ns, found.st_ctime_ns)
            numbers += [latest, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mtime_ns]
    except (OSError, ValueError):
        return None
    return (max(numbers[::5], default=0), *numbers)


def _content(identity: _Identity) -> _Identity:
    """What a copy has in common with what it was copied from: sizes and times of change of the content."""
    return (*identity[3::5], *identity[5::5])


def _bookkeeping(git: Path, below: Path) -> Iterable[str]:
    for here, folders, others in walk(git, below):
        if not here:
            folders[:] = [entry for entry in folders if entry.name not in {"objects", "hooks", "logs"}]
        yield from (entry.path for entry in others)


def _recent(identity: _Identity) -> bool:
    return time.time_ns() - identity[0] < SETTLED_NS


def _uuids(leaves: Leaves) -> Iterable[str]:
    return UUID.findall("\n".join(word for leaf in leaves.items() for word in leaf))


def difference(before: Snapshot, after: Snapshot, created: list[str] | None = None) -> tuple[StateChange, ...]:
    """Leaves that differ, sorted by path; ids that `before` does not hold are renamed `<id:1>`, `<id:2>`, ...

    Args:
        created: generated ids in order of creation, as far as known; ids first met here are appended to it, so that one
            list kept over the calls of an attempt numbers them alike whatever their values are.
    """
    order = created if created is not None else []
    changes: list[tuple[str, str | None, str | None]] = []
    for path in before.leaves.keys() | after.leaves.keys():
        old, new = before.leaves.get(path), after.leaves.get(path)
        if old != new:
            changes.append((path, old, new))
    fresh = after.ids - before.ids
    known = set(order)
    for path, _, new in sorted(changes, key=lambda change: tuple(_masked(part, fresh) for part in change)):
        for found in UUID.findall(f"{path}\n{new or ''}"):
            if found in fresh and found not in known:
                known.add(found)
                order.append(found)
    names = {value: f"<id:{number}>" for number, value in enumerate(order, 1)}

    def rename(text: str) -> str:
        return UUID.sub(lambda match: names.get(match.group(), match.group()), text) if names else text

    renamed = [
        StateChange(
            path=rename(path),
            before=None if old is None else rename(old),
            after=None if new is None else rename(new),
        )
        for path, old, new in changes
    ]
    return tuple(sorted(renamed, key=lambda change: change.path))


def _masked(text: str | None, fresh: frozenset[str]) -> str:
    """The text with new ids blanked out: an order that does not depend on their random values."""
    return UUID.sub(lambda match: "<id>" if match.group() in fresh else match.group(), text or "")
