"""What was taken apart is known again, within bounds."""

from __future__ import annotations

from rise_bench.ground.remember import ENTRIES, MAX_BYTES, MAX_CHARACTERS, remembered


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
    for given in (b"1" * (MAX_BYTES + 1), (("one", b"1" * MAX_BYTES), ("folder", None), ("two", b"22"))):
        assert read(given) == read(given) == {"a": "x"}
    assert counted.calls == 4
    bomb = Counted("x" * (MAX_CHARACTERS + 1))
    read = remembered(bomb.take)
    assert read(b"1") == read(b"1")
    assert bomb.calls == 2


def test_the_oldest_are_forgotten() -> None:
    counted = Counted()
    read = remembered(counted.take)
    for number in range(ENTRIES + 1):
        read(str(number).encode())
    read(b"0")
    assert counted.calls == ENTRIES + 2
