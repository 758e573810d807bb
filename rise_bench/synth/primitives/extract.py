"""The things that a tool's result names, with their kinds: records, listings and folders, in JSON or in text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from rise_bench.refs import ROOT, escape, strict_json
from rise_bench.synth.primitives.kinds import FILE, FOLDER, LABELS, MARKS, field_kind, wanted, words
from rise_bench.types import Tool

__all__ = ["TEXTS", "Found", "found_in", "read_value"]

LONGEST = 200
"""Characters of a value beyond which it names nothing."""

PARTS = {
    "table": "column",
    "database": "table",
    "workbook": "sheet",
    "repository": "branch",
    "calendar": "event",
    "study": "trial",
    "folder": FILE,
    "request": "task",
}
"""What a tool lists that describes one thing of a kind."""

_BAG = frozenset([
    "result", "results", "items", "data", "content", "contents", "children", "rows", "matches", "list", "value",
    "values", "records", "output", "entries",
])  # fmt: skip
"""Keys that say only that there are things below."""

TEXTS = frozenset({FILE, "content", "contents", "text", "media"})
"""Nouns of tools that give what is in a file: its words name nothing."""

_MEASURES = frozenset([
    "size", "total", "count", "created", "modified", "updated", "accessed", "permission", "mode", "timestamp", "time",
    "duration", "version", "cid", "notnull", "pk", "dflt", "length", "byte", "success", "error", "ok", "elapsed",
    "limit", "offset", "ctag", "etag", "page", "permissions",
])  # fmt: skip
"""Fields that measure a thing, or tell how a call went."""


class Found(NamedTuple):
    """Something that a result names."""

    kind: str
    value: JsonValue
    pointer: str
    label: str


def read_value(text: str) -> JsonValue:
    """A text read as JSON or as a Python literal where it is one, else the text."""
    bare = text.strip()
    if bare[:1] not in "[{" or not bare:
        return text
    try:
        return strict_json(bare)
    except ValueError:
        pass
    try:
        found: JsonValue = ast.literal_eval(bare) if len(bare) < 100_000 else text
        return found if isinstance(found, list | dict) else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def found_in(tool: Tool, noun: str, arguments: Mapping[str, JsonValue], value: JsonValue) -> Iterator[Found]:
    """What one result names.

    Args:
        noun: what the tool is about.
        arguments: of the call; a path among them is what listed names are below.
        value: the result value, the sandbox's path as `{root}`.
    """
    told = {wanted(tool, name, None): given for name, given in arguments.items()}
    if noun in told and noun in PARTS and not set(words(tool.name)) & {"list"}:
        noun = PARTS[noun]
    folder = next((str(told[kind]) for kind in (FOLDER, FILE) if kind in told), ROOT)
    yield from _walk(value, noun, folder, "", texts=noun not in TEXTS)


def _walk(value: JsonValue, noun: str, folder: str, pointer: str, *, texts: bool) -> Iterator[Found]:
    if isinstance(value, str):
        inner = read_value(value)
        if not isinstance(inner, str):
            for found in _walk(inner, noun, folder, "", texts=texts):
                yield found._replace(pointer=pointer)
        elif texts or "[FILE]" in value or "[DIR]" in value:
            yield from _text(value, noun, folder, pointer)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            below = f"{pointer}/{number}"
            if isinstance(item, str) and len(item) <= LONGEST and "\n" not in item:
                yield from _named(noun, item, below, "", folder)
            elif isinstance(item, int) and not isinstance(item, bool):
                yield Found(noun, item, below, "")
            else:
                yield from _walk(item, noun, folder, below, texts=texts)
    elif isinstance(value, dict):
        yield from _record(value, noun, folder, pointer, texts=texts)


def _record(value: dict[str, JsonValue], noun: str, folder: str, pointer: str, *, texts: bool) -> Iterator[Found]:
    """The fields of one object, and what lies below it."""
    if value.get("type") in ("file", "directory") and isinstance(value.get("name"), str):
        yield from _tree(value, folder, pointer)
        return
    label = next((str(value[key]) for key in value if key.lower() in LABELS and isinstance(value[key], str)), "")
    for key, item in value.items():
        below, kind = f"{pointer}/{escape(key)}", field_kind(key, noun)
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            long = isinstance(item, str) and (len(item) > LONGEST or "\n" in item or read_value(item) is not item)
            if long:
                yield from _walk(item, noun if key in _BAG else kind, folder, below, texts=texts)
            elif not (isinstance(item, float) or key in _BAG or item == ""):
                marked = bool(set(words(key)) & MARKS)
                yield from _named(kind, item, below, label if marked and str(item) != label else "", folder)
        elif isinstance(item, list | dict):
            yield from _walk(item, noun if key in _BAG else field_kind(key, noun), folder, below, texts=texts)


def _tree(value: dict[str, JsonValue], folder: str, pointer: str) -> Iterator[Found]:
    """A file or folder of a tree, and what is below it."""
    path = f"{folder.rstrip('/')}/{value['name']}"
    yield Found(FILE if value["type"] == "file" else FOLDER, path, f"{pointer}/name", str(value["name"]))
    children = value.get("children")
    for number, child in enumerate(children if isinstance(children, list) else []):
        if (
            isinstance(child, dict)
            and child.get("type") in ("file", "directory")
            and isinstance(child.get("name"), str)
        ):
            yield from _tree(child, path, f"{pointer}/children/{number}")


def _named(kind: str, value: JsonValue, pointer: str, label: str, folder: str = ROOT) -> Iterator[Found]:
    """One value; a path below the sandbox is a file or a folder whatever its field is called.

    Args:
        folder: what a listed file's bare name is below.
    """
    if kind in _MEASURES or value in ("true", "false", "null", "None"):
        return
    if kind in (FILE, FOLDER) and isinstance(value, str) and re.fullmatch(r"(?![/{])[^:<>|\n]{1,120}", value):
        label, value = label or value.rpartition("/")[2], f"{folder.rstrip('/')}/{value.removeprefix('./')}"
    if isinstance(value, str) and (value.startswith(ROOT + "/") or value == ROOT):
        last = value.rpartition("/")[2]
        kind = FILE if re.search(r"\.\w{1,5}$", last) and not last.startswith(".") else FOLDER
        label = label or last
    yield Found(kind, value, pointer, label)


def _text(text: str, noun: str, folder: str, pointer: str) -> Iterator[Found]:
    """Listings in text: `[FILE] name`, bullets, `key: value`, table rows, paths."""
    header: list[str] = []
    for line in text.splitlines()[:400]:
        if entry := re.match(r"\s*\[(FILE|DIR)\]\s+(.+?)(?:\s{2,}[\d.]+ \w+)?\s*$", line):
            kind = FILE if entry[1] == "FILE" else FOLDER
            yield Found(kind, f"{folder.rstrip('/')}/{entry[2]}", pointer, entry[2])
        elif line.lstrip().startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not header:
                header = cells
            elif not all(re.fullmatch(r":?-*:?", cell) for cell in cells):
                for name, cell in zip(header, cells, strict=False):
                    yield from _short(field_kind(name, noun), cell, pointer, folder)
        elif path := re.search(r"\{root\}/[^\s'\"<>|,;)]+", line):
            yield from _named(noun, path[0].rstrip(".:"), pointer, "")
        elif pair := re.match(r"\s*(?:[-*]\s+)?\**([A-Za-z][\w ]{0,24}?)\**\s*[:=]\**\s+(\S.*)$", line):
            yield from _short(field_kind(pair[1], noun), pair[2].strip("\"'`* "), pointer, folder)
        elif bullet := re.match(r"\s*(?:[-*]|\d+[.)])\s+(\S.*)$", line):
            yield from _short(noun, bullet[1].strip("\"'`* "), pointer, folder)
        elif re.fullmatch(r"\s*[\w./-]{1,60}\s*", line) and len(text.splitlines()) < 100:
            yield from _short(noun, line.strip(), pointer, folder)


def _short(kind: str, value: str, pointer: str, folder: str) -> Iterator[Found]:
    if 0 < len(value) <= LONGEST:
        yield from _named(kind, value, pointer, "", folder)
