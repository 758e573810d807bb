"""Training rows: executed chains and their executed rejects, told in several words and contexts, as chat templates take them.

Nothing is executed here. Distinct counts stand beside all totals: 20,000 rows of 3,000 chains are 3,000 chains.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.model.prompt import template_messages
from rise_bench.model.wire import Names, tool_schema
from rise_bench.refs import substitute_root
from rise_bench.store import cannot_write, read_yaml, write_atomic
from rise_bench.synth.keys import request_key
from rise_bench.synth.output.pairs import moved
from rise_bench.synth.recipe import Spread
from rise_bench.synth.records import Negative, Pair
from rise_bench.types import Assistant, Ground, Message, Record, System, Tool, Trajectory, User, canonical

__all__ = ["Counts", "Lesson", "Material", "Rejected", "Wording", "joined", "spread"]

_SYSTEMS = Path(__file__).parent / "systems.yaml"


class Rejected(Record):
    """An executed departure, and the step at which it departs."""

    negative: Negative
    pair: Pair


class Lesson(Record):
    """One task as its reference really ran, and what was rejected beside it."""

    task: str
    chosen: Trajectory
    rejected: tuple[Rejected, ...] = ()


class Counts(Record):
    """Totals of one kind of rows, and of how many different things they are made."""

    kind: str
    part: str
    rows: int
    chains: int
    requests: int
    systems: int
    contexts: int
    """Different sets of tools offered."""
    operators: int = 0
    mutants: int = 0
    """Pairs: different (chain, mutation)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A request, and the final message that answers it; empty = as the lesson ends."""

    request: str
    response: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One executed chain (or twin) with its wordings and its executed rejects."""

    key: str
    """Of the chain, or the id of the twin."""
    part: str
    now: str
    servers: tuple[str, ...]
    """Of its world: what tools can be offered beside."""
    lesson: Lesson
    wordings: tuple[Wording, ...]

    @property
    def tools(self) -> set[str]:
        """Ids of the tools that the reference calls."""
        return {c.tool for m in self.lesson.chosen.messages if isinstance(m, Assistant) for c in m.tool_calls}


def _told(messages: Sequence[Message], wording: Wording, root: str, *, whole: bool) -> list[Message]:
    """Messages of a lesson in other words, as if they had been said in a sandbox at the usual path.

    Args:
        root: of the sandbox in which they were made.
        whole: the last message is the final one, and takes the wording's response.
    """
    here = [moved(message, root, VISIBLE_ROOT) for message in messages]
    told: list[Message] = [User(content=wording.request) if isinstance(one, User) else one for one in here]
    if whole and wording.response:
        told[-1] = Assistant(content=str(substitute_root(wording.response, VISIBLE_ROOT)))
    return told


# --- spreading --------------------------------------------------------------------------------------------------------


