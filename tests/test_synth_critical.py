"""`decide` finds critical arguments by running chains with slips in them, and proves the task that comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import toy
from pydantic import JsonValue

from rise_bench import plugins
from rise_bench.check import prove
from rise_bench.played import Played, compared, run_calls
from rise_bench.store import load_suite
from rise_bench.synth.cache import Cache
from rise_bench.synth.chains.reproduce import reproduce
from rise_bench.synth.critical.decide import decide
from rise_bench.synth.facts.choice import facts_of
from rise_bench.synth.records import Chain, Draft, Dropped, Entity, World
from rise_bench.types import Call, Derivation, Fact, GroundSource, Task, Tool

WORLD = World(setup="desk", now=toy.NOW, servers=("files",))
TOOLS: dict[str, Tool] = {tool.id: tool for server in toy.GROUND.servers for tool in server.tools}
PATHS = ("inbox/2025-03", "inbox/2026-03", "notes", "sales")
ENTITIES = [Entity(world=WORLD.digest(), kind="folder", value=path, tool="files.list") for path in PATHS] + [
    Entity(world=WORLD.digest(), kind="file", value=path, tool="files.list") for path in toy.FILES
]


def chain_of(*calls: Call, **more: object) -> Chain:
    """The calls as a chain that was reproduced."""
    task = Task(id="chain", request="", now=toy.NOW, servers=("files",), setup="desk", reference=calls)
    first, second = (run_calls(toy.FolderGround(), task, calls) for _ in range(2))
    assert first.whole
    both = compared(first, second)
    recorded = {"recorded": tuple(first.values()), "volatile": both.volatile, "state": both.state}
    return Chain.model_validate({"world": WORLD, "calls": calls, "primitives": ()} | recorded | more)


def call(name: str, **arguments: JsonValue) -> Call:
    return Call(tool=f"files.{name}", arguments=arguments)


def decided(chain: Chain, cache: Cache | None = None, ground: GroundSource | None = None) -> Draft | Dropped:
    facts = facts_of(chain, TOOLS)
    return decide(chain, facts, ground or toy.FolderGround(), TOOLS, cache or Cache(), entities=ENTITIES)


def draft(*calls: Call, **more: object) -> Draft:
    found = decided(chain_of(*calls, **more))
    assert isinstance(found, Draft), found
    return found


def test_the_folder_whose_files_are_counted_is_critical_and_other_folders_give_what_competes() -> None:
    found = draft(call("list", path="inbox/2026-03"))
    (critical,) = found.task.intent.critical
    assert (critical.argument, critical.match) == ("/path", "path")
    assert "inbox/2025-03" in critical.near
    assert [fact.value for fact in found.facts] == [3]
    assert 2 in found.facts[0].competing


def test_the_task_holds_as_one_that_was_written_by_hand() -> None:
    for calls in (
        (call("list", path="inbox/2026-03"),),
        (call("read", path="sales/2026-q1.txt"),),
        (call("write", path="reminders/april.txt", content="Call Ada on 19 April."),),
        (call("list", path="notes"), call("move", source="notes/planning.md", destination="archive/2026/planning.md")),
    ):
        found = draft(*calls, after=((0, 1),) if len(calls) > 1 else ())
        assert found.task.request == ""
        whole = found.task.model_copy(update={"request": "(later)"})
        proof = prove(whole, toy.FolderGround(), toy.FolderGround())
        assert proof.holds, proof.findings
        assert proof.task.recorded == found.task.recorded
        assert proof.task.reference_state == found.task.reference_state


def test_every_decision_keeps_what_was_tried_and_what_changed() -> None:
    found = draft(call("write", path="reminders/april.txt", content="Call Ada on 19 April."))
    by_name = {decision.argument: decision for decision in found.decisions}
    assert by_name.keys() == {"/path", "/content"}
    for decision in found.decisions:
        assert decision.consequential
        assert {seen.changed for seen in decision.tried} == {"state"}
        assert all(seen.where for seen in decision.tried)
    text = next(item for item in found.task.intent.critical if item.argument == "/content")
    assert text.match == "text"


def test_an_echo_of_an_argument_in_a_result_makes_nothing_critical() -> None:
    gone = decided(chain_of(call("read", path="notes/planning-old.md")))
    assert isinstance(gone, Dropped)
    assert gone.reason == "no outcome"


def test_a_bound_value_is_critical_where_its_siblings_lead_elsewhere() -> None:
    source: JsonValue = {"$join": ["notes/", {"$ref": [0, "/files/1"]}]}
    found = draft(call("list", path="notes"), call("move", source=source, destination="archive/planning.md"))
    bound = next(decision for decision in found.decisions if decision.bound)
    assert (bound.call, bound.argument, bound.consequential) == (1, "/source", True)
    critical = next(item for item in found.task.intent.critical if item.argument == "/source")
    assert critical.near == ("notes/planning-old.md",)


def test_an_argument_whose_slips_all_fail_is_not_critical_because_everybody_sees_them() -> None:
    lonely = chain_of(call("read", path="sales/2026-q1.txt"), call("write", path="total.txt", content="4180 euro"))
    found = decide(lonely, (), toy.FolderGround(), TOOLS, Cache())
    assert isinstance(found, Draft), found
    decision = next(one for one in found.decisions if one.call == 0)
    assert {seen.changed for seen in decision.tried} == {"does not run"}
    assert not decision.consequential
    assert all(item.call == 1 for item in found.task.intent.critical)


def test_a_chain_of_which_nothing_is_critical_says_what_was_tried_in_vain() -> None:
    chain = chain_of(call("read", path="sales/2026-q1.txt"))
    found = decide(chain, facts_of(chain, TOOLS), toy.FolderGround(), TOOLS, Cache())
    assert isinstance(found, Dropped)
    assert found.reason == "nothing critical"
    assert found.detail == (
        "1 slips tried in 1 arguments, 1 of them did not run; /path 'sales/2027-q1.txt': call 0 (files.read) gave "
        "tool_error: there is no 'sales/2027-q1.txt'"
    )


def test_the_second_time_nothing_is_run_and_everything_is_the_same(tmp_path: Path) -> None:
    chain = chain_of(call("list", path="inbox/2026-03"))
    first = decided(chain, Cache(tmp_path / "runs.jsonl"))
    ground = toy.FolderGround()
    cache = Cache(tmp_path / "runs.jsonl")
    assert decided(chain, cache, ground) == first
    assert (ground.opened, cache.executed) == (0, 0)
    assert cache.found > 3


def test_a_fact_that_no_slip_can_spoil_because_its_value_stands_everywhere_is_not_asked() -> None:
    chain = chain_of(call("read", path="sales/2026-q1.txt"))
    everywhere = Fact(
        value="Total", about=("word",), derive=Derivation(op="find", pattern=r"(Total): 4180"), accept=("euro",)
    )
    found = decide(chain, [everywhere], toy.FolderGround(), TOOLS, Cache(), entities=ENTITIES)
    assert isinstance(found, Dropped)
    assert found.reason == "no outcome"


def test_slips_in_calls_that_only_read_share_a_sandbox() -> None:
    ground = toy.FolderGround()
    found = decided(chain_of(call("list", path="inbox/2026-03")), Cache(), ground)
    assert isinstance(found, Draft)
    assert len(found.decisions[0].tried) > 1
    assert ground.opened == 2


def test_a_cache_whose_writer_was_killed_in_a_line_runs_that_one_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    chain = chain_of(call("list", path="inbox/2026-03"))
    decided(chain, Cache(path))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    cache = Cache(path)
    decided(chain, cache)
    assert cache.executed == 1
    assert path.read_bytes() == whole


def test_runs_on_a_ground_that_differs_on_purpose_are_kept_apart(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path / "runs.jsonl"), [call("list", path="notes")]
    task = toy.COUNT
    plain: Played = cache.run(toy.FolderGround(), task, calls)
    cache.run(toy.FolderGround(), task, calls, tag="varied")
    assert cache.executed == 2
    assert cache.run(toy.FolderGround(), task, calls) == plain
    assert cache.executed == 2


def test_a_server_that_dies_in_a_slip_does_not_stop_the_others() -> None:
    ground = toy.FolderGround(dies=lambda made: isinstance(made.arguments, dict) and "2025" in str(made.arguments))
    chain = chain_of(call("list", path="inbox/2026-03"))
    found = decide(chain, facts_of(chain, TOOLS), ground, TOOLS, Cache(), entities=ENTITIES)
    assert isinstance(found, Draft), found
    assert any(seen.changed == "does not run" for seen in found.decisions[0].tried)
    assert "inbox/2025-03" not in found.task.intent.critical[0].near


# --- real servers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grounds() -> Iterator[tuple[GroundSource, GroundSource]]:
    """The ground of the `desk` suite, as it is and run differently on purpose."""
    desk = load_suite("desk")
    factory = plugins.load("ground", "live")
    plain, varied = (
        factory(ground=desk.ground, fixtures=desk.fixtures, recipes=desk.recipes, servers=(), varied=varied)
        for varied in (False, True)
    )
    yield plain, varied
    plain.close()
    varied.close()


@pytest.mark.servers
def test_on_real_servers_a_read_and_a_write_become_tasks_that_hold_with_the_criticals_a_person_named(
    grounds: tuple[GroundSource, GroundSource],
) -> None:
    plain, varied = grounds
    tools = {tool.id: tool for server in plain.ground.servers for tool in server.tools}
    tasks = load_suite("desk").tasks
    for name, files in {
        "desk/files-okafor-rate": ("contracts/okafor-2025.md", "contracts/lease-2026.md"),
        "desk/git-hotfix-branch": (),
    }.items():
        task = tasks[name]
        world = World(setup=task.setup, now=task.now, servers=task.servers)
        here = [str(task.reference[0].arguments.get("path", "")), *(f"{{root}}/{path}" for path in files)]
        near = [Entity(world=world.digest(), kind="file", value=path, tool="filesystem.search_files") for path in here]
        chain = reproduce(Chain(world=world, calls=task.reference, primitives=()), plain, varied)
        assert isinstance(chain, Chain), chain
        found = decide(chain, facts_of(chain, tools), plain, tools, Cache(), entities=near)
        assert isinstance(found, Draft), found
        named = {(item.call, item.argument, item.match) for item in task.intent.critical}
        assert {(item.call, item.argument, item.match) for item in found.task.intent.critical} <= named
        wanted = [fact.value for fact in task.answer]
        assert [fact.value for fact in found.facts][: len(wanted)] == wanted
        proof = prove(found.task.model_copy(update={"request": task.request}), plain, varied)
        assert proof.holds, proof.findings
