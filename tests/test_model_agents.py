"""The shipped agents that need no network: oracle, trivial ones, scripted, and how a model is named."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rise_bench.errors import InputError, PluginError
from rise_bench.model import identity_args, load
from rise_bench.model.sample import arguments_for
from rise_bench.types import (
    Assistant,
    Call,
    Fact,
    Message,
    Model,
    ModelRequest,
    Reply,
    Suite,
    System,
    Task,
    Tool,
    ToolResult,
    User,
)

COMPLETE = Task(
    id="t/complete",
    request="Move the first invoice, tell me how many there are.",
    reference=(
        Call(tool="fs.search", arguments={"path": "{root}"}),
        Call(tool="fs.move", arguments={"source": {"$ref": [0, "/0"]}, "destination": {"$join": ["{root}/x/", "a"]}}),
    ),
    answer=(
        Fact(value=7.0, type="number", about=("invoices",)),
        Fact(value="{root}/x", type="path", about=("folder",)),
    ),
)
ASKING = Task(id="t/asking", kind="underspecified", request="Book it.", asks=(("date", "day"), ("room",)))
REFUSING = Task(id="t/refusing", kind="infeasible", request="Mail it.", reasons=("e-mail", "mail"))
CHATTING = Task(id="t/chat", kind="no_call", request="Who are you?")
SUITE = Suite(name="s", version="1-0", system_prompt="", tasks=(COMPLETE, ASKING, REFUSING, CHATTING))


def asking(task: str, *after: Message, root: str = "/box", **more: Any) -> ModelRequest:
    messages = (System(content="help"), User(content="please"), *after)
    return ModelRequest(messages=messages, tools=more.pop("tools", ()), task=task, root=root, **more)


def answered(reply: Reply, text: str) -> tuple[Message, ...]:
    results = [ToolResult(call_id=call.id, content=text) for call in reply.message.tool_calls]
    return (reply.message, *results)


def test_the_oracle_plays_the_reference_with_what_it_observed() -> None:
    oracle = load("oracle", suite=SUITE)
    first = oracle.reply(asking("t/complete"))
    assert [(call.tool, call.arguments) for call in first.message.tool_calls] == [("fs.search", {"path": "/box"})]
    history = answered(first, '["/box/seen-now.txt"]')
    second = oracle.reply(asking("t/complete", *history))
    assert second.message.tool_calls[0].arguments == {"source": "/box/seen-now.txt", "destination": "/box/x/a"}
    last = oracle.reply(asking("t/complete", *history, *answered(second, "ok")))
    assert last.message.tool_calls == ()
    assert last.stop is None
    assert last.message.content.splitlines() == ["invoices: 7.", "folder: /box/x."]


def test_the_oracle_counts_only_what_followed_the_request() -> None:
    earlier = (ToolResult(call_id="0", content="x"), User(content="and now"))
    assert load("oracle", suite=SUITE).reply(asking("t/complete", *earlier)).message.tool_calls[0].tool == "fs.search"


def test_the_oracle_asks_for_each_slot_and_declines_with_the_reason() -> None:
    oracle = load("oracle", suite=SUITE)
    asked = oracle.reply(asking("t/asking")).message.content
    assert [("date" in line, line.endswith("?")) for line in asked.splitlines()] == [(True, True), (False, True)]
    assert "room" in asked
    assert "e-mail" in oracle.reply(asking("t/refusing")).message.content
    assert oracle.reply(asking("t/chat")).message.content


def test_a_reference_that_cannot_go_on_ends_the_attempt_and_says_why() -> None:
    oracle = load("oracle", suite=SUITE)
    history = answered(oracle.reply(asking("t/complete")), "[]")
    reply = oracle.reply(asking("t/complete", *history))
    assert reply.stop == "agent_failed"
    assert "fs.move" in reply.message.content
    assert oracle.reply(asking("t/unknown")).stop == "agent_failed"


def test_the_oracle_without_tasks_is_refused() -> None:
    with pytest.raises(InputError, match="references"):
        load("oracle")


@pytest.mark.parametrize("value", [1e22, 0.1, 5.0, -3, 12345678.25])
def test_numbers_are_stated_without_exponent(value: float) -> None:
    task = Task(id="n", request="?", answer=(Fact(value=value, type="number", about=("sum",)),))
    suite = SUITE.model_copy(update={"tasks": (task,)})
    said = load("oracle", suite=suite).reply(asking("n")).message.content
    assert float(said.removeprefix("sum: ").removesuffix(".")) == value
    assert "e" not in said


@pytest.mark.parametrize("name", ["silent", "always-ask", "always-decline"])
def test_the_agents_that_only_talk_never_call(name: str) -> None:
    model = load(name)
    replies = {
        model.reply(asking(task.id, tools=(Tool(server="a", name="b"),))).model_dump_json() for task in SUITE.tasks
    }
    assert len(replies) == 1
    assert model.reply(asking("x")).message.tool_calls == ()
    assert model.name == name


def test_the_silent_agent_says_nothing_at_all() -> None:
    assert load("silent").reply(asking("x")).message == Assistant()


TOOLS = tuple(
    Tool(
        server="s",
        name=f"t{number}",
        parameters={
            "type": "object",
            "properties": {"n": {"type": "integer"}, "s": {"type": "string"}},
            "required": ["s"],
        },
    )
    for number in range(20)
)


def test_the_random_agent_makes_one_call_that_its_seed_decides() -> None:
    model = load("random-tool")

    def first(seed: int, task: str, attempt: int) -> Any:
        reply = model.reply(asking(task, tools=TOOLS, seed=seed, attempt=attempt))
        return [(call.tool, call.arguments) for call in reply.message.tool_calls]

    assert first(0, "a", 0) == first(0, "a", 0)
    assert len({str(first(seed, task, attempt)) for seed in (0, 1) for task in "ab" for attempt in (0, 1)}) == 8
    reply = model.reply(asking("a", tools=TOOLS))
    assert model.reply(asking("a", *answered(reply, "x"), tools=TOOLS)).message.tool_calls == ()
    assert model.reply(asking("a")).message.tool_calls == ()


SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "object", "properties": {"a": {"enum": ["x", 3, None]}, "b": {"const": 5}}, "required": ["a", "b"]},
    {
        "properties": {
            "n": {"type": "integer", "minimum": 3, "maximum": 4},
            "m": {"type": "number", "exclusiveMinimum": 0},
        }
    },
    {"properties": {"n": {"type": "integer", "multipleOf": 5, "minimum": 7}}, "required": ["n"]},
    {
        "properties": {"l": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3}},
        "required": ["l"],
    },
    {"properties": {"s": {"type": "string", "minLength": 4, "maxLength": 5}}, "required": ["s"]},
    {
        "properties": {"d": {"type": "string", "format": "date"}, "u": {"type": ["string", "null"]}},
        "required": ["d", "u"],
    },
    {"properties": {"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}, "required": ["x"]},
    {"properties": {"x": {"allOf": [{"type": "object"}, {"properties": {"k": {"type": "null"}}, "required": ["k"]}]}}},
    {
        "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer"}}}
        },
        "properties": {"tree": {"$ref": "#/$defs/node"}},
        "required": ["tree"],
    },
    {"required": ["unnamed"]},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_random_arguments_are_valid_for_the_schema(schema: dict[str, Any]) -> None:
    for seed in range(30):
        jsonschema.validate(arguments_for(schema, random.Random(seed)), {"type": "object", **schema})


SCRIPT = """
t/complete:
  - content: looking
    tool_calls:
      - {tool: fs.search, arguments: {path: "{root}/in", day: 2026-04-02}}
      - {tool: fs.raw, arguments: "{broken"}
  - tool_calls: [{tool: fs.move, arguments: {source: {$ref: [0, /0]}}, id: mine}]
