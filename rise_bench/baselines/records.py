"""The records of registered baselines: four kinds, closed, so that what one kind knows cannot stand in another (our design).

`trivial`: agents that `--model` names, which need no weights. `measured`: a run of ours, verdict by verdict. `reported`:
figures that others published. `runnable`: a public checkpoint and how it is served; it never holds a result.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from rise_bench.baselines.verdicts import attempted, unpack
from rise_bench.types import Conditions, Record, RunSpec

__all__ = [
    "KINDS",
    "NAME",
    "Baseline",
    "BaselineKind",
    "Figure",
    "Known",
    "MeasuredBaseline",
    "ReportedBaseline",
    "RunnableBaseline",
    "Score",
    "Serving",
    "TrivialBaseline",
]

BaselineKind = Literal["trivial", "measured", "reported", "runnable"]

Score = Literal["acc_task", "acc_intent"]

NAME = r"^[a-z0-9][a-z0-9._-]{0,79}$"
"""What a name of an entry looks like."""

Name = Annotated[str, StringConstraints(pattern=NAME)]
"""Of an entry; unique in a registry, whatever its kind."""

Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class TrivialBaseline(Record):
    """An agent that comes with the package and needs no weights: a bound that a score is read against."""

    kind: Literal["trivial"] = "trivial"
    name: Name
    title: str
    """What it does, in a few words."""
    model: str = Field(min_length=1)
    """What `--model` names."""
    bound: Literal["ceiling", "floor", "heuristic"]
    """What its score is: the most that the suite allows, what no attention to the request brings, or what words alone do."""
    notes: tuple[str, ...] = ()


def _readable(text: str) -> str:
    unpack(text)
    return text


Verdicts = Annotated[str, AfterValidator(_readable)]
"""The verdicts of one attempt in the order of the suite's tasks: `1`, `0`, `-` for None, `.` where the attempt was not made;
long ones packed (`verdicts`)."""


class MeasuredBaseline(Record):
    """A run of ours: what was run, how, and every verdict; all that is reported of it is computed from these."""

    kind: Literal["measured"] = "measured"
    name: Name
    title: str
    of: str = ""
    """Name of the trivial or runnable entry that was run; empty where it is registered nowhere."""
    run: Digest
    """The spec's digest on the day of the run, which named the run's folder. Kept since a later record may digest otherwise."""
    results: Digest
    """Digest of all verdicts, without what they cost (`Run.results_digest`)."""
    spec: RunSpec
    """Suite with version and digest, ground with its mode, model, prompt, sampling, budget, attempts, seed."""
    conditions: tuple[Conditions, ...] = Field(min_length=1)
    """Under what the attempts were made."""
    date: dt.date
    """Of the last attempt."""
    scorers: dict[Score, str]
    """Score to the version of its scorer."""
    tasks: int = Field(gt=0)
    """Tasks of the suite."""
    acc_task: tuple[Verdicts, ...]
    acc_intent: tuple[Verdicts, ...]
    by: str = ""
    """Who ran it, and on what."""
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> MeasuredBaseline:
        if set(self.scorers) != {"acc_task", "acc_intent"}:
            raise ValueError("scorers: names the versions of both, acc_task and acc_intent")
        task, intent = self.values("acc_task"), self.values("acc_intent")
        for name, rows in (("acc_task", task), ("acc_intent", intent)):
            if len(rows) != self.spec.attempts:
                raise ValueError(f"{name}: holds {len(rows)} attempts, the run asked for {self.spec.attempts}")
            for number, row in enumerate(rows):
                if len(row) != self.tasks:
                    raise ValueError(f"{name}: attempt {number} has {len(row)} verdicts, there are {self.tasks} tasks")
        if self.made() != tuple(map(attempted, self.acc_intent)):
            raise ValueError("acc_intent: says of other attempts than acc_task that they were not made")
        for number, (done, meant) in enumerate(zip(task, intent, strict=True)):
            wrong = [place for place, pair in enumerate(zip(done, meant, strict=True)) if pair == (0, 1)]
            if wrong:
                raise ValueError(f"acc_intent: 1 where acc_task is 0 (attempt {number}, task {wrong[0]})")
        return self

    def values(self, score: Score) -> tuple[tuple[int | None, ...], ...]:
        """Attempts x tasks, each 1, 0 or None, in the order of the suite's tasks."""
        return tuple(map(unpack, self.acc_task if score == "acc_task" else self.acc_intent))

    def made(self) -> tuple[tuple[bool, ...], ...]:
        """Attempts x tasks: was the attempt made? One that was and has no value is a fault, or could not be judged."""
        return tuple(map(attempted, self.acc_task))


