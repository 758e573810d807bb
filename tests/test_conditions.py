"""What a run was made under is kept beside it; what spoils a comparison of two runs is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy

from rise_bench.bench import evaluate, report
from rise_bench.cli import main
from rise_bench.conditions import differences
from rise_bench.report import doubts
from rise_bench.runs import Run
from rise_bench.types import Assistant, Conditions, ModelRequest, Reply, Sampling
from rise_bench.work import Options

ENGINE: dict[str, str] = {}


class Fixed:
    """Answers 'Done.' and has an engine whose version the test sets."""

    name = "fixed"
    width = 3

    def content(self) -> str:
        return json.dumps({"weights": ENGINE["weights"], "template": ENGINE["template"]})

    def settings(self) -> dict[str, str]:
        return {"engine": ENGINE["version"], "device": "cpu"}

    def reply(self, request: ModelRequest) -> Reply:
        return Reply(message=Assistant(content="Done."))

    def close(self) -> None:
        pass


def make(*_: object) -> Fixed:
    return Fixed()


@pytest.fixture
def options(tmp_path: Path) -> Options:
    ENGINE.update(weights="w1", template="t1", version="1.0")
    suite = toy.make_suite(tmp_path / "suite").path
    return Options(
        suite=str(suite),
        model="test_conditions:make",
        ground="replay",
        output=tmp_path / "runs",
        limit=2,
        concurrency=2,
    )


def but(options: Options, **changes: object) -> Options:
    return Options(**{name: getattr(options, name) for name in options.__slots__} | changes)  # type: ignore[arg-type]


def test_conditions_are_kept_once_and_again_only_when_they_change(options: Options) -> None:
    run = Run.open(evaluate(options).run)
    evaluate(but(options, limit=3))
    assert [(c.executor, c.concurrency, c.model["engine"]) for c in run.conditions()] == [("local", 2, "1.0")]
    ENGINE["version"] = "1.1"
    evaluate(but(options, limit=4))
    assert [c.model["engine"] for c in run.conditions()] == ["1.0", "1.1"]
    about = report(run.path, options.suite).about
    assert doubts(about) == ("made under 2 different conditions (conditions.jsonl): model.engine",)


def test_what_changes_while_a_run_goes_on_is_kept_at_its_end(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["1.0", "1.0", "1.1"])

    def reply(self: Fixed, request: ModelRequest) -> Reply:
        ENGINE["version"] = next(answers)
        return Reply(message=Assistant(content="Done."))

    monkeypatch.setattr(Fixed, "reply", reply)
    run = Run.open(evaluate(but(options, limit=3, concurrency=1)).run)
    assert [c.model["engine"] for c in run.conditions()] == ["1.0", "1.1"]
    assert "model.engine" in doubts(report(run.path, options.suite).about)[0]


def test_a_change_in_what_a_model_says_only_after_its_first_answer_is_a_doubt(options: Options) -> None:
    about = report(evaluate(options).run, options.suite).about
    (first,) = about.conditions
    told = [first.model_copy(update={"model": {**first.model, "fingerprint": one}}) for one in ("f1", "f1, f2")]
    assert doubts(about.model_copy(update={"conditions": (first, told[0])})) == ()
    assert doubts(about.model_copy(update={"conditions": (first, *told)})) == (
        "made under 2 different conditions (conditions.jsonl): model.fingerprint",
    )


def test_conditions_that_a_killed_writer_left_unfinished_do_not_keep_a_run_from_being_read(options: Options) -> None:
    run = Run.open(evaluate(options).run)
    whole = run.conditions()
    with run.conditions_file.open("a", encoding="utf-8") as file:
        file.write('{"since": "2026-0')
    assert run.conditions() == whole


def test_a_model_says_how_many_requests_keep_it_busy(options: Options) -> None:
    assert Run.open(evaluate(but(options, concurrency=0)).run).conditions()[0].concurrency == 3


def test_other_weights_are_what_is_compared_and_another_template_is_not(options: Options, tmp_path: Path) -> None:
    first = Run.open(evaluate(options).run)
    ENGINE.update(weights="w2", template="t2", version="1.1")
    second = Run.open(evaluate(but(options, sampling=Sampling(max_tokens=99))).run)
    found = {d.name: (d.first, d.second, d.meant) for d in differences(first, second)}
    assert found == {
        "conditions.model.engine": ("1.0", "1.1", False),
        "model_content.template": ("t1", "t2", False),
        "sampling.max_tokens": (2048, 99, False),
        "model_content.weights": ("w1", "w2", True),
    }
    assert differences(first, first) == ()


def test_shipped_agents_differ_in_the_model_alone(options: Options) -> None:
    first, second = (Run.open(evaluate(but(options, model=name)).run) for name in ("silent", "oracle"))
    found = {d.name: d.meant for d in differences(first, second)}
    assert found.keys() >= {"model", "model_content"} and all(found.values())


def test_the_report_warns_of_runs_that_differ_in_more_than_the_model(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluate(options).run
    second = evaluate(but(options, seed=5)).run
    words = ["report", str(first), "--tasks", options.suite, "--against", str(second)]
    assert main(words) == 0
    seen = capsys.readouterr()
    assert "seed" in seen.out and "differ in more than the model (seed)" in seen.err
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"] == [{"name": "seed", "first": 0, "second": 5, "meant": False}]


def test_servers_without_a_sandbox_and_agents_unconfined_are_said_beside_the_numbers(options: Options) -> None:
    about = report(evaluate(options).run, options.suite).about
    loose = Conditions(
        since="2026-01-01T00:00:00Z",
        rise_bench="0",
        python="3",
        executor="local",
        concurrency=1,
        isolated=False,
        clock=False,
        model={"confined": False},
    )
    assert doubts(about) == ()
    assert [line.split(" ")[-1] for line in doubts(about.model_copy(update={"conditions": (loose,)}))] == [
        "bubblewrap",
        "time",
        "machine",
    ]
