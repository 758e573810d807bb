"""Logs that Inspect itself made of other agents: tools, calls, errors, limits and scores as our records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import EvalSample, EvalSampleLimit, read_eval_log, write_eval_log
from inspect_ai.model import ChatMessageAssistant
from inspect_ai.scorer import Score

from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.importers.imported import Attempt, Imported
from rise_bench.importers.inspect import import_inspect
from rise_bench.score import score
from rise_bench.types import Assistant, ToolResult

HERE = Path(__file__).parent
REFERENCE = [{"name": "book_table", "arguments": {"table": 4, "day": "2026-04-20"}}]
NAMES = ("good", "wrong", "failing", "endless", "broken")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of logs that Inspect wrote: see `inspect_evals.py`."""
    folder = tmp_path_factory.mktemp("logs")
    own = {f"XDG_{name}_HOME": str(folder / name) for name in ("DATA", "CACHE", "STATE", "CONFIG")}
    words = [sys.executable, str(HERE / "inspect_evals.py"), str(folder)]
    done = subprocess.run(words, env=os.environ | own, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["eval", "json"])
def log(request: pytest.FixtureRequest, logs: Path) -> Path:
    """Five samples of two epochs; each attempt of `endless` runs into the message limit, of `broken` into an error."""
    path: Path = logs / f"five.{request.param}"
    return path


