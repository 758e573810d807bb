"""What tools do, and how they fail, judged from annotations, names and what a log's results show.

DESIGN 4.2 asks for it where no state is captured: "by annotation, else by what results and reference calls show". The
rules are general and stand here in their order; none names a tool of any benchmark.

Effect of a tool, first rule that applies:

1. *annotation*: `readOnlyHint` or `destructiveHint`, as published.
2. *hand-over*: every success of the tool ends its log, nothing came after it, and this happened in two logs or more:
   the conversation was handed over or closed, which is a way to end and no change of what tools show.
3. *seen to change*: the same successful call gave another result than before, and of all tools that may write this one
   alone succeeded in between. (A call whose result also changes with nothing in between is volatile and shows nothing.)
4. *name*: the first word of the tool's name that is a verb of the two lists.
5. *seen to be pure*: called at least twice with equal arguments, always with the same result, and that result is
   data or empty, not a bare acknowledgement.
6. else `unknown`, which a scorer treats as a possible write.

Failure texts: a result is a failure if its text opens with a word for failing, or is a JSON object that says so; only
the patterns that occur in the log become part of the ground.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rise_bench.refs import result_value
from rise_bench.types import Assistant, Effect, Message, Tool, ToolCall, ToolResult, canonical

__all__ = ["FAILURE_PATTERNS", "Reading", "infer_effects", "infer_failures", "successes"]

_READ = """
    get list search find read show view fetch query lookup look describe check count compare calculate compute convert
    validate verify preview inspect retrieve summarize analyze estimate think reason plan reflect browse head tail stat
    status info exists diff log grep scan whoami ping help explain evaluate solve translate
"""
_WRITE = """
    create update delete remove add set write insert append edit modify change move rename copy replace patch put post
    send submit book cancel reserve order buy purchase pay refund return exchange transfer issue grant revoke assign
    schedule reschedule upload save store commit push merge execute run apply enable disable start stop open close
    register subscribe unsubscribe approve reject archive restore reset install uninstall publish reply forward invite
    share sign login logout make mark lock unlock drop truncate import suspend resume toggle reboot connect disconnect
    charge withdraw deposit
"""
READ_VERBS, WRITE_VERBS = frozenset(_READ.split()), frozenset(_WRITE.split())

_OPENINGS = (
    r"\w*error|\w*exception|traceback|failed|failure|fatal|invalid|unable to|could not|cannot|can't|not found|"
    r"permission denied|access denied|unauthori[sz]ed|forbidden|timed? ?out|no such|"
    r"unknown (?:action|tool|function|command|method|argument)"
)
FAILURE_PATTERNS = (
    rf"\A\s*(?:{_OPENINGS})\b",
    r"\A\s*\{\s*\"(?:error|errors|exception)\"\s*:\s*+(?!null|\"\"|\[\]|\{\}|false)",
    r"\A\s*\{[^{}\[\]]*\"(?:success|ok)\"\s*:\s*false\b",
    r"\A\s*\{[^{}\[\]]*\"(?:isError|is_error)\"\s*:\s*true\b",
    r"\A\s*\{[^{}\[\]]*\"status\"\s*:\s*\"(?:error|failed|failure)\"",
)
"""Ways in which tools commonly report a failure as ordinary text (`re.search`; case folded by `(?i)` in use)."""

_COMPILED = tuple((f"(?i){text}", re.compile(text, re.IGNORECASE)) for text in FAILURE_PATTERNS)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True, slots=True)
class Reading:
    """The effect of a tool and the rule that said so."""

    effect: Effect
    why: str
    hand_over: bool = False


def infer_failures(results: Iterable[str]) -> tuple[str, ...]:
    """The failure patterns that occur among the texts of results, as a ground holds them (`Server.failures`)."""
    seen: set[str] = set()
    for text in results:
        seen.update(pattern for pattern, compiled in _COMPILED if compiled.search(text))
    return tuple(pattern for pattern, _ in _COMPILED if pattern in seen)


@dataclass(frozen=True, slots=True)
class _Success:
    """A call that succeeded: tool, canonical arguments, canonical result, and whether it was its log's last event."""

    tool: str
    arguments: str
    result: str
    data: bool
    last: bool


