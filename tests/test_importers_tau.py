"""tau-bench simulations become logged trajectories; effects and failures are inferred, not listed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rise_bench.errors import InputError
from rise_bench.importers import Imported, import_tau
from rise_bench.score import score

FILE = Path(__file__).parent / "fixtures" / "tau-small.json"


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_tau(FILE)


def outcome(imported: Imported, task: str, attempt: int) -> tuple[float | None, float | None]:
    for one in imported:
        if (one.trajectory.task, one.trajectory.attempt) == (task, attempt):
            complete, aligned = score(imported.tasks[task], one.trajectory, imported.ground)
            return complete.value, aligned.value
    raise LookupError(task)


def test_only_arguments_of_calls_with_an_effect_are_critical(imported: Imported) -> None:
    task = imported.tasks["0"]
    assert [call.tool for call in task.reference] == ["get_loan", "prolong_loan"]
    assert {(item.call, item.argument) for item in task.intent.critical} == {(1, "/book"), (1, "/until")}


def test_effects_come_from_results_and_names(imported: Imported) -> None:
    effects = {tool.name: tool.effect for tool in imported.ground.servers[0].tools}
    assert effects == {"get_loan": "read", "prolong_loan": "write", "day_count": "read", "pass_to_person": "read"}


def test_a_failed_call_does_not_count_and_harmless_reads_do_no_harm(imported: Imported) -> None:
    assert outcome(imported, "0", 0) == (1, 1)


def test_a_wrong_value_in_a_write_is_a_silent_deviation(imported: Imported) -> None:
    assert outcome(imported, "0", 1) == (1, 0)


def test_where_no_action_is_right_an_effect_deviates_and_a_hand_over_does_not(imported: Imported) -> None:
    assert outcome(imported, "1", 0)[1] == 1
    assert outcome(imported, "1", 1)[1] == 0


def test_a_log_that_was_cut_ran_out_of_turns(imported: Imported) -> None:
    stops = {(a.trajectory.task, a.trajectory.attempt): a.trajectory.stop for a in imported}
    assert stops["1", 3] == "max_turns"
    assert stops["0", 0] == stops["1", 0] == "answered"


def test_the_reward_is_the_official_verdict(imported: Imported) -> None:
    assert [a.official for a in imported] == [True, False, True, False, True, False]
    assert {a.model for a in imported} == {"tau-small"}


def test_a_folder_is_read_file_by_file_as_one_model_each(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    imported = import_tau(tmp_path)
    assert imported.models == ("a", "b")
    assert len(list(imported)) == 12
    assert len(imported.tasks) == 2


def test_files_of_different_domains_in_one_folder_are_refused(tmp_path: Path) -> None:
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    rows[0]["info"]["task"]["actions"] = []
    (tmp_path / "b.json").write_text(json.dumps(rows[:1]), encoding="utf-8")
    with pytest.raises(InputError, match="another task"):
        import_tau(tmp_path)


def _no_list(rows: Any) -> Any:
    return {"simulations": rows}


def _no_task(rows: Any) -> Any:
    return [*rows, {"task_id": 9}]


def _bad_role(rows: Any) -> Any:
    rows[1]["traj"][0]["role"] = "narrator"
    return rows


def _stray_result(rows: Any) -> Any:
    rows[0]["traj"].insert(1, {"role": "tool", "tool_call_id": "zz", "content": "x"})
    return rows


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_list, "not a list of simulations"),
        (_no_task, "simulation 6: has no task_id"),
        (_bad_role, "simulation 1, message 0: has the unknown role 'narrator'"),
        (_stray_result, "simulation 0, message 1: answers the call 'zz'"),
    ],
)
def test_another_layout_is_refused_with_the_place(tmp_path: Path, damage: Any, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(damage(json.loads(FILE.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        import_tau(path)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        import_tau(tmp_path / "nothing.json")
