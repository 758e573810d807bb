"""Tool calls written as text, in the syntaxes that open models use: one parser for endpoints, engines and importers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rise_bench.errors import InputError
from rise_bench.model import syntaxes_any as lenient
from rise_bench.model import syntaxes_marks as marks
from rise_bench.model import syntaxes_named as named
from rise_bench.model.literals import MAX_CHARS
from rise_bench.model.shapes import clean_text, read_arguments
from rise_bench.model.syntaxes import Reader, Reading, Schemas
from rise_bench.types import Record, ToolCall

__all__ = ["PARSERS", "Parsed", "Schemas", "clean_text", "parse", "read_arguments", "without_thought"]


class Parsed(Record):
    """What a model's text holds.

    No call attempted: `calls` empty and `malformed` empty (prose, `[]`, an empty text). A text that attempts a call and
    fails has the reason in `malformed`; calls beside it that could be read are kept.
    """

    calls: tuple[ToolCall, ...] = ()
    text: str = ""
    """The text outside the calls, stripped. The raw text is the caller's: nothing here replaces it."""
    malformed: str = ""
    """Which block or object is no call, and why. Characters are counted from 0, from where that block begins."""
    syntax: str = ""
    """Name of the syntax met: `tool_call`, `mistral`, `python_tag`, `python_start`, `function`, `json`, `python`, `glm4`,
    `deepseek`, `kimi`, `cohere`, `harmony`, `functionary`; empty for prose."""

    @property
    def marked(self) -> bool:
        """True where special marks say that a call was meant, so that it cannot be JSON or code shown to a reader."""
        return self.syntax not in ("", "json", "python")


PARSERS: Mapping[str, str] = MappingProxyType(
    {
        "auto": "whatever is met, leniently",
        "hermes": '`<tool_call>{"name", "arguments"}</tool_call>`',
        "qwen3_xml": "`<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`",
        "llama3_json": '`{"name", "parameters"}`, `;` between, `<|python_tag|>` before or not',
        "pythonic": '`[f(a=1), g(b="x")]`, with `<|python_start|>` or not',
        "mistral": '`[TOOL_CALLS][{"name", "arguments"}]`, `[TOOL_CALLS]NAME{...}`, `[TOOL_CALLS]NAME[ARGS]{...}`',
        "xlam": 'a JSON list of `{"name", "arguments"}`, bare, fenced or after a mark',
        "toolace": "`[Name With Blanks(a=1)]`: as pythonic",
        "functionary": "`<function=NAME>{...}</function>` (v3.1), `>>>NAME` and a line with `{...}` (v3.2)",
        "deepseek": "`<｜tool▁calls▁begin｜>...` with fenced JSON (V3, R1) or bare JSON (V3.1)",
        "granite": '`<|tool_call|>[{"name", "arguments"}]` (3.0), `<tool_call>[...]` (3.1 to 3.3)',
        "phi4_mini": "`functools[...]` or `<|tool_call|>[...]<|/tool_call|>`",
        "cohere": '`<|START_ACTION|>[{"tool_name", "parameters"}]<|END_ACTION|>`',
        "glm4": "`<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>`",
        "kimi": "`<|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{...}`",
        "harmony": "`<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>` (gpt-oss)",
        "json": "calls as JSON in any usual shape: the whole text, fenced, or after prose",
    }
)
"""Every parser's name, and the syntax that it reads. `text` is another name for `auto`."""

_ALIASES = {"text": "auto"}

_NAMED: Mapping[str, Reader] = {
    "hermes": named.hermes,
    "qwen3_xml": named.qwen3_xml,
    "llama3_json": named.llama3_json,
    "pythonic": named.pythonic,
    "mistral": named.mistral,
    "xlam": named.xlam,
    "toolace": named.toolace,
    "functionary": named.functionary,
    "deepseek": marks.deepseek,
    "granite": named.granite,
    "phi4_mini": named.phi4_mini,
    "cohere": marks.cohere,
    "glm4": named.glm4,
    "kimi": marks.kimi,
    "harmony": marks.harmony,
    "json": lenient.generic_json,
}


def _glm_blocks(text: str, schemas: Schemas) -> Reading | None:
    """GLM's blocks share their marks with Hermes': the keys inside tell them apart."""
    return named.glm4(text, schemas) if "<arg_key>" in text else None


def _python_start(text: str, schemas: Schemas) -> Reading | None:
    """Llama 4's mark before a list of calls."""
    return named.pythonic(text, schemas) if text.startswith("<|python_start|>") else None


def _answer_sections(text: str, schemas: Schemas) -> Reading | None:
    """functionary's `>>>NAME`, only where a text begins with it: a Python prompt has a blank after the mark."""
    return named.functionary(text, schemas) if text.startswith(">>>") and "<function=" not in text else None