def spread(
    folder: Path, material: Sequence[Material], ground: Ground, settings: Spread, seed: int
) -> tuple[Counts, ...]:
    """Rows of all parts in `folder`: `trajectories.PART.jsonl`, `pairs.PART.jsonl`, samples, and `tools.json`.

    Every chain, and every reject, is told once before any is told twice: first in other words, then in another context; the
    order is mixed, so that a cut or a sample is like the whole. Rows name their tools;
    `tools.json` holds the schemas, and `joined` puts them together.

    Raises:
        InputError: the folder cannot be written.
    """
    names = Names.of([tool for server in ground.servers for tool in server.tools])
    schemas = {names.wire(tool.id): tool_schema(tool, names) for server in ground.servers for tool in server.tools}
    write_atomic(folder / "tools.json", json.dumps(schemas, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    context = _Contexts(ground, names, settings, seed)
    parts = sorted({one.part for one in material})
    share = {part: sum(one.part == part for one in material) / max(1, len(material)) for part in parts}
    counts: list[Counts] = []
    for part in parts:
        some = sorted((one for one in material if one.part == part), key=lambda one: context.mixed(one.key))
        wanted = round(settings.trajectories * share[part])
        counts.append(_write(folder, "trajectories", part, _trajectories(some, context, wanted), settings))
        wanted = round(settings.pairs * share[part])
        counts.append(_write(folder, "pairs", part, _pairs(some, context, wanted), settings))
    write_atomic(folder / "counts.json", json.dumps([one.model_dump() for one in counts], indent=1) + "\n")
    return tuple(counts)


class _Contexts:
    """What stands around a wording: a system prompt and the tools offered."""

    def __init__(self, ground: Ground, names: Names, settings: Spread, seed: int) -> None:
        self.names = names
        self.most = settings.contexts
        self._range = settings.offered
        self._seed = seed
        self._systems: list[str] = [str(text) for text in read_yaml(_SYSTEMS)]
        self._tools: dict[str, list[Tool]] = {server.name: list(server.tools) for server in ground.servers}

    def mixed(self, key: str) -> str:
        """What to sort by for an order that hangs on seed and key alone."""
        return hashlib.sha256(f"{self._seed}/{key}".encode()).hexdigest()

    def around(self, one: Material, wording: int, number: int, also: Iterable[str] = ()) -> tuple[int, str, list[str]]:
        """(number of the system prompt, its text, wire names of the tools offered), following from the place alone."""
        rng = random.Random(f"{self._seed}/{one.key}/{wording}/{number}")
        chosen = rng.randrange(len(self._systems))
        text = self._systems[chosen].replace("{root}", VISIBLE_ROOT).replace("{now}", one.now)
        needed = one.tools | set(also)
        own = {tool.partition(".")[0] for tool in needed if tool.partition(".")[0] in one.servers}
        beside = [tool.id for server in sorted(own) for tool in self._tools.get(server, ())]
        others = [t.id for name in one.servers if name not in own for t in self._tools.get(name, ())]
        near, far = [[tool for tool in some if tool not in needed] for some in (beside, others)]
        room = max(0, rng.randint(*sorted(self._range)) - len(needed))
        extra = rng.sample(near, min(len(near), (room + 1) // 2))
        extra += rng.sample(far, min(len(far), room - len(extra)))
        offered = [*sorted(needed), *extra]
        rng.shuffle(offered)
        return chosen, text.strip(), [self.names.wire(tool) for tool in offered]


def _places(material: Sequence[Material], contexts: int) -> Iterator[tuple[Material, int, int]]:
    """(chain, wording, context): all chains once, then again in other words, then in other contexts."""
    most = max((len(one.wordings) for one in material), default=0)
    for context in range(contexts):
        for wording in range(most):
            for one in material:
                if wording < len(one.wordings):
                    yield one, wording, context


Line = tuple[dict[str, Any], dict[str, str]]
"""A row, and what of it is counted for being distinct."""


def _trajectories(material: Sequence[Material], contexts: _Contexts, wanted: int) -> Iterator[Line]:
    for count, (one, wording, number) in enumerate(_places(material, contexts.most)):
        if count >= wanted:
            return
        system, text, tools = contexts.around(one, wording, number)
        chosen, words = one.lesson.chosen, one.wordings[wording]
        messages: list[Message] = [System(content=text), *_told(chosen.messages, words, chosen.root, whole=True)]
        row = {
            "id": f"{one.key}-{wording}-{number}",
            "messages": template_messages(messages, contexts.names),
            "tools": tools,
        }
        yield row, _counted(one, words, system, tools)


def _pairs(material: Sequence[Material], contexts: _Contexts, wanted: int) -> Iterator[Line]:
    """Every reject of every chain once, mixed, before any is told twice: a cut leaves operators and directions balanced."""
    every = [(one, which) for one in material for which in range(len(one.lesson.rejected))]
    every.sort(key=lambda item: contexts.mixed(f"{item[0].key}/{item[1]}"))
    most = max((len(one.wordings) for one, _ in every), default=0)
    places = ((one, which, w, c) for c in range(contexts.most) for w in range(most) for one, which in every)
    told = (place for place in places if place[2] < len(place[0].wordings))
    return (_pair_line(*place, contexts) for place in islice(told, wanted))


def _pair_line(one: Material, which: int, wording: int, number: int, contexts: _Contexts) -> Line:
    negative, pair = one.lesson.rejected[which].negative, one.lesson.rejected[which].pair
    called = [call.tool for call in pair.rejected.tool_calls]
    system, text, tools = contexts.around(one, wording, number, called)
    words, root = one.wordings[wording], one.lesson.chosen.root
    mutant = f"{one.key}-{negative.operator}-{negative.call}-{negative.argument}-{canonical(negative.made)}"
    names = contexts.names
    row = {
        "id": f"{one.key}-{wording}-{number}-{which}",
        "operator": pair.operator,
        "span": pair.span,
        "prompt": template_messages([System(content=text), *_told(pair.history, words, root, whole=False)], names),
        "chosen": template_messages([moved(pair.chosen, root, VISIBLE_ROOT)], names),
        "rejected": template_messages([moved(pair.rejected, root, VISIBLE_ROOT)], names),
        "tools": tools,
    }
    return row, _counted(one, words, system, tools) | {"operators": pair.operator, "mutants": mutant}


def _counted(one: Material, words: Wording, system: int, tools: Sequence[str]) -> dict[str, str]:
    return {
        "chains": one.key,
        "requests": request_key(words.request),
        "systems": str(system),
        "contexts": " ".join(sorted(tools)),
    }


def _write(folder: Path, kind: str, part: str, lines: Iterator[Line], settings: Spread) -> Counts:
    """One file of rows and its sample, each line as it comes: rows are never all in memory."""
    distinct: dict[str, set[str]] = {}
    rows = 0
    path = folder / f"{kind}.{part}.jsonl"
    try:
        with (
            path.open("w", encoding="utf-8") as file,
            (folder / f"sample.{path.name}").open("w", encoding="utf-8") as few,
        ):
            for row, counted in lines:
                line = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
                file.write(line)
                if rows < settings.sample:
                    few.write(line)
                rows += 1
                for name, value in counted.items():
                    distinct.setdefault(name, set()).add(value)
    except OSError as error:
        raise cannot_write(path, error) from error
    return Counts(kind=kind, part=part, rows=rows, **_sizes(distinct))


def _sizes(distinct: Mapping[str, set[str]]) -> dict[str, int]:
    sizes = dict.fromkeys(("chains", "requests", "systems", "contexts"), 0)
    return sizes | {name: len(values) for name, values in distinct.items()}


def joined(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file with their tools' schemas in place of their names, as trainers take them.

    Raises:
        OSError: the file, or `tools.json` beside it, is not there.
    """
    schemas = json.loads((path.parent / "tools.json").read_text(encoding="utf-8"))
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row | {"tools": [schemas[name] for name in row["tools"]]}
