"""Reference values and critical parameters from what another benchmark accepts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, product

from pydantic import JsonValue

from rise_bench.score.text import parse_date, parse_datetime
from rise_bench.types import Critical, MatchKind, canonical

__all__ = ["MOST_VARIANTS", "critical", "expand", "match_kind", "pointer"]

MOST_VARIANTS = 512
"""Accepted values kept of one argument; nested alternatives multiply."""


def pointer(name: str) -> str:
    """RFC 6901 pointer of a top-level argument."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def match_kind(values: Sequence[JsonValue], schema: JsonValue) -> MatchKind:
    """How an argument is compared, by its declared type and what is accepted (DESIGN 4.1, our design).

    Numbers by value; members of an enumeration with case folded; text that all reads as dates or as instants by what
    it means. All else by the rule `text`, which descends into lists and dicts in order, compares numbers as numbers,
    and folds nothing away in what reads as number, path, url, id or code.
    """
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        flat = not texts and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        return "number" if flat else "text"
    if isinstance(schema, dict) and "enum" in schema:
        return "enum"
    if all(not text.isdigit() and parse_date(text) for text in texts):  # eight digits may be an id
        return "date"
    if all(not text.isdigit() and parse_datetime(text) for text in texts):
        return "datetime"
    return "text"


def critical(
    call: int, name: str, values: Sequence[JsonValue], schema: JsonValue, *, optional: bool = False
) -> Critical:
    """The critical parameter `name` of a reference call whose own value is `values[0]`; the rest is as good.

    Whole numbers are compared exactly: a long one may be an identifier.
    """
    whole = all(isinstance(value, int) or (isinstance(value, float) and value.is_integer()) for value in values)
    return Critical(
        call=call,
        argument=pointer(name),
        match=match_kind(values, schema),
        accept=tuple(values[1:]),
        optional=optional,
        tolerance=0.0 if whole else 1e-9,
    )


def expand(value: JsonValue) -> list[JsonValue]:
    """Every plain value that a nested acceptance list allows, at most `MOST_VARIANTS`, without repetition.

    A dict lists the accepted values of each key, where `""` means that the key may be left out (a key that accepts only
    `""` is also written out as it stands). A list holds its items in order.
    """
    if isinstance(value, dict):
        return _expand_dict(value)
    if isinstance(value, list):
        variants = product(*(expand(item) for item in value))
        return [list(items) for items in islice(variants, MOST_VARIANTS)]
    return [value]


_LEFT_OUT = object()


def _expand_dict(value: dict[str, JsonValue]) -> list[JsonValue]:
    choices: list[list[object]] = []
    for accepted in value.values():
        if not isinstance(accepted, list):
            accepted = [accepted]
        plain = [variant for item in accepted if item != "" for variant in expand(item)]
        choices.append([*plain, *([_LEFT_OUT] if "" in accepted else []), *([""] if accepted == [""] else [])])
    found: dict[str, JsonValue] = {}
    for combination in islice(product(*choices), MOST_VARIANTS):
        variant = {key: item for key, item in zip(value, combination, strict=True) if item is not _LEFT_OUT}
        found.setdefault(canonical(variant), variant)  # type: ignore[arg-type]
    return list(found.values())
