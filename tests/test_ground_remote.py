"""A server that runs elsewhere is met over streamable HTTP: its calls count, its state is nobody's to see."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from rise_bench.cli import main
from rise_bench.errors import GroundFault, ServerDied, SetupError
from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import Recipe, load_recipe
from rise_bench.rollout import attempt
from rise_bench.score import score
from rise_bench.types import (
    Assistant,
    Budget,
    Call,
    Critical,
    Intent,
    ModelRequest,
    Reply,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
)

KEY = "Bearer sk-0123456789abcdef"
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Elsewhere:
    """A server on a loopback port; `broken` makes it answer every request with that status, `allowed` is how many messages
    it takes in a session (0 = any number).
    """

    port: int
    broken: int = 0
    allowed: int = 0
    taken: Counter[bytes] = field(default_factory=Counter)
    keys: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def recipe(self) -> Recipe:
        headers = {"Authorization": "${SHOP_KEY}"}
        return Recipe(name="shop", url=self.url, headers=headers, keeps="service", risk="network", start_seconds=20)


def shop(here: Elsewhere) -> MCPServer:
    server = MCPServer("shop")

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True))
    def stock(article: str) -> int:
        """How many there are."""
        return 7

    @server.tool()
    def order(article: str) -> str:
        """Order one."""
        here.orders.append(article)
        return f"ordered {article}"

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True), structured_output=False)
    def catalogue(characters: int) -> str:
        """The whole catalogue."""
        return "x" * characters

    return server


class _Eager:
    """A model that never has enough."""

    name = "eager"

    def content(self) -> str:
        return "eager"

    def reply(self, request: ModelRequest) -> Reply:
        return Reply(message=Assistant(tool_calls=(call("stock", article="pen"),)))

    def close(self) -> None:
        """Nothing."""


@contextmanager
def running(json_response: bool = False, packed: bool = False) -> Iterator[Elsewhere]:
    """The server; `packed`: it compresses long answers though nobody asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Elsewhere(port)
    inner: Application = shop(here).streamable_http_app(json_response=json_response)
    if packed:
        inner = GZipMiddleware(inner, minimum_size=10_000)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            here.keys.append(headers.get(b"authorization", b"").decode())
            here.taken[headers.get(b"mcp-session-id", b"")] += scope["method"] == "POST"
            limited = (
                0 < here.allowed < here.taken[headers.get(b"mcp-session-id", b"")] and b"mcp-session-id" in headers
            )
            status = here.broken or (401 if here.keys[-1] != KEY else 429 if limited else 0)
            if status:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b"no"})
                return
        if packed and scope["type"] == "http":
            asked = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": [*asked, (b"accept-encoding", b"gzip")]}
        await inner(scope, receive, send)

    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield here
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "SHOP_KEY": KEY})
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # the server's side of this process


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with running() as here:
        yield here


def ground_of(here: Elsewhere, tmp_path: Path, **more: object) -> LiveGround:
    ground = freeze("shop", [here.recipe()])
    return LiveGround(ground, tmp_path, recipes={"shop": here.recipe()}, **more)  # type: ignore[arg-type]


def task() -> Task:
    return Task(
        id="shop/one",
        request="Order a pen.",
        now="2026-04-02T09:00:00Z",
        servers=("shop",),
        reference=(Call(tool="shop.order", arguments={"article": "pen"}),),
        intent=Intent(critical=(Critical(call=0, argument="/article"),)),
        cluster="empty/shop",
    )


def call(tool: str, **arguments: str | int) -> ToolCall:
    return ToolCall(id="1", tool=f"shop.{tool}", arguments=dict(arguments))


def test_calls_reach_it_with_the_users_headers_and_no_state_is_claimed(elsewhere: Elsewhere, tmp_path: Path) -> None:
    said: list[str] = []
    source = ground_of(elsewhere, tmp_path, progress=said.append)
    session = source.open(task())
    result = session.call(call("order", article="pen"), 20)
    assert (result.status, result.content, result.changed) == ("ok", "ordered pen", None)
    assert session.end_state() is None
    session.close()
    source.close()
    assert elsewhere.orders == ["pen"]
    assert set(elsewhere.keys) == {KEY}
    (line,) = said
    assert "shop runs elsewhere" in line and KEY not in line


