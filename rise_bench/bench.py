"""The public verbs: evaluate a model, score a stored run again, report it, state a suite's floors, prove its tasks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rise_bench import plugins
from rise_bench.conditions import conditions_now
from rise_bench.errors import InputError
from rise_bench.executors import Executor
from rise_bench.model.load import identity_args
from rise_bench.model.load import load as load_model
from rise_bench.report import About, Floor, Report, summarise
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Assistant, GroundMode, Judge, Model, RunSpec, Scored, Task, Trajectory, User
from rise_bench.work import Key, Options, Worker, score_attempt, selected, system_prompt

__all__ = ["Evaluated", "Options", "Plan", "evaluate", "floors", "plan", "report", "score_attempt", "score_run"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What `evaluate` would do: what is there, what is left, and what that costs at the least."""

    spec: RunSpec
    path: Path
    total: int
    done: int
    left: tuple[tuple[str, int], ...]
    reference_calls: int
    prompt_tokens: int
    """Rough size of all prompts, four characters a token, one turn per reference call and one more."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A run after `evaluate`: its folder, how many attempts this call made, and when it had been finished before."""

    run: Path
    made: int
    left: int = 0
    """Attempts not made because `max_cost` was reached."""
    cost: float | None = None
    """What the attempts of this call cost; None where no prices were given."""
    finished: str = ""
    """ISO date of an earlier end; set where nothing was left to run."""


Progress = Callable[[int, int, Scored | None], None]
"""(attempts there, attempts wanted, the one just made or None at the start)."""


def _no_progress(done: int, total: int, scored: Scored | None) -> None:
    """The default: nobody is told."""


def evaluate(options: Options, progress: Progress = _no_progress) -> Evaluated:
    """Run what is missing of a run, score it as it comes, and keep it all in the run's folder.

    Same options, same folder: attempts that are there are not made again. A complete run is not run again unless
    `fresh` puts the old one aside, or `retry_faults` redoes its faults.

    Raises:
        InputError: suite, options or output folder cannot be used.
        SetupError: a server or the model cannot be started or reached.
        PluginError: no such model, ground or executor.
    """
    executor: Executor = plugins.load("executor", options.executor)  # before a model is loaded for nothing
    worker = Worker.of(options)
    try:
        loaded, tasks = worker.loaded, selected(worker.loaded, options)
        run = _open_run(_spec(options, loaded, worker.model), options)
        try:
            for key in sorted(run.unscored()):
                run.append_scored(score_attempt(_task_of(key[0], loaded.tasks, run), run.trajectory(*key), loaded))
            left = _left(run, tasks, options)
            if not left:
                return Evaluated(run.path, 0, finished=_finished(run))
            return _make(worker, executor, run, left, len(tasks) * options.attempts, progress)
        finally:
            run.close()
    finally:
        worker.close()


def _make(
    worker: Worker, executor: Executor, run: Run, left: Sequence[Key], total: int, progress: Progress
) -> Evaluated:
    """Make, score and keep what is left of a run."""
    options = worker.options
    width = options.concurrency or max(_width(worker.model, options.ground), options.workers)
    conditions = partial(conditions_now, mode=options.ground, executor=options.executor, concurrency=width)
    there = total - len(left)
    progress(there, total, None)
    run.under(conditions(worker.model, drift=worker.drifted()))
    purse, made = _Purse(options), 0
    with closing(executor(worker, purse.affordable(left), width)) as attempts:
        for made, (trajectory, scored) in enumerate(attempts, 1):
            run.append(trajectory, scored)
            purse.pay(scored)
            progress(there + made, total, scored)
            if made == 1 and options.executor == "local":  # some models can say more once they have answered
                run.under(conditions(worker.model, drift=worker.drifted()))
    if made > 1 and options.executor == "local":  # and an endpoint may have changed since
        run.under(conditions(worker.model, drift=worker.drifted()))
    return Evaluated(run.path, made, len(left) - made, purse.spent if options.prices else None)


