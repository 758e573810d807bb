"""The lenient readers behind `auto`: marked blocks with any usual content, fenced code, calls in prose."""

from __future__ import annotations

import re
from itertools import islice

from pydantic import JsonValue

from rise_bench.model.literals import NotLiteral, python_calls
from rise_bench.model.shapes import NotACall, first_value, read_arguments, shaped, skip
from rise_bench.model.syntaxes import Reader, Reading, Schemas, blocks, take, take_functions, unstopped

__all__ = [
    "LOOKS_LIKE_JSON",
    "LOOK_ALIKES",
    "fenced",
    "functions",
    "generic_json",
    "marked",
    "mistral_any",
    "plain",
    "python_tag",
    "whole",
]


def marked(opening: str, closing: str) -> Reader:
    """A reader of blocks between two marks, each holding JSON calls or `<function=...>` blocks."""

    def read(text: str, schemas: Schemas) -> Reading | None:
        if opening not in text:
            return None
        reading = Reading("tool_call")
        number = 0
        for part, inside in blocks(text, opening, closing):
            number += inside
            if not inside:
                reading.rest.append(unstopped(part))
            elif "<function=" in part:
                take_functions(reading, part, schemas)
            else:
                take(reading, unstopped(part), what=f"{opening} block {number}")
        return reading

    return read


def functions(text: str, schemas: Schemas) -> Reading | None:
    """Llama 3.1 `<function=NAME>{...}</function>` and Qwen-Coder's with `<parameter=NAME>` inside."""
    if "<function=" not in text:
        return None
    reading = Reading("function")
    take_functions(reading, text, schemas)
    return reading


def mistral_any(text: str, schemas: Schemas) -> Reading | None:
    """`[TOOL_CALLS]` before a JSON list, or before `NAME{...}` / `NAME[ARGS]{...}`, once or again."""
    if "[TOOL_CALLS]" not in text:
        return None
    head, *found = unstopped(text).split("[TOOL_CALLS]")
    reading = Reading("mistral", rest=[head])
    for number, block in enumerate(found, 1):
        block = block.strip()
        brace = block.find("{")
        if block.startswith(("[", "{")) or brace <= 0:
            take(reading, block, what=f"[TOOL_CALLS] block {number}")
            continue
        name = block[:brace].removesuffix("[ARGS]").strip()
        name = re.sub(r"\[CALL_ID\].*", "", name, flags=re.DOTALL).strip()
        reading.calls.append((name, read_arguments(block[brace:])))
    return reading


def python_tag(text: str, schemas: Schemas) -> Reading | None:
    """Llama 3's `<|python_tag|>` before JSON objects or Python-style calls."""
    if "<|python_tag|>" not in text:
        return None
    head, _, body = unstopped(text).partition("<|python_tag|>")
    body = body.replace("<|python_tag|>", ";").strip()
    reading = Reading("python_tag", rest=[head])
    if not body or body.startswith(("{", "[{")):
        take(reading, body, what="<|python_tag|> block")
        return reading
    try:
        reading.calls += [(name.removesuffix(".call"), arguments) for name, arguments in _python(body)]
    except NotLiteral as error:
        reading.problems.append(f"<|python_tag|> block: {error}")
    return reading


# --- unmarked ---------------------------------------------------------------------------------------------------------

LOOKS_LIKE_JSON = re.compile(r"\{\s*[\"'](?:name|arguments|parameters|function|tool_calls|type)[\"']\s*:")
LOOK_ALIKES = 8
"""How many places in prose are tried: a text of look-alikes must not cost the square of its length."""
_NAMES_A_CALL = re.compile(r"[\"'](?:arguments|parameters|tool_calls)[\"']\s*:")
_FENCE = re.compile(r"```[ \t]*([\w-]*)[ \t]*\n?")
_LOOKS_LIKE_CALL = re.compile(r"[\[(]?\s*[A-Za-z_][\w.]*\(")
_CALL_FENCES = {"tool_call", "tool_calls", "tool_code", "function_call", "tool"}


def whole(text: str, schemas: Schemas, *, python: bool = True) -> Reading | None:
    """A text that is calls from end to end, whatever marks stand inside its strings."""
    if not text.startswith(("{", "[")):
        return None
    reading = _unmarked(unstopped(text), strong=False, python=python)
    return reading if reading and not reading.problems and not any(reading.rest) else None


def fenced(text: str, schemas: Schemas, *, python: bool = True) -> Reading | None:
    """Fenced code blocks that hold calls; other blocks (code shown to a reader) are prose."""
    marks = list(_FENCE.finditer(text))
    if not marks:
        return None
    reading = Reading("")
    position = 0
    for opening, closing in zip(marks[::2], [*marks[1::2], None], strict=False):
        body = text[opening.end() : closing.start() if closing else len(text)]
        label = opening.group(1).casefold()
        may = python and label in _CALL_FENCES | {"", "python"}
        found = _unmarked(body.strip(), strong=label in _CALL_FENCES, python=may)
        if found is None:
            continue
        reading.rest.append(text[position : opening.start()])
        position = closing.end() if closing else len(text)
        reading.calls += found.calls
        reading.problems += found.problems
        reading.syntax = reading.syntax or found.syntax
    reading.rest.append(text[position:])
    return reading if reading.syntax else None


def plain(text: str, schemas: Schemas, *, python: bool = True) -> Reading | None:
    """A text that is calls, or prose that leads to one in JSON."""
    text = unstopped(text)
    reading = _unmarked(text, strong=False, python=python)
    if reading is not None or text.startswith(("{", "[")):
        return reading
    for match in islice(LOOKS_LIKE_JSON.finditer(text), LOOK_ALIKES):
        start = match.start()
        if text[:start].rstrip().endswith("["):
            start = text.rindex("[", 0, start)
        reading = _json(text[start:], strong=False)
        if reading is not None:
            reading.rest.insert(0, text[:start])
            return reading
    return None


def generic_json(text: str, schemas: Schemas) -> Reading | None:
    """Calls as JSON in any of the usual shapes: the whole text, fenced, or after prose."""
    for read in (whole, fenced, plain):
        reading = read(text, schemas, python=False)
        if reading is not None:
            return reading
    return None


def _unmarked(text: str, *, strong: bool, python: bool) -> Reading | None:
    """Calls in JSON, or in Python's syntax where `python`; None where the text attempts none."""
    if text.startswith(("{", "[{")) or (text.startswith("[") and LOOKS_LIKE_JSON.match(text[1:].lstrip())):
        return _json(text, strong=strong)
    if not python or not _LOOKS_LIKE_CALL.match(text) or not text.rstrip("; \n").endswith((")", "]")):
        return None
    return _python_reading(text, strong=strong)


def _python_reading(text: str, *, strong: bool) -> Reading | None:
    reading = Reading("python")
    try:
        reading.calls += _python(text)
    except NotLiteral as error:
        # Code of several lines is shown to a reader; `[f(...` or a text that is nothing but `f(...)` is a call.
        if not strong and not text.startswith("[") and "\n" in text:
            return None
        reading.problems.append(f"Python-style call: {error}")
    return reading if reading.attempted else None


def _python(text: str) -> list[tuple[str, dict[str, JsonValue] | str]]:
    return [(name, read_arguments(arguments)) for name, arguments in python_calls(text)]


def _json(text: str, *, strong: bool) -> Reading | None:
    """Calls in the JSON values that a text begins with; what follows them is text."""
    reading = Reading("json")
    attempted = strong or (LOOKS_LIKE_JSON.search(text[:2000]) and _NAMES_A_CALL.search(text)) is not None
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
    return reading if reading.attempted else None
