"""A cassette is held against the live server: what agrees, what differs and in what, what cannot be run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ground_kit import call, odd_ground, odd_recipe, odd_task

from rise_bench.errors import InputError
from rise_bench.ground.live import LiveGround
from rise_bench.ground.replay import Cassette, Entry, Recorder
from rise_bench.ground.verify import agreement, verify
from rise_bench.types import Ground

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
    session = Recorder(live, path).open(odd_task())
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


def test_an_empty_cassette_is_refused(ground: Ground, live: LiveGround, cassette: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no recorded call"):
        list(verify(changed(cassette, tmp_path / "c.jsonl", ground, lambda entry: None), live))