@pytest.fixture
def change(logs: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a log of one attempt, with something in it changed."""

    def write(name: str, alter: Callable[[EvalSample], None], model: str = "mockllm/model") -> Path:
        log = read_eval_log(logs / "five.eval", resolve_attachments=True)
        log.samples = [sample for sample in log.samples or () if (sample.id, sample.epoch) == (name, 1)]
        log.eval.dataset.sample_ids = [name]
        log.eval.model = model
        alter(log.samples[0])
        write_eval_log(log, tmp_path / "changed.eval")
        return tmp_path / "changed.eval"

    return write


def attempts(imported: Imported) -> dict[tuple[str, int], Attempt]:
    return {(made.trajectory.task, made.trajectory.attempt): made for made in imported}


def values(imported: Imported, made: Attempt) -> tuple[float | None, float | None]:
    task = imported.tasks[made.trajectory.task]
    complete, aligned = score(task, made.trajectory, imported.ground)
    return complete.value, aligned.value


# --- an agent eval ----------------------------------------------------------------------------------------------------


def test_each_sample_is_a_task_and_each_epoch_an_attempt(log: Path) -> None:
    imported = import_inspect(log)
    assert set(imported.tasks) == set(NAMES)
    assert set(attempts(imported)) == {(name, number) for name in NAMES for number in (0, 1)}
    assert imported.models == ("mockllm/model",)


def test_a_wrong_day_is_silently_deviated_where_the_evals_own_scorer_passes_it(log: Path) -> None:
    imported = import_inspect(log)
    made = attempts(imported)
    assert values(imported, made["good", 0]) == (1, 1)
    assert values(imported, made["wrong", 0]) == (1, 0)
    assert values(imported, made["failing", 0]) == (0, 0)
    assert [made[name, 0].official for name in ("good", "wrong", "failing")] == [True, True, False]


def test_tools_are_those_that_the_model_was_offered_with_their_schemas(log: Path) -> None:
    imported = import_inspect(log)
    tools = {tool.id: tool for server in imported.ground.servers for tool in server.tools}
    assert set(tools) == {"find_table", "book_table"}
    assert tools["book_table"].parameters["required"] == ["table", "day"]
    assert tools["book_table"].description == "Book a table."
    assert [tools[name].effect for name in ("find_table", "book_table")] == ["read", "write"]


def test_a_tools_error_is_the_calls_and_an_evals_error_is_a_fault(log: Path) -> None:
    imported = import_inspect(log)
    made = attempts(imported)
    (result,) = [m for m in made["failing", 0].trajectory.messages if isinstance(m, ToolResult)]
    assert (result.status, result.content) == ("tool_error", "there is no table 12")
    broken = made["broken", 0]
    assert broken.trajectory.stop == "fault"
    assert "the provider is down" in broken.trajectory.fault
    assert values(imported, broken) == (None, None)
    assert broken.official is None


def test_a_limit_ends_the_attempt_and_usage_is_counted(log: Path) -> None:
    made = attempts(import_inspect(log))
    assert made["endless", 1].trajectory.stop == "max_turns"
    usage = made["good", 0].trajectory.usage
    assert (usage.turns, usage.calls, usage.input_tokens, usage.output_tokens) == (3, 2, 30, 9)


def test_what_metadata_says_of_the_task_comes_before_the_target(change: Callable[..., Path]) -> None:
    told = {"reference": REFERENCE, "now": "2026-04-02", "intent": [{"call": 0, "argument": "/table"}], "answer": [4]}

    def tell(sample: EvalSample) -> None:
        sample.target, sample.metadata = "booked", {"rise_bench": told}

    imported = import_inspect(change("wrong", tell))
    task = imported.tasks["wrong"]
    assert [critical.argument for critical in task.intent.critical] == ["/table"]
    assert (task.now, task.answer[0].value) == ("2026-04-02", 4)
    assert values(imported, attempts(imported)["wrong", 0]) == (1, 1)  # this user does not mind the day


@pytest.mark.parametrize(
    ("target", "metadata"),
    [
        ("booked", {}),
        (["booked", "done"], {}),
        ('{"table": 4}', {}),
        ("[1, 2]", {}),
        ("booked", {"reference": "see the handbook"}),
        ("booked", {"rise_bench": "see the handbook"}),
    ],
)
def test_a_target_that_holds_no_calls_is_no_reference(
    target: str | list[str], metadata: dict[str, Any], change: Callable[..., Path]
) -> None:
    def aim(sample: EvalSample) -> None:
        sample.target, sample.metadata = target, metadata

    imported = import_inspect(change("good", aim))
    assert imported.tasks["good"].reference == ()
    assert any("nothing to judge them against" in note for note in imported.notes)


@pytest.mark.parametrize("target", [[json.dumps(call) for call in REFERENCE], json.dumps(REFERENCE[0])])
def test_a_target_may_be_a_call_or_a_list_of_calls(target: str | list[str], change: Callable[..., Path]) -> None:
    def aim(sample: EvalSample) -> None:
        sample.target = target

    (call,) = import_inspect(change("good", aim)).tasks["good"].reference
    assert (call.tool, call.arguments) == ("book_table", {"table": 4, "day": "2026-04-20"})


@pytest.mark.parametrize("agent", ["react", "basic"])
def test_an_answer_that_was_submitted_is_the_last_message_and_no_call(agent: str, logs: Path) -> None:
    imported = import_inspect(logs / f"{agent}.eval")
    (made,) = imported
    final = made.trajectory.messages[-1]
    assert isinstance(final, Assistant)
    assert final.content.endswith("Booked table 4 on 2026-04-20.")
    calls = [call.tool for m in made.trajectory.messages if isinstance(m, Assistant) for call in m.tool_calls]
    assert calls == ["find_table", "book_table"]
    assert "submit" not in {tool.name for server in imported.ground.servers for tool in server.tools}
    assert (made.trajectory.stop, values(imported, made)) == ("answered", (1, 1))


@pytest.mark.parametrize(
    ("value", "official"),
    [("C", True), ("I", False), (1, True), (0.0, False), (True, True), ("P", None), (0.5, None), ({"a": 1}, None)],
)
def test_a_score_that_is_no_plain_yes_or_no_is_none_and_noted(
    value: Any, official: bool | None, change: Callable[..., Path]
) -> None:
    def rate(sample: EvalSample) -> None:
        sample.scores = {"said_booked": Score(value=value)}

    imported = import_inspect(change("good", rate))
    (made,) = imported
    assert made.official is official
    assert any("no plain yes or no" in note for note in imported.notes) == (official is None)


def test_a_score_that_inspect_left_open_is_none_and_not_noted(change: Callable[..., Path]) -> None:
    def leave(sample: EvalSample) -> None:
        sample.scores = {"said_booked": Score.unscored(explanation="the grader failed")}

    imported = import_inspect(change("good", leave))
    assert [made.official for made in imported] == [None]
    assert not any("no plain yes or no" in note for note in imported.notes)


def test_arguments_that_inspect_could_not_read_stay_unreadable(change: Callable[..., Path]) -> None:
    def spoil(sample: EvalSample) -> None:
        calls = next(m.tool_calls for m in sample.messages if isinstance(m, ChatMessageAssistant))
        assert calls
        calls[0].arguments, calls[0].parse_error = {}, 'Error parsing the following arguments: {"day": '

    (made,) = import_inspect(change("good", spoil))
    first = next(m for m in made.trajectory.messages if isinstance(m, Assistant))
    assert first.tool_calls[0].arguments == 'Error parsing the following arguments: {"day": '


@pytest.mark.parametrize(
    ("kind", "stop", "judged"),
    [("token", "max_tokens", True), ("context", "context_overflow", True), ("operator", "fault", False)],
)
def test_each_kind_of_limit_is_one_of_our_ways_to_end(
    kind: Any, stop: str, judged: bool, change: Callable[..., Path]
) -> None:
    def limit(sample: EvalSample) -> None:
        sample.limit = EvalSampleLimit(type=kind, limit=1)

    imported = import_inspect(change("good", limit))
    (made,) = imported
    assert made.trajectory.stop == stop
    assert values(imported, made) == ((0, 0) if judged else (None, None))


def test_an_attempt_that_broke_before_its_first_message_keeps_the_request(change: Callable[..., Path]) -> None:
    def empty(sample: EvalSample) -> None:
        sample.messages = []

    (made,) = import_inspect(change("broken", empty))
    assert [message.role for message in made.trajectory.messages] == ["user"]
    assert made.trajectory.stop == "fault"


# --- folders, bad files, the command ----------------------------------------------------------------------------------


def test_logs_of_one_eval_in_a_folder_are_read_together(change: Callable[..., Path], tmp_path: Path) -> None:
    for model in ("one/model", "another/model"):
        change("good", lambda sample: None, model).rename(tmp_path / f"{model[:3]}.eval")
    assert sorted(import_inspect(tmp_path).models) == ["another/model", "one/model"]


@pytest.mark.parametrize("suffix", ["eval", "json"])
def test_an_eval_that_was_stopped_says_how_much_of_it_is_missing(logs: Path, tmp_path: Path, suffix: str) -> None:
    whole = read_eval_log(logs / "five.eval", resolve_attachments=True)
    assert not [note for note in import_inspect(logs / "five.eval").notes if "attempts are in it" in note]
    whole.samples, whole.status = (whole.samples or [])[:3], "cancelled"
    write_eval_log(whole, tmp_path / f"some.{suffix}")
    found = import_inspect(tmp_path / f"some.{suffix}")
    assert [note for note in found.notes if "'cancelled', 3 of 10 attempts are in it" in note]


def test_logs_of_different_evals_are_not_read_together(change: Callable[..., Path], tmp_path: Path) -> None:
    log = read_eval_log(change("good", lambda sample: None))
    log.eval.task = "chairs"
    write_eval_log(log, tmp_path / "chairs.eval")
    with pytest.raises(InputError, match="import logs of different evals one by one"):
        import_inspect(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.eval", b"hello", "is no log of Inspect"),
        ("a.eval", b"", "is no log of Inspect"),
        ("a.json", b'{"a": 1}', "is no log of Inspect"),
        ("a.json", b"\xff\xfe", "is no log of Inspect"),
        ("a.json", b"[" * 100_000, "is no log of Inspect"),
        ("a.txt", b"hello", "is no log of Inspect"),
        ("a.eval", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_log_is_one_line_and_exit_2(
    name: str, content: bytes | None, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["import", "inspect", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"error: {tmp_path / name}: {expected}")
    assert len(said) == 2  # the finding and the remedy


def test_a_log_cut_short_is_one_line(log: Path, tmp_path: Path) -> None:
    half = tmp_path / log.name
    half.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    with pytest.raises(InputError, match="is no log of Inspect"):
        import_inspect(half)


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \*\.eval or \*\.json"):
        import_inspect(tmp_path)


def test_the_command_compares_with_the_evals_own_scores(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "inspect", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (scores,) = found["scores"]
    assert (scores["attempts"], scores["scored"], scores["official_on"]) == (10, 8, 8)
    assert scores["official"] == 0.5
    assert scores["acc_intent"] == 0.25
