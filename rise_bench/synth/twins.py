"""Twins of a complete task: the same wish with one value unsaid (ask), or without the server it needs (decline)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from rise_bench.errors import Fault
from rise_bench.played import idle_reads
from rise_bench.refs import at, unescape
from rise_bench.score.text import contains_phrase
from rise_bench.synth.operators.base import siblings_among
from rise_bench.synth.records import Draft, Dropped, Entity
from rise_bench.types import Budget, Critical, Ground, GroundSource, Intent, Task, Tool, canonical

__all__ = ["infeasible", "underspecified"]

_LEADS = (
    "on the", "at the", "from the", "in the", "for the", "by the", "until the", "to the", "with the", "of the",
    "on", "at", "from", "in", "for", "by", "until", "till", "to", "with", "of", "since", "after", "before", "over",
    "under", "about", "around", "every", "within", "exactly", "only",
)  # fmt: skip
"""Words that go with a value when it goes."""

_VAGUE = {"path": "one of the files", "number": "some", "url": "a page", "text": "something", "set": "some of them"}
"""What stands in a value's place where leaving it out would break the sentence."""

_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "when"),
    "datetime": ("date", "day", "time", "when"),
    "number": ("number", "amount", "how many", "how much", "how long"),
    "path": ("file", "folder", "path", "where", "which"),
    "url": ("address", "page", "url", "link"),
    "enum": ("which",),
    "text": ("text", "wording", "what", "which"),
    "set": ("which",),
}


def underspecified(draft: Draft, source: GroundSource, entities: Sequence[Entity]) -> Iterator[Task | Dropped]:
    """For each critical value that the request states in words of its own: the twin whose request does not.

    The value must not be there to be found: either it stands nowhere in the world (in no entity, and in nothing that the
    offered reading tools give without arguments), so that only the user knows it; or it is one of at least two entities
    of its kind, another of which was tried in its place, ran, and gave another outcome: then reading shows candidates
    and not which of them is meant.
    """
    task = draft.task
    world: str | None = None
    for critical in task.intent.critical:
        place = f"{critical.call}:{critical.argument}"
        words = draft.said.get(place, "")
        what = f"{task.id} {place}"
        if not words:
            yield Dropped(stage="author", what=what, reason="twin: the request has no words for it")
            continue
        request = _without(task.request, words, critical)
        if request is None:
            yield Dropped(stage="author", what=what, reason="twin: its words cannot go", detail=words)
            continue
        if world is None:
            world = _readable(task, source)
        value = at(dict(task.reference[critical.call].arguments), critical.argument)
        if why := _findable(draft, critical, value, entities, world):
            yield Dropped(stage="author", what=what, reason="twin: can be found by reading", detail=why)
            continue
        yield _asking(task, critical, request)


