"""SQL over tables that exist: questions that somebody would ask of them, changes that somebody would make."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from rise_bench.synth.primitives.kinds import words
from rise_bench.synth.records import Entity
from rise_bench.types import Tool

__all__ = ["statements"]

_WRITES = frozenset(["write", "execute", "insert", "update", "delete", "modify"])


def statements(tool: Tool, entities: Sequence[Entity], rng: random.Random, count: int) -> list[str]:
    """Statements that the tool takes: questions for one that reads, changes for one that writes, else both.

    Args:
        entities: tables, and rows within them.
        count: at most so many.
    """
    rows: dict[str, list[dict[str, JsonValue]]] = {}
    for entity in entities:
        if entity.kind == "row" and isinstance(entity.value, dict):
            rows.setdefault(str(entity.within.get("table", "")), []).append(entity.value)
    does = set(words(tool.name))
    made: list[str] = []
    for table in sorted(rows):
        if "create" in does:
            made.append(_archive(table, rows[table][0]))
            continue
        if tool.effect != "write":
            made += _questions(table, rows[table], rng)
        if tool.effect == "write" or (tool.effect == "unknown" and does & _WRITES):
            made += _changes(table, rows[table], rng)
    rng.shuffle(made)
    return made[:count]


def _quoted(name: str) -> str:
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'


def _literal(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def _columns(rows: Sequence[Mapping[str, JsonValue]]) -> tuple[str, list[str], list[str]]:
    """The key (a first column whose values differ), numeric columns, and text columns."""
    names = list(rows[0])
    key = names[0]
    numbers = [n for n in names if n != key and _all(rows, n, (int, float)) and not n.lower().endswith("id")]
    texts = [n for n in names if n != key and _all(rows, n, str)]
    return key, numbers, texts


def _all(rows: Sequence[Mapping[str, JsonValue]], name: str, kind: type[object] | tuple[type[object], ...]) -> bool:
    values = [row.get(name) for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(v, kind) and not isinstance(v, bool) for v in values)


def _questions(table: str, rows: list[dict[str, JsonValue]], rng: random.Random) -> list[str]:
    key, numbers, texts = _columns(rows)
    name = _quoted(table)
    made = [f"SELECT COUNT(*) AS total FROM {name}"]
    for column in texts[:4]:
        value = rng.choice([row[column] for row in rows if row.get(column) is not None])
        shown = [_quoted(c) for c in dict.fromkeys((*numbers[:1], *[t for t in texts if t != column][:2]))] or ["*"]
        made.append(f"SELECT {', '.join(shown)} FROM {name} WHERE {_quoted(column)} = {_literal(value)}")
        if len({str(row.get(column)) for row in rows}) < len(rows):
            made.append(
                f"SELECT {_quoted(column)}, COUNT(*) AS total FROM {name} GROUP BY {_quoted(column)} "
                f"ORDER BY total DESC, {_quoted(column)}"
            )
            made.append(f"SELECT COUNT(*) AS total FROM {name} WHERE {_quoted(column)} = {_literal(value)}")
            made += [
                f"SELECT SUM({_quoted(n)}) AS total FROM {name} WHERE {_quoted(column)} = {_literal(value)}"
                for n in numbers[:2]
            ]
    for column in numbers[:3]:
        first = _quoted(texts[0]) if texts else _quoted(key)
        made.append(f"SELECT {first}, {_quoted(column)} FROM {name} ORDER BY {_quoted(column)} DESC, {first} LIMIT 3")
        limit = rng.choice([row[column] for row in rows if row.get(column) is not None])
        made.append(f"SELECT {first} FROM {name} WHERE {_quoted(column)} > {_literal(limit)} ORDER BY {first}")
        made.append(f"SELECT AVG({_quoted(column)}) AS average FROM {name}")
    row = rng.choice(rows)
    made.append(f"SELECT * FROM {name} WHERE {_quoted(key)} = {_literal(row[key])}")
    return made


def _changes(table: str, rows: list[dict[str, JsonValue]], rng: random.Random) -> list[str]:
    key, numbers, texts = _columns(rows)
    name, where = _quoted(table), ""
    made: list[str] = []
    for column in numbers[:2]:
        row = rng.choice(rows)
        where = f"WHERE {_quoted(key)} = {_literal(row[key])}"
        made.append(f"UPDATE {name} SET {_quoted(column)} = {rng.randint(2, 90)} {where}")
    for column in texts[:3]:
        others = sorted({str(row[column]) for row in rows if row.get(column) is not None})
        row = rng.choice(rows)
        others = [other for other in others if other != row.get(column)]
        if others:
            where = f"WHERE {_quoted(key)} = {_literal(row[key])}"
            made.append(f"UPDATE {name} SET {_quoted(column)} = {_literal(rng.choice(others))} {where}")
    row = rng.choice(rows)
    made.append(f"DELETE FROM {name} WHERE {_quoted(key)} = {_literal(row[key])}")
    keys = [row[key] for row in rows]
    if all(isinstance(one, int) for one in keys):
        new = {**row, key: 1000 + rng.randint(1, 900)}
        into = ", ".join(_quoted(column) for column in new)
        made.append(f"INSERT INTO {name} ({into}) VALUES ({', '.join(_literal(value) for value in new.values())})")
    return made


def _archive(table: str, row: Mapping[str, JsonValue]) -> str:
    kinds = {int: "INTEGER", float: "REAL"}
    columns = ", ".join(f"{_quoted(name)} {kinds.get(type(value), 'TEXT')}" for name, value in row.items())
    return f"CREATE TABLE {_quoted(table + '_archive')} ({columns})"
