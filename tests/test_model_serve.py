"""The chat endpoint client against a real engine's server: `transformers serve` with the tiny model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rise_bench.errors import ModelFault
from rise_bench.model import load
from rise_bench.store import load_suite
from rise_bench.types import (
    Assistant,
    Message,
    Model,
    ModelRequest,
    Reply,
    Sampling,
    System,
    ToolCall,
    ToolResult,
    User,
)

pytestmark = pytest.mark.slow

GREEDY = Sampling(max_tokens=64)


@pytest.fixture(scope="module")
def served(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address. Its cache folder does not exist: GET /models is an error there until it does."""
    home = tmp_path_factory.mktemp("home") / "cache"
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    options = ["--host", "127.0.0.1", "--port", "0", "--device", "cpu", "--dtype", "float32"]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(tiny_model), *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            yield address(server)
        finally:
            server.kill()


def address(server: subprocess.Popen[bytes]) -> str:
    """What the server says it listens on."""
    assert server.stderr is not None
    told: list[str] = []
    for line in server.stderr:
        told.append(line.decode(errors="replace"))
        if found := re.search(r"running on (http://\S+)", told[-1]):
            threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop the server
            return f"{found.group(1)}/v1"
    raise AssertionError("it ended: " + "".join(told))


@pytest.fixture
def connect(served: str, tiny_model: Path) -> Iterator[Callable[..., Model]]:
    opened: list[Model] = []

    def make(sampling: Sampling = GREEDY, **args: Any) -> Model:
        opened.append(load(f"openai:{tiny_model}", {"base_url": served, "retries": 0, **args}, sampling=sampling))
        return opened[-1]

    yield make
    for model in opened:
        model.close()


def asking(*more: Message) -> ModelRequest:
    tools = [tool for server in load_suite("desk").ground.servers for tool in server.tools if server.name == "time"]
    start = (System(content="You work for one person at a desk."), User(content="What time is it in Paris?"))
    return ModelRequest(messages=(*start, *more), tools=tuple(tools), task="t")


DONE = (
    Assistant(tool_calls=(ToolCall(id="a", tool="time.get_current_time", arguments={"timezone": "Europe/Paris"}),)),
    ToolResult(call_id="a", tool="time.get_current_time", content='{"datetime": "2026-04-02T11:00:00+02:00"}'),
)


def is_said(reply: Reply) -> bool:
    """Something came: a text, calls, or a call that could not be read."""
    message = reply.message
    return bool(message.content or message.tool_calls or message.malformed)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("tools", ["native", "prompted"])
@pytest.mark.parametrize("history", [(), DONE], ids=["first", "after a call"])
def test_a_reply_comes_through_every_door(
    connect: Callable[..., Model], api: str, tools: str, history: tuple[Message, ...]
) -> None:
    reply = connect(api=api, tools=tools, stream=True).reply(asking(*history))
    assert is_said(reply)
    assert reply.message.malformed or (reply.input_tokens or 0) > 100


@pytest.mark.parametrize("history", [(), DONE], ids=["first", "after a call"])
def test_the_same_comes_in_one_piece_and_streamed(connect: Callable[..., Model], history: tuple[Message, ...]) -> None:
    streamed = connect(stream=True).reply(asking(*history))
    if streamed.message.malformed:  # this server answers HTTP 500 then, and says why only in a stream
        with pytest.raises(ModelFault, match="HTTP 500"):
            connect().reply(asking(*history))
    else:
        assert connect().reply(asking(*history)).message.content == streamed.message.content


def test_deterministic_replies_are_the_same_each_time(connect: Callable[..., Model]) -> None:
    model = connect(Sampling(max_tokens=48, deterministic=True, temperature=0.9), stream=True)
    first, again = (model.reply(asking()).message for _ in range(2))
    assert without_ids(first) == without_ids(again)


def without_ids(message: Assistant) -> tuple[str, str, list[tuple[str, Any]]]:
    return message.content, message.malformed, [(call.tool, call.arguments) for call in message.tool_calls]


def test_identity_and_settings_are_told_where_models_are_not_listed(
    connect: Callable[..., Model], served: str, tiny_model: Path
) -> None:
    model = connect()
    assert served in model.content()
    assert str(tiny_model) in model.content()
    assert "uvicorn" in model.settings()["server"]  # type: ignore[attr-defined]
