"""Takes a git repository apart: what its refs mean, not the hashes that hold their dates.

The repository belongs to the agent, so no git program is run on it: its configuration may name programs.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from dulwich.index import ConflictedIndexEntry
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.repo import Repo

from rise_bench.ground.tree import walk

__all__ = ["repository_leaves"]

MAX_COMMITS = 2_000

REDIRECTS = {"commondir", "objects/info/alternates"}
"""Files that name another folder to read from."""

CONFIGS = {"config", "config.worktree"}
INCLUDE = re.compile(rb"\[\s*include", re.IGNORECASE)
"""Section that makes the reader open further files, wherever they lie and whatever they are."""


def repository_leaves(git: Path) -> dict[str, str]:
    """Leaves of one `.git` folder: `HEAD`, `refs/...`, `commits/<identity>` (the message), `index/<path>`, `config`.

    A commit's identity is a digest of its tree and of its parents' identities: neither author, date nor message is in
    it, so two honest runs agree on it and a message stays a leaf of its own. A folder with links, pipes or references
    to other repositories is not read at all: `damaged` names the entry. This process could follow them out of the
    sandbox.
    """
    leaves: dict[str, str] = {}
    try:
        if odd := _leads_out(git):
            return {"damaged": odd}
        with Repo(str(git.parent)) as repository:
            _read(repository, leaves)
    except Exception as error:  # whatever a damaged repository makes the reader raise
        leaves["damaged"] = type(error).__name__
    try:
        leaves["config"] = (git / "config").read_text(encoding="utf-8", errors="replace")
    except OSError:
        leaves["config"] = ""
    return leaves


def _leads_out(git: Path) -> str:
    """The first entry that would make the reader look outside the sandbox, or wait for ever; empty where none does."""
    for here, _, others in walk(git):
        for entry in others:
            name = f"{here}/{entry.name}" if here else entry.name
            if name in REDIRECTS or not entry.is_file(follow_symlinks=False):
                return name
            if name in CONFIGS and INCLUDE.search(Path(entry.path).read_bytes()):
                return f"include in {name}"
    return ""


def _read(repository: Repo, leaves: dict[str, str]) -> None:
    identities: dict[ObjectID, str] = {}
    targets, head = repository.refs.follow(b"HEAD")  # type: ignore[arg-type]
    leaves["HEAD"] = (
        targets[-1].decode("utf-8", "replace") if len(targets) > 1 else _identify(repository, head, identities, leaves)
    )
    for ref in sorted(repository.refs.allkeys()):
        name = ref.decode("utf-8", "replace")
        if name.startswith("refs/"):
            leaves[name] = _identify(repository, repository.refs[ref], identities, leaves)
    for path, entry in repository.open_index().items():
        text = "conflict" if isinstance(entry, ConflictedIndexEntry) else f"{entry.mode:o} {entry.sha.decode()}"
        leaves[f"index/{path.decode('utf-8', 'replace')}"] = text


def _identify(repository: Repo, start: ObjectID | None, identities: dict[ObjectID, str], leaves: dict[str, str]) -> str:
    """The identity of what a ref points at; messages of the commits that are met become leaves."""
    if start is None:
        return "unborn"
    tag = repository[start]
    note = ""
    while isinstance(tag, Tag):
        note += f" tag {(tag.message or b'').decode('utf-8', 'replace').strip()!r}"
        tag = repository[tag.object[1]]
    pending = [tag.id]
    while pending:
        commit = repository[pending[-1]]
        if not isinstance(commit, Commit) or len(identities) > MAX_COMMITS:
            return f"object {commit.id.decode()}{note}"
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
        leaves.setdefault(f"commits/{identity}", commit.message.decode("utf-8", "replace").strip())
    return f"{identities[tag.id]}{note}"
