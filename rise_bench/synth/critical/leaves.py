"""The parts of a chain's arguments that an agent can get wrong, each with its schema and how its values compare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import ROOT, at, bindings, escape, resolve, unescape
from rise_bench.score.text import reads_as_token
from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT
from rise_bench.synth.records import Chain
from rise_bench.types import MatchKind, Tool

__all__ = ["Leaf", "is_volatile", "is_wording", "kind_of", "leaves"]

Schema = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value in a call's arguments: a scalar, or a list without mappings in it as a whole."""

    call: int
    tool: str
    pointer: str
    """RFC 6901, into the call's arguments."""
    value: JsonValue
    """Bindings resolved to what the chain recorded."""
    bound: tuple[tuple[int, str], ...]
    """(producer, pointer into its result) of the bindings in it; empty where it is written out."""
    schema: Schema | None
    optional: bool
    """The call would be valid without the top-level argument that it is or is part of."""
    written: JsonValue = None
    """As the call has it, bindings unresolved."""
    beside: Mapping[str, JsonValue] = field(default_factory=dict)
    """What stands in the same object, itself among it, bindings resolved: the end beside a start."""
    volatile: bool = False
    """It is bound to what differs between honest runs."""

    @property
    def name(self) -> str:
        """The innermost key."""
        keys = [unescape(token) for token in self.pointer.split("/")[1:] if not token.isdigit()]
        return keys[-1] if keys else ""


def leaves(chain: Chain, tools: Mapping[str, Tool]) -> list[Leaf]:
    """All leaves of a chain's calls but those that only say where the sandbox is, in order.

    Raises:
        InputError: a binding finds nothing in what the chain recorded.
    """
    found: list[Leaf] = []
    for number, call in enumerate(chain.calls):
        tool = tools.get(call.tool)
        schema: Schema = tool.parameters if tool else {}
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        whole = resolve(dict(call.arguments), list(chain.recorded))
        for name, value in call.arguments.items():
            inner = _within(schema, name, schema)
            for pointer, part, part_schema in _parts(value, f"/{escape(name)}", inner, schema):
                resolved = resolve(part, list(chain.recorded))
                if _says_nothing(resolved):
                    continue
                bound = tuple((producer, source) for _, producer, source in bindings(part))
                found.append(
                    Leaf(
                        number,
                        call.tool,
                        pointer,
                        resolved,
                        bound,
                        part_schema,
                        name not in needed,
                        written=part,
                        beside=_beside(whole, pointer),
                        volatile=any(is_volatile(chain, *one) for one in bound),
                    )
                )
    return found


def is_volatile(chain: Chain, producer: int, pointer: str) -> bool:
    """Does this part of a call's result differ between honest runs?"""
    leaf = f"result:{producer}:{pointer}"
    return any(name == leaf or leaf.startswith(name.rstrip("/") + "/") for name in chain.volatile)


def _beside(arguments: JsonValue, pointer: str) -> Mapping[str, JsonValue]:
    holder = at(arguments, pointer.rpartition("/")[0])
    return holder if isinstance(holder, dict) else {}


def _parts(
    value: JsonValue, pointer: str, schema: Schema | None, whole: Schema
) -> Iterator[tuple[str, JsonValue, Schema | None]]:
    if isinstance(value, dict) and not _is_binding(value):
        for key, item in value.items():
            yield from _parts(item, f"{pointer}/{escape(key)}", _within(schema, key, whole), whole)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _parts(item, f"{pointer}/{index}", _items(schema, whole), whole)
    else:
        yield pointer, value, schema


def _is_binding(value: dict[str, JsonValue]) -> bool:
    try:
        return any(place == "" for place, _, _ in bindings(value))
    except InputError:
        return False


def _within(schema: Schema | None, key: str, whole: Schema) -> Schema | None:
    """Schema of a property."""
    plain = _plain(schema, whole)
    properties = plain.get("properties") if plain else None
    inner = properties.get(key) if isinstance(properties, dict) else None
    return _plain(inner, whole) if isinstance(inner, dict) else None


