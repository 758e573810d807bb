"""Run folders and record files: what is written is there, what is broken is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rise_bench.errors import InputError
from rise_bench.runs import Run
from rise_bench.store import load_suite, read_record, read_records, read_yaml, write_atomic
from rise_bench.types import Assistant, Ground, RunSpec, Scored, Task, Trajectory, Verdict

SPEC = RunSpec(
    suite="toy",
    suite_version="1-0",
    suite_digest="s",
    ground_digest="g",
    mode="replay",
    model="silent",
    system_prompt="",
)


def attempt(task: str, number: int = 0, text: str = "done") -> tuple[Trajectory, Scored]:
    trajectory = Trajectory(task=task, attempt=number, mode="replay", messages=(Assistant(content=text),))
    verdict = Verdict(task=task, attempt=number, scorer="acc_task", version="1-0", value=1, reason=text)
    scored = Scored(task=task, attempt=number, acc_task=verdict, acc_intent=verdict)
    return trajectory, scored


def test_attempts_come_back_as_they_were_appended(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    wanted = [attempt(f't/{i} "quoted"', i) for i in range(5)]
    for trajectory, scored in wanted:
        run.append(trajectory, scored)
    assert list(run.trajectories()) == [trajectory for trajectory, _ in wanted]
    assert list(run.scored()) == [scored for _, scored in wanted]
    assert run.trajectory('t/3 "quoted"', 3) == wanted[3][0]


def test_a_later_line_of_the_same_attempt_supersedes_the_earlier_one_which_is_kept(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    run.append(*attempt("a", text="first"))
    run.append(*attempt("b"))
    run.append(*attempt("a", text="second"))
    assert [scored.acc_task.reason for scored in run.scored()] == ["done", "second"]
    assert run.trajectories_file.read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_line_that_a_killed_writer_left_unfinished_is_cut_off_and_its_attempt_counts_as_not_made(
    tmp_path: Path, cut: int
) -> None:
    run = Run.create(SPEC, tmp_path)
    run.append(*attempt("a"))
    run.append(*attempt("b"))
    run.close()
    with run.trajectories_file.open("r+b") as file:
        file.truncate(Path(run.trajectories_file).stat().st_size - cut)
    again = Run.create(SPEC, tmp_path)
    assert again.keys() == {("a", 0)}
    again.append(*attempt("b"))
    assert [trajectory.task for trajectory in again.trajectories()] == ["a", "b"]


def test_the_same_spec_gives_the_same_folder_and_another_spec_another(tmp_path: Path) -> None:
    assert Run.folder(SPEC, tmp_path) == Run.folder(SPEC.model_copy(), tmp_path)
    assert Run.folder(SPEC, tmp_path) != Run.folder(SPEC.model_copy(update={"seed": 1}), tmp_path)


def test_a_second_writer_is_refused_while_the_first_is_open(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    with pytest.raises(InputError, match="another process writes"):
        Run.create(SPEC, tmp_path)
    run.close()
    Run.create(SPEC, tmp_path).close()


def test_verdicts_are_not_replaced_under_a_writer(tmp_path: Path) -> None:
    writer = Run.create(SPEC, tmp_path)
    with pytest.raises(InputError, match="another process writes in this run"):
        Run.open(writer.path).write_scored(iter(()))
    writer.close()
    Run.open(writer.path).write_scored(iter(()))
    assert writer.verdicts_file.read_bytes() == b""


def test_a_run_put_aside_is_renamed_not_deleted(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    run.append(*attempt("a"))
    run.close()
    assert Run.open(run.set_aside()).keys() == {("a", 0)}
    assert Run.create(SPEC, tmp_path).keys() == set()


def test_an_output_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written") as error:
        Run.create(SPEC, blocked)
    assert "--output" in error.value.remedy


def test_a_full_disk_is_said_and_what_was_written_before_is_kept(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    run.append(*attempt("a"))
    run.verdicts_file.unlink()
    run.verdicts_file.symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        run.append(*attempt("b"))
    assert run.keys() >= {("a", 0)}


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_atomic(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(target, "\ud800")
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"name": "g", "servers": []', "is not JSON"),
        ('{"name": "g", "speed": 1}', "unknown key 'speed'"),
        ('{"name": "g", "servers": [{"name": 7}]}', "servers.0.name"),
        ('{"name": NaN}', "NaN"),
        ('{"name": 1e999}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_json_file_is_refused_with_its_place(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "ground.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_record(Ground, path)
    assert found in str(error.value)
    assert str(path) in error.value.where
    assert "\n" not in str(error.value)


def test_a_broken_line_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"id":"a","request":"r"}\n{"id":"b","request":"r","kindd":"x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="unknown key 'kindd'") as error:
        list(read_records(Task, path))
    assert error.value.where.endswith(":2")


def test_broken_yaml_and_other_encodings_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("name: x\n bad: [", encoding="utf-8")
    with pytest.raises(InputError, match="is not YAML"):
        read_yaml(path)
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_yaml(path)


def test_a_suite_of_another_version_than_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text("name: toy\nversion: 1-0\nsystem_prompt: hi\n", encoding="utf-8")
    (tmp_path / "tasks.jsonl").write_text('{"id":"a","request":"r"}\n', encoding="utf-8")
    assert load_suite(f"{tmp_path}@1-0").suite.version == "1-0"
    with pytest.raises(InputError, match="is version 1-0, not 2-0"):
        load_suite(f"{tmp_path}@2-0")


def test_a_task_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text("name: toy\nversion: 1-0\nsystem_prompt: hi\n", encoding="utf-8")
    (tmp_path / "tasks.jsonl").write_text('{"id":"a","request":"r"}\n' * 2, encoding="utf-8")
    with pytest.raises(InputError, match="twice"):
        load_suite(str(tmp_path))


def test_records_are_frozen_closed_finite_and_digested_by_content() -> None:
    task = Task(id="a", request="r")
    with pytest.raises(ValueError, match="frozen"):
        task.id = "b"  # type: ignore[misc]
    with pytest.raises(ValueError, match="extra"):
        Task.model_validate({"id": "a", "request": "r", "x": 1})
    with pytest.raises(ValueError, match="finite"):
        Verdict(task="a", scorer="s", version="1", value=float("nan"), reason="")
    assert task.digest() == Task.model_validate_json(task.model_dump_json()).digest()
    assert task.digest() != Task(id="a", request="s").digest()


def test_a_redone_fault_whose_new_verdicts_were_not_written_counts_as_unscored(tmp_path: Path) -> None:
    run = Run.create(SPEC, tmp_path)
    trajectory, scored = attempt("a")
    fault = {"stop": "fault", "fault": "the server did not start"}
    run.append(trajectory.model_copy(update=fault), scored.model_copy(update=fault))
    run.append(*attempt("b"))
    assert run.unscored() == set()
    run.append(trajectory, scored)
    lines = run.verdicts_file.read_text(encoding="utf-8").splitlines(keepends=True)
    run.verdicts_file.write_text("".join(lines[:-1]), encoding="utf-8")
    assert run.unscored() == {("a", 0)}