"*":
  - {content: "no idea in {root}", malformed: odd, stop: output_limit}
"""


def script(tmp_path: Path, text: str = SCRIPT, name: str = "deviating.yaml") -> Model:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load(f"scripted:{path}")


def test_a_script_is_played_message_by_message_and_ends_with_an_answer(tmp_path: Path) -> None:
    model = script(tmp_path)
    first = model.reply(asking("t/complete"))
    assert first.message.content == "looking"
    assert [call.arguments for call in first.message.tool_calls] == [
        {"path": "/box/in", "day": "2026-04-02"},
        "{broken",
    ]
    history = answered(first, '["/box/a"]')
    second = model.reply(asking("t/complete", *history))
    assert [(call.id, call.arguments) for call in second.message.tool_calls] == [("mine", {"source": "/box/a"})]
    last = model.reply(asking("t/complete", *history, *answered(second, "")))
    assert last == Reply(message=Assistant(content="Done."))


def test_a_script_may_speak_for_every_other_task_and_set_the_stop(tmp_path: Path) -> None:
    reply = script(tmp_path).reply(asking("elsewhere"))
    assert reply == Reply(message=Assistant(content="no idea in /box", malformed="odd"), stop="output_limit")


def test_what_a_script_cannot_play_ends_the_attempt_and_says_why(tmp_path: Path) -> None:
    model = script(
        tmp_path, '{"a": [{"tool_calls": [{"tool": "x", "arguments": {"p": {"$ref": [0, "/0"]}}}]}]}', "s.json"
    )
    assert "script step 0" in model.reply(asking("a")).message.content
    assert model.reply(asking("a")).stop == "agent_failed"
    assert "no messages" in model.reply(asking("b")).message.content


def test_two_scripts_differ_in_content_and_one_does_not_from_itself(tmp_path: Path) -> None:
    one, same, other = script(tmp_path), script(tmp_path, name="copy.yaml"), script(tmp_path, "a: []", "other.yaml")
    assert one.content() == same.content() != other.content()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "cannot be parsed"),
        ("a: 3", "a: "),
        ("a: [{contents: x}]", "contents"),
        ("- x", "top level"),
        ("a: [{tool_calls: [{tool: t, arguments: {x: .nan}}]}]", "a.0.tool_calls"),
        ("", "top level"),
    ],
)
def test_a_script_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        script(tmp_path, text)
    assert "deviating.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_script_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(f"scripted:{tmp_path / 'none.yaml'}")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be parsed"):
        load(f"scripted:{tmp_path / 'bytes.yaml'}")
    with pytest.raises(InputError, match="no script named"):
        load("scripted")


@pytest.mark.parametrize("name", ["silent", "random-tool", "lexical", "oracle", "always-ask", "always-decline"])
def test_arguments_that_an_agent_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown argument 'x'"):
        load(name, {"x": 1}, SUITE)


def test_a_model_can_be_a_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from rise_bench.model.trivial import Saying\n"
        "def make(target, args, suite, sampling): return Saying('mine', str(args['x']))\n"
        "def nothing(target, args, suite, sampling): return 3\n"
        "number = 3\n"
    )
    (tmp_path / "my_models.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert load("my_models:make", {"x": 5}).reply(asking("t")).message.content == "5"
    with pytest.raises(PluginError, match="lacks 'name'"):
        load("my_models:nothing")
    with pytest.raises(PluginError, match="not callable"):
        load("my_models:number")


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(PluginError, match="did you mean 'lexical'"):
        load("lexcal")


def test_how_an_endpoint_is_reached_is_no_part_of_a_runs_identity() -> None:
    args: dict[str, Any] = {
        "timeout": 5,
        "base_url": "http://x/v1",
        "concurrency": 3,
        "api_key_env": "K",
        "retries": 1,
        "backoff": 1,
    }
    assert identity_args(args) == {"base_url": "http://x/v1"}
