"""One endpoint through its several doors: chat completions and responses, tools as tools or in words, strict, deterministic."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from misbehaving import KEY, TOOLS, Behaviour, Handler, Peer, asking, call, connecting, fails, says, serving

from rise_bench.errors import InputError, ModelFault
from rise_bench.types import Assistant, Model, Sampling, System, ToolCall, ToolResult, User

READ = '<tool_call>{"name": "files__read_file", "arguments": {"path": "a"}}</tool_call>'
MADE = ToolCall(id="call_0_0", tool="files.read_file", arguments={"path": "a"})


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as server:
        yield server


@pytest.fixture
def connect(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Model]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with connecting(peer) as make:
        yield make


def responds(*output: dict[str, Any], **more: Any) -> Behaviour:
    usage = {"input_tokens": 11, "output_tokens": 7}
    return lambda handler, _: handler.send(200, {"status": "completed", "output": output, "usage": usage, **more})


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts)}


def text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": []}


# --- responses --------------------------------------------------------------------------------------------------------


def test_a_response_is_read_with_its_calls_its_tokens_and_without_its_reasoning(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    made = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "files__read_file", "arguments": '{"n": 1}'}
    peer.script = [responds(thought, said(text("Let me "), text("look.")), made)]
    reply = connect(api="responses").reply(asking())
    expected = ToolCall(id="c1", tool="files.read_file", arguments={"n": 1})
    assert reply.message == Assistant(content="Let me look.", tool_calls=(expected,))
    assert (reply.input_tokens, reply.output_tokens, reply.stop) == (11, 7, None)
    assert peer.paths == ["/v1/responses"]


def test_a_history_is_sent_as_items_with_flat_tools_and_is_not_kept_there(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    peer.script = [responds(said(text("done")))]
    history = (
        System(content="be brief"),
        User(content="hi"),
        Assistant(content="Let me look.", tool_calls=(ToolCall(id="1", tool="files.read_file", arguments={"p": 1}),)),
        ToolResult(call_id="1", tool="files.read_file", content="text"),
        Assistant(tool_calls=(ToolCall(id="2", tool="files.read_file"),)),
        ToolResult(call_id="2", tool="files.read_file", content=""),
    )
    connect(Sampling(temperature=0.5, max_tokens=9, tool_choice="files.read_file"), api="responses").reply(
        asking(*history)
    )
    sent = peer.bodies[0]
    assert sent["input"] == [
        {"type": "message", "role": "system", "content": "be brief"},
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "message", "role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "1", "name": "files__read_file", "arguments": '{"p": 1}'},
        {"type": "function_call_output", "call_id": "1", "output": "text"},
        {"type": "function_call", "call_id": "2", "name": "files__read_file", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "2", "output": ""},
    ]
    assert sent["tools"][0] == {
        "type": "function",
        "name": "files__read_file",
        "description": "Read.",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    rest = {key: value for key, value in sent.items() if key not in ("input", "tools")}
    choice = {"type": "function", "name": "files__read_file"}
    expected = {"model": "tiny", "temperature": 0.5, "max_output_tokens": 9, "store": False, "tool_choice": choice}
    assert rest == expected


@pytest.mark.parametrize(
    ("reason", "stop"), [("max_output_tokens", "output_limit"), ("content_filter", "content_filter")]
)
def test_an_incomplete_response_ends_the_attempt_for_its_reason(
    peer: Peer, connect: Callable[..., Model], reason: str, stop: str
) -> None:
    peer.script = [responds(said(text("cut")), status="incomplete", incomplete_details={"reason": reason})]
    reply = connect(api="responses").reply(asking())
    assert (reply.message.content, reply.stop) == ("cut", stop)


def test_a_refusal_in_a_response_is_what_was_said(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [responds(said({"type": "refusal", "refusal": "I will not."}))]
    assert connect(api="responses").reply(asking()).message == Assistant(content="I will not.")


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "failed", "error": {"code": "server_error", "message": "oh"}, "output": []},
        {"status": "incomplete", "incomplete_details": None, "output": []},
        {"status": "in_progress", "output": []},
        {"choices": []},
        [1],
    ],
)
def test_a_response_that_did_not_come_about_is_tried_again_and_is_a_fault(
    peer: Peer, connect: Callable[..., Model], broken: Any
) -> None:
    peer.script = [lambda handler, _: handler.send(200, broken)]
    with pytest.raises(ModelFault, match="after 2 tries"):
        connect(api="responses", retries=1).reply(asking())


def test_a_response_beyond_the_context_ends_the_attempt(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [fails(400, "too long", "context_length_exceeded")]
    assert connect(api="responses").reply(asking()).stop == "context_overflow"


# --- how tools are told, how calls are read ---------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_prompted_tools_are_told_in_words_and_calls_are_read_from_the_text(
    peer: Peer, connect: Callable[..., Model], api: str
) -> None:
    peer.script = [says(READ) if api == "chat" else responds(said(text(READ)))]
    reply = connect(Sampling(tool_choice="required"), tools="prompted", api=api).reply(asking())
    assert reply.message == Assistant(tool_calls=(MADE,))
    sent = peer.bodies[0]
    assert not {"tools", "tool_choice"} & set(sent)
    system, user = sent["messages" if api == "chat" else "input"]
    assert "be brief" in system["content"]
    assert '"name":"files__read_file"' in system["content"]
    assert user["content"] == "hi"


def test_a_prompted_history_holds_nothing_that_such_an_endpoint_cannot_take(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    made = Assistant(tool_calls=(ToolCall(id="1", tool="files.read_file"),))
    connect(tools="prompted").reply(asking(User(content="hi"), made, ToolResult(call_id="1", content="text")))
    sent = peer.bodies[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert all(set(message) == {"role", "content"} for message in sent)


def test_a_named_parser_reads_its_own_syntax_and_no_other(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says(READ)]
    assert connect(Sampling(parser="hermes")).reply(asking()).message.tool_calls == (MADE,)
    mistral = connect(Sampling(parser="mistral")).reply(asking()).message
    assert mistral.tool_calls == ()
    assert "where mistral is read" in mistral.malformed


def test_calls_of_the_endpoint_stand_whatever_parser_is_named(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says("", calls=[call("files__read_file", "{}")])]
    assert connect(Sampling(parser="mistral")).reply(asking()).message.tool_calls[0].tool == "files.read_file"


def test_a_parser_knows_the_schemas_of_the_tools(peer: Peer, connect: Callable[..., Model]) -> None:
    tool = TOOLS[0].model_copy(
        update={"parameters": {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}}
    )
    written = "<tool_call><function=files__read_file><parameter=id>12</parameter><parameter=n>12</parameter></function>"
    peer.script = [says(f"{written}</tool_call>")]
    reply = connect(Sampling(parser="qwen3_xml")).reply(asking(tools=(tool,)))
    assert reply.message.tool_calls[0].arguments == {"id": "12", "n": 12}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_strict_is_asked_for_in_every_tool(peer: Peer, connect: Callable[..., Model], api: str) -> None:
    peer.script = [says("ok") if api == "chat" else responds(said(text("ok")))]
    connect(Sampling(strict=True), api=api).reply(asking())
    tools = peer.bodies[0]["tools"]
    assert [(tool if api == "responses" else tool["function"])["strict"] for tool in tools] == [True, True]


def test_tools_are_sent_alike_at_each_turn_and_anew_where_they_are_others(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    model = connect()
    for tools in (TOOLS, TOOLS, TOOLS[:1], (), TOOLS):
        model.reply(asking(tools=tools))
    names = [[tool["function"]["name"] for tool in body.get("tools", [])] for body in peer.bodies]
    both = ["files__read_file", "files__list_files_"]
    assert names == [both, both, both[:1], [], both]


def test_further_fields_replace_ours(peer: Peer, connect: Callable[..., Model]) -> None:
    connect(extra_body={"temperature": 0.3, "tools": [], "top_k": 5}).reply(asking())
    sent = peer.bodies[0]
    assert (sent["temperature"], sent["tools"], sent["top_k"]) == (0.3, [], 5)


# --- deterministic ----------------------------------------------------------------------------------------------------


def test_deterministic_is_greedy_with_a_seed(peer: Peer, connect: Callable[..., Model]) -> None:
    connect(Sampling(temperature=0.7, top_p=0.9, deterministic=True)).reply(asking())
    sent = peer.bodies[0]
    assert sent["temperature"] == 0
    assert "top_p" not in sent
    assert isinstance(sent["seed"], int)


def test_deterministic_has_one_request_in_flight(peer: Peer, connect: Callable[..., Model]) -> None:
    inside: list[int] = []
    most: list[int] = []

    def counted(handler: Handler, body: dict[str, Any]) -> None:
        inside.append(1)
        handler.server.gate.wait(0.01)  # others would come in, if they could
        most.append(len(inside))
        inside.pop()
        says("ok")(handler, body)

    peer.script = [counted]
    model = connect(Sampling(deterministic=True), concurrency=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: model.reply(asking()), range(16)))
    assert (max(most), len(most)) == (1, 16)
    assert getattr(model, "width") == 1  # noqa: B009 - no part of the protocol


# --- what it says of itself -------------------------------------------------------------------------------------------


def settings(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = model.settings()  # type: ignore[attr-defined]
    return found


def test_settings_tell_engine_and_how_calls_are_asked_for_and_read(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.others["/version"] = lambda handler: handler.send(200, {"version": "0.32.0"}, server="uvicorn")
    model = connect(Sampling(strict=True, tool_choice="required"), tools="prompted")
    told = settings(model)
    assert told["engine_version"] == "0.32.0"
    assert (told["strict"], told["tool_choice"], told["tools"], told["parser"]) == (
        True,
        "required",
        "prompted",
        "hermes",
    )
    assert "system_fingerprint" not in told
    peer.script = [says("ok", system_fingerprint="fp_1")]
    model.reply(asking())
    assert settings(model)["system_fingerprint"] == "fp_1"
    assert "uvicorn" in settings(model)["server"]


@pytest.mark.parametrize("answer", [(404, {}), (200, b"<html>"), (200, [1]), (200, {"version": 3}), (500, {})])
def test_settings_do_without_a_version(peer: Peer, connect: Callable[..., Model], answer: tuple[int, Any]) -> None:
    peer.others["/version"] = lambda handler: handler.send(*answer)
    assert "engine_version" not in settings(connect())


def test_the_width_is_the_concurrency(connect: Callable[..., Model]) -> None:
    assert getattr(connect(concurrency=7), "width") == 7  # noqa: B009 - no part of the protocol


@pytest.mark.parametrize("args", [{"api": "soap"}, {"tools": "none"}, {"stream": "perhaps"}])
def test_unknown_doors_are_refused(connect: Callable[..., Model], args: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(args))):
        connect(**args)


def test_the_key_is_not_sent_where_there_is_none(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with connecting(peer) as make:
        make().reply(asking())
    assert peer.keys == [None]


def test_what_is_sent_is_plain_json_whatever_the_texts_hold(peer: Peer, connect: Callable[..., Model]) -> None:
    awkward = 'Zürich \u2028 "quoted" \\ 日本 \x00'
    connect().reply(asking(User(content=awkward)))
    assert peer.bodies[0]["messages"] == [{"role": "user", "content": awkward}]
    assert json.loads(json.dumps(peer.bodies[0])) == peer.bodies[0]
