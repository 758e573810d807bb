"""An endpoint on a real socket that plays a script: what every server does, and what the worst ones do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rise_bench.model import load
from rise_bench.types import Message, Model, ModelRequest, Sampling, System, Tool, User

KEY = "sk-secret-0123456789"
TOOLS = (
    Tool(server="files", name="read_file", description="Read.", parameters={"type": "object", "properties": {}}),
    Tool(server="files", name="list files!", description="List."),
)
Behaviour = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Plays the peer's script: one behaviour a request, the last one again and again."""

    server: Peer

    def do_GET(self) -> None:
        self.server.others.get(self.path, self.server.models)(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.bodies.append(body)
            self.server.keys.append(self.headers["authorization"])
            script = self.server.script
            behaviour = script.pop(0) if len(script) > 1 else script[0]
        if self.server.dead:
            self.close_connection = True
            return
        behaviour(self, body)

    def send(self, status: int, body: Any, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:  # the client has seen enough
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


class Peer(ThreadingHTTPServer):
    """An endpoint on a real socket."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script: list[Behaviour] = [says("hello")]
        self.models: Callable[[Handler], None] = lambda handler: handler.send(404, {"detail": "Not Found"})
        self.others: dict[str, Callable[[Handler], None]] = {}
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.dead = False
        self.lock = threading.Lock()
        self.gate = threading.Event()

    def die(self) -> None:
        """Nobody listens any more, and connections that are kept are cut at their next request."""
        self.dead = True
        self.socket.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def says(content: Any, *, finish: str = "stop", calls: list[Any] | None = None, **more: Any) -> Behaviour:
    message = {"role": "assistant", "content": content} | ({"tool_calls": calls} if calls is not None else {})
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    return lambda handler, _: handler.send(200, {"choices": [choice], "usage": usage, **more})


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    return lambda handler, _: handler.send(status, {"error": {"message": message, "code": code}}, **headers)


def call(name: str, arguments: Any, id: str | None = "abc") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


@contextmanager
def serving(port: int = 0) -> Iterator[Peer]:
    """A peer as long as the block."""
    server = Peer(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def connecting(peer: Peer) -> Iterator[Callable[..., Model]]:
    """Makes models of the peer that do not wait between tries; closes them at the end."""
    opened: list[Model] = []

    def make(sampling: Sampling | None = None, **args: Any) -> Model:
        opened.append(load("openai:tiny", {"base_url": peer.url, "backoff": 0.0, **args}, sampling=sampling))
        return opened[-1]

    try:
        yield make
    finally:
        for model in opened:
            model.close()


def asking(*messages: Message, tools: tuple[Tool, ...] = TOOLS) -> ModelRequest:
    """A request with two tools."""
    return ModelRequest(messages=messages or (System(content="be brief"), User(content="hi")), tools=tools, task="t")


def flood(handler: Handler, megabytes: int, head: bytes, status: int = 200) -> None:
    """A body of so many megabytes, never held whole on this side either."""
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    try:
        handler.wfile.write(head)
        for _ in range(megabytes):
            handler.wfile.write(b"x" * 1_000_000)
    except OSError:  # the client has seen enough
        pass
    handler.close_connection = True
