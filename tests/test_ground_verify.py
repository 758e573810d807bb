"""A cassette is held against the live server: what agrees, what differs and in what, what cannot be run again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ground_kit import call, odd_ground, odd_recipe, odd_task
from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground.live import LiveGround
from rise_bench.ground.replay import Cassette, Entry, Recorder
from rise_bench.ground.verify import agreement, verify
from rise_bench.types import (
    CallStatus,
    Effect,
    Ground,
    GroundMode,
    GroundSession,
    Server,
    StateChange,
    Task,
    Tool,
    ToolCall,
    ToolResult,
)

STEPS = (
    call("echo", a=1),
    call("write", path="a.txt", text="1"),
    call("write", path="b.txt", text="2"),
    call("echo", a=2),
    call("fails"),
)


@pytest.fixture(scope="module")
def ground() -> Ground:
    return odd_ground()


@pytest.fixture(scope="module")
def live(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> LiveGround:
    return LiveGround(ground, tmp_path_factory.mktemp("fixtures"), recipes={"odd": odd_recipe()})


@pytest.fixture(scope="module")
def cassette(ground: Ground, live: LiveGround, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "cassette.jsonl"
    session = Recorder(live, path, path.parent).open(odd_task())
    for step in STEPS:
        session.call(step, 30)
    session.close()
    return path


def changed(path: Path, to: Path, ground: Ground, change: Callable[[Entry], Entry | None]) -> Cassette:
    """A copy of a cassette with other lines; None leaves a line out."""
    to.write_text(path.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    before, after = Cassette(path, ground), Cassette(to, ground)
    starts = {entry.before for entry in before.calls()} - {entry.key for entry in before.calls()}
    for key in starts:
        start = before.entry(key)
        assert start is not None
        after.add(start)
    for entry in before.calls():
        if (found := change(entry)) is not None:
            after.add(found)
    return after


def test_every_call_is_run_again_after_the_calls_that_led_to_it(
    ground: Ground, live: LiveGround, cassette: Path
) -> None:
    found = list(verify(Cassette(cassette, ground), live))
    assert sorted(one.tool for one in found) == sorted(step.tool for step in STEPS)
    assert [one for one in found if one.difference] == []
    (odd,) = agreement(found)
    assert (odd.server, odd.calls, odd.agreed, odd.faults, odd.share) == ("odd", 5, 5, 0, 1.0)


def test_a_sample_is_drawn_by_its_seed(ground: Ground, live: LiveGround, cassette: Path) -> None:
    def drawn(seed: int) -> list[str]:
        return sorted(one.tool for one in verify(Cassette(cassette, ground), live, sample=2, seed=seed, workers=1))

    assert len(drawn(0)) == 2
    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(6)}) > 1


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("status", {"status": "tool_error"}),
        ("result", {"content": "something else"}),
        ("state", {"state": ()}),
    ],
)
def test_a_difference_is_named_with_both_sides(
    ground: Ground, live: LiveGround, cassette: Path, tmp_path: Path, name: str, update: dict[str, object]
) -> None:
    def last_write(entry: Entry) -> Entry:
        if "b.txt" not in str(entry.arguments) or entry.recording is None:
            return entry
        return entry.model_copy(update={"recording": entry.recording.model_copy(update=update)})

    found = [one for one in verify(changed(cassette, tmp_path / "c.jsonl", ground, last_write), live) if one.difference]
    assert [(one.tool, one.difference) for one in found] == [("odd.write", name)]
    assert "recorded " in found[0].detail
    assert " / live " in found[0].detail


def test_what_cannot_be_run_again_counts_neither_way(
    ground: Ground, live: LiveGround, cassette: Path, tmp_path: Path
) -> None:
    whole = changed(cassette, tmp_path / "c.jsonl", ground, lambda entry: entry)
    (first, *_) = [entry for entry in whole.calls() if entry.tool == "odd.echo"]
    alone = changed(cassette, tmp_path / "d.jsonl", ground, lambda entry: entry if entry == first else None)
    alone.add(first.model_copy(update={"key": "0" * 64, "tool": "odd.die", "arguments": {}}))
    found = list(verify(alone, live))
    (odd,) = agreement(found)
    assert (odd.calls, odd.agreed, odd.faults, odd.share) == (2, 1, 1, 1.0)


def test_a_call_whose_history_is_missing_is_refused(
    ground: Ground, live: LiveGround, cassette: Path, tmp_path: Path
) -> None:
    torn = changed(cassette, tmp_path / "c.jsonl", ground, lambda e: None if "a.txt" in str(e.arguments) else e)
    with pytest.raises(InputError, match="does not hold what led to recording"):
        list(verify(torn, live))


class _Orders:
    """A ground whose server gives every order an id that nobody can foresee, and tells it only where it lists them."""

    mode: GroundMode = "live"
    root = "/home/user"

    def __init__(self, twisted: bool = False) -> None:
        effects: dict[str, Effect] = {"order": "write", "pay": "write", "orders": "read"}
        self.tools: Sequence[Tool] = [Tool(server="shop", name=name, effect=effects[name]) for name in effects]
        self.ground = Ground(name="shop", servers=(Server(name="shop", tools=tuple(self.tools)),))
        self._twisted = twisted
        self._orders: dict[str, dict[str, JsonValue]] = {}

    def open(self, task: Task) -> GroundSession:
        self._orders = {}
        return self

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        assert isinstance(call.arguments, dict)
        status: CallStatus = "ok"
        content = "ordered"
        if call.tool == "shop.order":
            self._orders[secrets.token_hex(8) + "0a0"] = {**call.arguments, "paid": False}
        elif call.tool == "shop.orders":
            content = json.dumps(self._orders)
        elif (order := str(call.arguments["id"])) in self._orders:
            paid = next(iter(self._orders)) if self._twisted else order
            self._orders[paid] |= {"paid": True}
            content = f"paid {order}"
        else:
            status, content = "tool_error", "no such order"
        return ToolResult(call_id=call.id, tool=call.tool, status=status, content=content)

    def end_state(self) -> tuple[StateChange, ...]:
        found = {f"orders/{name}": json.dumps(order) for name, order in self._orders.items()}
        return tuple(StateChange(path=path, before=None, after=found[path]) for path in sorted(found))

    def close(self) -> None:
        """Nothing to stop."""


def shop_cassette(path: Path) -> Cassette:
    """Two orders, listed; the second one is paid, and they are listed again."""
    shop = _Orders()
    session = Recorder(shop, path, path.parent).open(Task(id="shop/one", request="", servers=("shop",)))
    for article in ("pen", "ink"):
        session.call(ToolCall(id="1", tool="shop.order", arguments={"article": article}), 30)
    listed = json.loads(session.call(ToolCall(id="1", tool="shop.orders", arguments={}), 30).content)
    session.call(ToolCall(id="1", tool="shop.pay", arguments={"id": list(listed)[1]}), 30)
    session.call(ToolCall(id="1", tool="shop.orders", arguments={}), 30)
    return Cassette(path, shop.ground)


def test_later_calls_speak_of_the_ids_that_the_live_server_generated(tmp_path: Path) -> None:
    found = list(verify(shop_cassette(tmp_path / "c.jsonl"), _Orders(), workers=1))
    assert [one for one in found if one.difference] == []
    assert len(found) == 5


def test_a_deed_on_another_of_the_generated_ids_is_a_difference(tmp_path: Path) -> None:
    found = verify(shop_cassette(tmp_path / "c.jsonl"), _Orders(twisted=True), workers=1)
    differences = sorted((one.tool, one.difference) for one in found if one.difference)
    assert differences == [("shop.orders", "result"), ("shop.pay", "state")]


def test_an_empty_cassette_is_refused(ground: Ground, live: LiveGround, cassette: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no recorded call"):
        list(verify(changed(cassette, tmp_path / "c.jsonl", ground, lambda entry: None), live))