def _without(request: str, words: str, critical: Critical) -> str | None:
    """The request with the value's words gone, with what led them in; None where they stand there twice, or not."""
    found = list(re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", request))
    if len(found) != 1:
        return None
    start, end = found[0].span()
    before = request[:start].rstrip(" \"'`(“‘")
    after = request[end:].lstrip("\"'`)”’")
    lead = next((word for word in _LEADS if re.search(rf"\b{word}$", before, re.IGNORECASE)), None)
    if lead is not None and critical.match in ("date", "datetime", "enum", "exact", "number"):
        left = f"{before[: -len(lead)].rstrip()}{'' if after[:1] in ',.;:!?' else ' '}{after.lstrip()}"
    elif (vague := _VAGUE.get(critical.match)) is not None and critical.match != "number":
        before = re.sub(r"\b(?:the|a|an)$", "", before, flags=re.IGNORECASE).rstrip()
        left = f"{before} {vague}{'' if after[:1] in ',.;:!?' or not after else ' '}{after.lstrip()}"
    else:
        return None
    left = re.sub(r"\s{2,}", " ", left).strip()
    left = left[:1].upper() + left[1:]
    return left if len(left.split()) >= 3 and not contains_phrase(left, words) else None


def _readable(task: Task, source: GroundSource) -> str:
    """All that the offered reading tools give without arguments in the task's world, as one text."""
    tools = {tool.id: tool for server in source.ground.servers for tool in server.tools}
    session = source.open(task)
    try:
        calls = idle_reads(task, tools)
        return "\n".join(session.call(call, Budget().call_seconds).content for call in calls)
    except Fault:
        return ""
    finally:
        session.close()


def _findable(draft: Draft, critical: Critical, value: JsonValue, entities: Sequence[Entity], world: str) -> str:
    """Why somebody who reads could know the value; empty where nobody could."""
    kinds = {entity.kind for entity in entities if entity.value == value}
    text = value if isinstance(value, str) else canonical(value)
    if not kinds:
        there = len(text) > 2 and text in world
        labels = [entity.label for entity in entities if entity.label and contains_phrase(text, entity.label)]
        return f"{text[:60]!r} is shown by reading" if there or labels else ""
    others = {canonical(entity.value) for entity in entities if entity.kind in kinds and entity.value != value}
    decision = next((d for d in draft.decisions if (d.call, d.argument) == (critical.call, critical.argument)), None)
    tried = [one for one in decision.tried if one.ran and one.changed != "nothing"] if decision else []
    if not others:
        return f"it is the only {min(kinds)} there is"
    return (
        ""
        if any(canonical(one.value) in others for one in tried)
        else "no other candidate was seen to make a difference"
    )


def _asking(task: Task, critical: Critical, request: str) -> Task:
    name = unescape(critical.argument.rsplit("/", 1)[-1])
    own = [word for word in re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", name).lower()) if len(word) > 2]
    asks = tuple(dict.fromkeys([*own, *_QUESTIONS.get(critical.match, ("which", "what"))]))
    return _bare(
        task,
        f"{task.id}-ask-{critical.call}-{name}".lower().replace("_", "-"),
        kind="underspecified",
        request=request,
        asks=(asks,),
    )


def _bare(task: Task, name: str, **fields: object) -> Task:
    """The task without what it takes to solve it."""
    empty = {
        "id": name,
        "reference": (),
        "intent": Intent(),
        "answer": (),
        "path_matters": "",
        "alternatives": (),
        "recorded": (),
        "volatile": (),
        "reference_state": (),
    }
    return Task.model_validate(task.model_copy(update={**empty, **fields}).model_dump())


def infeasible(task: Task, ground: Ground) -> Task | Dropped:
    """The twin that is offered every server but the one that its deciding call needs.

    No tool that is left may do the same: none of the same function group, none that the near-miss map calls the same,
    wider or narrower, none that runs code. Where no server would be left, others of the ground take its place.
    """
    deciding = _deciding(task)
    needed = deciding.partition(".")[0]
    tools = [tool for server in ground.servers for tool in server.tools]
    lost = next((tool for tool in tools if tool.id == deciding), None)
    if lost is None:
        return Dropped(stage="author", what=task.id, reason="twin: its tool is not in the ground", detail=deciding)
    unfit = _servers_that_could(lost, ground)
    left = [name for name in task.servers if name != needed]
    if able := [name for name in left if name in unfit]:
        return Dropped(stage="author", what=task.id, reason="twin: another server could do it", detail=", ".join(able))
    if not left:
        left = sorted(server.name for server in ground.servers if server.name not in unfit | {needed})[:2]
    if not left:
        return Dropped(stage="author", what=task.id, reason="twin: no server would be left")
    domain = next((server.domain for server in ground.servers if server.name == needed), "")
    return _bare(task, f"{task.id}-cannot", kind="infeasible", servers=tuple(left), reasons=_reasons(lost, domain))


def _deciding(task: Task) -> str:
    """The tool of the last call that holds a critical parameter."""
    number = max((critical.call for critical in task.intent.critical), default=len(task.reference) - 1)
    return task.reference[number].tool


_CODE = re.compile(r"(?:^|_|\b)(?:python|shell|bash|exec|execute_code|run_code|run_command|terminal)", re.IGNORECASE)


def _servers_that_could(lost: Tool, ground: Ground) -> set[str]:
    """Servers with a tool that might do what the lost one does."""
    siblings = siblings_among(ground, [server.name for server in ground.servers]).get(lost.id, ())
    near = {sibling.tool for sibling in siblings if sibling.relation in ("same", "wider", "narrower")}
    return {
        tool.server
        for server in ground.servers
        for tool in server.tools
        if tool.server != lost.server
        and (tool.id in near or tool.function_group == lost.function_group or _CODE.search(tool.name))
    }


_EMPTY = frozenset(re.findall(r"\w+", "get set the for and with from new all one add list read make run"))


def _reasons(lost: Tool, domain: str) -> tuple[str, ...]:
    """Words one of which a refusal that knows what is missing contains."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", f"{lost.name} {domain} {lost.server}")
    words = [word for word in re.findall(r"[a-z]+", spaced.lower()) if len(word) > 2]
    kept = [word for word in words if word not in _EMPTY] or words
    return tuple(dict.fromkeys([*kept, *(word for word in words if word in _EMPTY)]))
