"""Requests and replies written backwards from a chain, out of phrasebooks (DESIGN 5.4, 5.5)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from rise_bench import plugins
from rise_bench.errors import PluginError
from rise_bench.synth.records import Draft, Dropped
from rise_bench.synth.requests.phrasebook import Phrasebooks, leaks
from rise_bench.synth.requests.reply import Unstated, reply
from rise_bench.synth.requests.request import TONES, NoWords, Request, compose
from rise_bench.synth.words.verbalise import Names

__all__ = ["Author", "PhrasebookAuthor", "author", "plugged_author"]

_DRAWS = 12
"""How often another wording is tried before a draft gets fewer requests than were wanted."""


class Author(Protocol):
    """Somebody who writes requests for drafts: a phrasebook, a language model."""

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        """The draft with a request and a reply, up to `count` different ones, or why there is none."""


@dataclass(frozen=True, slots=True)
class PhrasebookAuthor:
    """Writes out of phrasebooks, without a model."""

    books: Phrasebooks
    names: Names = field(default_factory=dict)
    """How the people of the draft's world call things (`phrasebook.load_nicknames`)."""
    offered: tuple[str, ...] = ()
    """Ids of tools that no request may name, besides those that the draft calls."""
    tones: tuple[str, ...] = TONES

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        """Up to `count` drafts with different requests, each in the next tone; else one line that says why there is none.

        The same draft and seed give the same requests, whatever else is written.
        """
        seen: set[str] = set()
        reason, detail = "no wording", ""
        key = draft.chain.digest()
        tones = _order(self.tones, draft, random.Random(f"{seed}:{key}:tones"))
        for number in range(count):
            for draw in range(_DRAWS):
                rng = random.Random(f"{seed}:{key}:{number}:{draw}")
                try:
                    request = compose(draft, self.books, self.names, tones[(number + draw // 4) % len(tones)], rng)
                    if request.text in seen:
                        reason = "no further wording"
                        continue
                    if named := leaks(request.bare, (*draft.chain.tools, *self.offered)):
                        reason, detail = "names a tool", named
                        continue
                    response = reply(draft, request.text, self.books, rng)
                except NoWords as error:
                    reason, detail = error.reason, error.detail
                    continue
                except Unstated as error:
                    reason, detail = "reply does not state a fact", str(error)
                    continue
                seen.add(request.text)
                yield _written(draft, request, response)
                break
            else:
                break
        if not seen:
            yield Dropped(stage="author", what=key, reason=reason, detail=detail)


def plugged_author(name: str) -> Author:
    """The author that a plug-in of kind `author` offers, made where it is a class or a function.

    Raises:
        PluginError: there is no such plug-in, or what it gives cannot write.
    """
    made = plugins.load("author", name)
    own: Author = made() if callable(made) else made
    if not callable(getattr(own, "author", None)):
        what = f"{name} gives no author: it lacks `author(draft, seed, count)`"
        raise PluginError(what, where="requests.author", remedy="see docs/synthesis.md")
    return own


def author(
    draft: Draft, phrasebook: Phrasebooks, seed: int, count: int, names: Names | None = None
) -> Iterator[Draft | Dropped]:
    """`PhrasebookAuthor.author` as a function."""
    return replace(PhrasebookAuthor(phrasebook), names=names or {}).author(draft, seed, count)


def _order(tones: tuple[str, ...], draft: Draft, rng: random.Random) -> list[str]:
    """The tones that fit, in an order of this draft's own: two wishes in one message take two calls."""
    fitting = [tone for tone in tones if tone != "two" or len(draft.chain.calls) > 1]
    rng.shuffle(fitting)
    return fitting


def _written(draft: Draft, request: Request, response: str) -> Draft:
    return draft.model_copy(
        update={
            "task": draft.task.model_copy(update={"request": request.text}),
            "author": "phrasebook",
            "tone": request.tone,
            "skeleton": request.skeleton,
            "said": request.said,
            "response": response,
        }
    )
