"""Sample logs of our lm-eval tasks as static trajectories: judged again, and compared with what lm-eval logged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rise_bench.errors import InputError
from rise_bench.importers.imported import Attempt, Imported, json_lines
from rise_bench.lmeval import AGGREGATIONS, choice_result, message_of, suite_steps
from rise_bench.static import Judged, Step, judge
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Record, Task

__all__ = ["ChoiceScore", "choice_scores", "holds_static", "import_lm_eval"]

_NAME = re.compile(r"samples_(?P<task>rise_static|rise_choice)_(?P<stamp>.+)\.jsonl")
_OURS = "run lm_eval with --log_samples on the tasks in tasks/lm_eval"
_TEXTS = ("id", "task", "suite", "suite_digest")
Item = list[Any]


class ChoiceScore(Record):
    """One log of `rise_choice`: figures from its log-likelihoods, and how many documents were logged otherwise."""

    source: str
    model: str
    steps: int
    acc: float
    acc_norm: float
    chance: float
    margin: float
    """Mean lead of the expected call over the likeliest mutation, in nats."""
    unscored: int
    """Documents with a log-likelihood that is no finite number: they are in none of the figures."""
    differing: int
    """Documents whose logged `acc` or `acc_norm` is not what their log-likelihoods give."""


@dataclass(slots=True)
class _Rows:
    """What is gathered while the logs are read."""

    tasks: dict[str, Task] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    whole: dict[str, list[tuple[Item, Item]]] = field(default_factory=dict)
    """Model and number of the log -> (Acc_task, Acc_intent) of each step, as `AGGREGATIONS` take them."""
    other: int = 0
    differing: int = 0


def import_lm_eval(source: str | Path, suite: str = "") -> Imported:
    """Each logged step of `rise_static` as a task of its own, and what the model wrote there as a static trajectory.

    The logged `step_intent` is the official verdict: `study` compares ours with it. A step that was answered by a call
    that could as well come later is the task `STEP=CALL`, with that call as its reference.

    Args:
        source: a `samples_rise_static_*.jsonl`, or a folder with such files anywhere below it; the model's name is
            taken from the `results_*.json` beside each, else from its folder.
        suite: name or folder of the suite, where it is not a shipped one.

    Raises:
        InputError: no such log, a line that is not of our tasks, or a suite that is not the one that was run.
    """
    files = _files(Path(source), "rise_static")
    if not files:
        raise InputError("holds no samples_rise_static_*.jsonl", where=str(source), remedy=_OURS)
    loaded: LoadedSuite | None = None
    steps: dict[str, Step] = {}
    rows, models = _Rows(), [_model(file) for file in files]
    for number, (file, model) in enumerate(zip(files, models, strict=True)):
        for where, row in _documents(file):
            if loaded is None:
                loaded = _suite(suite, row["doc"], where)
                steps = {step.id: step for step in suite_steps(loaded)}
            _same_suite(loaded, row["doc"], where)
            step = steps.get(row["doc"]["id"])
            if step is None:
                raise InputError(f"step {row['doc']['id']!r} is not in the suite", where=where, remedy=_OURS)
            _add(rows, model, models[:number].count(model), step, row, loaded, where)
    if loaded is None:
        raise InputError("the logs hold no document", where=str(source), remedy=_OURS)
    return Imported(
        name=f"lm-eval/{loaded.suite.name}",
        ground=loaded.ground,
        tasks=rows.tasks,
        models=tuple(dict.fromkeys(models)),
        read=lambda: iter(rows.attempts),
        notes=tuple(_notes(rows)),
    )


def holds_static(source: str | Path) -> bool:
    """True where there is a log of `rise_static` to import.

    Raises:
        InputError: there is nothing there, or a file that is no log of our tasks.
    """
    return bool(_files(Path(source), "rise_static"))


def choice_scores(source: str | Path) -> tuple[ChoiceScore, ...]:
    """The figures of each log of `rise_choice`, from its log-likelihoods. They are no attempts: nothing was answered.

    Raises:
        InputError: a log that cannot be read, or a line that is not of our tasks.
    """
    return tuple(_choice_score(file) for file in _files(Path(source), "rise_choice"))


# --- files ------------------------------------------------------------------------------------------------------------


def _files(source: Path, task: str) -> list[Path]:
    """The logs of one of our tasks, oldest first in each folder."""
    if not source.exists():
        raise InputError("no such file or folder", where=str(source), remedy="give a log or a folder of logs")
    found = sorted(source.rglob("samples_rise_*.jsonl")) if source.is_dir() else [source]
    names = [(file, _NAME.fullmatch(file.name)) for file in found]
    if source.is_file() and names[0][1] is None:
        raise InputError("is no log of our lm-eval tasks", where=str(source), remedy=_OURS)
    return [file for file, name in names if name is not None and name["task"] == task]


def _model(file: Path) -> str:
    """The model behind a log: as lm-eval names it in the results beside it, else the folder's name, else the file's."""
    name = _NAME.fullmatch(file.name)
    results = file.with_name(f"results_{name['stamp']}.json") if name else file
    if name and results.is_file():
        try:
            found = json.loads(results.read_text(encoding="utf-8"))  # not strict: lm-eval writes NaN for empty means
            said = str(found["config"]["model"] or ""), str(found.get("model_name") or "")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"is no results file of lm-eval ({type(error).__name__}: {error})"
            raise InputError(what, where=str(results), remedy="restore it, or take it away") from error
        if any(said):
            return ":".join(part for part in said if part)
    return file.parent.name or file.stem


def _documents(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, sample) of each document, once where lm-eval logged it once for each filter.

    Raises:
        InputError: a line that is no sample of ours, or a document that would count twice.
    """
    first = None
    seen: set[str] = set()
    for number, row in json_lines(file):
        where = f"{file}:{number}"
        doc = row.get("doc") if isinstance(row, dict) else None
        if not isinstance(doc, dict) or not all(isinstance(doc.get(key), str) for key in _TEXTS):
            raise InputError("is no sample of our lm-eval tasks", where=where, remedy=_OURS)
        first = row.get("filter") if first is None else first
        if row.get("filter") == first:
            if doc["id"] in seen:
                raise InputError(f"document {doc['id']!r} occurs twice", where=where, remedy="keep one log a file")
            seen.add(doc["id"])
            yield where, row


