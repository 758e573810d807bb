"""Every record and protocol of rise-bench, and nothing that acts on them.

Records are pydantic models: frozen, closed (`extra="forbid"`), finite numbers only, with `digest()`. What can be derived
from a record is never stored in it. The words are those of DESIGN section 2; docstrings name the source where the
definition is not ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

__all__ = [
    "Assistant",
    "Budget",
    "Call",
    "Conditions",
    "Critical",
    "Derivation",
    "Effect",
    "Evidence",
    "Fact",
    "Ground",
    "GroundMode",
    "GroundSession",
    "GroundSource",
    "Intent",
    "Judge",
    "Label",
    "LabelName",
    "MatchKind",
    "Message",
    "Model",
    "ModelRequest",
    "Record",
    "Reply",
    "RunSpec",
    "Sampling",
    "Scored",
    "Server",
    "StateChange",
    "Stop",
    "Suite",
    "System",
    "Task",
    "TaskKind",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Trajectory",
    "Usage",
    "User",
    "Verdict",
    "canonical",
]


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no blanks, UTF-8, finite numbers. `ValueError` on NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Record(BaseModel):
    """Base of all records: frozen, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def digest(self) -> str:
        """SHA-256 (hex) of the record's canonical JSON."""
        return hashlib.sha256(canonical(self.model_dump(mode="json")).encode()).hexdigest()


# --- ground -----------------------------------------------------------------------------------------------------------

Effect = Literal["read", "write", "unknown"]
"""What a tool does to the sandbox; `unknown` is treated as `write` when state is captured."""

GroundMode = Literal["live", "replay", "static", "log"]
"""Where a trajectory's results come from (DESIGN 3); `log` = imported messages. Never compared with each other."""

Evidence = Literal["state", "calls", "none"]
"""What a verdict rests on: executed with state; executed, no state (logs); not executed (static)."""


class Tool(Record):
    """One MCP tool as published, with what the ground knows about it."""

    server: str
    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """JSON Schema of the arguments, exactly as published."""
    annotations: dict[str, JsonValue] = Field(default_factory=dict)
    effect: Effect = "unknown"
    group: str = ""
    """Function group: tools of one group do the same kind of thing (siblings). Empty = a group of its own."""

    @property
    def id(self) -> str:
        """`server.name`, the name that tasks and trajectories use."""
        return f"{self.server}.{self.name}" if self.server else self.name

    @property
    def function_group(self) -> str:
        """`group`, or the tool's own id where it has no siblings."""
        return self.group or self.id


def _compiles(pattern: str) -> str:
    """The pattern, if it is a regular expression."""
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"no regular expression: {pattern!r}: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression as text, compiled once when the record is made."""


class Server(Record):
    """One MCP server with what is frozen of it: version, tools, its ways of failing as ordinary text."""

    name: str
    version: str = ""
    license: str = ""
    domain: str = ""
    tools: tuple[Tool, ...] = ()
    failures: tuple[Pattern, ...] = ()
    """Regular expressions (`re.search`, multi-line): a result text that matches is a failure although `isError` is false."""


class Ground(Record):
    """A set of servers as they were frozen. Identity = digest."""

    name: str
    servers: tuple[Server, ...] = ()


# --- task -------------------------------------------------------------------------------------------------------------

MatchKind = Literal[
    "exact", "number", "datetime", "date", "path", "url", "set", "text", "sql", "semantic", "enum", "any"
]
"""How two values are compared (DESIGN 4.1). `enum` = exact after case folding; `any` = always equal (free argument)."""

TaskKind = Literal["complete", "underspecified", "infeasible", "no_call"]


class Call(Record):
    """One reference call. Arguments may hold `{"$ref": [call, pointer]}`, also inside lists and `{"$join": [...]}`."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Ids of other tools that do exactly the same with the same arguments."""


