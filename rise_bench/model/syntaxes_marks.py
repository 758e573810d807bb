"""Readers of the families whose calls stand between special tokens of their own: DeepSeek, Kimi, Cohere, gpt-oss."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rise_bench.model.shapes import Wording, read_arguments, value_end
from rise_bench.model.syntaxes import Reading, Schemas, one_value, take_exact, unstopped

__all__ = ["cohere", "deepseek", "harmony", "kimi"]


@dataclass(frozen=True, slots=True)
class _Marks:
    """The special tokens around a family's calls."""

    parser: str
    section: str
    section_end: str
    call: str
    separator: str
    call_end: str


_DEEPSEEK = _Marks(
    "deepseek",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
)
_KIMI = _Marks(
    "kimi",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
)


def deepseek(text: str, schemas: Schemas) -> Reading | None:
    """V3 and R1: `function<sep>NAME` and a fenced JSON object in each call; V3.1: `NAME<sep>{...}`."""
    return _sectioned(text, _DEEPSEEK)


def kimi(text: str, schemas: Schemas) -> Reading | None:
    """`functions.NAME:INDEX`, the argument mark and a JSON object in each call of a section."""
    return _sectioned(text, _KIMI)


def _sectioned(text: str, marks: _Marks) -> Reading | None:
    start = text.find(marks.section)
    if start < 0:
        if marks.call not in text:
            return None
        why = f"{marks.parser}: {marks.call} at character {text.index(marks.call)} without {marks.section} before it"
        return Reading(marks.parser, problems=[why])
    reading = Reading(marks.parser, rest=[text[:start]])
    position = start + len(marks.section)
    number = 0
    while (begin := text.find(marks.call, position)) >= 0:
        number += 1
        position = _one(reading, text, begin + len(marks.call), marks, f"{marks.parser} call {number}")
    if not number:
        reading.problems.append(f"{marks.parser}: no {marks.call} after {marks.section}")
    end = text.find(marks.section_end, position)
    if end >= 0:
        reading.rest.append(unstopped(text[end + len(marks.section_end) :]))
    return reading


def _one(reading: Reading, text: str, begin: int, marks: _Marks, what: str) -> int:
    """Read one call of a section; gives where to go on. Marks inside a JSON string end nothing."""
    stop = text.find(marks.call_end, begin)
    separator = text.find(marks.separator, begin, stop if stop >= 0 else len(text))
    if separator < 0:
        reading.problems.append(f"{what}: no {marks.separator} after its name")
        return stop if stop >= 0 else len(text)
    head = text[begin:separator].strip()
    after = separator + len(marks.separator)
    fence = re.compile(r"([^\n]*)\n[ \t]*```(?:json)?[ \t]*\n").match(text, after)
    if fence:
        head, after = fence.group(1).strip(), fence.end()
    name = re.sub(r":\d+$", "", head.removeprefix("functions.")) if marks is _KIMI else head
    if not name:
        reading.problems.append(f"{what}: no name")
        return stop if stop >= 0 else len(text)
    end = value_end(text, after)
    close = text.find(marks.call_end, end)
    if close < 0:
        reading.problems.append(f"{what}: it ends before {marks.call_end}")
        return len(text)
    # What is no JSON stays raw text: the call was made, its arguments break the schema.
    reading.calls.append((name, read_arguments(text[after:close].strip().removesuffix("```").strip())))
    return close


_COHERE = Wording(name="tool_name", arguments=("parameters",))
_COHERE_PROSE = re.compile(r"<\|(?:START|END)_(?:RESPONSE|TEXT|THINKING|ACTION)\|>")


def cohere(text: str, schemas: Schemas) -> Reading | None:
    """Command R7B and A: `<|START_ACTION|>` before a JSON list of `{"tool_name": ..., "parameters": {...}}`."""
    if not _COHERE_PROSE.search(text):
        return None
    text = re.sub(r"<\|START_THINKING\|>.*?(?:<\|END_THINKING\|>|\Z)", "", text, flags=re.DOTALL)
    head, mark, body = text.partition("<|START_ACTION|>")
    reading = Reading("cohere", rest=[_COHERE_PROSE.sub("", head)])
    if not mark:
        return reading
    body, closed, rest = body.rpartition("<|END_ACTION|>")
    reading.rest.append(_COHERE_PROSE.sub("", rest if closed else ""))
    try:
        found = one_value(unstopped(body if closed else rest))
        take_exact(reading, found if isinstance(found, list) else [found], _COHERE, what="cohere action")
    except ValueError as error:
        reading.problems.append(f"cohere action: {error}")
    return reading


_CHANNEL = re.compile(r"<\|channel\|>([^<]*(?:<\|constrain\|>[^<]*)?)<\|message\|>")
_TURN_END = re.compile(r"<\|(?:end|call|return|start)\|>")
_RECIPIENT = re.compile(r"\bto=([\w.\-]+)")


def harmony(text: str, schemas: Schemas) -> Reading | None:
    """gpt-oss: `<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>`; analysis is no text."""
    if "<|channel|>" not in text:
        return None
    reading = Reading("harmony")
    before = 0
    number = 0
    for channel in _CHANNEL.finditer(text):
        if channel.start() < before:
            continue
        ended = _TURN_END.search(text, channel.end())
        body = text[channel.end() : ended.start() if ended else len(text)]
        # `to=` may stand in the role's header, before the channel
        header = text[max(before, channel.start() - 200) : channel.start()] + channel.group(1)
        recipient = _RECIPIENT.search(header)
        before = ended.end() if ended else len(text)
        if recipient is None:
            if not channel.group(1).strip().startswith("analysis"):
                reading.rest.append(body)
            continue
        number += 1
        name = recipient.group(1).removeprefix("functions.")
        try:
            reading.calls.append((name, read_arguments(one_value(body))))
        except ValueError as error:
            reading.problems.append(f"harmony call {number}: arguments of {name}: {error}")
    return reading