def successes(messages: Sequence[Message]) -> Iterator[_Success]:
    """The successful calls of a log in order."""
    calls: dict[str, ToolCall] = {}
    for position, message in enumerate(messages):
        if isinstance(message, Assistant):
            calls.update({call.id: call for call in message.tool_calls})
        elif isinstance(message, ToolResult) and message.status == "ok" and message.call_id in calls:
            if any(compiled.search(message.content) for _, compiled in _COMPILED):
                continue
            call = calls[message.call_id]
            value = result_value(message)
            yield _Success(
                tool=call.tool,
                arguments=canonical(call.arguments),
                result=canonical(value),
                data=not isinstance(value, str) or not value.strip(),
                last=position == len(messages) - 1,
            )


def infer_effects(tools: Iterable[Tool], logs: Iterable[Sequence[Message]]) -> dict[str, Reading]:
    """Tool id -> effect and the rule behind it; the rules and their order stand at the top of this file."""
    histories = [list(successes(log)) for log in logs]
    known = {tool.id: reading for tool in tools if (reading := _by_annotation(tool))}
    ids = dict.fromkeys([tool.id for tool in tools])
    ends = _hand_overs(histories)
    named = {tool: reading for tool in ids if (reading := _by_name(tool))}
    safe = {tool for tool in ids if (known.get(tool) or named.get(tool) or _UNKNOWN).effect == "read"} | ends
    changing = _seen_to_change(histories, safe)
    pure = _seen_to_be_pure(histories)
    found: dict[str, Reading] = {}
    for tool in ids:
        if tool in known:
            found[tool] = known[tool]
        elif tool in ends:
            found[tool] = Reading("read", "hand-over: its success always ends the log", hand_over=True)
        elif tool in changing:
            found[tool] = Reading("write", "seen to change what a later read shows")
        elif tool in named:
            found[tool] = named[tool]
        elif tool in pure:
            found[tool] = Reading("read", "seen to be pure: equal calls, equal results")
        else:
            found[tool] = _UNKNOWN
    return found


_UNKNOWN = Reading("unknown", "no rule applies")


def _by_annotation(tool: Tool) -> Reading | None:
    read_only, destructive = tool.annotations.get("readOnlyHint"), tool.annotations.get("destructiveHint")
    if isinstance(read_only, bool):
        return Reading("read" if read_only else "write", "annotation readOnlyHint")
    return Reading("write", "annotation destructiveHint") if destructive is True else None


def _by_name(tool: str) -> Reading | None:
    for word in _WORD.findall(tool.rpartition(".")[2]):
        verb = word.casefold()
        if verb in READ_VERBS:
            return Reading("read", f"name: {verb}")
        if verb in WRITE_VERBS:
            return Reading("write", f"name: {verb}")
    return None


def _hand_overs(histories: Sequence[Sequence[_Success]]) -> set[str]:
    """Tools each of whose successes, two at least, was the last event of its log."""
    ends: dict[str, list[bool]] = defaultdict(list)
    for history in histories:
        for success in history:
            ends[success.tool].append(success.last)
    return {tool for tool, last in ends.items() if len(last) >= 2 and all(last)}


def _seen_to_change(histories: Sequence[Sequence[_Success]], safe: set[str]) -> set[str]:
    """Tools that alone stand between two equal calls of a safe tool with different results."""
    between: list[tuple[str, set[str]]] = []
    for history in histories:
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for position, success in enumerate(history):
            if success.tool in safe:
                places[success.tool, success.arguments].append(position)
        for positions in places.values():
            for first, second in pairwise(positions):
                if history[first].result != history[second].result:
                    others = {success.tool for success in history[first + 1 : second]} - safe
                    between.append((history[first].tool, others))
    volatile = {tool for tool, others in between if not others}
    return {next(iter(others)) for tool, others in between if len(others) == 1 and tool not in volatile}


def _seen_to_be_pure(histories: Sequence[Sequence[_Success]]) -> set[str]:
    results: dict[str, dict[str, list[_Success]]] = defaultdict(lambda: defaultdict(list))
    for history in histories:
        for success in history:
            results[success.tool][success.arguments].append(success)
    return {
        tool
        for tool, by_arguments in results.items()
        if any(len(calls) > 1 for calls in by_arguments.values())
        and all(len({call.result for call in calls}) == 1 for calls in by_arguments.values())
        and all(call.data for calls in by_arguments.values() for call in calls)
    }
