"""`evaluate` on replay: what is resumed, what is redone, what a run's folder holds in the end."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import toy
import yaml

from rise_bench import bench
from rise_bench.bench import Options, evaluate, report, score_run
from rise_bench.errors import InputError, PluginError
from rise_bench.runs import Run
from rise_bench.types import Assistant, Budget, ModelRequest, Reply, Scored


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return toy.make_suite(tmp_path / "suite").path


@pytest.fixture
def options(suite: Path, tmp_path: Path) -> Options:
    return Options(suite=str(suite), model="oracle", ground="replay", concurrency=2, output=tmp_path / "runs")


def but(options: Options, **changes: Any) -> Options:
    return dataclasses.replace(options, **changes)


def lines(path: Path) -> list[tuple[str, int]]:
    """(task, attempt) of every line, superseded ones too."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["task"], row["attempt"]) for row in rows]


def numbers(run: Path, suite: Path) -> Any:
    """The report without when and how wide it was made."""
    found = report(run, str(suite)).model_dump(mode="json")
    del found["cost"]["seconds"], found["about"]["conditions"]
    return found


def scores(run: Path) -> dict[str, tuple[float | None, float | None]]:
    return {row.task: (row.acc_task.value, row.acc_intent.value) for row in Run.open(run).scored()}


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_the_oracle_scores_everything_and_every_attempt_is_there_once(options: Options, suite: Path) -> None:
    done = evaluate(options)
    assert (done.made, done.left, done.cost, done.finished) == (7, 0, None, "")
    wanted = [(task.id, 0) for task in toy.TASKS]
    assert sorted(lines(done.run / "trajectories.jsonl")) == sorted(wanted)
    assert sorted(lines(done.run / "verdicts.jsonl")) == sorted(wanted)
    assert set(scores(done.run).values()) == {(1, 1)}
    found = report(done.run, str(suite))
    assert (found.judged, found.acc_task.value, found.acc_intent.value, found.not_ranked) == (7, 1, 1, ())


def test_slips_are_told_apart_from_failures(options: Options, suite: Path) -> None:
    done = evaluate(but(options, model=f"scripted:{suite / 'slips.yaml'}"))
    assert scores(done.run) == {
        toy.COUNT.id: (1, 0),
        toy.MOVE.id: (1, 0),
        toy.WRITE.id: (0, 0),
        toy.TOTAL.id: (0, 0),
        toy.ASK.id: (0, 0),
        toy.DECLINE.id: (0, 0),
        toy.IDLE.id: (1, 1),
    }
    assert report(done.run, str(suite)).outcomes.model_dump() == {
        "aligned": 1,
        "silent": 2,
        "visible": 4,
        "fault": 0,
        "unjudged": 0,
    }


@pytest.mark.parametrize("model", ["silent", "always-ask", "always-decline", "random-tool", "lexical"])
def test_every_shipped_agent_runs_and_what_was_not_recorded_is_a_fault_not_a_zero(
    options: Options, suite: Path, model: str
) -> None:
    done = evaluate(but(options, model=model))
    rows = list(Run.open(done.run).scored())
    assert len(rows) == 7
    for row in rows:
        assert (row.acc_task.value is None) == (row.stop == "fault")
        assert ("no recording" in row.fault) == (row.stop == "fault")


def test_several_attempts_are_each_made_once_with_seeds_of_their_own(options: Options, suite: Path) -> None:
    done = evaluate(but(options, attempts=3))
    assert done.made == 21
    made = list(Run.open(done.run).trajectories())
    assert Counter(one.task for one in made) == {task.id: 3 for task in toy.TASKS}
    assert len({one.seed for one in made}) == 21
    again = {(one.task, one.attempt): one.seed for one in Run.open(evaluate(but(options, seed=1)).run).trajectories()}
    assert not set(again.values()) & {one.seed for one in made}
    assert [one.k for one in report(done.run, str(suite)).passes] == [1, 2, 3]


def test_progress_is_told_at_the_start_and_after_each_attempt(options: Options) -> None:
    told: list[tuple[int, int, bool]] = []

    def note(done: int, total: int, scored: Scored | None) -> None:
        told.append((done, total, scored is None))

    evaluate(but(options, limit=2))
    evaluate(options, note)
    assert told == [(2, 7, True)] + [(done, 7, False) for done in range(3, 8)]


