"""What a request wishes for, call by call: which phrasing says it, what must be added, what goes without saying."""

from __future__ import annotations

from dataclasses import dataclass

from rise_bench.refs import bindings
from rise_bench.synth.requests.phrasebook import Phrases, slots
from rise_bench.synth.requests.speaker import NoWords, Speaker
from rise_bench.types import canonical

__all__ = ["Wish", "wishes"]

_FOLDED = 0.6
"""How often a search whose find is all that counts is said as `the file that ...` inside a later wish."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish: a clause in one of the forms of `Phrases`, with markers where values stand."""

    calls: tuple[int, ...]
    form: str
    text: str
    extras: tuple[str, ...] = ()
    """Sentences that add to it."""


@dataclass(frozen=True, slots=True)
class _Choice:
    form: str
    text: str
    added: tuple[tuple[str, str], ...]
    """Argument and fragment."""


def wishes(speaker: Speaker, tone: str) -> list[Wish]:
    """The wishes of the draft's chain in order of the calls; calls that are said inside others have none of their own.

    Raises:
        NoWords: a tool or an argument of which no phrasebook speaks.
    """
    chain = speaker.draft.chain
    folded = _folded(speaker)
    only = len(chain.calls) - len(folded) == 1
    made: list[Wish] = []
    for call in range(len(chain.calls)):
        if call in folded:
            continue
        choice = _pick(speaker, call, _forms(speaker, tone, only=only))
        text = speaker.marked(choice.text, call)
        ends = [speaker.added(argument, part, call) for argument, part in choice.added]
        clause = text + "".join(_linked(part) for part in ends if not part[:1].isupper())
        extras = tuple(part for part in ends if part[:1].isupper())
        inside = tuple(producer for producer, consumer in folded.items() if consumer == call)
        made.append(Wish(calls=(*inside, call), form=choice.form, text=clause, extras=extras))
    return made


def _linked(fragment: str) -> str:
    fragment = fragment.strip()
    return fragment if fragment[0] in ",;:" else f" {fragment}"


def _forms(speaker: Speaker, tone: str, *, only: bool) -> tuple[str, ...]:
    """Forms in which a wish may be said, the whole sentence only where it is the only wish."""
    if not only:
        return ("do", "want")
    share = {"indirect": 0.75, "rambling": 0.3, "context": 0.3}.get(tone, 0.0)
    return ("say",) if speaker.rng.random() < share else ("do", "want")


def _pick(speaker: Speaker, call: int, forms: tuple[str, ...]) -> _Choice:
    phrases = speaker.phrases(call)
    choices = [
        _Choice(form, text, added)
        for form, text in phrases.goals
        if (added := _added(speaker, call, text, phrases, whole=form == "say")) is not None
    ]
    fitting = [choice for choice in choices if choice.form in forms] or [c for c in choices if c.form != "say"]
    if not fitting:
        needed = ", ".join(sorted(speaker.needed(call)))
        raise NoWords("argument without words", f"{speaker.draft.chain.calls[call].tool}: {needed}")
    # a phrasing that leaves less to be added reads better
    least = min(len(choice.added) for choice in fitting)
    return speaker.rng.choice([choice for choice in fitting if len(choice.added) <= least])


def _added(
    speaker: Speaker, call: int, text: str, phrases: Phrases, *, whole: bool
) -> tuple[tuple[str, str], ...] | None:
    """Fragments for what the phrasing leaves out, none where it says all; None where it cannot be said with it.

    What is added to a whole sentence is a sentence itself.
    """
    given = set(speaker.arguments(call))
    said = set(slots(text))
    if not said <= given:
        return None
    added: list[tuple[str, str]] = []
    needed = speaker.needed(call)
    for argument, value in speaker.arguments(call).items():
        if argument in said or argument not in needed:
            continue
        key = value if isinstance(value, str) else canonical(value)
        options = [*phrases.flags.get(argument, {}).get(key, ()), *phrases.fragments.get(argument, ())]
        options = [option for option in options if set(slots(option)) <= given and not set(slots(option)) & said]
        options = [option for option in options if option[0].isupper() or not whole]
        if not options:
            return None
        chosen = speaker.rng.choice(options)
        added.append((argument, chosen))
        said |= {argument, *slots(chosen)}
    return tuple(added)


def _folded(speaker: Speaker) -> dict[int, int]:
    """Producer to the one consumer inside whose wish it is said."""
    chain = speaker.draft.chain
    uses: dict[int, list[int]] = {}
    for consumer, call in enumerate(chain.calls):
        for _, producer, _ in bindings(dict(call.arguments)):
            uses.setdefault(producer, []).append(consumer)
    folded: dict[int, int] = {}
    for producer, consumers in sorted(uses.items()):
        if len(consumers) != 1 or speaker.tells(producer) or speaker.rng.random() >= _FOLDED:
            continue
        phrases = speaker.phrases(producer)
        nouns = [noun for noun in phrases.nouns if _covers(speaker, producer, noun)]
        if nouns:
            speaker.nouns[producer] = speaker.rng.choice(nouns)
            folded[producer] = consumers[0]
    return folded


def _covers(speaker: Speaker, call: int, noun: str) -> bool:
    said = set(slots(noun))
    return said <= set(speaker.arguments(call)) and speaker.needed(call) <= said
