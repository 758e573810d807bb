"""Arguments for a tool of values that exist, of calls known to work, and of plausible ones for the rest."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue
from referencing.jsonschema import EMPTY_REGISTRY

from rise_bench.refs import ROOT
from rise_bench.score.calls import plainly_valid
from rise_bench.synth.primitives.entities import is_sql
from rise_bench.synth.primitives.kinds import (
    FILE,
    FOLDER,
    LABELS,
    extensions,
    field_kind,
    is_new,
    tool_noun,
    wanted,
    words,
)
from rise_bench.synth.primitives.plausible import numbers, texts
from rise_bench.synth.primitives.queries import statements
from rise_bench.synth.primitives.seeds import Seed, bare_paths, brought_to, seeds_of, varied_value
from rise_bench.synth.records import Entity, World
from rise_bench.types import Tool, canonical

__all__ = ["Filler", "plain", "properties_of", "required_of"]

DEEP = 4
"""Levels of an argument that are filled in."""

OPTIONS = 24
"""Values that are weighed for one argument."""

_SEARCHES = frozenset(["search", "find", "filter", "match", "grep", "lookup"])
_TERMS = frozenset([
    "query", "search", "keyword", "keywords", "term", "text", "pattern", "q", "needle", "substring",
])  # fmt: skip


def properties_of(tool: Tool) -> dict[str, dict[str, JsonValue]]:
    """Name to schema of a tool's arguments, plain."""
    found = tool.parameters.get("properties")
    return {name: plain(schema, tool.parameters) for name, schema in found.items()} if isinstance(found, dict) else {}


def required_of(tool: Tool) -> list[str]:
    """Names of the arguments without which no call is valid."""
    found = tool.parameters.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def plain(schema: JsonValue, whole: Mapping[str, JsonValue], deep: int = DEEP) -> dict[str, JsonValue]:
    """The schema with references followed and its first choice that is not null taken, its own words kept."""
    if not isinstance(schema, dict) or deep <= 0:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        return plain(_at(whole, reference), whole, deep - 1) | {k: v for k, v in schema.items() if k != "$ref"}
    merged = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "allOf")}
    for keyword in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(keyword)
        parts = [plain(choice, whole, deep - 1) for choice in choices] if isinstance(choices, list) else []
        parts = [part for part in parts if part.get("type") != "null"]
        for part in parts if keyword == "allOf" else parts[:1]:
            merged = part | merged
    kinds = merged.get("type")
    if isinstance(kinds, list):
        merged["type"] = next((kind for kind in kinds if kind != "null"), "string")
    return merged


def _at(schema: Mapping[str, JsonValue], reference: str) -> JsonValue:
    whole: JsonValue = dict(schema)
    for token in reference[2:].split("/"):
        whole = whole.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(whole, dict) else None
    return whole


@lru_cache(maxsize=4096)
def _validator(schema: str) -> Any:
    return Draft202012Validator(json.loads(schema), registry=EMPTY_REGISTRY)


