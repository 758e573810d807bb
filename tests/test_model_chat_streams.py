"""Streamed answers: the same reply as in one piece, and a stream that breaks off is never a short answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from misbehaving import KEY, Behaviour, Handler, Peer, asking, connecting, fails, says, serving

from rise_bench.errors import ModelFault
from rise_bench.types import Assistant, Model, ToolCall

DONE = "[DONE]"


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


def streams(*events: Any, cut: int = 0) -> Behaviour:
    """Events as a server sends them; `cut` bytes before the end the connection breaks."""

    def behave(handler: Handler, _: dict[str, Any]) -> None:
        texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
        data = "".join(f"data: {text}\n\n" for text in texts).encode()
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) - cut])
        handler.close_connection = True

    return behave


def delta(finish: str | None = None, **found: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": found, "finish_reason": finish}], "usage": None}


def piece(
    index: int, *, name: str | None = None, arguments: str | None = None, id: str | None = None
) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


def test_content_comes_together_with_its_tokens(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [
        streams(
            delta(role="assistant", content=""), delta(content="He"), delta(content="llo é"), delta("stop"), USAGE, DONE
        )
    ]
    reply = connect(stream=True).reply(asking())
    assert reply.message == Assistant(content="Hello é")
    assert (reply.input_tokens, reply.output_tokens, reply.stop) == (11, 7, None)
    assert peer.bodies[0]["stream"] is True
    assert peer.bodies[0]["stream_options"] == {"include_usage": True}


def test_calls_come_together_by_their_index(peer: Peer, connect: Callable[..., Model]) -> None:
    first = delta(tool_calls=[piece(0, id="a", name="files__read_file", arguments="")])
    second = delta(tool_calls=[piece(1, id="b", name="made_up", arguments='{"x"')])
    mixed = delta(tool_calls=[piece(1, arguments=": 1}"), piece(0, arguments='{"path": "a"}')])
    peer.script = [streams(first, second, mixed, delta("tool_calls"), DONE)]
    assert connect(stream=True).reply(asking()).message.tool_calls == (
        ToolCall(id="a", tool="files.read_file", arguments={"path": "a"}),
        ToolCall(id="b", tool="made_up", arguments={"x": 1}),
    )


@pytest.mark.parametrize(("finish", "stop"), [("length", "output_limit"), ("content_filter", "content_filter")])
def test_a_stream_that_ends_for_a_reason_says_it(
    peer: Peer, connect: Callable[..., Model], finish: str, stop: str
) -> None:
    peer.script = [streams(delta(content="cut"), delta(finish), DONE)]
    assert connect(stream=True).reply(asking()).stop == stop


WHOLE = [delta(content="a whole"), delta(content=" answer"), delta("stop"), USAGE, DONE]
BROKEN: Sequence[tuple[str, Behaviour]] = [
    ("without an end", streams(delta(content="half an"))),
    ("done without a reason", streams(delta(content="half an"), DONE)),
    ("without an event", streams()),
    ("cut in an event", streams(*WHOLE[:2], cut=10)),
    ("an error in the middle", streams(delta(content="half"), {"error": {"message": "engine died"}}, DONE)),
    ("given up", streams(delta(content="half"), delta("error"), DONE)),
    ("no JSON", streams(delta(content="half"), '{"choices": [', DONE)),
    ("no object", streams("[1]", DONE)),
]


@pytest.mark.parametrize("broken", [behaviour for _, behaviour in BROKEN], ids=[name for name, _ in BROKEN])
def test_a_stream_that_breaks_off_is_asked_for_again_and_then_a_fault(
    peer: Peer, connect: Callable[..., Model], broken: Behaviour
) -> None:
    peer.script = [broken, streams(*WHOLE)]
    assert connect(stream=True).reply(asking()).message.content == "a whole answer"
    peer.script = [broken]
    with pytest.raises(ModelFault, match="no usable answer after 2 tries"):
        connect(stream=True, retries=1).reply(asking())


def test_an_answer_that_said_how_it_ended_stands_without_a_last_word(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [streams(*WHOLE[:3])]
    assert connect(stream=True).reply(asking()).message.content == "a whole answer"


def test_a_refusal_in_the_middle_of_a_stream_is_read_as_one(peer: Peer, connect: Callable[..., Model]) -> None:
    error = {"error": {"message": "This model's maximum context length is 10 tokens.", "code": 400}}
    peer.script = [streams(error, DONE)]
    assert connect(stream=True).reply(asking()).stop == "context_overflow"


UNPARSED = "json parser could not parse region as JSON.\nContent: '{\"name\": '"


@pytest.mark.parametrize(
    "error",
    [
        {"error": UNPARSED},
        {"error": {"message": UNPARSED}},
        {"type": "error", "message": UNPARSED},
        # written without care: the line break ends the event in the middle of its JSON
        '{"error": "json parser could not parse region as JSON.\nContent:"}',
    ],
    ids=["text", "object", "event", "broken event"],
)
def test_a_call_that_the_server_cannot_parse_in_the_middle_of_a_stream_is_the_models_own_doing(
    peer: Peer, connect: Callable[..., Model], error: Any
) -> None:
    peer.script = [streams(delta(role="assistant"), error)]
    reply = connect(stream=True).reply(asking())
    assert reply.stop is None
    assert "could not parse the call" in reply.message.malformed
    assert len(peer.bodies) == 1


def test_an_endpoint_that_answers_in_one_piece_all_the_same_is_read(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says("in one piece")]
    assert connect(stream=True).reply(asking()).message.content == "in one piece"


def test_a_stream_without_end_is_cut_off_and_is_the_agents_failure(peer: Peer, connect: Callable[..., Model]) -> None:
    def floods(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        event = f"data: {json.dumps(delta(content='x' * 900_000))}\n\n".encode()
        try:
            for _ in range(50):
                handler.wfile.write(event)
        except OSError:  # the client has seen enough
            pass
        handler.close_connection = True

    peer.script = [floods]
    reply = connect(stream=True).reply(asking())
    assert reply.stop == "agent_failed"
    assert "longer than" in reply.message.malformed


def test_a_stream_that_drips_for_ever_is_a_fault_in_time(peer: Peer, connect: Callable[..., Model]) -> None:
    def drips(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        try:
            while not handler.server.gate.wait(0.01):
                handler.wfile.write(b": alive\n\n")
        except OSError:
            pass
        handler.close_connection = True

    peer.script = [drips]
    with pytest.raises(ModelFault, match="no answer in time"):
        connect(stream=True, timeout=0.3).reply(asking())
    assert len(peer.bodies) == 2


def test_a_refused_stream_is_tried_again(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [fails(503), streams(*WHOLE)]
    assert connect(stream=True).reply(asking()).message.content == "a whole answer"


def test_a_streamed_response_is_the_one_that_its_last_event_carries(peer: Peer, connect: Callable[..., Model]) -> None:
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]
    whole = {"status": "completed", "output": output, "usage": {"input_tokens": 11, "output_tokens": 7}}
    begun = {"type": "response.created", "response": {"status": "in_progress", "output": []}}
    part = {"type": "response.output_text.delta", "delta": "Hel"}
    peer.script = [streams(begun, part), streams(begun, part, {"type": "response.completed", "response": whole})]
    reply = connect(api="responses", stream=True).reply(asking())
    assert (reply.message.content, reply.input_tokens) == ("Hello", 11)
    assert len(peer.bodies) == 2
    assert "stream_options" not in peer.bodies[0]


FAILED = {"type": "response.failed", "response": {"status": "failed", "output": []}}


@pytest.mark.parametrize("last", [{"type": "error", "message": "oh"}, FAILED])
def test_a_streamed_response_that_fails_is_a_fault(
    peer: Peer, connect: Callable[..., Model], last: dict[str, Any]
) -> None:
    peer.script = [streams(last)]
    with pytest.raises(ModelFault, match="gave up"):
        connect(api="responses", stream=True, retries=0).reply(asking())