class Critical(Record):
    """An intent-critical parameter: what it must be is read from the reference call, never stored twice."""

    call: int = Field(ge=0)
    argument: str
    """RFC 6901 pointer into the call's arguments."""
    match: MatchKind = "exact"
    accept: tuple[JsonValue, ...] = ()
    """Other values that are as good."""
    optional: bool = False
    """Leaving the argument out is as good."""
    tolerance: float = Field(default=1e-9, ge=0)
    """For `number`: relative tolerance."""
    near: tuple[JsonValue, ...] = ()
    """Near-miss values that exist (for mutations); empty = made by type."""


class Derivation(Record):
    """How a fact follows from results: applied to the text of successful results.

    `find`: the pattern's group 1 (or whole match) is the value. `count`: number of distinct matches. `sum`, `max`, `min`:
    over the matched numbers of distinct matches. With `per_result` each result alone, else all results together.
    """

    op: Literal["find", "count", "sum", "max", "min"]
    pattern: Pattern
    per_result: bool = False


class Fact(Record):
    """Something that the final message must state (DESIGN 4.2)."""

    value: JsonValue
    type: Literal["number", "date", "datetime", "text", "path"] = "text"
    about: tuple[str, ...] = ()
    """Words one of which stands in the sentence that states it (case folded, whole words)."""
    accept: tuple[JsonValue, ...] = ()
    """Other ways to write the same value."""
    competing: tuple[JsonValue, ...] = ()
    """Values that mutated calls would have given, recorded by `tasks check`, plus those the author named."""
    derive: Derivation | None = None
    tolerance: float = Field(default=1e-6, ge=0)
    """For `number`: relative; above a hundredth `tasks check` refuses it, for a value nearby would pass as well."""


class StateChange(Record):
    """One leaf of the canonical difference between the start state and the end state.

    `path` names the leaf: a file (`notes/a.txt`), or a part of one (`shop.db#orders/12`, `m.jsonl#/3`, `repo#refs/heads/main`).
    `before` / `after` are canonical text, None where the leaf did not / does not exist.
    """

    path: str
    before: str | None = None
    after: str | None = None
    match: MatchKind = "exact"
    """Only in a task's reference state: `any` = written by a free argument or volatile; else the critical argument's rule."""


class Intent(Record):
    """Which parameters of which reference calls are critical, and what else the user meant."""

    critical: tuple[Critical, ...] = ()
    after: tuple[tuple[int, int], ...] = ()
    """Order edges (earlier call, later call) that matter, besides those that `$ref` implies."""
    free: tuple[tuple[int, str], ...] = ()
    """(call, pointer) of arguments whose value the user left open, present in the reference or not."""


