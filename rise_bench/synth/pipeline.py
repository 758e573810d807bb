"""Synthesis from recipe to release: the stages one after the other, each from what the one before it kept on disk.

Each stage reads the rows of the stage before, does the inputs that its own file lacks, and appends as it goes: a run that
was killed or interrupted goes on where it stopped, and nothing that was executed is executed again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from rise_bench.synth import steps
from rise_bench.synth.beforehand import frozen, refuse_unknown
from rise_bench.synth.context import Context, open_context, spec_of
from rise_bench.synth.drafting import Drafting, grouped, in_turn, servers_of
from rise_bench.synth.folder import SynthFolder
from rise_bench.synth.funnel import Funnel, markdown
from rise_bench.synth.gates.extra import lacking
from rise_bench.synth.gates.parting import Parting
from rise_bench.synth.gates.split import Neighbours
from rise_bench.synth.keys import chain_key
from rise_bench.synth.loading import load_recipe
from rise_bench.synth.made import Proved, Recovered, Twin
from rise_bench.synth.output.composition import composition
from rise_bench.synth.output.suite import Released, release_evidence, release_suite
from rise_bench.synth.output.training import Counts
from rise_bench.synth.planning import Settings
from rise_bench.synth.recipe import LoadedRecipe
from rise_bench.synth.records import Draft, Dropped, Primitive
from rise_bench.synth.requests.by_hand import worksheet
from rise_bench.synth.requests.purse import Spent
from rise_bench.synth.requests.recoverability import Recoverability, recoverability
from rise_bench.synth.running import Progress, Running, Until
from rise_bench.synth.teaching import Checked, lessons, train
from rise_bench.types import Task

__all__ = ["Synthesis", "synthesise"]


@dataclass(slots=True)
class Synthesis:
    """What a call of `synthesise` came to."""

    folder: str
    funnel: Funnel
    stopped: str = ""
    """Why it stopped before the end; empty where it did not."""
    released: Released | None = None
    rows: tuple[Counts, ...] = ()
    neighbours: tuple[Neighbours, ...] = ()
    coverage: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Tool to (scenarios of which a call was verified, scenarios there are)."""
    recoverability: Recoverability | None = None
    checked: Checked | None = None
    worksheet: str = ""
    requests: int = 0
    """Asked of language models in this call."""
    spent: float = 0.0


def synthesise(settings: Settings, progress: Progress) -> Synthesis:
    """Carry a recipe out, from where an earlier call stopped.

    Raises:
        InputError: recipe, suite or written requests cannot be used; the output cannot be written.
        SetupError: servers or the endpoint cannot be reached, or are gone. What was done is kept.
        PluginError: no such author or mutation.
    """
    loaded = load_recipe(settings.recipe, settings.seed)
    plugs = refuse_unknown(loaded)
    if settings.notice and (left_out := lacking()):
        settings.notice(left_out)
    ground = frozen(loaded, settings.notice, allow_unsafe=settings.allow_unsafe)
    folder = SynthFolder.create(spec_of(loaded, ground), settings.output)
    try:
        context = open_context(
            loaded,
            ground,
            plugs,
            folder.path / "runs.jsonl",
            settings.purse,
            workers=settings.workers,
            allow_unsafe=settings.allow_unsafe,
            notice=settings.notice,
        )
        try:
            return _Run(settings, loaded, context, folder, progress).all()
        finally:
            context.close()
    finally:
        folder.close()


