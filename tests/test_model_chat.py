"""The chat endpoint client against a real socket peer that misbehaves on demand."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from misbehaving import KEY, Behaviour, Handler, Peer, asking, call, connecting, fails, flood, says, serving

from rise_bench.errors import InputError, ModelFault, SetupError
from rise_bench.model import load
from rise_bench.types import Assistant, Model, Sampling, Tool, ToolCall, ToolResult, User


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


def test_a_plain_answer_comes_back_with_its_tokens_and_no_stop(connect: Callable[..., Model]) -> None:
    reply = connect().reply(asking())
    assert reply.message == Assistant(content="hello")
    assert (reply.input_tokens, reply.output_tokens, reply.stop) == (11, 7, None)


def test_tool_names_cross_the_wire_without_dots_and_come_back_as_ids(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says(None, calls=[call("files__list_files_", "{}", "a"), call("made_up", "{}", "b")])]
    reply = connect().reply(asking())
    assert [tool["function"]["name"] for tool in peer.bodies[0]["tools"]] == ["files__read_file", "files__list_files_"]
    assert [made.tool for made in reply.message.tool_calls] == ["files.list files!", "made_up"]


def test_names_that_are_too_long_or_fall_together_stay_apart(peer: Peer, connect: Callable[..., Model]) -> None:
    long = [Tool(server="s", name="x" * 80 + end) for end in "ab"]
    alike = [Tool(server="s", name="a b"), Tool(server="s", name="a_b")]
    connect().reply(asking(tools=(*long, *alike)))
    names = [tool["function"]["name"] for tool in peer.bodies[0]["tools"]]
    assert len(set(names)) == 4
    assert max(map(len, names)) <= 64


def test_nothing_empty_is_sent_that_some_server_refuses(peer: Peer, connect: Callable[..., Model]) -> None:
    connect(Sampling(temperature=None)).reply(asking(tools=()))
    assert set(peer.bodies[0]) == {"model", "messages", "max_tokens", "seed"}


def test_sampling_is_sent_as_asked(peer: Peer, connect: Callable[..., Model]) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=33, tool_choice="required")
    connect(sampling, max_tokens_name="max_completion_tokens", extra_body={"reasoning_effort": "low"}).reply(asking())
    sent = peer.bodies[0]
    assert (sent["temperature"], sent["top_p"], sent["max_completion_tokens"]) == (0.7, 0.9, 33)
    assert (sent["tool_choice"], sent["reasoning_effort"]) == ("required", "low")
    assert "max_tokens" not in sent


def test_a_named_tool_choice_is_sent_under_its_wire_name(peer: Peer, connect: Callable[..., Model]) -> None:
    connect(Sampling(tool_choice="files.read_file")).reply(asking())
    assert peer.bodies[0]["tool_choice"] == {"type": "function", "function": {"name": "files__read_file"}}


def test_the_same_attempt_sends_the_same_seed_and_another_attempt_another(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    model = connect(Sampling(temperature=1.0))
    for attempt in (0, 0, 1):
        model.reply(asking().model_copy(update={"attempt": attempt}))
    seeds = [body["seed"] for body in peer.bodies]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_whole_history_is_sent_in_the_chat_format(peer: Peer, connect: Callable[..., Model]) -> None:
    calls = (
        ToolCall(id="1", tool="files.read_file", arguments={"path": "a"}),
        ToolCall(id="2", tool="nope.x", arguments="{bad"),
    )
    result = ToolResult(call_id="1", tool="files.read_file", content="text")
    connect().reply(asking(User(content="hi"), Assistant(tool_calls=calls), result))
    assistant, tool = peer.bodies[0]["messages"][1:]
    assert assistant["content"] == ""
    assert [made["function"]["name"] for made in assistant["tool_calls"]] == ["files__read_file", "nope__x"]
    assert json.loads(assistant["tool_calls"][1]["function"]["arguments"]) == {"unparsable": "{bad"}
    assert tool == {"role": "tool", "tool_call_id": "1", "content": "text"}


@pytest.mark.parametrize("content", [None, "", "Let me look."])
def test_calls_are_read_whatever_content_stands_beside_them(
    peer: Peer, connect: Callable[..., Model], content: str | None
) -> None:
    peer.script = [says(content, calls=[call("files__read_file", '{"path": "a"}')], finish="tool_calls")]
    message = connect().reply(asking()).message
    assert message.content == (content or "")
    assert message.tool_calls == (ToolCall(id="abc", tool="files.read_file", arguments={"path": "a"}),)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ('{"path": ', '{"path": '),
        ("[1]", "[1]"),
        ('{"x": NaN}', '{"x": NaN}'),
        ('{"x": 1e999}', '{"x": 1e999}'),
        ("", {}),
        (None, {}),
        ({"path": "a"}, {"path": "a"}),
        ('{"s": "\\ud800"}', {"s": "?"}),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_arguments_that_are_no_object_stay_raw_text(
    peer: Peer, connect: Callable[..., Model], raw: Any, kept: Any
) -> None:
    peer.script = [says(None, calls=[call("files__read_file", raw)])]
    assert connect().reply(asking()).message.tool_calls[0].arguments == kept


def test_missing_and_repeated_call_ids_are_filled_the_same_way_each_time(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    peer.script = [says(None, calls=[call("x", "{}", None), call("y", "{}", "k"), call("z", "{}", "k")])]
    history = asking(User(content="hi"), Assistant(tool_calls=(ToolCall(id="q", tool="x"),)), ToolResult(call_id="q"))
    model = connect()
    for _ in range(2):
        assert [made.id for made in model.reply(history).message.tool_calls] == ["call_1_0", "k", "call_1_2"]


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", None), ("tool_calls", None), ("length", "output_limit"), ("content_filter", "content_filter")],
)
def test_the_finish_reason_becomes_the_stop_reason(
    peer: Peer, connect: Callable[..., Model], finish: str, stop: str | None
) -> None:
    peer.script = [says("cut", finish=finish)]
    assert connect().reply(asking()).stop == stop


WRITTEN = '{"name": "files__read_file", "arguments": {"path": "a"}}'


@pytest.mark.parametrize("content", [f"<tool_call>{WRITTEN}</tool_call>", WRITTEN], ids=["marked", "unmarked"])
def test_calls_as_text_are_malformed_for_the_native_parser_and_calls_for_the_text_parser(
    peer: Peer, connect: Callable[..., Model], content: str
) -> None:
    peer.script = [says(content)]
    native = connect().reply(asking()).message
    assert native.tool_calls == ()
    assert "written as text" in native.malformed
    text = connect(Sampling(parser="text")).reply(asking()).message
    assert text.tool_calls == (ToolCall(id="call_0_0", tool="files.read_file", arguments={"path": "a"}),)
    assert (text.content, text.malformed) == ("", "")


@pytest.mark.parametrize("opening", ["<think>", ""])
@pytest.mark.parametrize("parser", ["native", "text"])
def test_what_a_model_only_thinks_is_not_said(
    peer: Peer, connect: Callable[..., Model], opening: str, parser: str
) -> None:
    peer.script = [says(f"{opening}6, or <tool_call> for 7?\n</think>\n\nIt is 7.")]
    assert connect(Sampling(parser=parser)).reply(asking()).message == Assistant(content="It is 7.")


def test_json_in_an_answer_is_no_malformed_call(peer: Peer, connect: Callable[..., Model]) -> None:
    for shown in ('{"name": "a", "size": 3}', '{"name": "a", "arguments": {"size": 3}}'):  # no tool has this name
        peer.script = [says(f"The settings: {shown}")]
        assert connect().reply(asking()).message.malformed == ""


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "too long", "context_length_exceeded"),
        (400, "This model's maximum context length is 1024 tokens. However, you requested 2000.", None),
        (400, "the request exceeds the available context size", None),
        (413, "prompt is too long: 300000 tokens > 200000 maximum", None),
    ],
)
def test_a_history_beyond_the_context_ends_the_attempt(
    peer: Peer, connect: Callable[..., Model], status: int, message: str, code: str | None
) -> None:
    peer.script = [fails(status, message, code)]
    reply = connect().reply(asking())
    assert (reply.stop, reply.message) == ("context_overflow", Assistant())
    assert len(peer.bodies) == 1


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_request_that_a_content_filter_refuses_ends_the_attempt(
    peer: Peer, connect: Callable[..., Model], code: str
) -> None:
    peer.script = [fails(400, "no", code)]
    assert connect().reply(asking()).stop == "content_filter"


def test_a_call_that_the_endpoint_cannot_parse_is_the_models_own_doing(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    peer.script = [fails(400, "Failed to call a function", "tool_use_failed")]
    reply = connect().reply(asking())
    assert reply.stop is None
    assert "could not parse the call" in reply.message.malformed


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": ""}, "finish_reason": "error"},
        {"message": {"content": "half an ans"}, "finish_reason": "abort"},
        {"message": {"content": ""}, "finish_reason": "stop", "error": {"code": 502, "message": "upstream"}},
    ],
)
def test_an_answer_that_the_endpoint_gave_up_on_is_tried_again_and_never_the_models(
    peer: Peer, connect: Callable[..., Model], choice: dict[str, Any]
) -> None:
    gave_up: Behaviour = lambda handler, _: handler.send(200, {"choices": [choice]})  # noqa: E731 - as the others here
    peer.script = [gave_up, says("whole")]
    assert connect().reply(asking()).message.content == "whole"
    peer.script = [gave_up]
    with pytest.raises(ModelFault, match="gave up"):
        connect(retries=1).reply(asking())


def test_another_refused_request_is_a_fault_with_the_servers_words(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [fails(400, "schema of tool 3 is not supported")]
    with pytest.raises(ModelFault, match="schema of tool 3 is not supported"):
        connect().reply(asking())
    assert len(peer.bodies) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_push_back_and_server_errors_are_tried_again(peer: Peer, connect: Callable[..., Model], status: int) -> None:
    peer.script = [fails(status), fails(status), says("at last")]
    assert connect().reply(asking()).message.content == "at last"
    assert len(peer.bodies) == 3


@pytest.mark.parametrize("status", [429, 500])
def test_tries_are_bounded_and_end_in_a_fault(peer: Peer, connect: Callable[..., Model], status: int) -> None:
    peer.script = [fails(status, "busy")]
    with pytest.raises(ModelFault, match=f"HTTP {status} after 3 tries: busy"):
        connect(retries=2).reply(asking())
    assert len(peer.bodies) == 3


@pytest.mark.parametrize("asked", [{"retry_after": "0.01"}, {"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}])
def test_retry_after_is_understood_as_seconds_and_as_a_date(
    peer: Peer, connect: Callable[..., Model], asked: dict[str, str]
) -> None:
    peer.script = [fails(429, **asked), says("fine")]
    assert connect(backoff=30.0, concurrency=1, timeout=5).reply(asking()).message.content == "fine"


def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [fails(429, "later", Retry_After="3600")]
    with pytest.raises(ModelFault, match="later"):
        connect().reply(asking())
    assert len(peer.bodies) == 1


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [(401, None, "OPENAI_API_KEY"), (403, None, "may use"), (404, None, "/v1"), (429, "insufficient_quota", "credit")],
)
def test_mistakes_in_the_set_up_are_said_at_once_without_the_key(
    peer: Peer, connect: Callable[..., Model], status: int, code: str | None, remedy: str
) -> None:
    peer.script = [fails(status, f"refused for {KEY}\nbecause", code)]
    with pytest.raises(SetupError) as caught:
        connect().reply(asking())
    line = str(caught.value)
    assert remedy in line
    assert "\n" not in line
    assert KEY not in line
    assert len(peer.bodies) == 1


def test_the_same_refusal_after_an_answer_is_a_fault_of_one_attempt(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says("ok"), fails(403, "moderated")]
    model = connect()
    model.reply(asking())
    with pytest.raises(ModelFault, match="moderated"):
        model.reply(asking())


def test_a_refused_connection_is_a_set_up_error(connect: Callable[..., Model]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = connect(base_url=url)
    for ask in (lambda: model.reply(asking()), model.content):
        with pytest.raises(SetupError, match="nobody answers"):
            ask()


def test_a_hanging_endpoint_is_a_fault_after_two_tries(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [lambda handler, _: handler.server.gate.wait() and None]  # type: ignore[list-item]
    with pytest.raises(ModelFault, match="no answer in time"):
        connect(timeout=0.2).reply(asking())
    assert len(peer.bodies) == 2


def test_a_connection_that_breaks_is_tried_again(peer: Peer, connect: Callable[..., Model]) -> None:
    def breaks(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')
        handler.close_connection = True

    peer.script = [breaks, says("whole")]
    assert connect().reply(asking()).message.content == "whole"


def test_a_reply_of_50_megabytes_is_cut_off_and_is_the_agents_failure(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    peer.script = [lambda handler, _: flood(handler, 50, b'{"choices": [{"message": {"content": "'), says("still here")]
    model = connect()
    reply = model.reply(asking())
    assert reply.stop == "agent_failed"
    assert "longer than" in reply.message.malformed
    assert reply.message.content == ""
    assert model.reply(asking()).message.content == "still here"


def test_an_error_page_of_50_megabytes_is_cut_and_told_in_one_line(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [lambda handler, _: flood(handler, 50, b"<html>oh no ", status=500)]
    with pytest.raises(ModelFault, match="HTTP 500: <html>oh no") as caught:
        connect(retries=0).reply(asking())
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "body",
    [b"<html>gateway</html>", b"", b'{"error": {"message": "upstream"}}', b'{"choices": []}', b"[1]", b"\xff\xfe"],
)
def test_a_body_that_is_no_completion_is_the_endpoints_fault(
    peer: Peer, connect: Callable[..., Model], body: bytes
) -> None:
    peer.script = [lambda handler, _: handler.send(200, body)]
    with pytest.raises(ModelFault, match="no usable answer after 2 tries"):
        connect(retries=1).reply(asking())


def test_a_choice_without_a_message_is_the_endpoints_fault(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [lambda handler, _: handler.send(200, {"choices": [{"message": None}]})]
    with pytest.raises(ModelFault, match="no message"):
        connect().reply(asking())


def test_content_tells_what_the_endpoint_says_of_the_model(peer: Peer, connect: Callable[..., Model]) -> None:
    entry = {"id": "tiny", "created": 5, "owned_by": "us", "root": "/models/tiny", "permission": [{"id": "new"}]}
    peer.models = lambda handler: handler.send(200, {"data": [{"id": "other"}, entry]})
    told = json.loads(connect().content())
    assert told == {"id": "tiny", "owned_by": "us", "root": "/models/tiny", "url": peer.url}


@pytest.mark.parametrize(("status", "body"), [(404, {}), (500, {}), (200, b"<html>"), (200, []), (200, {"data": [3]})])
def test_content_does_without_a_list_of_models(
    peer: Peer, connect: Callable[..., Model], status: int, body: Any
) -> None:
    peer.models = lambda handler: handler.send(status, body)
    assert json.loads(connect().content()) == {"id": "tiny", "url": peer.url}


@pytest.mark.parametrize("status", [429, 502, 503])
def test_an_endpoint_that_is_busy_when_asked_what_it_serves_is_asked_again(
    peer: Peer, connect: Callable[..., Model], status: int
) -> None:
    answers = [(status, {"error": {"message": "busy"}}), (200, {"data": [{"id": "tiny", "root": "/models/tiny"}]})]
    peer.models = lambda handler: handler.send(*answers.pop(0))
    assert json.loads(connect().content())["root"] == "/models/tiny"


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_stays_busy_has_no_identity_rather_than_half_of_one(
    peer: Peer, connect: Callable[..., Model], status: int
) -> None:
    peer.models = lambda handler: handler.send(status, {"error": {"message": f"busy with {KEY}"}})
    with pytest.raises(SetupError, match=r"GET /models: busy with \*\*\* \(run the same command again"):
        connect(retries=1).content()


def test_many_threads_are_served_at_once_but_never_more_than_the_limit(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    running: list[int] = []
    peak: list[int] = []

    def counted(handler: Handler, body: dict[str, Any]) -> None:
        with handler.server.lock:
            running.append(1)
            peak.append(len(running))
            if len(peak) == 3:  # three at once are there: let all go
                handler.server.gate.set()
        handler.server.gate.wait()
        with handler.server.lock:
            running.pop()
        says("ok")(handler, body)

    peer.script = [counted]
    model = connect(concurrency=3)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: model.reply(asking()), range(12)))
    assert len(replies) == 12
    assert max(peak) == 3


def test_the_key_is_sent_and_shown_nowhere(peer: Peer, connect: Callable[..., Model]) -> None:
    model = connect()
    model.reply(asking())
    assert peer.keys == [f"Bearer {KEY}"]
    assert KEY not in f"{model!r} {model.name} {model.content()}"


def test_the_key_can_stand_in_another_variable(
    peer: Peer, connect: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "other")
    connect(api_key_env="MY_KEY").reply(asking())
    assert peer.keys == ["Bearer other"]


def test_the_address_can_come_from_the_environment(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", peer.url + "/chat/completions")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = load("openai:tiny")
    assert model.reply(asking()).message.content == "hello"
    model.close()
    model.close()


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("openai:", {}, "no model named"),
        ("openai:m", {"api_key": KEY}, "would be stored"),
        ("openai:m", {"base_ulr": "x"}, "base_ulr"),
        ("openai:m", {"concurrency": 0}, "concurrency"),
        ("openai:m", {"base_url": "localhost:8000"}, "no http address"),
        ("openai:m", {"base_url": "http://me:pw@host/v1"}, "credentials"),
        ("openai:m", {"base_url": "http://host/v1?key=1"}, "credentials"),
    ],
)
def test_unusable_arguments_are_refused_by_name_and_without_secrets(
    name: str, args: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(InputError, match=said) as caught:
        load(name, args)
    assert KEY not in str(caught.value)


def test_an_unknown_parser_is_refused() -> None:
    with pytest.raises(InputError, match="native, text"):
        load("openai:m", {"base_url": "http://127.0.0.1:1/v1"}, sampling=Sampling(parser="magic"))


@pytest.mark.parametrize("args", [{}, {"base_url": "http://127.0.0.1:1/v1", "api_key_env": "NO_SUCH_KEY"}])
def test_a_missing_key_is_said_before_anything_runs(args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "NO_SUCH_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SetupError, match="is not set"):
        load("openai:m", args)
