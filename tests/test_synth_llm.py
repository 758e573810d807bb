"""A language model as proposer, author and judge, over a real socket: nonsense, time-outs, limits, and what is sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from misbehaving import KEY, Peer, fails, says, serving

from rise_bench.errors import InputError, ModelFault, SetupError
from rise_bench.synth.recipe import Asked
from rise_bench.synth.records import Chain, Draft, Dropped, Entity, World
from rise_bench.synth.requests.llm import Asker, LlmAuthor, LlmJudge, LlmProposer
from rise_bench.synth.requests.purse import Purse, Spent
from rise_bench.types import Assistant, Call, Critical, Intent, Reply, Task, Tool

WORLD = World(setup="w", now="2026-04-02T09:00:00Z", servers=("files",))
READ = Tool(server="files", name="read_file", description="Read a file.", parameters={"type": "object"})
PATH = Entity(world="w", kind="path", value="notes/a.txt", tool="files.list", label="the planning notes")


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as server:
        yield server


@pytest.fixture
def asker(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Asker]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    made: list[Asker] = []

    def make(purse: Purse | None = None, **args: Any) -> Asker:
        asked = Asked(model="openai:m", args={"base_url": peer.url, "retries": 0, "backoff": 0.0, **args})
        made.append(Asker(asked, purse or Purse(), seed=1))
        return made[-1]

    yield make
    for one in made:
        one.close()


def draft() -> Draft:
    call = Call(tool="files.read_file", arguments={"path": "notes/a.txt"})
    task = Task(
        id="t",
        request="",
        now=WORLD.now,
        servers=("files",),
        setup="w",
        reference=(call,),
        intent=Intent(critical=(Critical(call=0, argument="/path", match="path"),)),
    )
    chain = Chain(world=WORLD, calls=(call,), primitives=("p",), recorded=("Budget first.",))
    return Draft(chain=chain, decisions=(), task=task)


def proposals(*arguments: dict[str, Any]) -> str:
    return json.dumps({"proposals": [{"arguments": one, "scenario": "all", "goal": "see it"} for one in arguments]})


def test_a_proposer_is_shown_the_schema_and_what_exists_and_is_named_in_its_proposals(
    peer: Peer, asker: Callable[..., Asker]
) -> None:
    peer.script = [says(proposals({"path": "notes/a.txt"}))]
    (made,) = LlmProposer(asker()).propose(WORLD, READ, [PATH], 1)
    assert (made.tool, made.arguments, made.goal) == ("files.read_file", {"path": "notes/a.txt"}, "see it")
    assert made.proposer == "openai:m"
    question = json.loads(peer.bodies[0]["messages"][1]["content"])
    assert question["exists"] == [{"kind": "path", "value": "notes/a.txt", "label": "the planning notes"}]
    assert "tools" not in peer.bodies[0]


def test_fences_thoughts_and_pleasantries_around_the_json_are_passed_over(
    peer: Peer, asker: Callable[..., Asker]
) -> None:
    peer.script = [says("<think>{maybe}</think>Sure!\n```json\n" + proposals({"path": "b"}) + "\n```\nAnything else?")]
    (made,) = LlmProposer(asker()).propose(WORLD, READ, [], 1)
    assert made.arguments == {"path": "b"}


def test_nonsense_is_asked_for_again_with_the_reason_and_then_given_up(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says("I would rather not."), says('{"proposals": "many"}'), says("never asked")]
    assert list(LlmProposer(asker()).propose(WORLD, READ, [], 1)) == []
    assert len(peer.bodies) == 2
    assert "no JSON object" in peer.bodies[1]["messages"][1]["content"]


def test_a_second_answer_that_is_usable_is_taken(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says("{broken"), says(proposals({"path": "b"}))]
    assert len(list(LlmProposer(asker()).propose(WORLD, READ, [], 1))) == 1


def test_more_proposals_than_were_asked_for_are_cut(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says(proposals(*({"path": str(n)} for n in range(9))))]
    assert len(list(LlmProposer(asker(), count=4).propose(WORLD, READ, [], 1))) == 4


def wording(**more: Any) -> str:
    one = {"request": "Read me the planning notes.", "tone": "terse", "response": "It says: Budget first."}
    return json.dumps({"requests": [{**one, **more}]})


def test_an_author_gives_words_and_the_skeleton_without_the_values(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says(wording(said={"0:/path": "the planning notes"}))]
    (made,) = LlmAuthor(asker()).author(draft(), 1, 1)
    assert isinstance(made, Draft)
    assert made.task.request == "Read me the planning notes."
    assert made.skeleton == "Read me <0>."
    assert made.author == "openai:m"


def test_an_author_that_quotes_what_it_did_not_write_is_dropped(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says(wording(said={"0:/path": "notes/b.txt"}))]
    (made,) = LlmAuthor(asker()).author(draft(), 1, 1)
    assert isinstance(made, Dropped)
    assert made.reason == "the model misquotes itself"


def test_an_author_that_answers_nonsense_is_a_drop_with_that_reason(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says("")]
    (made,) = LlmAuthor(asker()).author(draft(), 1, 1)
    assert isinstance(made, Dropped)
    assert made.reason == "the model answers nonsense"


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("false", False), ("null", None), ('"yes"', True)])
def test_a_judge_says_yes_no_or_that_it_cannot_tell(
    peer: Peer, asker: Callable[..., Asker], said: str, meant: bool | None
) -> None:
    peer.script = [says(f'{{"same": {said}}}')]
    assert LlmJudge(asker()).same("19 January", "20 January", "date") is meant


def test_a_judge_that_does_not_answer_the_question_has_no_opinion(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says("These are certainly the same.")]
    judge = LlmJudge(asker())
    assert judge.same("a", "b", "date") is None
    assert judge.acceptable(draft().task, [Call(tool="files.read_file", arguments={"path": "b"})]) is None


def test_a_judge_of_calls_sees_values_where_the_reference_binds_to_results(
    peer: Peer, asker: Callable[..., Asker]
) -> None:
    peer.script = [says('{"acceptable": false}')]
    calls = (
        Call(tool="files.find", arguments={"name": "plan"}),
        Call(tool="files.read_file", arguments={"path": {"$ref": [0, "/path"]}}),
    )
    task = draft().task.model_copy(update={"reference": calls, "recorded": ({"path": "notes/plan.md"}, "Budget.")})
    assert LlmJudge(asker()).acceptable(task, [Call(tool="files.read_file", arguments={"path": "b"})]) is False
    question = json.loads(peer.bodies[0]["messages"][1]["content"])
    assert question["A"][1]["arguments"] == {"path": "notes/plan.md"}
    assert question["B"] == [{"tool": "files.read_file", "arguments": {"path": "b"}}]


def test_an_endpoint_that_fails_is_a_fault_and_not_an_opinion(peer: Peer, asker: Callable[..., Asker]) -> None:
    judge = LlmJudge(asker())
    peer.script = [says('{"same": true}'), fails(500)]
    assert judge.same("a", "b", "date") is True
    with pytest.raises(ModelFault):
        judge.same("a", "c", "date")


def test_an_endpoint_that_never_answers_is_said_at_once(peer: Peer, asker: Callable[..., Asker]) -> None:
    judge = LlmJudge(asker(timeout=0.3))
    peer.script = [lambda handler, body: handler.send(200, {}) if peer.gate.wait(5) else None]
    with pytest.raises((ModelFault, SetupError)):
        judge.same("a", "b", "date")
    peer.gate.set()


def test_a_limit_of_requests_stops_before_the_next_one(peer: Peer, asker: Callable[..., Asker]) -> None:
    judge = LlmJudge(asker(Purse(max_requests=2)))
    peer.script = [says('{"same": true}')]
    judge.same("a", "b", "date")
    judge.same("a", "c", "date")
    with pytest.raises(Spent) as stopped:
        judge.same("a", "d", "date")
    assert len(peer.bodies) == 2
    assert "goes on where it stopped" in stopped.value.remedy


def test_a_limit_of_cost_stops_before_the_answer_that_would_go_beyond_it(
    peer: Peer, asker: Callable[..., Asker]
) -> None:
    purse = Purse(max_cost=40e-6, prices=(1.0, 1.0))
    judge = LlmJudge(asker(purse))
    peer.script = [says('{"same": true}')]
    judge.same("a", "b", "date")
    assert purse.spent == pytest.approx(18e-6)
    judge.same("a", "c", "date")
    with pytest.raises(Spent, match="is spent, and an answer cost up to"):
        judge.same("a", "d", "date")
    assert len(peer.bodies) == 2
    assert purse.spent == pytest.approx(36e-6)


def reply(tokens: int) -> Reply:
    return Reply(message=Assistant(content=""), input_tokens=0, output_tokens=tokens)


def test_what_is_under_way_counts_at_the_price_of_the_dearest_answer_so_far() -> None:
    """Four threads and a limit that ten answers just meet: they make ten, however they come in between each other."""
    purse = Purse(max_cost=10 * 7.0, prices=(0.0, 1e6))
    lock, together = threading.Lock(), threading.Barrier(4)
    most: list[int] = []
    under_way: list[int] = []
    stopped: list[str] = []

    def ask() -> None:
        together.wait(10)
        while True:
            try:
                with purse.request():
                    with lock:
                        under_way.append(1)
                        most.append(len(under_way))
                    time.sleep(0.05)
                    purse.pay(reply(7))
                    under_way.pop()
            except Spent as limit:
                stopped.append(limit.where)
                return

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (purse.requests, purse.spent, stopped) == (10, 70.0, ["--max-cost"] * 4)
    assert most[:2] == [1, 1], "the first is waited for alone"
    assert max(most) > 1, "the others are made side by side, once it is known what one costs"


def test_a_request_that_fails_holds_nothing_back() -> None:
    purse = Purse(max_cost=2.0, prices=(0.0, 1e6))
    ended: list[str] = []

    def ask() -> None:
        with purse.request():
            purse.pay(reply(1))
        for _ in range(3):
            with pytest.raises(ModelFault), purse.request():
                raise ModelFault("HTTP 500")
        with purse.request():
            purse.pay(reply(1))
        with pytest.raises(Spent), purse.request():
            pass
        ended.append("not held back")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(10)
    assert (ended, purse.spent) == (["not held back"], 2.0)


def test_a_limit_of_nothing_asks_nothing() -> None:
    for purse in (Purse(max_requests=0), Purse(max_cost=0.0, prices=(1.0, 1.0))):
        with pytest.raises(Spent), purse.request():
            pass
        assert purse.requests == 0


def test_a_limit_of_cost_needs_prices() -> None:
    with pytest.raises(InputError, match="needs prices"):
        Purse(max_cost=1.0)


def test_the_seed_that_is_sent_follows_from_what_is_asked_about(peer: Peer, asker: Callable[..., Asker]) -> None:
    peer.script = [says('{"same": true}')]
    judge = LlmJudge(asker())
    for found in ("b", "b", "c"):
        judge.same("a", found, "date")
    one, two, three = (body["seed"] for body in peer.bodies)
    assert one == two != three