def _answers(row: dict[str, Any], where: str) -> list[Any]:
    answers = row.get("filtered_resps")
    if not isinstance(answers, list) or not answers:
        raise InputError("has no `filtered_resps`", where=where, remedy=_OURS)
    return answers


# --- rise_static ------------------------------------------------------------------------------------------------------


def _suite(suite: str, doc: dict[str, Any], where: str) -> LoadedSuite:
    try:
        return load_suite(suite or doc["suite"])
    except InputError as error:
        if suite:
            raise
        what = f"was run on suite {doc['suite']!r}, which is not here ({error.what})"
        raise InputError(what, where=where, remedy="name its folder: --tasks FOLDER") from error


def _same_suite(loaded: LoadedSuite, doc: dict[str, Any], where: str) -> None:
    if doc["suite_digest"] != (here := loaded.suite.digest()):
        what = f"was run on {doc['suite']} with digest {doc['suite_digest'][:12]}, here it is {here[:12]}"
        raise InputError(what, where=where, remedy="use the release it was run with, or --tasks FOLDER")


def _add(
    rows: _Rows, model: str, number: int, step: Step, row: dict[str, Any], loaded: LoadedSuite, where: str
) -> None:
    text = _answers(row, where)[0]
    if not isinstance(text, str):
        raise InputError("its answer is no text", where=where, remedy=_OURS)
    found = judge(step, message_of(step, text), loaded.ground)
    logged = row.get("step_intent")
    rows.tasks[found.task.id] = found.task
    rows.other += found.task.id != step.id
    rows.differing += row.get("step_task") != found.acc_task.value
    rows.attempts.append(
        Attempt(
            model=model,
            trajectory=found.trajectory.model_copy(update={"attempt": number}),
            official=None if logged is None else bool(logged),
            official_reason="" if logged is None else f"step_intent {logged}",
        )
    )
    if (items := _items(step, found)) is not None:
        rows.whole.setdefault(model if not number else f"{model} ({number + 1})", []).append(items)


def _items(step: Step, found: Judged) -> tuple[Item, Item] | None:
    if found.acc_task.value is None or found.acc_intent.value is None:
        return None
    head: Item = [step.task.id, step.of, step.task.cluster]
    return [*head, found.acc_task.value], [*head, found.acc_intent.value]


def _notes(rows: _Rows) -> Iterator[str]:
    yield "each step of a task is a task here; below, a task counts once and is 1 iff all its steps are"
    for model, pairs in rows.whole.items():
        steps, of = Counter(item[0] for item, _ in pairs), {item[0]: item[1] for item, _ in pairs}
        complete = sum(steps[task] == of[task] for task in steps)
        values = [AGGREGATIONS[name]([pair[i] for pair in pairs]) for i, name in enumerate(("acc_task", "acc_intent"))]
        said = f"Acc_task {values[0]:.1%}, Acc_intent {values[1]:.1%}" if complete else "no figure"
        yield f"{model}: {said} over {complete} whole tasks ({len(steps) - complete} cut off by a limit)"
    if rows.other:
        yield f"{rows.other} steps were answered by a call that could as well come later: their tasks are named STEP=CALL"
    if rows.differing:
        yield f"{rows.differing} steps were logged with another Acc_task than ours"


# --- rise_choice ------------------------------------------------------------------------------------------------------


def _choice_score(file: Path) -> ChoiceScore:
    results: list[dict[str, Any]] = []
    differing = unscored = 0
    for where, row in _documents(file):
        try:
            logs = [float(answer[0]) for answer in _answers(row, where)]
            found = choice_result(row["doc"], logs)
        except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"its log-likelihoods do not fit its choices: {error}", where=where, remedy=_OURS
            ) from error
        differing += any(row.get(name) != found.get(name) for name in ("acc", "acc_norm"))
        if "acc" in found:
            results.append(found)
        else:
            unscored += 1
    if not results:
        what = f"holds {unscored} documents and no finite log-likelihoods" if unscored else "holds no document"
        raise InputError(what, where=str(file), remedy=_OURS)

    def mean(name: str) -> float:
        return sum(float(result[name]) for result in results) / len(results)

    return ChoiceScore(
        source=file.name,
        model=_model(file),
        steps=len(results),
        acc=mean("acc"),
        acc_norm=mean("acc_norm"),
        chance=mean("chance"),
        margin=mean("margin"),
        unscored=unscored,
        differing=differing,
    )
