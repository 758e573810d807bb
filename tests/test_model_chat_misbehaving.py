"""What the worst endpoints do: storms, floods, drips, lies under HTTP 200, and death in the middle of a run."""

from __future__ import annotations

import dataclasses
import gzip
import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import toy
from misbehaving import KEY, Handler, Peer, asking, call, connecting, fails, says, serving

from rise_bench.bench import Options, evaluate, report
from rise_bench.errors import ModelFault, SetupError
from rise_bench.ground.sandbox import VISIBLE_ROOT
from rise_bench.runs import Run
from rise_bench.types import Model, Sampling


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


# --- storms -----------------------------------------------------------------------------------------------------------


def test_a_storm_of_429_is_weathered_and_every_request_is_answered_once(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    peer.script = [*(fails(429, "slow down", Retry_After="0.02") for _ in range(40)), says("ok")]
    model = connect(concurrency=16, retries=20)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: model.reply(asking()).message.content, range(48)))
    assert replies == ["ok"] * 48
    assert len(peer.bodies) == 48 + 40


def test_push_back_lets_fewer_requests_through_at_once(peer: Peer, connect: Callable[..., Model]) -> None:
    inside: list[int] = []
    most: list[int] = []

    def counted(handler: Handler, body: dict[str, Any]) -> None:
        inside.append(1)
        handler.server.gate.wait(0.01)
        most.append(len(inside))
        inside.pop()
        says("ok")(handler, body)

    model = connect(concurrency=8, retries=20)
    for _ in range(12):  # one at a time, so that each is a round of its own
        peer.script = [fails(429), says("ok")]
        model.reply(asking())
    peer.script = [counted]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: model.reply(asking()), range(8)))
    assert max(most) < 8


# --- floods and drips -------------------------------------------------------------------------------------------------


def test_a_text_of_10_megabytes_is_what_the_model_said(peer: Peer, connect: Callable[..., Model]) -> None:
    long = "word " * 2_000_000
    peer.script = [says(long, finish="length")]
    reply = connect().reply(asking())
    assert reply.message.content == long.strip()
    assert reply.stop == "output_limit"


@pytest.mark.parametrize("parser", ["auto", "hermes"])
def test_10_megabytes_of_call_syntax_are_malformed(peer: Peer, connect: Callable[..., Model], parser: str) -> None:
    peer.script = [says('<tool_call>{"name": "files__read_file", "arguments": {"a": "' + "x" * 10_000_000)]
    message = connect(Sampling(parser=parser)).reply(asking()).message
    assert message.tool_calls == ()
    assert "10000" in message.malformed