class Task(Record):
    """One thing that a user asks for, with all that is needed to judge an attempt at it."""

    id: str
    kind: TaskKind = "complete"
    request: str
    now: str = ""
    """ISO 8601 instant that relative dates refer to; told to the agent."""
    servers: tuple[str, ...] = ()
    setup: str = ""
    """Name of the fixture tree copied into the fresh sandbox."""
    reference: tuple[Call, ...] = ()
    intent: Intent = Intent()
    answer: tuple[Fact, ...] = ()
    path_matters: str = ""
    """The words of the request that name the way; empty = any way to the same outcome is as good."""
    asks: tuple[tuple[str, ...], ...] = ()
    """`underspecified`: per missing slot, words that a question about it contains."""
    given: tuple[tuple[str, ...], ...] = ()
    """`underspecified`: per slot that the request does fill, words that a needless question about it contains."""
    reasons: tuple[str, ...] = ()
    """`infeasible`: words that name the missing capability."""
    cluster: str = ""
    tags: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    """Only for imported tasks: the tools offered, where no shared ground exists."""
    history: tuple[Message, ...] = ()
    """Messages before the request (static, imported); empty otherwise."""
    alternatives: tuple[tuple[Call, ...], ...] = ()
    """Other call sequences to the same outcome; `tasks check` runs them and expects 1/1."""
    # recorded by `tasks check`, never written by hand
    recorded: tuple[JsonValue, ...] = ()
    """Per reference call its result value (structured, else parsed JSON, else text)."""
    volatile: tuple[str, ...] = ()
    """Leaves `state:<path>`, `result:<call>:<pointer>` that differ between two honest reference runs."""
    reference_state: tuple[StateChange, ...] | None = None

    @property
    def own_cluster(self) -> str:
        """Its cluster; where it names none, its id: a cluster of its own."""
        return self.cluster or self.id

    @model_validator(mode="after")
    def _consistent(self) -> Task:
        for critical in self.intent.critical:
            if critical.call >= len(self.reference):
                raise ValueError(
                    f"critical parameter names call {critical.call}, the reference has {len(self.reference)}"
                )
        for edge in self.intent.after:
            if not all(0 <= end < len(self.reference) for end in edge):
                raise ValueError(f"order edge {edge} names a call that the reference does not have")
        if self.path_matters and self.path_matters.casefold() not in self.request.casefold():
            raise ValueError(f"path_matters {self.path_matters!r} does not occur in the request")
        if self.kind == "underspecified" and not self.asks:
            raise ValueError("an underspecified task names what must be asked (`asks`)")
        if self.kind == "infeasible" and not self.reasons:
            raise ValueError("an infeasible task names the missing capability (`reasons`)")
        return self


class Suite(Record):
    """A versioned set of tasks over one ground. Version `N-X`: N changes when results stop being comparable."""

    name: str
    version: str
    description: str = ""
    license: str = "Apache-2.0"
    canary: str = ""
    system_prompt: str
    margin: float = Field(default=0.02, ge=0, le=1)
    """Non-inferiority margin of Acc_task, as a share."""
    ground: str = ""
    """Digest of `ground.json`."""
    tasks: tuple[Task, ...] = ()


# --- trajectory -------------------------------------------------------------------------------------------------------


class ToolCall(Record):
    """A call as the model made it. `arguments` stays raw text where it is not a JSON object."""

    id: str
    tool: str
    arguments: dict[str, JsonValue] | str = Field(default_factory=dict)


class System(Record):
    """System prompt."""

    role: Literal["system"] = "system"
    content: str


class User(Record):
    """User message."""

    role: Literal["user"] = "user"
    content: str


class Assistant(Record):
    """One model message."""

    role: Literal["assistant"] = "assistant"
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    malformed: str = ""
    """Why text that looks like a call could not be read as one; empty where nothing was malformed."""


CallStatus = Literal["ok", "tool_error", "protocol_error", "not_executed"]


class ToolResult(Record):
    """What one call gave. `content` is the text that the agent saw, raw."""

    role: Literal["tool"] = "tool"
    call_id: str
    tool: str = ""
    status: CallStatus = "ok"
    content: str = ""
    structured: JsonValue = None
    changed: tuple[str, ...] | None = None
    """State paths that the call changed; None for tools known to be read-only and where no state was captured."""


Message = Annotated[System | User | Assistant | ToolResult, Field(discriminator="role")]

Stop = Literal[
    "answered",  # a final message without calls
    "max_turns",
    "max_calls",
    "max_tokens",
    "timeout",
    "context_overflow",
    "output_limit",
    "content_filter",
    "agent_failed",  # agent program failing, flooding or hanging
    "server_died",  # in a call of this attempt, twice redone, while the reference still ran
    "fault",
]


class Usage(Record):
    """What an attempt cost. Tokens None where the model does not count them."""

    turns: int = 0
    calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float = 0.0
    cached: int = 0
    """Turns whose reply came from a cache."""


