"""Statements that say almost the same as another one."""

from __future__ import annotations

import sqlite3

import pytest

from rise_bench.synth.critical.near_sql import near_sql


@pytest.mark.parametrize(
    ("query", "slip"),
    [
        ("SELECT name FROM t WHERE stock <= 12", "SELECT name FROM t WHERE stock <= 13"),
        ("SELECT name FROM t WHERE stock <= low", "SELECT name FROM t WHERE stock > low"),
        ("SELECT name FROM t WHERE due < '2026-05-04'", "SELECT name FROM t WHERE due < '2026-06-04'"),
        ("SELECT MAX(price) FROM t", "SELECT MIN(price) FROM t"),
        ("SELECT name FROM t WHERE town = 'Amberley'", "SELECT name FROM t WHERE town <> 'Amberley'"),
        ("SELECT name FROM t ORDER BY price DESC LIMIT 1", "SELECT name FROM t ORDER BY price ASC LIMIT 1"),
        ("UPDATE t SET stock = 4 WHERE name = 'oats'", "UPDATE t SET stock = 5 WHERE name = 'oats'"),
        ("INSERT INTO t (name, stock) VALUES ('rye', 7)", "INSERT INTO t (name, stock) VALUES ('rye', 8)"),
    ],
)
def test_one_thing_is_otherwise(query: str, slip: str) -> None:
    assert slip in near_sql(query)


def test_the_assignment_of_an_update_stays_one() -> None:
    assert all("SET stock <> 4" not in text for text in near_sql("UPDATE t SET stock = 4 WHERE name = 'oats'"))


def test_every_slip_runs_where_the_query_does() -> None:
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE t (name TEXT, stock INTEGER, price REAL, due TEXT)")
    queries = [
        "SELECT name, SUM(price) FROM t WHERE due >= '2026-05-04' AND stock > 3 GROUP BY name ORDER BY 2 DESC LIMIT 3",
        "SELECT COUNT(*) FROM t WHERE name LIKE '%oats%' AND due IS NULL",
        "SELECT AVG(price) FROM t WHERE stock BETWEEN 2 AND 9",
    ]
    for query in queries:
        base.execute(query)
        for slip in near_sql(query):
            base.execute(slip)
            assert slip != query
    base.close()


def test_what_is_no_sql_has_no_slips() -> None:
    assert near_sql("SELECT (((") == []
