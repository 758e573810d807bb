"""Models of lm-eval's registry, met with the same requests as through any other door."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from model_kit import REQUESTS, side_by_side

from rise_bench.errors import InputError, SetupError
from rise_bench.model import load
from rise_bench.model.lm_eval_backend import LmEval
from rise_bench.types import Reply, Sampling

GREEDY = Sampling(max_tokens=48)


def model(backend: str, sampling: Sampling = GREEDY, **args: Any) -> LmEval:
    made = load(f"lm-eval:{backend}", args, None, sampling)
    assert isinstance(made, LmEval)
    return made


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Iterator[LmEval]:
    made = model("hf", pretrained=str(tiny_model), device="cpu", dtype="float32")
    yield made
    made.close()


def through_hf(path: Path, sampling: Sampling = GREEDY, **args: Any) -> list[Reply]:
    door = load(f"hf:{path}", {"device": "cpu", **args}, None, sampling)
    try:
        return side_by_side(door, REQUESTS)
    finally:
        door.close()


def test_it_says_what_the_same_model_says_through_hf(tiny: LmEval, tiny_model: Path) -> None:
    here, there = side_by_side(tiny, REQUESTS), through_hf(tiny_model)
    assert [reply.message for reply in here] == [reply.message for reply in there]
    assert [reply.stop for reply in here] == [reply.stop for reply in there]
    assert [reply.input_tokens for reply in here] == [reply.input_tokens for reply in there]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft says it
def test_an_adapter_goes_to_the_backend_and_into_the_identity(
    tiny: LmEval, tiny_model: Path, tiny_adapter: Path
) -> None:
    adapted = model("hf", pretrained=str(tiny_model), peft=str(tiny_adapter), device="cpu", dtype="float32")
    said = [reply.message for reply in side_by_side(adapted, REQUESTS)]
    assert said == [reply.message for reply in through_hf(tiny_model, peft=str(tiny_adapter))]
    assert adapted.content() != tiny.content()
    adapted.close()


def test_a_batch_says_what_each_request_alone_would(tiny: LmEval) -> None:
    assert side_by_side(tiny, REQUESTS) == [tiny.reply(request) for request in REQUESTS]


def test_a_model_whose_marks_of_calls_are_special_tokens_has_tools_told_in_words(
    tiny_model: Path, tmp_path: Path
) -> None:
    """lm-eval's `hf` leaves special tokens out of what it gives back; our own door keeps them."""
    special = tmp_path / "special"
    shutil.copytree(tiny_model, special)
    tokenizer = json.loads((special / "tokenizer.json").read_text(encoding="utf-8"))
    for token in tokenizer["added_tokens"]:
        token["special"] = True
    (special / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    backend = model("hf", pretrained=str(special), device="cpu")
    assert backend.settings()["tools"] == "prompted"
    assert backend.settings()["tools_reason"] == "the engine leaves out the marks of calls"
    assert through_hf(special) == through_hf(tiny_model)
    backend.close()


def test_a_model_without_a_template_continues_written_roles(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    base = model("hf", pretrained=str(tmp_path / "base"), device="cpu")
    assert base.settings()["until"] == ["\nUser:"]
    replies = side_by_side(base, REQUESTS)
    assert [reply.message for reply in replies] == [reply.message for reply in through_hf(tmp_path / "base")]
    base.close()


def test_the_context_limits_prompt_and_reply(tiny: LmEval, tiny_model: Path) -> None:
    length = tiny.reply(REQUESTS[0]).input_tokens
    assert length is not None
    small = model("hf", pretrained=str(tiny_model), device="cpu", max_length=length)
    assert small.reply(REQUESTS[0]).stop == "context_overflow"
    smaller = model("hf", Sampling(max_tokens=3), pretrained=str(tiny_model), device="cpu")
    assert smaller.reply(REQUESTS[0]).stop == "output_limit"
    for made in (small, smaller):
        made.close()


def test_a_backend_without_tokenizer_and_template_is_asked_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    dummy = model("dummy")
    reply = dummy.reply(REQUESTS[0])
    assert (reply.message.content, reply.input_tokens, reply.stop) == ("lol", None, None)
    assert dummy.settings()["tools"] == "prompted" and not dummy.pinned
    dummy.close()


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A chat endpoint that answers every request with the same call as text, and what it was asked."""
    text = '<tool_call>\n{"name": "time__get_current_time", "arguments": {"timezone": "Asia/Tokyo"}}\n</tool_call>'
    answer = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions", asked
        server.shutdown()


def test_a_chat_endpoint_of_lm_eval_gets_messages_with_tools_told_in_words(
    endpoint: tuple[str, list[dict[str, Any]]],
) -> None:
    url, sent = endpoint
    chat = model("local-chat-completions", model="toy", base_url=url, max_retries=1)
    replies = side_by_side(chat, REQUESTS[:2])
    assert [call.tool for reply in replies for call in reply.message.tool_calls] == ["time.get_current_time"] * 2
    assert {len(body["messages"]) for body in sent} == {2, 4}
    assert all("calendar__list-events" in body["messages"][0]["content"] for body in sent)
    assert all(body["stop"] and body["temperature"] == 0 for body in sent)
    assert not chat.pinned
    chat.close()


def test_identity_follows_weights_and_arguments_not_the_folders_name(
    tiny: LmEval, tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "moved")
    here = {"pretrained": str(tmp_path / "moved"), "device": "cpu"}
    same, half = model("hf", **here, dtype="float32", batch_size=2), model("hf", **here, dtype="bfloat16")
    assert same.content() == tiny.content() != half.content()
    assert tiny.pinned and not tiny.seeded
    assert tiny.settings()["engine_version"] and "pretrained" in str(tiny.settings()["engine_arguments"])
    assert tiny.width == 8 and same.width == 2


def test_deterministic_is_one_greedy_request_at_a_time(tiny: LmEval, tiny_model: Path) -> None:
    sampling = Sampling(max_tokens=48, temperature=1.0, deterministic=True)
    made = model("hf", sampling, pretrained=str(tiny_model), device="cpu", dtype="float32")
    assert made.width == 1 and "greedy" in str(made.settings()["guarantee"])
    assert made.reply(REQUESTS[0]) == tiny.reply(REQUESTS[0])
    made.close()


@pytest.mark.parametrize(
    ("backend", "args", "kind", "says"),
    [
        ("nonesuch", {}, InputError, "lm-eval has no backend 'nonesuch'"),
        ("hf", {"tools": "sung"}, InputError, "tools"),
        ("hf", {"batch_size": 0}, InputError, "batch_size"),
        ("hf", {}, SetupError, "pretrained"),
        ("local-chat-completions", {"header": {"Authorization": "Bearer abc"}}, InputError, "kept with the run"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    backend: str, args: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind) as raised:
        model(backend, **args)
    assert says in str(raised.value) and "\n" not in str(raised.value) and "abc" not in str(raised.value)


def test_what_lm_eval_does_not_pass_on_is_refused(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="lm-eval cannot hold a model to it"):
        model("hf", Sampling(tool_choice="required"), pretrained=str(tiny_model))
