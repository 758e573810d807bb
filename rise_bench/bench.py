"""The public verbs: evaluate a model, score a stored run again, report it, state a suite's floors, prove its tasks."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from pydantic import JsonValue

from rise_bench import plugins
from rise_bench.errors import InputError
from rise_bench.ground.replay import Recorder
from rise_bench.model.load import identity_args
from rise_bench.model.load import load as load_model
from rise_bench.report import About, Floor, Report, summarise
from rise_bench.rollout import attempt as roll_out
from rise_bench.runs import Run
from rise_bench.score import score as judge
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import (
    Assistant,
    Budget,
    GroundMode,
    GroundSource,
    Judge,
    Model,
    RunSpec,
    Sampling,
    Scored,
    Task,
    Trajectory,
    User,
)

__all__ = ["Evaluated", "Options", "Plan", "evaluate", "floors", "plan", "report", "score_attempt", "score_run"]


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
    cassette: Path | None = None
    record: Path | None = None
    """Write every call and what it gave to this cassette, for a later replay."""
    notice: Callable[[str], None] | None = None
    """Takes a line about each server that is installed."""
    limit: int | None = None
    sample_ids: Sequence[str] = ()
    concurrency: int = 0
    """Attempts side by side; 0 = chosen by the number of processors."""
    output: Path = Path("runs")
    fresh: bool = False
    retry_faults: bool = False
    allow_unsafe: bool = False
    max_cost: float | None = None
    """Stop handing out attempts once those made by this call cost this much, in the currency of `prices`."""
    prices: tuple[float, float] | None = None
    """Price of a million input and output tokens."""


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
        PluginError: no such model or ground.
    """
    loaded = load_suite(options.suite)
    tasks = _selected(loaded, options)
    model = load_model(options.model, options.model_args, loaded.suite, options.sampling)
    try:
        run = _open_run(_spec(options, loaded, model), options)
        try:
            for key in sorted(run.unscored()):
                run.append_scored(score_attempt(_task_of(key[0], loaded.tasks, run), run.trajectory(*key), loaded))
            left = _left(run, tasks, options)
            total = len(tasks) * options.attempts
            if not left:
                return Evaluated(run.path, 0, finished=_finished(run))
            progress(total - len(left), total, None)
            source = _open_ground(options, loaded, tasks)
            try:
                made, cost = _run_all(_Work(options, loaded, model, source, run, progress, total), left)
            finally:
                source.close()
            return Evaluated(run.path, made, len(left) - made, cost if options.prices else None)
        finally:
            run.close()
    finally:
        model.close()


