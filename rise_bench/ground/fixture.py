"""Fixture trees: what lies in a sandbox when a task begins, built the same on every machine."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import yaml
from dulwich.index import build_index_from_tree, commit_tree
from dulwich.objects import Blob, Commit, ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo
from pydantic import Field, ValidationError

from rise_bench.errors import GroundFault, InputError
from rise_bench.ground.folders import drop, own_folder
from rise_bench.refs import ROOT
from rise_bench.types import Record

__all__ = ["Build", "Fixtures", "GitCommit", "build_repository", "materialise"]

MODIFIED = "2026-01-01T00:00:00+00:00"
"""Modification time of every fixture file that `mtimes` does not name."""

AUTHOR = "User <user@example.org>"
MAX_TEMPLATE = 1_000_000
"""Bytes up to which a file is searched for `{root}`."""


class GitCommit(Record):
    """One commit of a fixture repository."""

    message: str
    date: datetime
    author: str = AUTHOR
    files: dict[str, str | None] = Field(default_factory=dict)
    """Path to its new text; null deletes it. What is not named stays."""
    branch: str = "main"
    """Made from the commit before where it does not exist yet."""
    tag: str = ""


class Build(Record):
    """`build.yaml` of a fixture: what does not live well in git. Paths are relative to the sandbox."""

    sqlite: dict[str, str] = Field(default_factory=dict)
    """Database to the SQL file, relative to the fixture folder, that makes it."""
    git: dict[str, tuple[GitCommit, ...]] = Field(default_factory=dict)
    """Repository to its commits. `files/` is copied over it afterwards: uncommitted work."""
    folders: tuple[str, ...] = ()
    """Folders to make, which git would lose while they are empty."""
    mtimes: dict[str, datetime] = Field(default_factory=dict)
    """File to its modification time."""


def materialise(fixture: Path, target: Path, root: str) -> None:
    """Fill the empty folder `target` with the fixture.

    Repositories first, then `files/`, folders, databases, modification times. `{root}` in text files becomes `root`.

    Raises:
        InputError: no such fixture, or a `build.yaml` that cannot be followed.
    """
    _name_root(target, _build(fixture, target), root)


class Fixtures:
    """Fills sandboxes with the fixtures of a suite; each is built once and copied from then on. Used from many threads.

    Args:
        folder: where the fixtures lie; what is changed there afterwards is not seen.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: dict[str, tuple[Path, tuple[str, ...]]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def fill(self, name: str, target: Path, root: str) -> None:
        """As `materialise`.

        Raises:
            InputError: no such fixture, or a `build.yaml` that cannot be followed.
            GroundFault: closed, maybe meanwhile.
        """
        with self._lock:
            if self._closed:
                raise GroundFault("the ground is closed")
            if name not in self._built:
                self._built[name] = self._template(self._folder / name)
            template, naming = self._built[name]
        try:
            _copy(template, target)
            _name_root(target, naming, root)
        except OSError:
            if self._closed:
                raise GroundFault("the ground is closed") from None
            raise

    def close(self) -> None:
        """Remove what was built. Doing so twice is harmless."""
        with self._lock:
            self._closed = True
            built, self._built = list(self._built.values()), {}
        with ExitStack() as last:  # one that cannot be removed keeps no other
            for template, _ in built:
                last.callback(drop, template)

    @staticmethod
    def _template(fixture: Path) -> tuple[Path, tuple[str, ...]]:
        template = own_folder()
        try:
            return template, _build(fixture, template)
        except BaseException:
            drop(template)
            raise


def _copy(source: Path, target: Path) -> None:
    """Copy what is in a folder, with modes, times and links, into one that keeps its own mode; other threads run meanwhile.

    Raises:
        OSError: something cannot be copied.
    """
    mode = stat.S_IMODE(target.stat().st_mode)
    words = ["cp", "-a", "--", f"{source.resolve()}/.", f"{target.resolve()}/"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError(f"cannot be copied: {' '.join(done.stderr.split()) or done.returncode}")
    target.chmod(mode)


def _build(fixture: Path, target: Path) -> tuple[str, ...]:
    """Fill the folder with all that does not depend on where the servers will see it: the files that name their root.

    Raises:
        InputError: no such fixture, or a `build.yaml` that cannot be followed.
    """
    if not fixture.is_dir():
        raise InputError("no such fixture", where=str(fixture), remedy="`setup` names a folder under fixtures/")
    _within(fixture.parent, fixture, fixture / "build.yaml", fixture / "files")
    build = _load(fixture / "build.yaml")
    _within(fixture.parent, *(fixture / script for script in build.sqlite.values()))
    for path, commits in build.git.items():
        build_repository(_inside(target, path, fixture), commits)
    if (fixture / "files").is_dir():
        shutil.copytree(fixture / "files", target, symlinks=True, dirs_exist_ok=True)
        _check_links(target, fixture / "files")
    for path in build.folders:
        _inside(target, path, fixture).mkdir(parents=True, exist_ok=True)
    for path, script in build.sqlite.items():
        _build_database(_inside(target, path, fixture), fixture / script)
    return _finish(target, {str(_inside(target, path, fixture)): when for path, when in build.mtimes.items()})


def _load(path: Path) -> Build:
    if not path.is_file():
        return Build()
    try:
        return Build.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {' '.join(str(error).split())}", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=str(path)) from error


def _inside(target: Path, path: str, fixture: Path) -> Path:
    """The path below the sandbox.

    Raises:
        InputError: it leads out of the sandbox.
    """
    place = Path(os.path.normpath(target / path))
    if not place.is_relative_to(target) or not place.resolve().is_relative_to(target.resolve()):
        raise InputError(f"{path!r} leads out of the sandbox", where=str(fixture / "build.yaml"))
    return place


def _within(folder: Path, *places: Path) -> None:
    """A suite is somebody else's: what it says to copy must be its own.

    Raises:
        InputError: a place is outside the folder.
    """
    for place in places:
        if not place.resolve().is_relative_to(folder.resolve()):
            raise InputError("leads out of the suite's fixtures", where=str(place), remedy="put the file itself there")


def _check_links(target: Path, files: Path) -> None:
    """
    Raises:
        InputError: a link leads out of the sandbox, where later steps and servers would follow it.
    """
    top = target.resolve()
    for folder, folders, names in os.walk(target):
        for path in (Path(folder) / name for name in (*folders, *names)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(top):
                where = files / path.relative_to(target)
                raise InputError(
                    "is a link that leads out of the sandbox",
                    where=str(where),
                    remedy="lead it to a file of the fixture",
                )


def _build_database(place: Path, script: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(place)
        try:
            connection.set_authorizer(_allowed)
            connection.executescript(script.read_text(encoding="utf-8"))
            connection.commit()
        finally:
            connection.close()
    except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
        raise InputError(f"cannot be run: {error}", where=str(script)) from error


def _allowed(action: int, name: str | None, value: str | None, *_: str | None) -> int:
    """SQLite's verdict on an action of a script: no other file than its database. `VACUUM` attaches one without a name."""
    other = action == sqlite3.SQLITE_ATTACH and name != ""  # None where the script computes it
    moved = action == sqlite3.SQLITE_PRAGMA and value and (name or "").lower().endswith("_directory")
    return sqlite3.SQLITE_DENY if other or moved else sqlite3.SQLITE_OK


def build_repository(place: Path, commits: tuple[GitCommit, ...]) -> None:
    """Commits with given dates and authors, so hashes are the same everywhere; HEAD ends on the first one's branch."""
    place.mkdir(parents=True, exist_ok=True)
    with Repo.init(place, default_branch=b"main") as repository:
        last: ObjectID | None = None
        trees: dict[ObjectID | None, dict[str, ObjectID]] = {None: {}}
        for entry in commits:
            branch = Ref(f"refs/heads/{entry.branch}".encode())
            parent = repository.refs.as_dict().get(branch, last)
            last, trees_after = _commit(repository, entry, parent, trees[parent])
            trees[last] = trees_after
            repository.refs[branch] = last
            if entry.tag:
                repository.refs[Ref(f"refs/tags/{entry.tag}".encode())] = last
        if not commits:
            return
        head = Ref(f"refs/heads/{commits[0].branch}".encode())
        repository.refs.set_symbolic_ref(Ref(b"HEAD"), head)
        commit = repository[repository.refs[head]]
        assert isinstance(commit, Commit)
        build_index_from_tree(str(place), repository.index_path(), repository.object_store, commit.tree)


def _commit(
    repository: Repo, entry: GitCommit, parent: ObjectID | None, before: Mapping[str, ObjectID]
) -> tuple[ObjectID, dict[str, ObjectID]]:
    """The id of the new commit, and its files with their blob ids."""
    files = dict(before)
    for path, text in entry.files.items():
        if text is None:
            files.pop(path, None)
            continue
        blob = Blob.from_string(text.encode())
        repository.object_store.add_object(blob)
        files[path] = blob.id
    commit = Commit()
    commit.tree = commit_tree(
        repository.object_store, [(path.encode(), blob, 0o100644) for path, blob in files.items()]
    )
    commit.parents = [parent] if parent else []
    commit.author = commit.committer = entry.author.encode()
    when = entry.date if entry.date.tzinfo else entry.date.replace(tzinfo=UTC)
    commit.author_time = commit.commit_time = int(when.timestamp())
    offset = when.utcoffset()
    commit.author_timezone = commit.commit_timezone = int(offset.total_seconds()) if offset else 0
    commit.message = f"{entry.message.rstrip()}\n".encode()  # as git itself ends it
    repository.object_store.add_object(commit)
    return commit.id, files


def _finish(target: Path, mtimes: Mapping[str, datetime]) -> tuple[str, ...]:
    """Set every modification time, folders last: the text files, relative to the target, that hold `{root}`."""
    default = datetime.fromisoformat(MODIFIED).timestamp()
    marker = ROOT.encode()
    naming: list[str] = []
    for folder, folders, files in os.walk(target, topdown=False):
        for name in files:
            path = Path(folder) / name
            if path.is_symlink():
                continue
            if ".git" not in path.parts and path.stat().st_size <= MAX_TEMPLATE:
                data = path.read_bytes()
                if marker in data and b"\0" not in data:
                    naming.append(str(path.relative_to(target)))
            os.utime(path, (when := _seconds(mtimes.get(str(path)), default), when))
        for name in folders:
            path = Path(folder) / name
            if not path.is_symlink():
                os.utime(path, (when := _seconds(mtimes.get(str(path)), default), when))
    return tuple(sorted(naming))


def _name_root(target: Path, naming: Iterable[str], root: str) -> None:
    """Put the root's name into the files, which keep their modification times."""
    for name in naming:
        path = target / name
        times = path.stat()
        path.write_bytes(path.read_bytes().replace(ROOT.encode(), root.encode()))
        os.utime(path, ns=(times.st_mtime_ns, times.st_mtime_ns))


def _seconds(when: datetime | None, default: float) -> float:
    if when is None:
        return default
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