def _items(schema: Schema | None, whole: Schema) -> Schema | None:
    plain = _plain(schema, whole)
    inner = plain.get("items") if plain else None
    return _plain(inner, whole) if isinstance(inner, dict) else None


def _plain(schema: Schema | None, whole: Schema) -> Schema | None:
    """The schema itself behind a `$ref` to a definition, and of several choices the first that is not null."""
    for _ in range(4):
        if schema is None:
            return None
        reference, choices = schema.get("$ref"), schema.get("anyOf") or schema.get("oneOf")
        if isinstance(reference, str) and reference.startswith("#/"):
            schema = _defined(whole, reference)
        elif isinstance(choices, list):
            schema = next((one for one in choices if isinstance(one, dict) and one.get("type") != "null"), None)
        else:
            return schema
    return schema


def _defined(whole: Schema, reference: str) -> Schema | None:
    found: JsonValue = dict(whole)
    for token in reference.split("/")[1:]:
        found = found.get(unescape(token)) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _says_nothing(value: JsonValue) -> bool:
    """Nothing, or nothing but the sandbox itself: nobody has to be told where that is."""
    if isinstance(value, str):
        return value.strip().rstrip("/") in ("", ROOT, ".", "~")
    if isinstance(value, list):
        return all(_says_nothing(item) for item in value)
    return value is None or value == {}


_WORDING = re.compile(
    r"details?$|description$|reason|comment|explanation|justification|thought|rationale|original_?request"
)
"""Names of arguments whose wording a user leaves to the agent; titles, messages and contents are said word by word."""


def is_wording(leaf: Leaf) -> bool:
    """Is it free text whose wording the user leaves open, such as the remark with which a task is closed?"""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", leaf.name).casefold()
    return not leaf.bound and isinstance(leaf.value, str) and " " in leaf.value and bool(_WORDING.search(name))


def dictated(chain: Chain, tools: Mapping[str, Tool], request: str) -> frozenset[tuple[int, str]]:
    """(call, pointer) of free texts that a request gives word for word, and so does not leave open."""
    said = " ".join(request.split()).casefold()
    return frozenset(
        (leaf.call, leaf.pointer)
        for leaf in leaves(chain, tools)
        if is_wording(leaf) and " ".join(str(leaf.value).split()).strip(".!").casefold() in said
    )


_PATH_NAME = re.compile(r"path|file|folder|dir(?:ectory)?s?$|source|destination|target", re.IGNORECASE)
_SQL = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|REPLACE)\b", re.IGNORECASE)


def kind_of(leaf: Leaf) -> MatchKind:
    """How the argument is matched, by its value, name and schema (DESIGN 4.1)."""
    schema = leaf.schema or {}
    if "enum" in schema or "const" in schema:
        return "enum"
    if isinstance(leaf.value, list):
        return _kind_of_list(leaf)
    return _kind_of_scalar(leaf.value, leaf.name, schema)


def _kind_of_list(leaf: Leaf) -> MatchKind:
    """`set` for several plain values (their order is tried out), the item's own kind for one."""
    values = leaf.value if isinstance(leaf.value, list) else []
    if any(isinstance(item, list) for item in values):
        return "exact"
    kinds = {_kind_of_scalar(item, leaf.name, {}) for item in values}
    if kinds <= {"path"} or (len(values) == 1 and kinds <= {"text"}):
        return kinds.pop()
    return "set"


def _kind_of_scalar(value: JsonValue, name: str, schema: Schema) -> MatchKind:
    if isinstance(value, bool):
        return "exact"
    if isinstance(value, int | float):
        return "number"
    if not isinstance(value, str):
        return "exact"
    text = value.strip()
    if re.fullmatch(ISO_MOMENT, text):
        return "datetime"
    if re.fullmatch(ISO_DATE, text):
        return "date"
    if "://" in text:
        return "url"
    if _SQL.match(text) and " " in text:
        return "sql"
    if text.startswith(ROOT) or (_PATH_NAME.search(name) and re.fullmatch(r"[\w./{} -]*[./][\w./{} -]*|[\w-]+", text)):
        return "path"
    return "exact" if reads_as_token(text) else "text"
