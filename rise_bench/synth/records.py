"""The records that pass from stage to stage of synthesis; each is one line of a stage's file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from rise_bench.types import Assistant, Call, Fact, Message, Record, StateChange, Task

__all__ = [
    "Chain",
    "Counterfactual",
    "Decision",
    "Draft",
    "Dropped",
    "Edge",
    "Entity",
    "Negative",
    "Pair",
    "Primitive",
    "Proposal",
    "Recovery",
    "Stage",
    "World",
]

Stage = Literal["propose", "verify", "compose", "reproduce", "ground", "author", "recover", "gate", "negate", "split"]


class World(Record):
    """Where calls run: a fixture, the servers that are started on it, the clock."""

    setup: str
    now: str
    servers: tuple[str, ...]


class Entity(Record):
    """A value that exists in a world, as a server itself lists it."""

    world: str
    """Digest of the world."""
    kind: str
    """What it is: `path`, `folder`, `table`, `column`, `row`, `event`, `person`, `branch`, ...; free, lower case."""
    value: JsonValue
    tool: str
    """That listed it."""
    pointer: str = ""
    """RFC 6901, where in that tool's result value."""
    label: str = ""
    """How people call it, where the world says so (a title beside an id)."""
    within: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the call that listed it: a sheet is within its workbook, an event within its calendar."""


class Proposal(Record):
    """Arguments that somebody proposes to try."""

    world: World
    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    scenario: str
    """`required_only`, `all`, `only:NAME`, `enum:NAME=MEMBER`, `boundary:NAME`, `nested:NAME`, or the proposer's own."""
    goal: str = ""
    """What somebody would want it for, in words; empty where the proposer has none."""
    proposer: str = "schema"


class Primitive(Record):
    """One call that really ran, twice on fresh sandboxes with the same result but for what is volatile (DESIGN 5.1)."""

    world: World
    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    scenario: str
    goal: str = ""
    value: JsonValue = None
    """Result value, the sandbox's path as `{root}`."""
    volatile: tuple[str, ...] = ()
    """Pointers into the value that differ between two honest runs."""
    state: tuple[StateChange, ...] | None = None
    """What it changed; None where no state is captured."""
    ground: str = ""
    """Digest of the ground."""


class Edge(Record):
    """A value that one call gives and a later one takes."""

    producer: int
    pointer: str
    consumer: int
    argument: str


class Chain(Record):
    """Calls that make sense one after the other; `virtual` until they ran end to end (DESIGN 5.2)."""

    world: World
    calls: tuple[Call, ...]
    """Bound by `$ref` where a value flows."""
    primitives: tuple[str, ...]
    """Digest of the primitive behind each call."""
    edges: tuple[Edge, ...] = ()
    after: tuple[tuple[int, int], ...] = ()
    """Order that state asks for: (earlier, later)."""
    shape: Literal["single", "serial", "parallel", "mixed"] = "single"
    recorded: tuple[JsonValue, ...] = ()
    """Result value of each call when the chain ran end to end; empty before."""
    volatile: tuple[str, ...] = ()
    """As `Task.volatile`."""
    state: tuple[StateChange, ...] | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        """Ids of the tools that are called."""
        return tuple(call.tool for call in self.calls)


class Counterfactual(Record):
    """One mutation of one argument that was executed."""

    value: JsonValue
    ran: bool
    """All calls succeeded."""
    changed: Literal["nothing", "state", "fact", "later call", "does not run"]
    where: str = ""
    """The first leaf, fact or argument that differs."""


class Decision(Record):
    """Is an argument critical, and why (DESIGN 5.3)."""

    call: int
    argument: str
    bound: bool = False
    """Its value comes from an earlier result."""
    consequential: bool
    tried: tuple[Counterfactual, ...] = ()


class Draft(Record):
    """A task in the making, with what an author may say of it."""

    chain: Chain
    decisions: tuple[Decision, ...]
    facts: tuple[Fact, ...] = ()
    task: Task
    """Complete but for the request, where that is empty."""
    author: str = ""
    tone: str = ""
    """`terse`, `polite`, `rambling`, `indirect`, `context`, `two`: how it is said."""
    skeleton: str = ""
    """The request with its values masked: two requests of one template share it."""
    said: dict[str, str] = Field(default_factory=dict)
    """`CALL:POINTER` of each critical value to the words that stand for it in the request."""
    response: str = ""
    """Final message that states the facts."""


class Recovery(Record):
    """How one critical value follows from the request."""

    call: int
    argument: str
    by: Literal["verbatim", "verbaliser", "relative date", "window", "nickname", "binding", "schema", "stated", "none"]
    """`window`: one end of a stretch of time that is searched and holds what the request names (`words/periods.py`).
    `stated`: its author says that these words mean it, and its literals follow from the request (`words/stated.py`)."""
    words: str = ""


class Negative(Record):
    """A trajectory that departs from intent on purpose, executed."""

    task: str
    operator: str
    """`CLASS:NAME`, such as `value:date+1d`."""
    call: int | None = None
    argument: str = ""
    was: JsonValue = None
    made: JsonValue = None
    declared: tuple[float, float]
    """(Acc_task, Acc_intent) that its operator says it gets."""
    observed: tuple[float | None, float | None] = (None, None)
    messages: tuple[Message, ...] = ()
    end_state: tuple[StateChange, ...] | None = None
    root: str = ""


class Pair(Record):
    """Chosen and rejected next assistant message after the same history (DESIGN 7)."""

    task: str
    operator: str
    history: tuple[Message, ...]
    chosen: Assistant
    rejected: Assistant
    span: str = ""
    """The critical argument in which they differ, as `CALL:POINTER`; empty where whole calls differ."""


class Dropped(Record):
    """Something that a stage did not pass on, and why: nothing is dropped without a line of these."""

    stage: Stage
    what: str
    """Digest of what was dropped, or its id."""
    reason: str
    """One of the stage's few reasons, for counting."""
    detail: str = ""