class Trajectory(Record):
    """One attempt at one task: the messages, and what cannot be derived from them."""

    task: str
    attempt: int = Field(default=0, ge=0)
    mode: GroundMode
    messages: tuple[Message, ...] = ()
    stop: Stop = "answered"
    fault: str = ""
    """Why the attempt could not be run; set iff `stop == "fault"`."""
    root: str = ""
    """Path of the sandbox as the agent saw it; paths are compared relative to it."""
    end_state: tuple[StateChange, ...] | None = None
    usage: Usage = Usage()
    seed: int = 0

    @model_validator(mode="after")
    def _fault_has_reason(self) -> Trajectory:
        if (self.stop == "fault") != bool(self.fault):
            raise ValueError("`fault` is set iff `stop` is 'fault'")
        return self


# --- verdict ----------------------------------------------------------------------------------------------------------

LabelName = Literal[
    "wrong_tool",
    "missing_step",
    "unrequested_effect",
    "wrong_order",
    "wrong_value",
    "missing_argument",
    "extra_argument",
    "stale_reference",
    "unsupported_claim",
    "missing_fact",
    "guessed",
    "over_asked",
    "should_decline",
    "unparsable_call",
    "unknown_tool",
    "schema_violation",
    "tool_error",
    "budget",
    "no_answer",
]


class Label(Record):
    """A deviation or an obvious failure, and the call and argument it is about (DESIGN 4.3)."""

    name: LabelName
    call: int | None = None
    """Position among the agent's calls (0-based), where the label is about a call that was made."""
    reference: int | None = None
    """Index of the reference call, where the label is about one."""
    argument: str = ""
    expected: JsonValue = None
    found: JsonValue = None
    note: str = ""


class Verdict(Record):
    """One scorer's value for one trajectory. None = could not be judged, and `reason` says why."""

    task: str
    attempt: int = 0
    scorer: str
    version: str
    value: float | None = Field(default=None, ge=0, le=1)
    reason: str
    labels: tuple[Label, ...] = ()
    evidence: Evidence = "state"
    ground: str = ""
    """Digest of the ground."""
    details: dict[str, JsonValue] = Field(default_factory=dict)
    """Numbers that a report needs: `icp_total`, `icp_matched`, `asked`, `reference_calls`, ..."""


class Scored(Record):
    """One attempt as the run folder keeps it beside its trajectory: both verdicts and what a report counts."""

    task: str
    attempt: int = 0
    stop: Stop = "answered"
    fault: str = ""
    usage: Usage = Usage()
    acc_task: Verdict
    acc_intent: Verdict


# --- run --------------------------------------------------------------------------------------------------------------


class Sampling(Record):
    """How a model is sampled; part of the run's identity."""

    temperature: float | None = 0.0
    top_p: float | None = None
    max_tokens: int = 2048
    tool_choice: str = "auto"
    parser: str = "native"
    """How calls are read: `native` (the engine's own parser, else that of the model's family), or a name of
    `model.calls.PARSERS`: that syntax, read by us from the text."""
    strict: bool = False
    """Ask the engine to hold arguments to each tool's schema while it decodes (`"strict": true`)."""
    deterministic: bool = False
    """Greedy, one request of a fixed shape at a time: what an engine guarantees then is said in `docs/models.md`."""


class Budget(Record):
    """Limits of one attempt. Reaching one ends the attempt with the stop reason of its name."""

    turns: int = Field(default=30, gt=0)
    calls: int = Field(default=60, gt=0)
    tokens: int = Field(default=200_000, gt=0)
    seconds: float = Field(default=600.0, gt=0)
    call_seconds: float = Field(default=30.0, gt=0)


class RunSpec(Record):
    """What a run is; its digest names the folder. Concurrency, output and limit stay outside."""

    suite: str
    suite_version: str
    suite_digest: str
    ground_digest: str
    mode: GroundMode
    model: str
    model_args: dict[str, JsonValue] = Field(default_factory=dict)
    """Without secrets."""
    model_content: str = ""
    """Hash of weights and template, or served id and revision."""
    system_prompt: str
    sampling: Sampling = Sampling()
    budget: Budget = Budget()
    attempts: int = Field(default=1, gt=0)
    seed: int = 0


