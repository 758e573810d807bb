"""Tool calls written as text, in the syntaxes that open models use: one parser for endpoints and importers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from pydantic import JsonValue

from rise_bench.model.literals import MAX_CHARS, NotLiteral, python_calls
from rise_bench.model.shapes import (
    NotACall,
    clean_text,
    first_value,
    json_value,
    read_arguments,
    shaped,
    skip,
    value_end,
    values,
)
from rise_bench.types import Record, ToolCall

__all__ = ["Parsed", "clean_text", "parse", "read_arguments", "without_thought"]


class Parsed(Record):
    """What a model's text holds.

    No call attempted: `calls` empty and `malformed` empty (prose, `[]`, an empty text). A text that attempts a call and
    fails has the reason in `malformed`; calls beside it that could be read are kept.
    """

    calls: tuple[ToolCall, ...] = ()
    text: str = ""
    """The text outside the calls, stripped."""
    malformed: str = ""
    syntax: str = ""
    """Name of the syntax met: `tool_call`, `mistral`, `python_tag`, `function`, `json`, `python`; empty for prose."""


@dataclass
class _Reading:
    """What one syntax made of a text."""

    syntax: str
    calls: list[tuple[str, dict[str, JsonValue] | str]] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse(text: str, id_prefix: str = "call") -> Parsed:
    """Calls, the text around them, and why what looks like a call is none.

    Never raises; time and memory are linear in the text, of which at most `MAX_CHARS` are read for calls. Nothing in
    the text is executed. Ids are `<id_prefix>_0`, `<id_prefix>_1`, ... Source: our design, after the formats of
    Hermes/Qwen, Mistral, Llama 3, xLAM and BFCL's prompting mode.
    """
    text = clean_text(text).strip()
    thought, body = without_thought(text)
    if len(body) > MAX_CHARS:
        looks = _LOOKS_LIKE_JSON.search(body[:1000]) or any(mark in body[:1000] for mark in _MARKS)
        return Parsed(text=text, malformed=f"call syntax in {len(body)} characters of text" if looks else "")
    for reader in _READERS:
        reading = reader(body)
        if reading is not None:
            calls = tuple(
                ToolCall(id=f"{id_prefix}_{index}", tool=name, arguments=arguments)
                for index, (name, arguments) in enumerate(reading.calls)
            )
            rest = "\n".join(part for part in (thought, *(part.strip() for part in reading.rest)) if part)
            return Parsed(calls=calls, text=rest, malformed="; ".join(reading.problems[:3]), syntax=reading.syntax)
    return Parsed(text=text)


def without_thought(text: str) -> tuple[str, str]:
    """A leading `<think>` block, and what follows it: what a model only thinks is neither said nor called.

    The opening mark may be missing: many chat templates write it into the prompt.
    """
    end = text.find("</think>")
    if text.startswith("<think>"):
        return (text, "") if end < 0 else (text[: end + 8], text[end + 8 :].strip())
    if end < 0 or "<think>" in text[:end] or text.startswith(("{", "[", "<")):
        return "", text
    return text[: end + 8], text[end + 8 :].strip()


def _take(reading: _Reading, text: str, *, what: str) -> None:
    """Add the calls of a marked block to the reading, or what is wrong with it."""
    try:
        for value in values(text):
            reading.calls += list(shaped(value, strong=True))
    except ValueError as error:
        reading.problems.append(f"{what}: {error}")


# --- marked syntaxes --------------------------------------------------------------------------------------------------

_FUNCTION = "<function="
_MARKS = ("<tool_call>", "<tool_calls>", "<functioncall>", "<|tool_call|>", "[TOOL_CALLS]", "<|python_tag|>", _FUNCTION)
_STOPS = ("<|eom_id|>", "<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "</s>")


def _unstopped(text: str) -> str:
    """The text without stop tokens at its end; inside it they may be part of an argument."""
    text = text.strip()
    while (stop := next((stop for stop in _STOPS if text.endswith(stop)), None)) is not None:
        text = text.removesuffix(stop).rstrip()
    return text


def _blocks(text: str, opening: str, closing: str) -> Iterator[tuple[str, bool]]:
    """The text cut at its marks: (part, is inside). A block that is never closed runs to the end. Linear time."""
    position = 0
    while (start := text.find(opening, position)) >= 0:
        yield text[position:start], False
        inside = start + len(opening)
        end = text.find(closing, value_end(text, inside))
        if end < 0:
            yield text[inside:], True
            return
        yield text[inside:end], True
        position = end + len(closing)
    yield text[position:], False


def _marked(opening: str, closing: str) -> Callable[[str], _Reading | None]:
    """A reader of blocks between two marks, each holding JSON calls or `<function=...>` blocks."""

    def read(text: str) -> _Reading | None:
        if opening not in text:
            return None
        reading = _Reading("tool_call")
        for part, inside in _blocks(text, opening, closing):
            if not inside:
                reading.rest.append(_unstopped(part))
            elif _FUNCTION in part:
                _take_functions(reading, part)
            else:
                _take(reading, _unstopped(part), what=f"{opening} block")
        return reading

    return read


def _functions(text: str) -> _Reading | None:
    """Llama 3.1 `<function=NAME>{...}</function>` and Qwen-Coder's with `<parameter=NAME>` inside."""
    if _FUNCTION not in text:
        return None
    reading = _Reading("function")
    _take_functions(reading, text)
    return reading


