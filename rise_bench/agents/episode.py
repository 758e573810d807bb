"""One attempt of an agent program: what it calls becomes our messages, what it prints becomes its answer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import os
import queue
import threading
import time
from dataclasses import dataclass, replace

from pydantic import JsonValue

from rise_bench.agents.confine import PORT, Limits, Place, command_line, environment
from rise_bench.agents.gateway import Gateway
from rise_bench.agents.loop import Loop
from rise_bench.agents.process import Ended, Process
from rise_bench.agents.program import Program
from rise_bench.agents.upstream import Meter, Upstream
from rise_bench.errors import ModelFault
from rise_bench.ground.sandbox import Sandbox, means
from rise_bench.model import history
from rise_bench.model.prompt import template_messages
from rise_bench.model.shapes import clean_text, read_arguments
from rise_bench.model.wire import Names
from rise_bench.plain import one_line
from rise_bench.types import Assistant, ModelRequest, Reply, System, ToolCall, ToolResult, canonical

__all__ = ["Episode", "Setting"]

TOGETHER_SECONDS = 0.02
"""How long after a call further ones are taken into the same message: clients send parallel calls one by one."""

START_SECONDS = 30.0
STOP_SECONDS = 10.0
SHOWN = 200
LONGEST_VARIABLE = 100_000
"""Bytes of an environment variable; Linux takes 128 KiB (MAX_ARG_STRLEN of execve(2))."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all attempts of a program share."""

    program: Program
    confined: bool
    limits: Limits
    timeout: float | None
    """Seconds that the program may run; None = as long as the attempt."""
    upstream: Upstream | None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A call that the program waits for."""

    name: str
    arguments: object
    result: asyncio.Future[ToolResult]


class Episode:
    """Started with the attempt's first request; then `reply` after `reply` until the program ends.

    Raises:
        ModelFault: the program or its gateway cannot be started.
    """

    def __init__(self, setting: Setting, loop: Loop, request: ModelRequest) -> None:
        self._setting = setting
        self._loop = loop
        self._names = Names.of(request.tools)
        self._events: queue.SimpleQueue[_Wanted | Ended | str] = queue.SimpleQueue()
        self._waiting: dict[str, _Wanted] = {}
        self._open: set[asyncio.Future[ToolResult]] = set()
        self._failure = ""
        self._stopped = threading.Lock()
        self._meter = Meter(most=request.tokens)
        self._began = time.monotonic()
        self._gateway = Gateway(request.tools, self._called, self._flooded, setting.upstream, self._meter)
        mark = "" if setting.confined else self._gateway.token
        self._process = Process(mark, self._events.put, self._flooded)
        # Its own files may be for their owner's eyes alone, so it stays the user that we are.
        self._sandbox = Sandbox(used=replace(means(), own_uid=False))
        try:
            loop.run(self._start(request), START_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            self.stop()
            what = f"the agent program cannot be started: {one_line(error) or type(error).__name__}"
            raise ModelFault(what, where=setting.program.words[0]) from error
        except BaseException:
            self.stop()
            raise

    # --- on the loop's thread -----------------------------------------------------------------------------------------

    async def _start(self, request: ModelRequest) -> None:
        place = Place(self._sandbox, self._setting.confined)
        port = await self._gateway.open(place.socket if place.confined else None)
        url = f"http://127.0.0.1:{port or PORT}"
        settings = environment(self._setting.program, place, self._said(request, place, url))

        def command(news: int) -> list[str]:
            return command_line(self._setting.program, place, settings, self._setting.limits, news)

        outside = {"PATH": os.defpath} if place.confined else settings
        text = history.request_text(request)
        await self._process.start(command, text, outside, self._sandbox.home)

    def _said(self, request: ModelRequest, place: Place, url: str) -> dict[str, str]:
        """What the program is told about its task, as environment variables."""
        token = self._gateway.token
        mcp = f"{url}/mcp/{token}"
        said = {
            "RISE_REQUEST": history.request_text(request),
            "RISE_INSTRUCTIONS": "\n".join(m.content for m in request.messages if isinstance(m, System)),
            "RISE_NOW": request.now,
            "RISE_MCP_URL": mcp,
            "RISE_MCP_TOKEN": token,
            "RISE_MCP_STDIO": place.write_bridge(mcp),
        }
        if self._setting.upstream is not None:
            said |= {"RISE_MODEL_URL": f"{url}/v1", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": token}
        earlier = [m for m in request.messages[: _start_of(request)] if not isinstance(m, System)]
        if earlier:
            said["RISE_MESSAGES"] = json.dumps(template_messages(earlier, self._names), ensure_ascii=False)
        for name, value in said.items():
            if len(value.encode("utf-8", "replace")) > LONGEST_VARIABLE:
                what = f"is {len(value)} characters long, more than an environment variable takes"
                raise ModelFault(what, where=name, remedy="such a task cannot be given to an agent program")
        return {name: clean_text(value).replace("\0", "") for name, value in said.items()}

    async def _called(self, name: str, arguments: object) -> ToolResult:
        wanted = _Wanted(name, arguments, asyncio.get_running_loop().create_future())
        self._open.add(wanted.result)
        self._events.put(wanted)
        try:
            return await wanted.result
        finally:
            self._open.discard(wanted.result)

    def _flooded(self, why: str) -> None:
        self._failure = self._failure or why
        self._process.kill()
        self._events.put(why)

    # --- on the attempt's thread --------------------------------------------------------------------------------------

    def reply(self, request: ModelRequest) -> Reply:
        """What the program did next: calls, its answer, or how it failed.

        Raises:
            ModelFault: it never ran, or it failed while its endpoint did.
        """
        self._give(history.results(request))
        try:
            event = self._events.get(timeout=self._left(request))
        except queue.Empty:
            self._loop.soon(self._process.kill)
            return self._failed(f"did not finish within {time.monotonic() - self._began:.0f} s")
        if self._failure or isinstance(event, str):
            return self._failed(self._failure or str(event))
        if isinstance(event, Ended):
            return self._over(event)
        return self._calling(request, event)

    def _left(self, request: ModelRequest) -> float | None:
        limits = [] if request.seconds is None else [request.seconds]
        if self._setting.timeout is not None:
            limits.append(self._setting.timeout - (time.monotonic() - self._began))
        return max(min(limits), 0.0) if limits else None

    def _give(self, results: list[ToolResult]) -> None:
        """Hand results to those who wait for them."""
        for result in results:
            wanted = self._waiting.pop(result.call_id, None)
            if wanted is not None:
                self._loop.soon(_settle, wanted.result, result)

    def _calling(self, request: ModelRequest, first: _Wanted) -> Reply:
        """One message with the call, and those that were sent beside it."""
        together = [first]
        last: _Wanted | Ended | str | None = None
        deadline = time.monotonic() + TOGETHER_SECONDS
        while last is None:
            try:
                event = self._events.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if isinstance(event, _Wanted):
                together.append(event)
            else:
                last = event
        if isinstance(last, str):
            return self._failed(last)
        if last is not None:  # it ended after its calls: they are played, then the end is met again
            self._events.put(last)
        step = history.steps(request)
        calls = []
        for index, wanted in enumerate(together):
            identity = history.call_id(step, index)
            self._waiting[identity] = wanted
            name = self._names.id(self._masked(clean_text(wanted.name)))
            calls.append(ToolCall(id=identity, tool=name, arguments=self._arguments(wanted)))
        return self._metered(Reply(message=Assistant(tool_calls=tuple(calls))))

    def _over(self, ended: Ended) -> Reply:
        if ended.unstarted:
            what = f"the agent program was not started: {self._shown(ended.unstarted)}"
            raise ModelFault(what, where=self._setting.program.words[0], remedy="name what it needs with mount=")
        if ended.code == 0:
            return self._metered(Reply(message=Assistant(content=self._masked(clean_text(ended.stdout.strip())))))
        how = f"ended with exit status {ended.code}" if ended.code > 0 else f"was ended by signal {-ended.code}"
        last = self._shown(ended.stderr.strip().splitlines()[-1]) if ended.stderr.strip() else ""
        return self._failed(f"{how}: {last}" if last else how)

    def _failed(self, why: str) -> Reply:
        """The end of an attempt that failed by the program's own doing, unless its endpoint was failing."""
        if self._meter.failing and not self._failure:
            what = f"the agent program {why}, and the last it got from its model endpoint was {self._meter.failing}"
            raise ModelFault(one_line(what), where="endpoint", remedy="wait, then --retry-faults")
        message = Assistant(content=f"(the agent program {why})")
        return self._metered(Reply(message=message, stop="agent_failed"))

    def _metered(self, reply: Reply) -> Reply:
        given, made = self._meter.take()
        return reply.model_copy(update={"input_tokens": given, "output_tokens": made})

    def _arguments(self, wanted: _Wanted) -> dict[str, JsonValue] | str:
        found = read_arguments(wanted.arguments)
        if isinstance(found, str):
            return self._masked(found)
        text = canonical(found)
        masked: dict[str, JsonValue] = json.loads(self._masked(text)) if self._gateway.token in text else found
        return masked

    def _masked(self, text: str) -> str:
        """The text as a record may hold it."""
        return text.replace(self._gateway.token, "TOKEN")

    def _shown(self, text: str) -> str:
        return one_line(self._masked(text))[:SHOWN]

    def stop(self) -> concurrent.futures.Future[None] | None:
        """End the program and all it started and remove its home; None where that was done before.

        The future ends when the gateway has let go of its connections: nobody needs to wait for that.
        """
        if not self._stopped.acquire(blocking=False):
            return None
        try:
            self._loop.run(self._end(), STOP_SECONDS)
        except TimeoutError:
            logger.warning("an agent program does not end within %g s of being killed", STOP_SECONDS)
        self._sandbox.close()
        return self._loop.submit(self._gateway.close())

    async def _end(self) -> None:
        self._process.kill()
        await self._process.wait()
        for result in self._open:
            result.cancel()


def _settle(result: asyncio.Future[ToolResult], value: ToolResult) -> None:
    """Give a result to a client that may have hung up meanwhile."""
    if not result.done():
        result.set_result(value)


def _start_of(request: ModelRequest) -> int:
    """Index of the user message that is being answered."""
    steps = history.steps(request) + len(history.results(request))
    return len(request.messages) - steps - 1
