"""The agent that reads words only: tools by BM25, arguments by typed slots, answers by quoting. A floor that really tries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue
from rank_bm25 import BM25Plus

from rise_bench.model import history
from rise_bench.model.load import refuse_unknown
from rise_bench.model.mentions import mentions, stem, words
from rise_bench.model.slots import Filled, Source, fill
from rise_bench.refs import result_value
from rise_bench.types import Assistant, Model, ModelRequest, Reply, Sampling, Suite, Tool, ToolCall, ToolResult

__all__ = ["Lexical", "make"]

MAX_CALLS = 4
"""Most clauses of a request that are acted on."""

_CANDIDATES = 6
_PER_MENTION, _PER_GUESS = 0.15, 0.3
"""What a mention that finds its place, and a guessed argument, weigh against a tool's BM25 score as share of the best."""
_LEAST_COVER = 0.25
"""Share of a clause's words, by rarity, that the best tool must hold; below it nothing fits."""

_LEAST_WORTH = 0.5
"""Below it a call is a shot in the dark: rather ask for what the better tool lacks."""

_RETRY = "retry"
_CLAUSE = re.compile(r"(?<=[.!?;])\s+|,?\s+(?:and then|then|after that|afterwards)\s+|;\s*|,\s+and\s+(?=[a-z]+ )", re.I)
_STOP_TEXT = """
a an the of in on at to for from with by and or but is are was were be it its this that these those me my i you your we
our us please can could would will shall should do does did there here what which who how when where also just so if as
into out up about tell let know need want like have has had any all some one
"""
_STOP = {stem(word) for word in _STOP_TEXT.split()}
_ALIKE = {
    stem(word): tuple(stem(other) for other in others.split())
    for word, others in {
        "put": "move write add create",
        "show": "get list read",
        "find": "search list",
        "look": "read search get",
        "make": "create add",
        "save": "write create",
        "remove": "delete",
        "drop": "delete remove",
        "rename": "move update",
        "change": "edit update replace modify",
        "replace": "edit update",
        "open": "read",
        "read": "get",
        "calculate": "calculate compute evaluate",
        "work": "calculate",
        "much": "calculate convert",
        "many": "count list query",
        "convert": "conversion",
        "time": "timezone current",
        "note": "add create observation",
        "remember": "add create",
        "record": "add insert create",
        "say": "read get",
        "folder": "directory",
        "directory": "folder",
        "spreadsheet": "workbook excel worksheet",
        "sheet": "worksheet workbook excel",
        "table": "query database",
        "database": "query sql",
        "commit": "git",
        "branch": "git",
        "appointment": "event calendar",
        "meeting": "event calendar",
        "todo": "task",
    }.items()
}
_KIND_WORDS = {"path": stem("file"), "url": stem("url"), "email": stem("email")}
"""Words that a mention stands for: who names `config/x.ini` means a file."""
_PLACES = {stem(word) for word in ("list", "search", "tree", "status", "log")}
"""Words in the names of tools that look at a folder: the whole sandbox is a fair guess for them."""
_SCHEMA_ERROR = re.compile(r"valid|required|missing|schema|argument|parameter|expected|type|must be", re.I)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A tool that might do what a clause says."""

    tool: Tool
    share: float
    """BM25 score as share of the best tool's."""
    cover: float
    """Share of the clause's words that the tool speaks of."""


class Lexical:
    """Picks tools and arguments by the words of the request alone. Knows no task, learns nothing, is deterministic.

    Per clause the best-ranked tool whose required arguments can be filled is called, at most `MAX_CALLS` in all; a call
    that the server finds invalid is tried once more with required arguments only. Then the lines of the results that
    share most words with the request are the answer. Nothing fits: it declines; a required value is missing: it asks.
    """

    name = "lexical"

    def content(self) -> str:
        """A constant: bumped where its behaviour changes."""
        return "lexical 1"

    def close(self) -> None:
        """Nothing is held."""

    def reply(self, request: ModelRequest) -> Reply:
        """The next call, or the final message."""
        text = history.request_text(request)
        clauses = _clauses(text)
        made = _made(request)
        if made and (again := _again(made[-1], request, clauses, len(made))) is not None:
            return history.calling(request, again)
        done = {made_call.id.rsplit("_", 1)[-1] for made_call, _ in made}
        missing: list[str] = []
        ranked = _Ranked(request.tools)
        for index, clause in enumerate(clauses[:MAX_CALLS]):
            if str(index) in done:
                continue
            found, lacking = _call_for(clause, ranked, request, index)
            missing += lacking
            if found is not None and not _repeats(found, made):
                return history.calling(request, found)
        if made:
            return history.answer(_condensed(text, [result for _, result in made]))
        return history.answer(_asking(missing[0]) if missing else _DECLINE)


_DECLINE = "I cannot do that: none of the tools that I have is able to do it."


def _asking(slot: str) -> str:
    return f"Which {' '.join(re.findall(r'[A-Za-z0-9]+', slot)).casefold()} do you mean?"


def _clauses(text: str) -> list[str]:
    """Parts of a request that may each want a call: those with at least two words that say something."""
    parts = [part.strip() for part in _CLAUSE.split(text) if part]
    return [part for part in parts if len(_query(part)) >= 2] or [text]


def _query(text: str) -> list[str]:
    return [word for word in words(text) if word not in _STOP and not word.isdigit()]


def _made(request: ModelRequest) -> list[tuple[ToolCall, ToolResult]]:
    """The agent's calls with their results, in order."""
    by_id = {result.call_id: result for result in history.results(request)}
    steps = request.messages[-2 * MAX_CALLS * 2 :]
    calls = [call for message in steps if isinstance(message, Assistant) for call in message.tool_calls]
    return [(call, by_id[call.id]) for call in calls if call.id in by_id]


