"""Calls verified on two grounds, against the SDK's own client that makes the same calls as often, at the same concurrency.

Of calls that read, which share a sandbox: opening, filling, reading its state and closing it are within our time, starting
servers is in neither. A call that writes gets a sandbox of its own, which the client does not do, so it is no part of this.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from benchmarks.bench_ground import FIXTURE, _Raw
from benchmarks.measured import Measured, show
from rise_bench.ground.freeze import freeze
from rise_bench.ground.live import LiveGround
from rise_bench.ground.recipe import load_recipe
from rise_bench.ground.sandbox import Sandbox, Variation
from rise_bench.refs import substitute_root
from rise_bench.synth.primitives.verify import READS, verify
from rise_bench.synth.records import Dropped, Proposal, World
from rise_bench.types import Task

NOW = "2026-04-02T09:00:00Z"
WIDTHS = (1, 2)
ROUNDS = 5
BATCHES = 2
AIM = 0.7

WORK: dict[str, tuple[str, str, list[JsonValue]]] = {
    "time": ("convert_time", "time", [f"{n // 60:02}:{n % 60:02}" for n in range(READS * BATCHES)]),
    "sqlite": ("read_query", "query", [f"SELECT * FROM pens WHERE price > {n / 20}" for n in range(READS * BATCHES)]),
}
"""Of each server a cheap tool, the argument that differs from call to call, and its values."""

REST: dict[str, dict[str, JsonValue]] = {
    "time": {"source_timezone": "Europe/Zurich", "target_timezone": "Asia/Tokyo"},
    "sqlite": {},
}


def measure(servers: tuple[str, ...] = tuple(WORK)) -> list[Measured]:
    """Shares of the SDK client's rate, medians of rounds."""
    figures: list[Measured] = []
    with tempfile.TemporaryDirectory() as name:
        for path, text in FIXTURE.items():
            (Path(name) / "bench" / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / "bench" / path).write_text(text, encoding="utf-8")
        for server in servers:
            figures += [_measured(server, Path(name), width) for width in WIDTHS]
    return figures


def _measured(server: str, fixtures: Path, width: int) -> Measured:
    tool, varying, values = WORK[server]
    recipe = load_recipe(server)
    frozen = freeze("bench", [recipe])
    grounds = [LiveGround(frozen, fixtures, variation=v) for v in (None, Variation.second())]
    world = World(setup="bench", now=NOW, servers=(server,))
    calls: list[dict[str, JsonValue]] = [{**REST[server], varying: value} for value in values]
    proposals = [
        Proposal(world=world, tool=f"{server}.{tool}", arguments=one, scenario="required_only") for one in calls
    ]
    task = Task(id="bench", request="r", now=NOW, servers=(server,), setup="bench")
    try:
        session = grounds[0].open(task)
        sandbox: Sandbox = session._slot.sandbox  # type: ignore[attr-defined]
        filled: list[Any] = [substitute_root(dict(one), session.root) for one in calls]
        with _Raw(recipe, sandbox, tool, filled[0]) as raw:
            _verified(proposals, grounds, width)  # servers start
            shares, rates = [], []
            for _ in range(ROUNDS):
                ours = _verified(proposals, grounds, width)
                rates.append(_made(raw, tool, filled * 2, width) / 2)
                shares.append(ours / rates[-1])
    finally:
        for ground in grounds:
            ground.close()
    told = f"{statistics.median(rates):.0f} calls twice a second by the SDK's client"
    return Measured(f"{server}, {width} at once: verified", statistics.median(shares), "of it", AIM, True, told)


def _verified(proposals: list[Proposal], grounds: list[LiveGround], width: int) -> float:
    """Primitives per second."""
    begun = time.perf_counter()
    outcomes = list(verify(proposals, grounds[0], grounds[1], workers=width))
    took = time.perf_counter() - begun
    bad = [outcome for outcome in outcomes if isinstance(outcome, Dropped)]
    assert not bad, bad[0]
    return len(outcomes) / took


def _made(raw: _Raw, tool: str, calls: list[Any], width: int) -> float:
    """Calls per second of the SDK's client."""
    turns = iter(calls)

    async def work() -> None:
        for arguments in turns:
            result = await raw._session.call_tool(tool, arguments)
            assert not result.is_error

    async def together() -> None:
        await asyncio.gather(*(work() for _ in range(width)))

    begun = time.perf_counter()
    raw._runner.run(together())
    return len(calls) / (time.perf_counter() - begun)


if __name__ == "__main__":
    show(measure(tuple(sys.argv[1:]) or tuple(WORK)))
