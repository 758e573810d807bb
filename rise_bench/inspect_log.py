"""A run as an Inspect log: what `inspect view` opens, Inspect's data frames read, and `import inspect` reads back."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inspect_ai.log import (
    EvalError,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalSampleLimit,
    EvalScore,
    EvalSpec,
    EvalStats,
    recompute_metrics,
    write_eval_log,
)
from inspect_ai.model import ChatCompletionChoice, ChatMessage, ChatMessageAssistant, ModelOutput, ModelUsage
from inspect_ai.scorer import Score

from rise_bench import bench
from rise_bench.errors import InputError
from rise_bench.importers.inspect_messages import FORMAT, KEY, to_inspect
from rise_bench.report import Report, outcome_of
from rise_bench.runs import Run
from rise_bench.stats import Estimate
from rise_bench.store import cannot_write
from rise_bench.types import Budget, RunSpec, Scored, Stop, Task, Trajectory, Usage, Verdict, canonical

__all__ = ["export_inspect", "inspect_log"]

_LIMITS: dict[Stop, tuple[str, str]] = {
    "max_turns": ("turn", "turns"),
    "max_calls": ("custom", "calls"),
    "max_tokens": ("token", "tokens"),
    "timeout": ("time", "seconds"),
    "context_overflow": ("context", ""),
    "agent_failed": ("custom", ""),
    "server_died": ("custom", ""),
}
"""Stop -> Inspect's kind of limit, and the field of the budget that set it. None of them is an error: they are scored."""

_STOP_REASONS: dict[Stop, str] = {
    "output_limit": "max_tokens",
    "content_filter": "content_filter",
    "context_overflow": "model_length",
}
_METRICS = [{"name": "inspect_ai/mean"}, {"name": "inspect_ai/stderr", "options": {"cluster": "cluster"}}]


