"""Are two values the same, by type? Never by string similarity (DESIGN 4.1)."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import JsonValue

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
    if kind == "any":
        return True
    rule = _RULES.get(kind)
    if rule is None:
        return same_exact(expected, found, schema)
    return rule(expected, found, schema, root, tolerance)


def same_exact(expected: JsonValue, found: JsonValue, schema: Schema | None = None) -> bool:
    """Equal as JSON: key order free, 5 is 5.0, a bool is no number, "3" is 3 only where the schema says number."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return isinstance(expected, bool) and isinstance(found, bool) and expected == found
    if isinstance(expected, str) and isinstance(found, str):
        return expected == found or (_says_number(schema) and _numbers_equal(expected, found, 1e-9))
    if isinstance(expected, int | float) or isinstance(found, int | float):
        if isinstance(expected, str) or isinstance(found, str):
            return _says_number(schema) and _numbers_equal(expected, found, 1e-9)
        return _numbers_equal(expected, found, 1e-9)
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
    declared = (schema or {}).get("type")
    kinds = declared if isinstance(declared, list) else [declared]
    return ("number" in kinds or "integer" in kinds) and "string" not in kinds


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*", value):
        return float(value)
    return None


def _numbers_equal(expected: JsonValue, found: JsonValue, tolerance: float) -> bool:
    left, right = _number(expected), _number(found)
    if left is None or right is None:
        return False
    return left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=1e-12)


def _same_number(
    expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float
) -> bool:
    if isinstance(found, str) != isinstance(expected, str) and not _says_number(schema):
        return False
    if _number(expected) is None:
        return same_exact(expected, found, schema)
    return _numbers_equal(expected, found, tolerance)


def _same_moment(
    expected: JsonValue, found: JsonValue, schema: Schema | None, root: str, tolerance: float
) -> bool:
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


def normal_path(value: str, root: str = "") -> str:
    """The path as the sandbox means it: relative to its root, `.`, `..`, doubled and trailing slashes resolved."""
    path = value.strip()
    if path.startswith("file://"):
        path = unquote(path.removeprefix("file://"))
    for prefix in ("{root}", root):
        if prefix and (path == prefix or path.startswith(prefix.rstrip("/") + "/")):
            path = path[len(prefix.rstrip("/")) :].lstrip("/") or "."
            break
    if path == "~" or path.startswith("~/"):
        path = path[1:].lstrip("/")
    return posixpath.normpath(path or ".")


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
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, unquote(parts.path) or "/", query, parts.fragment


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
    if isinstance(value, float) and value.is_integer():
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
    """Blanks around operators and at the ends mean nothing in code and numbers; every other character does."""
    return re.sub(r"\s*([-+*/^=<>(),;:{}\[\]])\s*", r"\1", " ".join(text.split()))


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
