"""Takes a git repository apart: what its refs mean, not the hashes that hold their dates.

The repository belongs to the agent, so no git program is run on it: its configuration may name programs.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dulwich.index import ConflictedIndexEntry
from dulwich.objects import Commit, ObjectID, RawObjectID, ShaFile, Tag
from dulwich.pack import OFS_DELTA, REF_DELTA, Pack
from dulwich.repo import Repo

from rise_bench.ground.folders import scratch
from rise_bench.ground.leaves import MAX_CHARACTERS, Leaves, Unreadable
from rise_bench.ground.remember import NotKept, remembered
from rise_bench.ground.tree import open_plain, walk

__all__ = ["repository_leaves"]

MAX_COMMITS = 2_000
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 50_000
MAX_CONFIG = 64 * 1024
"""Bytes of a repository and files in it, and bytes of its configuration, up to which it is read."""

MAX_OBJECT = MAX_CHARACTERS
"""Bytes that a commit or a tag may have, unpacked, with all that it is made of."""

MAX_CHAIN = 1_000
"""Differences on which a packed object may rest, one on the other."""

MAX_SHORTENED = 256 * 1024
"""Bytes of an index of version 4, in which a path may be little more than "as the one before"."""

HEAD_BYTES = 4096
"""Of a packed object, enough to tell what it unpacks to."""

UNREAD = {"hooks", "logs"}

REDIRECTS = {"commondir", "objects/info/alternates"}
"""Files that name another folder to read from."""

CONFIGS = {"config", "config.worktree"}
INCLUDE = re.compile(rb"\[\s*include", re.IGNORECASE)
"""Section that makes the reader open further files, wherever they lie and whatever they are."""


_File = tuple[str, bytes | None]
"""Path in the repository, and what it holds; None for a folder."""


class _Damaged(Exception):
    """The repository is not read, for the reason given."""


def repository_leaves(git: Path, below: Path) -> dict[str, str]:
    """Leaves of one `.git` folder: `HEAD`, `refs/...`, `commits/<identity>` (the message), `index/<path>`, `config`.

    A commit's identity is a digest of its tree and of its parents' identities: neither author, date nor message is in
    it, so two honest runs agree on it and a message stays a leaf of its own. A folder with links, pipes or references
    to other repositories is not read at all: `damaged` names the entry. This process could follow them out of the
    sandbox. What is read is a copy, which nobody changes between the look at it and its reading.

    Args:
        below: the sandbox's folder, which what is read may not leave.
    """
    files: list[_File] = []
    try:
        _collect(git, below, files)
    except Exception as error:
        return {"config": _config(files), "damaged": _why(error)}
    return dict(_leaves(tuple(files)))


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, _Damaged) else type(error).__name__


def _config(files: Iterable[_File]) -> str:
    text = next((data.decode("utf-8", "replace") for name, data in files if name == "config" and data is not None), "")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@remembered
def _leaves(files: tuple[_File, ...]) -> dict[str, str]:
    """Leaves of a repository that is made of these entries; None stands for a folder."""
    leaves = Leaves()
    try:
        with scratch() as copy:
            for name, data in files:
                if data is None:
                    (copy / ".git" / name).mkdir()
                else:
                    (copy / ".git" / name).write_bytes(data)
            with Repo(str(copy)) as repository:
                _read(repository, leaves)
    except Exception as error:  # whatever a damaged repository makes the reader raise
        found = dict(leaves) | {"config": _config(files), "damaged": _why(error)}
        if isinstance(error, (OSError, MemoryError, RecursionError)):
            raise NotKept(found) from error
        return found
    return dict(leaves) | {"config": _config(files)}


def _collect(git: Path, below: Path, files: list[_File]) -> None:
    """Add what is read of it, folders before what is in them.

    Raises:
        _Damaged: an entry would make the reader look outside the sandbox, or wait for ever, or is too large.
        OSError: an entry went while it was read.
    """
    count = size = 0
    for here, folders, others in walk(git, below):
        if not here:
            folders[:] = [entry for entry in folders if entry.name not in UNREAD]
        files.append((here, None))
        count += 1 + len(others)
        if count > MAX_FILES:
            raise _Damaged(f"more than {MAX_FILES} entries")
        for entry in others:
            name = f"{here}/{entry.name}" if here else entry.name
            if name in REDIRECTS or not entry.file:
                raise _Damaged(name)
            limit = MAX_CONFIG if name in CONFIGS else MAX_BYTES if here else MAX_CHARACTERS
            most = max(0, min(MAX_BYTES - size, limit))
            with open_plain(Path(entry.path), below) as file:
                data = file.read(most + 1)
            size += len(data)
            if len(data) > (MAX_SHORTENED if name == "index" and data[4:8] == b"\0\0\0\4" else most):
                raise _Damaged(f"too large: {name}")
            files.append((name, data))
            if name in CONFIGS and INCLUDE.search(data):
                raise _Damaged(f"include in {name}")


def _read(repository: Repo, leaves: Leaves) -> None:
    identities: dict[ObjectID, str] = {}
    repository.object_store.loose_object_size_limit = MAX_OBJECT
    targets, head = repository.refs.follow(b"HEAD")  # type: ignore[arg-type]
    leaves.put(
        "HEAD",
        targets[-1].decode("utf-8", "replace") if len(targets) > 1 else _identify(repository, head, identities, leaves),
    )
    for ref in sorted(repository.refs.allkeys()):
        name = ref.decode("utf-8", "replace")
        if name.startswith("refs/"):
            leaves.put(name, _identify(repository, repository.refs[ref], identities, leaves))
    for path, entry in repository.open_index().items():
        text = "conflict" if isinstance(entry, ConflictedIndexEntry) else f"{entry.mode:o} {entry.sha.decode()}"
        leaves.put(f"index/{path.decode('utf-8', 'replace')}", text)


def _identify(repository: Repo, start: ObjectID | None, identities: dict[ObjectID, str], leaves: Leaves) -> str:
    """The identity of what a ref points at; messages of the commits that are met become leaves."""
    if start is None:
        return "unborn"
    tag = _object(repository, start)
    note = ""
    while isinstance(tag, Tag):
        note += f" tag {(tag.message or b'').decode('utf-8', 'replace').strip()!r}"
        tag = _object(repository, tag.object[1])
    pending = [tag.id]
    while pending:
        commit = _object(repository, pending[-1])
        if not isinstance(commit, Commit) or len(identities) > MAX_COMMITS or len(pending) > MAX_COMMITS:
            return f"object {tag.id.decode()}{note}"
        missing = [parent for parent in commit.parents if parent not in identities]
        if missing and commit.id not in identities:
            pending += missing
            continue
        pending.pop()
        if commit.id in identities:
            continue
        parts = [commit.tree.decode(), *(identities[parent] for parent in commit.parents)]
        identity = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
        identities[commit.id] = identity
        if f"commits/{identity}" not in leaves:
            leaves.put(f"commits/{identity}", commit.message.decode("utf-8", "replace").strip())
    return f"{identities[tag.id]}{note}"


def _object(repository: Repo, name: ObjectID) -> ShaFile:
    """An object of the repository.

    Raises:
        Unreadable: it unpacks to more than this process can well hold.
    """
    _weigh(repository.object_store.packs, name)
    return repository[name]


def _weigh(packs: list[Pack], name: ObjectID | RawObjectID) -> None:
    """Look at what a packed object says that it unpacks to, it and all that it rests on.

    Raises:
        Unreadable: it is too much.
    """
    total = 0
    pending = _places(packs, name)
    for _ in range(MAX_CHAIN):
        if not pending:
            return
        pack, offset = pending.pop()
        with Path(pack.data.path).open("rb") as file:
            file.seek(offset)
            size, base = _header(file.read(HEAD_BYTES), pack.object_format.oid_length)
        total += size
        if total > MAX_OBJECT:
            break
        if isinstance(base, bytes):
            pending += _places(packs, RawObjectID(base))
        elif base:
            pending.append((pack, offset - base))
    raise Unreadable


def _places(packs: list[Pack], name: ObjectID | RawObjectID) -> list[tuple[Pack, int]]:
    """Every pack that has an object of that name, and where."""
    found = []
    for pack in packs:
        with suppress(KeyError):
            found.append((pack, pack.index.object_offset(name)))
    return found


def _header(head: bytes, oid: int) -> tuple[int, int | bytes]:
    """Bytes that a packed object unpacks to, and on what it rests: how far back in the pack, or the name; 0 for nothing.

    Args:
        head: where the object begins.
        oid: bytes of a name.
    """
    kind, size, at = head[0] >> 4 & 7, head[0] & 15, 1
    if head[0] & 128:
        more, at = _number(head, 1)
        size |= more << 4
    if kind == OFS_DELTA:
        back, at = _offset(head, at)
        return size + _target(head[at:]), back
    if kind == REF_DELTA:
        return size + _target(head[at + oid :]), head[at : at + oid]
    return size, 0


def _target(packed: bytes) -> int:
    """Bytes of what a difference makes: after those of what it starts from, at its own beginning."""
    start = zlib.decompressobj().decompress(packed, 32)
    _, at = _number(start, 0)
    return _number(start, at)[0]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in steps of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 128:
            return value, at


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """A distance as packs write it, the highest bits first, and where it ends."""
    value = data[at] & 127
    while data[at] & 128:
        at += 1
        value = (value + 1 << 7) | (data[at] & 127)
    return value, at + 1
