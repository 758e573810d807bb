"""What an operator is given, what it is, and what it makes: one departure from intent on purpose, declared before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.siblings import Sibling, siblings_among
from rise_bench.mutations import mutated
from rise_bench.played import Played
from rise_bench.refs import at, bindings, resolve, unescape
from rise_bench.synth.records import Entity
from rise_bench.types import Call, Critical, Ground, Server, Task, Tool

__all__ = [
    "DEVIATED",
    "VISIBLE",
    "Family",
    "Material",
    "Mutant",
    "Operator",
    "Say",
    "Site",
    "bound_by",
    "distinct",
    "replaced",
    "sites",
]

Family = Literal["tool", "value", "missing", "extra", "structure", "decision", "response"]
"""The classes of DESIGN 5.6."""

DEVIATED = (1.0, 0.0)
"""Declared (Acc_task, Acc_intent) of a silent deviation."""

VISIBLE = (0.0, 0.0)
"""Declared (Acc_task, Acc_intent) of a failure that anybody watching can see."""


@dataclass(frozen=True)
class Material:
    """What operators draw on."""

    task: Task
    """With its recorded results, or a twin (see `origin`)."""
    ground: Ground
    entities: tuple[Entity, ...] = ()
    """Values that exist in the task's world."""
    origin: Task | None = None
    """Of an `underspecified` twin: the complete task that it was made from."""

    @cached_property
    def tools(self) -> dict[str, Tool]:
        """Id to tool, of the servers that the task offers."""
        return {tool.id: tool for server in self._offered for tool in server.tools}

    @cached_property
    def siblings(self) -> dict[str, tuple[Sibling, ...]]:
        """The near-miss map of the tools that are offered."""
        return siblings_among(self.ground, self.task.servers)

    @cached_property
    def _offered(self) -> list[Server]:
        return [server for server in self.ground.servers if server.name in self.task.servers]

    def server(self, name: str) -> Server | None:
        """The server of this name, where the ground has it."""
        return next((server for server in self.ground.servers if server.name == name), None)

    def effect(self, tool: str) -> str:
        """`read`, `write` or `unknown`."""
        return self.tools[tool].effect if tool in self.tools else "unknown"

    def schema(self, tool: str, pointer: str) -> dict[str, JsonValue]:
        """JSON Schema of the argument at a pointer; empty where the contract says nothing of it."""
        node: JsonValue = dict(self.tools[tool].parameters) if tool in self.tools else {}
        for token in pointer.split("/")[1:]:
            node = _inner(node, unescape(token))
        return node if isinstance(node, dict) else {}

    def required(self, tool: str, name: str) -> bool:
        """Must a call of the tool give this top-level argument?"""
        wanted = self.tools[tool].parameters.get("required") if tool in self.tools else None
        return isinstance(wanted, list) and name in wanted


def _inner(node: JsonValue, key: str) -> JsonValue:
    """Schema of one property, or of the items; nullable `anyOf` is looked through."""
    if not isinstance(node, dict):
        return {}
    properties = node.get("properties")
    if isinstance(properties, dict) and key in properties:
        return properties[key]
    if key.isdigit() and isinstance(node.get("items"), dict):
        return node["items"]
    for word in ("anyOf", "oneOf"):
        choices = node.get(word)
        for choice in choices if isinstance(choices, list) else ():
            if found := _inner(choice, key):
                return found
    return {}


@dataclass(frozen=True, slots=True)
class Site:
    """A critical argument of a reference call, its value with bindings resolved, its schema."""

    critical: Critical
    tool: str
    value: JsonValue
    schema: Mapping[str, JsonValue]
    bound: bool

    @property
    def call(self) -> int:
        """Index of the reference call."""
        return self.critical.call

    @property
    def argument(self) -> str:
        """Pointer into its arguments."""
        return self.critical.argument


Say = Callable[[Task, Played], str]
"""Makes the final message from what a run gave."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One departure: the calls that are made instead, and what is said in the end."""

    operator: str
    declared: tuple[float, float]
    calls: tuple[Call, ...]
    call: int | None = None
    """Index in `calls` of the first one that departs; None where only what is said does."""
    argument: str = ""
    was: JsonValue = None
    made: JsonValue = None
    says: Say | None = None
    """None: what an agent says that reports what this run gave."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to depart from intent. `make` yields nothing where it does not apply."""

    family: Family
    name: str
    declared: tuple[float, float]
    make: Callable[[Material, Operator], Iterator[Mutant]]
    direction: Literal["+", "-", ""] = ""
    """Of operators that come in opposite pairs, so that neither way can be learned to be wrong."""
    kinds: tuple[str, ...] = ("complete",)
    """Kinds of task to which it applies."""

    @property
    def id(self) -> str:
        """`family:name`."""
        return f"{self.family}:{self.name}"

    def mutants(self, material: Material) -> Iterator[Mutant]:
        """Every departure of this kind from a task, in a fixed order."""
        if material.task.kind in self.kinds:
            yield from self.make(material, self)


def sites(material: Material, *, bound: bool | None = False) -> Iterator[Site]:
    """The critical arguments of a task that are there; `bound`: only (not) those that bind to a result, None: all."""
    task = material.task
    for critical in task.intent.critical:
        call = task.reference[critical.call]
        is_bound = any(
            place == critical.argument or critical.argument.startswith(place + "/") or not place
            for place, _, _ in bindings(dict(call.arguments))
        )
        if bound is not None and is_bound is not bound:
            continue
        try:
            value = at(resolve(dict(call.arguments), list(task.recorded)), critical.argument)
        except InputError:
            continue  # the parameter is critical by its absence
        yield Site(critical, call.tool, value, material.schema(call.tool, critical.argument), is_bound)


def replaced(task: Task, operator: Operator, site: Site, value: JsonValue) -> Mutant:
    """The reference with one critical argument changed."""
    calls = list(task.reference)
    calls[site.call] = mutated(calls[site.call], site.argument, value)
    return Mutant(operator.id, operator.declared, tuple(calls), site.call, site.argument, site.value, value)


def bound_by(calls: Sequence[Call]) -> dict[int, set[int]]:
    """Index of each call to those later ones that bind to its result."""
    found: dict[int, set[int]] = {}
    for number, call in enumerate(calls):
        for _, producer, _ in bindings(dict(call.arguments)):
            found.setdefault(producer, set()).add(number)
    return found


def distinct(values: Iterable[JsonValue], besides: JsonValue) -> list[JsonValue]:
    """The values in order, each once, without `besides`."""
    kept: list[JsonValue] = []
    for value in values:
        if value != besides and value not in kept:
            kept.append(value)
    return kept
