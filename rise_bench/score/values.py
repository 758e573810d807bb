"""Are two values the same, by type? Never by string similarity (DESIGN 4.1)."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import JsonValue

from rise_bench.refs import ROOT
from rise_bench.score.sql import same_sql
from rise_bench.score.text import normal_text, parse_date, parse_datetime, reads_as_token, same_instant
from rise_bench.types import MatchKind, canonical

__all__ = ["normal_path", "same", "same_exact"]

Schema = dict[str, JsonValue]


def same(
    expected: JsonValue,
    found: JsonValue,
    kind: MatchKind = "exact",
    *,
    schema: Schema | None = None,
    root: str = "",
    tolerance: float = 1e-9,
) -> bool:
    """True iff `found` is `expected` under the rule `kind`.

    Args:
        expected: what the reference holds.
        found: what the agent sent.
        kind: the rule; `semantic` is not decided here (a judge's business) and falls back to `text`.
        schema: JSON Schema of the argument: a string is read as a number only where it says number.
        root: the sandbox's path as the agent saw it; paths are compared relative to it.
        tolerance: relative, for `number`.
    """
    if kind == "any" or (type(expected) in _PLAIN and type(expected) is type(found) and expected == found):
        return True
    rule = _RULES.get(kind)
    if rule is None:
        return same_exact(expected, found, schema)
    return rule(expected, found, schema, root, tolerance)


_PLAIN = (str, int, bool)
"""Types whose equal values are the same under every rule."""


def same_exact(expected: JsonValue, found: JsonValue, schema: Schema | None = None) -> bool:
    """Equal as JSON: key order free, 5 is 5.0, a bool is no number, "3" is 3 only where the schema says number."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return isinstance(expected, bool) and isinstance(found, bool) and expected == found
    if isinstance(expected, str) and isinstance(found, str):
        return expected == found or (_says_number(schema) and _numbers_equal(expected, found))
    if isinstance(expected, int | float) or isinstance(found, int | float):
        if isinstance(expected, str) or isinstance(found, str):
            return _says_number(schema) and _numbers_equal(expected, found)
        return _numbers_equal(expected, found)
    if isinstance(expected, list) and isinstance(found, list):
        item = _subschema(schema, "items")
        return len(expected) == len(found) and all(same_exact(a, b, item) for a, b in zip(expected, found, strict=True))
    if isinstance(expected, dict) and isinstance(found, dict):
        properties = _subschema(schema, "properties") or {}
        return expected.keys() == found.keys() and all(
            same_exact(value, found[key], _subschema(properties, key)) for key, value in expected.items()
        )
    return expected is None and found is None


def _subschema(schema: Schema | None, key: str) -> Schema | None:
    inner = schema.get(key) if schema else None
    return inner if isinstance(inner, dict) else None


def _says_number(schema: Schema | None) -> bool:
    """Does the contract want a number here, and no text? `anyOf` with null is how optional numbers are published."""
    kinds = _kinds(schema) if schema else set()
    return bool(kinds & {"number", "integer"}) and "string" not in kinds


def _kinds(schema: Schema) -> set[object]:
    declared = schema.get("type")
    kinds: set[object] = (
        {item for item in declared if isinstance(item, str)} if isinstance(declared, list) else {declared}
    )
    for word in ("anyOf", "oneOf"):
        choices = schema.get(word)
        if isinstance(choices, list):
            kinds |= {choice.get("type") for choice in choices if isinstance(choice, dict)} - {None}
    return {kind for kind in kinds if isinstance(kind, str)}


_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,3})?\s*")
_ROUNDING = 1e-12
"""Relative difference of two floats that only arithmetic set apart (0.1 + 0.2 and 0.3)."""


