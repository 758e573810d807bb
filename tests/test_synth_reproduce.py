"""Chains run end to end on fresh sandboxes; what does not reproduce is dropped with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import toy
from pydantic import JsonValue

from rise_bench import plugins
from rise_bench.errors import GroundFault
from rise_bench.played import run_calls, steadied, steadied_run
from rise_bench.store import load_suite
from rise_bench.synth.chains.compose import Plan, compose
from rise_bench.synth.chains.reproduce import reproduce
from rise_bench.synth.records import Chain, Dropped, Primitive, World
from rise_bench.types import (
    Assistant,
    Call,
    GroundSession,
    GroundSource,
    StateChange,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
)

TOY = World(setup="desk", now=toy.NOW, servers=("files",))


def chain(*calls: tuple[str, dict[str, JsonValue]]) -> Chain:
    made = tuple(Call(tool=f"files.{tool}", arguments=arguments) for tool, arguments in calls)
    return Chain(world=TOY, calls=made, primitives=("",) * len(made))


READ = ("read", {"path": "sales/2026-q1.txt"})
MOVED = chain(
    ("list", {"path": "notes"}),
    ("move", {"source": {"$join": ["notes/", {"$ref": [0, "/files/1"]}]}, "destination": "{root}/archive/plan.md"}),
)


class _Session:
    """A session whose answers carry a stamp, as of a server that tells the time."""

    def __init__(self, session: GroundSession, stamp: str, everywhere: bool) -> None:
        self._session, self._stamp, self._everywhere = session, stamp, everywhere
        self.tools, self.root = session.tools, session.root

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        found = self._session.call(call, timeout)
        return found.model_copy(update={"content": f"{found.content} {self._stamp}", "structured": None})

    def end_state(self) -> tuple[StateChange, ...] | None:
        more = (StateChange(path=f"log-{self._stamp}", after="x"),) if self._everywhere else ()
        return (*(self._session.end_state() or ()), *more)

    def close(self) -> None:
        self._session.close()


class Stamped(toy.FolderGround):
    """A ground whose answers, and with `everywhere` whose state, carry a stamp."""

    def __init__(self, stamp: str, everywhere: bool = False) -> None:
        super().__init__()
        self._stamp, self._everywhere = stamp, everywhere

    def open(self, task: Task) -> GroundSession:
        return _Session(super().open(task), self._stamp, self._everywhere)


class Closed(toy.FolderGround):
    """A ground that cannot be opened."""

    def open(self, task: Task) -> GroundSession:
        raise GroundFault("no sandbox", where="toy")


def dropped(made: Chain, source: GroundSource | None = None, varied: GroundSource | None = None) -> str:
    found = reproduce(made, source or toy.FolderGround(), varied or toy.FolderGround())
    assert isinstance(found, Dropped)
    assert found.what == made.digest()
    assert found.detail
    return found.reason


def test_a_chain_that_runs_twice_alike_has_its_results_and_its_state() -> None:
    found = reproduce(MOVED, toy.FolderGround(), toy.FolderGround())
    assert isinstance(found, Chain)
    assert found.recorded == ({"files": ["planning-old.md", "planning.md"]}, "moved")
    assert [(c.path, c.after is None) for c in found.state or ()] == [
        ("archive/plan.md", False),
        ("notes/planning.md", True),
    ]
    assert found.volatile == ()


def test_what_differs_between_the_runs_is_volatile() -> None:
    found = reproduce(chain(("write", {"path": "a.txt", "content": "b"})), Stamped("one"), Stamped("two"))
    assert isinstance(found, Chain)
    assert found.volatile == ("result:0:",)


def test_what_does_not_reproduce_is_dropped_with_its_reason() -> None:
    assert dropped(chain(("read", {"path": "nowhere.txt"}))) == "does not run"
    assert dropped(chain(READ, ("read", {"path": {"$ref": [0, "/no"]}}))) == "does not run"
    assert dropped(chain(("list", {"path": "nowhere"}))) == "empty answer"
    assert dropped(chain(READ), Stamped("one"), Stamped("two")) == "says nothing"
    assert dropped(chain(READ), Stamped("one", everywhere=True), Stamped("two", everywhere=True)) == "differs"
    assert dropped(chain(READ), Closed()) == "ground fault"


class Forgetful(toy.FolderGround):
    """A ground on which no call is known."""

    def open(self, task: Task) -> GroundSession:
        session = super().open(task)
        return _Refusing(session)


class _Refusing:
    def __init__(self, session: GroundSession) -> None:
        self._session = session
        self.tools, self.root = session.tools, session.root
        self.end_state, self.close = session.end_state, session.close

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        return ToolResult(call_id=call.id, tool=call.tool, status="tool_error", content="not today")


def test_a_chain_that_runs_only_once_is_dropped() -> None:
    assert dropped(chain(READ), toy.FolderGround(), Forgetful()) == "does not run again"


# --- real servers -----------------------------------------------------------------------------------------------------

OFFICE = World(setup="desk-05", now="2026-04-02T09:00:00Z", servers=("filesystem", "sqlite", "calendar", "time"))
PEOPLE = World(setup="desk-06", now="2026-04-02T09:00:00Z", servers=("filesystem", "sqlite", "memory"))
CODE = World(setup="desk-02", now="2026-04-02T09:00:00Z", servers=("filesystem", "git"))
WORK = "/user/work/"
CALLS: tuple[tuple[World, str, dict[str, JsonValue]], ...] = (
    (OFFICE, "calendar.list-calendars", {}),
    (
        OFFICE,
        "calendar.list-events",
        {"start": "2026-04-01T00:00:00Z", "end": "2026-04-30T00:00:00Z", "calendarUrl": WORK},
    ),
    (OFFICE, "calendar.update-event", {"uid": "w-4093", "calendarUrl": WORK, "location": "Aspen"}),
    (OFFICE, "calendar.delete-event", {"uid": "w-4071", "calendarUrl": WORK}),
    (
        OFFICE,
        "calendar.create-event",
        {
            "summary": "Retreat",
            "start": "2026-04-20T09:00:00Z",
            "end": "2026-04-20T12:00:00Z",
            "calendarUrl": WORK,
        },
    ),
    (OFFICE, "calendar.list-todos", {"calendarUrl": WORK}),
    (OFFICE, "calendar.complete-todo", {"uid": "wt-11", "calendarUrl": WORK}),
    (OFFICE, "calendar.create-todo", {"summary": "Order badges", "calendarUrl": WORK}),
    (OFFICE, "filesystem.list_directory", {"path": "{root}/minutes"}),
    (OFFICE, "filesystem.read_text_file", {"path": "{root}/minutes/2026-03-24-planning.md"}),
    (OFFICE, "filesystem.write_file", {"path": "{root}/minutes/2026-04-02.md", "content": "# Minutes\n"}),
    (OFFICE, "filesystem.get_file_info", {"path": "{root}/imports/fees-2026-q1.csv"}),
    (OFFICE, "sqlite.list_tables", {}),
    (OFFICE, "time.convert_time", {"source_timezone": "Asia/Kolkata", "time": "14:00", "target_timezone": "UTC"}),
    (PEOPLE, "memory.search_nodes", {"query": "Nordlicht"}),
    (PEOPLE, "memory.open_nodes", {"names": ["Lena Vogt"]}),
    (PEOPLE, "memory.open_nodes", {"names": ["Juniper"]}),
    (
        PEOPLE,
        "memory.add_observations",
        {"observations": [{"entityName": "Lena Vogt", "contents": ["on leave in May"]}]},
    ),
    (
        PEOPLE,
        "memory.create_entities",
        {"entities": [{"name": "Rowan", "entityType": "project", "observations": ["starts 2026-06-01"]}]},
    ),
    (PEOPLE, "memory.delete_entities", {"entityNames": ["Nordlicht AG"]}),
    (PEOPLE, "filesystem.read_text_file", {"path": "{root}/notes/2026-04-01-handover.md"}),
    (PEOPLE, "sqlite.read_query", {"query": "SELECT name, next_check FROM equipment WHERE place = 'warehouse'"}),
    (PEOPLE, "sqlite.write_query", {"query": "UPDATE equipment SET place = 'yard' WHERE name = 'Chain hoist'"}),
    (CODE, "git.git_log", {"repo_path": "{root}/tidepool", "max_count": 2}),
    (CODE, "git.git_branch", {"repo_path": "{root}/tidepool", "branch_type": "local"}),
    (
        CODE,
        "git.git_create_branch",
        {"repo_path": "{root}/tidepool", "branch_name": "fix/tides", "base_branch": "release-1.4"},
    ),
    (CODE, "git.git_checkout", {"repo_path": "{root}/tidepool", "branch_name": "feature/export-csv"}),
    (CODE, "filesystem.read_text_file", {"path": "{root}/README.md"}),
)


@pytest.fixture(scope="module")
def grounds() -> Iterator[tuple[GroundSource, GroundSource]]:
    suite = load_suite("desk")
    live = plugins.load("ground", "live")
    plain = live(ground=suite.ground, fixtures=suite.fixtures, allow_unsafe=True)
    varied = live(ground=suite.ground, fixtures=suite.fixtures, allow_unsafe=True, varied=True)
    yield plain, varied
    plain.close()
    varied.close()


def _verified(source: GroundSource) -> Iterator[Primitive]:
    for world, tool, arguments in CALLS:
        call = Call(tool=tool, arguments=arguments)
        task = Task(id="one", request="", now=world.now, setup=world.setup, servers=(tool.partition(".")[0],))
        played = run_calls(source, task, [call])
        assert played.whole, (tool, played.results)
        yield Primitive(
            world=world,
            tool=tool,
            arguments=arguments,
            scenario="all",
            value=played.values()[0],
            volatile=("",) if tool in ("calendar.create-event", "calendar.create-todo") else (),
            state=played.state,
        )


@pytest.mark.servers
def test_chains_of_real_servers_reproduce(grounds: tuple[GroundSource, GroundSource]) -> None:
    plain, varied = grounds
    tools: dict[str, Tool] = {tool.id: tool for server in plain.ground.servers for tool in server.tools}
    primitives = list(_verified(plain))
    chains = list(compose(primitives, tools, 1, Plan(count=24)))
    # all are run by `rise-bench synth`; here the longest, and some of the others
    some = sorted(chains, key=lambda made: -len(made.calls))[:4] + chains[:5]
    outcomes = [reproduce(one, plain, varied) for one in some]
    kept = [one for one in outcomes if isinstance(one, Chain)]
    reasons = Counter(one.reason for one in outcomes if isinstance(one, Dropped))
    assert len(chains) >= 20
    assert len(kept) >= 0.8 * len(some), reasons
    assert not reasons["ground fault"]
    assert {one.tool for one in primitives} == {tool for made in chains for tool in made.tools}
    assert any(edge for made in kept for edge in made.edges)
    assert any(len({tool.partition(".")[0] for tool in made.tools}) > 1 for made in kept), "none across servers"
    assert max(len(made.calls) for made in kept) >= 4
    assert all(len(made.recorded) == len(made.calls) and made.state is not None for made in kept)


# --- ids that servers generate ----------------------------------------------------------------------------------------

ONE, TWO, OTHER = (f"{n}2f0c3a4-6b1d-4c8e-9f00-aabbccddee0{n}" for n in (1, 2, 3))


def test_generated_ids_are_the_same_in_every_recording_and_others_stay() -> None:
    def run(new: str, then: str) -> list[JsonValue]:
        return [{"uid": new, "of": OTHER}, f"moved {new} beside {OTHER}", {"made": [then, 1.0]}]

    volatile = ("result:0:/uid", "result:2:/made/0", "result:2:/gone", "state:calendar/x", "result:7:")
    first, second = (steadied(run(*ids), volatile, "key") for ids in ((ONE, TWO), (TWO, ONE)))
    assert first == second
    assert ONE not in str(first) and TWO not in str(first) and str(first).count(OTHER) == 2
    named = first[0]["uid"]  # type: ignore[index,call-overload]
    assert first[1] == f"moved {named} beside {OTHER}"
    assert first[2] != [named, 1.0]
    assert steadied(first, volatile, "key") == first
    assert steadied(run(ONE, TWO), volatile, "another") != first
    assert steadied(run(ONE, TWO), (), "key") == tuple(run(ONE, TWO))


def test_a_run_told_again_has_the_same_ids_in_calls_results_and_words() -> None:
    def run(new: str) -> Trajectory:
        made = ToolCall(id="0", tool="s.add", arguments={"beside": OTHER})
        used = ToolCall(id="1", tool="s.move", arguments={"uid": new})
        return Trajectory(
            task="t",
            mode="live",
            messages=(
                User(content="Add it."),
                Assistant(tool_calls=(made,)),
                ToolResult(call_id="0", tool="s.add", content=f"added {new} beside {OTHER}"),
                Assistant(tool_calls=(used,)),
                ToolResult(call_id="1", tool="s.move", content="moved"),
                Assistant(content=f"It is {new}."),
            ),
        )

    first, second = (steadied_run(run(new), OTHER, "key") for new in (ONE, TWO))
    assert first == second
    assert str(first).count(OTHER) == 2
    (steady,) = steadied([ONE], ["result:0:"], "key")
    assert first.messages[-1].content == f"It is {steady}."
    assert first.messages[3].tool_calls[0].arguments == {"uid": steady}  # type: ignore[union-attr]
    assert steadied_run(run(ONE), f"{OTHER} {ONE}", "key") == run(ONE)
