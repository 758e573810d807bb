"""An attempt meets fresh servers in a fresh sandbox, and nothing of it is left for the next one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from ground_kit import NOW, call, odd_ground, odd_recipe, odd_task

from rise_bench.errors import GroundFault, InputError, ServerDied, SetupError
from rise_bench.ground.folders import runs
from rise_bench.ground.install import ensure
from rise_bench.ground.live import LiveGround
from rise_bench.ground.pool import KEPT, LOOKED, SERVED, Pool, Slot
from rise_bench.ground.sandbox import Sandbox, Variation, bwrap_problem, faketime_library
from rise_bench.types import Ground, Task, ToolCall

OpenGround = Callable[..., LiveGround]


@pytest.fixture(scope="module")
def ground() -> Ground:
    return odd_ground()


@pytest.fixture
def fixtures(tmp_path: Path) -> Path:
    for name, text in (("one", "first"), ("two", "second")):
        files = tmp_path / "fixtures" / name / "files"
        files.mkdir(parents=True)
        (files / "a.txt").write_text(text, encoding="utf-8")
    return tmp_path / "fixtures"


@pytest.fixture
def live(ground: Ground, fixtures: Path) -> Iterator[OpenGround]:
    opened: list[LiveGround] = []

    def make(start: str = "well", **options: object) -> LiveGround:
        recipe = options.pop("recipe", None) or odd_recipe(start)
        source = LiveGround(ground, fixtures, recipes={"odd": recipe}, **options)  # type: ignore[arg-type,dict-item]
        opened.append(source)
        return source

    yield make
    for source in opened:
        source.close()


def test_a_session_offers_the_frozen_tools_with_its_own_path(live: OpenGround) -> None:
    session = live().open(odd_task())
    tools = {tool.id: tool for tool in session.tools}
    assert tools["odd.echo"].description == f"echo in {session.root}"
    assert (tools["odd.echo"].effect, tools["odd.write"].effect, tools["odd.hang"].effect) == (
        "read",
        "write",
        "unknown",
    )
    session.close()


def test_a_call_that_may_write_says_what_it_changed_and_a_reading_one_does_not(live: OpenGround) -> None:
    session = live().open(odd_task("one"))
    assert session.call(call("echo", a=1), 30).changed is None
    assert session.call(call("write", path="b/c.txt", text="x"), 30).changed == ("b/c.txt",)
    assert session.call(call("claims_nothing", path="a.txt", text="first"), 30).changed == ()
    assert session.call(call("remove", path="a.txt"), 30).changed == ("a.txt",)
    session.close()


def test_the_end_state_is_the_difference_from_the_start_with_the_path_masked(live: OpenGround) -> None:
    session = live().open(odd_task("one"))
    assert session.end_state() == ()
    session.call(call("write", path="a.txt", text=f"in {session.root}/x"), 30)
    session.call(call("write", path="b.txt", text="gone again"), 30)
    session.call(call("remove", path="b.txt"), 30)
    (change,) = session.end_state() or ()
    assert (change.path, change.before, change.after) == ("a.txt", "first", "in {root}/x")
    session.close()


def test_a_tool_that_nobody_offers_is_answered_as_a_host_would(live: OpenGround) -> None:
    session = live().open(odd_task())
    result = session.call(ToolCall(id="7", tool="odd.nope"), 30)
    assert (result.call_id, result.status, result.content) == ("7", "protocol_error", "Unknown tool: odd.nope")
    session.close()


def test_arguments_that_are_no_object_are_refused_and_any_object_is_sent(live: OpenGround) -> None:
    session = live().open(odd_task())
    result = session.call(ToolCall(id="1", tool="odd.echo", arguments='{"a": '), 30)
    assert (result.status, result.content) == ("protocol_error", "arguments are not a JSON object")
    assert session.call(call("echo", undeclared=[{}]), 30).status == "ok"
    session.close()


def test_the_next_attempt_finds_a_warm_server_and_nothing_of_the_last_attempt(live: OpenGround) -> None:
    source = live()
    first = source.open(odd_task("one"))
    first.call(call("write", path="left/over.txt", text="x"), 30)
    first.close()
    second = source.open(odd_task("two"))
    assert second.root == first.root
    assert second._slot is first._slot  # type: ignore[attr-defined]
    assert second.end_state() == ()
    assert second.call(call("write", path="a.txt", text="second"), 30).changed == ()
    second.close()


def test_a_server_that_only_a_new_process_resets_is_started_anew(live: OpenGround) -> None:
    source = live(recipe=odd_recipe(reset="restart"))
    first = source.open(odd_task())
    before = first._slot.connections["odd"]  # type: ignore[attr-defined]
    first.close()
    second = source.open(odd_task())
    assert second._slot.connections["odd"] is not before  # type: ignore[attr-defined]
    assert second.call(call("echo"), 30).status == "ok"
    second.close()


def test_attempts_side_by_side_do_not_see_each_other(live: OpenGround) -> None:
    source = live()
    first, second = source.open(odd_task("one")), source.open(odd_task("one"))
    first.call(call("write", path="mine.txt", text="1"), 30)
    assert [change.path for change in first.end_state() or ()] == ["mine.txt"]
    assert second.end_state() == ()
    first.close()
    second.close()


def test_calls_that_may_write_run_one_at_a_time(live: OpenGround) -> None:
    session = live().open(odd_task())
    changed: list[tuple[str, ...] | None] = []

    def write(number: int) -> None:
        changed.append(session.call(call("write", path=f"{number}.txt", text="x"), 60).changed)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed, key=str) == [(f"{number}.txt",) for number in range(8)]
    session.close()


def test_a_server_that_dies_or_hangs_is_replaced_for_the_next_attempt(live: OpenGround) -> None:
    source = live()
    for tool, seconds in (("die", 30.0), ("hang", 0.3)):
        session = source.open(odd_task())
        with pytest.raises(ServerDied):
            session.call(call(tool), seconds)
        session.close()
        fresh = source.open(odd_task())
        assert fresh.call(call("echo"), 30).status == "ok"
        fresh.close()


def test_without_warmth_a_closed_session_leaves_no_folder(live: OpenGround) -> None:
    session = live(warm=False).open(odd_task("one"))
    folder = session._slot.sandbox.folder  # type: ignore[attr-defined]
    assert folder.is_dir()
    session.close()
    session.close()
    assert not folder.exists()
    with pytest.raises(GroundFault):
        session.call(call("echo"), 30)


def test_closing_the_ground_ends_what_waits_and_opens_nothing_more(live: OpenGround) -> None:
    source = live()
    session = source.open(odd_task())
    session.close()
    folder = session._slot.sandbox.folder  # type: ignore[attr-defined]
    source.close()
    assert not folder.exists()
    with pytest.raises(GroundFault, match="closed"):
        source.open(odd_task())


@pytest.mark.skipif(bwrap_problem() is not None, reason="needs bubblewrap")
def test_closing_the_ground_ends_the_sessions_that_are_open_too(live: OpenGround) -> None:
    source = live()
    session = source.open(odd_task())
    folder = session._slot.sandbox.folder  # type: ignore[attr-defined]
    source.close()
    assert not folder.exists()
    with pytest.raises(GroundFault):
        session.call(call("echo"), 30)
    session.close()
    source.close()


def test_a_varied_ground_has_another_path_and_the_same_state(live: OpenGround) -> None:
    states = []
    for variation in (None, Variation.second()):
        session = live(variation=variation).open(odd_task("one"))
        session.call(call("write", path=f"{session.root}/b.txt", text=f"at {session.root}"), 30)
        states.append((session.root, session.end_state()))
        session.close()
    assert states[0][0] != states[1][0]
    assert states[0][1] == states[1][1]


def test_a_server_that_has_drifted_from_the_frozen_contract_is_refused(live: OpenGround) -> None:
    with pytest.raises(
        GroundFault, match=r"odd: publishes other contracts than the frozen ones: echo: description changed"
    ):
        live("other").open(odd_task())
    with pytest.raises(SetupError, match="publishes other contracts"):
        live("other").prepare(["odd"])


def test_a_server_that_cannot_start_faults_an_attempt_and_stops_a_preparation(live: OpenGround) -> None:
    with pytest.raises(GroundFault, match="cannot find my configuration"):
        live("broken").open(odd_task())
    with pytest.raises(SetupError, match="cannot find my configuration"):
        live("broken").prepare(["odd"])


@pytest.mark.parametrize(
    ("task", "finding"),
    [
        (odd_task("three"), "no such fixture"),
        (odd_task(now="soon"), "no ISO 8601 instant"),
        (Task(id="t", request="r", now=NOW, servers=("odd", "time")), "server 'time' is not in ground 'odd'"),
        (Task(id="t", request="r", now=NOW, servers=("odd", "nope")), "unknown server 'nope'"),
    ],
)
def test_a_task_that_names_what_is_not_there_is_an_input_error(live: OpenGround, task: Task, finding: str) -> None:
    with pytest.raises(InputError, match=finding):
        live().open(task)


def test_a_server_that_changes_its_tools_midway_faults_the_attempt_in_words(live: OpenGround) -> None:
    source = live()
    session = source.open(odd_task())
    with pytest.raises(GroundFault, match=r"odd: changed its tools during the attempt: .*echo: description changed"):
        session.call(call("changes"), 30)
    session.close()
    fresh = source.open(odd_task())
    assert fresh.call(call("echo"), 30).status == "ok"
    fresh.close()


def test_a_change_that_is_only_told_after_the_last_call_is_met_at_the_end(live: OpenGround) -> None:
    session = live().open(odd_task())
    session._slot.connections["odd"].call("changes", {}, 30)  # type: ignore[attr-defined]
    with pytest.raises(GroundFault, match="changed its tools"):
        session.end_state()
    session.close()


def test_a_change_that_no_server_speaks_of_faults_the_attempt_and_no_later_one(live: OpenGround) -> None:
    source = live("sly")
    for _ in range(2):
        session = source.open(odd_task())
        assert session.call(call("echo"), 30).status == "ok"
        with pytest.raises(
            GroundFault, match=r"odd: changed its tools during the attempt: .*echo: description changed"
        ):
            session.end_state()
        session.close()


def test_an_attempt_that_ended_early_is_looked_after_before_its_server_serves_again(live: OpenGround) -> None:
    source = live("sly")
    session = source.open(odd_task())
    session.call(call("echo"), 30)
    session.close()
    with pytest.raises(GroundFault, match="publishes other contracts"):
        source.open(odd_task())
    source.open(odd_task()).close()


def test_a_change_is_met_at_the_end_though_drift_is_allowed_and_is_told(live: OpenGround) -> None:
    source = live("sly", allow_drift=True)
    session = source.open(odd_task())
    session.call(call("echo"), 30)
    assert source.drifted == {}
    assert session.end_state() == ()
    assert list(source.drifted) == ["odd"]
    session.close()


def test_a_server_that_ends_after_its_last_answer_costs_nothing_but_itself(live: OpenGround) -> None:
    source = live("leaves")
    for number in range(2):
        session = source.open(odd_task())
        assert session.call(call("write", path=f"{number}.txt", text="x"), 30).status == "ok"
        assert [change.path for change in session.end_state() or ()] == [f"{number}.txt"]
        session.close()


def test_a_server_that_only_says_its_tools_changed_is_looked_at_and_trusted(live: OpenGround) -> None:
    session = live().open(odd_task())
    assert session.call(call("says_changed"), 30).content == "done"
    assert session.end_state() == ()
    session.close()


def spared(source: LiveGround, task: Task) -> Slot:
    """The slot that is made ready once an attempt has had to wait for its server."""
    source.open(task).close()
    waiting = source.open(task)
    for thread in list(source._pool._renewing.values()):
        thread.join()
    waiting.close()
    (slot,) = source._pool._ready
    return slot


@pytest.mark.skipif(bwrap_problem() is not None, reason="without bubblewrap it sees the processes of the machine")
def test_a_server_started_ahead_serves_what_a_fresh_one_serves(live: OpenGround) -> None:
    recipe = odd_recipe(reset="restart", early=True)
    source, plain = live(recipe=recipe), live(recipe=recipe, warm=False)
    slot = spared(source, odd_task("two", "2026-01-01T00:00:00Z"))
    pid = slot.connections["odd"].pid
    shown = []
    for ground in (source, plain):
        session = ground.open(odd_task("one", NOW))
        if ground is source:
            assert session._slot is slot  # type: ignore[attr-defined]
            assert slot.connections["odd"].pid == pid
        look = json.loads(session.call(call("look"), 30).content)
        changed = session.call(call("write", path="a.txt", text="x"), 30).changed
        shown.append(
            (look["uid"], look["env"].keys(), look["interfaces"], look["processes"], changed, session.end_state())
        )
        if faketime_library():
            assert abs(look["now"] - datetime.fromisoformat(NOW).timestamp()) < 1
        session.close()
    assert shown[0] == shown[1]


def test_what_an_attempt_left_running_is_gone_before_its_slot_is_used_again(live: OpenGround) -> None:
    source = live(recipe=odd_recipe(reset="restart"))
    session = source.open(odd_task())
    assert session.call(call("spawn"), 30).content == "spawned"
    slot = session._slot  # type: ignore[attr-defined]
    below = psutil.Process(slot.connections["odd"].pid).children(recursive=True)
    session.close()
    again = source.open(odd_task())
    assert again._slot is slot  # type: ignore[attr-defined]
    assert [process for process in below if runs(process)] == []
    again.close()


def test_once_no_attempt_begins_any_more_nothing_is_started(live: OpenGround) -> None:
    source = live(recipe=odd_recipe(reset="restart", early=True))
    spared(source, odd_task())
    first, second = source.open(odd_task()), source.open(odd_task())
    for thread in list(source._pool._renewing.values()):
        thread.join()
    first.close()
    second.close()
    assert source._pool._renewing == {}
    assert all(slot.connections == {} for slot in source._pool._idle)


def test_closing_the_ground_does_not_wait_for_a_server_that_is_being_started_ahead() -> None:
    recipe = odd_recipe("silent", start_seconds=300)
    slot = Slot(Sandbox())
    pool = Pool(lambda one: one.ahead([recipe], {"odd": ensure(recipe)}))
    pool.grow(lambda: slot)
    pool.close()
    assert not slot.sandbox.folder.exists()
    with pytest.raises(GroundFault, match="closed"):
        pool.take(["odd"])


def test_of_slots_that_fit_alike_the_one_is_used_where_fewest_servers_end() -> None:
    both, one = Slot(Sandbox()), Slot(Sandbox())
    recipes = [odd_recipe(name="wanted"), odd_recipe(name="writer")]
    installed = {recipe.name: ensure(recipe) for recipe in recipes}
    pool = Pool(lambda slot: None, spares=0)
    try:
        one.prepare(recipes[:1], installed, lambda home, root: None, ("", ""))
        both.prepare(recipes, installed, lambda home, root: None, ("", ""))
        for slot in (one, both):  # the one given last would be taken first
            pool.give(slot)
        assert pool.take(["wanted"]) is one
        assert pool.take(["wanted"]) is both
        pool.give(one)
    finally:
        pool.close()
        both.close()


def test_servers_that_no_attempt_wanted_for_long_are_ended(live: OpenGround) -> None:
    slot = Slot(Sandbox())
    recipes = [odd_recipe(name=f"odd{number}", keeps="nothing") for number in range(KEPT + 2)]
    installed = {recipe.name: ensure(recipe) for recipe in recipes}
    try:
        for recipe in recipes:
            slot.prepare([recipe], installed, lambda home, root: None, ("", ""))
        slot.retire(set())
        assert list(slot.connections) == [recipe.name for recipe in recipes[1:]]
    finally:
        slot.close()


def test_a_server_that_writes_does_not_run_on_beside_an_attempt_that_is_not_offered_it() -> None:
    slot = Slot(Sandbox())
    recipes = [odd_recipe(name="writer"), odd_recipe(name="reader", keeps="nothing"), odd_recipe(name="wanted")]
    installed = {recipe.name: ensure(recipe) for recipe in recipes}
    try:
        slot.prepare(recipes[:2], installed, lambda home, root: None, ("", ""))
        writer = slot.connections["writer"]
        slot.prepare(recipes[2:], installed, lambda home, root: None, ("", ""))
        assert set(slot.connections) == {"reader", "wanted"}
        assert writer.pid is not None
        assert not psutil.pid_exists(writer.pid), "it has ended before the files of the next attempt are there"
    finally:
        slot.close()


def test_a_server_that_has_served_many_attempts_is_started_anew(live: OpenGround) -> None:
    source = live()
    pids = []
    for _ in range(SERVED + 1):
        session = source.open(odd_task())
        pids.append(session._slot.connections["odd"].pid)  # type: ignore[attr-defined]
        session.close()
    assert set(pids[:SERVED]) == {pids[0]}
    assert pids[SERVED] != pids[0]


def test_a_server_that_keeps_something_of_every_attempt_is_started_anew_early(live: OpenGround) -> None:
    source = live()
    pids = []
    for _ in range(LOOKED + 1):
        session = source.open(odd_task())
        assert session.call(call("spawn"), 30).content == "spawned"
        pids.append(session._slot.connections["odd"].pid)  # type: ignore[attr-defined]
        session.close()
    assert set(pids[:LOOKED]) == {pids[0]}
    assert pids[LOOKED] != pids[0]
