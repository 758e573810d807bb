"""Stage files and how stages are carried out: resume, kill, order, faults, limits; servers and models play no part here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.errors import GroundFault, InputError, SetupError
from rise_bench.synth.folder import Row, Spec, StageFile, SynthFolder
from rise_bench.synth.funnel import Funnel, level, markdown
from rise_bench.synth.records import Dropped, Entity
from rise_bench.synth.stages import work, work_in_a_row


def quiet(done: int, total: int, note: str = "") -> None:
    """Nobody watches."""


def entity(name: str) -> Entity:
    return Entity(world="w", kind="path", value=name, tool="files.list")


def stage(folder: Path) -> StageFile[Entity]:
    return StageFile(folder / "entities.jsonl", Entity)


INPUTS = {f"k{n:02}": n for n in range(12)}


class Step:
    """Makes one entity of each input and drops every fourth; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, number: int) -> Iterator[Entity | Dropped]:
        self.asked.append(number)
        if number % 4 == 3:
            yield Dropped(stage="propose", what=str(number), reason="every fourth")
        else:
            yield entity(str(number))


def test_rows_come_in_the_order_of_the_inputs_whatever_order_threads_wrote_them_in(tmp_path: Path) -> None:
    rows = work("propose", stage(tmp_path), INPUTS, Step(), workers=4, tick=quiet)
    assert [row.of for row in rows] == list(INPUTS)
    assert [len(row.made) for row in rows] == [1, 1, 1, 0] * 3


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    first, second, third = Step(), Step(), Step()
    some = dict(list(INPUTS.items())[:5])
    work("propose", stage(tmp_path), some, first, workers=1, tick=quiet)
    rows = work("propose", stage(tmp_path), INPUTS, second, workers=1, tick=quiet)
    work("propose", stage(tmp_path), INPUTS, third, workers=1, tick=quiet)
    assert first.asked == [0, 1, 2, 3, 4]
    assert sorted(second.asked) == list(range(5, 12))
    assert third.asked == []
    assert len(rows) == 12


def test_a_line_that_a_killed_writer_left_unfinished_is_done_again(tmp_path: Path) -> None:
    work("propose", stage(tmp_path), INPUTS, Step(), workers=1, tick=quiet)
    path = tmp_path / "entities.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]) + lines[7][:20])
    again = Step()
    rows = work("propose", stage(tmp_path), INPUTS, again, workers=1, tick=quiet)
    assert sorted(again.asked) == list(range(7, 12))
    assert [row.of for row in rows] == list(INPUTS)


def test_a_stage_is_complete_only_for_as_many_inputs_as_its_last_line_says(tmp_path: Path) -> None:
    work("propose", stage(tmp_path), INPUTS, Step(), workers=1, tick=quiet)
    file = stage(tmp_path)
    assert file.complete(INPUTS)
    assert not file.complete([*INPUTS, "one more"])
    assert json.loads((tmp_path / "entities.jsonl").read_text().splitlines()[-1]) == {"done": 12}


def test_as_many_other_inputs_are_not_taken_for_those_that_were_done(tmp_path: Path) -> None:
    work("propose", stage(tmp_path), INPUTS, Step(), workers=1, tick=quiet)
    again = Step()
    other = {f"other {key}": value for key, value in INPUTS.items()}
    assert len(work("propose", stage(tmp_path), other, again, workers=1, tick=quiet)) == 12
    assert sorted(again.asked) == list(range(12))


def test_an_input_that_faults_is_done_again_after_the_others(tmp_path: Path) -> None:
    asked: list[int] = []

    def step(number: int) -> Iterator[Entity]:
        asked.append(number)
        if number == 3 and asked.count(3) == 1:
            raise GroundFault("the server died")
        yield entity(str(number))

    rows = work("propose", stage(tmp_path), INPUTS, step, workers=1, tick=quiet)
    assert asked[-1] == 3
    assert all(row.made for row in rows)