def test_only_the_tasks_named_are_run_and_an_unknown_one_is_refused(options: Options) -> None:
    done = evaluate(but(options, sample_ids=(toy.ASK.id, toy.COUNT.id, toy.ASK.id)))
    assert sorted(lines(done.run / "trajectories.jsonl")) == [(toy.ASK.id, 0), (toy.COUNT.id, 0)]
    with pytest.raises(InputError, match="no such task") as error:
        evaluate(but(options, sample_ids=("toy/nothing",)))
    assert error.value.where == "toy/nothing"


class Engine:
    """A model with an engine, which must run before anything is asked."""

    name = "engine"

    def __init__(self) -> None:
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def content(self) -> str:
        return "engine"

    def reply(self, request: ModelRequest) -> Reply:
        return Reply(message=Assistant(content=f"Done, after {self.started} start."))

    def close(self) -> None:
        pass


def engine(*_: object) -> Engine:
    return Engine()


def test_a_models_engine_is_started_once_before_the_first_attempt(options: Options) -> None:
    run = Run.open(evaluate(but(options, model="test_evaluate:engine", attempts=2)).run)
    last = [one.messages[-1] for one in run.trajectories()]
    assert {message.content for message in last} == {"Done, after 1 start."}


# --- again ------------------------------------------------------------------------------------------------------------


def test_a_finished_run_is_not_run_again_and_says_when_it_ended(options: Options) -> None:
    first = evaluate(options)
    before = {path.name: path.read_bytes() for path in first.run.iterdir()}
    second = evaluate(options)
    assert (second.run, second.made, second.left) == (first.run, 0, 0)
    assert second.finished.startswith("20")
    assert {path.name: path.read_bytes() for path in first.run.iterdir()} == before


def test_a_wider_limit_extends_the_run(options: Options) -> None:
    narrow = evaluate(but(options, limit=3))
    first = lines(narrow.run / "trajectories.jsonl")
    wide = evaluate(options)
    assert (narrow.made, wide.made, wide.run) == (3, 4, narrow.run)
    assert lines(wide.run / "trajectories.jsonl")[:3] == first
    assert len(set(lines(wide.run / "trajectories.jsonl"))) == 7


def test_a_limit_spreads_over_clusters_and_takes_complete_tasks_first(options: Options) -> None:
    chosen = {task for task, _ in lines(evaluate(but(options, limit=2)).run / "trajectories.jsonl")}
    tasks = [task for task in toy.TASKS if task.id in chosen]
    assert [task.kind for task in tasks] == ["complete", "complete"]
    complete = {task.cluster for task in toy.TASKS if task.kind == "complete"}
    assert len({task.cluster for task in tasks}) == min(2, len(complete))


def test_a_narrower_limit_afterwards_runs_nothing(options: Options) -> None:
    evaluate(options)
    assert evaluate(but(options, limit=2)).finished


def test_a_resumed_run_reports_what_an_uninterrupted_one_does(options: Options, suite: Path, tmp_path: Path) -> None:
    slips = f"scripted:{suite / 'slips.yaml'}"
    for limit in (1, 4, 6, None):
        resumed = evaluate(but(options, model=slips, attempts=3, limit=limit))
    whole = evaluate(but(options, model=slips, attempts=3, output=tmp_path / "other", concurrency=5))
    assert numbers(resumed.run, suite) == numbers(whole.run, suite)


