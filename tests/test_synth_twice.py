"""Chains of which a request would say one thing twice get no words, unless a person wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from score_kit import GROUND

from rise_bench.synth.beforehand import refuse_unknown
from rise_bench.synth.context import Context, open_context
from rise_bench.synth.keys import chain_key
from rise_bench.synth.loading import load_recipe
from rise_bench.synth.records import Chain, Draft, Dropped, World
from rise_bench.synth.requests.purse import Purse
from rise_bench.synth.requests.twice import said_twice
from rise_bench.synth.steps import author_step
from rise_bench.types import Call, Task, Tool

WORLD = World(setup="w1", now="2026-04-02T09:00:00Z", servers=("s",))
TOOLS = {
    "s.style": Tool(
        server="s",
        name="style",
        parameters={"type": "object", "properties": {"a": {"enum": ["thin"]}, "b": {"enum": ["thin"]}}},
    )
}
PAIR = [{"from": "Ada", "to": "Ada", "kind": "knows"}]


def chain(*calls: Call, recorded: tuple[Any, ...] = ()) -> Chain:
    return Chain(world=WORLD, calls=calls, primitives=("",) * len(calls), recorded=recorded)


def one(tool: str = "s.note", **arguments: Any) -> Chain:
    return chain(Call(tool=tool, arguments=arguments), recorded=({},))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (one(relations=PAIR), "s.note /relations/0/from and /relations/0/to: 'Ada'"),
        (one(source="a/plan.md", destination="a/plan.md"), "s.note /source and /destination: 'a/plan.md'"),
        (one(title="Lunch", subject=" lunch"), "s.note /title and /subject: ' lunch'"),
        (one(names=["Ada", "Ida", "Ada"]), 's.note a list with "Ada" in it twice'),
        (one(people=[{"name": "Ada"}, {"name": "Ada"}]), 's.note a list with {"name":"Ada"} in it twice'),
        (one(deep={"rows": [["Ada", 1], ["Ada", 1]]}), 's.note a list with ["Ada",1] in it twice'),
        (
            chain(
                Call(tool="s.look", arguments={}),
                Call(tool="s.note", arguments={"from": {"$ref": [0, "/who"]}, "to": "Ada"}),
                recorded=({"who": "Ada"}, {}),
            ),
            "s.note /from and /to: 'Ada'",
        ),
        (
            chain(
                Call(tool="s.look", arguments={}),
                Call(tool="s.note", arguments={"people": [{"name": "Ada"}, {"name": {"$ref": [0, "/who"]}}]}),
                recorded=({"who": "Ada"}, {}),
            ),
            's.note a list with {"name":"Ada"} in it twice',
        ),
    ],
)
def test_what_would_be_said_twice_is_told(made: Chain, told: str) -> None:
    assert said_twice(made, TOOLS) == told


@pytest.mark.parametrize(
    "made",
    [
        one(relations=[{"from": "Ada", "to": "Ida", "kind": "knows"}, {"from": "Ada", "to": "Heron", "kind": "sails"}]),
        one(source="Ada", within={"name": "Ada"}),
        one(start="2026-04-02", end="2026-04-02"),
        one(start="2026-04-02T09:00:00Z", end="2026-04-02T09:00:00Z"),
        one(latitude=5, longitude=5, width="4", height="4"),
        one(header="true", footer="true"),
        one(values=[4, 4, 7], flags=[True, True]),
        one(codes=["4", "4"], points=[[0, 0], [0, 0]]),
        one(rows=[["Ada", "north", "north"], ["Ida", "south", "south"]]),
        one("s.style", a="thin", b="thin"),
        chain(
            Call(tool="s.look", arguments={"path": "x"}), Call(tool="s.look", arguments={"path": "x"}), recorded=(1, 1)
        ),
    ],
)
def test_what_may_well_be_the_same_is_nothing_said_twice(made: Chain) -> None:
    assert said_twice(made, TOOLS) == ""


class Own:
    """An author from outside, who finds words for everything."""

    def author(self, draft: Draft, seed: int, count: int) -> Iterator[Draft | Dropped]:
        yield draft.model_copy(update={"author": "own"})


@contextmanager
def context(folder: Path, written: list[dict[str, str]], **requests: Any) -> Iterator[Context]:
    """Of a recipe whose requests are made so; starts no server, and nobody answers at the model's address."""
    (folder / "fixtures" / "w1").mkdir(parents=True)
    (folder / "requests").mkdir()
    (folder / "requests" / "a.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    (folder / "suite.yaml").write_text("name: kit\nservers: [s]\n", encoding="utf-8")
    (folder / "ground.json").write_text(GROUND.model_dump_json(), encoding="utf-8")
    recipe = {"name": "kit", "worlds": [{"setup": "w1", "now": WORLD.now}], "requests": requests}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    loaded = load_recipe(folder / "recipe.yaml")
    runs, plugs = folder / "runs.jsonl", refuse_unknown(loaded)
    opened = open_context(loaded, GROUND, plugs, runs, Purse(), workers=1, allow_unsafe=False, notice=None)
    try:
        yield opened
    finally:
        opened.close()


def draft(made: Chain) -> Draft:
    task = Task(id="t", request="", now=WORLD.now, servers=("s",), setup="w1", reference=made.calls)
    return Draft(chain=made, decisions=(), task=task)


MODEL = {"model": "openai:m", "args": {"base_url": "http://127.0.0.1:9/v1", "retries": 0}}
AUTHORS = [{"author": "phrasebook"}, {"author": "model", "model": MODEL}, {"author": "test_synth_twice:Own"}]


@pytest.mark.parametrize("requests", AUTHORS, ids=lambda one: one["author"])
def test_such_a_chain_is_dropped_with_a_reason_before_the_author_is_asked(
    tmp_path: Path, requests: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with context(tmp_path, [], **requests) as opened:
        (gone,) = author_step(opened)(draft(one(relations=PAIR)))
    assert isinstance(gone, Dropped)
    assert (gone.stage, gone.reason) == ("author", "says one thing twice")
    assert gone.detail == "s.note /relations/0/from and /relations/0/to: 'Ada'"


def test_other_chains_come_to_the_author(tmp_path: Path) -> None:
    with context(tmp_path, [], author="test_synth_twice:Own") as opened:
        (made,) = author_step(opened)(draft(one(text="Ada")))
    assert isinstance(made, Draft)
    assert made.author == "own"


def test_people_may_say_it_twice(tmp_path: Path) -> None:
    made = one(relations=PAIR)
    written = {"chain": chain_key(made), "request": "Note that Ada knows Ada.", "response": "Noted."}
    with context(tmp_path, [written], author="hand") as opened:
        (told,) = author_step(opened)(draft(made))
    assert isinstance(told, Draft)
    assert told.task.request == "Note that Ada knows Ada."
