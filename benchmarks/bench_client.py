"""Our endpoint client, and the whole way of an evaluation, against a bare async loop making the same requests.

The endpoint answers at once, so that nothing but the client is measured; rounds of both alternate, so that other work on
the machine falls on both.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from benchmarks.instant import instant
from benchmarks.kit import RESULT, TURNS, make
from benchmarks.measured import Measured, show
from rise_bench import bench
from rise_bench.model import load, wire
from rise_bench.store import LoadedSuite
from rise_bench.types import Assistant, Message, Model, ModelRequest, Sampling, System, ToolCall, ToolResult, User

WIDTH = 64
TOOLS = 20
REQUESTS = 600
ROUNDS = 5
ATTEMPTS = 100

STAGES = {
    "render": ("encoding.py", "encode"),
    "HTTP": ("connection.py", "_run"),
    "hand-over": ("connection.py", "run"),
    "parse": ("wire.py", "read_reply"),
    "tools (replay)": ("replay.py", "call"),
    "score": ("work.py", "score_attempt"),
    "write": ("runs.py", "append"),
}
"""What is told apart in the profile: the function below which the time of a stage lies."""


class Rate(NamedTuple):
    """Requests per second of the clock, and of this process's CPU."""

    wall: float
    cpu: float


def measure() -> list[Measured]:
    """Shares of the bare loop's rate; medians of pairs of rounds."""
    with tempfile.TemporaryDirectory() as name, instant() as url:
        loaded = make(Path(name) / "suite", ATTEMPTS)
        request = _request(loaded)
        model = load("openai:instant", {"base_url": url, "concurrency": WIDTH})
        try:
            clients = [(_bare(url, request), _ours(model, request)) for _ in range(ROUNDS)]
        finally:
            model.close()
        evals = [(_bare(url, request), _evaluated(url, loaded, Path(name) / f"runs-{n}")) for n in range(ROUNDS)]
        told = _profiled(lambda: _evaluated(url, loaded, Path(name) / "profiled"))
    print(told)
    bare = statistics.median(pair[0].wall for pair in (*clients, *evals))
    return [
        Measured("bare async loop, 64 at once, 20 tools", bare, "requests/s"),
        Measured("our client against it", _share(clients, 0), "of it", aim=0.8, more=True),
        Measured("our client against it, by CPU", _share(clients, 1), "of it", aim=0.8, more=True),
        Measured("whole evaluation against it", _share(evals, 0), "of it", note="replayed tools, scoring, writing"),
        Measured("whole evaluation against it, by CPU", _share(evals, 1), "of it"),
    ]


def _share(pairs: Sequence[tuple[Rate, Rate]], by: int) -> float:
    return statistics.median(ours[by] / bare[by] for bare, ours in pairs)


def _request(loaded: LoadedSuite) -> ModelRequest:
    """A request in the middle of an attempt."""
    task = loaded.suite.tasks[0]
    tools = tuple(tool for server in loaded.ground.servers for tool in server.tools)[:TOOLS]
    messages: list[Message] = [System(content=loaded.suite.system_prompt), User(content=task.request)]
    for number, call in enumerate(task.reference[:3]):
        made = ToolCall(id=f"call_{number}", tool=call.tool, arguments=call.arguments)
        messages += [Assistant(tool_calls=(made,)), ToolResult(call_id=made.id, tool=call.tool, content=RESULT)]
    return ModelRequest(messages=tuple(messages), tools=tools, task=task.id)


@contextmanager
def _timed(requests: int) -> Iterator[list[Rate]]:
    found: list[Rate] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found.append(Rate(requests / (time.perf_counter() - wall), requests / (time.process_time() - cpu)))


def _bare(url: str, request: ModelRequest) -> Rate:
    """What anyone would write: the JSON is there, the client serialises it, the answer is read as JSON."""
    names = wire.Names.of(request.tools)
    body = wire.fields("instant", Sampling(), names, tools=True)
    body |= {"messages": wire.chat_messages(request.messages, names)}
    body |= {"tools": [wire.tool_schema(tool, names) for tool in request.tools]}

    async def run() -> None:
        turns = iter(range(REQUESTS))
        limits = httpx2.Limits(max_connections=WIDTH, max_keepalive_connections=WIDTH)
        async with httpx2.AsyncClient(limits=limits, timeout=300) as client:

            async def work() -> None:
                for _ in turns:
                    response = await client.post(f"{url}/chat/completions", json=body)
                    response.raise_for_status()
                    response.json()

            await asyncio.gather(*(work() for _ in range(WIDTH)))

    with _timed(REQUESTS) as found:
        asyncio.run(run())
    return found[0]


def _ours(model: Model, request: ModelRequest) -> Rate:
    turns, lock = iter(range(REQUESTS)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(turns, None) is None:
                    return
            model.reply(request)

    threads = [threading.Thread(target=work) for _ in range(WIDTH)]
    with _timed(REQUESTS) as found:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found[0]


def _evaluated(url: str, loaded: LoadedSuite, output: Path) -> Rate:
    options = bench.Options(
        suite=str(loaded.path),
        model="openai:instant",
        model_args={"base_url": url, "concurrency": WIDTH},
        ground="replay",
        cassette=loaded.path / "cassette.jsonl",
        concurrency=WIDTH,
        output=output,
    )
    with _timed(ATTEMPTS * TURNS) as found:
        done = bench.evaluate(options)
    if (aligned := bench.report(done.run, str(loaded.path)).acc_intent.value) != 1:
        raise SystemExit(f"Acc_intent is {aligned}, 1 was expected")
    return found[0]


def _profiled(work: Callable[[], object]) -> str:
    """Shares of the stages and the dearest functions, by the CPU time of every thread. Profiling slows small functions."""
    profiles: list[cProfile.Profile] = []

    def begin(*_: Any) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.enable()

    threading.setprofile(begin)
    begin()
    try:
        work()
    finally:
        threading.setprofile(None)
        for profile in profiles:
            profile.disable()
    rows = _rows(profiles)
    whole = sum(own for _, own, _ in rows)
    lines = ["share of CPU by stage:"]
    for stage, (file, name) in STAGES.items():
        below = sum(all_ for (path, _, function), _, all_ in rows if function == name and path.endswith(file))
        lines.append(f"  {below / whole:6.1%}  {stage}")
    lines.append("dearest functions by their own time:")
    for (path, line, function), own, _ in sorted(rows, key=lambda row: -row[1])[:10]:
        lines.append(f"  {own / whole:6.1%}  {'/'.join(Path(path).parts[-2:])}:{line} {function}")
    return "\n".join(lines)


def _rows(profiles: Sequence[cProfile.Profile]) -> list[tuple[tuple[str, int, str], float, float]]:
    """(function, own seconds, seconds with what it calls), over all threads."""
    merged: Any = pstats.Stats(*profiles)
    return [(function, row[2], row[3]) for function, row in merged.stats.items()]


if __name__ == "__main__":
    show(measure())
