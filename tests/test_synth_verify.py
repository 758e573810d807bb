"""A proposal becomes a primitive only where it runs, says something and says the same on a second fresh sandbox."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.errors import GroundFault
from rise_bench.synth.keys import proposal_key
from rise_bench.synth.primitives.verify import REASONS, verify
from rise_bench.synth.records import Dropped, Primitive, Proposal, World
from rise_bench.types import GroundSession, Server, StateChange, Task, ToolCall, ToolResult
from tests.toy import GROUND, NOW, FolderGround

WORLD = World(setup="", now=NOW, servers=("files",))


def proposal(tool: str, scenario: str = "required_only", **arguments: JsonValue) -> Proposal:
    return Proposal(world=WORLD, tool=f"files.{tool}", arguments=arguments, scenario=scenario)


READ = proposal("read", path="{root}/notes/planning.md")
WRITE = proposal("write", path="{root}/new.md", content="Agenda")


def one(made: Proposal, source: FolderGround | None = None, varied: FolderGround | None = None) -> Primitive | Dropped:
    (outcome,) = verify([made], source or FolderGround(), varied or FolderGround())
    return outcome


def dropped(made: Proposal, source: FolderGround | None = None, varied: FolderGround | None = None) -> str:
    outcome = one(made, source, varied)
    assert isinstance(outcome, Dropped)
    assert outcome.what == proposal_key(made)
    assert outcome.reason in REASONS
    return outcome.reason


class Clockwork(FolderGround):
    """A ground that answers reads with more than the file: something that differs from ground to ground."""

    def __init__(self, stamp: str, *, whole: bool = False) -> None:
        super().__init__()
        self.stamp, self.whole = stamp, whole

    def open(self, task: Task) -> GroundSession:  # type: ignore[override]
        """The session with the stamp put on its results."""
        session, stamp, whole = super().open(task), self.stamp, self.whole
        plain = session.call

        def call(made: ToolCall, timeout: float) -> ToolResult:
            result = plain(made, timeout)
            value: JsonValue = {"at": stamp} if whole else {"at": stamp, "text": result.content}
            return result.model_copy(update={"structured": value})

        session.call = call  # type: ignore[method-assign,assignment]
        return session


def test_a_call_that_reads_is_kept_with_its_value_and_no_change() -> None:
    made = one(READ)
    assert isinstance(made, Primitive)
    assert (made.value, made.state, made.volatile) == ("# Planning\nBudget first.", (), ())
    assert made.ground == GROUND.digest()


def test_a_call_that_writes_is_kept_with_what_it_changed() -> None:
    made = one(WRITE)
    assert isinstance(made, Primitive)
    assert made.state == (StateChange(path="new.md", after="Agenda"),)


def test_each_call_that_writes_gets_a_sandbox_of_its_own_and_those_that_read_share_one() -> None:
    source = FolderGround()
    reads = [proposal("read", path=f"{{root}}/inbox/2025-03/invoice-{n}.txt") for n in (1, 2)]
    writes = [proposal("write", path=f"{{root}}/{n}.md", content="x") for n in (1, 2, 3)]
    made = list(verify([*reads, *writes], source, FolderGround()))
    assert [type(outcome) for outcome in made] == [Primitive] * 5
    assert all(len(outcome.state or ()) == 1 for outcome in made[2:] if isinstance(outcome, Primitive))
    assert source.opened == 4
    assert source.open_now == 0


def test_what_the_contract_refuses_or_does_not_declare_is_not_run() -> None:
    source = FolderGround()
    assert dropped(proposal("read"), source) == "schema invalid"
    assert dropped(proposal("read", path="a", depth=2), source) == "schema invalid"
    assert dropped(proposal("fly", path="a"), source) == "schema invalid"
    assert source.opened == 0


def test_a_call_that_fails_is_dropped_with_the_servers_words() -> None:
    outcome = one(proposal("read", path="{root}/none.md"))
    assert isinstance(outcome, Dropped)
    assert outcome.reason == "tool error"
    assert "there is no" in outcome.detail


def test_an_empty_result_is_dropped() -> None:
    assert dropped(proposal("list", path="{root}/nowhere")) == "empty"


def test_leaves_that_differ_between_two_sandboxes_are_noted() -> None:
    made = one(READ, Clockwork("10:00"), Clockwork("23:00"))
    assert isinstance(made, Primitive)
    assert made.volatile == ("/at",)


def test_a_result_that_differs_altogether_is_dropped() -> None:
    assert dropped(READ, Clockwork("10:00", whole=True), Clockwork("23:00", whole=True)) == "unstable"


def test_the_same_call_is_verified_once() -> None:
    first, second = list(verify([READ, READ], FolderGround(), FolderGround()))
    assert {type(first), type(second)} == {Dropped, Primitive}


def test_a_server_that_dies_in_one_call_takes_only_that_call_with_it() -> None:
    bad = proposal("read", path="{root}/sales/2025-q1.txt")
    source = FolderGround(dies=lambda call: call.arguments == {"path": f"{ROOT}/sales/2025-q1.txt"})
    made = list(verify([READ, bad, proposal("list", path="{root}/inbox")], source, FolderGround()))
    reasons = [outcome.reason if isinstance(outcome, Dropped) else "" for outcome in made]
    assert reasons == ["", "server died", ""]
    assert all(outcome.state == () for outcome in made if isinstance(outcome, Primitive))


ROOT = FolderGround().open(Task(id="t", request="", servers=("files",))).root


def test_a_tool_that_writes_although_it_is_said_to_read_is_found_out() -> None:
    liar = FolderGround()
    tools = tuple(
        tool.model_copy(update={"effect": "read"}) if tool.name == "write" else tool for tool in GROUND.servers[0].tools
    )
    liar.ground = GROUND.model_copy(update={"servers": (Server(name="files", tools=tools),)})
    made = list(verify([WRITE, READ], liar, liar))
    assert [outcome.state for outcome in made if isinstance(outcome, Primitive)] == [
        (StateChange(path="new.md", after="Agenda"),),
        (),
    ]


class Gone(FolderGround):
    """A ground that can no longer be opened."""

    def open(self, task: Task) -> GroundSession:  # type: ignore[override]
        """Never."""
        raise GroundFault("gone")


def test_servers_that_are_gone_are_a_fault_and_drop_nothing() -> None:
    with pytest.raises(GroundFault):
        list(verify([READ], Gone(), FolderGround()))
