"""The parts of one synthesis and the suites that it must stay apart from: who is kept out, and that nothing crosses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rise_bench.errors import InputError, RiseError
from rise_bench.store import LoadedSuite, load_suite, suites
from rise_bench.synth.gates.split import Holdings, Neighbours, holdings_of_suite, neighbours, refuse_crossings
from rise_bench.synth.keys import chain_key, request_key
from rise_bench.synth.loading import at_key, choices, nearest, place
from rise_bench.synth.made import Recovered
from rise_bench.synth.recipe import PARTS, LoadedRecipe, Part
from rise_bench.synth.records import Dropped
from rise_bench.types import Task

__all__ = ["Parting"]


class Parting:
    """Keeps the parts of a synthesis apart from each other and from the suites that the recipe names.

    Raises (when made):
        InputError: one of these suites is not there, or cannot be read; names the recipe and its key.
    """

    def __init__(self, loaded: LoadedRecipe) -> None:
        self._parts: dict[str, Holdings] = {part: Holdings() for part in reversed(PARTS)}
        self._others: dict[str, Holdings] = {}
        self._other_requests: dict[str, list[str]] = {}
        for name in loaded.recipe.splits.apart_from:
            suite = _suite(loaded.path, name)
            self._others[name] = holdings_of_suite(suite)
            self._other_requests[name] = [task.request for task in suite.suite.tasks]
        self._part_of: dict[str, Part] = {}
        self.dropped: list[Dropped] = []
        """What was kept out, and why."""

    def kept(self, worded: Iterable[Recovered], part_of_chain: Mapping[str, Part]) -> list[Recovered]:
        """Those that share nothing with another part or suite, and whose words stand for no other chain.

        Test parts come first: what would cross is taken out of training, never out of a test.
        """
        ordered = sorted(worded, key=lambda one: -PARTS.index(part_of_chain[chain_key(one.draft.chain)]))
        said: dict[tuple[str, str], str] = {}
        kept: list[Recovered] = []
        for one in ordered:
            task, key = one.draft.task, chain_key(one.draft.chain)
            part = part_of_chain[key]
            others = {**{name: held for name, held in self._parts.items() if name != part}, **self._others}
            shared = {name: what for name, held in others.items() if (what := self._shared(part, name, held, task))}
            owner = said.setdefault((task.setup, request_key(task.request)), key)
            if shared:
                name, what = next(iter(shared.items()))
                self._drop(task, f"shares a {what} with {name}")
            elif owner != key:
                self._drop(task, "its words stand for another chain too")
            else:
                self._parts[part].add(task)
                self._part_of[task.id] = part
                kept.append(one)
        return kept

    def _shared(self, part: Part, name: str, held: Holdings, task: Task) -> str:
        """What may not be shared and is; two tests may call the same."""
        what = held.shares(task)
        both_tests = part.startswith("test") and name not in ("train", "dev")
        return "" if what == "primitive" and both_tests else what

    def _drop(self, task: Task, reason: str) -> None:
        self.dropped.append(Dropped(stage="split", what=task.id, reason=reason, detail=task.request[:200]))

    def adopt(self, twin: Task, origin: str) -> bool:
        """Take a twin into the part of the task that it was made from; False where its words stand in another part."""
        part = self._part_of[origin]
        others = [*(held for name, held in self._parts.items() if name != part), *self._others.values()]
        if any(held.shares(twin) for held in others):
            return False
        self._parts[part].add(twin)
        self._part_of[twin.id] = part
        return True

    def part(self, task: Task) -> Part:
        """The part of a task that was kept or adopted."""
        return self._part_of[task.id]

    def tagged(self, task: Task) -> Task:
        """The task with the name of its part as first tag."""
        part = self.part(task)
        return task.model_copy(update={"tags": (part, *(tag for tag in task.tags if tag != part))})

    def refuse_crossings(self, where: str) -> None:
        """Nothing, where no two parts share anything.

        Raises:
            InputError: they do.
        """
        refuse_crossings({**self._parts, **self._others}, where)

    def neighbours(self, tasks: Sequence[Task]) -> tuple[Neighbours, ...]:
        """How near the requests of the parts, and of the other suites, come to each other."""
        texts: dict[str, list[str]] = {part: [] for part in reversed(PARTS)}
        for task in tasks:
            texts[self.part(task)].append(task.request)
        return neighbours({**self._other_requests, **texts})


def _suite(recipe: str, name: str) -> LoadedSuite:
    """A shipped suite, or one in a folder relative to the recipe's."""
    key, beside = "splits.apart_from", Path(recipe).parent / name
    if name not in suites() and not (beside / "suite.yaml").is_file():
        remedy = choices(nearest(name, suites()), f"name a folder with a suite.yaml, which {beside} is not")
        raise InputError(f"{key}: there is no suite {name!r}", where=place(recipe, key), remedy=remedy)
    try:
        return load_suite(name if name in suites() else str(beside))
    except RiseError as error:
        raise at_key(error, recipe, key) from error