def test_arguments_of_10_megabytes_are_taken_as_they_are(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [says(None, calls=[call("files__read_file", json.dumps({"path": "x" * 10_000_000}))])]
    (made,) = connect().reply(asking()).message.tool_calls
    assert isinstance(made.arguments, dict)
    assert len(str(made.arguments["path"])) == 10_000_000


def test_a_small_body_that_unpacks_to_a_flood_is_cut_off(peer: Peer, connect: Callable[..., Model]) -> None:
    body = b'{"choices": [{"message": {"content": "' + b"x" * 60_000_000 + b'"}}]}'
    peer.script = [lambda handler, _: handler.send(200, gzip.compress(body, 1), content_encoding="gzip")]
    assert connect().reply(asking()).stop == "agent_failed"


def test_a_body_that_claims_to_be_packed_is_no_usable_answer(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [lambda handler, _: handler.send(200, b'{"choices": []}', content_encoding="gzip")]
    with pytest.raises(ModelFault, match="no usable answer after 2 tries"):
        connect(retries=1).reply(asking())


def test_headers_without_end_are_no_usable_answer(peer: Peer, connect: Callable[..., Model]) -> None:
    def shouts(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        try:
            for number in range(5_000):
                handler.wfile.write(b"x-noise-%d: %s\r\n" % (number, b"x" * 1000))
        except OSError:  # the client has seen enough
            pass
        handler.close_connection = True

    peer.script = [shouts]
    with pytest.raises(ModelFault, match="no usable answer after 2 tries") as caught:
        connect(retries=1).reply(asking())
    assert len(str(caught.value)) < 1000


def test_a_body_that_drips_is_a_fault_in_time(peer: Peer, connect: Callable[..., Model]) -> None:
    def drips(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", "1000000")
        handler.end_headers()
        try:
            while not handler.server.gate.wait(0.01):
                handler.wfile.write(b" ")
        except OSError:
            pass
        handler.close_connection = True

    peer.script = [drips]
    with pytest.raises(ModelFault, match="no answer in time"):
        connect(timeout=0.3).reply(asking())
    assert len(peer.bodies) == 2


# --- lies -------------------------------------------------------------------------------------------------------------


def test_a_right_answer_under_a_wrong_content_type_is_read(peer: Peer, connect: Callable[..., Model]) -> None:
    peer.script = [lambda handler, _: raw(handler, "text/plain", json.dumps(ANSWER).encode())]
    assert connect().reply(asking()).message.content == "fine"


ANSWER = {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}


def raw(handler: Handler, kind: str, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize(
    "body", [{"error": {"code": 429, "message": "slow"}}, {"object": "error", "code": 503, "message": "slow"}]
)
def test_push_back_under_200_is_tried_again(peer: Peer, connect: Callable[..., Model], body: Any) -> None:
    peer.script = [lambda handler, _: handler.send(200, body), says("ok")]
    assert connect().reply(asking()).message.content == "ok"
    peer.script = [lambda handler, _: handler.send(200, body)]
    with pytest.raises(ModelFault, match=r"HTTP (429|503) after 2 tries: .*slow"):
        connect(retries=1).reply(asking())


def test_a_context_overflow_under_200_ends_the_attempt(peer: Peer, connect: Callable[..., Model]) -> None:
    error = {"code": 400, "message": "This endpoint's maximum context length is 8192 tokens."}
    peer.script = [lambda handler, _: handler.send(200, {"error": error})]
    assert connect().reply(asking()).stop == "context_overflow"


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"choices": [{"message": ' + b"[" * 500_000, b'"' + b"1" * 9000])
def test_json_made_to_break_its_reader_is_no_usable_answer(
    peer: Peer, connect: Callable[..., Model], body: bytes
) -> None:
    peer.script = [lambda handler, _: handler.send(200, body)]
    with pytest.raises(ModelFault, match="the body is no JSON"):
        connect(retries=0).reply(asking())


def test_a_peer_that_does_not_speak_http_is_a_fault(peer: Peer, connect: Callable[..., Model]) -> None:
    def babbles(handler: Handler, _: dict[str, Any]) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        handler.close_connection = True

    peer.script = [babbles]
    with pytest.raises(ModelFault, match="no usable answer after 2 tries"):
        connect(retries=1).reply(asking())


def test_a_redirect_for_ever_is_a_fault(peer: Peer, connect: Callable[..., Model]) -> None:
    def redirects(handler: Handler, _: dict[str, Any]) -> None:
        handler.send(307, {}, location=f"{handler.server.url}/chat/completions")

    peer.script = [redirects]
    with pytest.raises(ModelFault, match="redirects"):
        connect(retries=0).reply(asking())


# --- death ------------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_dies_after_an_answer_is_a_fault_and_not_a_set_up_error(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    model = connect(retries=2)
    model.reply(asking())
    peer.die()
    with pytest.raises(ModelFault, match="after 3 tries"):
        model.reply(asking())


def test_a_connection_is_not_used_again_after_an_error_of_the_server(
    peer: Peer, connect: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.1")  # which keeps connections
    failed: set[Any] = set()

    def fails_then_hangs_up(handler: Handler, body: dict[str, Any]) -> None:
        failed.add(handler.client_address)
        fails(500)(handler, body)

    def answers_who_has_not_failed(handler: Handler, body: dict[str, Any]) -> None:
        if handler.client_address in failed:
            handler.close_connection = True
        else:
            says("new here")(handler, body)

    peer.script = [says("first"), fails_then_hangs_up, answers_who_has_not_failed]
    model = connect(retries=0)
    assert model.reply(asking()).message.content == "first"
    with pytest.raises(ModelFault, match="HTTP 500"):
        model.reply(asking())
    assert model.reply(asking()).message.content == "new here"


def test_an_interrupt_ends_the_request_that_was_waited_for_and_no_other(
    peer: Peer, connect: Callable[..., Model]
) -> None:
    def interrupts(handler: Handler, _: dict[str, Any]) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        handler.server.gate.wait()
        handler.close_connection = True

    peer.script = [interrupts, says("still here")]
    model = connect(concurrency=1)  # a request that went on would keep the only place
    with pytest.raises(KeyboardInterrupt):
        model.reply(asking())
    assert model.reply(asking()).message.content == "still here"


def test_closing_ends_requests_that_wait_for_a_hanging_endpoint(peer: Peer, connect: Callable[..., Model]) -> None:
    reached = threading.Event()

    def hangs(handler: Handler, _: dict[str, Any]) -> None:
        reached.set()
        handler.server.gate.wait()
        handler.close_connection = True

    peer.script = [hangs]
    model = connect()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model.reply, asking())
        reached.wait()
        model.close()
        assert waiting.exception() is not None


Step = tuple[str, dict[str, str]] | str
STEPS: Mapping[str, Sequence[Step]] = {
    toy.COUNT.request: [("files__list", {"path": "inbox/2026-03"}), "There are 3 invoices."],
    toy.MOVE.request: [
        ("files__list", {"path": "notes"}),
        ("files__move", {"source": "notes/planning.md", "destination": f"{VISIBLE_ROOT}/archive/2026/planning.md"}),
        "Moved.",
    ],
    toy.WRITE.request: [
        ("files__write", {"path": "reminders/april.txt", "content": "Call Ada on 19 April."}),
        "It is there.",
    ],
    toy.TOTAL.request: [("files__read", {"path": "sales/2026-q1.txt"}), "The total was 4180 euro."],
    toy.ASK.request: ["For which day?"],
    toy.DECLINE.request: ["I cannot send mail: there is no tool for email."],
    toy.IDLE.request: ["You are welcome."],
}
"""What a model that does everything right answers, by request."""


def able(handler: Handler, body: dict[str, Any]) -> None:
    """A model that does everything right."""
    request = next(message["content"] for message in body["messages"] if message["role"] == "user")
    step = STEPS[request][sum(message["role"] == "assistant" for message in body["messages"])]
    answer = says(step) if isinstance(step, str) else says(None, calls=[call(step[0], json.dumps(step[1]))])
    answer(handler, body)


def dies(handler: Handler, body: dict[str, Any]) -> None:
    """The connection breaks, and nobody listens any more."""
    handler.server.die()
    handler.close_connection = True


def test_a_run_whose_endpoint_dies_tells_its_faults_and_goes_on_later_with_nothing_lost(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    suite = str(toy.make_suite(tmp_path / "suite").path)
    options = Options(
        suite=suite,
        model="openai:tiny",
        model_args={"base_url": peer.url, "backoff": 0.0, "retries": 1},
        ground="replay",
        concurrency=2,
        output=tmp_path / "runs",
    )
    peer.script = [able, able, able, able, able, dies]
    done = evaluate(options)
    first = report(done.run, suite)
    assert done.made == len(toy.TASKS)
    assert 0 < first.judged < len(toy.TASKS)
    assert first.not_ranked
    kept = {row.task: row for row in Run.open(done.run).scored() if row.stop != "fault"}
    assert all(
        "nobody answers" in row.fault or "answer" in row.fault for row in Run.open(done.run).scored() if row.fault
    )

    again = dataclasses.replace(options, retry_faults=True)
    with pytest.raises(SetupError, match="nobody answers"):
        evaluate(again)

    with serving(peer.server_address[1]) as revived:
        revived.script = [able]
        resumed = evaluate(again)
    assert resumed.run == done.run
    assert resumed.made == len(toy.TASKS) - len(kept)
    rows = {row.task: row for row in Run.open(done.run).scored()}
    assert {task: rows[task] for task in kept} == kept
    assert {(row.acc_task.value, row.acc_intent.value) for row in rows.values()} == {(1, 1)}
    assert report(done.run, suite).judged == len(toy.TASKS)
    lines = (done.run / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()
    assert Counter(json.loads(line)["task"] for line in lines) == {
        task.id: 1 if task.id in kept else 2 for task in toy.TASKS
    }
