"""What is known of executed departures: every gate has a stage of its own in the funnel, every count stands in checks.json,
and a finding is said last and makes the exit code 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from score_kit import GROUND, Did, attempt, call, task

from rise_bench.commands.synth import tell
from rise_bench.synth.beforehand import Plugs
from rise_bench.synth.context import Context, open_context
from rise_bench.synth.folder import Row, Spec, SynthFolder
from rise_bench.synth.funnel import Funnel
from rise_bench.synth.gates.callonly import CallOnly, Rate
from rise_bench.synth.gates.detection import detection
from rise_bench.synth.loading import load_recipe
from rise_bench.synth.output.pairs import pair
from rise_bench.synth.output.suite import Released
from rise_bench.synth.output.training import Lesson, Rejected
from rise_bench.synth.pipeline import Synthesis
from rise_bench.synth.records import Dropped, Negative, Pair, World
from rise_bench.synth.requests.purse import Purse
from rise_bench.synth.running import Running
from rise_bench.synth.stages import Tick
from rise_bench.synth.teaching import Checked, lessons
from rise_bench.types import Task

NOW = "2026-04-02T09:00:00Z"
BOOK = {"day": "2026-05-20", "room": "B"}
AS_GOOD = "as good as the reference"


def booking(name: str) -> Task:
    critical = [{"call": 0, "argument": "/day", "match": "date"}]
    return task(call("book", **BOOK), id=name, now=NOW, intent={"critical": critical})


def lesson(of: Task) -> Lesson:
    """Its reference, and one departure: another day."""
    chosen = attempt(Did("book", BOOK), say="Booked.").model_copy(update={"task": of.id})
    other = attempt(Did("book", {**BOOK, "day": "2026-06-20"}), say="Booked.")
    departure = Negative(
        task=of.id,
        operator="value:day-month",
        call=0,
        argument="/day",
        was="2026-05-20",
        made="2026-06-20",
        declared=(1, 0),
        observed=(1, 0),
        messages=other.messages,
    )
    made = pair(chosen, departure)
    assert isinstance(made, Pair)
    return Lesson(task=of.id, chosen=chosen, rejected=(Rejected(negative=departure, pair=made),))


@contextmanager
def silent(name: str) -> Iterator[Tick]:
    def tick(done: int, total: int, note: str = "") -> None: ...

    yield tick


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """Of a recipe over the kit's ground; starts no server."""
    (tmp_path / "fixtures" / "w1").mkdir(parents=True)
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"name": "kit", "version": "1", "servers": ["s"]}))
    recipe = {"name": "kit", "suite": ".", "worlds": [{"setup": "w1", "now": NOW}], "negatives": {"per_operator": 1}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    loaded = load_recipe(tmp_path / "recipe.yaml")
    runs = tmp_path / "runs.jsonl"
    opened = open_context(loaded, GROUND, Plugs(), runs, Purse(), workers=1, allow_unsafe=False, notice=None)
    yield opened
    opened.close()


def test_what_departures_came_to_is_written_down_stage_by_stage(tmp_path: Path, context: Context) -> None:
    tasks = {name: booking(name) for name in ("kit/a", "kit/b")}
    folder = SynthFolder.create(Spec(name="kit", recipe={}, ground="", worlds={}), tmp_path)
    kept = folder.stage("negate", Lesson)
    for name, one in tasks.items():
        dropped = (
            Dropped(stage="negate", what=f'{name} value:zone 0:/day "x"', reason=AS_GOOD),
            Dropped(stage="negate", what=f'{name} value:zone 0:/room "x"', reason="does not run"),
        )
        kept.add(Row(of=f"{name} {one.digest()[:16]}", made=(lesson(one),), dropped=dropped))
    kept.finish(len(tasks))
    running = Running("kit", folder, silent, 1)
    worlds = dict.fromkeys(tasks, World(setup="w1", now=NOW, servers=("s",)))
    learnt, checked = lessons(running, context, {}, list(tasks.values()), tasks, {}, worlds)
    folder.close()
    assert [len(one.rejected) for one in learnt.values()] == [1, 1]
    names = [one.stage for one in running.funnel.levels]
    assert names == ["negate", "balance", "blind", "rebalance"]
    written = json.loads((folder.path / "checks.json").read_text(encoding="utf-8"))
    assert written["acc_intent"]["dropped_as_aligned"] == checked.detection.dropped_as_aligned == {"value:zone": 2}
    assert written["acc_intent"]["by_operator"]["value:day-month"]["n"] == 2
    assert written["acc_intent"]["specificity"]["value"] == 1
    assert written["call_only"]["finding"] == ""
    assert "refused" not in written["call_only"]


def done(call_only: CallOnly) -> Synthesis:
    seen = detection([], [], {"structure:twice": 3})
    released = Released(path="suite", tasks=2, kinds={}, parts={}, servers=1, primitives=2, clusters=1)
    return Synthesis("folder", Funnel(name="kit"), released=released, checked=Checked(seen, call_only, call_only))


TOLD = CallOnly(all=Rate(60, 30, 0.9, 0.8, 0.95), by_operator={"value:sign": Rate(40, 20, 1.0, 0.91, 1.0)})
HIDDEN = CallOnly(all=Rate(60, 30, 0.55, 0.43, 0.67), by_operator={})


@pytest.mark.parametrize("as_json", [True, False])
def test_departures_that_their_calls_give_away_are_a_finding(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    assert tell(done(TOLD), as_json=as_json) == 1
    said = capsys.readouterr()
    assert said.err.startswith("finding: the calls alone tell rejected from chosen: all pairs 90.0% [80.0%, 95.0%]")
    assert "value:sign" in said.err
    assert "make more chains" in said.err
    assert said.err.count("\n") == 1
    if as_json:
        assert json.loads(said.out)["finding"] == TOLD.finding


@pytest.mark.parametrize("as_json", [True, False])
def test_departures_that_hide_are_none(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    assert tell(done(HIDDEN), as_json=as_json) == 0
    said = capsys.readouterr()
    assert said.err == ""
    if not as_json:
        row = next(line for line in said.out.splitlines() if line.startswith("structure:twice"))
        assert row.split() == ["structure:twice", "0", "3"]
        assert "dropped as aligned" in said.out


def test_a_synthesis_that_stopped_or_kept_nothing_exits_1_without_a_finding() -> None:
    stopped = done(HIDDEN)
    stopped.stopped = "after the stage prove, as asked"
    assert tell(stopped, as_json=True) == 1
    empty = done(HIDDEN)
    empty.released = None
    assert tell(empty, as_json=True) == 1