def test_an_input_that_faults_twice_is_dropped_with_its_reason(tmp_path: Path) -> None:
    def step(number: int) -> Iterator[Entity]:
        if number == 3:
            raise GroundFault("the server died")
        yield entity(str(number))

    rows = work("propose", stage(tmp_path), INPUTS, step, workers=2, tick=quiet)
    assert rows[3].dropped[0].reason == "fault"
    assert "died" in rows[3].dropped[0].detail


def test_servers_that_are_gone_stop_the_stage_and_lose_nothing(tmp_path: Path) -> None:
    def step(number: int) -> Iterator[Entity]:
        if number >= 2:
            raise GroundFault("nobody answers")
        yield entity(str(number))

    with pytest.raises(SetupError) as stopped:
        work("propose", stage(tmp_path), INPUTS, step, workers=1, tick=quiet)
    assert "same command again" in stopped.value.remedy
    again = Step()
    work("propose", stage(tmp_path), INPUTS, again, workers=1, tick=quiet)
    assert sorted(again.asked) == list(range(2, 12))


def test_an_interrupt_keeps_what_was_done(tmp_path: Path) -> None:
    def step(number: int) -> Iterator[Entity]:
        if number == 5:
            raise KeyboardInterrupt
        yield entity(str(number))

    with pytest.raises(KeyboardInterrupt):
        work("propose", stage(tmp_path), INPUTS, step, workers=1, tick=quiet)
    file = stage(tmp_path)
    assert file.has("k00")
    assert not file.has("k05")


def test_a_stream_goes_on_after_a_fault_with_what_is_left(tmp_path: Path) -> None:
    rounds: list[list[int]] = []

    def stream(left: list[int]) -> Iterator[Entity]:
        rounds.append(left)
        for number in left:
            if number == 6 and len(rounds) == 1:
                raise GroundFault("the server died")
            yield entity(f"k{number:02}")

    rows = work_in_a_row("verify", stage(tmp_path), INPUTS, stream, lambda one: str(one.value), tick=quiet)
    assert rounds == [list(range(12)), list(range(6, 12))]
    assert len(rows) == 12


def test_a_stream_that_gets_no_further_stops(tmp_path: Path) -> None:
    def stream(left: list[int]) -> Iterator[Entity]:
        raise GroundFault("nobody answers")
        yield

    with pytest.raises(SetupError, match="nobody answers"):
        work_in_a_row("verify", stage(tmp_path), INPUTS, stream, lambda one: str(one.value), tick=quiet)


def test_what_a_stream_passes_over_is_dropped_with_a_reason(tmp_path: Path) -> None:
    rows = work_in_a_row("verify", stage(tmp_path), {"a": 1}, lambda left: iter(()), lambda one: "", tick=quiet)
    assert rows[0].dropped[0].reason == "no answer"


def test_a_foreign_line_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "entities.jsonl").write_text('{"of":"a","made":[],"dropped":[]}\nhello\n')
    with pytest.raises(InputError, match="at byte 34"):
        stage(tmp_path)


def spec(**recipe: int) -> Spec:
    return Spec(name="small", recipe=dict(recipe), ground="g", worlds={})


def test_another_recipe_is_another_folder_and_the_same_is_the_same(tmp_path: Path) -> None:
    assert SynthFolder.place(spec(seed=1), tmp_path) == SynthFolder.place(spec(seed=1), tmp_path)
    assert SynthFolder.place(spec(seed=1), tmp_path) != SynthFolder.place(spec(seed=2), tmp_path)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    folder = SynthFolder.create(spec(seed=1), tmp_path)
    try:
        with pytest.raises(InputError, match="another process writes"):
            SynthFolder.create(spec(seed=1), tmp_path)
    finally:
        folder.close()
    SynthFolder.create(spec(seed=1), tmp_path).close()


def test_the_funnel_counts_every_drop_with_its_reason() -> None:
    gone = Dropped(stage="verify", what="x", reason="tool error")
    rows = [Row[Entity](of="a", made=(entity("1"),)), Row[Entity](of="b", dropped=(gone, gone))]
    funnel = Funnel(name="f").with_level(level("verify", "verified", rows))
    assert (funnel.levels[0].inputs, funnel.levels[0].made, funnel.levels[0].lost) == (2, 1, 2)
    assert "- 2 tool error" in markdown(funnel)
