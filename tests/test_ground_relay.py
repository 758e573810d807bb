"""What stands between a server and its database sees every question that may change something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rise_bench.ground.inside

sys.path.append(str(Path(rise_bench.ground.inside.__path__[0])))

from rise_bench.ground.inside.rise_mariadb import writes
from rise_bench.ground.inside.rise_relay import CHUNK, MOST, Question

QUERY, EXECUTE, CLOSE = b"\x03", b"\x17", b"\x19"


def packet(body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + b"\0" + body


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (packet(QUERY + b"SELECT 1"), False),
        (packet(QUERY + b" show tables ; "), False),
        (packet(QUERY + b"SET NAMES utf8"), False),
        (b"", False),
        (packet(QUERY + b"INSERT INTO t VALUES (1)"), True),
        (packet(QUERY + b"SELECT 1; DELETE FROM t"), True),
        (packet(QUERY + b"SET STATEMENT max_statement_time=1 FOR DELETE FROM t"), True),
        (packet(QUERY + b"SELECT 1") + packet(QUERY + b"DELETE FROM t"), True),
        (packet(CLOSE + b"\1\0\0\0") + packet(EXECUTE + b"\1\0\0\0"), True),
        (packet(QUERY + b"SELECT " + b"1" * 100)[:50], True),
    ],
)
def test_only_a_question_that_is_one_reading_statement_changes_nothing(asked: bytes, expected: bool) -> None:
    assert writes(asked) is expected


def test_a_question_is_kept_from_its_beginning_until_it_is_answered_however_many_parts_it_has() -> None:
    question = Question()
    asked = packet(QUERY + b"INSERT " + b"x" * 2 * CHUNK)
    for begin in range(0, len(asked), CHUNK):
        question.add(asked[begin : begin + CHUNK])
    assert question.answer() == question.answer() == asked, "an answer may have parts, too"
    question.add(packet(QUERY + b"SELECT 1"))
    assert question.answer() == packet(QUERY + b"SELECT 1")


def test_of_an_endless_question_the_beginning_is_kept_and_it_counts_as_a_change() -> None:
    question = Question()
    asked = packet(QUERY + b"SELECT '" + b"x" * 2 * MOST + b"'; DELETE FROM t")
    for begin in range(0, len(asked), CHUNK):
        question.add(asked[begin : begin + CHUNK])
    assert question.answer() == asked[:MOST]
    assert writes(question.answer())
