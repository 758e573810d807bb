"""A recording answers exactly what was recorded, in the same circumstances, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ground_kit import call, odd_ground, odd_recipe, odd_task

from rise_bench.errors import GroundFault, InputError
from rise_bench.ground.live import LiveGround
from rise_bench.ground.replay import Recorder, ReplayGround, make
from rise_bench.types import Ground, GroundMode, GroundSession, Task, Tool, ToolCall, ToolResult

FIXTURES = Path(__file__).parent / "fixtures" / "ground"
SECRET = "sk-0123456789abcdef"
STEPS = (
    call("echo", a=1),
    call("write", path="a.txt", text="1"),
    call("echo", a=1),
    call("write", path="{root}/b.txt", text="in {root}"),
    call("fails"),
    ToolCall(id="9", tool="odd.nope"),
)


def resolved(step: ToolCall, session: GroundSession) -> ToolCall:
    assert isinstance(step.arguments, dict)
    arguments = {
        key: value.replace("{root}", session.root) if isinstance(value, str) else value
        for key, value in step.arguments.items()
    }
    return step.model_copy(update={"arguments": arguments})


def play(session: GroundSession, steps: tuple[ToolCall, ...] = STEPS) -> list[ToolResult]:
    results = [session.call(resolved(step, session), 30) for step in steps]
    session.close()
    return results


@pytest.fixture(scope="module")
def ground() -> Ground:
    odd = odd_ground()
    beside = odd.servers[0].model_copy(update={"name": "even", "tools": ()})
    return odd.model_copy(update={"servers": (*odd.servers, beside)})


@pytest.fixture(scope="module")
def recorded(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ToolResult], object]:
    folder = tmp_path_factory.mktemp("replay")
    recorder = Recorder(
        LiveGround(ground, FIXTURES, recipes={"odd": odd_recipe()}), folder / "cassette.jsonl", FIXTURES
    )
    session = recorder.open(odd_task())
    results = [session.call(resolved(step, session), 30) for step in STEPS]
    state = session.end_state()
    session.close()
    recorder.close()
    return folder / "cassette.jsonl", results, state


def test_a_replayed_attempt_is_the_recorded_one(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object]
) -> None:
    path, results, state = recorded
    session = ReplayGround(ground, path, FIXTURES).open(odd_task())
    assert [session.call(resolved(step, session), 30) for step in STEPS] == results
    assert session.end_state() == state
    assert [tool.id for tool in session.tools][:2] == ["odd.echo", "odd.write"]


def test_the_state_follows_the_calls_that_could_change_it(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object]
) -> None:
    session = ReplayGround(ground, recorded[0], FIXTURES).open(odd_task())
    paths = []
    for step in STEPS[:4]:
        session.call(resolved(step, session), 30)
        paths.append([change.path for change in session.end_state() or ()])
    assert paths == [[], ["a.txt"], ["a.txt"], ["a.txt", "b.txt"]]


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        (odd_task(), (call("echo", a=2),)),
        (odd_task(), (call("write", path="{root}/b.txt", text="in {root}"),)),
    ],
)
def test_other_arguments_or_another_order_are_no_recording(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object], task: Task, steps: tuple[ToolCall, ...]
) -> None:
    with pytest.raises(GroundFault, match=r"no recording for odd\."):
        play(ReplayGround(ground, recorded[0], FIXTURES).open(task), steps)


@pytest.mark.parametrize(
    "task",
    [
        odd_task("elsewhere"),
        odd_task(now="2026-04-03T09:00:00Z"),
        odd_task().model_copy(update={"servers": ("odd", "even")}),
    ],
)
def test_no_recording_begins_with_another_set_up_clock_or_servers(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object], task: Task
) -> None:
    with pytest.raises(GroundFault, match="no recording begins with"):
        ReplayGround(ground, recorded[0], FIXTURES).open(task)


def test_an_edited_fixture_is_not_answered_with_what_it_held_before(ground: Ground, tmp_path: Path) -> None:
    (note := tmp_path / "desk" / "files" / "note.txt").parent.mkdir(parents=True)
    note.write_text("old", encoding="utf-8")
    cassette = tmp_path / "c.jsonl"
    source = LiveGround(ground, tmp_path, recipes={"odd": odd_recipe()})
    recorder = Recorder(source, cassette, tmp_path)
    results = play(recorder.open(odd_task("desk")), STEPS[:1])
    recorder.close()
    assert play(ReplayGround(ground, cassette, tmp_path).open(odd_task("desk")), STEPS[:1]) == results
    note.write_text("new", encoding="utf-8")
    with pytest.raises(GroundFault, match="'desk' as its files are now"):
        ReplayGround(ground, cassette, tmp_path).open(odd_task("desk"))


class _Counter:
    """A ground that counts writes, whose state nobody sees, and whose writes wait."""

    mode: GroundMode = "live"
    root = "/home/user"

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.tools: Sequence[Tool] = ground.servers[0].tools
        self.written = 0
        self.writes, self.reads, self.go_on = threading.Event(), threading.Event(), threading.Event()

    def open(self, task: Task) -> GroundSession:
        return self

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        if call.tool == "odd.write":
            self.writes.set()
            self.go_on.wait(30)
            self.written += 1
        else:
            self.reads.set()
        return ToolResult(call_id=call.id, tool=call.tool, content=str(self.written))

    def end_state(self) -> None:
        return None

    def close(self) -> None:
        self.go_on.set()


def test_where_no_state_is_captured_none_is_replayed(ground: Ground, tmp_path: Path) -> None:
    counter = _Counter(ground)
    counter.go_on.set()
    recorder = Recorder(counter, tmp_path / "c.jsonl", FIXTURES)
    play(recorder.open(odd_task()), STEPS[:2])
    session = ReplayGround(ground, tmp_path / "c.jsonl", FIXTURES).open(odd_task())
    assert session.end_state() is None
    play(session, STEPS[:2])
    assert session.end_state() is None


def test_a_read_beside_a_write_is_recorded_as_after_it(ground: Ground, tmp_path: Path) -> None:
    counter = _Counter(ground)
    session = Recorder(counter, tmp_path / "c.jsonl", FIXTURES).open(odd_task())
    with ThreadPoolExecutor(2) as pool:
        write = pool.submit(session.call, STEPS[1], 30)
        counter.writes.wait(30)
        read = pool.submit(session.call, STEPS[0], 30)
        counter.reads.wait(0.2)  # a read that does not wait for the write has begun by now
        counter.go_on.set()
        results = [write.result(), read.result()]
    assert play(ReplayGround(ground, tmp_path / "c.jsonl", FIXTURES).open(odd_task()), STEPS[1::-1]) == results


def test_a_call_that_no_server_would_get_needs_no_recording(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object]
) -> None:
    session = ReplayGround(ground, recorded[0], FIXTURES).open(odd_task())
    assert session.call(ToolCall(id="1", tool="x.y"), 30).content == "Unknown tool: x.y"
    assert session.call(ToolCall(id="1", tool="odd.echo", arguments="{"), 30).status == "protocol_error"


def test_recording_again_appends_only_what_is_new(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(recorded[0].read_bytes())
    before = copy.read_bytes()
    recorder = Recorder(LiveGround(ground, FIXTURES, recipes={"odd": odd_recipe()}), copy, FIXTURES)
    play(recorder.open(odd_task()))
    assert copy.read_bytes() == before
    play(recorder.open(odd_task()), (call("echo", a=2),))
    recorder.close()
    assert copy.read_bytes().startswith(before)
    assert copy.read_bytes().count(b"\n") == before.count(b"\n") + 1


def test_a_recording_knows_no_path_of_the_machine_it_was_made_on(
    recorded: tuple[Path, list[ToolResult], object],
) -> None:
    text = recorded[0].read_text(encoding="utf-8")
    assert "/home/user" not in text
    assert "wrote {root}/b.txt" in text
    assert all(json.loads(line) for line in text.splitlines())


def test_a_recording_knows_no_secret_though_a_call_and_a_file_hold_it(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_KEY", SECRET)
    # Shown to the server where its contract does not quote it.
    recipe = odd_recipe(env={"ODD_SECRET": "${ODD_KEY}"})
    steps = (call("write", path="a.txt", text=f"key={SECRET}"), call("echo", key=SECRET))
    recorder = Recorder(LiveGround(ground, FIXTURES, recipes={"odd": recipe}), tmp_path / "c.jsonl", FIXTURES)
    play(recorder.open(odd_task()), steps)
    recorder.close()
    text = (tmp_path / "c.jsonl").read_text(encoding="utf-8")
    assert SECRET not in text
    assert text.count("[secret ODD_KEY]") >= 4
    echoed = play(ReplayGround(ground, tmp_path / "c.jsonl", FIXTURES).open(odd_task()), steps)[1]
    assert json.loads(echoed.content) == {"key": "[secret ODD_KEY]"}


def test_a_line_that_was_cut_off_is_forgotten(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(recorded[0].read_bytes()[:-20])
    play(ReplayGround(ground, cut, FIXTURES).open(odd_task()), STEPS[:4])
    with pytest.raises(GroundFault, match="no recording"):
        play(ReplayGround(ground, cut, FIXTURES).open(odd_task()), STEPS[:5])
    recorder = Recorder(LiveGround(ground, FIXTURES, recipes={"odd": odd_recipe()}), cut, FIXTURES)
    recorder.close()
    assert cut.read_bytes().endswith(b"\n")
    ReplayGround(ground, cut, FIXTURES)


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "is no cassette"),
        (b"[]\n", "is no cassette"),
        (
            b'{"format":1,"ground":"abc","name":"odd"}\n',
            r"was recorded on ground 'odd' \(abc\), format 1.*record it again",
        ),
        (b'{"format":3,"ground":"abc","name":"desk"}\n', "name the suite of ground 'desk' with --tasks"),
        (b'{"format":3,"ground":"abc","name":"odd"}\n', "record it again on this ground"),
    ],
)
def test_a_file_that_is_no_cassette_of_this_ground_is_named(
    ground: Ground, tmp_path: Path, content: bytes, finding: str
) -> None:
    (tmp_path / "c.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=finding):
        ReplayGround(ground, tmp_path / "c.jsonl", FIXTURES)


def test_a_damaged_line_is_named_with_its_number(
    ground: Ground, recorded: tuple[Path, list[ToolResult], object], tmp_path: Path
) -> None:
    (tmp_path / "c.jsonl").write_bytes(recorded[0].read_bytes() + b"nonsense\n")
    with pytest.raises(InputError, match=r"c\.jsonl:\d+: is no recording"):
        ReplayGround(ground, tmp_path / "c.jsonl", FIXTURES)


def test_a_missing_cassette_is_an_input_error(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        make(ground, tmp_path, cassette=tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="--cassette"):
        make(ground, tmp_path)