def _take_functions(reading: _Reading, text: str) -> None:
    for part, inside in _blocks(text, _FUNCTION, "</function>"):
        if not inside:
            reading.rest.append(_unstopped(part))
            continue
        name, mark, body = part.partition(">")
        name = name.strip().strip("\"'")
        if not mark or not name:
            reading.problems.append("<function= block: no name closed by >")
            continue
        body = _unstopped(body)
        if "<parameter=" in body:
            reading.calls.append((name, _parameters(body)))
        elif body and not body.startswith("{"):
            reading.problems.append(f"<function={name}>: its arguments are no JSON object")
        else:
            reading.calls.append((name, read_arguments(body)))


def _parameters(body: str) -> dict[str, JsonValue]:
    """Arguments given as `<parameter=NAME>VALUE</parameter>`: JSON where the value reads as such, else text."""
    arguments: dict[str, JsonValue] = {}
    for part, inside in _blocks(body, "<parameter=", "</parameter>"):
        name, mark, text = part.partition(">")
        if inside and mark:
            try:
                arguments[name.strip()] = json_value(text)
            except ValueError:
                arguments[name.strip()] = text.strip("\n")
    return arguments


def _mistral(text: str) -> _Reading | None:
    """`[TOOL_CALLS]` before a JSON list, or before `NAME{...}` / `NAME[ARGS]{...}`, once or again."""
    if "[TOOL_CALLS]" not in text:
        return None
    head, *blocks = _unstopped(text).split("[TOOL_CALLS]")
    reading = _Reading("mistral", rest=[head])
    for block in blocks:
        block = block.strip()
        brace = block.find("{")
        if block.startswith(("[", "{")) or brace <= 0:
            _take(reading, block, what="[TOOL_CALLS] block")
            continue
        name = block[:brace].removesuffix("[ARGS]").strip()
        name = re.sub(r"\[CALL_ID\].*", "", name, flags=re.DOTALL).strip()
        reading.calls.append((name, read_arguments(block[brace:])))
    return reading


def _python_tag(text: str) -> _Reading | None:
    """Llama 3's `<|python_tag|>` before JSON objects or Python-style calls."""
    if "<|python_tag|>" not in text:
        return None
    head, _, body = _unstopped(text).partition("<|python_tag|>")
    body = body.replace("<|python_tag|>", ";").strip()
    reading = _Reading("python_tag", rest=[head])
    if not body or body.startswith(("{", "[{")):
        _take(reading, body, what="<|python_tag|> block")
        return reading
    try:
        reading.calls += [(name.removesuffix(".call"), arguments) for name, arguments in _python(body)]
    except NotLiteral as error:
        reading.problems.append(f"<|python_tag|> block: {error}")
    return reading


# --- unmarked syntaxes ------------------------------------------------------------------------------------------------

_LOOKS_LIKE_JSON = re.compile(r"\{\s*[\"'](?:name|arguments|parameters|function|tool_calls|type)[\"']\s*:")
_NAMES_A_CALL = re.compile(r"[\"'](?:arguments|parameters|tool_calls)[\"']\s*:")
_FENCE = re.compile(r"```[ \t]*([\w-]*)[ \t]*\n?")
_LOOKS_LIKE_CALL = re.compile(r"[\[(]?\s*[A-Za-z_][\w.]*\(")
_LOOK_ALIKES = 8
"""How many places in prose are tried: a text of look-alikes must not cost the square of its length."""
_CALL_FENCES = {"tool_call", "tool_calls", "tool_code", "function_call", "tool"}


