"""What an evaluation is made of: its options, and the worker that makes attempts with one model on one ground."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import JsonValue

from rise_bench import plugins
from rise_bench.errors import InputError
from rise_bench.ground.replay import Recorder
from rise_bench.model.cache import cached
from rise_bench.model.load import identity_args
from rise_bench.model.load import load as load_model
from rise_bench.rollout import attempt as roll_out
from rise_bench.score import score as judge
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Budget, GroundMode, GroundSource, Judge, Model, Sampling, Scored, Task, Trajectory

__all__ = ["Key", "Made", "Options", "Worker", "score_attempt", "selected", "system_prompt"]

Key = tuple[str, int]
"""Task id and number of the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `evaluate` is asked for. The second half says how it is carried out and stays outside the run's digest."""

    suite: str
    model: str
    model_args: dict[str, JsonValue] = field(default_factory=dict)
    ground: GroundMode = "live"
    attempts: int = 1
    seed: int = 0
    system_prompt: str | None = None
    sampling: Sampling = Sampling()
    budget: Budget = Budget()
    # how
    executor: str = "local"
    """A plug-in of kind `executor`: `local` (threads of this process) or `ray`."""
    workers: int = 0
    """Processes of an executor that has several; 0 = chosen by it."""
    cache: Literal["auto", "on", "off"] = "auto"
    """Replies kept between runs: `auto` = only for models whose weights are part of their identity."""
    cassette: Path | None = None
    record: Path | None = None
    """Write every call and what it gave to this cassette, for a later replay."""
    notice: Callable[[str], None] | None = None
    """Takes a line about each server that is installed."""
    limit: int | None = None
    sample_ids: Sequence[str] = ()
    concurrency: int = 0
    """Attempts side by side; 0 = chosen by the number of processors and by what keeps the model busy."""
    output: Path = Path("runs")
    fresh: bool = False
    retry_faults: bool = False
    allow_unsafe: bool = False
    allow_drift: bool = False
    """Run servers whose contract is not the suite's frozen one; the run's conditions say how it differs."""
    max_cost: float | None = None
    """Stop handing out attempts once those made by this call cost this much, in the currency of `prices`."""
    prices: tuple[float, float] | None = None
    """Price of a million input and output tokens."""


class Made(NamedTuple):
    """An attempt with its verdicts, not yet kept."""

    trajectory: Trajectory
    scored: Scored


class Worker:
    """One model and one ground, opened once, that make attempts. Called from many threads at once."""

    def __init__(self, options: Options, loaded: LoadedSuite, model: Model) -> None:
        self.options = options
        self.loaded = loaded
        self.model = model
        self._tasks = loaded.tasks
        self._source: GroundSource | None = None

    @classmethod
    def of(cls, options: Options) -> Worker:
        """A worker with its suite and model loaded and its ground not yet opened.

        Raises:
            InputError: suite or options cannot be used.
            SetupError: the model cannot be started or reached.
            PluginError: no such model.
        """
        loaded = load_suite(options.suite)
        model = load_model(options.model, options.model_args, loaded.suite, options.sampling)
        try:
            args = identity_args(options.model_args)
            return cls(options, loaded, cached(model, options.sampling, options.cache, args=args, renew=options.fresh))
        except BaseException:
            model.close()
            raise

    def open(self) -> None:
        """Open the ground, and start the model's engine where it has one: what cannot be started is said now.

        Raises:
            SetupError: a server or the engine cannot be started.
        """
        self._source = _open_ground(self.options, self.loaded, selected(self.loaded, self.options))
        if (start := getattr(self.model, "start", None)) is not None:  # not at the cost of the first attempts' time
            start()

    def make(self, key: Key) -> Made:
        """Make and score one attempt."""
        assert self._source is not None
        task, number = self._tasks[key[0]], key[1]
        trajectory = roll_out(
            self.model,
            self._source,
            task,
            system_prompt=system_prompt(self.options, self.loaded),
            budget=self.options.budget,
            number=number,
            seed=_seed(self.options.seed, task.id, number),
        )
        return Made(trajectory, score_attempt(task, trajectory, self.loaded))

    def drifted(self) -> tuple[str, ...]:
        """How the contracts of servers that were started differ from the frozen ones; empty where they do not."""
        found: dict[str, tuple[str, ...]] = getattr(self._source, "drifted", {})
        return tuple(f"{server}: {line}" for server in sorted(found) for line in found[server])

    def close(self) -> None:
        """Give back ground and model. Closing twice is harmless."""
        try:
            if self._source is not None:
                self._source.close()
        finally:
            self.model.close()


def score_attempt(task: Task, trajectory: Trajectory, loaded: LoadedSuite, by: Judge | None = None) -> Scored:
    """Both verdicts of one attempt, beside what a report counts."""
    complete, aligned = judge(task, trajectory, loaded.ground, by)
    return Scored(
        task=task.id,
        attempt=trajectory.attempt,
        stop=trajectory.stop,
        fault=trajectory.fault,
        usage=trajectory.usage,
        acc_task=complete,
        acc_intent=aligned,
    )


def system_prompt(options: Options, loaded: LoadedSuite) -> str:
    """The prompt that is asked for, else the suite's own."""
    return loaded.suite.system_prompt if options.system_prompt is None else options.system_prompt


def selected(loaded: LoadedSuite, options: Options) -> list[Task]:
    """The tasks that are asked for: all, or those named; of them the first `limit`, spread over the clusters.

    Raises:
        InputError: a name that the suite does not have, a limit below 1, or no task at all.
    """
    tasks = list(loaded.suite.tasks)
    if options.sample_ids:
        known = loaded.tasks
        for wanted in options.sample_ids:
            if wanted not in known:
                raise InputError("no such task", where=wanted, remedy=f"see `rise-bench tasks ls {options.suite}`")
        tasks = [known[wanted] for wanted in dict.fromkeys(options.sample_ids)]
    if options.limit is not None:
        if options.limit < 1:
            raise InputError(f"is {options.limit}", where="--limit", remedy="give a number of tasks above 0")
        tasks = _spread(tasks)[: options.limit]
    if not tasks:
        raise InputError("has no tasks", where=options.suite, remedy="prove some: `rise-bench tasks check --write`")
    return tasks


def _spread(tasks: Sequence[Task]) -> list[Task]:
    """The tasks in an order of which every beginning meets many clusters: one of each in turn, complete ones first."""
    groups: dict[tuple[bool, str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.kind != "complete", task.kind, task.cluster), []).append(task)
    turns = zip_longest(*(groups[name] for name in sorted(groups)))
    return [task for turn in turns for task in turn if task is not None]


def _seed(seed: int, task: str, number: int) -> int:
    """A seed of its own for each attempt, the same in every process."""
    return random.Random(f"{seed}/{task}/{number}").getrandbits(31)


def _open_ground(options: Options, loaded: LoadedSuite, tasks: Sequence[Task]) -> GroundSource:
    """The ground that the options name: a plug-in of kind `ground`, called with the loaded suite's parts."""
    factory = plugins.load("ground", options.ground)
    source: GroundSource = factory(
        ground=loaded.ground,
        fixtures=loaded.fixtures,
        servers=tuple(dict.fromkeys(name for task in tasks for name in task.servers)),
        recipes=loaded.recipes,
        cassette=options.cassette or loaded.path / "cassette.jsonl",
        allow_unsafe=options.allow_unsafe,
        allow_drift=options.allow_drift,
        notice=options.notice,
    )
    return Recorder(source, options.record, loaded.fixtures) if options.record else source
