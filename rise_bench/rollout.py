"""The loop: one attempt of one model at one task, its limits, and the one place where a fault becomes data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from rise_bench.errors import Fault, InputError, ServerDied
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.types import (
    Assistant,
    Budget,
    Call,
    GroundMode,
    GroundSession,
    GroundSource,
    Message,
    Model,
    ModelRequest,
    Reply,
    StateChange,
    Stop,
    System,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    Usage,
    User,
)

__all__ = ["REDO", "attempt", "fill_prompt", "play"]

REDO = 2
"""How often a faulted attempt is redone on a fresh ground (DESIGN 4.2)."""


def fill_prompt(template: str, task: Task, root: str) -> str:
    """The suite's system prompt with `{root}` and `{now}` filled in."""
    return template.replace("{root}", root).replace("{now}", task.now or "not stated")


def attempt(
    model: Model,
    ground: GroundSource,
    task: Task,
    *,
    system_prompt: str,
    budget: Budget,
    number: int = 0,
    seed: int = 0,
) -> Trajectory:
    """One attempt, redone up to `REDO` times on a fresh ground if it faults.

    A server of ours that dies or hangs in a call of this attempt each time, while the task's reference still runs, is
    the agent's own doing: the attempt stands, with stop `server_died`. Any other fault that stays, and any of a server
    that runs elsewhere, makes the trajectory a fault, which is scored None.
    """
    deaths = 0
    for turn in range(REDO + 1):
        episode = _Episode(model, task, budget, number, seed)
        try:
            return episode.run(ground, system_prompt)
        except ServerDied as error:
            deaths += 1
            fault: Fault = error
            if deaths == REDO + 1 and _reference_runs(ground, task, budget):
                return episode.trajectory(ground.mode, "server_died")
        except Fault as error:
            fault = error
        if turn == REDO:
            return episode.trajectory(ground.mode, "fault", f"{type(fault).__name__}: {fault}")
    raise AssertionError("unreachable")


def play(
    session: GroundSession, calls: Sequence[Call], timeout: float, between: Sequence[ToolCall] = ()
) -> list[ToolResult]:
    """Results of reference calls played in a session, bindings resolved from the results observed in it.

    Ends early at a binding that finds nothing: the calls after it cannot be made.

    Args:
        session: a fresh session.
        calls: the reference calls.
        timeout: seconds for each call.
        between: calls made before each of them, their results not kept.

    Raises:
        GroundFault: the tools' side failed.
    """
    results: list[ToolResult] = []
    for number, call in enumerate(calls):
        for other in between:
            session.call(other, timeout)
        try:
            values = [result_value(result) for result in results]
            arguments = resolve(substitute_root(dict(call.arguments), session.root), values)
        except InputError:
            break
        made = ToolCall(id=f"reference-{number}", tool=call.tool, arguments=arguments)  # type: ignore[arg-type]
        results.append(session.call(made, timeout))
    return results


def _reference_runs(ground: GroundSource, task: Task, budget: Budget) -> bool:
    """Does the task's own reference still run on a fresh ground?"""
    try:
        session = ground.open(task)
        try:
            results = play(session, task.reference, budget.call_seconds)
        finally:
            session.close()
    except Fault:
        return False
    return len(results) == len(task.reference) and all(result.status == "ok" for result in results)


@dataclass(slots=True)
class _Episode:
    """One run through the loop: the history grows and is never rewritten; what is stored is what was seen."""

    model: Model
    task: Task
    budget: Budget
    number: int
    seed: int
    messages: list[Message] = field(default_factory=list)
    root: str = ""
    turns: int = 0
    calls: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached: int = 0
    end_state: tuple[StateChange, ...] | None = None
    started: float = field(default_factory=time.monotonic)

    def run(self, ground: GroundSource, system_prompt: str) -> Trajectory:
        with ExitStack() as stack:
            session = ground.open(self.task)
            stack.callback(session.close)
            stack.callback(self._ended)
            self.root = session.root
            self.messages = [System(content=fill_prompt(system_prompt, self.task, session.root)), *self.task.history]
            self.messages.append(User(content=self.task.request))
            stop = self._loop(session)
            self.end_state = session.end_state()
            return self.trajectory(ground.mode, stop)

    def _ended(self) -> None:
        ended = getattr(self.model, "ended", None)
        if ended is not None:
            ended(self.task.id, self.number)

    def _loop(self, session: GroundSession) -> Stop:
        tools = tuple(session.tools)
        while True:
            if stop := self._spent():
                return stop
            reply = self.model.reply(
                ModelRequest.model_construct(
                    messages=tuple(self.messages),
                    tools=tools,
                    task=self.task.id,
                    attempt=self.number,
                    seed=self.seed,
                    now=self.task.now,
                    root=self.root,
                    seconds=self._left(),
                    tokens=self.budget.tokens - self._spent_tokens(),
                )
            )
            self._count(reply)
            self.messages.append(reply.message)
            if reply.stop:
                return reply.stop
            if not reply.message.tool_calls:
                return "answered"
            if stop := self._play(session, reply.message):
                return stop

    def _play(self, session: GroundSession, message: Assistant) -> Stop | None:
        """Run the message's calls in order; every call gets a result, also those that the budget forbids."""
        stop: Stop | None = None
        for call in message.tool_calls:
            if stop is None and self.calls >= self.budget.calls:
                stop = "max_calls"
            elif stop is None and self._left() <= 0:
                stop = "timeout"
            if stop is None:
                self.calls += 1
                self.messages.append(session.call(call, self.budget.call_seconds))
            else:
                self.messages.append(
                    ToolResult(call_id=call.id, tool=call.tool, status="not_executed", content=f"not executed: {stop}")
                )
        return stop

    def _spent(self) -> Stop | None:
        if self.turns >= self.budget.turns:
            return "max_turns"
        if self._spent_tokens() >= self.budget.tokens:
            return "max_tokens"
        return "timeout" if self._left() <= 0 else None

    def _spent_tokens(self) -> int:
        return (self.tokens_in or 0) + (self.tokens_out or 0)

    def _left(self) -> float:
        return self.budget.seconds - (time.monotonic() - self.started)

    def _count(self, reply: Reply) -> None:
        self.turns += 1
        self.cached += reply.cached
        if reply.input_tokens is not None:
            self.tokens_in = (self.tokens_in or 0) + reply.input_tokens
        if reply.output_tokens is not None:
            self.tokens_out = (self.tokens_out or 0) + reply.output_tokens

    def trajectory(self, mode: GroundMode, stop: Stop, fault: str = "") -> Trajectory:
        usage = Usage(
            turns=self.turns,
            calls=self.calls,
            input_tokens=self.tokens_in,
            output_tokens=self.tokens_out,
            seconds=round(time.monotonic() - self.started, 3),
            cached=self.cached,
        )
        return Trajectory(
            task=self.task.id,
            attempt=self.number,
            mode=mode,
            messages=tuple(self.messages),
            stop=stop,
            fault=fault,
            root=self.root,
            end_state=self.end_state,
            usage=usage,
            seed=self.seed,
        )
