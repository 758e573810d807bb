"""The same attempts on a Ray cluster of this machine: the same results, and a dead worker costs only what it had in hand."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
import toy

from rise_bench.bench import evaluate
from rise_bench.distributed import connect, share
from rise_bench.errors import InputError, SetupError
from rise_bench.model.load import load
from rise_bench.runs import Run
from rise_bench.types import Model, ModelRequest, Reply, Sampling, Suite
from rise_bench.work import Options

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


class Dying:
    """The oracle, in a process that is killed at the first attempt at one task: a file remembers that it was."""

    name = "dying"

    def __init__(self, oracle: Model, mark: Path, always: bool) -> None:
        self._oracle = oracle
        self._mark = mark
        self._always = always

    def content(self) -> str:
        return self._oracle.content()

    def reply(self, request: ModelRequest) -> Reply:
        if request.task == toy.MOVE.id and (self._always or not self._mark.exists()):
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._oracle.reply(request)

    def close(self) -> None:
        self._oracle.close()


def dying(target: str, args: Mapping[str, Any], suite: Suite | None, sampling: Sampling) -> Dying:
    return Dying(load("oracle", {}, suite), Path(str(args["mark"])), bool(args.get("always")))


class Narrow:
    """The oracle, which one request keeps busy."""

    name = "narrow"
    width = 1

    def __init__(self, oracle: Model) -> None:
        self.content, self.reply, self.close = oracle.content, oracle.reply, oracle.close


def narrow(target: str, args: Mapping[str, Any], suite: Suite | None, sampling: Sampling) -> Narrow:
    return Narrow(load("oracle", {}, suite))


def refusing(target: str, args: Mapping[str, Any], suite: Suite | None, sampling: Sampling) -> Model:
    if os.getpid() != args["driver"]:
        raise SetupError("no engine in a worker", where="here", remedy="start one")
    return load("oracle", {}, suite)


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One cluster for all tests, whose workers find the models of this file."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.delenv("RAY_ADDRESS", raising=False)
        connect(workers=2)
        yield
        ray.shutdown()
        gc.collect()  # the processes that Ray has ended warn when they are collected


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., Options]:
    suite = toy.make_suite(tmp_path / "suite").path

    def but(**changes: Any) -> Options:
        made = Options(
            suite=str(suite),
            model="oracle",
            ground="replay",
            attempts=2,
            output=tmp_path / "ray",
            executor="ray",
            workers=2,
        )
        return dataclasses.replace(made, **changes)

    return but


def test_two_workers_come_to_what_one_process_comes_to_and_resume_the_same_run(
    options: Callable[..., Options], tmp_path: Path
) -> None:
    slips = f"scripted:{Path(options().suite) / 'slips.yaml'}"
    local = Run.open(evaluate(options(model=slips, executor="local", output=tmp_path / "local")).run)
    assert evaluate(options(model=slips, limit=3)).made == 6
    done = evaluate(options(model=slips))
    run = Run.open(done.run)
    assert done.made == 8
    assert run.path.name == local.path.name
    assert run.results_digest() == local.results_digest()
    assert {c.executor for c in run.conditions()} == {"ray"}


def test_a_worker_killed_in_mid_run_costs_only_the_attempts_it_had_in_flight(
    options: Callable[..., Options], tmp_path: Path
) -> None:
    mark = tmp_path / "killed"
    done = evaluate(options(model="test_distributed:dying", model_args={"mark": str(mark)}, concurrency=2))
    run = Run.open(done.run)
    assert mark.exists()
    assert done.made == 14
    rows = run.trajectories_file.read_bytes().splitlines()
    assert len(rows) == len(run.keys()) == 14
    assert {(row.acc_task.value, row.acc_intent.value) for row in run.scored()} == {(1, 1)}


def test_workers_that_always_die_end_the_run_with_one_line_and_keep_what_was_made(
    options: Callable[..., Options], tmp_path: Path
) -> None:
    args = {"mark": str(tmp_path / "killed"), "always": True}
    wanted = options(model="test_distributed:dying", model_args=args, sample_ids=[toy.MOVE.id], attempts=1)
    with pytest.raises(SetupError, match="workers died one after the other"):
        evaluate(wanted)


def test_what_a_worker_cannot_set_up_is_said_as_if_it_had_happened_here(options: Callable[..., Options]) -> None:
    with pytest.raises(SetupError, match="no engine in a worker"):
        evaluate(options(model="test_distributed:refusing", model_args={"driver": os.getpid()}))


def drifting(target: str, args: Mapping[str, Any], suite: Suite | None, sampling: Sampling) -> Model:
    if os.getpid() == args["driver"]:
        return load("oracle", {}, suite)
    return load("lexical", {}, suite)


def test_a_worker_that_finds_another_model_under_the_same_name_makes_no_attempt(
    options: Callable[..., Options],
) -> None:
    wanted = options(model="test_distributed:drifting", model_args={"driver": os.getpid()})
    with pytest.raises(SetupError, match="a worker finds another model than this process"):
        evaluate(wanted)
    (run,) = wanted.output.iterdir()
    assert not Run.open(run).keys()


def test_more_workers_than_the_cluster_has_processors_are_refused_and_not_waited_for(
    options: Callable[..., Options],
) -> None:
    with pytest.raises(InputError, match=r"--workers: 5000 are more than the cluster's \d+ processors"):
        evaluate(options(workers=5000))


def test_every_worker_that_was_asked_for_gets_an_attempt_at_once(options: Callable[..., Options]) -> None:
    run = Run.open(evaluate(options(model="test_distributed:narrow")).run)
    assert [conditions.concurrency for conditions in run.conditions()] == [2]


@pytest.mark.parametrize(
    ("gpus", "workers", "each"), [(3, 2, 1.0), (4, 2, 2.0), (1, 3, 0.3333), (1, 1, 1.0), (0, 2, 0.0), (2, 3, 0.6666)]
)
def test_gpus_are_shared_as_ray_takes_them(gpus: float, workers: int, each: float) -> None:
    assert share(gpus, workers) == each


def test_a_recording_needs_one_process(options: Callable[..., Options], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs one process"):
        evaluate(options(record=tmp_path / "cassette.jsonl"))
