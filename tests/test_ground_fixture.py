"""A fixture becomes the same sandbox everywhere, byte for byte and stamp for stamp."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dulwich.repo import Repo

from rise_bench.errors import GroundFault, InputError
from rise_bench.ground import fixture as fixture_module
from rise_bench.ground.fixture import Fixtures, materialise
from rise_bench.ground.folders import PREFIX

BUILD = """
sqlite: {data/shop.db: shop.sql}
folders: [archive/2026]
mtimes: {notes/a.txt: 2026-03-01T10:00:00Z}
git:
  repo:
    - {message: first, date: 2026-01-05T10:00:00+01:00, author: "Ada <ada@example.org>", files: {a.txt: "one\\n", b/c.txt: c}}
    - {message: second, date: 2026-01-06T10:00:00Z, files: {a.txt: "two\\n", b/c.txt: null}, tag: v1}
    - {message: aside, date: 2026-01-07T10:00:00Z, files: {d.txt: d}, branch: feature}
"""

FIRST = "e0cf767664e8aea5654048bc0fac1d957966e213"
"""What `git commit` itself makes of the first commit."""


@pytest.fixture
def fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "fixture"
    (folder / "files" / "notes").mkdir(parents=True)
    (folder / "files" / "notes" / "a.txt").write_text("in {root}/notes", encoding="utf-8")
    (folder / "files" / "raw.bin").write_bytes(b"\0{root}")
    (folder / "files" / "repo").mkdir()
    (folder / "files" / "repo" / "a.txt").write_text("not committed\n", encoding="utf-8")
    (folder / "build.yaml").write_text(BUILD, encoding="utf-8")
    (folder / "shop.sql").write_text("CREATE TABLE t(x); INSERT INTO t VALUES(7);", encoding="utf-8")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_files_folders_and_databases_are_there(fixture: Path, target: Path) -> None:
    materialise(fixture, target, "/home/user")
    assert (target / "notes" / "a.txt").read_text(encoding="utf-8") == "in /home/user/notes"
    assert (target / "raw.bin").read_bytes() == b"\0{root}"
    assert (target / "archive" / "2026").is_dir()
    connection = sqlite3.connect(target / "data" / "shop.db")
    assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
    connection.close()
    assert not (target / "build.yaml").exists()


def test_stamps_are_the_named_ones_or_one_that_never_moves(fixture: Path, target: Path) -> None:
    materialise(fixture, target, "/home/user")
    assert (target / "notes" / "a.txt").stat().st_mtime == datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert (target / "raw.bin").stat().st_mtime == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_a_repository_has_the_same_hashes_on_every_machine(fixture: Path, target: Path) -> None:
    materialise(fixture, target, "/home/user")
    with Repo(str(target / "repo")) as repository:
        refs = {name.decode(): value.decode() for name, value in repository.get_refs().items()}
        assert refs["HEAD"] == refs["refs/heads/main"] == refs["refs/tags/v1"]
        tip = repository[repository.head()]
        assert tip.message == b"second\n"  # type: ignore[attr-defined]
        first = repository[tip.parents[0]]  # type: ignore[attr-defined]
        assert (first.author, first.author_timezone) == (b"Ada <ada@example.org>", 3600)  # type: ignore[attr-defined]
        assert first.id.decode() == FIRST
    assert refs["refs/heads/feature"] != refs["refs/heads/main"]


def test_files_over_a_repository_are_uncommitted_work(fixture: Path, target: Path) -> None:
    materialise(fixture, target, "/home/user")
    assert (target / "repo" / "a.txt").read_text(encoding="utf-8") == "not committed\n"
    assert not (target / "repo" / "b" / "c.txt").exists()


def tree(folder: Path) -> dict[str, tuple[int, int, bytes | str | None]]:
    """Path to mode, modification time and content of all that lies in a folder."""
    found: dict[str, tuple[int, int, bytes | str | None]] = {}
    for path in sorted(folder.rglob("*")):
        held = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        if path.name != "index":  # holds stamps and inodes of the files beside it
            found[str(path.relative_to(folder))] = (path.lstat().st_mode, path.lstat().st_mtime_ns, held)
    return found


def test_what_is_copied_is_what_is_made_anew_whatever_was_done_to_a_copy(fixture: Path, tmp_path: Path) -> None:
    (fixture / "files" / "link").symlink_to("notes/a.txt")
    (fixture / "files" / "top.txt").write_text("{root}", encoding="utf-8")
    fixtures = Fixtures(fixture.parent)
    for number, root in enumerate(("/home/user", "/home/user", "/elsewhere/else")):
        anew, copy = tmp_path / f"anew{number}", tmp_path / f"copy{number}"
        anew.mkdir()
        copy.mkdir()
        materialise(fixture, anew, root)
        fixtures.fill("fixture", copy, root)
        assert tree(copy) == tree(anew)
        assert (copy / "top.txt").read_text(encoding="utf-8") == root
        (copy / "notes" / "a.txt").write_text("changed", encoding="utf-8")
        (copy / "raw.bin").unlink()
    fixtures.close()
    fixtures.close()


def test_built_fixtures_go_when_they_are_closed_and_bad_ones_leave_nothing(
    fixture: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    fixtures = Fixtures(fixture.parent)
    with pytest.raises(InputError, match="none: no such fixture"):
        fixtures.fill("none", target, "")
    assert list(temp.iterdir()) == []
    fixtures.fill("fixture", target, "")
    assert [path.name.startswith(PREFIX) for path in temp.iterdir()] == [True]
    fixtures.close()
    assert list(temp.iterdir()) == []


def test_nothing_is_filled_or_built_once_closed(fixture: Path, target: Path) -> None:
    fixtures = Fixtures(fixture.parent)
    fixtures.close()
    with pytest.raises(GroundFault, match="the ground is closed"):
        fixtures.fill("fixture", target, "")


def test_many_threads_fill_from_one_building(fixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    build = fixture_module._build
    monkeypatch.setattr(fixture_module, "_build", lambda *given: (built.append("x"), build(*given))[1])
    fixtures = Fixtures(fixture.parent)
    targets = [tmp_path / f"t{number}" for number in range(12)]
    for one in targets:
        one.mkdir()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: fixtures.fill("fixture", one, "/r"), targets))
    fixtures.close()
    assert built == ["x"]
    assert all(tree(one) == tree(targets[0]) for one in targets)


def test_a_fixture_without_anything_but_files_needs_no_build_file(tmp_path: Path, target: Path) -> None:
    (tmp_path / "plain" / "files").mkdir(parents=True)
    (tmp_path / "plain" / "files" / "a").write_text("a", encoding="utf-8")
    materialise(tmp_path / "plain", target, "")
    assert [path.name for path in target.iterdir()] == ["a"]


def test_a_missing_fixture_is_named(tmp_path: Path, target: Path) -> None:
    with pytest.raises(InputError, match="none: no such fixture"):
        materialise(tmp_path / "none", target, "")


@pytest.mark.parametrize(
    ("build", "finding"),
    [
        ("sqlite: {a.db: none.sql}", "none.sql: cannot be run"),
        ("sqlite: {a.db: bad.sql}", "bad.sql: cannot be run"),
        ("sqlite: {../a.db: bad.sql}", "leads out of the sandbox"),
        ("folders: [/etc/x]", "leads out of the sandbox"),
        ("git: {repo: [{message: x}]}", "git.repo.0.date: Field required"),
        ("files: {}", "files: Extra inputs"),
        ("sqlite: [", "cannot be read"),
    ],
)
def test_a_bad_build_file_is_one_line_with_its_name(tmp_path: Path, target: Path, build: str, finding: str) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "build.yaml").write_text(build, encoding="utf-8")
    (folder / "bad.sql").write_text("SELEC 1;", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        materialise(folder, target, "")
    assert finding in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_script_of_sql_reaches_no_file_but_its_database(fixture: Path, target: Path, tmp_path: Path) -> None:
    other = tmp_path / "cookies.sqlite"
    connection = sqlite3.connect(other)
    connection.executescript("CREATE TABLE c(v); INSERT INTO c VALUES('session');")
    connection.close()
    before, made = other.read_bytes(), tmp_path / "made.db"
    for script in (
        f"ATTACH '{other}' AS x; DELETE FROM x.c;",
        f"ATTACH '{other.parent}' || '/cookies.sqlite' AS x; DELETE FROM x.c;",
        f"CREATE TABLE t(x); VACUUM INTO '{made}';",
        "SELECT load_extension('x');",
    ):
        (fixture / "shop.sql").write_text(script, encoding="utf-8")
        with pytest.raises(InputError, match=r"shop\.sql: cannot be run"):
            materialise(fixture, target, "")
        shutil.rmtree(target)
        target.mkdir()
    assert (other.read_bytes(), made.exists()) == (before, False)
    (fixture / "shop.sql").write_text("PRAGMA journal_mode = WAL; CREATE TABLE t(x); VACUUM;", encoding="utf-8")
    materialise(fixture, target, "")


@pytest.mark.parametrize("build", ["sqlite: {link/planted.db: shop.sql}", "folders: [link/made]", "{}"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_that_leads_out_of_the_sandbox_is_refused(
    build: str, absolute: bool, fixture: Path, target: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (fixture / "files" / "here").symlink_to(".")
    (fixture / "files" / "link").symlink_to(elsewhere if absolute else "here/../elsewhere")
    (fixture / "build.yaml").write_text(build, encoding="utf-8")
    with pytest.raises(InputError, match="files/link: is a link that leads out of the sandbox"):
        materialise(fixture, target, "")
    assert list(elsewhere.iterdir()) == []


def test_links_within_a_fixture_are_kept(fixture: Path, target: Path) -> None:
    (fixture / "files" / "notes" / "b.txt").symlink_to("a.txt")
    (fixture / "files" / "latest").symlink_to("notes")
    (fixture / "files" / "gone").symlink_to("not-there")
    materialise(fixture, target, "")
    assert str((target / "notes" / "b.txt").readlink()) == "a.txt"
    assert (target / "latest" / "a.txt").is_file()
    assert (target / "gone").is_symlink()


@pytest.mark.parametrize("place", ["files", "build.yaml", "shop.sql"])
def test_what_is_copied_is_the_suites_own(place: str, tmp_path: Path, target: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "files").mkdir(parents=True)
    (elsewhere / "build.yaml").write_text("{}", encoding="utf-8")
    (elsewhere / "shop.sql").touch()
    folder = tmp_path / "suite" / "fixtures" / "one"
    folder.mkdir(parents=True)
    (folder / place).symlink_to(elsewhere / place)
    if place == "shop.sql":
        (folder / "build.yaml").write_text("sqlite: {a.db: shop.sql}", encoding="utf-8")
    with pytest.raises(InputError, match=f"{place}: leads out of the suite's fixtures"):
        materialise(folder, target, "")