class _Ranked:
    """The tools offered, ranked by BM25 over their names, descriptions and parameters."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tools
        self._documents = [_document(tool) for tool in tools]
        self._held = [set(document) for document in self._documents]
        self._everywhere = {word for document in self._documents for word in document}
        self._index = BM25Plus(self._documents) if tools else None

    def for_clause(self, clause: str, now: str = "") -> list[_Choice]:
        """The best tools that cover enough of the clause, best first."""
        if self._index is None:
            return []
        kinds = [_KIND_WORDS[mention.kind] for mention in mentions(clause, now) if mention.kind in _KIND_WORDS]
        asked = list(dict.fromkeys([*_query(clause), *kinds]))
        query = [*asked, *(other for word in asked for other in _ALIKE.get(word, ()))]
        scores = self._index.get_scores(query)
        order = sorted(range(len(self._tools)), key=lambda index: (-scores[index], index))
        best = max(float(scores[order[0]]), 1e-9)
        choices = [
            _Choice(self._tools[index], float(scores[index]) / best, self._cover(asked, index))
            for index in order[:_CANDIDATES]
        ]
        return [choice for choice in choices if choice.cover >= _LEAST_COVER]

    def _cover(self, asked: Sequence[str], index: int) -> float:
        """Share of the words asked that the tool's document holds; words that no tool holds are values, not deeds."""
        known = [word for word in asked if {word, *_ALIKE.get(word, ())} & self._everywhere]
        return sum(bool({word, *_ALIKE.get(word, ())} & self._held[index]) for word in known) / max(1, len(known))


def _document(tool: Tool) -> list[str]:
    """The words of a tool; its name counts three times, as it says most."""
    properties = tool.parameters.get("properties")
    parts = properties if isinstance(properties, dict) else {}
    listed = [part.get("enum") for part in parts.values() if isinstance(part, dict)]
    members = {word for enum in listed if isinstance(enum, list) for word in words(" ".join(map(str, enum)))}
    description = [word for word in words(tool.description[:400]) if word not in _STOP]
    return [*words(tool.name) * 3, *words(tool.server), *description, *words(" ".join(parts)), *sorted(members)]


def _call_for(clause: str, ranked: _Ranked, request: ModelRequest, index: int) -> tuple[ToolCall | None, list[str]]:
    """The call for a clause, or what keeps its best tool from being called."""
    missing: list[str] = []
    best: tuple[float, ToolCall] | None = None
    for choice in ranked.for_clause(clause, request.now):
        filled = _filled(choice.tool, clause, request)
        if filled.missing:  # the values may stand in another clause
            filled = _filled(choice.tool, history.request_text(request), request)
        if filled.missing:
            missing = missing or filled.missing
            continue
        worth = choice.share + _PER_MENTION * filled.used - _PER_GUESS * filled.guessed
        if worth >= _LEAST_WORTH and (best is None or worth > best[0]):
            call_id = f"call_{history.steps(request)}_{index}"
            best = worth, ToolCall(id=call_id, tool=choice.tool.id, arguments=filled.arguments)
    return (best[1], []) if best else (None, missing)


def _filled(tool: Tool, text: str, request: ModelRequest, *, optional: bool = True) -> Filled:
    place = bool(_PLACES & set(words(tool.name)))
    source = Source(text, mentions(text, request.now), request.root, place)
    return fill(tool.parameters, source, optional=optional)


def _repeats(call: ToolCall, made: Sequence[tuple[ToolCall, ToolResult]]) -> bool:
    return any((call.tool, call.arguments) == (other.tool, other.arguments) for other, _ in made)


def _again(
    last: tuple[ToolCall, ToolResult], request: ModelRequest, clauses: Sequence[str], count: int
) -> ToolCall | None:
    """The last call once more with required arguments only, where the server found it invalid and that changes it."""
    call, result = last
    if call.id.startswith(_RETRY) or result.status == "ok" or not _SCHEMA_ERROR.search(result.content):
        return None
    tool = next((tool for tool in request.tools if tool.id == call.tool), None)
    if tool is None:
        return None
    filled = _filled(tool, history.request_text(request), request, optional=False)
    if filled.missing or filled.arguments == call.arguments:
        return None
    index = call.id.rsplit("_", 1)[-1]
    return ToolCall(id=f"{_RETRY}_{count}_{index}", tool=call.tool, arguments=filled.arguments)


def _condensed(request: str, results: Sequence[ToolResult]) -> str:
    """The lines of the results that speak of the request, at most five of each, in their order."""
    asked = set(_query(request))
    parts: list[str] = []
    for result in results:
        shown = result.model_copy(update={"structured": None})  # what the agent saw; the structure often repeats it
        lines = [line.strip() for line in _lines(result_value(shown)) if line.strip()]
        ranked = sorted(range(len(lines)), key=lambda index: -len(asked & set(words(lines[index]))))
        parts += [lines[index][:300] for index in sorted(ranked[:5])]
    return "Here is what I found:\n" + "\n".join(parts) if parts else "Done."


def _lines(value: JsonValue, name: str = "") -> list[str]:
    """A result as lines of text: each leaf of a structure with the keys that lead to it."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _lines(item, f"{name} {key}".strip())][:2000]
    if isinstance(value, list):
        return [line for item in value for line in _lines(item, name)][:2000]
    text = "" if value is None else str(value)
    return [f"{name}: {line}" if name else line for line in text.splitlines()[:2000]]


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """Raises `InputError` on arguments: it takes none."""
    refuse_unknown("lexical", args)
    return Lexical()