class _Run:
    """One call of `synthesise`."""

    def __init__(
        self, settings: Settings, loaded: LoadedRecipe, context: Context, folder: SynthFolder, progress: Progress
    ) -> None:
        self._settings = settings
        self._loaded = loaded
        self._recipe = loaded.recipe
        self._context = context
        self._folder = folder
        name, workers, until = loaded.recipe.name, settings.workers, settings.until
        self._running = Running(name, folder, progress, workers, until, retry_faults=settings.retry_faults)
        self._drafting = Drafting(context, self._running, folder, settings.limit)
        self._done = Synthesis(str(folder.path), self._running.funnel)

    def all(self) -> Synthesis:
        """Every stage in order; the funnel is written however it ends."""
        try:
            self._carry_out()
        except Spent as limit:
            self._done.stopped = str(limit)
        except Until as stage:
            self._done.stopped = f"after the stage {stage}, as asked"
        finally:
            self._done.funnel = self._running.funnel
            self._folder.write("funnel.json", self._done.funnel.model_dump_json(indent=1) + "\n")
            self._folder.write("funnel.md", markdown(self._done.funnel))
        if self._done.released and not self._done.stopped and self._settings.release:
            release_evidence(self._settings.release, self._folder.path)
        purse = self._settings.purse
        self._done.requests, self._done.spent = purse.requests, purse.spent
        return self._done

    def _carry_out(self) -> None:
        primitives = self._drafting.primitives()
        self._done.coverage = self._drafting.covered
        drafts, part_of_chain = self._drafting.drafts(primitives)
        worded = self._worded(drafts)
        parting = Parting(self._loaded)
        kept = parting.kept(worded, part_of_chain)
        self._running.count("split", "parted", len(worded), len(kept), parting.dropped)
        tagged = [_with_task(one, parting.tagged(one.draft.task)) for one in kept]
        if self._recipe.output.kind == "suite":
            self._suite(tagged, primitives, parting)
        else:
            self._training(tagged, parting)

    # --- words --------------------------------------------------------------------------------------------------------

    def _worded(self, drafts: Sequence[Draft]) -> list[Recovered]:
        """Drafts with requests from which every critical value follows."""
        if self._recipe.requests.author == "hand":
            bare = [draft for draft in drafts if chain_key(draft.chain) not in self._context.written]
            self._done.worksheet = str(self._folder.write("worksheet.yaml", worksheet(bare)))
        inputs = {self._author_key(draft): draft for draft in drafts}
        made = self._running.made("author", "in words", Draft, inputs, steps.author_step(self._context))
        worded = {f"{one.task.id} {one.digest()[:16]} {self._names(one)}": one for one in made}
        return self._running.made("recover", "recoverable", Recovered, worded, steps.recover_step(self._context))

    def _author_key(self, draft: Draft) -> str:
        """Of the draft, and of what is written for it: a request, phrase or nickname that is mended later counts anew."""
        key = chain_key(draft.chain)
        written = self._context.written.get(key)
        words = written.digest() if written else self._context.words + self._names(draft)
        return f"{key} {steps.digest_of([draft.digest(), words])}"

    def _names(self, draft: Draft) -> str:
        """Digest of how the people of its world call things."""
        names = self._context.nicknames.get(draft.task.setup, {})
        return steps.digest_of({value: list(called) for value, called in names.items()})

    # --- releases -----------------------------------------------------------------------------------------------------

    def _suite(self, worded: Sequence[Recovered], primitives: Sequence[Primitive], parting: Parting) -> None:
        drafts = {one.draft.task.id: one.draft for one in worded}
        proved = self._proved("prove", [draft.task for draft in drafts.values()], "kept")
        there = {task.id for task in proved}
        twins = self._twins([one for one in worded if one.draft.task.id in there], parting)
        proved_twins = self._proved("twins-proved", [parting.tagged(one.task) for one in twins], "twins kept")
        tasks = [*proved, *proved_twins]
        self._apart(tasks, parting)
        self._recovered([one for one in worded if one.draft.task.id in there])
        chains = [drafts[task.id].chain for task in proved]
        used = {digest for chain in chains for digest in chain.primitives}
        by_hand = [one for chain in chains for one in self._drafting.of_hand(chain)]
        kept = [*by_hand, *(one for one in primitives if one.digest() in used)]
        self._folder.write("composition.md", composition(tasks, self._recipe.splits.unseen_servers))
        for place in filter(None, (self._folder.path / "suite", self._settings.release)):
            self._done.released = release_suite(place, self._loaded.suite, self._context.ground, tasks, kept)
        if self._recipe.negatives.per_operator:
            complete, origins = {task.id: task for task in proved}, {one.task.id: one.origin for one in twins}
            worlds = {name: draft.chain.world for name, draft in drafts.items()}
            made = lessons(self._running, self._context, self._drafting.listed, tasks, complete, origins, worlds)
            self._done.checked = made[1]

    def _proved(self, name: str, tasks: Sequence[Task], word: str) -> list[Task]:
        ordered = sorted(tasks, key=lambda task: servers_of(task.reference))
        inputs = {f"{task.id} {task.digest()[:16]}": task for task in ordered}
        return [one.task for one in self._running.made(name, word, Proved, inputs, steps.prove_step(self._context))]

    def _twins(self, worded: Sequence[Recovered], parting: Parting) -> list[Twin]:
        """At most as many twins of each kind as the recipe wants, spread over the tasks by their digests."""
        wanted = self._recipe.twins
        by_hand = self._recipe.requests.author == "hand"
        if not by_hand and not wanted.underspecified and not wanted.infeasible:
            return []
        inputs = {f"{one.draft.task.id} {one.draft.task.digest()[:16]}": one for one in worded}
        made = self._running.made("twins", "twins", Twin, inputs, steps.twin_step(self._context, self._drafting.listed))
        room = {"underspecified": wanted.underspecified, "infeasible": wanted.infeasible}
        kept: list[Twin] = []
        gone: list[Dropped] = []
        by_origin = grouped(sorted(made, key=lambda one: steps.digest_of(one.task.id)), lambda one: one.origin)
        for twin in in_turn([by_origin[origin] for origin in sorted(by_origin, key=steps.digest_of)]):
            if not by_hand and room.get(twin.task.kind, 0) <= 0:
                gone.append(Dropped(stage="gate", what=twin.task.id, reason="enough of its kind"))
            elif not parting.adopt(twin.task, twin.origin):
                gone.append(Dropped(stage="gate", what=twin.task.id, reason="belongs to another part"))
            else:
                room[twin.task.kind] -= 1
                kept.append(twin)
        self._running.count("twins kept", "twins chosen", len(made), len(kept), gone)
        return kept

    def _training(self, worded: Sequence[Recovered], parting: Parting) -> None:
        by_chain: dict[str, list[Draft]] = {}
        for one in worded:
            by_chain.setdefault(chain_key(one.draft.chain), []).append(one.draft)
        first = {some[0].task.id for some in by_chain.values()}
        twins = self._twins([one for one in worded if one.draft.task.id in first], parting)
        tasks = [parting.tagged(one.task) for one in twins]
        self._apart([one.draft.task for one in worded], parting)
        origins = {one.task.id: one.origin for one in twins}
        self._recovered(worded)
        made = train(self._running, self._context, self._drafting.listed, by_chain, origins, tasks, parting)
        self._done.rows, self._done.checked = made

    def _recovered(self, kept: Sequence[Recovered]) -> None:
        """Write down how the critical values follow from the requests that were kept."""
        context = self._context
        found = recoverability(kept, context.tools, context.nicknames, context.books)
        self._done.recoverability = found
        self._folder.write("recoverability.json", found.model_dump_json(indent=1) + "\n")

    def _apart(self, tasks: Sequence[Task], parting: Parting) -> None:
        """Refuse what crosses, write down how near the parts come to each other."""
        parting.refuse_crossings(str(self._folder.path))
        self._done.neighbours = parting.neighbours(tasks)
        lines = [one.model_dump(mode="json") for one in self._done.neighbours]
        self._folder.write("neighbours.json", json.dumps(lines, indent=1, ensure_ascii=False) + "\n")


def _with_task(one: Recovered, task: Task) -> Recovered:
    return one.model_copy(update={"draft": one.draft.model_copy(update={"task": task})})
