"""How one chat template is given messages and tools: what it takes is tried out, not assumed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from rise_bench.errors import InputError
from rise_bench.model.calls import PARSERS, parse
from rise_bench.model.families import Family, family_of
from rise_bench.model.located import digest
from rise_bench.model.prompt import TOLD, plain_prompt, prompted, template_messages
from rise_bench.model.wire import VERSION, Names, tool_schema
from rise_bench.types import Assistant, Message, Sampling, System, Tool, ToolCall, ToolResult, User

__all__ = ["Apply", "Rendering", "Tools", "refuse_constraints", "rendering"]

Tools = Literal["auto", "native", "prompted"]
"""How tools are told: by the template itself, in the system message, or whichever works."""


class Apply(Protocol):
    """A chat template. Whatever it raises means that it does not take such messages."""

    def __call__(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
        """The prompt as text, ending where the assistant begins."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """One way to make prompts for one model."""

    apply: Apply | None
    """None = no chat template: roles are written out."""
    tools: Literal["native", "prompted"]
    parser: str
    """A name of `calls.PARSERS`: reads what the model writes."""
    why: str
    """Why tools are told so, and why that parser."""
    template: str = ""
    """SHA-256 of the chat template."""
    merged: bool = False
    """The template takes no system message: it is put before the first user message."""
    numbered: bool = False
    """The template takes only call ids of nine letters and digits (Mistral's): they are numbered so."""

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool], names: Names) -> str:
        """The text that the model continues."""
        if self.tools == "prompted":
            plain = prompted(messages, tools, names)
            if self.apply is None:
                return plain_prompt(plain)
            return self.apply(self._merged(plain), None)
        assert self.apply is not None
        taken = self._merged(self._numbered(template_messages(messages, names)))
        return self.apply(taken, [tool_schema(tool, names) for tool in tools] or None)

    def settings(self) -> dict[str, Any]:
        """What of it changes replies, for a run's record."""
        return {
            "tools": self.tools,
            "tools_reason": self.why,
            "tools_told": digest(TOLD) if self.tools == "prompted" else "",
            "template": self.template,
            "template_variant": "".join([" merged" * self.merged, " numbered" * self.numbered]).strip(),
            "parser": f"harness:{self.parser}",
            "format": VERSION,
        }

    def _merged(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.merged or messages[0]["role"] != "system":
            return list(messages)
        told, *rest = messages
        at = next((index for index, message in enumerate(rest) if message["role"] == "user"), None)
        if at is None:
            return [{**told, "role": "user"}, *rest]
        joined = {**rest[at], "content": f"{told['content']}\n\n{rest[at]['content']}"}
        return [*rest[:at], joined, *rest[at + 1 :]]

    def _numbered(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self.numbered:
            return list(messages)
        ids: dict[str, str] = {}
        for message in messages:
            for call in message.get("tool_calls", ()):
                ids.setdefault(call["id"], f"call{len(ids):05d}")
        return [_renamed(message, ids) for message in messages]


def _renamed(message: dict[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    if "tool_calls" in message:
        calls = [{**call, "id": ids[call["id"]]} for call in message["tool_calls"]]
        return {**message, "tool_calls": calls}
    if "tool_call_id" in message:
        return {**message, "tool_call_id": ids.get(message["tool_call_id"], f"call{len(ids):05d}")}
    return message


# --- finding it -------------------------------------------------------------------------------------------------------

_TOOL = Tool(
    server="probe",
    name="look_up",
    description="Looks up.",
    parameters={"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
)
_NAMES = Names.of([_TOOL])
_ASKED: tuple[Message, ...] = (System(content="probe-system"), User(content="probe-request"))
_CALLED = Assistant(tool_calls=(ToolCall(id="call_0_0", tool=_TOOL.id, arguments={"key": "probe-value"}),))
_ANSWERED = ToolResult(call_id="call_0_0", tool=_TOOL.id, content="probe-result")
_MARKS = ("probe-system", "probe-request", "probe-value", "probe-result")


def rendering(
    apply: Apply | None,
    *,
    template: str,
    config: Mapping[str, Any],
    tools: Tools,
    sampling: Sampling,
    ends: Sequence[str] = (),
    heard: Callable[[str], str] | None = None,
) -> Rendering:
    """The rendering that a model's chat template takes, and the parser that reads its calls.

    A template is tried with a conversation that has a system message, a call and its result: one that leaves any of
    them out, or the tool, or refuses them, is no tool template. Then tools are told in the system message.

    Args:
        apply: the template; None where the model has none.
        template: its text.
        config: `config.json`, which tells the family where the template does not.
        tools: what was asked for.
        sampling: its `parser` overrules the family's.
        ends: texts of the tokens that end a message.
        heard: what an engine makes of a text that the model writes, where it leaves out special tokens.

    Raises:
        InputError: `native` is asked for and the template does not take tools; or no such parser.
    """
    if sampling.parser != "native" and sampling.parser not in (*PARSERS, "text"):
        raise InputError(f"no call parser {sampling.parser!r}", where="--parser", remedy=f"one of {', '.join(PARSERS)}")
    text = digest(template)
    refused = "the chat template does not take tools" if apply is not None else "the model has no chat template"
    if apply is not None and tools != "prompted":
        found = _native(apply)
        if found is not None:
            parser, why = _parser(found, family_of(config, template), sampling, ends)
            if heard is None or (written := _written(found, ends)) is None or _reads(parser, heard(written)):
                return replace(found, parser=parser, why=why, template=text)
            refused = "the engine leaves out the marks of calls"
    if tools == "native":
        remedy = "leave it out: tools are then told in the system message"
        raise InputError(refused, where="tools=native", remedy=remedy)
    why = "as asked for" if tools == "prompted" else refused
    parser = "hermes" if sampling.parser == "native" else sampling.parser
    for merged in (False, True) if apply is not None else ():
        one = Rendering(apply=apply, tools="prompted", parser=parser, why=why, merged=merged, template=text)
        if _holds(one):
            return one
    why = "no chat template" if apply is None else "the chat template fails on a plain conversation"
    return Rendering(apply=None, tools="prompted", parser=parser, why=f"{why}: roles are written out")


def _native(apply: Apply) -> Rendering | None:
    for merged, numbered in itertools.product((False, True), (False, True)):
        one = Rendering(apply=apply, tools="native", parser="auto", why="", merged=merged, numbered=numbered)
        if _holds(one):
            return one
    return None


def _holds(one: Rendering) -> bool:
    """Does a whole conversation come through?"""
    tools = (_TOOL,)
    try:
        first = one.prompt(_ASKED, tools, _NAMES)
        later = one.prompt([*_ASKED, _CALLED, _ANSWERED], tools, _NAMES)
    except Exception:  # a template is foreign code and refuses with whatever it likes
        return False
    told, first, later = _NAMES.wire(_TOOL.id), str(first), str(later)  # a backend's prompt may be an object
    return told in first and all(mark in first for mark in _MARKS[:2]) and all(mark in later for mark in _MARKS)


def _parser(one: Rendering, family: Family | None, sampling: Sampling, ends: Sequence[str]) -> tuple[str, str]:
    """(parser, why): the one asked for, else the family's if it reads the template's own call, else any."""
    if sampling.parser != "native":
        return sampling.parser, "parser as asked for"
    if family is None:
        return "auto", "no family known"
    written = _written(one, ends)
    if written is None or _reads(family.parser, written):
        return family.parser, f"family {family.name}"
    return "auto", f"family {family.name}, whose parser does not read what this template writes"


def _written(one: Rendering, ends: Sequence[str]) -> str | None:
    """A call as the template writes it into a history; None where it cannot be told from what stands around it."""
    try:
        before = one.prompt(_ASKED, (_TOOL,), _NAMES)
        after = one.prompt([*_ASKED, _CALLED, _ANSWERED], (_TOOL,), _NAMES)
    except Exception:  # as in `_holds`
        return None
    if not after.startswith(before):
        return None
    written, mark, _ = after[len(before) :].partition("probe-result")
    cuts = [at for end in ends if end and (at := written.find(end, written.find("probe-value"))) >= 0]
    return written[: min(cuts, default=len(written))] if mark else None


def _reads(parser: str, written: str) -> bool:
    wire = _NAMES.wire(_TOOL.id)
    return any(call.tool == wire for call in parse(written, parser=parser).calls)


def refuse_constraints(sampling: Sampling, engine: str) -> None:
    """Nothing, where the sampling asks for nothing that an engine without a grammar cannot do.

    Raises:
        InputError: it asks for strict arguments, or for a certain call.
    """
    if sampling.strict or sampling.tool_choice not in ("auto", "none"):
        asked = "--strict" if sampling.strict else f"--tool-choice {sampling.tool_choice}"
        remedy = "leave it out, or serve the model: vllm:ID"
        raise InputError(f"{engine} cannot hold a model to it while it writes", where=asked, remedy=remedy)