def _number(value: JsonValue) -> int | float | None:
    """The number that a value is or reads as; whole numbers stay exact, however large."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        value = float(value) if any(mark in value for mark in ".eE") else int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    return None


def _numbers_equal(expected: JsonValue, found: JsonValue, tolerance: float = _ROUNDING) -> bool:
    """Within the relative tolerance; two whole numbers only if they are the same, unless a real tolerance is given."""
    left, right = _number(expected), _number(found)
    if left is None or right is None:
        return False
    if left == right:
        return True
    if isinstance(left, int) and isinstance(right, int) and tolerance <= _EXACT_BELOW:
        return False
    try:
        return math.isclose(left, right, rel_tol=tolerance)
    except OverflowError:
        return False


_EXACT_BELOW = 1e-9
"""`Critical.tolerance` by default: room for rounding, none for the next whole number."""


def _same_number(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if isinstance(found, str) != isinstance(expected, str) and not _says_number(schema):
        return False
    if _number(expected) is None:
        return same_exact(expected, found, schema)
    return _numbers_equal(expected, found, tolerance)


def _same_moment(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if not (isinstance(expected, str) and isinstance(found, str)):
        return same_exact(expected, found, schema)
    left, right = parse_datetime(expected), parse_datetime(found)
    if left is None or right is None:
        return expected.strip() == found.strip()
    return same_instant(left, right)


def _same_date(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if not (isinstance(expected, str) and isinstance(found, str)):
        return same_exact(expected, found, schema)
    left, right = parse_date(expected), parse_date(found)
    return left == right if left and right else expected.strip() == found.strip()


_SOMEWHERE = f"/{ROOT}" * 8
"""Stands for a root that is not known: deep, so that no `..` climbs out of it."""


def normal_path(value: str, root: str = "") -> str:
    """The path as the sandbox means it: relative to its root, `.`, `..`, doubled and trailing slashes resolved."""
    path = value.strip()
    if path.startswith("file://"):
        path = unquote(path.removeprefix("file://").removeprefix("localhost"))
    home = posixpath.normpath(root) if root else _SOMEWHERE
    for prefix in (ROOT, "~"):  # the sandbox is the server's home
        if path == prefix or path.startswith(prefix + "/"):
            path = home + path[len(prefix) :]
            break
    path = posixpath.normpath(posixpath.join(home, path))
    if path.startswith("//"):
        path = path[1:]
    if path == home:
        return "."
    return path.removeprefix(home.rstrip("/") + "/")


def _same_path(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if isinstance(expected, str) and isinstance(found, str):
        return normal_path(expected, root) == normal_path(found, root)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            _same_path(a, b, None, root, tolerance) for a, b in zip(expected, found, strict=True)
        )
    return same_exact(expected, found, schema)


def _normal_url(value: str) -> tuple[object, ...]:
    parts = urlsplit(value.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (parts.scheme.lower(), port) in (("http", 80), ("https", 443)):
        port = None
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    path = unquote(re.sub("%2f", "%252F", parts.path, flags=re.IGNORECASE)) or "/"  # a coded slash is no separator
    who = (parts.username, parts.password)
    return parts.scheme.lower(), who, (parts.hostname or "").lower(), port, path, query, parts.fragment


def _same_url(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if not (isinstance(expected, str) and isinstance(found, str)):
        return same_exact(expected, found, schema)
    try:
        return _normal_url(expected) == _normal_url(found)
    except ValueError:
        return expected.strip() == found.strip()


def _same_set(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if not (isinstance(expected, list) and isinstance(found, list)):
        return same_exact(expected, found, schema)
    return {_key(item) for item in expected} == {_key(item) for item in found}


def _key(value: JsonValue) -> str:
    """Canonical text under which equal JSON values collide: 5 and 5.0 alike, True apart from 1."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return "[" + ",".join(_key(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{name!r}:{_key(value[name])}" for name in sorted(value)) + "}"
    return canonical(value)


def _same_text(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if isinstance(expected, str) and isinstance(found, str):
        if expected == found:
            return True
        if reads_as_token(expected) or reads_as_token(found):
            return _squeeze(expected) == _squeeze(found)
        left, right = normal_text(expected), normal_text(found)
        return bool(left) and left == right
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            _same_text(a, b, _subschema(schema, "items"), root, tolerance) for a, b in zip(expected, found, strict=True)
        )
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            _same_text(value, found[key], None, root, tolerance) for key, value in expected.items()
        )
    return same_exact(expected, found, schema)


def _squeeze(text: str) -> str:
    """Blanks around operators and at the ends mean nothing in code and numbers; every other character does.

    Inside quotes blanks mean something, and so do lines and indents where there is more than one line.
    """
    stripped = text.strip()
    if "\n" in stripped:
        return "\n".join(line.rstrip() for line in stripped.splitlines())
    if "'" in stripped or '"' in stripped:
        return stripped
    return _AROUND_OPERATORS.sub(r"\1", " ".join(stripped.split()))


_AROUND_OPERATORS = re.compile(r"\s*([-+*/^=<>(),;:{}\[\]])\s*")


def _same_enum(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if isinstance(expected, str) and isinstance(found, str):
        return expected.strip().casefold() == found.strip().casefold()
    return same_exact(expected, found, schema)


def _same_sql(expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float) -> bool:
    if not (isinstance(expected, str) and isinstance(found, str)):
        return same_exact(expected, found, schema)
    return same_sql(expected, found)


Rule = Callable[[JsonValue, JsonValue, Schema | None, str, float], bool]

_RULES: dict[str, Rule] = {
    "number": _same_number,
    "datetime": _same_moment,
    "date": _same_date,
    "path": _same_path,
    "url": _same_url,
    "set": _same_set,
    "text": _same_text,
    "semantic": _same_text,
    "enum": _same_enum,
    "sql": _same_sql,
}


def any_same(
    expected: Sequence[JsonValue],
    found: JsonValue,
    kind: MatchKind,
    *,
    schema: Schema | None = None,
    root: str = "",
    tolerance: float = 1e-9,
) -> bool:
    """True iff `found` is one of the accepted values."""
    return any(same(value, found, kind, schema=schema, root=root, tolerance=tolerance) for value in expected)
