"""What was taken apart is known again, within bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rise_bench.ground.fixture import GitCommit, build_repository
from rise_bench.ground.remember import ENTRIES, MAX_CHARACTERS, MAX_HELD, NotKept, remembered
from rise_bench.ground.state import State


class Counted:
    """Takes bytes apart, and counts how often it had to."""

    def __init__(self, text: str | None = "x") -> None:
        self.calls = 0
        self.text = text

    def take(self, data: bytes, *_: object) -> dict[str, str] | None:
        self.calls += 1
        return None if self.text is None else {"a": self.text}


def test_the_same_bytes_are_taken_apart_once() -> None:
    counted = Counted()
    read = remembered(counted.take)
    assert [read(b"1"), read(b"1"), read(b"2"), read(b"1", "other rules")] == [{"a": "x"}] * 4
    assert counted.calls == 3


def test_what_cannot_be_read_is_known_again_too() -> None:
    counted = Counted(None)
    read = remembered(counted.take)
    assert (read(b"1"), read(b"1"), counted.calls) == (None, None, 1)


def test_neither_large_files_nor_what_grows_large_is_kept() -> None:
    counted = Counted()
    read = remembered(counted.take)
    for given in (b"1" * (MAX_HELD + 1), (("one", b"1" * MAX_HELD), ("folder", None), ("two", b"22"))):
        assert read(given) == read(given) == {"a": "x"}
    assert counted.calls == 4
    bomb = Counted("x" * (MAX_CHARACTERS + 1))
    read = remembered(bomb.take)
    assert read(b"1") == read(b"1")
    assert bomb.calls == 2


def test_many_names_count_as_well_as_bytes() -> None:
    counted = Counted()
    read = remembered(counted.take)
    folders = tuple((f"{number:0200d}", None) for number in range(400))
    read(folders)  # type: ignore[arg-type]
    read(folders)  # type: ignore[arg-type]
    assert counted.calls == 2


def test_what_something_passing_shaped_is_made_anew() -> None:
    full = [True, False]

    @remembered
    def take(data: bytes) -> dict[str, str]:
        if full.pop(0):
            raise NotKept({"damaged": "OSError"})
        return {"a": data.decode()}

    assert [take(b"1"), take(b"1"), take(b"1")] == [{"damaged": "OSError"}, {"a": "1"}, {"a": "1"}]


def test_a_full_disk_is_not_remembered_as_a_damaged_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = GitCommit(message="only here", date=datetime(2026, 1, 5, tzinfo=UTC), files={"a.txt": "one"})
    build_repository(tmp_path, (commit,))

    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("rise_bench.ground.repository.scratch", full)
        assert State(tmp_path, "").snapshot().leaves["#damaged"] == "OSError"
    assert "#damaged" not in State(tmp_path, "").snapshot().leaves


def test_a_repository_is_read_up_to_its_limit_wherever_its_bytes_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rise_bench.ground.repository.MAX_BYTES", 4_000)
    build_repository(tmp_path, (GitCommit(message="first", date=datetime(2026, 1, 5, tzinfo=UTC), files={"a": "one"}),))
    assert "#damaged" not in State(tmp_path, "").snapshot().leaves
    for name in "xyz":
        (tmp_path / ".git" / name).write_bytes(b"0" * 2_000)
    assert State(tmp_path, "").snapshot().leaves["#damaged"].startswith("too large: ")


def test_the_oldest_are_forgotten() -> None:
    counted = Counted()
    read = remembered(counted.take)
    for number in range(ENTRIES + 1):
        read(str(number).encode())
    read(b"0")
    assert counted.calls == ENTRIES + 2
