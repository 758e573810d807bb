"""Takes structured text files and SQLite databases apart into canonical leaves."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pydantic import JsonValue

from rise_bench.ground.folders import scratch
from rise_bench.refs import strict_json
from rise_bench.types import canonical

__all__ = [
    "MAX_CHARACTERS",
    "Leaves",
    "Unreadable",
    "decode",
    "escape",
    "ics_leaves",
    "json_leaves",
    "jsonl_leaves",
    "sqlite_leaves",
]

MAX_LEAVES = 100_000

MAX_CHARACTERS = 8 * 1024 * 1024
"""Of the names and texts of one file's leaves, and bytes of a text file that is taken apart."""

MAX_SIGNS = 1_000_000
"""Commas and opening brackets of a JSON text, each of which may become an object of this process."""

MAX_NESTED = 10
MAX_KIND = 100
"""Calendar components inside one another, and characters of what one is called."""

ROWID = ("rowid", "oid", "_rowid_")
"""Names of a row's number, as far as no column has taken them."""

ICS_VOLATILE = {"DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE", "PRODID", "VERSION", "CALSCALE", "X-RADICALE-NAME"}
"""Stamps and bookkeeping of the program that wrote the file."""


class Unreadable(Exception):
    """A file is not what its name says, or too large to be taken apart."""


class Leaves(dict[str, str]):
    """Leaves of one file, whose names may repeat in it: no more of them than this process can well hold."""

    def __init__(self) -> None:
        super().__init__()
        self._met: Counter[str] = Counter()
        self._size = 0

    def put(self, name: str, text: str) -> None:
        """Add a leaf; a name that is taken gets a number.

        Raises:
            Unreadable: there are too many, or they hold too much text.
        """
        free = name
        while free in self:
            self._met[name] += 1
            free = f"{name}.{self._met[name] + 1}"
        self._size += len(free) + len(text)
        if len(self) >= MAX_LEAVES or self._size > MAX_CHARACTERS:
            raise Unreadable
        self[free] = text