def plan(options: Options) -> Plan:
    """What `evaluate` would do, without doing any of it.

    Raises:
        InputError, PluginError, SetupError: as `evaluate`.
    """
    loaded = load_suite(options.suite)
    tasks = _selected(loaded, options)
    model = load_model(options.model, options.model_args, loaded.suite, options.sampling)
    try:
        spec = _spec(options, loaded, model)
    finally:
        model.close()
    run = Run(Run.folder(spec, options.output))
    left = _left(run, tasks, options)
    by_id = {task.id: task for task in tasks}
    prompt = {task.id: _prompt_size(task, loaded) for task in tasks}
    calls = sum(len(by_id[key].reference) for key, _ in left)
    tokens = sum(prompt[key] * (len(by_id[key].reference) + 1) // 4 for key, _ in left)
    total = len(tasks) * options.attempts
    return Plan(spec, run.path, total, total - len(left), tuple(left), calls, tokens)


def _prompt_size(task: Task, loaded: LoadedSuite) -> int:
    offered = [server for server in loaded.ground.servers if server.name in task.servers]
    tools = sum(len(tool.model_dump_json()) for server in offered for tool in server.tools)
    return len(loaded.suite.system_prompt) + len(task.request) + tools


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Work:
    """All that an attempt needs, shared by the threads."""

    options: Options
    loaded: LoadedSuite
    model: Model
    source: GroundSource
    run: Run
    progress: Progress
    total: int

    def one(self, task: Task, number: int) -> Scored:
        """Make, score and keep one attempt."""
        trajectory = roll_out(
            self.model,
            self.source,
            task,
            system_prompt=_system_prompt(self.options, self.loaded),
            budget=self.options.budget,
            number=number,
            seed=_seed(self.options.seed, task.id, number),
        )
        scored = score_attempt(task, trajectory, self.loaded)
        self.run.append(trajectory, scored)
        return scored


def _run_all(work: _Work, left: Sequence[tuple[str, int]]) -> tuple[int, float]:
    """(attempts made, their cost). Only as many are begun as run side by side, so that an error ends the run at once."""
    tasks = work.loaded.tasks
    width = work.options.concurrency or max(2, os.cpu_count() or 2)
    there = work.total - len(left)
    made, cost = 0, 0.0
    queue = iter(left)
    running: set[Future[Scored]] = set()
    try:
        while True:
            while len(running) < width and _affordable(cost, work.options) and (key := next(queue, None)):
                running.add(_begin(work, tasks[key[0]], key[1]))
            if not running:
                return made, cost
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                scored = future.result()
                made += 1
                cost += _cost(scored, work.options)
                work.progress(there + made, work.total, scored)
    except BaseException:
        work.run.close()  # what still runs is no longer kept: its ground and its model are about to be closed under it
        raise


def _begin(work: _Work, task: Task, number: int) -> Future[Scored]:
    """An attempt in a thread of its own: a daemon, since the threads of an executor would hold the interpreter's exit
    until the slowest model has answered, and so an interrupt.
    """
    future: Future[Scored] = Future()

    def body() -> None:
        try:
            future.set_result(work.one(task, number))
        except BaseException as error:  # whatever it is, it belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=body, name=f"attempt {number} at {task.id}", daemon=True).start()
    return future


def _affordable(cost: float, options: Options) -> bool:
    if options.max_cost is not None and options.prices is None:
        remedy = "give --price-in and --price-out, per million tokens"
        raise InputError("needs prices", where="--max-cost", remedy=remedy)
    return options.max_cost is None or cost < options.max_cost


def _cost(scored: Scored, options: Options) -> float:
    usage = scored.usage
    counted = usage.input_tokens is not None or usage.output_tokens is not None
    if options.max_cost is not None and usage.turns and not counted and any(options.prices or ()):
        raise InputError(
            "cannot be kept: the model does not say how many tokens it used",
            where="--max-cost",
            remedy="leave it out, or use an endpoint that reports usage; what was made is kept",
        )
    price_in, price_out = options.prices or (0.0, 0.0)
    return ((usage.input_tokens or 0) * price_in + (usage.output_tokens or 0) * price_out) / 1e6


def _seed(seed: int, task: str, number: int) -> int:
    """A seed of its own for each attempt, the same in every process."""
    return random.Random(f"{seed}/{task}/{number}").getrandbits(31)


def _selected(loaded: LoadedSuite, options: Options) -> list[Task]:
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


def _system_prompt(options: Options, loaded: LoadedSuite) -> str:
    return loaded.suite.system_prompt if options.system_prompt is None else options.system_prompt


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
        system_prompt=_system_prompt(options, loaded),
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


def _left(run: Run, tasks: Sequence[Task], options: Options) -> list[tuple[str, int]]:
    """Attempts not yet there (or faulted, with `retry_faults`), attempt by attempt so that an early stop is balanced."""
    there = run.keys()
    if options.retry_faults:
        there -= {(row.task, row.attempt) for row in run.scored() if row.stop == "fault"}
    return [(task.id, n) for n in range(options.attempts) for task in tasks if (task.id, n) not in there]


def _finished(run: Run) -> str:
    return datetime.fromtimestamp(run.trajectories_file.stat().st_mtime, UTC).isoformat(timespec="seconds")


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
        notice=options.notice,
    )
    return Recorder(source, options.record) if options.record else source


# --- scoring ----------------------------------------------------------------------------------------------------------


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
