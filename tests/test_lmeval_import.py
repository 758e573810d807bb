"""`import lm-eval`: sample logs read back, judged again and compared with what was logged."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rise_bench import lmeval
from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.importers import study
from rise_bench.importers.lm_eval import choice_scores, import_lm_eval
from rise_bench.static import Step
from rise_bench.store import LoadedSuite, load_suite

STAMP = "2026-05-01T10-00-00.000001"
TINY = {"pretrained": "tiny"}


@cache
def desk() -> LoadedSuite:
    return load_suite("desk")


@cache
def asked() -> tuple[tuple[Step, dict[str, Any]], ...]:
    """Some steps with their documents."""
    documents = {doc["id"]: doc for doc in lmeval.static_documents(desk())}
    return tuple((step, documents[step.id]) for step in lmeval.suite_steps(desk())[:24])


def logged(step: Step, doc: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    """A sample as lm-eval writes it."""
    metrics = lmeval.static_result(step, text, desk())
    answers = {"resps": [[text]], "filtered_resps": [text], "filter": "none"}
    return {"doc_id": 0, "doc": doc, "target": doc["target"], **answers, **metrics, **more}


def write(folder: Path, rows: list[dict[str, Any]], stamp: str = STAMP, task: str = "rise_static") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{stamp}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(answer: Callable[[int, str], str]) -> list[dict[str, Any]]:
    return [logged(step, doc, answer(i, doc["target"])) for i, (step, doc) in enumerate(asked())]


def half_right(number: int, target: str) -> str:
    return target if number % 2 else "Done."


def test_our_verdicts_are_those_that_were_logged(tmp_path: Path) -> None:
    found = study(import_lm_eval(write(tmp_path / "m", said(half_right))))
    (agreed,) = [item for item in found.agreements if item.group == "calls"]
    assert (agreed.n, agreed.agreed, found.differences) == (24, 24, ())
    (scores,) = found.scores
    assert scores.model == "m" and 0 < (scores.acc_intent or 0) < 1 and scores.acc_intent == scores.official


def test_a_figure_that_was_changed_in_the_log_is_a_difference_with_its_step(tmp_path: Path) -> None:
    rows = said(lambda _, target: target)
    rows[3] |= {"step_intent": 0.0, "step_task": 0.0}
    found = study(import_lm_eval(write(tmp_path, rows)))
    assert [item.task for item in found.differences] == [asked()[3][0].id]
    assert "1 steps were logged with another Acc_task than ours" in found.notes


def test_whole_tasks_are_counted_apart_from_steps(tmp_path: Path) -> None:
    rows = said(lambda _, target: target)
    whole = sum(doc["steps"] == 1 for _, doc in asked())
    kept = [row for row in rows if row["doc"]["steps"] == 1 or row["doc"]["step"] == 0]
    (line,) = [note for note in import_lm_eval(write(tmp_path, kept)).notes if "whole tasks" in note]
    assert f"Acc_intent 100.0% over {whole} whole tasks ({len(kept) - whole} cut off by a limit)" in line


def test_the_model_is_named_by_the_results_beside_the_log(tmp_path: Path) -> None:
    log = write(tmp_path, said(half_right))
    results = {"config": {"model": "hf", "model_args": TINY}, "model_name": "tiny", "results": {"x": math.nan}}
    beside = log.with_name(f"results_{STAMP}.json")
    beside.write_text(json.dumps(results), encoding="utf-8")
    assert import_lm_eval(tmp_path).models == ("hf:tiny",)
    beside.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="no results file of lm-eval"):
        import_lm_eval(tmp_path)


def test_two_logs_of_one_model_are_two_attempts_and_other_folders_other_models(tmp_path: Path) -> None:
    for folder, stamp in (("a", STAMP), ("a", "2026-05-02T10-00-00.000001"), ("b", STAMP)):
        write(tmp_path / folder, said(half_right), stamp)
    attempts = list(import_lm_eval(tmp_path))
    counted = {(item.model, item.trajectory.attempt) for item in attempts}
    assert (len(attempts), counted) == (72, {("a", 0), ("a", 1), ("b", 0)})


def test_a_document_that_was_logged_for_several_filters_counts_once(tmp_path: Path) -> None:
    rows = [row for one in said(half_right) for row in (one, one | {"filter": "strict"})]
    assert len(list(import_lm_eval(write(tmp_path, rows)))) == 24


def test_what_is_exported_opens_in_report_and_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write(tmp_path / "m", said(half_right))
    assert main(["import", "lm-eval", str(log), "--export", str(tmp_path / "out")]) == 0
    named = capsys.readouterr().err.partition("rise-bench ")[2].split()
    assert main([*named, "--page", str(tmp_path / "page.html")]) == 0
    assert main(["report", *named[1:], "--json"]) == 0
    assert "static" in capsys.readouterr().out


# --- log-likelihoods --------------------------------------------------------------------------------------------------


def choices(count: int = 4) -> list[dict[str, Any]]:
    rows = []
    for doc in lmeval.choice_documents(desk())[:count]:
        logs = [-1.0 if i == doc["gold"] else -2.0 for i in range(len(doc["choices"]))]
        answers = [[str(value), "False"] for value in logs]  # lm-eval writes them as text
        found = lmeval.choice_result(doc, logs)
        rows.append(
            {"doc": doc, "filter": "none", "resps": [[one] for one in answers], "filtered_resps": answers, **found}
        )
    return rows


def test_log_likelihoods_give_a_table_and_no_attempts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "m", choices(), task="rise_choice")
    assert main(["import", "lm-eval", str(tmp_path), "--export", str(tmp_path / "out")]) == 0
    out = capsys.readouterr()
    assert "100.0 %" in out.out and "nothing to export" in out.err and not (tmp_path / "out").exists()


def test_log_likelihoods_beside_answers_are_in_the_same_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "m", choices(), task="rise_choice")
    write(tmp_path / "m", said(half_right))
    assert main(["import", "lm-eval", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["choices"][0]["steps"] == 4 and found["scores"][0]["attempts"] == 24


def test_a_logged_choice_that_its_log_likelihoods_do_not_give_is_counted(tmp_path: Path) -> None:
    rows = choices()
    rows[0]["acc"] = 0.0
    (score,) = choice_scores(write(tmp_path, rows, task="rise_choice"))
    assert (score.steps, score.acc, score.margin, score.differing) == (4, 1.0, 1.0, 1)


def test_a_log_likelihood_that_is_no_number_is_neither_hit_nor_miss(tmp_path: Path) -> None:
    rows = choices()
    wrong = next(i for i in range(len(rows[0]["doc"]["choices"])) if i != rows[0]["doc"]["gold"])
    rows[0]["filtered_resps"][wrong][0] = "nan"
    for name in ("acc", "acc_norm"):
        del rows[0][name]
    (score,) = choice_scores(write(tmp_path / "some", rows, task="rise_choice"))
    assert (score.steps, score.unscored, score.acc, score.differing) == (3, 1, 1.0, 0)
    with pytest.raises(InputError, match="1 documents and no finite log-likelihoods"):
        choice_scores(write(tmp_path / "none", rows[:1], task="rise_choice"))


def test_the_figures_in_a_file_are_those_of_the_json(tmp_path: Path) -> None:
    write(tmp_path / "m", choices(), task="rise_choice")
    write(tmp_path / "m", said(half_right))
    assert main(["import", "lm-eval", str(tmp_path), "--output", str(tmp_path / "figures.json")]) == 0
    found = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert found["choices"][0]["steps"] == 4 and found["scores"][0]["attempts"] == 24


# --- bad input --------------------------------------------------------------------------------------------------------


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["import", "lm-eval", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ") and len(said.splitlines()) <= 2  # what is wrong, what to do
    return said


def test_bad_input_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refusal(capsys, str(tmp_path / "nowhere"))
    assert "samples_rise_static" in refusal(capsys, str(tmp_path))
    (tmp_path / "other.jsonl").write_text("{}\n", encoding="utf-8")
    assert "no log of our lm-eval tasks" in refusal(capsys, str(tmp_path / "other.jsonl"))
    log = write(tmp_path, [{"doc": {"question": "?"}}])
    assert f"{log}:1" in refusal(capsys, str(log))
    log.write_text("{not json\n", encoding="utf-8")
    assert f"{log}:1" in refusal(capsys, str(log))
    log.write_text("", encoding="utf-8")
    assert "hold no document" in refusal(capsys, str(log))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"suite_digest": "0" * 64}, "--tasks FOLDER"),
        ({"suite": "gone@1-0"}, "--tasks FOLDER"),
        ({"id": "desk/none#0"}, "is not in the suite"),
    ],
)
def test_a_log_of_another_suite_is_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    (step, doc), *_ = asked()
    log = write(tmp_path, [logged(step, doc | change, "Done.")])
    with pytest.raises(InputError, match=words) as caught:
        import_lm_eval(log)
    assert f"{log}:1" in str(caught.value)


def test_a_document_that_would_count_twice_is_refused(tmp_path: Path) -> None:
    rows = choices(2)
    with pytest.raises(InputError, match="occurs twice"):
        choice_scores(write(tmp_path, [*rows, rows[0]], task="rise_choice"))


def test_a_choice_whose_log_likelihoods_are_missing_is_refused(tmp_path: Path) -> None:
    rows = choices(1)
    rows[0]["filtered_resps"] = rows[0]["filtered_resps"][:1]
    with pytest.raises(InputError, match="do not fit its choices"):
        choice_scores(write(tmp_path, rows, task="rise_choice"))


# --- for real ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_plain_lm_eval_runs_the_tasks_on_a_real_model_and_its_logs_are_read_back(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"pretrained={tiny_model},dtype=float32,max_length=2048"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", model, "--tasks", "rise"]
    command += ["--include_path", str(lmeval.TASKS), "--limit", "2", "--apply_chat_template", "--device", "cpu"]
    command += ["--gen_kwargs", "max_gen_toks=64", "--log_samples", "--output_path", str(tmp_path / "out")]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert main(["import", "lm-eval", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["agreed"] for item in found["agreements"] if item["group"] == "calls"] == [2]
    assert (found["differences"], found["choices"][0]["steps"], found["choices"][0]["differing"]) == ([], 2, 0)
    assert found["scores"][0]["model"] == f"hf:{tiny_model}"
