"""Values that exist in a world, listed through its servers: what needs no argument first, then one and two steps deeper."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import JsonValue

from rise_bench.errors import GroundFault, ServerDied
from rise_bench.ground.offer import mask_root
from rise_bench.refs import ROOT, result_value, substitute_root
from rise_bench.score.calls import Tools, tools_of
from rise_bench.synth.primitives.extract import LONGEST, TEXTS, found_in, read_value
from rise_bench.synth.primitives.kinds import FILE, FOLDER, extensions, tool_noun, wanted, words
from rise_bench.synth.primitives.plausible import window
from rise_bench.synth.records import Entity, World
from rise_bench.types import GroundSession, GroundSource, Task, Tool, ToolCall, ToolResult, canonical

__all__ = ["ROUNDS", "entities", "task_of"]

ROUNDS = 3
"""Listing calls that build on each other: tables, their columns, their rows."""

CALLS = 6
"""Calls of one tool in one round."""

MOST = 40
"""Entities of one kind that one tool may list in one call; with a record's fields, that is enough rows."""

ALL = 400
"""Entities of one kind."""

LINES = 4
"""Lines of a text file that are noted."""

SECONDS = 10.0
"""A listing that takes longer lists nothing."""

DEATHS = 3
"""After so many, a server is left alone."""

_LISTS = frozenset([
    "list", "get", "read", "describe", "show", "find", "search", "open", "status", "log", "branch", "tree",
    "info", "query", "scan", "all", "browse", "view", "schema", "load",
])  # fmt: skip


def task_of(world: World, servers: Sequence[str] = ()) -> Task:
    """A task without calls that stands for a world.

    Args:
        servers: only these of the world's; empty = all.
    """
    return Task(
        id=f"world/{world.digest()[:12]}",
        request="",
        now=world.now,
        servers=tuple(servers) or world.servers,
        setup=world.setup,
    )


def entities(source: GroundSource, world: World) -> list[Entity]:
    """What exists in the world, in the order in which it was found, each value once per kind.

    Only tools of effect `read` are called. A server that cannot be opened or dies lists what it did before.
    """
    lister = _Lister(world.digest(), world.now)
    lister.note(Entity(world=world.digest(), kind=FOLDER, value=ROOT, tool=""))
    for name in (*world.servers, *_file_lister(source, world)):
        tools = [tool for server in source.ground.servers if server.name == name for tool in server.tools]
        _list(source, task_of(world, [name]), [tool for tool in tools if tool.effect == "read"], lister)
    return lister.found


def _file_lister(source: GroundSource, world: World) -> Iterator[str]:
    """A server of the ground that lists folders, where the world has none: the files are there all the same."""
    able = [
        s.name for s in source.ground.servers if any(t.name in ("directory_tree", "list_directory") for t in s.tools)
    ]
    if not set(able) & set(world.servers):
        yield from able[:1]


def _of_machinery(path: str) -> bool:
    """Is it a file that a program keeps for itself (hidden, or a calendar server's store), of which no person speaks?"""
    parts = path.split("/")
    return "collection-root" in parts or any(part.startswith(".") and part.strip(".") for part in parts)


