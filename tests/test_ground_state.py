"""The state of a sandbox is what it means, leaf by leaf, and nothing that a file holds can break the reading."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import struct
import zipfile
import zlib
from contextlib import closing
from io import BufferedReader
from pathlib import Path

import openpyxl
import pytest
from dulwich.objects import Commit, ObjectID
from dulwich.pack import write_pack_index_v2
from dulwich.repo import Repo
from openpyxl.styles import Font

from rise_bench.ground.fixture import GitCommit, build_repository
from rise_bench.ground.leaves import MAX_CHARACTERS
from rise_bench.ground.repository import MAX_CONFIG, MAX_OBJECT, MAX_SHORTENED
from rise_bench.ground.state import MAX_TEXT, Begun, Rules, Snapshot, State, difference
from rise_bench.ground.tree import open_plain, read_link, remove, walk

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:somebody
BEGIN:VTIMEZONE
TZID:Europe/Berlin
END:VTIMEZONE
BEGIN:VEVENT
UID:ev1
DTSTAMP:{stamp}
DTSTART;TZID=Europe/Berlin:20260403T100000
SUMMARY:Dentist with a very long
  title
DESCRIPTION:
BEGIN:VALARM
TRIGGER:-PT15M
END:VALARM
END:VEVENT
END:VCALENDAR
"""


def leaves(folder: Path, rules: Rules | None = None, root: str = "") -> dict[str, str]:
    return dict(State(folder, root, rules).snapshot().leaves)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bare_workbook(sheet: str) -> bytes:
    """A workbook whose only sheet holds this XML."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("xl/workbook.xml", '<w xmlns:r="r"><sheets><sheet name="S" r:id="1"/></sheets></w>')
        file.writestr("xl/_rels/workbook.xml.rels", '<r><Relationship Id="1" Target="worksheets/sheet1.xml"/></r>')
        file.writestr("xl/worksheets/sheet1.xml", f"<s>{sheet}</s>")
    return buffer.getvalue()


def test_text_is_a_leaf_of_its_own_text_and_binary_of_its_hash(tmp_path: Path) -> None:
    write(tmp_path, "notes/a.txt", "one\r\ntwo")
    write(tmp_path, "b.bin", b"\0\1")
    write(tmp_path, "latin.txt", b"caf\xe9")
    write(tmp_path, "big.txt", "x" * (MAX_TEXT + 1))
    found = leaves(tmp_path)
    assert found["notes/a.txt"] == "one\r\ntwo"
    assert all(found[name].startswith("sha256:") for name in ("b.bin", "latin.txt", "big.txt"))


def test_an_empty_folder_is_a_leaf_and_a_filled_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "full/a.txt", "a")
    assert set(leaves(tmp_path)) == {"empty/", "full/a.txt"}


def test_a_link_is_itself_and_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "secret.txt", "secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "secret.txt")
    (inside / "loop").symlink_to("loop")
    assert leaves(inside) == {
        "folder": f"-> {outside}",
        "file": f"-> {outside / 'secret.txt'}",
        "loop": "-> loop",
    }


def test_the_sandboxs_path_is_written_as_root(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "see /home/user/notes")
    assert leaves(tmp_path, root="/home/user") == {"a.txt": "see {root}/notes"}


def test_json_is_read_by_pointer_whatever_its_layout(tmp_path: Path) -> None:
    write(tmp_path, "a.json", '{"b": [1, {"c/d": null}], "e": {}, "f": []}')
    write(tmp_path, "b.json", json.dumps({"f": [], "e": {}, "b": [1, {"c/d": None}]}, indent=4))
    found = leaves(tmp_path)
    assert {path[1:]: text for path, text in found.items() if path[0] == "a"} == {
        path[1:]: text for path, text in found.items() if path[0] == "b"
    }
    assert found["a.json#/b/1/c~1d"] == "null"
    assert found["a.json#/e"] == "{}"


def test_json_lines_are_named_by_position_or_by_their_own_fields(tmp_path: Path) -> None:
    lines = [
        {"type": "entity", "name": "Ada", "observations": []},
        {"type": "relation", "from": "Ada", "to": "Bob", "relationType": "knows"},
    ]
    write(tmp_path, "m.jsonl", "\n".join(map(json.dumps, lines)))
    assert set(leaves(tmp_path)) == {"m.jsonl#/0", "m.jsonl#/1"}
    rules = Rules(keys={"m.jsonl": ("type", "name", "from", "relationType", "to")})
    keyed = leaves(tmp_path, rules)
    assert set(keyed) == {"m.jsonl#entity/Ada", "m.jsonl#relation/Ada/knows/Bob"}
    write(tmp_path, "m.jsonl", "\n".join(map(json.dumps, reversed(lines))))
    assert leaves(tmp_path, rules) == keyed


def test_json_lines_with_ids_are_read_by_field_so_that_one_stamp_leaves_the_others_comparable(tmp_path: Path) -> None:
    one = {"id": 3, "name": "Pay", "tags": ["a/b"], "done": None}
    write(tmp_path, "t.jsonl", json.dumps(one) + "\n\n" + json.dumps({"id": 12, "at": "09:00"}))
    found = leaves(tmp_path)
    assert found == {
        "t.jsonl#id/3/id": "3",
        "t.jsonl#id/3/name": '"Pay"',
        "t.jsonl#id/3/tags/0": '"a/b"',
        "t.jsonl#id/3/done": "null",
        "t.jsonl#id/12/id": "12",
        "t.jsonl#id/12/at": '"09:00"',
    }


def test_the_order_of_json_lines_with_ids_is_a_leaf_where_it_does_not_follow_from_them(tmp_path: Path) -> None:
    write(tmp_path, "t.jsonl", '{"id": "b"}\n{"id": "a"}')
    assert leaves(tmp_path) == {"t.jsonl#id/b/id": '"b"', "t.jsonl#id/a/id": '"a"', "t.jsonl#ids": '["b","a"]'}


@pytest.mark.parametrize("second", ['{"id": 1}', '{"id": "2"}', '{"id": true}', '{"name": "x"}', "[2]"])
def test_json_lines_without_ids_of_their_own_stay_lines(tmp_path: Path, second: str) -> None:
    write(tmp_path, "t.jsonl", '{"id": 1, "a": 2}\n' + second)
    assert set(leaves(tmp_path)) == {"t.jsonl#/0", "t.jsonl#/1"}


FRONT = """---
id: TASK-3
day: '2026-01-05 09:00'
due: 2026-01-05
count: 03
labels: [building, "a #b"]
plan:
  - {by: ruben}