def export_inspect(run: Path, target: Path, suite: str = "") -> int:
    """The number of attempts written to `target`, in the format that its suffix names.

    All attempts are in memory while it writes: Inspect's public writer takes a whole log.

    Args:
        run: a run folder.
        target: a file that ends in `.eval` or `.json`; replaced whole if it is there.
        suite: folder of the run's suite, where it is not a shipped one.

    Raises:
        InputError: no run there, not its suite, another suffix, or the file cannot be written.
    """
    if target.suffix not in (".eval", ".json"):
        raise InputError(
            f"ends in {target.suffix or 'nothing'!r}", where=str(target), remedy="name it *.eval or *.json"
        )
    log = inspect_log(run, suite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            whole = Path(folder) / f"log{target.suffix}"
            write_eval_log(log, whole)
            os.replace(whole, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    return len(log.samples or ())


def inspect_log(path: Path, suite: str = "") -> EvalLog:
    """A run as Inspect's own record.

    A sample is an attempt: its id the task's, its epoch the attempt's number from 1. A fault becomes a sample's error
    without scores; an attempt that a scorer cannot decide becomes Inspect's "unscored" for both. Mean and standard error
    (by cluster) are those that Inspect computes from the samples; beside them stand the bounds of our interval.

    Raises:
        InputError: no run there, or not its suite.
    """
    run = Run.open(path)
    loaded, spec, report = bench.suite_of(run, suite), run.spec(), bench.report(path, suite)
    samples = list(_samples(run, spec, loaded.tasks))
    begun, ended = _instant(path / "run.json"), _instant(run.verdicts_file)
    log = EvalLog(
        status="success",
        eval=_spec(run, spec, samples, begun),
        plan=_plan(spec),
        stats=EvalStats(started_at=begun, completed_at=ended, model_usage=_all_usage(spec.model, samples)),
        results=EvalResults(metadata={"outcomes": report.outcomes.model_dump(), "icp_recall": report.icp_recall.value}),
        samples=samples,
    )
    recompute_metrics(log)
    _add_ours(log, report)
    return log


def _instant(path: Path) -> str:
    moment = path.stat().st_mtime if path.is_file() else 0.0
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _name(*parts: object) -> str:
    """An id as long as Inspect's own, the same for the same parts."""
    return hashlib.sha256(canonical([str(part) for part in parts]).encode()).hexdigest()[:22]


# --- the head ---------------------------------------------------------------------------------------------------------


def _spec(run: Run, spec: RunSpec, samples: list[EvalSample], created: str) -> EvalSpec:
    digest = spec.digest()
    sampling = spec.sampling
    return EvalSpec.model_validate(
        {
            "eval_id": _name("eval", digest),
            "run_id": _name("run", digest),
            "created": created,
            "task": f"rise_bench/{spec.suite}",
            "task_id": _name("task", digest),
            "task_version": spec.suite_version,
            "dataset": {
                "name": spec.suite,
                "samples": len({sample.id for sample in samples}),
                "sample_ids": list(dict.fromkeys(sample.id for sample in samples)),
            },
            "model": spec.model,
            "model_args": spec.model_args,
            "model_generate_config": {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_tokens,
                "seed": spec.seed,
            },
            "config": {
                "epochs": spec.attempts,
                "epochs_reducer": ["mean"],
                "fail_on_error": False,
                "token_limit": spec.budget.tokens,
                "time_limit": math.ceil(spec.budget.seconds),
            },
            "packages": {"rise_bench": version("rise-bench"), "inspect_ai": version("inspect-ai")},
            "tags": [spec.mode],
            "scorers": [{"name": name, "metrics": _METRICS} for name in ("acc_intent", "acc_task")],
            "metadata": {
                KEY: {
                    "format": FORMAT,
                    "run": run.path.name,
                    "spec": spec.model_dump(mode="json"),
                    "conditions": [made.model_dump(mode="json") for made in run.conditions()],
                }
            },
        }
    )


def _plan(spec: RunSpec) -> Any:
    params = {"system_prompt": spec.system_prompt, **spec.budget.model_dump()}
    return {"name": "rise_bench", "steps": [{"solver": "rise_bench/attempt", "params": params}]}


def _all_usage(model: str, samples: list[EvalSample]) -> dict[str, ModelUsage]:
    counted = [usage for sample in samples for usage in sample.model_usage.values()]
    return {model: sum(counted[1:], counted[0])} if counted else {}


def _add_ours(log: EvalLog, report: Report) -> None:
    """The bounds of our intervals, and the silent deviation rate, which is no mean of samples."""
    assert log.results is not None
    ours = {"acc_intent": report.acc_intent, "acc_task": report.acc_task}
    for score in log.results.scores:
        if ours[score.name].value is None:
            score.metrics = {}  # nothing was judged: there is no number, and Inspect's NaN is none
        score.metrics |= _bounds(ours[score.name])
    silent = report.silent_rate
    if silent.value is not None:
        value = EvalMetric(name="rate", value=silent.value)
        metrics = {"rate": value, **_bounds(silent)}
        about = {"meaning": "P(not as meant | looks done), over tasks"}
        log.results.scores.append(
            EvalScore(
                name="silent_deviation",
                scorer="silent_deviation",
                scored_samples=silent.n,
                metrics=metrics,
                metadata=about,
            )
        )


def _bounds(estimate: Estimate) -> dict[str, EvalMetric]:
    about = {"level": estimate.level, "method": estimate.method, "clusters": estimate.clusters, "tasks": estimate.n}
    bounds = {"ci_low": estimate.low, "ci_high": estimate.high}
    return {
        name: EvalMetric(name=name, value=value, metadata=about) for name, value in bounds.items() if value is not None
    }


# --- samples ----------------------------------------------------------------------------------------------------------


def _samples(run: Run, spec: RunSpec, tasks: Mapping[str, Task]) -> Iterator[EvalSample]:
    scored = {(row.task, row.attempt): row for row in run.scored()}
    for trajectory in run.trajectories():
        row = scored.get((trajectory.task, trajectory.attempt))
        if row is None:
            what = f"attempt {trajectory.attempt} at {trajectory.task!r} has no verdicts"
            raise InputError(what, where=str(run.path), remedy=f"rise-bench score {run.path}")
        yield _sample(spec, tasks[trajectory.task], trajectory, row)


def _sample(spec: RunSpec, task: Task, trajectory: Trajectory, scored: Scored) -> EvalSample:
    name = _name(spec.digest(), task.id, trajectory.attempt)
    messages = to_inspect(trajectory.messages, name, spec.model)
    usage = _usage(trajectory.usage)
    output = _output(spec.model, messages, trajectory, usage)
    return EvalSample(
        id=task.id,
        epoch=trajectory.attempt + 1,
        input=task.request,
        target=[
            json.dumps({"name": call.tool, "arguments": call.arguments}, ensure_ascii=False) for call in task.reference
        ],
        messages=messages,
        output=output,
        scores=None if trajectory.fault else _scores(scored, output.completion),
        error=EvalError(message=trajectory.fault, traceback="", traceback_ansi="") if trajectory.fault else None,
        limit=_limit(trajectory.stop, spec.budget),
        model_usage={spec.model: usage} if usage else {},
        total_time=trajectory.usage.seconds,
        working_time=trajectory.usage.seconds,
        turn_count=trajectory.usage.turns,
        uuid=name,
        metadata={
            "outcome": outcome_of(scored),
            "kind": task.kind,
            "cluster": task.own_cluster,
            "servers": list(task.servers),
            KEY: {
                "digest": trajectory.digest(),
                "trajectory": trajectory.model_dump(mode="json", exclude={"messages"}),
            },
        },
    )


def _usage(usage: Usage) -> ModelUsage | None:
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return ModelUsage(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _output(model: str, messages: list[ChatMessage], trajectory: Trajectory, usage: ModelUsage | None) -> ModelOutput:
    last = messages[-1] if messages else None
    if not isinstance(last, ChatMessageAssistant):
        return ModelOutput(model=model, usage=usage)
    reason: Any = _STOP_REASONS.get(trajectory.stop, "tool_calls" if last.tool_calls else "stop")
    return ModelOutput(model=model, choices=[ChatCompletionChoice(message=last, stop_reason=reason)], usage=usage)


def _limit(stop: Stop, budget: Budget) -> EvalSampleLimit | None:
    if stop not in _LIMITS:
        return None
    kind, field = _LIMITS[stop]
    limit = float(getattr(budget, field)) if field else 0.0
    return EvalSampleLimit.model_validate({"type": kind, "limit": limit, "reason": stop})


def _scores(scored: Scored, answer: str) -> dict[str, Score]:
    judged = outcome_of(scored) != "unjudged"
    return {verdict.scorer: _score(verdict, judged, answer or None) for verdict in (scored.acc_intent, scored.acc_task)}


def _score(verdict: Verdict, judged: bool, answer: str | None) -> Score:
    about = verdict.model_dump(mode="json", include={"version", "evidence", "labels", "details"})
    if judged and verdict.value is not None:
        value = int(verdict.value) if verdict.value.is_integer() else verdict.value
        return Score(value=value, answer=answer, explanation=verdict.reason, metadata=about)
    about["value"] = verdict.value  # what the one scorer that could decide said: neither is counted, as in our report
    return Score.unscored(reason="scoring_failed", answer=answer, explanation=verdict.reason, metadata=about)
