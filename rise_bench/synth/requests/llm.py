"""A language model as proposer, author and judge: any OpenAI-compatible endpoint, asked for JSON, believed in nothing.

What it answers is validated; nonsense is asked for again and then dropped with a reason. Time-outs and refusals after
retries are faults of the input in hand, which the stage does again. A limit of cost or requests stops the stage cleanly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.model.load import load
from rise_bench.refs import resolve, strict_json
from rise_bench.synth.keys import chain_key
from rise_bench.synth.recipe import Asked
from rise_bench.synth.records import Draft, Dropped, Entity, Proposal, World
from rise_bench.synth.requests.purse import Purse
from rise_bench.types import Call, Model, ModelRequest, Record, Sampling, System, Task, Tool, User, canonical

__all__ = ["PROMPTS", "Asker", "LlmAuthor", "LlmJudge", "LlmProposer", "Nonsense", "prompt"]

R = TypeVar("R", bound=Record)

PROMPTS = Path(__file__).parent / "prompts"
_MOST_ENTITIES = 60
_MOST_TEXT = 600
"""Characters of one value or result that are shown."""


class Nonsense(ValueError):
    """The model did not answer with what was asked for, as often as it was asked."""


@cache
def prompt(name: str) -> str:
    """The text of a shipped prompt."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip()


class Asker:
    """One model that is asked for JSON records.

    Raises (when made):
        InputError, SetupError, PluginError: as `model.load`.
    """

    def __init__(self, asked: Asked, purse: Purse, seed: int, model: Model | None = None) -> None:
        sampling = Sampling(temperature=asked.temperature, max_tokens=asked.max_tokens)
        self._model = model or load(asked.model, asked.args, None, sampling)
        self._tries = asked.tries
        self._purse = purse
        self._seed = seed
        self.name = self._model.name

    def content(self) -> str:
        """Identity of what answers."""
        return self._model.content()

    def close(self) -> None:
        """Give back what the model holds."""
        self._model.close()

    def ask(self, kind: type[R], told: str, about: Mapping[str, JsonValue], key: str) -> R:
        """The model's answer as a record.

        Args:
            kind: what the answer must be.
            told: the system prompt.
            about: the material, sent as JSON.
            key: of the thing it is about: the sampling seed follows from it.

        Raises:
            Nonsense: it answered something else each time.
            Spent: a limit is reached.
            ModelFault, SetupError: the endpoint does not answer.
        """
        question = json.dumps(about, ensure_ascii=False, indent=1)
        why = ""
        for attempt in range(self._tries):
            again = f"\n\nYour last answer was not usable: {why}. Answer with the JSON object alone." if why else ""
            messages = (System(content=told), User(content=question + again))
            request = ModelRequest(messages=messages, tools=(), task=key, attempt=attempt, seed=self._seed)
            with self._purse.request():
                reply = self._model.reply(request)
                self._purse.pay(reply)
            try:
                return kind.model_validate(_object_in(reply.message.content))
            except ValidationError as error:
                first = error.errors()[0]
                why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            except ValueError as error:
                why = f"the output was cut off ({reply.stop})" if reply.stop else str(error)
        raise Nonsense(why[:200])


def _object_in(text: str) -> JsonValue:
    """The JSON object in an answer: fences, thoughts and pleasantries around it are passed over.

    Raises:
        ValueError: there is none.
    """
    text = text.rpartition("</think>")[2]
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError("there is no JSON object in it")
    try:
        return strict_json(text[start : end + 1])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({str(error)[:80]})") from None