none: []
---

# Grey

---
two coats
"""


def test_a_front_matter_is_read_by_field_as_text_and_what_is_below_it_is_the_files_own_leaf(tmp_path: Path) -> None:
    write(tmp_path, "a.md", FRONT)
    expected = {
        "a.md": "\n# Grey\n\n---\ntwo coats\n",
        "a.md#/id": "TASK-3",
        "a.md#/day": "2026-01-05 09:00",
        "a.md#/due": "2026-01-05",
        "a.md#/count": "03",
        "a.md#/labels/0": "building",
        "a.md#/labels/1": "a #b",
        "a.md#/plan/0/by": "ruben",
        "a.md#/none": "[]",
    }
    assert leaves(tmp_path) == expected
    write(tmp_path, "a.md", FRONT.replace("due: 2026-01-05", 'due: "2026-01-05"').replace("\n---\n\n", "\r\n---\r\n\n"))
    assert leaves(tmp_path) == expected


def test_a_key_that_a_front_matter_repeats_is_not_lost(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "---\na: 1\na: 2\n---\n")
    assert leaves(tmp_path) == {"a.md": "", "a.md#/a": "1", "a.md#/a.2": "2"}


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\n---\na: 1\n---\n",
        "---\nno mapping\n---\nx",
        "---\n---\nx",
        "---\na: 1\nx",
        "---\na: 1 # said by Ada\n---\nx",
        "---\n# said by Ada\na: 1\n---\nx",
        "---\na: [1\n---\nx",
        "---\na: &a [*a]\n---\nx",
        "---\n? [1]\n: 2\n---\nx",
        "---\na: " + "[" * 5_000 + "\n---\nx",
        "---\na: " + "b" * 20_000 + "\n---\nx",
        "---\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 1}]\n" for n in range(9)) + "---\nx",
    ],
)
def test_what_no_leaf_of_a_front_matter_would_hold_leaves_the_file_whole(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a.md", text)
    assert leaves(tmp_path) == {"a.md": text}


def test_a_database_is_read_by_row_with_what_its_log_still_holds(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, item TEXT, price REAL, raw BLOB)")
    connection.execute('CREATE TABLE "a/b"(x)')
    connection.execute("CREATE TABLE pair(a TEXT, b TEXT, n INT, PRIMARY KEY(a, b)) WITHOUT ROWID")
    connection.execute("INSERT INTO orders VALUES(12, 'pen', 1.5, x'00')")
    connection.execute('INSERT INTO "a/b" VALUES(9)')
    connection.execute("INSERT INTO pair VALUES('k', 'l', 1)")
    connection.commit()
    try:
        found = leaves(tmp_path)
    finally:
        connection.close()
    row = json.loads(found["shop.db#orders/12"])
    assert (row["item"], row["price"], row["raw"][:11]) == ("pen", 1.5, "blob sha256")
    assert found["shop.db#a~1b/1"] == '{"x":9}'
    assert found["shop.db#pair/k/l"] == '{"a":"k","b":"l","n":1}'
    assert found["shop.db#schema/orders"].startswith("CREATE TABLE orders(")
    assert not any("-wal" in path for path in found)


def test_a_calendar_is_read_by_uid_and_property_without_stamps_and_zones(tmp_path: Path) -> None:
    write(tmp_path, "a.ics", EVENT.format(stamp="20260101T000000Z").replace("\n", "\r\n"))
    found = leaves(tmp_path)
    assert found == {
        "a.ics#ev1/UID": "ev1",
        "a.ics#ev1/DTSTART": "TZID=Europe/Berlin:20260403T100000",
        "a.ics#ev1/SUMMARY": "Dentist with a very long title",
        "a.ics#ev1/VALARM.TRIGGER": "-PT15M",
    }
    write(tmp_path, "a.ics", EVENT.format(stamp="20270101T000000Z"))
    assert leaves(tmp_path) == found


def workbook(path: Path, *, bold: bool = False, title: str = "") -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Sheet1"
    for row in (["name", "qty"], ["pen", 3], ["ink", 4.0], [True, None]):
        sheet.append(row)
    sheet["C2"] = "=B2*2"
    if bold:
        sheet["A1"].font = Font(bold=True)
    sheet.freeze_panes = "A2"
    book.properties.title = title
    book.save(path)


def test_a_workbook_is_read_by_cell(tmp_path: Path) -> None:
    workbook(tmp_path / "b.xlsx")
    found = leaves(tmp_path)
    cells = {path.partition("!")[2]: text for path, text in found.items() if "!" in path}
    assert cells == {
        "A1": '"name"', "B1": '"qty"', "A2": '"pen"', "B2": "3", "C2": "=B2*2", "A3": '"ink"', "B3": "4", "A4": "true",
    }  # fmt: skip
    assert found["b.xlsx#Sheet1"] == '{"place":0,"state":"visible"}'
    assert "topLeftCell='A2'" in found["b.xlsx#Sheet1/pane"]


def test_a_format_and_a_title_are_leaves_of_a_workbook_and_its_saving_time_is_not(tmp_path: Path) -> None:
    workbook(tmp_path / "b.xlsx")
    plain = State(tmp_path, "").snapshot()
    workbook(tmp_path / "b.xlsx")
    assert difference(plain, State(tmp_path, "").snapshot()) == ()
    workbook(tmp_path / "b.xlsx", bold=True, title="Stock")
    changed = {change.path for change in difference(plain, State(tmp_path, "").snapshot())}
    assert changed == {"b.xlsx#Sheet1!A1/format", "b.xlsx#properties/title"}


def test_other_office_documents_are_read_by_part_without_stamps(tmp_path: Path) -> None:
    def document(text: str, stamp: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("word/document.xml", f"<d>{text}</d>")
            file.writestr("docProps/core.xml", f"<t>{stamp}</t>")
        return buffer.getvalue()

    write(tmp_path, "a.docx", document("hello", "1"))
    before = State(tmp_path, "").snapshot()
    write(tmp_path, "a.docx", document("hello", "2"))
    assert difference(before, State(tmp_path, "").snapshot()) == ()
    write(tmp_path, "a.docx", document("good day", "2"))
    assert [change.path for change in difference(before, State(tmp_path, "").snapshot())] == [
        "a.docx#word/document.xml"
    ]


def repository(folder: Path, *, day: int = 5, message: str = "second") -> Path:
    commits = [
        {"message": "first", "date": f"2026-01-0{day}T10:00:00Z", "files": {"a.txt": "one\n"}},
        {
            "message": message,
            "date": f"2026-01-0{day}T11:00:00Z",
            "files": {"a.txt": "two\n", "b.txt": "b\n"},
            "tag": "v1",
        },
    ]
    build_repository(folder, tuple(GitCommit.model_validate(commit) for commit in commits))
    return folder


def test_a_repository_means_its_trees_messages_and_order_not_its_dates(tmp_path: Path) -> None:
    repository(tmp_path / "x" / "repo", day=5)
    repository(tmp_path / "y" / "repo", day=6)
    assert leaves(tmp_path / "x") == leaves(tmp_path / "y")
    repository(tmp_path / "z" / "repo", message="other words")
    changed = difference(State(tmp_path / "x", "").snapshot(), State(tmp_path / "z", "").snapshot())
    assert [(change.before, change.after) for change in changed] == [("second", "other words")]
    assert changed[0].path.startswith("repo#commits/")


def test_head_refs_index_and_worktree_are_leaves_of_a_repository(tmp_path: Path) -> None:
    repository(tmp_path / "repo")
    found = leaves(tmp_path)
    assert found["repo#HEAD"] == "refs/heads/main"
    assert found["repo#refs/heads/main"] == found["repo#refs/tags/v1"]
    assert found["repo#index/b.txt"].startswith("100644 ")
    assert found["repo/a.txt"] == "two\n"
    assert not any("objects" in path or "logs" in path for path in found)


def test_a_commit_moves_the_branch_and_adds_its_message(tmp_path: Path) -> None:
    place = repository(tmp_path / "repo")
    state = State(tmp_path, "")
    before = state.snapshot()
    with Repo(str(place)) as opened:
        (place / "c.txt").write_text("c", encoding="utf-8")
        tree = opened.get_worktree()
        tree.stage(["c.txt"])
        tree.commit(message=b"third", author=b"A <a@b>", committer=b"A <a@b>")
    changed = {change.path: change.after for change in difference(before, state.snapshot())}
    assert set(changed) >= {"repo#refs/heads/main", "repo#index/c.txt", "repo/c.txt"}
    assert "third" in changed.values()


def test_caches_and_what_the_recipe_ignores_are_no_state_and_logs_are(tmp_path: Path) -> None:
    for name in (".cache/a", "x/__pycache__/a.pyc", "run.log", "deep/run.log", "lock.tmp", "keep.txt"):
        write(tmp_path, name, "x")
    assert set(leaves(tmp_path, Rules(ignore=("*.tmp",)))) == {"keep.txt", "run.log", "deep/run.log"}


def test_a_journal_is_no_state_only_beside_its_database(tmp_path: Path) -> None:
    for name in ("shop.db", "shop.db-wal", "shop.db-journal", "notes-wal"):
        write(tmp_path, name, "x")
    assert set(leaves(tmp_path, Rules())) == {"shop.db", "notes-wal"}


def test_only_the_named_roots_are_state(tmp_path: Path) -> None:
    write(tmp_path, "data/a.txt", "a")
    write(tmp_path, "other/b.txt", "b")
    assert set(leaves(tmp_path, Rules(state=("data/**",)))) == {"data/a.txt"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"a": NaN}'),
        ("a.json", b"[" * 100_000),
        ("a.json", b"\xff{}"),
        ("a.jsonl", b'{"a": 1}\nnot json'),
        ("a.db", b"SQLite format 3\0" + b"\xff" * 4096),
        ("a.xlsx", b"PK\3\4 broken"),
        ("a.xlsx", b""),
        ("a.xlsx", bare_workbook("<a>" * 3_000 + "</a>" * 3_000)),
        ("a.xlsx", bare_workbook("<sheetData><row><c r='A1' t='s'><v>\u00b2</v></c></row></sheetData>")),
        ("a.docx", b"no zip"),
        ("a.ics", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n"),
        ("a.ics", b"no calendar \xff"),
    ],
)
def test_a_broken_file_is_its_text_or_its_hash(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path, name, content)
    found = leaves(tmp_path)
    assert list(found) == [name]
    assert found[name].startswith("sha256:") or found[name] == content.decode()


def test_a_workbook_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open("xl/workbook.xml", "w") as member:
        for _ in range(80):
            member.write(b"\0" * (4 << 20))
    write(tmp_path, "bomb.xlsx", buffer.getvalue())
    assert leaves(tmp_path)["bomb.xlsx"].startswith("sha256:")


def test_a_repository_with_nonsense_in_it_is_still_read(tmp_path: Path) -> None:
    place = repository(tmp_path / "repo")
    (place / ".git" / "refs" / "heads" / "main").write_bytes(b"\xff nonsense")
    (place / ".git" / "index").write_bytes(b"DIRC nonsense")
    found = leaves(tmp_path)
    assert "repo#damaged" in found
    assert found["repo/a.txt"] == "two\n"


@pytest.mark.parametrize("entry", ["config", "HEAD", "commondir", "objects/info/alternates", "refs/heads/other"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_repository_that_leads_out_of_the_sandbox_is_named_and_not_read(
    tmp_path: Path, entry: str, kind: str
) -> None:
    secret = write(tmp_path, "outside/secret", "host secret")
    place = repository(tmp_path / "home" / "repo") / ".git" / entry
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if kind == "link":
        place.symlink_to(secret)
    else:
        os.mkfifo(place)  # a reader would wait for ever
    found = leaves(tmp_path / "home")
    assert found["repo#damaged"] == entry
    assert "host secret" not in str(found)


def test_a_repository_that_borrows_from_another_one_is_not_read(tmp_path: Path) -> None:
    other = repository(tmp_path / "outside")
    write(repository(tmp_path / "home" / "repo"), ".git/commondir", str(other / ".git"))
    assert leaves(tmp_path / "home")["repo#damaged"] == "commondir"


@pytest.mark.parametrize("section", ["[include]", "[ INCLUDE ]", '[includeIf "gitdir:**"]'])
def test_a_repository_whose_configuration_includes_other_files_is_not_read(tmp_path: Path, section: str) -> None:
    place = repository(tmp_path / "repo")
    os.mkfifo(tmp_path / "pipe")  # a reader would wait for ever
    with (place / ".git" / "config").open("a", encoding="utf-8") as config:
        config.write(f"{section}\n\tpath = ../../pipe\n")
    assert leaves(tmp_path)["repo#damaged"] == "include in config"


def commit_of(message: bytes) -> Commit:
    commit = Commit()
    commit.tree = ObjectID(b"4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    commit.author = commit.committer = b"A <a@b>"
    commit.author_time = commit.commit_time = commit.author_timezone = commit.commit_timezone = 0
    commit.message = message
    return commit


def pack(place: Path, entries: list[tuple[Commit, int, bytes, int, bytes]]) -> None:
    """A pack of objects: each with its kind, what it rests on, the bytes that it unpacks to, and these."""
    data, index = b"PACK" + struct.pack(">LL", 2, len(entries)), []
    for commit, kind, base, size, body in entries:
        index.append((bytes.fromhex(commit.id.decode()), len(data), 0))
        head, size = kind << 4 | size & 15, size >> 4
        while size:
            data, head, size = data + bytes([head | 128]), size & 127, size >> 7
        data += bytes([head]) + base + zlib.compress(body)
    digest = hashlib.sha1(data).digest()
    (place / ".git" / "objects" / "pack" / "pack-1.pack").write_bytes(data + digest)
    with (place / ".git" / "objects" / "pack" / "pack-1.idx").open("wb") as file:
        write_pack_index_v2(file, sorted(index), digest)


@pytest.mark.parametrize("kind", ["loose", "packed", "difference"])
def test_a_commit_that_unpacks_to_much_more_than_its_size_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    place = repository(tmp_path / "repo")
    small, large = commit_of(b"x" * 0x10000), commit_of(b"x" * (MAX_OBJECT + 1))
    whole = large.as_raw_string()
    if kind == "loose":
        with Repo(str(place)) as opened:
            opened.object_store.add_object(large)
    elif kind == "packed":
        pack(place, [(large, 1, b"", len(whole), whole)])
    else:
        base = small.as_raw_string()
        delta = bytes([0x80 | len(base) & 127, 0x80 | len(base) >> 7 & 127, len(base) >> 14])
        target = 0x10000 * 129
        delta += bytes([0x80 | target & 127, 0x80 | target >> 7 & 127, 0x80 | target >> 14 & 127, target >> 21])
        delta += b"\x80" * 129
        own = bytes.fromhex(small.id.decode())
        pack(place, [(small, 1, b"", len(base), base), (large, 7, own, len(delta), delta)])
    (place / ".git" / "refs" / "heads" / "main").write_bytes(large.id + b"\n")
    found = leaves(tmp_path)
    assert found["repo#damaged"] == ("error" if kind == "loose" else "Unreadable")
    assert not any(len(text) > 1000 for text in found.values())


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("config", b"[core]\n" + b"#" * MAX_CONFIG),
        ("packed-refs", b"#" * MAX_CHARACTERS + b"\n"),
        ("index", b"DIRC\0\0\0\4" + b"\0" * MAX_SHORTENED),
    ],
)
def test_of_a_repository_nothing_is_read_that_is_far_larger_than_it_may_be(
    tmp_path: Path, entry: str, content: bytes
) -> None:
    (repository(tmp_path / "repo") / ".git" / entry).write_bytes(content)
    found = leaves(tmp_path)
    assert found["repo#damaged"] == f"too large: {entry}"
    assert sum(map(len, found.values())) < 1_000


def test_packed_commits_are_read_also_those_kept_as_differences(tmp_path: Path) -> None:
    place = repository(tmp_path / "repo")
    base, other = commit_of(b"x" * 100), commit_of(b"x" * 100 + b"y")
    first, second = base.as_raw_string(), other.as_raw_string()
    delta = bytes([0x80 | len(first) & 127, len(first) >> 7, 0x80 | len(second) & 127, len(second) >> 7])
    delta += bytes([0x90, len(first)]) + b"\1y"
    near = bytes([len(zlib.compress(first)) + 2])
    pack(place, [(base, 1, b"", len(first), first), (other, 6, near, len(delta), delta)])
    (place / ".git" / "refs" / "heads" / "main").write_bytes(other.id + b"\n")
    found = leaves(tmp_path)
    assert "repo#damaged" not in found
    assert "x" * 100 + "y" in found.values()


def test_a_commit_on_a_long_history_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rise_bench.ground.repository.MAX_COMMITS", 1)
    place = repository(tmp_path / "repo")
    state = State(tmp_path, "")
    before = state.snapshot()
    with Repo(str(place)) as opened:
        opened.get_worktree().commit(message=b"third", author=b"A <a@b>", committer=b"A <a@b>")
    assert "repo#refs/heads/main" in {change.path for change in difference(before, state.snapshot())}


def test_what_a_process_swaps_into_a_repository_while_it_is_read_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = write(tmp_path, "outside/secret", "host secret")
    place = repository(tmp_path / "home" / "repo") / ".git"

    def swap(path: Path, below: Path) -> BufferedReader:
        if path.name == "config":
            path.unlink()
            path.symlink_to(secret)
        return open_plain(path, below)

    monkeypatch.setattr("rise_bench.ground.repository.open_plain", swap)
    found = leaves(tmp_path / "home")
    assert (place / "config").is_symlink()
    assert "host secret" not in str(found)
    assert found["repo#damaged"] == "OSError"


def test_what_utf8_cannot_hold_is_kept_as_escapes(tmp_path: Path) -> None:
    write(tmp_path, "a.json", r'{"a": "\ud83d"}')
    (tmp_path / os.fsdecode(b"b\xff.txt")).touch()
    (tmp_path / "c").symlink_to(os.fsdecode(b"\xff"))
    state = State(tmp_path, "")
    found = state.snapshot()
    assert dict(found.leaves) == {"a.json#/a": r'"\ud83d"', r"b\udcff.txt": "", "c": r"-> \udcff"}
    for change in difference(Snapshot({}, frozenset()), found):
        assert change.model_dump_json()


def test_no_row_of_a_database_is_hidden_by_another_or_by_how_its_table_is_made(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.executescript(
            """
            CREATE TABLE nulls (a TEXT PRIMARY KEY, b); INSERT INTO nulls VALUES (NULL, 1), (NULL, 2);
            CREATE TABLE loose (a PRIMARY KEY, b); INSERT INTO loose VALUES (1, 1), ('1', 2);
            CREATE TABLE named (rowid TEXT, b); INSERT INTO named VALUES ('q', 1), ('q', 2);
            CREATE TABLE computed (a, b AS (a * 2)); INSERT INTO computed VALUES (3);
            """
        )
    rows = {name: text for name, text in leaves(tmp_path).items() if "#schema/" not in name}
    assert rows == {
        "a.db#nulls/None": '{"a":null,"b":1}',
        "a.db#nulls/None.2": '{"a":null,"b":2}',
        "a.db#loose/1": '{"a":1,"b":1}',
        "a.db#loose/1.2": '{"a":"1","b":2}',
        "a.db#named/1": '{"b":1,"rowid":"q"}',
        "a.db#named/2": '{"b":2,"rowid":"q"}',
        "a.db#computed/1": '{"a":3}',
    }


def test_a_repositorys_own_programs_are_never_run(tmp_path: Path) -> None:
    place = repository(tmp_path / "repo")
    mark = tmp_path / "ran"
    with (place / ".git" / "config").open("a", encoding="utf-8") as config:
        config.write(f"[core]\n\tfsmonitor = touch {mark}\n\tsshCommand = touch {mark}\n")
    assert "repo#refs/heads/main" in leaves(tmp_path)
    assert not mark.exists()


def test_folders_nested_deeper_than_pythons_walkers_reach_are_read_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1_200):
        Path("d").mkdir()
        os.chdir("d")
    assert set(leaves(tmp_path)) == {"d/" * 1_200}
    os.chdir(tmp_path)
    remove(tmp_path, keep_top=True)
    assert list(tmp_path.iterdir()) == []


def test_a_second_look_reads_again_what_changed_without_changing_size_or_time(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "one")
    state = State(tmp_path, "")
    before = state.snapshot()
    stamp = path.stat().st_mtime_ns
    path.write_text("two", encoding="utf-8")
    os.utime(path, ns=(stamp, stamp))
    assert [change.after for change in difference(before, state.snapshot())] == ["two"]


def test_a_link_that_goes_while_it_is_read_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SingletonLock").symlink_to("host-1")

    def vanish(path: Path, below: Path) -> str:
        path.unlink()
        return read_link(path, below)

    monkeypatch.setattr("rise_bench.ground.state.read_link", vanish)
    assert leaves(tmp_path) == {"SingletonLock": "<unreadable: FileNotFoundError>"}


def test_a_folder_that_became_a_link_is_not_walked(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret-name", "x")
    write(tmp_path, "home/a/b.txt", "x")
    walked = walk(tmp_path / "home")
    assert [entry.name for entry in next(walked)[1]] == ["a"]
    (tmp_path / "home" / "a").rename(tmp_path / "home" / "c")
    (tmp_path / "home" / "a").symlink_to(tmp_path / "outside")
    assert list(walked) == [("a", [], [])]


REPEATS = {
    "a.json": json.dumps({"k" * 20_000: [0] * 5_000}).encode(),
    "b.json": b"[" + b"[]," * 400_000 + b"[]]",
    "a.ics": b"BEGIN:VCALENDAR\n" + b"BEGIN:A\n" * 20 + b"X:1\n" + b"END:A\n" * 20 + b"END:VCALENDAR\n",
    "b.ics": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:%s\n%sEND:VEVENT\nEND:VCALENDAR\n"
    % (b"u" * 20_000, b"".join(b"X%d:1\n" % number for number in range(5_000))),
    "a.xlsx": bare_workbook(
        "<sheetData><row>" + f"<c r='A1' t='inlineStr'><is><t>{'x' * 1000}</t></is></c>" * 10_000 + "</row></sheetData>"
    ),
    "c.xlsx": bare_workbook("".join(f"<a{number % 2}>{'x' * 900_000}</a{number % 2}>" for number in range(10))),
    "b.xlsx": bare_workbook("<a/>" * 600_000 + "<a></a>" * 300_000),
}


@pytest.mark.parametrize("name", REPEATS)
def test_a_small_file_that_would_make_many_or_long_leaves_is_one(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, REPEATS[name])
    assert set(leaves(tmp_path)) == {name}


def test_beyond_the_characters_of_a_state_a_file_is_one_leaf_that_still_shows_its_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rise_bench.ground.state.MAX_STATE", 2_000)
    write(tmp_path, "a.txt", "a" * 1_500)
    last = write(tmp_path, "b.json", json.dumps(["b" * 200] * 10))
    state = State(tmp_path, "")
    before = state.snapshot()
    assert set(before.leaves) == {"a.txt", "b.json"}
    assert before.leaves["b.json"].endswith(" 10 leaves")
    last.write_text(json.dumps(["b" * 200] * 9 + ["c" * 200]), encoding="utf-8")
    assert [change.path for change in difference(before, state.snapshot())] == ["b.json"]
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    last.write_text("[1]", encoding="utf-8")
    assert dict(state.snapshot().leaves) == {"a.txt": "", "b.json#/0": "1"}


@pytest.mark.parametrize(("limit", "most"), [("MAX_FILES", 3), ("MAX_READ", 4)])
def test_what_is_beyond_the_limits_of_a_state_is_said_and_its_size_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(f"rise_bench.ground.state.{limit}", most)
    for number in range(5):
        write(tmp_path, f"{number}.txt", "1")
    write(tmp_path, "5.txt", "12")
    state = State(tmp_path, "")
    before = state.snapshot()
    left = 6 - most
    assert before.leaves["//"] == f"<{left} further entries, {left + 1} bytes, not read>"
    write(tmp_path, "5.txt", "123")
    assert [change.path for change in difference(before, state.snapshot())] == ["//"]


def test_a_secret_is_in_no_leaf_however_the_file_writes_it(tmp_path: Path) -> None:
    key = r'sk-"live"\42'
    write(tmp_path, "a.json", json.dumps({"key": key}))
    write(tmp_path, "a.txt", f"key={key}")
    write(tmp_path, "sk-plain", "")
    state = State(tmp_path, "", secrets={"SHOP_KEY": key, "OTHER": "sk-plain"})
    assert dict(state.snapshot().leaves) == {
        "a.json#/key": '"[secret SHOP_KEY]"',
        "a.txt": "key=[secret SHOP_KEY]",
        "[secret OTHER]": "",
    }


def test_whoever_keeps_filling_a_folder_is_named_as_the_reason_that_it_cannot_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rise_bench.ground.tree.SECONDS", 0.0)
    (tmp_path / "0").touch()
    unlink = os.unlink

    def refill(name: str, *, dir_fd: int | None = None) -> None:
        (tmp_path / f"{name}0").touch()
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr("os.unlink", refill)
    with pytest.raises(OSError, match="keeps filling"):
        remove(tmp_path, keep_top=True)


def test_a_difference_names_what_came_went_and_changed_sorted_by_path(tmp_path: Path) -> None:
    state = State(tmp_path, "")
    for name in ("gone", "kept", "changed"):
        write(tmp_path, name, "1")
    before = state.snapshot()
    (tmp_path / "gone").unlink()
    write(tmp_path, "changed", "2")
    write(tmp_path, "came", "3")
    assert [(change.path, change.before, change.after) for change in difference(before, state.snapshot())] == [
        ("came", None, "3"),
        ("changed", "1", "2"),
        ("gone", "1", None),
    ]


A, B, OLD = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "ab0")


@pytest.mark.parametrize(("first", "second"), [(A, B), (B, A)])
def test_generated_ids_are_renamed_by_order_of_creation_whatever_their_values(
    tmp_path: Path, first: str, second: str
) -> None:
    write(tmp_path, "list.json", json.dumps({"old": OLD}))
    state = State(tmp_path, "")
    start = state.snapshot()
    created: list[str] = []
    write(tmp_path, f"{first}.txt", f"I am {first}, after {OLD}")
    after_one = state.snapshot()
    difference(start, after_one, created)
    write(tmp_path, f"{second}.txt", f"I am {second}, after {first}")
    changed = difference(start, state.snapshot(), created)
    assert [(change.path, change.after) for change in changed] == [
        ("<id:1>.txt", f"I am <id:1>, after {OLD}"),
        ("<id:2>.txt", "I am <id:2>, after <id:1>"),
    ]


def test_two_ids_made_at_once_are_numbered_by_what_they_are_about(tmp_path: Path) -> None:
    texts = []
    for number, (one, two) in enumerate(((A, B), (B, A))):
        folder = tmp_path / str(number)
        folder.mkdir()
        state = State(folder, "")
        before = state.snapshot()
        write(folder, f"{one}.txt", "apples")
        write(folder, f"{two}.txt", "pears")
        texts.append([(change.path, change.after) for change in difference(before, state.snapshot())])
    assert texts[0] == texts[1] == [("<id:1>.txt", "apples"), ("<id:2>.txt", "pears")]


# --- folders that are filled alike ------------------------------------------------------------------------------------


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, symlinks=True))


def test_what_folders_filled_alike_begin_with_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "list.json").write_text('{"milk": 2}', encoding="utf-8")
    repository(first / "repo")
    begun: Begun = {}
    seen = State(first, "", begun=begun).snapshot()
    again = State(copied(first, tmp_path / "again"), "", begun=begun)
    with monkeypatch.context() as patch:
        patch.setattr("rise_bench.ground.state.open_plain", None)
        patch.setattr("rise_bench.ground.state.repository_leaves", None)
        assert again.snapshot() == seen
    (tmp_path / "again" / "list.json").write_text('{"milk": 3}', encoding="utf-8")
    assert [change.path for change in difference(seen, again.snapshot())] == ["list.json#/milk"]


@pytest.mark.parametrize("text", ["two", "three"])
def test_what_was_changed_in_a_copy_before_it_is_first_looked_at_is_seen(tmp_path: Path, text: str) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "a.txt").write_text("one", encoding="utf-8")
    begun: Begun = {}
    State(first, "", begun=begun).snapshot()
    second = copied(first, tmp_path / "second")
    (second / "a.txt").write_text(text, encoding="utf-8")
    (second / "b.txt").write_text("new", encoding="utf-8")
    assert State(second, "", begun=begun).snapshot().leaves == {"a.txt": text, "b.txt": "new"}
    third = copied(first, tmp_path / "third")
    assert State(third, "", begun=begun).snapshot().leaves == {"a.txt": "one"}