def escape(part: str) -> str:
    """A name as one step of a path (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def json_leaves(data: bytes) -> dict[str, str]:
    """RFC 6901 pointer to canonical JSON of every scalar and every empty container.

    Raises:
        Unreadable: no JSON, or too many leaves.
    """
    leaves = Leaves()
    for pointer, text in _walk(_json(decode(data)), ""):
        leaves.put(pointer, text)
    return leaves


def decode(data: bytes) -> str:
    """The text of a file that is taken apart.

    Raises:
        Unreadable: it is too long or not UTF-8.
    """
    if len(data) > MAX_CHARACTERS:
        raise Unreadable
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable from error


def _json(text: str) -> JsonValue:
    if _signs(text) > MAX_SIGNS:
        raise Unreadable
    try:
        return strict_json(text)
    except ValueError as error:
        raise Unreadable from error


def _signs(text: str) -> int:
    return sum(map(text.count, ",[{"))


def _walk(value: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _walk(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _walk(item, f"{pointer}/{index}")
    else:
        yield pointer, canonical(value)


def jsonl_leaves(data: bytes, fields: tuple[str, ...] = ()) -> dict[str, str]:
    """Leaves of JSON Lines.

    With `fields`, line to its canonical JSON, by the values of those it has: `entity/Ada`. Else, where all lines are
    objects with ids of their own, field to its own: `id/12/due`; the ids in order are the leaf `ids` where they do not
    ascend. Else line by position: `/3`.

    Raises:
        Unreadable: not UTF-8, a line that is no JSON, or too many lines.
    """
    text = decode(data)
    values: Iterable[JsonValue] = (_json(line) for line in text.split("\n") if line.strip())
    if not fields and _signs(text) <= MAX_SIGNS:
        values = list(values)
        if ids := _ids(values):
            with suppress(Unreadable):  # as lines they may be few enough
                return _fields(values, ids)
    leaves = Leaves()
    for index, value in enumerate(values):
        name = f"/{index}"
        if fields and isinstance(value, dict):
            name = "/".join(escape(str(value[key])) for key in fields if key in value) or name
        leaves.put(name, canonical(value))
    return leaves


def _ids(values: list[JsonValue]) -> list[int] | list[str]:
    """What every value has as `id`; empty where one has none, or they are not all numbers or all texts, or repeat."""
    found = [value.get("id") if isinstance(value, dict) else None for value in values]
    numbers = [one for one in found if isinstance(one, int) and not isinstance(one, bool)]
    texts = [one for one in found if isinstance(one, str) and one]
    ids: list[int] | list[str] = numbers if len(numbers) == len(found) else texts
    return ids if len(set(ids)) == len(found) else []


def _fields(values: list[JsonValue], ids: list[int] | list[str]) -> Leaves:
    leaves = Leaves()
    for value, name in zip(values, ids, strict=True):
        for pointer, text in _walk(value, f"id/{escape(str(name))}"):
            leaves.put(pointer, text)
    if ids != sorted(ids):
        leaves.put("ids", canonical(list(ids)))
    return leaves


def sqlite_leaves(data: bytes, log: bytes = b"") -> dict[str, str]:
    """`table/key` to the row as canonical JSON, and `schema/name` to the statement that made it.

    The key is the primary key, else the rowid.

    Args:
        data: the database's bytes.
        log: those of its write-ahead log.

    Raises:
        Unreadable: a broken database, or too many rows.
    """
    with scratch() as folder:
        copy = folder / "copy.db"
        try:
            copy.write_bytes(data)
            if log:
                copy.with_name("copy.db-wal").write_bytes(log)
            connection = sqlite3.connect(copy)
            try:
                connection.execute("PRAGMA trusted_schema=OFF")
                connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
                leaves = Leaves()
                for name, text in _rows(connection):
                    leaves.put(name, text)  # NULL keys repeat, and so do 1 and '1' in a column without a type
                return leaves
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise Unreadable from error


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    schema = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    for kind, name, sql in schema:
        yield f"schema/{escape(name)}", " ".join(sql.split())
        if kind != "table" or name.startswith("sqlite_") or sql.upper().lstrip().startswith("CREATE VIRTUAL"):
            continue
        quoted = _quoted(name)
        # Generated columns are not among these: they follow from the others, and may cost what they like to compute.
        columns = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
        keys = [column[1] for column in sorted(columns, key=lambda column: column[5]) if column[5]]
        listed = [_quoted(column[1]) for column in columns]
        hidden = next((word for word in ROWID if word not in {column[1].casefold() for column in columns}), None)
        selected = ", ".join(listed if keys else [hidden or "NULL", *listed])
        cursor = connection.execute(f"SELECT {selected} FROM {quoted}")
        for row in cursor:
            values = row if keys else row[1:]
            record = {column[1]: _cell(value) for column, value in zip(columns, values, strict=True)}
            key = "/".join(escape(str(record[name])) for name in keys) if keys else str(row[0])
            yield f"{escape(name)}/{key}", canonical(record)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(value: object) -> JsonValue:
    if isinstance(value, bytes):
        return f"blob sha256:{hashlib.sha256(value).hexdigest()}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | str) else None


def ics_leaves(data: bytes) -> dict[str, str]:
    """`UID/PROPERTY` to value (parameters in front) of every component that has a UID; time zones left out.

    Raises:
        Unreadable: no calendar.
    """
    if b"BEGIN:VCALENDAR" not in data:
        raise Unreadable
    text = decode(data).replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
    leaves = Leaves()
    stack: list[tuple[str, list[tuple[str, str]]]] = []
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        if name.upper() == "BEGIN":
            stack.append((value.strip().upper(), []))
            if len(stack) > MAX_NESTED or len(value) > MAX_KIND:
                raise Unreadable
        elif name.upper() == "END" and stack:
            component, properties = stack.pop()
            _finish(leaves, stack, component, properties)
        elif line.strip() and stack:
            stack[-1][1].append((name, value))
    if stack:
        raise Unreadable
    return leaves


def _finish(
    leaves: Leaves,
    stack: list[tuple[str, list[tuple[str, str]]]],
    component: str,
    properties: list[tuple[str, str]],
) -> None:
    """Give a closed component's properties to the enclosing event, or write them out."""
    if component == "VTIMEZONE" or (stack and any(kind == "VTIMEZONE" for kind, _ in stack)):
        return
    if stack and stack[-1][0] != "VCALENDAR":
        stack[-1][1].extend((f"{component}.{name}", value) for name, value in properties)
        return
    named = {name.partition(";")[0].upper(): value for name, value in properties}
    owner = escape(named.get("UID", ""))
    if "RECURRENCE-ID" in named:
        owner = f"{owner}/{escape(named['RECURRENCE-ID'])}"
    for name, value in properties:
        bare, _, parameters = name.partition(";")
        # Programs write empty properties for what was not given.
        if bare.upper() not in ICS_VOLATILE and value:
            leaves.put(f"{owner}/{bare.upper()}", f"{parameters}:{value}" if parameters else value)
