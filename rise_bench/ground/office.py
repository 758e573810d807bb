"""Takes office documents apart: cells and formats of a workbook, parts of any other, never their time stamps."""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

from rise_bench.ground.leaves import MAX_CHARACTERS, Leaves, Unreadable
from rise_bench.types import canonical

__all__ = ["office_leaves", "xlsx_leaves"]

MAX_MEMBER = 64 * 1024 * 1024
MAX_TOTAL = 256 * 1024 * 1024
MAX_MEMBERS = 10_000
MAX_TAGS = 1_000_000
"""Angle brackets of an XML member that is taken apart, each of which may become an object of this process."""

ENTRY = b"PK\x01\x02"
"""Signature of a member in a zip file's table of contents."""

VOLATILE = re.compile(r"^(docProps/|_rels/|\[Content_Types\]|meta\.xml|Thumbnails/|.*/_rels/|xl/calcChain|xl/theme/)")
"""Stamps, tables of contents and what programs write without being asked."""

WORKBOOK_PARTS = re.compile(r"^xl/(workbook\.xml|worksheets/sheet[^/]*\.xml|sharedStrings\.xml|styles\.xml)$")

SHEET_NOISE = {"sheetData", "dimension", "sheetViews", "sheetPr", "sheetFormatPr", "pageMargins", "phoneticPr"}
"""Children of a sheet that are its cells, follow from them, or are a view on them."""


class _Package:
    """The members of a zipped document, read under limits."""

    def __init__(self, data: bytes) -> None:
        if data.count(ENTRY) > MAX_MEMBERS:
            raise Unreadable
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = sorted({name for name in self._zip.namelist() if not name.endswith("/")})
            if sum(entry.file_size for entry in self._zip.infolist()) > MAX_TOTAL:
                raise Unreadable
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise Unreadable from error

    def read(self, name: str) -> bytes:
        try:
            with self._zip.open(name) as member:
                data = member.read(MAX_MEMBER + 1)
        except (
            KeyError,
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            NotImplementedError,
            EOFError,
            ValueError,
        ) as error:
            raise Unreadable from error
        if len(data) > MAX_MEMBER:
            raise Unreadable
        return data

    def xml(self, name: str) -> Element | None:
        """The member's root element, None where there is no such member."""
        if name not in self.names:
            return None
        data = self.read(name)
        if data.count(b"<") > MAX_TAGS:
            raise Unreadable
        try:
            return ElementTree.fromstring(data)
        except (ParseError, ValueError, LookupError) as error:
            raise Unreadable from error

    def items(self, name: str) -> Iterator[Element]:
        """Children of the member's root element; none where there is no such member."""
        root = self.xml(name)
        if root is not None:
            yield from root


def office_leaves(data: bytes) -> dict[str, str]:
    """Member name to a hash of its canonical content, without the members that hold stamps.

    Raises:
        Unreadable: no zip file, or one that grows beyond the limits.
    """
    package = _Package(data)
    leaves = Leaves()
    for name in package.names:
        if not VOLATILE.match(name):
            leaves.put(name, _digest(package, name))
    return leaves


def _digest(package: _Package, name: str) -> str:
    content = package.read(name)
    if name.endswith((".xml", ".rels", ".vml")):
        with suppress(ParseError, UnicodeDecodeError, ValueError):
            content = ElementTree.canonicalize(content.decode("utf-8")).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def xlsx_leaves(data: bytes) -> dict[str, str]:
    """Leaves of a workbook.

    `Sheet1` (its place and whether it is hidden), `Sheet1!B2` (the formula with `=`, else the value as JSON),
    `Sheet1!B2/format` where it is formatted, `Sheet1/mergeCells` and the like, `names/NAME`, `properties/title`,
    `parts/xl/charts/chart1.xml`.

    Raises:
        Unreadable: no workbook, or one that grows beyond the limits.
    """
    package = _Package(data)
    book = package.xml("xl/workbook.xml")
    if book is None:
        raise Unreadable
    leaves = Leaves()
    strings = [_string(item) for item in package.items("xl/sharedStrings.xml")]
    formats = _formats(package.xml("xl/styles.xml"))
    targets = _targets(package)
    for place, sheet in enumerate(_children(book, "sheets")):
        name = sheet.get("name", "")
        leaves.put(name, canonical({"place": place, "state": sheet.get("state", "visible")}))
        root = package.xml(targets.pop(_attribute(sheet, "id"), ""))
        if root is not None:
            _sheet(leaves, name, root, strings, formats)
    for defined in _children(book, "definedNames"):
        scope = f"@{defined.get('localSheetId')}" if defined.get("localSheetId") else ""
        leaves.put(f"names/{defined.get('name', '')}{scope}", defined.text or "")
    for child in book:
        if _local(child) == "calcPr" and child.get("calcMode", "auto") != "auto":
            leaves.put("calculation", child.get("calcMode", ""))
        if _local(child) == "workbookProtection":
            leaves.put("protection", _plain_xml(child))
    for item in package.items("docProps/core.xml"):
        if _local(item) not in {"created", "modified", "lastModifiedBy", "revision"} and item.text:
            leaves.put(f"properties/{_local(item)}", item.text)
    for member in package.names:
        if not VOLATILE.match(member) and not WORKBOOK_PARTS.match(member):
            leaves.put(f"parts/{member}", _digest(package, member))
    return leaves


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(parent: Element, name: str) -> Iterator[Element]:
    """Children of the child of that name."""
    for child in parent:
        if _local(child) == name:
            yield from child


