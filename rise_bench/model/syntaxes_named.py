"""Readers of one syntax each, as strict as the engines' parsers of the same name: what else is met is no call of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rise_bench.model.literals import NotLiteral, list_calls
from rise_bench.model.shapes import NotACall, Wording, exact, json_prefix, read_arguments, skip
from rise_bench.model.syntaxes import (
    Reading,
    Schemas,
    blocks,
    one_value,
    parameter_value,
    take_exact,
    take_functions,
    unstopped,
)
from rise_bench.model.syntaxes_any import LOOK_ALIKES, LOOKS_LIKE_JSON

__all__ = [
    "functionary",
    "glm4",
    "granite",
    "hermes",
    "llama3_json",
    "mistral",
    "other_block",
    "phi4_mini",
    "pythonic",
    "qwen3_xml",
    "toolace",
    "xlam",
]

_HERMES = Wording()
_LLAMA = Wording(arguments=("arguments", "parameters"))
_MISTRAL = Wording(optional=True, as_text=True)
_XLAM = Wording(as_text=True)
_GRANITE = Wording(optional=True, as_text=True)
_PHI = Wording(arguments=("arguments", "parameters"))


def _tool_call_blocks(reading: Reading, text: str) -> Iterator[tuple[int, str]]:
    """Number and content of each `<tool_call>` block; the text between them goes to the reading's rest."""
    number = 0
    for part, inside in blocks(text, "<tool_call>", "</tool_call>"):
        number += inside
        if inside:
            yield number, unstopped(part)
        else:
            reading.rest.append(unstopped(part))


def other_block(content: str) -> str:
    """Name of the parser that reads what stands in a `<tool_call>` block."""
    if content.startswith("{"):
        return "hermes"
    if content.startswith("["):
        return "granite"
    if "<function=" in content:
        return "qwen3_xml"
    return "glm4" if "<arg_key>" in content else ""


def _refuse(reading: Reading, number: int, content: str, parser: str, why: str) -> None:
    other = other_block(content)
    what = f"a {other} call where {parser} is read" if other not in ("", parser) else why
    reading.problems.append(f"{parser} block {number}: {what}")


def hermes(text: str, schemas: Schemas) -> Reading | None:
    """`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, once or again; the last may be unclosed."""
    if "<tool_call>" not in text:
        return None
    reading = Reading("tool_call")
    for number, content in _tool_call_blocks(reading, text):
        try:
            reading.calls.append(exact(one_value(content), _HERMES))
        except ValueError as error:
            _refuse(reading, number, content, "hermes", str(error))
    return reading


def qwen3_xml(text: str, schemas: Schemas) -> Reading | None:
    """`<function=NAME><parameter=KEY>VALUE</parameter></function>`, each in a `<tool_call>` block or bare."""
    if "<tool_call>" not in text:
        if "<function=" not in text:
            return None
        reading = Reading("function")
        take_functions(reading, text, schemas, what="qwen3_xml block")
        return _only_parameters(reading)
    reading = Reading("tool_call")
    for number, content in _tool_call_blocks(reading, text):
        if "<function=" in content and not content.startswith(("{", "[")):
            rest = len(reading.rest)
            take_functions(reading, content, schemas, what=f"qwen3_xml block {number},")
            del reading.rest[rest:]
        else:
            _refuse(reading, number, content, "qwen3_xml", "no <function= in it")
    return _only_parameters(reading)


def _only_parameters(reading: Reading) -> Reading:
    """The reading without calls whose arguments are no parameters: JSON there is functionary's."""
    for name, arguments in reading.calls:
        if isinstance(arguments, str):
            reading.problems.append(f"qwen3_xml block {name}: its arguments are not written as parameters")
    reading.calls = [(name, arguments) for name, arguments in reading.calls if not isinstance(arguments, str)]
    return reading


_GLM_PAIR = re.compile(r"<arg_key>|</arg_key>|<arg_value>|</arg_value>")


def glm4(text: str, schemas: Schemas) -> Reading | None:
    """`<tool_call>NAME` and `<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>` pairs, closed by `</tool_call>`."""
    if "<tool_call>" not in text:
        return None
    reading = Reading("glm4")
    number = 0
    for part, inside in blocks(text, "<tool_call>", "</tool_call>"):
        if not inside:
            reading.rest.append(unstopped(part))
            continue
        number += 1
        name = part.split("<arg_key>", 1)[0].strip()
        if other_block(part.strip()) not in ("", "glm4") or not name or re.search(r"[\s<{\"]", name):
            _refuse(reading, number, part.strip(), "glm4", f"no tool's name before its arguments: {name[:40]!r}")
            continue
        try:
            reading.calls.append((name, _glm_arguments(part, name, schemas)))
        except ValueError as error:
            reading.problems.append(f"glm4 block {number}: {error}")
    return reading


