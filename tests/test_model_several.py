"""Several endpoints of one model share the attempts; each attempt stays with one."""

from __future__ import annotations

from collections.abc import Iterator

import misbehaving
import pytest
from misbehaving import Peer

from rise_bench.errors import InputError, ModelFault
from rise_bench.model.load import load
from rise_bench.types import ModelRequest, User


@pytest.fixture
def peers() -> Iterator[tuple[Peer, Peer]]:
    with misbehaving.serving() as first, misbehaving.serving() as second:
        yield first, second


def asked(task: str, attempt: int = 0) -> ModelRequest:
    return ModelRequest(messages=(User(content="hello"),), tools=(), task=task, attempt=attempt)


def urls(*peers: Peer) -> str:
    return ";".join(peer.url for peer in peers)


def test_attempts_are_shared_and_each_stays_where_it_began(peers: tuple[Peer, Peer]) -> None:
    first, second = peers
    model = load("openai:tiny", {"base_url": urls(first, second)})
    for _ in range(3):
        model.reply(asked("a"))
        model.reply(asked("b"))
    assert (len(first.bodies), len(second.bodies)) == (3, 3)
    model.ended("a", 0)  # type: ignore[attr-defined]
    model.reply(asked("c"))
    assert (len(first.bodies), len(second.bodies)) == (4, 3)
    model.close()


def test_the_identity_names_all_and_the_width_is_that_of_all(peers: tuple[Peer, Peer]) -> None:
    model = load("openai:tiny", {"base_url": urls(*peers), "concurrency": 5})
    assert ";".join(sorted(peer.url for peer in peers)) in model.content()
    assert getattr(model, "width", 0) == 10
    model.close()


def test_endpoints_that_serve_different_things_are_not_one_model(peers: tuple[Peer, Peer]) -> None:
    peers[1].models = lambda handler: handler.send(200, {"data": [{"id": "tiny", "root": "another/model"}]})
    model = load("openai:tiny", {"base_url": urls(*peers)})
    with pytest.raises(InputError, match=rf"^{peers[1].url}: .* not what the first serves"):
        model.content()
    model.close()


def test_an_endpoint_that_went_down_draws_no_attempts_to_it(peers: tuple[Peer, Peer]) -> None:
    first, second = peers
    model = load("openai:tiny", {"base_url": urls(first, second), "retries": 0})
    model.reply(asked("a"))  # to the first
    model.reply(asked("b"))  # to the second
    first.die()
    with pytest.raises(ModelFault):
        model.reply(asked("a"))
    model.ended("a", 0)  # type: ignore[attr-defined]
    for task in ("a", "c", "d"):
        assert model.reply(asked(task)).message.content == "hello"
    assert len(second.bodies) == 4
    model.close()


def test_an_endpoint_that_came_back_gets_attempts_again(peers: tuple[Peer, Peer]) -> None:
    first, second = peers
    first.script = [misbehaving.fails(500), misbehaving.says("back")]
    model = load("openai:tiny", {"base_url": urls(first, second), "retries": 0})
    with pytest.raises(ModelFault):
        model.reply(asked("a"))
    model.ended("a", 0)  # type: ignore[attr-defined]
    said = [model.reply(asked("b", attempt)).message.content for attempt in range(40)]
    assert said[0] == "hello" and "back" in said
    model.close()
