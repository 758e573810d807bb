"""What a chat template takes is tried out: tools, system messages, ids of calls."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest

from rise_bench.errors import InputError
from rise_bench.model.rendering import Apply, Rendering, Tools, rendering
from rise_bench.model.wire import Names
from rise_bench.types import Assistant, Sampling, System, Tool, ToolCall, ToolResult, User

TOOL = Tool(server="files", name="size", parameters={"type": "object", "properties": {"path": {"type": "string"}}})
NAMES = Names.of([TOOL])
ASKED = (System(content="Be brief."), User(content="How big?"))
CALL = Assistant(tool_calls=(ToolCall(id="call_0_0", tool="files.size", arguments={"path": "a.txt"}),))
RESULT = ToolResult(call_id="call_0_0", tool="files.size", content="7 bytes")

TOOLS = "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
TURNS = """
{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}
{%- for call in message.tool_calls or [] -%}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|end|>{% endfor %}<|assistant|>"""
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ refuse('System role not supported') }}{% endif %}{% endfor %}"
)
NINE = """{% for m in messages -%}
{% if m.tool_call_id and m.tool_call_id | length != 9 %}{{ refuse('nine') }}{% endif %}{% endfor %}"""
PLAIN = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"


def template(text: str) -> Apply:
    def refuse(why: str) -> None:
        raise jinja2.TemplateError(why)

    compiled = jinja2.Environment(autoescape=False).from_string(text, globals={"refuse": refuse})

    def apply(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
        return compiled.render(messages=messages, tools=tools)

    return apply


def found(text: str | None, tools: Tools = "auto", **more: Any) -> Rendering:
    sampling = Sampling(parser=more.pop("parser", "native"))
    apply = None if text is None else template(text)
    return rendering(apply, template=text or "", config={}, tools=tools, sampling=sampling, ends=["<|end|>"], **more)


def test_a_template_that_takes_tools_gets_them_and_its_familys_parser_reads_the_calls() -> None:
    one = found(TOOLS + TURNS)
    assert (one.tools, one.parser, one.merged, one.numbered) == ("native", "hermes", False, False)
    text = one.prompt([*ASKED, CALL, RESULT], [TOOL], NAMES)
    assert '"files__size"' in text and "<|tool|>7 bytes<|end|>" in text and text.endswith("<|assistant|>")


def test_a_template_that_leaves_tools_out_has_them_told_in_the_system_message() -> None:
    one = found(PLAIN)
    assert (one.tools, one.parser, one.why) == ("prompted", "hermes", "the chat template does not take tools")
    text = one.prompt([*ASKED, CALL, RESULT], [TOOL], NAMES)
    assert text.startswith("<|system|>Be brief.\n\nYou may call") and "<|user|><tool_response>\n7 bytes" in text


def test_tools_can_be_told_in_words_although_the_template_takes_them() -> None:
    one = found(TOOLS + TURNS, "prompted")
    assert (one.tools, one.why) == ("prompted", "as asked for")


@pytest.mark.parametrize(("text", "why"), [(PLAIN, "does not take tools"), (None, "no chat template")])
def test_tools_cannot_be_given_to_a_template_that_takes_none(text: str | None, why: str) -> None:
    with pytest.raises(InputError, match=why):
        found(text, "native")


def test_a_template_that_refuses_system_messages_has_them_before_the_first_request() -> None:
    one = found(NO_SYSTEM + TOOLS + TURNS)
    assert one.tools == "native" and one.merged
    assert "<|user|>Be brief.\n\nHow big?<|end|>" in one.prompt(ASKED, [TOOL], NAMES)
    told = found(NO_SYSTEM + PLAIN)
    assert told.tools == "prompted" and told.merged
    assert told.prompt(ASKED, [TOOL], NAMES).startswith("<|user|>Be brief.\n\nYou may call")


def test_a_template_that_wants_ids_of_nine_characters_gets_them() -> None:
    one = found(NINE + TOOLS + TURNS)
    assert one.tools == "native" and one.numbered
    assert "7 bytes" in one.prompt([*ASKED, CALL, RESULT], [TOOL], NAMES)


def test_without_a_template_roles_are_written_out() -> None:
    one = found(None)
    assert one.apply is None and one.tools == "prompted"
    assert one.prompt(ASKED, [], NAMES) == "System: Be brief.\n\nUser: How big?\n\nAssistant:"


def test_a_template_that_fails_on_any_conversation_is_as_good_as_none() -> None:
    one = found("{{ refuse('never') }}")
    assert one.apply is None and "fails on a plain conversation" in one.why


def test_a_familys_parser_that_does_not_read_what_the_template_writes_is_not_used() -> None:
    one = found((TOOLS + TURNS).replace('{"name"', '["odd", {"name"').replace("}</tool_call>", "}]</tool_call>"))
    assert one.parser == "auto" and "does not read what this template writes" in one.why


def test_an_engine_that_leaves_out_the_marks_of_calls_has_tools_told_in_words() -> None:
    def without_marks(text: str) -> str:
        return text.replace("<tool_call>", "").replace("</tool_call>", "")

    one = found(TOOLS + TURNS, heard=without_marks)
    assert (one.tools, one.why) == ("prompted", "the engine leaves out the marks of calls")
    assert found(TOOLS + TURNS, heard=str).tools == "native"


def test_the_parser_that_is_asked_for_is_taken() -> None:
    assert found(TOOLS + TURNS, parser="json").parser == "json"
    assert found(PLAIN, parser="auto").parser == "auto"
    with pytest.raises(InputError, match="no call parser 'klingon'"):
        found(PLAIN, parser="klingon")


def test_settings_tell_renderings_apart() -> None:
    kinds = [found(TOOLS + TURNS), found(NO_SYSTEM + TOOLS + TURNS), found(PLAIN), found(None)]
    assert len({str(sorted(one.settings().items())) for one in kinds}) == len(kinds)
