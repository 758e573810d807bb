"""One attempt: its limits, how it ends, and which failures are the agent's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import toy

from rise_bench.errors import GroundFault, ModelFault, ServerDied
from rise_bench.ground.replay import ReplayGround
from rise_bench.model.scripted import Script, Scripted, ScriptedCall, Step
from rise_bench.rollout import REDO, attempt, play
from rise_bench.score import score
from rise_bench.types import (
    Assistant,
    Budget,
    GroundSession,
    Model,
    ModelRequest,
    Reply,
    System,
    Task,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
)

LIST = ScriptedCall(tool="files.list", arguments={"path": "notes"})
MOVE = ScriptedCall(
    tool="files.move", arguments={"source": "notes/planning.md", "destination": "archive/2026/planning.md"}
)


def script(*steps: Step) -> Scripted:
    played: Script = {"*": steps}
    return Scripted(played)


def run(model: Model, ground: toy.FolderGround | None = None, **limits: float) -> Trajectory:
    budget = Budget.model_validate(limits)
    return attempt(model, ground or toy.FolderGround(), toy.MOVE, system_prompt=toy.PROMPT, budget=budget, seed=7)


def results(trajectory: Trajectory) -> list[ToolResult]:
    return [message for message in trajectory.messages if isinstance(message, ToolResult)]


def values(task: Task, trajectory: Trajectory) -> tuple[float | None, float | None]:
    proved = next(one for one in toy.proved() if one.id == task.id)
    complete, aligned = score(proved, trajectory, toy.GROUND)
    return complete.value, aligned.value


class Failing:
    """A model whose endpoint is down for its first requests."""

    name = "failing"

    def __init__(self, times: int) -> None:
        self.left = times

    def content(self) -> str:
        return "failing"

    def reply(self, request: ModelRequest) -> Reply:
        if self.left:
            self.left -= 1
            raise ModelFault("HTTP 503", where="http://example.test", remedy="wait")
        return Reply(message=Assistant(content="Done."))

    def close(self) -> None:
        """Nothing is held."""


class Counting(Failing):
    """A model that says what each reply cost and never ends."""

    def __init__(self) -> None:
        super().__init__(0)

    def reply(self, request: ModelRequest) -> Reply:
        call = ToolCall(id="c", tool="files.list", arguments={"path": "notes"})
        return Reply(message=Assistant(tool_calls=(call,)), input_tokens=90, output_tokens=10)


def dies_at(times: int) -> Callable[[ToolCall], bool]:
    """True for the first so many moves."""
    left = [times]

    def dies(call: ToolCall) -> bool:
        if call.tool != "files.move" or not left[0]:
            return False
        left[0] -= 1
        return True

    return dies


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_an_attempt_keeps_prompt_request_calls_results_state_and_counts() -> None:
    made = run(script(Step(content="Let me see.", tool_calls=(LIST, MOVE)), Step(content="Moved.")))
    kinds = [type(message) for message in made.messages]
    assert kinds == [System, User, Assistant, ToolResult, ToolResult, Assistant]
    assert isinstance(made.messages[0], System)
    assert "It is 2026-04-02T09:00:00Z; the files are in /home/user." in made.messages[0].content
    assert [result.changed for result in results(made)] == [None, ("archive/2026/planning.md", "notes/planning.md")]
    assert made.end_state is not None
    assert [change.path for change in made.end_state] == ["archive/2026/planning.md", "notes/planning.md"]
    assert (made.stop, made.usage.turns, made.usage.calls, made.seed) == ("answered", 2, 2, 7)
    assert (made.usage.input_tokens, made.usage.output_tokens) == (None, None)
    assert values(toy.MOVE, made) == (1, 1)


def test_the_sandbox_is_given_back_however_the_attempt_ends() -> None:
    ground = toy.FolderGround(dies=lambda call: True)
    run(script(Step(content="Hello.")), ground)
    run(script(Step(tool_calls=(LIST,))), ground)
    run(Failing(9), ground)
    assert (ground.opened > 3, ground.open_now) == (True, 0)


def test_raw_arguments_are_kept_answered_and_judged_as_unparsable() -> None:
    raw = ScriptedCall(tool="files.list", arguments='{"path": "notes"')
    made = run(script(Step(tool_calls=(raw,)), Step(content="Could not.")))
    message = made.messages[2]
    assert isinstance(message, Assistant)
    assert message.tool_calls[0].arguments == '{"path": "notes"'
    assert [(result.status, result.content) for result in results(made)] == [
        ("protocol_error", "arguments are not a JSON object")
    ]
    assert made.stop == "answered"
    assert [label.name for label in score(toy.proved()[1], made, toy.GROUND)[0].labels] == ["unparsable_call"]


def test_an_unknown_tool_is_answered_as_a_host_would_and_the_attempt_goes_on() -> None:
    unknown = ScriptedCall(tool="calendar.add", arguments={})
    made = run(script(Step(tool_calls=(unknown,)), Step(tool_calls=(LIST, MOVE)), Step(content="Moved.")))
    assert [result.status for result in results(made)] == ["protocol_error", "ok", "ok"]
    assert values(toy.MOVE, made) == (1, 1)


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "stop", "turns", "calls"),
    [
        ({"turns": 3}, "max_turns", 3, 3),
        ({"calls": 2}, "max_calls", 3, 2),
        ({"tokens": 250}, "max_tokens", 3, 3),
        ({"seconds": 1e-9}, "timeout", 0, 0),
    ],
)
def test_a_limit_that_is_reached_ends_the_attempt_with_its_name(
    limits: dict[str, float], stop: str, turns: int, calls: int
) -> None:
    made = run(Counting(), None, **limits)
    assert (made.stop, made.usage.turns, made.usage.calls) == (stop, turns, calls)
    assert values(toy.MOVE, made) == (0, 0)
    assert [label.name for label in score(toy.proved()[1], made, toy.GROUND)[0].labels][-1] == "budget"


def test_tokens_are_summed_over_the_turns() -> None:
    usage = run(Counting(), turns=4).usage
    assert (usage.input_tokens, usage.output_tokens) == (360, 40)


def test_an_answer_in_the_last_turn_allowed_counts() -> None:
    assert run(script(Step(tool_calls=(LIST, MOVE)), Step(content="Moved.")), turns=2, calls=2).stop == "answered"


def test_calls_beyond_the_limit_are_not_run_and_say_so() -> None:
    made = run(script(Step(tool_calls=(LIST, MOVE, LIST))), calls=1)
    assert [result.status for result in results(made)] == ["ok", "not_executed", "not_executed"]
    assert (made.stop, made.usage.calls, made.end_state) == ("max_calls", 1, ())


def test_time_is_looked_at_between_the_calls_of_one_message() -> None:
    limit = 0.3

    def slow(call: ToolCall) -> bool:
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            threading.Event().wait(left)
        return False

    made = run(script(Step(tool_calls=(LIST, LIST, LIST))), toy.FolderGround(dies=slow), seconds=limit)
    assert (made.stop, made.usage.calls) == ("timeout", 1)


@pytest.mark.parametrize("stop", ["context_overflow", "output_limit", "content_filter", "agent_failed"])
def test_a_reason_that_the_model_gives_ends_the_attempt_as_visibly_failed(stop: str) -> None:
    made = run(script(Step(content="Moved.", stop=stop)))  # type: ignore[arg-type]
    assert (made.stop, made.fault) == (stop, "")
    assert values(toy.MOVE, made) == (0, 0)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_model_that_stays_down_is_a_fault_with_its_reason_and_scored_none() -> None:
    ground = toy.FolderGround()
    made = run(Failing(REDO + 1), ground)
    assert made.stop == "fault"
    assert made.fault == "ModelFault: http://example.test: HTTP 503 (wait)"
    assert values(toy.MOVE, made) == (None, None)
    assert ground.opened == REDO + 1


@pytest.mark.parametrize("times", [1, REDO])
def test_a_fault_that_passes_leaves_no_trace(times: int) -> None:
    ground = toy.FolderGround()
    made = run(Failing(times), ground)
    assert (made.stop, made.fault, made.usage.turns, len(made.messages)) == ("answered", "", 1, 3)
    assert ground.opened == times + 1


def test_a_call_without_a_recording_is_a_fault_not_a_wrong_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    suite = toy.make_suite(tmp_path_factory.mktemp("suite"))
    ground = ReplayGround(suite.ground, suite.path / "cassette.jsonl", suite.fixtures)
    elsewhere = ScriptedCall(tool="files.list", arguments={"path": "elsewhere"})
    made = attempt(
        script(Step(tool_calls=(elsewhere,))), ground, toy.COUNT, system_prompt="", budget=Budget(), number=3
    )
    assert (made.stop, made.mode, made.attempt) == ("fault", "replay", 3)
    assert "no recording for files.list" in made.fault
    assert values(toy.COUNT, made) == (None, None)


def test_a_server_that_always_dies_while_the_reference_still_runs_is_the_agents_own_doing() -> None:
    ground = toy.FolderGround(dies=lambda call: call.arguments == {"path": "\x00"})
    poison = ScriptedCall(tool="files.list", arguments={"path": "\x00"})
    made = run(script(Step(tool_calls=(LIST, poison))), ground)
    assert (made.stop, made.fault) == ("server_died", "")
    assert values(toy.MOVE, made) == (0, 0)
    assert ground.opened == REDO + 2  # the last one for the reference
    assert ground.open_now == 0


def test_a_server_that_dies_in_the_reference_too_is_a_fault() -> None:
    made = run(script(Step(tool_calls=(MOVE,))), toy.FolderGround(dies=lambda call: call.tool == "files.move"))
    assert made.stop == "fault"
    assert made.fault.startswith("ServerDied: files: died, as it was told to")
    assert values(toy.MOVE, made) == (None, None)


@pytest.mark.parametrize("times", [1, REDO])
def test_a_server_that_dies_once_or_twice_is_replaced(times: int) -> None:
    made = run(script(Step(tool_calls=(MOVE,)), Step(content="Moved.")), toy.FolderGround(dies=dies_at(times)))
    assert made.stop == "answered"
    assert values(toy.MOVE, made) == (1, 1)


class NeverOpens(toy.FolderGround):
    """A ground that cannot be opened."""

    def open(self, task: Task) -> toy.FolderSession:
        raise GroundFault("no room for a sandbox", remedy="free some")


def test_a_ground_that_cannot_be_opened_is_a_fault() -> None:
    made = run(script(Step(content="Hi.")), NeverOpens())
    assert (made.stop, made.messages, made.end_state) == ("fault", (), None)
    assert made.fault == "GroundFault: no room for a sandbox (free some)"


class Defective(Failing):
    """A model with a bug."""

    def reply(self, request: ModelRequest) -> Reply:
        raise ZeroDivisionError("a bug")


def test_an_error_that_is_no_fault_keeps_its_traceback_and_gives_the_sandbox_back() -> None:
    ground = toy.FolderGround()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(Defective(0), ground)
    assert (ground.opened, ground.open_now) == (1, 0)


# --- playing a reference ----------------------------------------------------------------------------------------------


def test_a_reference_is_played_with_its_bindings_resolved() -> None:
    session: GroundSession = toy.FolderGround().open(toy.MOVE)
    assert [result.status for result in play(session, toy.MOVE.reference, 1)] == ["ok", "ok"]
    assert session.end_state() == toy.proved()[1].reference_state


def test_a_reference_ends_at_a_binding_that_finds_nothing() -> None:
    session = toy.FolderGround().open(toy.MOVE)
    listing = toy.MOVE.reference[0].model_copy(update={"arguments": {"path": "nowhere"}})
    assert len(play(session, (listing, toy.MOVE.reference[1]), 1)) == 1


def test_a_server_that_dies_in_the_reference_says_so() -> None:
    session = toy.FolderGround(dies=lambda call: True).open(toy.MOVE)
    with pytest.raises(ServerDied):
        play(session, toy.MOVE.reference, 1)
