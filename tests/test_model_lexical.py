"""The lexical agent: what it reads out of a request, what it calls, when it asks, declines and answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.model import load
from rise_bench.model.mentions import mentions, words
from rise_bench.types import Assistant, Message, ModelRequest, Reply, Tool, ToolCall, ToolResult, User

NOW = "2026-04-02T09:00:00+00:00"  # a Thursday


def tool(name: str, description: str, required: str = "", **properties: dict[str, Any]) -> Tool:
    server, _, short = name.partition(".")
    parameters = {"type": "object", "properties": properties, "required": required.split()}
    return Tool(server=server, name=short, description=description, parameters=parameters)  # type: ignore[arg-type]


TEXT = {"type": "string"}
TOOLS = (
    tool("fs.read_file", "Read the contents of a file.", "path", path=TEXT, head={"type": "integer"}),
    tool("fs.write_file", "Write content to a file.", "path content", path=TEXT, content=TEXT),
    tool("fs.list_directory", "List the files in a directory.", "path", path=TEXT),
    tool("fs.create_directory", "Create a new directory.", "path", path=TEXT),
    tool(
        "units.convert_mass",
        "Convert mass between units.",
        "value from_unit to_unit",
        value={"type": "number"},
        from_unit={"enum": ["gram", "pound", "ounce"]},
        to_unit={"enum": ["gram", "pound", "ounce"]},
    ),
    tool("time.get_current_time", "Get the current time in a timezone.", "timezone", timezone=TEXT),
    tool("cal.add_event", "Add an event to the calendar.", "title date", title=TEXT, date={**TEXT, "format": "date"}),
    tool("db.query", "Run a query on the database.", "query", query={**TEXT, "description": "SELECT SQL to run"}),
    tool("search.find", "Search for documents.", "query", query=TEXT, recursive={"type": "boolean"}),
)


def reply(text: str, *after: Message, tools: tuple[Tool, ...] = TOOLS) -> Reply:
    request = ModelRequest(messages=(User(content=text), *after), tools=tools, now=NOW, root="/box")
    return load("lexical").reply(request)


def calls(text: str, *after: Message) -> list[tuple[str, Any]]:
    return [(call.tool, call.arguments) for call in reply(text, *after).message.tool_calls]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('call it "Board, part 2"', "quote", "Board, part 2"),
        ("see notes/2026/plan.md please", "path", "notes/2026/plan.md"),
        ("open plan.md.", "path", "plan.md"),
        ("about 1,250.50 euros", "number", 1250.5),
        ("give me -3 of them", "number", -3),
        ("on 2026-05-01", "date", "2026-05-01"),
        ("on 3rd of May 2027", "date", "2027-05-03"),
        ("on May 3", "date", "2026-05-03"),
        ("tomorrow", "date", "2026-04-03"),
        ("the day before yesterday", "date", "2026-03-31"),
        ("next Monday", "date", "2026-04-06"),
        ("last Thursday", "date", "2026-03-26"),
        ("in two weeks", "date", "2026-04-16"),
        ("at 3 pm", "time", "15:00"),
        ("at 9:05", "time", "09:05"),
        ("at noon", "time", "12:00"),
        ("mail jo@example.org", "email", "jo@example.org"),
        ("from https://example.org/a?b=1.", "url", "https://example.org/a?b=1"),
        ("close INV-1042", "identifier", "INV-1042"),
        ("ask Anna Berg's team", "name", "Anna Berg"),
        ("a file, i.e. plan.md", "path", "plan.md"),
    ],
)
def test_a_request_mentions_typed_things(text: str, kind: str, value: Any) -> None:
    assert [(found.kind, found.value) for found in mentions(text, NOW)] == [(kind, value)]


def test_numbers_inside_dates_paths_and_quotations_are_no_numbers() -> None:
    found = mentions('on 2026-05-01 put "7 eggs" into q3/plan.md', NOW)
    assert [mention.kind for mention in found] == ["date", "quote", "path"]


def test_relative_dates_need_a_now() -> None:
    assert mentions("tomorrow") == ()


def test_impossible_dates_are_left_out() -> None:
    assert [found.kind for found in mentions("on 2026-02-30", NOW) if found.kind == "date"] == []


def test_names_of_tools_fall_into_the_words_of_requests() -> None:
    assert words("listDirectories move_files") == words("LIST directory moving file")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("What does notes/plan.md say?", ("fs.read_file", {"path": "/box/notes/plan.md"})),
        ('Write "hello" to the file notes/a.txt', ("fs.write_file", {"path": "/box/notes/a.txt", "content": "hello"})),
        ("Create the folder clients/2026.", ("fs.create_directory", {"path": "/box/clients/2026"})),
        ("Which files are in the directory?", ("fs.list_directory", {"path": "/box"})),
        ("Convert 3 pounds to grams.", ("units.convert_mass", {"value": 3, "from_unit": "pound", "to_unit": "gram"})),
        ("What time is it in Tokyo now?", ("time.get_current_time", {"timezone": "Asia/Tokyo"})),
        (
            'Add an event "Dentist" to my calendar for tomorrow.',
            ("cal.add_event", {"title": "Dentist", "date": "2026-04-03"}),
        ),
        ('Search for documents on "cats", recursive please.', ("search.find", {"query": "cats", "recursive": True})),
        ('Search for documents on "cats", not recursive.', ("search.find", {"query": "cats", "recursive": False})),
    ],
)
def test_the_words_of_a_request_find_the_tool_and_its_arguments(text: str, call: tuple[str, Any]) -> None:
    assert calls(text) == [call]


def test_a_missing_required_value_is_asked_for() -> None:
    message = reply("Please write something to a file.").message
    assert message.tool_calls == ()
    assert message.content == "Which path do you mean?"


def test_what_no_tool_speaks_of_is_declined() -> None:
    message = reply("Bake me a cake.").message
    assert message.tool_calls == ()
    assert "cannot" in message.content
    assert "cannot" in reply("Read the file a.txt", tools=()).message.content


def test_words_are_not_sent_where_a_language_is_wanted() -> None:
    assert all(name != "db.query" for name, _ in calls("Run a query on the database for open orders."))


def history(text: str, status: str = "ok", content: str = "done") -> tuple[Message, ...]:
    first = reply(text).message
    result = ToolResult(call_id=first.tool_calls[0].id, content=content, status=status)  # type: ignore[arg-type]
    return first, result


def test_each_clause_gets_its_call_and_then_comes_the_answer() -> None:
    text = "Create the folder clients/2026. Then read the file notes/plan.md."
    first = history(text)
    assert isinstance(first[0], Assistant)
    assert first[0].tool_calls[0].tool == "fs.create_directory"
    second = reply(text, *first).message
    assert second.tool_calls[0].tool == "fs.read_file"
    result = ToolResult(call_id=second.tool_calls[0].id, content="plan: build")
    assert reply(text, *first, second, result).message.tool_calls == ()


def test_an_invalid_call_is_tried_once_more_with_required_arguments_only() -> None:
    text = 'Search for documents on "cats", recursive please.'
    first = history(text, "tool_error", "Input validation error: recursive is not allowed")
    second = reply(text, *first).message
    assert [(call.tool, call.arguments) for call in second.tool_calls] == [("search.find", {"query": "cats"})]
    again = ToolResult(call_id=second.tool_calls[0].id, content="invalid argument", status="tool_error")
    assert reply(text, *first, second, again).message.tool_calls == ()


def test_the_answer_quotes_the_lines_that_speak_of_the_request() -> None:
    text = "How many invoices are in books/march.txt?"
    rows = "\n".join(f"line {number}" for number in range(50)) + "\ninvoices in march: 7\n"
    first = Assistant(
        tool_calls=(ToolCall(id="call_0_0", tool="fs.read_file", arguments={"path": "/box/books/march.txt"}),)
    )
    answer = reply(text, first, ToolResult(call_id="call_0_0", content=rows)).message.content
    assert "invoices in march: 7" in answer
    assert len(answer.splitlines()) == 6


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_request_gets_the_same_reply_each_time(text: str) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")
    assert reply(text) == reply(text)


SCHEMAS: tuple[Any, ...] = (
    {"type": "object", "properties": None},
    {"type": "object", "properties": {"x": True}, "required": ["x"]},
    {"type": "object", "properties": {"x": {"$ref": "#/nowhere"}}, "required": ["x"]},
    {"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}, "required": ["x"]},
    {"type": "object", "properties": {"x": {"type": "array", "items": {"$ref": "#/properties/x"}}}, "required": ["x"]},
    {"type": "object", "properties": {"x": {"type": ["null", "integer"], "anyOf": [{}]}}, "required": ["x", 3]},
    {"type": "object", "required": None},
)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_odd_schemas_do_not_break_it(schema: Any) -> None:
    odd = Tool(server="s", name="do_thing", description="Do the thing.", parameters=schema)
    assert isinstance(reply("Do the thing 5 times with plan.md", tools=(odd,)), Reply)