def test_the_order_in_which_attempts_ended_does_not_show_in_the_report(options: Options, suite: Path) -> None:
    run = evaluate(but(options, model=f"scripted:{suite / 'slips.yaml'}", attempts=3)).run
    before = numbers(run, suite)
    for name in ("trajectories.jsonl", "verdicts.jsonl"):
        rows = (run / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (run / name).write_text("".join(reversed(rows)), encoding="utf-8")
    after = numbers(run, suite)
    assert json.dumps(after) == json.dumps(before)


def test_fresh_puts_the_old_run_aside_and_makes_a_whole_new_one(options: Options) -> None:
    first = evaluate(but(options, limit=2))
    second = evaluate(but(options, fresh=True))
    assert (second.made, second.run) == (7, first.run)
    aside = first.run.with_name(f"{first.run.name}.1")
    assert len(lines(aside / "trajectories.jsonl")) == 2
    assert evaluate(but(options, fresh=True)).made == 7
    assert first.run.with_name(f"{first.run.name}.2").is_dir()


def test_only_faults_are_redone_and_the_superseded_lines_stay(options: Options, suite: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_text(f"{toy.MOVE.id} {toy.ASK.id}", encoding="utf-8")
    flaky = but(options, model="toy_models:flaky", model_args={"broken": str(broken)})
    first = evaluate(flaky)
    assert scores(first.run)[toy.MOVE.id] == (None, None)
    assert report(first.run, str(suite)).outcomes.fault == 2
    assert evaluate(flaky).finished  # a plain resume leaves them
    broken.write_text(toy.ASK.id, encoding="utf-8")
    second = evaluate(but(flaky, retry_faults=True))
    assert (second.made, second.run) == (2, first.run)
    broken.unlink()
    third = evaluate(but(flaky, retry_faults=True))
    assert third.made == 1
    assert Counter(lines(third.run / "trajectories.jsonl"))[toy.ASK.id, 0] == 3
    assert set(scores(third.run).values()) == {(1, 1)}
    assert evaluate(but(flaky, retry_faults=True)).finished
    assert report(third.run, str(suite)).attempts == 7


def test_a_verdict_lost_in_a_crash_is_made_up_for_without_a_new_attempt(options: Options, suite: Path) -> None:
    run = evaluate(options).run
    before = numbers(run, suite)
    trajectories = (run / "trajectories.jsonl").read_bytes()
    rows = (run / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (run / "verdicts.jsonl").write_bytes(b"".join(rows[:-2]) + rows[-2][:25])
    assert evaluate(options).made == 0
    assert (run / "trajectories.jsonl").read_bytes() == trajectories
    assert sorted((run / "verdicts.jsonl").read_bytes().splitlines(keepends=True)) == sorted(rows)
    assert numbers(run, suite) == before


def test_a_verdict_of_a_task_that_the_suite_lost_is_said_in_one_line(options: Options, suite: Path) -> None:
    run = evaluate(options).run
    row = (run / "trajectories.jsonl").read_text(encoding="utf-8").splitlines()[0]
    with (run / "trajectories.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(json.loads(row) | {"task": "toy/gone"}, separators=(",", ":")) + "\n")
    with pytest.raises(InputError, match="toy/gone"):
        evaluate(options)


# --- what a run is ----------------------------------------------------------------------------------------------------


def folder(options: Options) -> str:
    return bench.plan(options).path.name


@pytest.mark.parametrize(
    "how",
    [
        {"concurrency": 7},
        {"limit": 3},
        {"fresh": True},
        {"retry_faults": True},
        {"allow_unsafe": True},
        {"sample_ids": (toy.ASK.id,)},
        {"max_cost": 1.0, "prices": (1.0, 1.0)},
    ],
)
def test_how_a_run_is_carried_out_does_not_change_its_folder(options: Options, how: dict[str, Any]) -> None:
    assert folder(but(options, **how)) == folder(options)


@pytest.mark.parametrize(
    "what",
    [
        {"system_prompt": "Be quick."},
        {"seed": 1},
        {"attempts": 2},
        {"model": "silent"},
        {"ground": "live"},
        {"budget": Budget(turns=3)},
    ],
)
def test_what_is_run_does(options: Options, what: dict[str, Any]) -> None:
    assert folder(but(options, **what)) != folder(options)
    assert folder(but(options, **what)) == folder(but(options, **what))


def test_a_model_whose_content_changed_is_another_run(options: Options, suite: Path) -> None:
    scripted = but(options, model=f"scripted:{suite / 'slips.yaml'}")
    before = folder(scripted)
    (suite / "slips.yaml").write_text(yaml.safe_dump({"*": [{"content": "No."}]}), encoding="utf-8")
    assert folder(scripted) != before


def test_a_suite_that_changed_is_another_run(options: Options, suite: Path) -> None:
    before = folder(options)
    text = (suite / "tasks.jsonl").read_text(encoding="utf-8")
    (suite / "tasks.jsonl").write_text(text.replace("March 2026", "march 2026"), encoding="utf-8")
    assert folder(options) != before


def test_a_system_prompt_of_ones_own_reaches_the_agent(options: Options) -> None:
    done = evaluate(but(options, system_prompt="It is {now} in {root}.", limit=1))
    first = next(Run.open(done.run).trajectories()).messages[0]
    assert first.content == "It is 2026-04-02T09:00:00Z in /home/user."


def test_the_spec_is_on_disk_before_the_first_attempt(options: Options) -> None:
    seen: list[bool] = []
    output = options.output

    def note(done: int, total: int, scored: Scored | None) -> None:
        seen.extend(path.is_file() for path in output.glob("*/run.json"))

    evaluate(but(options, limit=1), note)
    assert seen[0]


# --- cost -------------------------------------------------------------------------------------------------------------


def test_a_cost_limit_stops_early_and_the_rest_can_be_made_later(options: Options) -> None:
    metered = but(options, model="toy_models:metered", prices=(1000.0, 10_000.0), concurrency=1)
    # a reply costs 1000 * 1000 / 1e6 + 100 * 10000 / 1e6 = 2; the tasks in order take 2, 3, 2, 2, 1, 1, 1 replies
    done = evaluate(but(metered, max_cost=9.0))
    assert (done.made, done.left, done.cost) == (2, 5, 10.0)
    rest = evaluate(metered)
    assert (rest.made, rest.left, rest.cost, rest.run) == (5, 0, 14.0, done.run)


def test_a_cost_limit_without_prices_is_refused(options: Options) -> None:
    with pytest.raises(InputError, match="needs prices"):
        evaluate(but(options, max_cost=1.0))


def test_a_cost_limit_that_cannot_be_kept_ends_the_run_and_keeps_what_was_made(options: Options) -> None:
    with pytest.raises(InputError, match="does not say how many tokens"):
        evaluate(but(options, max_cost=1.0, prices=(1.0, 1.0), concurrency=1))
    assert evaluate(options).made < 7


def test_fresh_puts_a_run_aside_that_cannot_be_read(options: Options) -> None:
    run = Run.open(evaluate(options).run)
    with run.trajectories_file.open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match=r"does not begin with task and attempt.*--fresh"):
        evaluate(options)
    assert evaluate(but(options, fresh=True)).made == 7


def test_a_plan_counts_what_is_left_and_does_nothing(options: Options) -> None:
    before = bench.plan(options)
    assert (before.total, before.done, len(before.left), before.reference_calls) == (7, 0, 7, 5)
    assert not before.path.exists()
    evaluate(but(options, limit=2))
    after = bench.plan(options)
    assert (after.done, len(after.left), after.reference_calls) == (2, 5, 2)
    assert after.prompt_tokens < before.prompt_tokens
    anew = bench.plan(but(options, fresh=True, system_prompt="x" * 4000))
    assert (anew.done, len(anew.left)) == (0, 7)
    assert anew.prompt_tokens > before.prompt_tokens


def test_an_executor_that_does_not_exist_is_said_before_a_model_is_loaded_or_a_folder_made(options: Options) -> None:
    with pytest.raises(PluginError, match="unknown executor 'slurm'"):
        evaluate(but(options, executor="slurm", model="no_such_module:make"))
    assert not options.output.exists()


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_scoring_a_stored_run_again_gives_the_same_verdicts(options: Options, suite: Path) -> None:
    run = evaluate(but(options, model=f"scripted:{suite / 'slips.yaml'}", attempts=2)).run
    before = sorted((run / "verdicts.jsonl").read_bytes().splitlines())
    (suite / "cassette.jsonl").unlink()  # neither ground nor model is needed
    (suite / "slips.yaml").unlink()
    assert score_run(run, str(suite)) == (14, 0)
    assert sorted((run / "verdicts.jsonl").read_bytes().splitlines()) == before


def test_a_run_of_another_suite_is_neither_scored_nor_reported(options: Options, suite: Path) -> None:
    run = evaluate(but(options, limit=1)).run
    text = (suite / "suite.yaml").read_text(encoding="utf-8")
    (suite / "suite.yaml").write_text(text.replace("for tests", "for other tests"), encoding="utf-8")
    for verb in (score_run, report):
        with pytest.raises(InputError, match="digest"):
            verb(run, str(suite))


def test_an_error_that_is_no_fault_ends_the_run_and_what_was_made_stays(options: Options, suite: Path) -> None:
    rows = (suite / "cassette.jsonl").read_text(encoding="utf-8").splitlines()
    damaged = [row if "sales/2026" not in row else row[: row.index('"recording"')] + "}" for row in rows]
    (suite / "cassette.jsonl").write_text("\n".join(damaged) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        evaluate(but(options, concurrency=1))
    (suite / "cassette.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert evaluate(options).made == 4  # three were made before the damaged one