@dataclass(slots=True)
class _Lister:
    """What was found so far, and which calls were made."""

    world: str
    now: str
    found: list[Entity] = field(default_factory=list)
    by_kind: dict[str, list[Entity]] = field(default_factory=lambda: defaultdict(list))
    seen: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)

    def note(self, entity: Entity) -> None:
        key = canonical([entity.kind, entity.value])
        if entity.kind in (FILE, FOLDER) and _of_machinery(str(entity.value)):
            return
        if key in self.seen or not entity.kind or len(self.by_kind[entity.kind]) >= ALL:
            return
        self.seen.add(key)
        self.found.append(entity)
        self.by_kind[entity.kind].append(entity)

    def take(self, tool: Tool, arguments: Mapping[str, JsonValue], value: JsonValue) -> None:
        """Note what a result names."""
        counted: Counter[str] = Counter()
        for found in found_in(tool, tool_noun(tool), arguments, value):
            counted[found.kind] += 1
            if counted[found.kind] <= MOST:
                self.note(
                    Entity(
                        world=self.world,
                        kind=found.kind,
                        value=found.value,
                        tool=tool.id,
                        pointer=found.pointer,
                        label=found.label,
                        within=dict(arguments),
                    )
                )

    def lines(self, tool: Tool, arguments: Mapping[str, JsonValue], value: JsonValue) -> None:
        """Note lines of a text file that was read: what an edit can speak of."""
        path = next((given for name, given in arguments.items() if wanted(tool, name, None) == FILE), None)
        text = value if isinstance(value, str) else value.get("content") if isinstance(value, dict) else None
        if not isinstance(path, str) or not isinstance(text, str) or tool_noun(tool) not in TEXTS:
            return
        if path.rpartition(".")[2].lower() not in ("md", "txt", "csv", "py", "json", "yaml", "html"):
            return
        told = [line for line in text.splitlines() if 8 <= len(line) <= 80 and text.count(line) == 1]
        for line in told[:: max(1, len(told) // LINES)][:LINES]:
            self.note(
                Entity(world=self.world, kind="line", value=line, tool=tool.id, within=dict(arguments), label=line[:40])
            )

    def calls(self, tool: Tool) -> list[dict[str, JsonValue]]:
        """Arguments of calls of a tool that were not made yet; none where something that it needs is not known."""
        made: list[dict[str, JsonValue]] = [{}]
        properties, required = _parameters(tool)
        for name in required:
            options = self._options(tool, name, properties.get(name))
            made = [{**one, name: value} for one in made for value in options if _together(one, value, options)]
        fresh = [one for one in made if canonical([tool.id, one]) not in self.called][:CALLS]
        self.called.update(canonical([tool.id, one]) for one in fresh)
        return fresh

    def _options(self, tool: Tool, name: str, schema: JsonValue) -> list[JsonValue]:
        kind = wanted(tool, name, schema)
        if is_sql(tool, name) and not self.by_kind["query"]:
            return self._selects()
        if not isinstance(schema, dict) or schema.get("type") not in ("string", "integer", "array"):
            return []
        if around := window(name, schema, self.now):
            return [*around]
        known = [entity.value for entity in self.by_kind.get(kind, ())]
        if kind == FILE and (ends := extensions(tool, name, schema)):
            known = [value for value in known if str(value).rpartition(".")[2].lower() in ends]
        if schema["type"] == "array":
            return [[value] for value in known[:CALLS]]
        fitting = str if schema["type"] == "string" else int
        return list[JsonValue]([value for value in known if type(value) is fitting])[: CALLS * 2]

    def _selects(self) -> list[JsonValue]:
        """Queries that show rows of the tables that are known."""
        return [f'SELECT * FROM "{entity.value}" LIMIT 20' for entity in self.by_kind["table"][:CALLS]]


def is_sql(tool: Tool, name: str) -> bool:
    """Does the argument take SQL?"""
    about = {*words(tool.name), *words(tool.description[:300]), *words(tool.server)}
    return name in ("sql", "query", "statement") and bool(
        about & {"sql", "select", "sqlite", "duckdb", "postgres", "postgresql", "mysql", "chdb"}
    )


def _parameters(tool: Tool) -> tuple[dict[str, JsonValue], list[str]]:
    properties, required = tool.parameters.get("properties"), tool.parameters.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    return properties if isinstance(properties, dict) else {}, names


def _together(one: Mapping[str, JsonValue], value: JsonValue, options: Sequence[JsonValue]) -> bool:
    """Few enough: every value of the first argument, with the first ones of the next."""
    return not one or value in options[:2]


def _list(source: GroundSource, task: Task, tools: Sequence[Tool], lister: _Lister) -> None:
    """Call what lists, round by round; a server that died is opened anew."""
    lists = [tool for tool in tools if set(words(tool.name)) & _LISTS or not _parameters(tool)[1]]
    known = tools_of(task, source.ground)
    bad: set[str] = set()
    session: GroundSession | None = None
    deaths = 0
    try:
        for _ in range(ROUNDS):
            todo = [(tool, one) for tool in lists for one in lister.calls(tool)]
            for tool, arguments in todo:
                if tool.id in bad or deaths >= DEATHS:
                    continue
                try:
                    session = session or source.open(task)
                    _call(session, known, tool, arguments, lister)
                except ServerDied:
                    bad.add(tool.id)
                    deaths += 1
                    _close(session)
                    session = None
    except GroundFault:
        return
    finally:
        _close(session)


def _close(session: GroundSession | None) -> None:
    if session is not None:
        with suppress(GroundFault):
            session.close()


def _call(session: GroundSession, known: Tools, tool: Tool, arguments: dict[str, JsonValue], lister: _Lister) -> None:
    call = ToolCall.model_validate(
        {"id": "list", "tool": tool.id, "arguments": substitute_root(arguments, session.root)}
    )
    result: ToolResult = session.call(call, SECONDS)
    if result.status != "ok" or known.failed_text(tool.id, result.content):
        return
    value = mask_root(result_value(result), session.root)
    for name, given in arguments.items():
        if is_sql(tool, name):
            _rows(lister, tool, str(given), value)
            return
    lister.take(tool, arguments, value)
    lister.lines(tool, arguments, value)


def _rows(lister: _Lister, tool: Tool, query: str, value: JsonValue) -> None:
    """Note the rows that a query shows, each whole; their table is what they are within."""
    table = query.split('"')[1]
    for number, row in enumerate(_records(value)):
        lister.note(
            Entity(
                world=lister.world,
                kind="row",
                value={key: item for key, item in row.items() if len(str(item)) <= LONGEST},
                tool=tool.id,
                pointer=f"/{number}",
                within={"table": table},
            )
        )


def _records(value: JsonValue) -> list[dict[str, JsonValue]]:
    """The first list of objects in a value, texts read."""
    if isinstance(value, str):
        inner = read_value(value)
        return [] if isinstance(inner, str) else _records(inner)
    if isinstance(value, list):
        rows = [item for item in value if isinstance(item, dict)]
        return rows or next((found for item in value if (found := _records(item))), [])
    if isinstance(value, dict):
        return next((found for item in value.values() if (found := _records(item))), [])
    return []
