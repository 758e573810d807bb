"""Stage files and how stages are carried out: resume, kill, order, faults, limits; servers and models play no part here."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import toy

from rise_bench.errors import GroundFault, InputError, SetupError
from rise_bench.synth.chains.reproduce import reproduce
from rise_bench.synth.folder import Row, Spec, StageFile, SynthFolder
from rise_bench.synth.funnel import Funnel, level, markdown
from rise_bench.synth.negatives.execute import negatives
from rise_bench.synth.primitives.verify import verify
from rise_bench.synth.records import Chain, Dropped, Entity, Proposal, World
from rise_bench.synth.requests.purse import Spent
from rise_bench.synth.running import Running
from rise_bench.synth.stages import FAULTS, Tick, work, work_in_a_row
from rise_bench.types import Call, Critical, Intent, Task


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


class Slow:
    """The first input holds until it is released, or so many seconds; the second raises meanwhile; all others are slow."""

    def __init__(self, raises: BaseException, hold: float) -> None:
        self.asked: list[int] = []
        self.released, self.ended = threading.Event(), threading.Event()
        self._raises, self._hold = raises, hold
        self._begun = threading.Event()

    def __call__(self, number: int) -> Iterator[Entity]:
        self.asked.append(number)
        if number == 0:
            self._begun.set()
            self.released.wait(self._hold)
            self.ended.set()
        elif number == 1:
            self._begun.wait(20)
            raise self._raises
        else:
            time.sleep(0.05)
        yield entity(str(number))


@pytest.mark.parametrize("raises", [Spent("2 requests were made"), SetupError("no such model"), ValueError("a bug")])
def test_what_runs_when_a_stage_stops_is_finished_and_kept_and_no_other_is_begun(
    tmp_path: Path, raises: Exception
) -> None:
    many = {f"k{number}": number for number in range(200)}
    step = Slow(raises, hold=0.3)
    with pytest.raises(type(raises), match=str(raises)):
        work("propose", stage(tmp_path), many, step, workers=2, tick=quiet)
    assert {0, 1} <= set(step.asked) < set(many.values())
    file = stage(tmp_path)
    assert [number for number in sorted(step.asked) if not file.has(f"k{number}")] == [1]


def test_an_interrupt_waits_for_nothing(tmp_path: Path) -> None:
    step = Slow(KeyboardInterrupt(), hold=20)
    try:
        with pytest.raises(KeyboardInterrupt):
            work("propose", stage(tmp_path), INPUTS, step, workers=2, tick=quiet)
        assert not step.ended.is_set()
    finally:
        step.released.set()


def faulty(number: int) -> Iterator[Entity | Dropped]:
    if number == 3:
        raise GroundFault("the server died")
    if number in (5, 6):
        reason = "ground fault" if number == 5 else "says nothing"
        yield Dropped(stage="propose", what=str(number), reason=reason)
    else:
        yield entity(str(number))


def test_inputs_that_faulted_are_done_again_only_where_that_is_asked_for(tmp_path: Path) -> None:
    work("propose", stage(tmp_path), INPUTS, faulty, workers=2, tick=quiet)
    before = (tmp_path / "entities.jsonl").read_bytes()
    plain, again, third = Step(), Step(), Step()
    work("propose", stage(tmp_path), INPUTS, plain, workers=2, tick=quiet)
    assert (plain.asked, (tmp_path / "entities.jsonl").read_bytes()) == ([], before)
    rows = work("propose", stage(tmp_path), INPUTS, again, workers=1, tick=quiet, retry_faults=True)
    assert again.asked == [3, 5]
    assert [row.dropped[0].reason for row in rows if row.dropped] == ["every fourth", "says nothing"]
    after = (tmp_path / "entities.jsonl").read_bytes()
    assert after.startswith(before), "what was written before is kept"
    assert stage(tmp_path).complete(INPUTS)
    work("propose", stage(tmp_path), INPUTS, third, workers=1, tick=quiet, retry_faults=True)
    assert (third.asked, (tmp_path / "entities.jsonl").read_bytes()) == ([], after)


def test_an_input_that_faults_once_more_stays_dropped(tmp_path: Path) -> None:
    for retry in (False, True):
        rows = work("propose", stage(tmp_path), INPUTS, faulty, workers=1, tick=quiet, retry_faults=retry)
    assert [row.dropped[0].reason for row in rows if row.dropped] == ["fault", "ground fault", "says nothing"]
    assert len(rows) == len(INPUTS)


@pytest.mark.parametrize("reason", sorted(FAULTS))
def test_a_stream_does_inputs_again_whose_row_says_that_they_faulted(tmp_path: Path, reason: str) -> None:
    file = stage(tmp_path)
    for key in INPUTS:
        gone = (Dropped(stage="verify", what=key, reason=reason),) if key == "k04" else ()
        file.add(Row(of=key, made=() if gone else (entity(key),), dropped=gone))
    file.finish(len(INPUTS))
    rounds: list[list[int]] = []

    def stream(left: list[int]) -> Iterator[Entity]:
        rounds.append(left)
        return (entity(f"k{number:02}") for number in left)

    for retry in (False, True):
        again = stage(tmp_path)
        how = {"tick": quiet, "retry_faults": retry}
        rows = work_in_a_row("verify", again, INPUTS, stream, lambda one: str(one.value), **how)
        assert len([row for row in rows if row.made]) == 11 + retry
    assert rounds == [[4]]


@contextmanager
def silent(name: str) -> Iterator[Tick]:
    yield quiet


def running(folder: SynthFolder, **how: bool) -> Running:
    return Running("small", folder, silent, 1, **how)


@pytest.mark.parametrize("raises", [Spent("enough"), KeyboardInterrupt(), SetupError("gone")])
def test_a_stage_that_is_stopped_in_its_middle_is_counted_as_far_as_it_got(
    tmp_path: Path, raises: BaseException
) -> None:
    def step(number: int) -> Iterator[Entity | Dropped]:
        if number >= 5:
            raise raises
        yield from Step()(number)

    folder = SynthFolder.create(spec(seed=1), tmp_path)
    stopped, ended = running(folder), running(folder)
    with pytest.raises(type(raises)):
        stopped.rows("propose", "proposed", Entity, INPUTS, step)
    with pytest.raises(type(raises)):
        stopped.streamed("verify", "verified", Entity, INPUTS, lambda left: step(5), lambda one: "")
    ended.rows("propose", "proposed", Entity, INPUTS, Step())
    folder.close()
    counts = [(one.word, one.inputs, one.made, one.lost, one.note) for one in stopped.funnel.levels]
    assert counts == [
        ("proposed", 5, 4, 1, "unfinished: 5 of 12 inputs are done"),
        ("verified", 0, 0, 0, "unfinished: 0 of 12 inputs are done"),
    ]
    assert "unfinished: 5 of 12 inputs are done" in markdown(stopped.funnel)
    assert [(one.inputs, one.note) for one in ended.funnel.levels] == [(12, "")]


def test_the_option_reaches_the_stages(tmp_path: Path) -> None:
    folder = SynthFolder.create(spec(seed=1), tmp_path)
    running(folder).rows("propose", "proposed", Entity, INPUTS, faulty)
    again, once = Step(), Step()
    running(folder).rows("propose", "proposed", Entity, INPUTS, once)
    running(folder, retry_faults=True).rows("propose", "proposed", Entity, INPUTS, again)
    folder.close()
    assert (once.asked, again.asked) == ([], [3, 5])


def test_what_stages_say_of_a_server_that_dies_is_known_as_a_fault() -> None:
    dying = toy.FolderGround(dies=lambda call: True)
    world = World(setup="desk", now=toy.NOW, servers=("files",))
    read = Call(tool="files.read", arguments={"path": "{root}/sales/2026-q1.txt"})
    tried = verify([Proposal(world=world, tool=read.tool, arguments=read.arguments, scenario="all")], dying, dying)
    ran = reproduce(Chain(world=world, calls=(read,), primitives=("",)), dying, dying)
    critical = Intent(critical=(Critical(call=0, argument="/path", match="path"),))
    task = Task(
        id="t", request="", setup="desk", servers=("files",), reference=(read,), intent=critical, recorded=("x",)
    )
    gone = [one.reason for one in (*tried, ran, *negatives(task, dying)) if isinstance(one, Dropped)]
    assert gone == ["server died", "ground fault", "a server died"]
    assert set(gone) < FAULTS


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
