"""`rise-bench synth` with a model as author: a budget that is met, and an endpoint that is of no use."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from misbehaving import KEY, Behaviour, Handler, Peer, fails, says, serving
from synth_kit import changed, contents, copied_recipe, made_in, read, rows_of, synth

from rise_bench.refs import at
from rise_bench.synth.records import Chain
from rise_bench.synth.requests.twice import said_twice

pytestmark = [pytest.mark.servers, pytest.mark.slow]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def asking(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe whose author is a model, and what there is of it before the author is asked: a few chains of one call."""
    model = {"model": "openai:m", "args": {"base_url": peer.url, "retries": 0, "backoff": 0.0}}

    def change(value: dict[str, Any]) -> None:
        for name in ("negatives", "twins"):
            del value[name]
        value.update(name="asking", servers=["memory"], requests={"author": "model", "model": model})
        value.update(proposals={"per_tool": 3}, chains={"per_world": 16, "lengths": {1: 1.0}})

    path = changed(copied_recipe(tmp_path_factory.mktemp("suite")), change)
    output = tmp_path_factory.mktemp("asking")
    synth(path, output, "--until", "ground")
    assert len(drafts(output)) >= 3, "too few to be stopped among them"
    assert len(drafts(output)) < len(made_in_ground(output)), "none of them says one thing twice"
    return path, output


@pytest.fixture
def begun(asking: tuple[Path, Path], peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The same in an output folder of one test's own; nothing has been asked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    peer.bodies.clear()
    return asking[0], Path(shutil.copytree(asking[1], tmp_path / "out"))


def made_in_ground(output: Path) -> list[Any]:
    return [one for row in rows_of(made_in(output) / "ground.jsonl") for one in row["made"]]


def drafts(output: Path) -> list[Any]:
    """Those for which the author is asked."""
    return [one for one in made_in_ground(output) if not said_twice(Chain.model_validate(one["chain"]), {})]


def authored(output: Path) -> list[dict[str, Any]]:
    """The rows of those for which the author was asked."""
    rows = rows_of(made_in(output) / "author.jsonl")
    return [row for row in rows if [one["reason"] for one in row["dropped"]] != ["says one thing twice"]]


def asked(peer: Peer) -> Counter[str]:
    """What the model was asked, and how often."""
    return Counter(body["messages"][1]["content"] for body in peer.bodies)


def writes(handler: Handler, body: dict[str, Any]) -> None:
    """An author who says every value as it stands."""
    about = json.loads(body["messages"][1]["content"])
    places = [one["key"].partition(":") for one in about["critical"]]
    values = [json.dumps(at(about["calls"][int(call)]["arguments"], pointer)) for call, _, pointer in places]
    words = " ".join(word for fact in about["facts"] for word in fact["words"])
    request = f"Please see to {', '.join(values)}, and tell me about the {words}."
    says(json.dumps({"requests": [{"request": request, "response": "It is done."}]}))(handler, body)


def test_a_budget_of_requests_stops_it_and_a_wider_one_goes_on_from_there(begun: tuple[Path, Path], peer: Peer) -> None:
    peer.script = [writes]
    stopped = synth(*begun, "--max-requests", "2", "--concurrency", "1")
    assert stopped.code == 1
    assert "stopped: --max-requests: 2 requests were made (what was made is kept" in stopped.errors
    level = json.loads((made_in(begun[1]) / "funnel.json").read_text(encoding="utf-8"))["levels"][-1]
    there = len(rows_of(made_in(begun[1]) / "author.jsonl"))
    assert (level["stage"], level["inputs"], level["made"]) == ("author", there, 2)
    assert level["note"] == f"unfinished: {there} of {len(made_in_ground(begun[1]))} inputs are done"
    assert level["note"] in " ".join(stopped.out.split())
    first = authored(begun[1])
    assert (len(peer.bodies), len(first)) == (2, 2)
    ended = synth(*begun, "--max-requests", "50", "--json")
    assert ended.code == 0, ended.errors
    assert authored(begun[1])[:2] == first
    assert asked(peer) == dict.fromkeys(asked(peer), 1)
    assert len(peer.bodies) == len(drafts(begun[1])) == json.loads(ended.out)["requests"] + 2
    rows = read(made_in(begun[1]) / "training" / "trajectories.train.jsonl")
    assert rows and all(row["messages"][1]["content"].startswith("Please see to ") for row in rows)


def test_an_answer_that_is_under_way_when_the_budget_is_spent_is_kept(begun: tuple[Path, Path], peer: Peer) -> None:
    def second(handler: Handler, body: dict[str, Any]) -> None:
        until = time.monotonic() + 20
        while not authored(begun[1]) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)  # by now the thread that was first has met the limit
        writes(handler, body)

    peer.script = [writes, second, writes]
    synth(*begun, "--max-requests", "2", "--concurrency", "2", "--until", "author")
    assert len(peer.bodies) == 2
    synth(*begun, "--until", "author")
    assert len(peer.bodies) == len(drafts(begun[1]))


@pytest.mark.parametrize(
    ("behaviour", "reason", "detail"),
    [
        (says("I would rather not."), "the model answers nonsense", "there is no JSON object in it"),
        (fails(500, "out of memory"), "fault", "HTTP 500: out of memory"),
        (lambda handler, _: handler.send(200, b"<html>"), "fault", "no usable answer"),
    ],
    ids=["prose", "500", "no JSON"],
)
def test_an_endpoint_that_is_of_no_use_leaves_a_reason_for_every_chain(
    begun: tuple[Path, Path], peer: Peer, behaviour: Behaviour, reason: str, detail: str
) -> None:
    peer.script = [behaviour]
    ended = synth(*begun, "--json")
    assert ended.code == 1, "nothing was kept"
    assert ended.errors == ""
    rows = authored(begun[1])
    gone = [one for row in rows for one in row["dropped"]]
    assert len(rows) == len(gone) == len(drafts(begun[1]))
    assert {one["reason"] for one in gone} == {reason}
    assert all(detail in one["detail"] for one in gone)
    assert asked(peer).total() == 2 * len(rows), "each was given a second chance"
    told = json.loads(ended.out)
    assert told["funnel"][-1]["made"] == 0
    assert told["faults"] == (len(rows) if reason == "fault" else 0)


def test_what_a_short_outage_cost_is_got_back_and_nothing_else_is_asked_again(
    begun: tuple[Path, Path], peer: Peer
) -> None:
    peer.script = [writes, fails(500)]
    out = synth(*begun, "--concurrency", "1", "--until", "author").out
    lost = [row["of"] for row in authored(begun[1]) if row["dropped"]]
    assert f"{len(lost)} faults: the same command with --retry-faults" in " ".join(out.split())
    assert 0 < len(lost) == len(drafts(begun[1])) - 1
    before = contents(begun[1])
    peer.script = [writes]
    peer.bodies.clear()
    synth(*begun, "--until", "author")
    assert (peer.bodies, contents(begun[1])) == ([], before), "without the option nothing is done again"
    ended = synth(*begun, "--retry-faults", "--json")
    assert ended.code == 0, ended.errors
    assert len(peer.bodies) == len(lost)
    told = json.loads(ended.out)
    assert (told["faults"], told["requests"]) == (0, len(lost))
    again = [row["of"] for row in authored(begun[1])][-len(lost) :]
    assert sorted(again) == sorted(lost), "what was written before is kept"
