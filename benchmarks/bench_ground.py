"""Calls through our connection and session, against the SDK's own client on the same server at the same concurrency.

Both servers run all the time, in a sandbox each; rounds of both alternate, so that other work on the machine falls on
both, and a start is no part of a round. The aim is for calls that read: after one that may write, the session takes a
snapshot of the state and lets no other such call run beside it, which is what the client does not do.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from pydantic import JsonValue

from benchmarks.measured import Measured, show
from rise_bench.ground.freeze import freeze
from rise_bench.ground.install import ensure
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import Recipe, load_recipe
from rise_bench.ground.sandbox import Sandbox
from rise_bench.types import Task, ToolCall

CALLS = 300
ROUNDS = 7
WIDTHS = (1, 8, 64)
SECONDS = 300.0
AIM = 0.8
TEXT = "the quick brown fox jumps over the lazy dog\n" * 40
FIXTURE = {"files/a.txt": TEXT, "shop.sql": "CREATE TABLE pens (name TEXT, price REAL);\n" + "".join(
    f"INSERT INTO pens VALUES ('pen {number}', {number}.5);\n" for number in range(20)
), "build.yaml": "sqlite: {database.db: shop.sql}\n"}  # fmt: skip

WORK: dict[str, tuple[str, dict[str, JsonValue]]] = {
    "everything": ("echo", {"message": "hello"}),
    "filesystem": ("read_text_file", {"path": "{root}/a.txt"}),
    "time": ("get_current_time", {"timezone": "Europe/Zurich"}),
    "sqlite": ("read_query", {"query": "SELECT * FROM pens ORDER BY price"}),
}
"""One cheap call of each server: the dearer the call, the less a client shows."""

WRITES: dict[str, tuple[str, dict[str, JsonValue]]] = {
    "sqlite": ("write_query", {"query": "UPDATE pens SET price = price + 1 WHERE name = 'pen 3'"}),
    "filesystem": ("write_file", {"path": "{root}/b.txt", "content": "the quick brown fox"}),
}
"""One call that writes, and leaves a state as large as it found it: a short text, and a database of one small table."""

Ask = Callable[[], object]


class Shares(NamedTuple):
    """Rates of our two doors as shares of the SDK client's, and that client's rate."""

    connection: float
    session: float
    raw: float


def measure(servers: tuple[str, ...] = tuple(WORK), widths: tuple[int, ...] = WIDTHS) -> list[Measured]:
    """Shares of the SDK client's rate, medians of pairs of rounds."""
    figures: list[Measured] = []
    with tempfile.TemporaryDirectory() as name:
        _write_fixture(Path(name) / "bench")
        for server in servers:
            figures += _measured(server, server, Path(name), WORK[server], widths, AIM)
            if server in WRITES:
                figures += _measured(server, f"{server} writing", Path(name), WRITES[server], widths, None)
    return figures


def _measured(
    server: str,
    label: str,
    fixtures: Path,
    work: tuple[str, dict[str, JsonValue]],
    widths: tuple[int, ...],
    aim: float | None,
) -> Iterator[Measured]:
    with _doors(load_recipe(server), fixtures, *work) as (raw, connection, session):
        for width in widths:
            shares = _compared(raw, connection, session, width)
            told = f"{shares.raw:.0f} calls/s by the SDK's client"
            yield Measured(f"{label}, {width} at once: connection", shares.connection, "of it", aim, True, told)
            yield Measured(f"{label}, {width} at once: session", shares.session, "of it", aim, True)


def _compared(raw: _Raw, connection: Ask, session: Ask, width: int) -> Shares:
    rounds = []
    before = raw.rate(width)
    for _ in range(ROUNDS):
        ours = _rate(connection, width), _rate(session, width)
        after = raw.rate(width)
        base = (before + after) / 2  # what else the machine does changes from round to round
        rounds.append((ours[0] / base, ours[1] / base, base))
        before = after
    return Shares(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def _write_fixture(folder: Path) -> None:
    for path, text in FIXTURE.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


@contextmanager
def _doors(
    recipe: Recipe, fixtures: Path, tool: str, arguments: dict[str, JsonValue]
) -> Iterator[tuple[_Raw, Ask, Ask]]:
    """The SDK's client on a server of its own; our connection and our session on another."""
    ground = LiveGround(freeze("bench", [recipe]), fixtures)
    task = Task(id="bench", request="r", now="2026-04-02T09:00:00Z", servers=(recipe.name,), setup="bench")
    try:
        # A second attempt of the same ground, so that the SDK's client has the same command line, fixture and clock.
        session, other = ground.open(task), ground.open(task)
        filled = {
            key: value.replace("{root}", session.root) if isinstance(value, str) else value
            for key, value in arguments.items()
        }
        call = ToolCall(id="1", tool=f"{recipe.name}.{tool}", arguments=filled)
        connection = session._slot.connections[recipe.name]  # type: ignore[attr-defined]
        sandbox: Sandbox = other._slot.sandbox  # type: ignore[attr-defined]
        with _Raw(recipe, sandbox, tool, filled) as raw:
            for ask in (lambda: connection.call(tool, filled, SECONDS), lambda: session.call(call, SECONDS)):
                assert ask().status == "ok"
            yield raw, lambda: connection.call(tool, filled, SECONDS), lambda: session.call(call, SECONDS)
    finally:
        ground.close()


class _Raw:
    """What anyone would write: one session of the SDK, and so many tasks that call."""

    def __init__(self, recipe: Recipe, sandbox: Sandbox, tool: str, arguments: dict[str, Any]) -> None:
        launch = sandbox.launch(recipe, ensure(recipe))
        self._server = StdioServerParameters(command=launch.command, args=list(launch.args), cwd=launch.cwd)
        self._tool, self._arguments = tool, arguments
        self._runner = asyncio.Runner()

    def __enter__(self) -> _Raw:
        self._gate = asyncio.Event()
        self._session = self._runner.run(self._start())
        self.rate(1)
        return self

    async def _start(self) -> ClientSession:
        opened: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._owner = asyncio.create_task(self._own(opened))
        return await opened

    async def _own(self, opened: asyncio.Future[ClientSession]) -> None:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            async with (
                stdio_client(self._server, errlog=nowhere) as (reader, writer),
                ClientSession(reader, writer) as session,
            ):
                await session.initialize()
                opened.set_result(session)
                await self._gate.wait()

    def rate(self, width: int) -> float:
        """Calls per second."""
        turns = iter(range(CALLS))

        async def work() -> None:
            for _ in turns:
                result = await self._session.call_tool(self._tool, self._arguments)
                assert not result.is_error

        async def together() -> None:
            await asyncio.gather(*(work() for _ in range(width)))

        begun = time.perf_counter()
        self._runner.run(together())
        return CALLS / (time.perf_counter() - begun)

    def __exit__(self, *_: object) -> None:
        self._gate.set()

        async def ended() -> None:
            await self._owner

        self._runner.run(ended())
        self._runner.close()


def _rate(ask: Ask, width: int) -> float:
    turns, lock = iter(range(CALLS)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(turns, None) is None:
                    return
            ask()

    threads = [threading.Thread(target=work) for _ in range(width)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return CALLS / (time.perf_counter() - begun)


if __name__ == "__main__":
    show(measure(tuple(sys.argv[1:]) or tuple(WORK)))