def _whole(text: str) -> _Reading | None:
    """A text that is calls from end to end, whatever marks stand inside its strings."""
    if not text.startswith(("{", "[")):
        return None
    reading = _unmarked(_unstopped(text), strong=False, python=True)
    return reading if reading and not reading.problems and not any(reading.rest) else None


def _fenced(text: str) -> _Reading | None:
    """Fenced code blocks that hold calls; other blocks (code shown to a reader) are prose."""
    marks = list(_FENCE.finditer(text))
    if not marks:
        return None
    reading = _Reading("")
    position = 0
    for opening, closing in zip(marks[::2], [*marks[1::2], None], strict=False):
        body = text[opening.end() : closing.start() if closing else len(text)]
        label = opening.group(1).casefold()
        found = _unmarked(body.strip(), strong=label in _CALL_FENCES, python=label in _CALL_FENCES | {"", "python"})
        if found is None:
            continue
        reading.rest.append(text[position : opening.start()])
        position = closing.end() if closing else len(text)
        reading.calls += found.calls
        reading.problems += found.problems
        reading.syntax = reading.syntax or found.syntax
    reading.rest.append(text[position:])
    return reading if reading.syntax else None


def _plain(text: str) -> _Reading | None:
    """A text that is calls, or prose that leads to one in JSON."""
    text = _unstopped(text)
    reading = _unmarked(text, strong=False, python=True)
    if reading is not None or text.startswith(("{", "[")):
        return reading
    for match in islice(_LOOKS_LIKE_JSON.finditer(text), _LOOK_ALIKES):
        start = match.start()
        if text[:start].rstrip().endswith("["):
            start = text.rindex("[", 0, start)
        reading = _json(text[start:], strong=False)
        if reading is not None:
            reading.rest.insert(0, text[:start])
            return reading
    return None


def _unmarked(text: str, *, strong: bool, python: bool) -> _Reading | None:
    """Calls in JSON, or in Python's syntax where `python`; None where the text attempts none."""
    if text.startswith(("{", "[{")) or (text.startswith("[") and _LOOKS_LIKE_JSON.match(text[1:].lstrip())):
        return _json(text, strong=strong)
    if not python or not _LOOKS_LIKE_CALL.match(text) or not text.rstrip("; \n").endswith((")", "]")):
        return None
    return _python_reading(text, strong=strong)


def _python_reading(text: str, *, strong: bool) -> _Reading | None:
    reading = _Reading("python")
    try:
        reading.calls += _python(text)
    except NotLiteral as error:
        # Code of several lines is shown to a reader; `[f(...` or a text that is nothing but `f(...)` is a call.
        if not strong and not text.startswith("[") and "\n" in text:
            return None
        reading.problems.append(f"Python-style call: {error}")
    return reading if reading.calls or reading.problems else None


def _python(text: str) -> list[tuple[str, dict[str, JsonValue] | str]]:
    return [(name, read_arguments(arguments)) for name, arguments in python_calls(text)]


def _json(text: str, *, strong: bool) -> _Reading | None:
    """Calls in the JSON values that a text begins with; what follows them is text."""
    reading = _Reading("json")
    attempted = strong or (_LOOKS_LIKE_JSON.search(text[:2000]) and _NAMES_A_CALL.search(text)) is not None
    position = 0
    try:
        while position < len(text) and text[position] in "{[":
            value, position = first_value(text, position)
            reading.calls += list(shaped(value, strong=strong))
            position = skip(text, position)
    except NotACall as error:
        if not reading.calls and not error.attempted:
            return None
        if error.attempted:
            reading.problems.append(f"JSON call: {error}")
    except ValueError as error:
        if not attempted:
            return None
        reading.problems.append(f"JSON call: {error}")
    reading.rest.append(text[position:] if not reading.problems else "")
    return reading if reading.calls or reading.problems else None


_READERS: tuple[Callable[[str], _Reading | None], ...] = (
    _whole,
    _marked("<tool_call>", "</tool_call>"),
    _marked("<tool_calls>", "</tool_calls>"),
    _marked("<functioncall>", "</functioncall>"),
    _marked("<|tool_call|>", "<|/tool_call|>"),
    _mistral,
    _python_tag,
    _functions,
    _fenced,
    _plain,
)