@pytest.mark.parametrize(("article", "aligned"), [("pen", 1), ("desk", 0)])
def test_verdicts_on_it_rest_on_calls(elsewhere: Elsewhere, tmp_path: Path, article: str, aligned: int) -> None:
    source = ground_of(elsewhere, tmp_path)
    session = source.open(task())
    made = call("order", article=article)
    messages = (
        User(content="Order a pen."),
        Assistant(tool_calls=(made,)),
        session.call(made, 20),
        Assistant(content="Done."),
    )
    trajectory = Trajectory(task="shop/one", mode="live", messages=messages, end_state=session.end_state())
    session.close()
    source.close()
    verdicts = score(task(), trajectory, source.ground)
    assert [(verdict.value, verdict.evidence) for verdict in verdicts] == [(1, "calls"), (aligned, "calls")]


def test_a_server_that_is_away_is_a_fault_and_no_wrong_answer(elsewhere: Elsewhere, tmp_path: Path) -> None:
    source = ground_of(elsewhere, tmp_path)
    session = source.open(task())
    elsewhere.broken = 503
    with pytest.raises(GroundFault, match="503 Service Unavailable") as fault:
        session.call(call("stock", article="pen"), 20)
    assert not isinstance(fault.value, ServerDied)
    session.close()
    with pytest.raises(GroundFault, match=r"shop: cannot be started: .*503"):
        source.open(task())
    source.close()


def test_an_attempt_at_a_server_that_limits_the_rate_is_none_and_not_wrong(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    source = ground_of(elsewhere, tmp_path)
    elsewhere.allowed = 5  # the session's opening, its list of tools, three calls
    trajectory = attempt(_Eager(), source, task(), system_prompt="", budget=Budget())
    source.close()
    answers = [message.content for message in trajectory.messages if isinstance(message, ToolResult)]
    assert (trajectory.stop, answers) == ("fault", ["7", "7", "7"])
    assert "429 Too Many Requests" in trajectory.fault
    assert [verdict.value for verdict in score(task(), trajectory, source.ground)] == [None, None]


def test_a_server_that_nobody_runs_or_that_refuses_the_key_cannot_be_frozen(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SHOP_KEY", "wrong")
    with pytest.raises(SetupError, match=r"shop: cannot be started: .*401 Unauthorized") as refused:
        freeze("shop", [elsewhere.recipe()])
    assert "wrong" not in str(refused.value)
    monkeypatch.delitem(os.environ, "SHOP_KEY")
    with pytest.raises(SetupError, match="needs SHOP_KEY, which is not set"):
        freeze("shop", [elsewhere.recipe()])
    nowhere = elsewhere.recipe().model_copy(update={"url": "http://127.0.0.1:9/mcp", "headers": {}})
    with pytest.raises(SetupError, match=r"shop: cannot be started: .*onnect"):
        freeze("shop", [nowhere])


@pytest.mark.parametrize("json_response", [False, True], ids=["events", "json"])
def test_an_answer_beyond_all_measure_costs_one_call(json_response: bool, tmp_path: Path) -> None:
    with running(json_response) as here:
        source = ground_of(here, tmp_path)
        session = source.open(task())
        result = session.call(call("catalogue", characters=20_000_000), 60)
        assert result.status == "protocol_error"
        assert len(result.content) < 1_000
        assert session.call(call("stock", article="pen"), 20).content == "7"
        session.close()
        source.close()


def test_an_answer_that_could_unpack_to_anything_is_not_unpacked(tmp_path: Path) -> None:
    with running(json_response=True, packed=True) as here:
        source = ground_of(here, tmp_path)
        session = source.open(task())
        assert session.call(call("catalogue", characters=10), 30).content == "x" * 10
        with pytest.raises(GroundFault):
            session.call(call("catalogue", characters=1_000_000), 30)
        source.close()


def test_it_is_added_without_its_secret_and_without_a_call(
    elsewhere: Elsewhere, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"type": "http", "url": elsewhere.url, "headers": {"Authorization": KEY}}
    (tmp_path / "mcp.json").write_text(json.dumps({"servers": {"Shop": entry}}), encoding="utf-8")
    assert main(["ground", "add", str(tmp_path / "mcp.json"), "--to", str(tmp_path / "recipes")]) == 0
    told = capsys.readouterr().out
    assert "SHOP_AUTHORIZATION is a secret and was not written" in " ".join(told.split())
    assert "shop runs elsewhere" in told
    recipe = load_recipe(tmp_path / "recipes" / "shop.yaml")
    assert recipe.headers == {"Authorization": "Bearer ${SHOP_AUTHORIZATION}"}
    assert (recipe.url, recipe.keeps, recipe.risk) == (elsewhere.url, "service", "network")
    assert all("sk-0123" not in path.read_text(encoding="utf-8") for path in (tmp_path / "recipes").rglob("*.*"))
    assert elsewhere.orders == []
