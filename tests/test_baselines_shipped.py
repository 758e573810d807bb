"""The measured baselines that are shipped: of the suites and scorers as they are now, whole, and right where that can be told
without a server."""

from __future__ import annotations

import pytest

from rise_bench import bench
from rise_bench.baselines import MeasuredBaseline, Registry, TrivialBaseline, load_registry
from rise_bench.model.trivial import Saying, always_ask, always_decline, silent
from rise_bench.score import VERSION
from rise_bench.store import LoadedSuite, load_suite
from rise_bench.types import Assistant, ModelRequest, Task, Trajectory, User

AGENTS = ("always-ask", "always-decline", "lexical", "oracle", "random-tool", "silent")


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def desk() -> LoadedSuite:
    return load_suite("desk")


def test_every_agent_of_the_package_is_measured_on_desk(shipped: Registry) -> None:
    assert tuple(entry.name for entry in shipped.of(TrivialBaseline)) == AGENTS
    assert tuple(entry.of for entry in shipped.of(MeasuredBaseline) if entry.spec.suite == "desk") == AGENTS


def test_what_is_measured_is_of_the_suite_and_the_scorers_as_they_are(shipped: Registry) -> None:
    """A suite or scorer that changes asks for these runs again: `baselines/README.md` has the commands."""
    assert shipped.of(MeasuredBaseline)
    for entry in shipped.of(MeasuredBaseline):
        loaded = load_suite(entry.spec.suite)
        spec = (entry.spec.suite_version, entry.spec.suite_digest, entry.spec.ground_digest)
        assert spec == (loaded.suite.version, loaded.suite.digest(), loaded.ground.digest()), entry.name
        assert entry.spec.system_prompt == loaded.suite.system_prompt
        assert entry.scorers == {"acc_task": VERSION, "acc_intent": VERSION}, entry.name
        assert entry.tasks == len(loaded.suite.tasks)


def test_what_is_measured_ran_whole_live_and_confined(shipped: Registry) -> None:
    for entry in shipped.of(MeasuredBaseline):
        lines = "".join((*entry.acc_task, *entry.acc_intent))
        assert set(lines) <= {"0", "1"}, entry.name
        assert entry.spec.mode == "live"
        assert all(part.isolated and part.clock and not part.drift for part in entry.conditions), entry.name
        assert entry.by


def test_a_measured_entry_has_its_agents_own_line(shipped: Registry) -> None:
    for entry in shipped.of(MeasuredBaseline):
        assert entry.spec.model == shipped.get(TrivialBaseline, entry.of).model
        assert entry.spec.model_args == {}


def idle(task: Task, message: Assistant) -> Trajectory:
    messages = (User(content=task.request), message)
    return Trajectory(task=task.id, mode="live", messages=messages, end_state=())


@pytest.mark.parametrize("agent", [silent(), always_ask(), always_decline()], ids=lambda agent: agent.name)
def test_agents_that_make_no_call_score_what_their_words_score(
    shipped: Registry, desk: LoadedSuite, agent: Saying
) -> None:
    entry = shipped.get(MeasuredBaseline, f"{agent.name}-desk")
    message = agent.reply(ModelRequest(messages=(), tools=())).message
    scored = [bench.score_attempt(task, idle(task, message), desk) for task in desk.suite.tasks]
    assert entry.values("acc_task") == (tuple(row.acc_task.value for row in scored),)
    assert entry.values("acc_intent") == (tuple(row.acc_intent.value for row in scored),)


def test_the_references_score_1_everywhere(shipped: Registry) -> None:
    oracle = shipped.get(MeasuredBaseline, "oracle-desk")
    assert oracle.acc_task == oracle.acc_intent == ("1" * oracle.tasks,)


@pytest.mark.parametrize("name", ["lexical-desk", "random-tool-desk"])
def test_who_reads_words_or_nothing_stays_between_the_floor_and_the_ceiling(shipped: Registry, name: str) -> None:
    line = shipped.get(MeasuredBaseline, name).acc_intent[0]
    assert line.count("1") < 0.5 * len(line)