class Conditions(Record):
    """Under what attempts of a run were made: kept beside it, outside its digest, and compared between runs."""

    since: str
    """ISO 8601 instant of the first attempt made so."""
    rise_bench: str
    python: str
    executor: str
    concurrency: int = Field(gt=0)
    isolated: bool = True
    """Were the servers in bubblewrap?"""
    clock: bool = True
    """Did the servers' clock stand at the task's `now`?"""
    cache: bool = False
    """Could replies come from the cache?"""
    drift: tuple[str, ...] = ()
    """How contracts of the servers differed from the frozen ones; only where that was allowed."""
    model: dict[str, JsonValue] = Field(default_factory=dict)
    """The model's `settings()`: engine and version, device, precision, digests of template and rendered tools."""


# --- protocols --------------------------------------------------------------------------------------------------------


class ModelRequest(Record):
    """All that a model is given for one message. `task`, `attempt`, `seed` are for seeding and bookkeeping."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    task: str = ""
    attempt: int = 0
    seed: int = 0
    now: str = ""
    root: str = ""
    seconds: float | None = None
    """What is left of the attempt's time; None where nobody keeps it."""
    tokens: int | None = None
    """What is left of the attempt's tokens, where they are counted."""


class Reply(Record):
    """One model message with its cost. `stop` is None, or the reason why the attempt ends with this message."""

    message: Assistant
    input_tokens: int | None = None
    output_tokens: int | None = None
    stop: Literal["context_overflow", "output_limit", "content_filter", "agent_failed"] | None = None
    cached: bool = False
    """True where the reply was not made anew but found in a cache of replies."""


class Model(Protocol):
    """Something that answers a history with the next assistant message. Called from many threads at once.

    A model may also have `settings() -> dict[str, JsonValue]`: what answers, beyond its identity (engine and version,
    device, precision, digests of template and rendered tools), kept beside the run and compared between runs; and
    `ended(task, attempt)`, called once whenever an attempt is over however it ended, for models that keep something per
    attempt; `start()`, called once before the first attempt, for models with an engine; and `width: int`, how many requests
    at once keep it busy.
    """

    name: str

    def content(self) -> str:
        """Identity of what answers: hash of weights and template, or served id and revision."""
        ...

    def reply(self, request: ModelRequest) -> Reply:
        """The next message.

        Raises:
            ModelFault: the endpoint or engine failed after retries (never for what the model itself wrote).
        """
        ...

    def close(self) -> None:
        """Give back what the model holds."""
        ...


class GroundSession(Protocol):
    """The tools of one attempt in a fresh sandbox."""

    tools: Sequence[Tool]
    root: str

    def call(self, call: ToolCall, timeout: float) -> ToolResult:
        """Run one call. A tool's own failure is a result, not an exception.

        Raises:
            ServerDied: the server died or hung in this call.
            GroundFault: anything else on the tools' side.
        """
        ...

    def end_state(self) -> tuple[StateChange, ...] | None:
        """Canonical difference from the start, sorted by path; None where no state is captured."""
        ...

    def close(self) -> None:
        """Give the sandbox back."""
        ...


class GroundSource(Protocol):
    """Opens a fresh session per attempt. Called from many threads at once."""

    mode: GroundMode
    ground: Ground

    def open(self, task: Task) -> GroundSession:
        """A fresh session for the task's servers, set-up and clock.

        Raises:
            GroundFault: it could not be opened.
        """
        ...

    def close(self) -> None:
        """Stop every server."""
        ...


class Judge(Protocol):
    """Decides whether two values mean the same, for `semantic` matches."""

    name: str

    def same(self, expected: JsonValue, found: JsonValue, about: str) -> bool | None:
        """True / False, or None where the judge could not decide."""
        ...


Task.model_rebuild()
