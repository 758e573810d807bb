"""What a model reads where tools are told in words, and how its text is read."""

from __future__ import annotations

from rise_bench.model.prompt import TOLD, plain_prompt, prompted, read_text, template_messages, tools_digest
from rise_bench.model.wire import Names
from rise_bench.types import Assistant, System, Tool, ToolCall, ToolResult, User, canonical

FIND = Tool(server="files", name="find", description="Finds.", parameters={"properties": {"word": {"type": "string"}}})
SIZE = Tool(server="files", name="size", description="Measures.")
NAMES = Names.of([FIND, SIZE])
ASKED = (System(content="Be brief."), User(content="How big is it?"))
CALLED = Assistant(
    content="Looking.",
    tool_calls=(
        ToolCall(id="a", tool="files.find", arguments={"word": "März"}),
        ToolCall(id="b", tool="files.size", arguments="{broken"),
    ),
)
ANSWERED = (
    ToolResult(call_id="a", tool="files.find", content="notes.txt"),
    ToolResult(call_id="b", tool="files.size", content="no such file"),
)


def test_tools_are_told_in_the_system_message() -> None:
    system, user = prompted(ASKED, [FIND, SIZE], NAMES)
    assert system["content"].startswith("Be brief.\n\nYou may call these tools")
    told = [line for line in system["content"].splitlines() if '"parameters"' in line]
    assert len(told) == 2 and '"files__find"' in told[0] and '"files__size"' in told[1]
    assert user == {"role": "user", "content": "How big is it?"}


def test_without_a_system_message_one_is_made_and_without_tools_nothing_is_told() -> None:
    assert prompted(ASKED[1:], [FIND], NAMES)[0]["role"] == "system"
    assert prompted(ASKED, [], NAMES) == [message.model_dump() for message in ASKED]


def test_results_that_follow_each_other_are_one_message() -> None:
    roles = [message["role"] for message in prompted([*ASKED, CALLED, *ANSWERED], [FIND], NAMES)]
    assert roles == ["system", "user", "assistant", "user"]
    last = prompted([*ASKED, CALLED, *ANSWERED], [FIND], NAMES)[-1]["content"]
    assert last.count("<tool_response>") == 2 and last.index("notes.txt") < last.index("no such file")


def test_a_call_is_written_as_it_is_read() -> None:
    written = prompted([CALLED], [], NAMES)[0]["content"]
    message = read_text(written, NAMES, parser="hermes", step=3)
    assert message.content == "Looking."
    assert [call.tool for call in message.tool_calls] == ["files.find", "files.size"]
    assert message.tool_calls[0].arguments == {"word": "März"}
    assert [call.id for call in message.tool_calls] == ["call_3_0", "call_3_1"]


def test_templates_get_arguments_as_objects_and_the_name_of_the_tool_that_answered() -> None:
    called, first, _ = template_messages([CALLED, *ANSWERED], NAMES)
    assert [call["function"]["arguments"] for call in called["tool_calls"]] == [
        {"word": "März"},
        {"unparsable": "{broken"},
    ]
    assert (first["role"], first["name"], first["tool_call_id"]) == ("tool", "files__find", "a")


def test_a_plain_prompt_ends_where_the_assistant_begins() -> None:
    assert plain_prompt(prompted(ASKED, [], NAMES)) == "System: Be brief.\n\nUser: How big is it?\n\nAssistant:"


def test_a_thought_is_neither_said_nor_called() -> None:
    call = '<tool_call>\n{"name": "files__size", "arguments": {}}\n</tool_call>'
    assert read_text(f"<think>{call}</think> It is big.", NAMES, parser="hermes", step=0) == Assistant(
        content="It is big."
    )


def test_text_that_attempts_a_call_and_fails_is_kept_with_the_reason() -> None:
    text = '<tool_call>\n{"name": "files__size", "arguments": }\n</tool_call>'
    message = read_text(text, NAMES, parser="hermes", step=0)
    assert message.content == text and message.tool_calls == () and message.malformed.startswith("hermes block 1")


def test_the_digest_of_tools_follows_what_is_rendered() -> None:
    assert tools_digest([FIND, SIZE], NAMES) != tools_digest([SIZE, FIND], NAMES)
    assert tools_digest([FIND], NAMES) == tools_digest([FIND.model_copy(update={"effect": "read"})], NAMES)


def test_how_tools_are_told_is_fixed_text() -> None:
    assert canonical(TOLD.format(tools="")).count("tool_call") == 2