class Filler:
    """Fills arguments of one tool in one world.

    Args:
        known: what exists in the world.
        rng: of this tool in this world alone.
    """

    def __init__(self, world: World, tool: Tool, known: Sequence[Entity], rng: random.Random) -> None:
        self.tool = tool
        self.properties = properties_of(tool)
        self.required = required_of(tool)
        self.seeds = tuple(brought_to(seed, world.now) for seed in seeds_of(tool.id))
        self._now = world.now
        self._known = known
        self._rng = rng
        self._by_kind: dict[str, list[Entity]] = defaultdict(list)
        for entity in known:
            self._by_kind[entity.kind].append(entity)
        self._bare = bare_paths(tool.id)
        self._implied: dict[str, JsonValue] = {}
        """Names and kinds of arguments to the values that those chosen so far ask for, in the call that is being made."""

    def fill(self, names: Iterable[str], variant: int) -> dict[str, JsonValue] | None:
        """Values for the named arguments that belong together; None where one of them has no value at all.

        Args:
            variant: another one takes other values, as far as there are any.
        """
        return self._filled(names, variant, self.seeds[variant % len(self.seeds)] if self.seeds else None)

    def planted(self, seed: Seed, variant: int) -> dict[str, JsonValue] | None:
        """The known-good call with what exists in this world in the place of what existed in its own."""
        if any(name not in self.properties for name in (*seed.arguments, *seed.holes)):
            return None
        return self._filled((*seed.arguments, *seed.holes), variant, seed)

    def _filled(self, names: Iterable[str], variant: int, seed: Seed | None) -> dict[str, JsonValue] | None:
        self._implied = {}
        made: dict[str, JsonValue] = {}
        for name in sorted(names, key=self._depth, reverse=True):
            value = self._argument(name, variant, seed)
            if value is None:
                return None
            made[name] = value
        return {name: made[name] for name in self.properties if name in made}

    def _depth(self, name: str) -> int:
        """How much is implied by a value of the argument: a sheet goes before its workbook."""
        fitting = self._entities(name, self.properties.get(name, {}))
        return max((len(entity.within) for entity in fitting[:3]), default=0)

    def _argument(self, name: str, variant: int, seed: Seed | None) -> JsonValue:
        schema, implied = self.properties.get(name, {}), self._implied
        kind = wanted(self.tool, name, schema)
        if not is_new(self.tool, name):
            for key in (name, kind):
                if key in implied and self._fits(schema, implied[key]):
                    return self._shown(implied[key])
        if (found := self._existing(name, schema, variant)) is not None:
            value, entity = found
            implied.update(self._around(entity))
            implied[kind] = entity.value
            return value
        options = self._options(name, schema, seed, variant)
        return options[variant % len(options)] if options else None

    def _around(self, entity: Entity) -> dict[str, JsonValue]:
        """Argument names and kinds to the values that the entity lies within."""
        lister = Tool(server=self.tool.server, name=entity.tool.partition(".")[2])
        return {key: value for name, value in entity.within.items() for key in (name, wanted(lister, name, None))}

    # --- what exists --------------------------------------------------------------------------------------------------

    def _entities(self, name: str, schema: dict[str, JsonValue]) -> list[Entity]:
        """Entities that the argument could take, the best first."""
        if is_new(self.tool, name) or schema.get("enum") or is_sql(self.tool, name):
            return []
        kind = wanted(self.tool, name, schema)
        found = self._by_kind.get(kind) or self._described(name, schema)
        if kind in (FILE, FOLDER) and (ends := extensions(self.tool, name, schema) if kind == FILE else ()):
            found = [entity for entity in found if str(entity.value).rpartition(".")[2].lower() in ends] or found
        marks = set(words(name)) & {"id", "uid", "uuid", "url", "uri", "key", "hash", "sha"}
        allows = self._judge(schema)
        fitting = [entity for entity in found if allows(self._shown(entity.value))]
        if marks:
            told = [entity for entity in fitting if set(words(entity.pointer.rpartition("/")[2])) & marks]
            return told or [e for e in fitting if not set(words(e.pointer.rpartition("/")[2])) & LABELS]
        return sorted(fitting, key=lambda entity: not set(words(entity.pointer.rpartition("/")[2])) & LABELS)

    def _described(self, name: str, schema: dict[str, JsonValue]) -> list[Entity]:
        """Entities of a kind that the argument's description speaks of, where its name does not say the kind."""
        if len(name) > 8 or schema.get("type") not in ("string", "integer"):
            return []
        about = words(str(schema.get("description", ""))[:120])
        return next((self._by_kind[word] for word in about if word in self._by_kind and len(word) > 3), [])

    def _existing(self, name: str, schema: dict[str, JsonValue], variant: int) -> tuple[JsonValue, Entity] | None:
        if schema.get("type") == "array":
            items = plain(schema.get("items"), self.tool.parameters)
            if items.get("type") != "string":
                return None
            fitting = self._entities(name, items)
            chosen = [fitting[(variant * 2 + n) % len(fitting)] for n in range(min(len(fitting), 1 + variant % 2))]
            values: JsonValue = [self._shown(entity.value) for entity in chosen]
            return (values, chosen[0]) if chosen and self._fits(schema, values) else None
        fitting = self._entities(name, schema)[: OPTIONS * 2]
        if not fitting:
            return None
        start = self._rng.randrange(len(fitting)) if variant else 0
        entity = fitting[start]
        return self._shown(entity.value), entity

    def _shown(self, value: JsonValue) -> JsonValue:
        """A path as the tool takes it."""
        if self._bare and isinstance(value, str) and value.startswith(ROOT):
            return value.removeprefix(ROOT).lstrip("/") or "."
        return value

    # --- what does not ------------------------------------------------------------------------------------------------

    def _options(self, name: str, schema: dict[str, JsonValue], seed: Seed | None, variant: int) -> list[JsonValue]:
        """Values for an argument for which nothing that exists fits, the best first, all allowed by its schema."""
        found: list[JsonValue] = []
        if "const" in schema:
            return [schema["const"]]
        if is_sql(self.tool, name):
            found += statements(self.tool, self._known, self._rng, OPTIONS)
        found += self._fresh(name, schema) + self._terms(name, schema) + self._edits(name, schema, variant)
        if fitting := self._allowed(schema, found):
            return fitting
        if seed is not None and name in seed.arguments and name not in seed.paths:
            value = seed.arguments[name]
            other = varied_value(name, value, self._rng) if variant >= len(self.seeds) else value
            if variant < len(self.seeds) or other != value:
                return [other]
        choices = schema.get("enum")
        if isinstance(choices, list):
            return choices
        if schema.get("type") == "boolean":
            return [schema.get("default") is not True]
        found += [s.arguments[name] for s in self.seeds if name in s.arguments and name not in s.paths]
        examples = schema.get("examples")
        found += examples if isinstance(examples, list) else []
        found += self._structured(name, schema, variant)
        if not found and "default" in schema:
            found.append(schema["default"])
        return self._allowed(schema, found)

    def _allowed(self, schema: Mapping[str, JsonValue], values: Iterable[JsonValue]) -> list[JsonValue]:
        """The values that the schema allows, each once."""
        allows = self._judge(schema)
        unique: dict[str, JsonValue] = {
            canonical(value): value for value in values if value is not None and allows(value)
        }
        return [*unique.values()][:OPTIONS]

    def _fresh(self, name: str, schema: dict[str, JsonValue]) -> list[JsonValue]:
        """Paths of files that are not there yet, in folders that are."""
        if wanted(self.tool, name, schema) not in (FILE, FOLDER) or not is_new(self.tool, name):
            return []
        ends = extensions(self.tool, name, schema) or ("md",)
        folders = [str(entity.value) for entity in self._by_kind[FOLDER]] or [ROOT]
        stems = ("summary", "follow-up", "overview-2026", "handover", "draft-b")
        folder = wanted(self.tool, name, schema) == FOLDER
        paths = [f"{self._rng.choice(folders)}/{stem}{'' if folder else '.' + ends[0]}" for stem in stems]
        return [self._shown(path) for path in paths]

    def _edits(self, name: str, schema: dict[str, JsonValue], variant: int) -> list[JsonValue]:
        """What an edit of the file of this call speaks of, as a text or as a list of old and new texts."""
        if schema.get("type") == "string":
            line = self._line(set(words(name)), variant)
            return [line] if line else []
        items = plain(schema.get("items"), self.tool.parameters)
        fields = items.get("properties")
        if not isinstance(fields, dict) or not any(self._line(set(words(field)), variant) for field in fields):
            return []
        return [[self._object(items, variant, DEEP, every=False)]]

    def _terms(self, name: str, schema: dict[str, JsonValue]) -> list[JsonValue]:
        """Words to search for: of names that exist."""
        if not (set(words(name)) & _TERMS and set(words(self.tool.name)) & _SEARCHES):
            return []
        noun = tool_noun(self.tool)
        own = (
            self._by_kind.get(noun)
            or self._by_kind.get(field_kind(name, ""))
            or [entity for entity in self._known if entity.tool.startswith(self.tool.server)]
        )
        labels = [entity.label or str(entity.value) for entity in own if isinstance(entity.value, str)]
        found = [word for label in labels for word in re.findall(r"[^\W\d_]{4,}", label.rpartition("/")[2])]
        found = list(dict.fromkeys(found))
        self._rng.shuffle(found)
        globs = any("*" in str(seed.arguments.get(name, "")) for seed in self.seeds)
        return [f"**/*{word}*" if globs else word for word in found[:8]]

    def _structured(self, name: str, schema: dict[str, JsonValue], variant: int, deep: int = DEEP) -> list[JsonValue]:
        """Values made by the schema."""
        match schema.get("type", "object" if "properties" in schema else "string"):
            case "integer" | "number":
                return numbers(name, schema, self._rng)
            case "array":
                return self._array(name, schema, variant, deep)
            case "object":
                return [self._object(schema, variant, deep, every=False)] if deep > 0 else []
            case "boolean":
                return [True, False]
        told = list[JsonValue](texts(name, schema, self._now))
        return told or ["note"]

    def _array(self, name: str, schema: dict[str, JsonValue], variant: int, deep: int) -> list[JsonValue]:
        items = plain(schema.get("items"), self.tool.parameters)
        if deep <= 0:
            return []
        least = schema.get("minItems", 1)
        count = max(int(least) if isinstance(least, int | float) else 1, 1 + variant % 2)
        choices = items.get("enum") or self._structured(name, items, variant, deep - 1)
        made: JsonValue = (
            [choices[n % len(choices)] for n in range(count)] if isinstance(choices, list) and choices else []
        )
        return [made]

    def _object(self, schema: dict[str, JsonValue], variant: int, deep: int, *, every: bool) -> JsonValue:
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, dict):
            return {}
        names = [n for n in properties if every or not isinstance(required, list) or n in required]
        return {name: self._inner(name, plain(properties[name], self.tool.parameters), variant, deep) for name in names}

    def _inner(self, name: str, schema: dict[str, JsonValue], variant: int, deep: int) -> JsonValue:
        """One field of an object within an argument."""
        if schema.get("type") == "string" and (line := self._line(set(words(name)), variant)):
            return line
        if (found := self._existing(name, schema, variant)) is not None:
            return found[0]
        choices = schema.get("enum") or self._structured(name, schema, variant, deep - 1)
        return choices[variant % len(choices)] if isinstance(choices, list) and choices else None

    def _line(self, told: set[str], variant: int) -> str:
        """For an edit: a line that is in the file of this call, or that line changed; empty for any other field."""
        here = [e for e in self._by_kind["line"] if self._implied.get(FILE) in e.within.values()]
        if not here:
            return ""
        line = str(here[variant % len(here)].value)
        if told & {"old", "search", "find", "original"}:
            return line
        if told & {"new", "replace", "replacement"}:
            other = str(varied_value("formula", re.sub(r"[.;]?$", "", line), self._rng))
            return other if other != line else f"{line} (checked)"
        return ""

    def nested(self, name: str, variant: int) -> JsonValue:
        """An argument made of objects, with all their fields; None where it is not such."""
        schema = self.properties.get(name, {})
        if schema.get("type") == "array":
            items = plain(schema.get("items"), self.tool.parameters)
            if isinstance(items.get("properties"), dict):
                return [self._object(items, variant + n, DEEP, every=True) for n in range(2)]
        elif isinstance(schema.get("properties"), dict):
            return self._object(schema, variant, DEEP, every=True)
        return None

    def _fits(self, schema: Mapping[str, JsonValue], value: JsonValue) -> bool:
        return self._judge(schema)(value)

    def _judge(self, schema: Mapping[str, JsonValue]) -> Callable[[JsonValue], bool]:
        """Says of a value whether the schema allows it; one that cannot be read allows all."""
        defined = {key: value for key, value in self.tool.parameters.items() if key in ("$defs", "definitions")}
        own = {
            key: value for key, value in schema.items() if key not in ("description", "title", "default", "examples")
        }
        text = canonical({**own, **defined})

        def allows(value: JsonValue) -> bool:
            if plainly_valid(own, value):
                return True
            try:
                return bool(_validator(text).is_valid(value))
            except Exception:  # whatever a broken contract makes jsonschema meet: the server itself will say
                return True

        return allows