def _attribute(element: Element, name: str) -> str:
    """An attribute by its name without namespace (`r:id`)."""
    return next((value for key, value in element.items() if key.startswith("{") and key.endswith(f"}}{name}")), "")


def _string(item: Element) -> str:
    """A shared or inline string: its runs joined, reading aids left out."""
    return "".join(node.text or "" for node in item.iter() if _local(node) == "t")


def _targets(package: _Package) -> dict[str, str]:
    """Relation id to the member that it names."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for relation in package.items("xl/_rels/workbook.xml.rels"):
        target = relation.get("Target", "")
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
        if path not in taken:  # a member is one sheet, to be read once
            taken.add(path)
            found[relation.get("Id", "")] = path
    return found


def _formats(styles: Element | None) -> list[str]:
    """Per format index what it looks like; the default look is empty text."""
    if styles is None:
        return []
    numbers = {item.get("numFmtId"): item.get("formatCode", "") for item in _children(styles, "numFmts")}
    kinds = {kind: [_plain_xml(item) for item in _children(styles, kind)] for kind in ("fonts", "fills", "borders")}
    looks: list[str] = []
    size = 0
    for item in _children(styles, "cellXfs"):
        look = {"number": numbers.get(item.get("numFmtId"), item.get("numFmtId", "0"))}
        for kind, attribute in (("fonts", "fontId"), ("fills", "fillId"), ("borders", "borderId")):
            index = item.get(attribute, "0")
            known = kinds[kind]
            look[kind] = known[int(index)] if index.isdigit() and int(index) < len(known) else index
        look["other"] = "".join(_plain_xml(child) for child in item)
        looks.append(canonical(look))
        size += len(looks[-1])
        if size > MAX_CHARACTERS:
            raise Unreadable
    return ["" if look == looks[0] else look for look in looks]


def _plain_xml(element: Element) -> str:
    """The element as text without namespaces, attributes sorted."""
    attributes = "".join(f" {key.rpartition('}')[2]}={value!r}" for key, value in sorted(element.items()))
    inside = (element.text or "").strip() + "".join(_plain_xml(child) for child in element)
    name = _local(element)
    return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


def _sheet(leaves: Leaves, name: str, root: Element, strings: list[str], formats: list[str]) -> None:
    for row in _children(root, "sheetData"):
        for key in ("ht", "hidden"):
            if row.get(key) not in (None, "0"):
                leaves.put(f"{name}/row/{row.get('r')}/{key}", str(row.get(key)))
        for cell in row:
            place = cell.get("r", "")
            value = _cell(cell, strings)
            if value is not None:
                leaves.put(f"{name}!{place}", value)
            style = cell.get("s", "0")
            if style.isdigit() and int(style) < len(formats) and formats[int(style)]:
                leaves.put(f"{name}!{place}/format", formats[int(style)])
    kept = [child for child in root if _local(child) not in SHEET_NOISE]
    kept += [tab for tab in _children(root, "sheetPr") if _local(tab) == "tabColor"]
    kept += [pane for view in _children(root, "sheetViews") for pane in view if _local(pane) == "pane"]
    texts: dict[str, list[str]] = {}
    for child in kept:
        texts.setdefault(_local(child), []).append(_plain_xml(child))
    for kind, parts in texts.items():
        leaves.put(f"{name}/{kind}", "".join(parts))


def _cell(cell: Element, strings: list[str]) -> str | None:
    """Canonical content of a cell, None where it is empty. A formula counts, not the value that was computed last."""
    parts = {_local(child): child for child in cell}
    if "f" in parts:
        formula = parts["f"]
        shared = f" (shared {formula.get('si')})" if formula.get("t") == "shared" and not formula.text else ""
        return f"={formula.text or ''}{shared}"
    if "is" in parts:
        return canonical(_string(parts["is"]))
    text = parts["v"].text if "v" in parts else None
    if text is None:
        return None
    kind = cell.get("t", "n")
    if kind == "s":
        return canonical(strings[int(text)]) if text.isdigit() and int(text) < len(strings) else text
    if kind == "b":
        return "true" if text == "1" else "false"
    if kind == "n":
        return _number(text)
    return canonical(text)


def _number(text: str) -> str:
    """The number as canonical JSON: 5, 5.0 and 5E0 are one value."""
    try:
        number = float(text)
        return canonical(int(number) if number.is_integer() and abs(number) < 1e15 else number)
    except ValueError:
        return canonical(text)
