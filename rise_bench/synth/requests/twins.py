"""Twins of a complete task: the same wish with one value unsaid (ask), or without the server it needs (decline)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence

from pydantic import JsonValue

from rise_bench.ground.siblings import siblings_among
from rise_bench.played import idle_reads
from rise_bench.refs import at, unescape
from rise_bench.score.text import contains_phrase
from rise_bench.synth.records import Draft, Dropped, Entity, Recovery
from rise_bench.synth.requests.endings import Slot, capability_of, slot_of, spaced
from rise_bench.synth.requests.phrasebook import Phrasebooks
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.requests.unsaid import Unsaid, unsaid
from rise_bench.types import Budget, Critical, Ground, GroundSource, Intent, Task, Tool, canonical

__all__ = ["infeasible", "underspecified"]

Follows = Callable[[Draft], Sequence[Recovery]]
"""How each critical value of a draft follows from its request."""

_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "when"),
    "datetime": ("date", "day", "time", "when"),
    "number": ("number", "amount", "how many", "how much", "how long"),
    "path": ("file", "folder", "path", "where"),
    "url": ("address", "page", "url", "link"),
}
_VALUES_ONLY = ("when", "how many", "wording")
_LITTLE = ("to", "by", "of", "in", "at", "from", "for")


def underspecified(
    draft: Draft,
    source: GroundSource,
    entities: Sequence[Entity],
    *,
    wordings: Sequence[Draft] = (),
    books: Phrasebooks | None = None,
    follows: Follows = recover,
    shown: MutableMapping[str, str] | None = None,
) -> Iterator[Task | Dropped]:
    """For each critical value that the tool must be given and the request states: the twin whose request does not.

    The value must not be there to be found: either it stands nowhere in the world (in no entity, and in nothing that the
    offered reading tools give without arguments), so that only the user knows it; or it is one of at least two entities
    of its kind, another of which was tried in its place, ran, and gave another outcome: then reading shows candidates
    and not which of them is meant. What a tool need not be given is no twin: without it the wish is another, and whole.

    Args:
        wordings: the same chain in other words; that is taken from which the value goes best.
        books: whose fragments go as a whole where one of them brought the value in.
        follows: from the twin's request all other values must still follow, and this one must not.
        shown: what reading shows in a world, kept from task to task: looking starts its servers.

    Raises:
        GroundFault: the world could not be looked at.
    """
    task = draft.task
    told = [draft, *(other for other in wordings if other.task.request != task.request)]
    kept = {} if shown is None else shown
    world = canonical([task.setup, task.now, list(task.servers)])
    for critical in task.intent.critical:
        what = f"{task.id} {critical.call}:{critical.argument}"
        if why := _optional(task, critical, source.ground):
            yield Dropped(stage="author", what=what, reason="twin: it may be left out", detail=why)
            continue
        request = _without(told, critical, books, follows)
        if request is None:
            words = draft.said.get(f"{critical.call}:{critical.argument}", "")
            yield Dropped(stage="author", what=what, reason="twin: its words cannot go", detail=words)
            continue
        if world not in kept:
            kept[world] = _readable(task, source)
        value = at(dict(task.reference[critical.call].arguments), critical.argument)
        if why := _findable(draft, critical, value, entities, kept[world]):
            yield Dropped(stage="author", what=what, reason="twin: can be found by reading", detail=why)
            continue
        yield _asking(task, critical, request)


def _optional(task: Task, critical: Critical, ground: Ground) -> str:
    """Why the tool can do without the value; empty where it must be given, as a whole argument."""
    name, *inner = critical.argument.split("/")[1:] or [""]
    value = task.reference[critical.call].arguments.get(unescape(name))
    if inner or isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value)):
        return "it is a longer value, or a part of one"
    called = task.reference[critical.call].tool
    tool = next((tool for server in ground.servers for tool in server.tools if tool.id == called), None)
    required = tool.parameters.get("required") if tool else None
    given = isinstance(required, list) and unescape(name) in required
    return "" if given else f"{called} does not ask for {unescape(name)}"


def _without(told: Sequence[Draft], critical: Critical, books: Phrasebooks | None, follows: Follows) -> str | None:
    """The request that reads best without the value, None where there is none; of equals one that hangs on its own words."""
    place = f"{critical.call}:{critical.argument}"
    found: list[tuple[Unsaid, Draft]] = []
    for one in told:
        call = one.task.reference[critical.call]
        name = unescape(critical.argument[1:])
        slot = slot_of(call.tool, name)
        if slot is None:
            return None
        phrases = books.of(call.tool) if books else None
        fragments = phrases.fragments.get(name, ()) if phrases else ()
        found += [(way, one) for way in unsaid(one.task.request, one.said.get(place, ""), name, fragments, slot)]
    ordered = sorted(found, key=lambda item: (item[0].how, hashlib.sha256(item[0].text.encode()).hexdigest()))
    return next((way.text for way, one in ordered if _left_open(one, way.text, place, follows)), None)


def _left_open(draft: Draft, request: str, place: str, follows: Follows) -> bool:
    """Does everything but the one value follow from this request?"""
    said = {other: words for other, words in draft.said.items() if other != place}
    changed = {"task": draft.task.model_copy(update={"request": request}), "said": said}
    found = {f"{one.call}:{one.argument}": one.by for one in follows(draft.model_copy(update=changed))}
    return all((by == "none") is (other == place) for other, by in found.items())


def _readable(task: Task, source: GroundSource) -> str:
    """All that the offered reading tools give without arguments in the task's world, as one text."""
    tools = {tool.id: tool for server in source.ground.servers for tool in server.tools}
    session = source.open(task)
    try:
        calls = idle_reads(task, tools)
        return "\n".join(session.call(call, Budget().call_seconds).content for call in calls)
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
    slot = slot_of(task.reference[critical.call].tool, name) or Slot(ask=name)
    own = [word for word in spaced(name).split() if len(word) > 2 and word not in _LITTLE]
    words = ("which", "what") if slot.choose else ("wording", "what")
    asks = dict.fromkeys([slot.ask, *slot.ask.split(), *own, *_QUESTIONS.get(critical.match, ()), *words])
    kept = [word for word in asks if word not in _LITTLE and not (slot.choose and word in _VALUES_ONLY)]
    return _bare(
        task,
        f"{task.id}-ask-{critical.call}-{name}".lower().replace("_", "-"),
        kind="underspecified",
        request=request,
        asks=(tuple(kept),),
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
    return _bare(task, f"{task.id}-cannot", kind="infeasible", servers=tuple(left), reasons=_reasons(lost, ground))


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


_VERBS = frozenset(re.findall(r"\w+", "get set add list read make run create update delete show find"))
_EMPTY = frozenset(re.findall(r"\w+", "the and for with from new all one multiple many some info by"))


def _reasons(lost: Tool, ground: Ground) -> tuple[str, ...]:
    """What is missing, and words one of which a refusal that knows it contains; what is done anywhere comes last."""
    server = next((server for server in ground.servers if server.name == lost.server), None)
    capability = capability_of(lost, server)
    words = [word for word in spaced(f"{lost.name} {lost.server}").split() if len(word) > 2 and word not in _EMPTY]
    ordered = sorted(words, key=lambda word: word in _VERBS)
    return tuple(dict.fromkeys([capability.what, *capability.words, *ordered]))
