"""What a field or an argument is about, from its name and description: the kinds by which values meet arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from rise_bench.types import Tool

__all__ = ["FILE", "FOLDER", "LABELS", "MARKS", "extensions", "field_kind", "is_new", "tool_noun", "wanted", "words"]

FILE, FOLDER = "file", "folder"

LABELS = frozenset({"name", "title", "summary", "label", "subject", "alias", "caption"})
"""Words of a field that tells how people call a thing."""

MARKS = LABELS | {
    "id",
    "uid",
    "uuid",
    "guid",
    "url",
    "uri",
    "key",
    "slug",
    "identifier",
    "hash",
    "sha",
    "number",
    "index",
    "ref",
}
"""Words of a field that names a thing without saying which kind of thing it is."""

_SAME = {
    "directory": FOLDER,
    "dir": FOLDER,
    "subdirectory": FOLDER,
    "filename": FILE,
    "filepath": FILE,
    "repo": "repository",
    "worksheet": "sheet",
    "node": "entity",
    "doc": "document",
    "db": "database",
    "observation": "entity",
    "msg": "message",
    "mail": "message",
}
"""Words for one kind of thing, to the word that is used for it here."""

_PAST = frozenset([
    "new", "old", "source", "target", "from", "to", "by", "the", "my", "current", "all", "input", "output",
    "first", "second", "other", "given", "main", "full", "absolute",
])  # fmt: skip
"""Words before a noun that do not change what it is."""

_VERBS = frozenset([
    "list", "get", "read", "describe", "show", "find", "search", "open", "fetch", "view", "load", "query",
    "check", "count", "browse", "scan", "extract", "preview", "mcp",
])  # fmt: skip
_CUT = frozenset([
    "with", "by", "of", "for", "from", "in", "at", "on", "to", "and", "as", "without",
])  # fmt: skip
_MAKES = frozenset([
    "create", "add", "insert", "new", "write", "make", "save", "generate", "export", "build", "append", "draft",
    "schedule", "render", "draw", "import", "copy", "move", "rename",
])  # fmt: skip
_NEW = frozenset(["new", "output", "destination", "dest", "out", "save", "target", "export"])

_FOLDERS = frozenset([
    "directory", "folder", "dir", "repo", "repository", "vault", "workspace", "root", "directories", "folders",
    "cwd",
])  # fmt: skip
_PATHS = frozenset(["path", "paths", "file", "files", "filename", "filepath", "filenames"])

_EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "pcap": ("pcap", "pcapng"),
    "shapefile": ("shp",),
    "pdf": ("pdf",),
    "notebook": ("ipynb",),
    "csv": ("csv",),
    "docx": ("docx",),
    "word": ("docx",),
    "pptx": ("pptx",),
    "powerpoint": ("pptx",),
    "presentation": ("pptx",),
    "xlsx": ("xlsx",),
    "excel": ("xlsx",),
    "workbook": ("xlsx",),
    "spreadsheet": ("xlsx",),
    "image": ("png", "jpg", "jpeg"),
    "video": ("mp4",),
    "audio": ("wav", "mp3"),
    "markdown": ("md",),
    "ics": ("ics",),
    "sqlite": ("db", "sqlite"),
    "json": ("json",),
    "text": ("txt", "md", "csv"),
}
"""A word that says what is in a file, to how such files end; the more telling words first."""


def words(name: str) -> list[str]:
    """The words of a name in camel, snake or kebab case, lower case."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name))
    return re.findall(r"[a-z0-9]+", spaced.lower())


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ss|x|ch|sh)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not re.search(r"(ss|us|is)$", word) and len(word) > 3 else word


def field_kind(name: str, around: str = "") -> str:
    """The kind of thing that a field names; `around` where the name says only that it names something."""
    parts = [_singular(word) for word in words(name)]
    while parts and parts[-1] in MARKS | {"path", "uris", "value"}:
        parts.pop()
    parts = [part for part in parts if part not in _PAST]
    if not parts:
        return around
    return _SAME.get(parts[-1], parts[-1])


def tool_noun(tool: Tool) -> str:
    """What a tool is about, in one word: `table` for `list_tables`; its server's name where it has no noun."""
    parts = [word for word in words(tool.name) if word not in words(tool.server)] or words(tool.name)
    if parts[-1] in _VERBS:  # such as `task_list`
        parts.pop()
    for number, part in enumerate(parts):
        if number and part in _CUT:
            parts = parts[:number]
            break
    parts = [part for part in parts if part not in MARKS]
    nouns = [_singular(part) for part in parts if part not in _VERBS | _MAKES | _PAST]
    return _SAME.get(nouns[-1], nouns[-1]) if nouns else tool.server


def _schema_text(schema: JsonValue) -> str:
    found = schema.get("description") if isinstance(schema, dict) else None
    return found.casefold() if isinstance(found, str) else ""


def wanted(tool: Tool, argument: str, schema: JsonValue) -> str:
    """The kind of value that an argument takes: `file`, `folder`, or the noun of its name, else of its tool."""
    told, about = set(words(argument)), _schema_text(schema)
    if told & _FOLDERS and not told & {"id", "name"}:
        return FOLDER
    if told & _PATHS:
        return _path_kind(tool, told, about)
    if argument in ("source", "destination") and re.search(
        r"\b(file|path|folder|directory)", about or tool.description.casefold()
    ):
        return FILE
    around = tool_noun(tool)
    return field_kind(argument, around)


def _path_kind(tool: Tool, told: set[str], about: str) -> str:
    if told & {"project"}:
        return FOLDER
    if told & {"file", "files", "filename", "filepath", "output"}:
        return FILE
    folders = bool(re.search(r"\b(director|folder)", about)) and not re.search(r"\bfiles?\b", about)
    if folders or set(words(tool.name)) & (_FOLDERS | {"tree", "search", "list", "ls"}):
        return FOLDER
    return FILE


def is_new(tool: Tool, argument: str) -> bool:
    """Does the argument name something that is not there yet?"""
    told, does = set(words(argument)), set(words(tool.name))
    if told & _NEW:
        return True
    makes = bool(does & _MAKES)
    return makes and bool(told <= LABELS | {"id", "path", "file", "filename", "filepath", "content", "description"})


def extensions(tool: Tool, argument: str, schema: JsonValue) -> tuple[str, ...]:
    """How the files end that an argument takes; empty where nothing says so."""
    for text in (argument, _schema_text(schema), tool.name, tool.server, tool.description.casefold()[:200]):
        told = words(text)
        for word, ends in _EXTENSIONS.items():
            if word in told or any(end in told for end in ends if len(end) > 2):
                return ends
    return ()
