"""The suites as lm-eval tasks: documents, prompts, metrics; `tasks/lm_eval/` only binds them to lm-eval's classes."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from rise_bench.model.prompt import plain_prompt, prompted, read_text
from rise_bench.model.wire import Names
from rise_bench.static import Judged, Step, distractors, judge, steps
from rise_bench.stats import mean_interval
from rise_bench.store import DATA, LoadedSuite
from rise_bench.types import Assistant

__all__ = [
    "AGGREGATIONS",
    "CHOICE_METRICS",
    "STATIC_METRICS",
    "TASKS",
    "chat_prompt",
    "choice_documents",
    "choice_result",
    "message_of",
    "plain_prompt",
    "static_documents",
    "static_result",
    "suite_steps",
]

TASKS = DATA / "tasks" / "lm_eval"
"""What `lm_eval --include_path` is given."""

Document: TypeAlias = dict[str, Any]
Unknown: TypeAlias = Literal["N/A"]

STATIC_METRICS = ("acc_task", "acc_intent", "step_task", "step_intent", "parsed", "icp_recall", "decision")
CHOICE_METRICS = ("acc", "acc_norm", "chance", "margin", "scored")
_WHOLE = ("acc_task", "acc_intent")


# --- documents --------------------------------------------------------------------------------------------------------


def suite_steps(loaded: LoadedSuite) -> list[Step]:
    """All steps of a suite: tasks in the order of a hash of their ids, so that a limit takes a fair share of each kind.

    Raises:
        InputError: a task has no recorded results.
    """
    suite = loaded.suite
    tasks = sorted(suite.tasks, key=lambda task: _hash(task.id))
    return [step for task in tasks for step in steps(task, loaded.ground, suite.system_prompt)]


def static_documents(loaded: LoadedSuite) -> list[Document]:
    """One document a step: which message is next? Nested data as JSON text; the same in every run.

    Raises:
        InputError: a task has no recorded results.
    """
    head = _head(loaded)
    return [{**head, **_document(step), "target": _text(step, step.expected)} for step in suite_steps(loaded)]


def choice_documents(loaded: LoadedSuite) -> list[Document]:
    """One document a step that has at least one distractor: the expected call among its mutations.

    `choices` are the calls as text, `gold` the expected one's position (drawn by a hash of the id: a model that always
    takes the first is right as often as chance), `changed` per choice what was changed, empty for the expected one.

    Raises:
        InputError: a task has no recorded results.
    """
    head, found = _head(loaded), []
    for step in suite_steps(loaded):
        wrong = distractors(step, loaded.ground)
        if not wrong:
            continue
        choices = [_text(step, item.message) for item in wrong]
        changed = [f"{item.operator} {item.argument}".strip() for item in wrong]
        gold = int(_hash(step.id)[:8], 16) % (len(choices) + 1)
        choices.insert(gold, _text(step, step.expected))
        changed.insert(gold, "")
        found.append({**head, **_document(step), "choices": choices, "gold": gold, "changed": changed})
    return found


def _head(loaded: LoadedSuite) -> Document:
    suite = loaded.suite
    return {"suite": f"{suite.name}@{suite.version}", "suite_digest": suite.digest(), "canary": suite.canary}


def _document(step: Step) -> Document:
    messages = prompted(step.messages, step.tools, Names.of(step.tools))
    return {
        "id": step.id,
        "task": step.task.id,
        "step": step.number,
        "steps": step.of,
        "kind": step.task.kind,
        "cluster": step.task.cluster,
        "messages": json.dumps(messages, ensure_ascii=False),
    }


def _text(step: Step, message: Assistant) -> str:
    """A message as the prompt writes messages of its history."""
    return prompted([message], (), Names.of(step.tools))[0]["content"]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- prompts ----------------------------------------------------------------------------------------------------------


def chat_prompt(messages: Sequence[Mapping[str, str]], template: Callable[[list[dict[str, str]]], Any]) -> Any:
    """The messages through a model's own chat template, each in its role.

    A template that refuses or leaves out the system message would leave out the tools: lm-eval drops that message and
    goes on. Then it is put before the first user message instead.
    """
    plain = [dict(message) for message in messages]
    text = template(plain)
    told = plain[0]["content"].strip()
    if plain[0]["role"] != "system" or not isinstance(text, str) or told in text:
        return text
    asked = {"role": plain[1]["role"], "content": f"{told}\n\n{plain[1]['content']}"}
    return template([asked, *plain[2:]])


# --- results ----------------------------------------------------------------------------------------------------------


def message_of(step: Step, text: str) -> Assistant:
    """What a model wrote, as a message: calls read by our parser in whatever syntax they are, wire names as tool ids."""
    names = Names.of(step.tools)
    schemas = {names.wire(tool.id): tool.parameters for tool in step.tools}
    return read_text(text, names, parser="auto", step=step.index, schemas=schemas)


def static_result(step: Step, text: str, loaded: LoadedSuite) -> dict[str, Any]:
    """The metrics of one document of `rise_static`.

    `step_*` are this step's verdicts; the others hold what their aggregation needs: see `AGGREGATIONS`. A verdict that
    could not be given (a judge is needed) leaves its metrics out. `<metric>_stderr` stands where lm-eval would put the
    standard error of independent documents, and overrides it: steps of a task, and tasks of a cluster, are not.
    """
    message = message_of(step, text)
    found = judge(step, message, loaded.ground)
    cluster = step.task.own_cluster
    result: dict[str, Any] = {}
    for name, verdict in (("task", found.acc_task), ("intent", found.acc_intent)):
        if verdict.value is not None:
            result |= _both(f"step_{name}", verdict.value, cluster)
            item = [step.task.id, step.of, cluster, verdict.value]
            result |= {f"acc_{name}": item, f"acc_{name}_stderr": item}
    decided = step.task.kind in ("underspecified", "infeasible") and found.acc_intent.value is not None
    result["icp_recall"] = _recalled(step, found)
    result["decision"] = [found.acc_intent.value if decided else 0.0, float(decided)]
    return result | _both("parsed", float(not message.malformed), cluster)


def _recalled(step: Step, found: Judged) -> list[int]:
    """[critical parameters matched, critical parameters] of the calls that the message was compared with."""
    matched = found.acc_intent.details.get("icp_matched")
    total = len(found.task.intent.critical)
    return [matched if isinstance(matched, int) else 0, total]


def choice_result(document: Mapping[str, Any], logs: Sequence[float]) -> dict[str, Any]:
    """The metrics of one document of `rise_choice`.

    `acc` and `acc_norm` (per character) are 1 iff the expected call is likelier than every other choice: a tie is a
    miss. `margin` is its lead over the best other, in nats; `chance` is 1 / choices. `scored` is 1; where an engine gave
    a log-likelihood that is no finite number it is 0 and alone: that is its fault, and neither a hit nor a miss.

    Args:
        document: of `choice_documents`.
        logs: log-likelihood of each choice, in nats.
    """
    gold, choices = document["gold"], document["choices"]
    cluster = document["cluster"] or document["task"]
    if not all(map(math.isfinite, logs)):
        return _both("scored", 0.0, cluster)
    lead = logs[gold] - max(value for i, value in enumerate(logs) if i != gold)
    scaled = [value / len(text) for value, text in zip(logs, choices, strict=True)]
    lead_scaled = scaled[gold] - max(value for i, value in enumerate(scaled) if i != gold)
    return {
        **_both("acc", float(lead > 0), cluster),
        **_both("acc_norm", float(lead_scaled > 0), cluster),
        **_both("chance", 1 / len(choices), cluster),
        **_both("margin", float(lead), cluster),
        **_both("scored", 1.0, cluster),
    }


def _both(name: str, value: float, cluster: str) -> dict[str, Any]:
    return {name: value, f"{name}_stderr": [cluster, value]}


# --- aggregation ------------------------------------------------------------------------------------------------------


def _mean(values: Sequence[float]) -> float:
    """Not a number where a limit left nothing: lm-eval averages it over the group, which takes no text."""
    return sum(values) / len(values) if values else math.nan


def _stderr(values: Sequence[float], clusters: Sequence[str]) -> float | Unknown:
    """Half of the 95 % cluster-robust interval over 1.96; `N/A` where no interval can be given.

    The interval is `stats.mean_interval`'s (CR2, t with few degrees of freedom), so that value ± 1.96 stderr is it.
    """
    found = mean_interval(values, clusters, bounds=None)
    return "N/A" if found.low is None or found.high is None else (found.high - found.low) / 2 / 1.959964


def _trajectories(items: Sequence[tuple[str, int, str, float]]) -> tuple[list[float], list[str]]:
    """Value and cluster of each task all of whose steps are there: 1 iff all its steps are (DESIGN 3)."""
    values: dict[str, list[float]] = defaultdict(list)
    told: dict[str, tuple[int, str]] = {}
    for task, of, cluster, value in items:
        values[task].append(value)
        told[task] = of, cluster
    whole = [task for task in values if len(values[task]) == told[task][0]]
    return [min(values[task]) for task in whole], [told[task][1] for task in whole]


def _trajectory_mean(items: Sequence[tuple[str, int, str, float]]) -> float:
    return _mean(_trajectories(items)[0])


def _trajectory_stderr(items: Sequence[tuple[str, int, str, float]]) -> float | Unknown:
    return _stderr(*_trajectories(items))


def _clustered_stderr(items: Sequence[tuple[str, float]]) -> float | Unknown:
    return _stderr([value for _, value in items], [cluster for cluster, _ in items])


def _ratio(items: Sequence[tuple[float, float]]) -> float | Unknown:
    over, under = sum(item[0] for item in items), sum(item[1] for item in items)
    return over / under if under else "N/A"


def _aggregations() -> dict[str, Callable[[Any], float | Unknown]]:
    found: dict[str, Callable[[Any], float | Unknown]] = {"icp_recall": _ratio, "decision": _ratio}
    for name in (*STATIC_METRICS, *CHOICE_METRICS):
        if name not in found:
            found[name] = _trajectory_mean if name in _WHOLE else _mean
            found[f"{name}_stderr"] = _trajectory_stderr if name in _WHOLE else _clustered_stderr
    return found


AGGREGATIONS = _aggregations()
"""Metric -> what makes one number of its documents' values. A task of which a limit cut off a step is left out of
`acc_task` and `acc_intent`."""