class Figure(Record):
    """One published figure, as it was published."""

    measure: str
    """What it is called there."""
    value: float | tuple[float, float]
    """The figure, or the two ends of a range."""
    unit: str
    what: str
    """What it is a figure of, as far as the source says."""


class ReportedBaseline(Record):
    """Figures that others published. They were made on other tasks with other code: no test compares them with a run."""

    kind: Literal["reported"] = "reported"
    name: Name
    title: str
    source: Url
    read: dt.date
    figures: tuple[Figure, ...] = Field(min_length=1)
    unknown: tuple[str, ...] = Field(min_length=1)
    """What one would have to know to reproduce or compare them, and does not."""
    notes: tuple[str, ...] = ()


class Known(Record):
    """A fact as its source states it, and where that was read; or null, and why it is not known."""

    value: str | None
    source: Url | None = None
    read: dt.date | None = None
    note: str = ""

    @model_validator(mode="after")
    def _told(self) -> Known:
        if self.value is not None and (not self.value or self.source is None or self.read is None):
            raise ValueError("a known value has a `source` (address) and the date when it was `read`")
        if self.value is None and not self.note:
            raise ValueError("a null value says in `note` why it is not known")
        return self


class Serving(Record):
    """How vLLM serves a checkpoint, according to its makers or to vLLM; what nobody states is null."""

    command: Known
    """The whole line. Paths of templates are those of vLLM's repository."""
    tool_call_parser: Known
    chat_template: Known
    """`own` = the one in the checkpoint; else the file's path in vLLM's repository."""


class RunnableBaseline(Record):
    """A public checkpoint and how to run it. It holds no result: a run of it is a `measured` entry that names it by `of`."""

    kind: Literal["runnable"] = "runnable"
    name: Name
    title: str
    hf: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Id on the Hugging Face hub."""
    status: Literal["not run"]
    """Of this entry, for good: it says that nothing here comes from a run."""
    license: Known
    revision: Known
    """Commit of the hub repository."""
    base: Known
    """What it was tuned from, as a hub id where that is known."""
    parameters: Known
    context: Known
    """Longest context in tokens, in the source's words."""
    serving: Serving
    model: str = Field(min_length=1)
    """Our `--model`; not tried either."""
    model_args: dict[str, JsonValue] = Field(default_factory=dict)
    """Our `--model-args`."""
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> RunnableBaseline:
        if self.license.value is None:
            raise ValueError("license: an entry without a known licence cannot be registered")
        commit = self.revision.value
        if commit is not None and (len(commit) != 40 or not set(commit) <= set("0123456789abcdef")):
            raise ValueError(f"revision: {commit!r} is no commit of 40 hexadecimal digits")
        if self.model_args.get("revision", commit) != commit:
            raise ValueError("model_args: `revision` differs from the entry's")
        return self


Baseline = TrivialBaseline | MeasuredBaseline | ReportedBaseline | RunnableBaseline

KINDS: dict[BaselineKind, type[Baseline]] = {
    "trivial": TrivialBaseline,
    "measured": MeasuredBaseline,
    "reported": ReportedBaseline,
    "runnable": RunnableBaseline,
}
"""Kind to its record."""