_ANY: tuple[Reader, ...] = (
    lenient.whole,
    _glm_blocks,
    lenient.marked("<tool_call>", "</tool_call>"),
    lenient.marked("<tool_calls>", "</tool_calls>"),
    lenient.marked("<functioncall>", "</functioncall>"),
    lenient.marked("<|tool_call|>", "<|/tool_call|>"),
    lenient.mistral_any,
    lenient.python_tag,
    _python_start,
    marks.deepseek,
    marks.kimi,
    marks.cohere,
    marks.harmony,
    lenient.functions,
    _answer_sections,
    lenient.fenced,
    lenient.plain,
)

_MARKS: Mapping[str, str] = {
    "<tool_call>": "hermes",
    "<tool_calls>": "hermes",
    "<functioncall>": "hermes",
    "<|tool_call|>": "granite",
    "[TOOL_CALLS]": "mistral",
    "<|python_tag|>": "llama3_json",
    "<|python_start|>": "pythonic",
    "<｜tool▁call": "deepseek",
    "<|tool_calls_section_begin|>": "kimi",
    "<|tool_call_begin|>": "kimi",
    "<|START_ACTION|>": "cohere",
    "<|channel|>": "harmony",
    "<function=": "functionary",
}
"""Marks of call syntax, and the parser that reads what they begin."""

_MET = {"json": "json", "python": "pythonic", "function": "functionary", "glm4": "glm4"}


def parse(text: str, id_prefix: str = "call", parser: str = "auto", schemas: Schemas | None = None) -> Parsed:
    """Calls, the text around them, and why what looks like a call is none.

    Time and memory are linear in the text, of which at most `MAX_CHARS` are read for calls; no text makes it raise, and
    nothing in the text is executed. Ids are `<id_prefix>_0`, `<id_prefix>_1`, ... Source: our design, after the formats
    of the families in `docs/models.md`.

    Args:
        text: what the model wrote.
        id_prefix: begins every call's id.
        parser: a name of `PARSERS`. `auto` reads whatever is met. Any other reads its own syntax as the engines do, and
            a call in another syntax is malformed there.
        schemas: JSON Schema of the arguments by the tool's name as the model was given it. Syntaxes that write values
            without quotes (`qwen3_xml`, `glm4`) need it to tell "12" from 12; without it what reads as JSON is JSON.

    Raises:
        InputError: no parser has that name.
    """
    wanted = _ALIASES.get(parser, parser)
    if wanted not in PARSERS:
        raise InputError(f"no call parser {parser!r}", where="parser", remedy=f"one of {', '.join(PARSERS)}")
    text = clean_text(text).strip()
    thought, body = without_thought(text)
    if len(body) > MAX_CHARS:
        looks = lenient.LOOKS_LIKE_JSON.search(body[:1000]) or any(mark in body[:1000] for mark in _MARKS)
        return Parsed(text=text, malformed=f"call syntax in {len(body)} characters of text" if looks else "")
    reading = _read(body, wanted, schemas or {})
    if reading is None:
        return Parsed(text=text)
    calls = tuple(
        ToolCall(id=f"{id_prefix}_{index}", tool=name, arguments=arguments)
        for index, (name, arguments) in enumerate(reading.calls)
    )
    rest = "\n".join(part for part in (thought, *(part.strip() for part in reading.rest)) if part)
    syntax = reading.syntax if reading.attempted else ""
    return Parsed(calls=calls, text=rest, malformed="; ".join(reading.problems[:3]), syntax=syntax)


def _read(text: str, parser: str, schemas: Schemas) -> Reading | None:
    """What a parser makes of a text; None where it is prose to it."""
    if parser == "auto":
        found = (read(text, schemas) for read in _ANY)
        return next((reading for reading in found if reading is not None), None)
    reading = _NAMED[parser](text, schemas)
    if reading is not None and reading.attempted:
        return reading
    other = _read(text, "auto", schemas)
    if other is None or not other.attempted:
        return reading
    return Reading(other.syntax, rest=[text], problems=[f"a {_met(text, other)} where {parser} is read"])


def _met(text: str, other: Reading) -> str:
    """What kind of call a text holds, and where it begins."""
    if other.syntax in _MET:
        return f"{_MET[other.syntax]} call"
    found = [(text.find(mark), mark) for mark in _MARKS if mark in text]
    if not found:
        return f"{other.syntax} call"
    at, mark = min(found)
    inside = named.other_block(text[at + len(mark) :].lstrip()) if mark == "<tool_call>" else ""
    return f"{inside or _MARKS[mark]} call at character {at}"


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