def _cut(value: JsonValue) -> JsonValue:
    """A value as it is shown: long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= _MOST_TEXT else f"{value[:_MOST_TEXT]}..."
    text = canonical(value)
    return value if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


# --- proposer ---------------------------------------------------------------------------------------------------------


class _Proposed(Record):
    arguments: dict[str, JsonValue]
    scenario: str = Field(default="model", max_length=80)
    goal: str = Field(default="", max_length=400)


class _Proposals(Record):
    proposals: tuple[_Proposed, ...] = Field(max_length=64)


class LlmProposer:
    """Proposes what a model thinks that people would want of a tool: at most `count` calls."""

    def __init__(self, asker: Asker, count: int = 12) -> None:
        self.asker = asker
        self.count = count
        self.name = asker.name

    def propose(self, world: World, tool: Tool, entities: Sequence[Entity], seed: int) -> Iterator[Proposal]:
        """Proposals for one tool; none where the model answers nonsense. What does not fit the schema, `verify` drops.

        Raises:
            Spent: a limit is reached.
            ModelFault, SetupError: the endpoint does not answer.
        """
        about: dict[str, JsonValue] = {
            "tool": tool.name,
            "description": tool.description,
            "arguments": tool.parameters,
            "clock": world.now,
            "how_many": self.count,
            "exists": [_entity(one) for one in entities[:_MOST_ENTITIES]],
        }
        key = f"propose/{world.digest()[:12]}/{tool.id}/{seed}"
        try:
            answer = self.asker.ask(_Proposals, prompt("propose"), about, key)
        except Nonsense:
            return
        for one in answer.proposals[: self.count]:
            yield Proposal(
                world=world,
                tool=tool.id,
                arguments=one.arguments,
                scenario=one.scenario or "model",
                goal=one.goal,
                proposer=self.asker.name,
            )


def _entity(one: Entity) -> JsonValue:
    return {"kind": one.kind, "value": _cut(one.value)} | ({"label": one.label} if one.label else {})


# --- author -----------------------------------------------------------------------------------------------------------


class _Worded(Record):
    request: str = Field(min_length=1, max_length=4000)
    tone: str = Field(default="", max_length=40)
    said: dict[str, str] = Field(default_factory=dict)
    response: str = Field(min_length=1, max_length=4000)


class _Wordings(Record):
    requests: tuple[_Worded, ...] = Field(min_length=1, max_length=64)


TONES = ("terse", "polite", "rambling", "indirect", "context", "two")


@dataclass(frozen=True, slots=True)
class LlmAuthor:
    """Has a model write requests and responses; whether they hold, the later stages decide."""

    asker: Asker

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        """Up to `count` drafts with requests, or why there are none.

        Raises:
            Spent: a limit is reached.
            ModelFault, SetupError: the endpoint does not answer.
        """
        key = chain_key(draft.chain)
        about = _chain_shown(draft) | {"how_many": count, "tones": [TONES[i % len(TONES)] for i in range(count)]}
        try:
            answer = self.asker.ask(_Wordings, prompt("author"), about, f"author/{key}/{seed}")
        except Nonsense as error:
            yield Dropped(stage="author", what=key, reason="the model answers nonsense", detail=str(error))
            return
        seen: set[str] = set()
        for one in answer.requests[:count]:
            if one.request in seen:
                continue
            seen.add(one.request)
            yield self._worded(draft, one, key)

    def _worded(self, draft: Draft, one: _Worded, key: str) -> Draft | Dropped:
        request = one.request.strip()
        folded = request.casefold()
        critical = {f"{c.call}:{c.argument}" for c in draft.task.intent.critical}
        said = {place: words for place, words in one.said.items() if place in critical}
        if strange := [words for words in said.values() if words.casefold() not in folded]:
            detail = f"{strange[0][:80]!r} is said to stand in the request"
            return Dropped(stage="author", what=key, reason="the model misquotes itself", detail=detail)
        skeleton = request
        for number, words in enumerate(sorted(said.values(), key=len, reverse=True)):
            skeleton = skeleton.replace(words, f"<{number}>") if words else skeleton
        return draft.model_copy(
            update={
                "task": draft.task.model_copy(update={"request": request}),
                "author": self.asker.name,
                "tone": one.tone,
                "said": said,
                "skeleton": skeleton,
                "response": one.response,
            }
        )


def _chain_shown(draft: Draft) -> dict[str, JsonValue]:
    bound = {(one.call, one.argument) for one in draft.decisions if one.bound}
    calls: list[JsonValue] = []
    for number, call in enumerate(draft.chain.calls):
        gave = draft.chain.recorded[number] if number < len(draft.chain.recorded) else None
        calls.append({"call": number, "tool": call.tool, "arguments": _cut(call.arguments), "gave": _cut(gave)})
    critical: list[JsonValue] = [
        {"key": f"{one.call}:{one.argument}", "bound": (one.call, one.argument) in bound}
        for one in draft.task.intent.critical
    ]
    facts: list[JsonValue] = [{"value": _cut(fact.value), "words": list(fact.about)} for fact in draft.facts]
    return {"clock": draft.chain.world.now, "calls": calls, "critical": critical, "facts": facts}


# --- judge ------------------------------------------------------------------------------------------------------------


class _Same(Record):
    same: bool | None


class _Acceptable(Record):
    acceptable: bool | None


class LlmJudge:
    """Judges values and calls; None wherever it does not give a usable answer, never a guess."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.name = asker.name

    def same(self, expected: JsonValue, found: JsonValue, about: str) -> bool | None:
        """Do two values mean the same? None where the model could not decide or answered nonsense.

        Raises:
            Spent: a limit is reached.
            ModelFault, SetupError: the endpoint does not answer.
        """
        material: dict[str, JsonValue] = {"argument": about, "one": _cut(expected), "other": _cut(found)}
        try:
            return self.asker.ask(_Same, prompt("same"), material, f"same/{canonical(material)}").same
        except Nonsense:
            return None

    def acceptable(self, task: Task, calls: Sequence[Call]) -> bool | None:
        """Would these calls do what the request says as well as the reference does? None as in `same`.

        Raises:
            Spent: a limit is reached.
            ModelFault, SetupError: the endpoint does not answer.
        """
        material: dict[str, JsonValue] = {
            "request": task.request,
            "clock": task.now,
            "A": [_call(_resolved(call, task)) for call in task.reference],
            "B": [_call(call) for call in calls],
        }
        try:
            found = self.asker.ask(_Acceptable, prompt("acceptable"), material, f"acceptable/{canonical(material)}")
        except Nonsense:
            return None
        return found.acceptable


def _resolved(call: Call, task: Task) -> Call:
    """The call with the values that it takes from earlier results, as far as they are recorded."""
    try:
        arguments = resolve(dict(call.arguments), list(task.recorded))
    except InputError:
        return call
    return call.model_copy(update={"arguments": arguments})


def _call(call: Call) -> JsonValue:
    return {"tool": call.tool, "arguments": _cut(call.arguments)}