def plan(options: Options) -> Plan:
    """What `evaluate` would do, without doing any of it.

    Raises:
        InputError, PluginError, SetupError: as `evaluate`.
    """
    loaded = load_suite(options.suite)
    tasks = selected(loaded, options)
    model = load_model(options.model, options.model_args, loaded.suite, options.sampling)
    try:
        spec = _spec(options, loaded, model)
    finally:
        model.close()
    run = Run(Run.folder(spec, options.output))
    left = _left(run, tasks, options) if not options.fresh else _wanted(tasks, options)
    by_id = {task.id: task for task in tasks}
    words = len(system_prompt(options, loaded))
    prompt = {task.id: words + _prompt_size(task, loaded) for task in tasks}
    calls = sum(len(by_id[key].reference) for key, _ in left)
    tokens = sum(prompt[key] * (len(by_id[key].reference) + 1) // 4 for key, _ in left)
    total = len(tasks) * options.attempts
    return Plan(spec, run.path, total, total - len(left), tuple(left), calls, tokens)


def _prompt_size(task: Task, loaded: LoadedSuite) -> int:
    offered = [server for server in loaded.ground.servers if server.name in task.servers]
    tools = sum(len(tool.model_dump_json()) for server in offered for tool in server.tools)
    return len(task.request) + tools


# --- running ----------------------------------------------------------------------------------------------------------


class _Purse:
    """What the attempts of one call have cost, and whether another can be paid for."""

    def __init__(self, options: Options) -> None:
        if options.max_cost is not None and options.prices is None:
            remedy = "give --price-in and --price-out, per million tokens"
            raise InputError("needs prices", where="--max-cost", remedy=remedy)
        self._most = options.max_cost
        self._prices = options.prices or (0.0, 0.0)
        self.spent = 0.0

    def affordable(self, keys: Iterable[Key]) -> Iterator[Key]:
        """The keys, as long as what is spent is below the limit."""
        for key in keys:
            if self._most is not None and self.spent >= self._most:
                return
            yield key

    def pay(self, scored: Scored) -> None:
        """Add an attempt.

        Raises:
            InputError: the limit cannot be kept, since the model does not count its tokens.
        """
        usage = scored.usage
        counted = usage.input_tokens is not None or usage.output_tokens is not None
        if self._most is not None and usage.turns and not counted and any(self._prices):
            raise InputError(
                "cannot be kept: the model does not say how many tokens it used",
                where="--max-cost",
                remedy="leave it out, or use an endpoint that reports usage; what was made is kept",
            )
        price_in, price_out = self._prices
        self.spent += ((usage.input_tokens or 0) * price_in + (usage.output_tokens or 0) * price_out) / 1e6


def _width(model: Model, mode: GroundMode) -> int:
    """Attempts side by side: as many as keep the model busy, while live servers leave the processors room."""
    processors = max(2, os.cpu_count() or 2)
    wanted: int = getattr(model, "width", processors)
    return max(1, min(wanted, 4 * processors) if mode == "live" else wanted)


def _spec(options: Options, loaded: LoadedSuite, model: Model) -> RunSpec:
    return RunSpec(
        suite=loaded.suite.name,
        suite_version=loaded.suite.version,
        suite_digest=loaded.suite.digest(),
        ground_digest=loaded.ground.digest(),
        mode=options.ground,
        model=options.model,
        model_args=identity_args(options.model_args),
        model_content=model.content(),
        system_prompt=system_prompt(options, loaded),
        sampling=options.sampling,
        budget=options.budget,
        attempts=options.attempts,
        seed=options.seed,
    )


def _open_run(spec: RunSpec, options: Options) -> Run:
    run = Run.create(spec, options.output)
    if options.fresh and run.begun():  # not by its keys: a broken line must not keep the run from being put aside
        run.close()
        run.set_aside()
        run = Run.create(spec, options.output)
    return run


def _left(run: Run, tasks: Sequence[Task], options: Options) -> list[Key]:
    """Attempts not yet there (or faulted, with `retry_faults`), attempt by attempt so that an early stop is balanced."""
    there = run.keys()
    if options.retry_faults:
        there -= {(row.task, row.attempt) for row in run.scored() if row.stop == "fault"}
    return [key for key in _wanted(tasks, options) if key not in there]


def _wanted(tasks: Sequence[Task], options: Options) -> list[Key]:
    return [(task.id, n) for n in range(options.attempts) for task in tasks]


def _finished(run: Run) -> str:
    return datetime.fromtimestamp(run.trajectories_file.stat().st_mtime, UTC).isoformat(timespec="seconds")


# --- scoring ----------------------------------------------------------------------------------------------------------


def score_run(path: Path, suite: str = "", by: Judge | None = None) -> tuple[int, int]:
    """Score every stored trajectory again, without model or server: (attempts scored, verdicts that changed).

    Raises:
        InputError: no run there, or its suite is not the one that it was run on.
    """
    run = Run.open(path)
    loaded = suite_of(run, suite)
    tasks = loaded.tasks
    before = {(row.task, row.attempt): (row.acc_task.value, row.acc_intent.value) for row in run.scored()}
    counts = {"scored": 0, "changed": 0}

    def rows() -> Iterator[Scored]:
        for trajectory in run.trajectories():
            scored = score_attempt(_task_of(trajectory.task, tasks, run), trajectory, loaded, by)
            counts["scored"] += 1
            now = (scored.acc_task.value, scored.acc_intent.value)
            counts["changed"] += before.get((scored.task, scored.attempt)) != now
            yield scored

    run.write_scored(rows())
    return counts["scored"], counts["changed"]


def _task_of(name: str, tasks: Mapping[str, Task], run: Run) -> Task:
    task = tasks.get(name)
    if task is None:
        remedy = f"remove its line from {run.trajectories_file.name}, or run again with --fresh"
        what = f"holds an attempt at {name!r}, which the suite does not have"
        raise InputError(what, where=str(run.path), remedy=remedy)
    return task


def suite_of(run: Run, suite: str = "") -> LoadedSuite:
    """The suite that a run was made on.

    Raises:
        InputError: the suite found has another digest: its verdicts would not be comparable.
    """
    spec = run.spec()
    loaded = load_suite(suite or spec.suite)
    if loaded.suite.digest() != spec.suite_digest:
        raise InputError(
            f"was run on {spec.suite} {spec.suite_version} with digest {spec.suite_digest[:12]}; "
            f"{loaded.path} is {loaded.suite.version} with {loaded.suite.digest()[:12]}",
            where=str(run.path),
            remedy="name that suite's folder with --tasks, or run again",
        )
    return loaded


# --- reporting --------------------------------------------------------------------------------------------------------


def report(path: Path, suite: str = "") -> Report:
    """A run in numbers; attempts are streamed, never all in memory.

    Raises:
        InputError: no run there, or its suite is not the one that it was run on.
    """
    run = Run.open(path)
    loaded = suite_of(run, suite)
    spec = run.spec()
    about = About(
        suite=spec.suite,
        suite_version=spec.suite_version,
        ground=spec.ground_digest,
        mode=spec.mode,
        model=spec.model,
        run=run.path.name,
        tasks=len(loaded.suite.tasks),
        attempts=spec.attempts,
        seed=spec.seed,
        sampling=spec.sampling,
        conditions=run.conditions(),
        results=run.results_digest(),
    )
    return summarise(run.scored(), loaded.tasks, about, floors(loaded))


_FLOORS = {
    "do-nothing": "Done.",
    "always-ask": "Could you tell me which one you mean, and when, where, who and how much?",
    "always-decline": "Sorry, I cannot do that: I have no tool for it.",
}
"""Agents that never look at the request, and their one message."""


def floors(loaded: LoadedSuite) -> tuple[Floor, ...]:
    """What agents that never look at the request score on the suite: no model, no server, the same scorers."""
    found: list[Floor] = []
    for name, message in _FLOORS.items():
        scored = [score_attempt(task, _idle(task, message), loaded) for task in loaded.suite.tasks]
        complete = [row.acc_task.value or 0.0 for row in scored]
        aligned = [row.acc_intent.value or 0.0 for row in scored]
        found.append(Floor(name=name, acc_task=sum(complete) / len(complete), acc_intent=sum(aligned) / len(aligned)))
    return tuple(found)


def _idle(task: Task, message: str) -> Trajectory:
    messages = (User(content=task.request), Assistant(content=message))
    return Trajectory(task=task.id, mode="live", messages=messages, end_state=())