def _glm_arguments(text: str, name: str, schemas: Schemas) -> dict[str, Any]:
    """The pairs in a block. `ValueError` says where one is not complete."""
    properties = schemas.get(name, {}).get("properties")
    known = properties if isinstance(properties, dict) else {}
    marks = list(_GLM_PAIR.finditer(text))
    wanted = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
    arguments: dict[str, Any] = {}
    for index in range(0, len(marks), 4):
        four = marks[index : index + 4]
        for mark, tag in zip(four, wanted, strict=False):
            if mark.group() != tag:
                raise ValueError(f"{tag} should be at character {mark.start()}, found {mark.group()}")
        if len(four) < 4:
            raise ValueError(f"it ends before {wanted[len(four)]}")
        key = text[four[0].end() : four[1].start()].strip()
        arguments[key] = parameter_value(text[four[2].end() : four[3].start()], known.get(key), break_at_ends=False)
    return arguments


def llama3_json(text: str, schemas: Schemas) -> Reading | None:
    """`{"name": ..., "parameters": {...}}` objects, `;` between them, with or without `<|python_tag|>` or prose before."""
    tagged = "<|python_tag|>" in text
    text = unstopped(text)
    if not tagged and "{" not in text:
        return None
    reading = Reading("python_tag" if tagged else "json")
    position = kept = tried = 0
    while (start := text.find("{", position)) >= 0 and tried < LOOK_ALIKES:
        try:
            value, position = json_prefix(text, start)
        except ValueError as error:
            position = start + 1
            tried += 1
            if tagged or LOOKS_LIKE_JSON.match(text, start):
                reading.problems.append(f"llama3_json object at character {start}: {error}")
                break
            continue
        if not tagged and not {"name", "arguments", "parameters"} & set(value):
            continue
        try:
            reading.calls.append(exact(value, _LLAMA))
        except NotACall as error:
            if tagged or reading.calls or {"arguments", "parameters"} & set(value):
                reading.problems.append(f"llama3_json object at character {start}: {error}")
            continue
        reading.rest.append(text[kept:start].replace("<|python_tag|>", "").strip(" ;\n"))
        kept = position
    reading.rest.append(text[kept:].replace("<|python_tag|>", "").strip(" ;\n"))
    if tagged and not reading.attempted:
        reading.problems.append("llama3_json: no JSON object after <|python_tag|>")
    return reading if reading.attempted else None


def mistral(text: str, schemas: Schemas) -> Reading | None:
    """`[TOOL_CALLS]` before a JSON list (until v7), or before each `NAME{...}` or `NAME[ARGS]{...}` (since v11)."""
    if "[TOOL_CALLS]" not in text:
        return None
    text = unstopped(text)
    reading = Reading("mistral")
    position = text.index("[TOOL_CALLS]")
    reading.rest.append(text[:position])
    number = 0
    while position >= 0:
        begin = skip(text, position + len("[TOOL_CALLS]"))
        number += 1
        end = _mistral_block(reading, text, begin, f"mistral block {number}")
        position = text.find("[TOOL_CALLS]", end)
        reading.rest.append(text[end : position if position >= 0 else len(text)])
    return reading


_MISTRAL_NAME = re.compile(r"([^\s\[\]{}\"]+)\s*(?:\[CALL_ID\][^\[{]*)?(\[ARGS\]\s*|(?=\{))")


def _mistral_block(reading: Reading, text: str, begin: int, what: str) -> int:
    """Read what follows one mark; gives where it ends."""
    if text.startswith("[TOOL_CALLS]", begin):
        return begin  # the mark twice in a row is one
    header = _MISTRAL_NAME.match(text, begin)
    try:
        value, end = json_prefix(text, header.end() if header else begin)
    except ValueError as error:
        stop = text.find("[TOOL_CALLS]", begin)
        raw = text[header.end() : stop if stop >= 0 else len(text)].strip() if header else ""
        if header is None or not raw:
            named = re.match(r"[\w.\-]+\s*\Z", text[begin : stop if stop >= 0 else len(text)])
            reading.problems.append(f"{what}: no arguments after the name" if named else f"{what}: {error}")
            return begin
        reading.calls.append((header.group(1), raw))
        return header.end() + len(raw)
    if header:
        reading.calls.append((header.group(1), read_arguments(value)))
    else:
        take_exact(reading, value if isinstance(value, list) else [value], _MISTRAL, what=what)
    return end


def pythonic(text: str, schemas: Schemas) -> Reading | None:
    """`[f(a=1), g(b="x")]` and nothing else, between `<|python_start|>` and `<|python_end|>` or in a code fence or bare."""
    tagged = text.startswith("<|python_start|>")
    body = unstopped(text).removeprefix("<|python_start|>").removesuffix("<|python_end|>").strip()
    fence = re.fullmatch(r"```(?:python|tool_code)?\s*\n(.*?)```", body, re.DOTALL)
    body = fence.group(1).strip() if fence else body
    if not tagged and not re.match(r"\[\s*[^\W\d][^\"'()\[\]{}=,\n]*\(", body):
        return None
    reading = Reading("python_start" if tagged else "python")
    try:
        reading.calls += [(name, read_arguments(arguments)) for name, arguments in list_calls(body)]
    except NotLiteral as error:
        reading.problems.append(f"Python-style list: {error}")
    return reading


