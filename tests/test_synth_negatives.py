"""Negatives and twins on real servers: executed, scored, and told from what is as good as the reference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.ground.doors import live
from rise_bench.model.oracle import final_message
from rise_bench.score import score
from rise_bench.score.calls import tools_of
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.synth.cache import Cache
from rise_bench.synth.gates.passing import passed
from rise_bench.synth.negatives.execute import chosen, negatives
from rise_bench.synth.output.pairs import pair
from rise_bench.synth.records import Chain, Counterfactual, Decision, Draft, Dropped, Entity, Negative, Pair, World
from rise_bench.synth.requests.twins import infeasible, underspecified
from rise_bench.types import Assistant, GroundSource, Task, Trajectory, User


@pytest.fixture(scope="module")
def desk() -> LoadedSuite:
    return load_suite("desk")


@pytest.fixture(scope="module")
def source(desk: LoadedSuite) -> Iterator[GroundSource]:
    opened = live(ground=desk.ground, fixtures=desk.fixtures, recipes=desk.recipes)
    yield opened
    opened.close()


def saying(task: Task, message: str) -> Trajectory:
    return Trajectory(
        task=task.id, mode="live", messages=(User(content=task.request), Assistant(content=message)), end_state=()
    )


@pytest.mark.servers
def test_negatives_of_a_reading_task_say_what_their_own_run_gave(
    tmp_path: Path, desk: LoadedSuite, source: GroundSource
) -> None:
    task = desk.tasks["desk/files-okafor-rate"]
    cache = Cache(tmp_path / "runs.jsonl")
    found = list(negatives(task, source, cache=cache))
    kept = {one.operator: one for one in found if isinstance(one, Negative)}
    last_year = next(one for one in found if isinstance(one, Negative) and str(one.made).endswith("okafor-2025.md"))
    assert "85" in last_year.messages[-1].content
    assert last_year.observed == last_year.declared == (1, 0)
    assert kept["decision:ask"].observed == kept["decision:without-looking"].observed == (0, 0)
    assert kept["response:other-value"].observed == (1, 0)
    assert all(one.observed[1] == 0 for one in kept.values())


@pytest.mark.servers
def test_a_second_time_nothing_is_executed(tmp_path: Path, desk: LoadedSuite, source: GroundSource) -> None:
    task = desk.tasks["desk/files-okafor-rate"]
    first = [one.digest() for one in negatives(task, source, cache=Cache(tmp_path / "runs.jsonl"))]
    again = Cache(tmp_path / "runs.jsonl")
    second = [one.digest() for one in negatives(task, source, cache=again)]
    assert second == first
    assert again.executed == 0


@pytest.mark.servers
def test_pairs_of_a_writing_task_pass_their_gates(tmp_path: Path, desk: LoadedSuite, source: GroundSource) -> None:
    task = desk.tasks["desk/files-archive-march-invoices"]
    cache = Cache(tmp_path / "runs.jsonl")
    reference = chosen(task, source, cache)
    assert reference is not None
    made = [one for one in negatives(task, source, cache=cache) if isinstance(one, Negative)]
    entity = [one for one in made if one.operator == "value:entity"]
    assert {one.observed for one in entity} == {(1, 0)}
    assert all(passed(task, one, tools_of(task, source.ground)) is None for one in entity)
    pairs = [pair(reference, one) for one in entity]
    assert [one.span for one in pairs if isinstance(one, Pair)] == [f"{one.call}:{one.argument}" for one in entity]


def draft(task: Task, place: str, words: str, *tried: Counterfactual) -> Draft:
    call, _, argument = place.partition(":")
    return Draft(
        chain=Chain(
            world=World(setup=task.setup, now=task.now, servers=task.servers), calls=task.reference, primitives=()
        ),
        decisions=(Decision(call=int(call), argument=argument, consequential=True, tried=tried),),
        task=task,
        said={place: words},
    )


@pytest.mark.servers
def test_a_value_unsaid_and_not_to_be_found_makes_a_task_in_which_asking_is_right(
    desk: LoadedSuite, source: GroundSource
) -> None:
    task = desk.tasks["desk/files-okafor-rate"]
    path = task.reference[0].arguments["path"]
    other = "{root}/contracts/okafor-2025.md"
    entities = [Entity(world="w", kind="file", value=value, tool="filesystem.search_files") for value in (path, other)]
    mattered = Counterfactual(value=other, ran=True, changed="fact")
    stated = task.model_copy(update={"request": "Tell me what hourly rate stands in the agreement okafor-2026.md."})
    (twin,) = underspecified(draft(stated, "0:/path", "okafor-2026.md", mattered), source, entities)
    assert isinstance(twin, Task)
    assert "2026" not in twin.request
    assert [verdict.value for verdict in score(twin, saying(twin, final_message(twin)), source.ground)] == [1, 1]
    assert [verdict.value for verdict in score(twin, saying(twin, "It is 92.50 EUR."), source.ground)] == [0, 0]
    guesses = [one for one in negatives(twin, source, origin=task) if isinstance(one, Negative)]
    assert {one.operator: one.observed for one in guesses} == {"decision:guess": (0, 0), "decision:claim": (0, 0)}


@pytest.mark.servers
def test_a_value_that_reading_settles_makes_no_twin(desk: LoadedSuite, source: GroundSource) -> None:
    task = desk.tasks["desk/files-okafor-rate"].model_copy(
        update={"request": "Tell me what hourly rate stands in the agreement okafor-2026.md."}
    )
    only = [Entity(world="w", kind="file", value=task.reference[0].arguments["path"], tool="filesystem.search_files")]
    (found,) = underspecified(draft(task, "0:/path", "okafor-2026.md"), source, only)
    assert isinstance(found, Dropped)
    assert found.reason == "twin: can be found by reading"


def test_without_its_server_a_task_must_be_declined_in_words_that_name_what_is_missing(desk: LoadedSuite) -> None:
    made = {task.id: infeasible(task, desk.ground) for task in desk.suite.tasks if task.kind == "complete"}
    twins = {name: twin for name, twin in made.items() if isinstance(twin, Task)}
    assert len(twins) > len(made) / 4
    for name, twin in twins.items():
        needed = desk.tasks[name].reference[max(c.call for c in desk.tasks[name].intent.critical)].tool
        assert needed.partition(".")[0] not in twin.servers
        assert twin.servers
        values = [verdict.value for verdict in score(twin, saying(twin, final_message(twin)), desk.ground)]
        assert values == [1, 1], name
        assert [v.value for v in score(twin, saying(twin, "Done, all set."), desk.ground)] == [0, 0]


def test_no_twin_is_made_where_another_server_could_do_it(desk: LoadedSuite) -> None:
    reading = desk.tasks["desk/files-okafor-rate"]
    found = infeasible(reading, desk.ground)
    assert isinstance(found, Dropped)
    assert "another server could do it" in found.reason