toolace = pythonic


_XLAM_MARK = re.compile(r"(?:```(?:json)?|\[TOOL_CALLS\]|<tool_call>)\s*(?=\[)")
_XLAM_END = re.compile(r"\s*(?:```|</tool_call>)?")


def xlam(text: str, schemas: Schemas) -> Reading | None:
    """A JSON list of `{"name": ..., "arguments": {...}}`: the whole text, fenced, or after a mark."""
    text = unstopped(text)
    mark = _XLAM_MARK.search(text)
    if mark is None and not (re.match(r"\[\s*\{", text) and LOOKS_LIKE_JSON.search(text)):
        return None
    reading = Reading("json", rest=[text[: mark.start()]] if mark else [])
    try:
        if mark is None:
            found = one_value(text)
        else:
            found, end = json_prefix(text, mark.end())
            closing = _XLAM_END.match(text, end)
            reading.rest.append(text[closing.end() if closing else end :])
        take_exact(reading, found, _XLAM, what="xlam list")
    except ValueError as error:
        reading.problems.append(f"xlam list: {error}")
    return reading


def granite(text: str, schemas: Schemas) -> Reading | None:
    """`<|tool_call|>` or `<tool_call>` before a JSON list of calls; what follows the list is text."""
    return _after_mark(text, re.compile(r"<\|?tool_call\|?>"), "granite")


def phi4_mini(text: str, schemas: Schemas) -> Reading | None:
    """`functools[...]` or `<|tool_call|>[...]<|/tool_call|>` with a JSON list of calls."""
    return _after_mark(text, re.compile(r"functools(?=\s*\[)|<\|tool_call\|>"), "phi4_mini")


def _after_mark(text: str, pattern: re.Pattern[str], parser: str) -> Reading | None:
    mark = pattern.search(text)
    if mark is None:
        return None
    reading = Reading("tool_call", rest=[text[: mark.start()]])
    position = skip(text, mark.end())
    what = f"{parser} list"
    if not text.startswith("[", position):
        other = other_block(unstopped(text[position:])) if parser == "granite" else ""
        reading.problems.append(
            f"{what}: " + (f"a {other} call where granite is read" if other else "no [ after its mark")
        )
        return reading
    position = skip(text, position + 1)
    found: list[Any] = []
    try:
        while not text.startswith("]", position):
            value, position = json_prefix(text, position)
            found.append(value)
            position = skip(text, position)
        rest = unstopped(text[position + 1 :]).removeprefix("<|/tool_call|>").removeprefix("</tool_call>")
        reading.rest.append(unstopped(rest))
    except ValueError as error:
        reading.problems.append(f"{what}, call {len(found) + 1}: {error}")
    take_exact(reading, found, _PHI if parser == "phi4_mini" else _GRANITE, what=what)
    return reading


_SECTION = re.compile(r"(?:>>>)?([\w.\-]+)\n")


def functionary(text: str, schemas: Schemas) -> Reading | None:
    """`<function=NAME>{...}</function>` (v3.1), or `>>>NAME` and a line with `{...}`, `>>>all` before prose (v3.2).

    The first `>>>` of an answer may be missing: v3.2's template writes it into the prompt.
    """
    if "<function=" in text:
        reading = Reading("function")
        take_functions(reading, text, schemas, what="functionary block")
        for name, arguments in reading.calls:
            if isinstance(arguments, str):
                reading.problems.append(f"functionary block {name}: its arguments are no JSON object")
        reading.calls = [(name, arguments) for name, arguments in reading.calls if not isinstance(arguments, str)]
        return reading
    if not (first := _SECTION.match(text)) or not (
        text.startswith(">>>") or first.group(1) == "all" or text[first.end() :].startswith("{")
    ):
        return None
    return _sections(text)


def _sections(text: str) -> Reading:
    """Calls and prose of `>>>NAME` sections, the first mark of which may be missing."""
    reading = Reading("functionary")
    position = 0
    number = 0
    while position < len(text):
        header = _SECTION.match(text, position)
        number += 1
        if header is None:
            reading.problems.append(f"functionary section {number}: no name on a line of its own")
            return reading
        end = len(text)
        if header.group(1) == "all":
            found = text.find(">>>", header.end())
            end = found if found >= 0 else end
            reading.rest.append(unstopped(text[header.end() : end]))
        else:
            try:
                value, end = json_prefix(text, skip(text, header.end()))
                reading.calls.append((header.group(1), read_arguments(value)))
            except ValueError as error:
                reading.problems.append(f"functionary section {number}, {header.group(1)}: {error}")
            found = text.find(">>>", end)
            end = found if found >= 0 else len(text)
        position = end
    return reading
