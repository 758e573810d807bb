"""Replies are kept by all that determines them, and never where that cannot be known."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

import pytest

from rise_bench.errors import InputError, ModelFault
from rise_bench.model.cache import CachedModel, cached
from rise_bench.types import Assistant, ModelRequest, Reply, Sampling, Tool, User

GREEDY, WARM = Sampling(), Sampling(temperature=0.7)


class Counting:
    """A model that answers with how often it was asked, and keeps what it was told."""

    def __init__(self, content: str = "weights-1", **has: object) -> None:
        self.name = "counting"
        self.asked = 0
        self._content = content
        self.__dict__.update(has)

    def content(self) -> str:
        return self._content

    def reply(self, request: ModelRequest) -> Reply:
        self.asked += 1
        if request.task == "down":
            raise ModelFault("down")
        return Reply(message=Assistant(content=f"answer {self.asked}"), input_tokens=3, output_tokens=2)

    def close(self) -> None:
        self.asked = -1


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path))


def request(**changes: object) -> ModelRequest:
    asked = ModelRequest(messages=(User(content="hello"),), tools=(), task="t", attempt=0, seed=7, seconds=12.0)
    return asked.model_copy(update=changes)


def test_a_reply_is_kept_over_processes_and_says_so() -> None:
    first = cached(Counting(pinned=True), GREEDY, "auto")
    made = first.reply(request())
    first.close()
    model = Counting(pinned=True)
    again = cached(model, GREEDY, "auto").reply(request(seconds=3.0))
    assert (made.cached, again.cached, model.asked) == (False, True, 0)
    assert again.model_copy(update={"cached": False}) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": (User(content="hello!"),)},
        {"tools": (Tool(server="s", name="t"),)},
        {"task": "other"},
        {"attempt": 1},
        {"seed": 8},
        {"now": "2026-01-01T00:00:00Z"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_may_change_a_reply_is_asked_anew(changes: dict[str, object]) -> None:
    model = cached(Counting(pinned=True), GREEDY, "auto")
    model.reply(request())
    assert not model.reply(request(**changes)).cached


@pytest.mark.parametrize(
    ("model", "sampling"),
    [
        (Counting("weights-2", pinned=True), GREEDY),
        (Counting(pinned=True, settings=lambda: {"engine": "2.0"}), GREEDY),
        (Counting(pinned=True), Sampling(max_tokens=9)),
        (Counting(pinned=True), Sampling(parser="hermes")),
    ],
    ids=["weights", "engine version", "max tokens", "parser"],
)
def test_another_model_engine_or_sampling_has_replies_of_its_own(model: Counting, sampling: Sampling) -> None:
    cached(Counting(pinned=True), GREEDY, "auto").reply(request())
    assert not cached(model, sampling, "auto").reply(request()).cached


@pytest.mark.parametrize("wanted", ["auto", "on"])
def test_an_argument_that_the_model_does_not_tell_again_has_replies_of_its_own(wanted: Literal["auto", "on"]) -> None:
    low, high = ({"extra_body": {"reasoning_effort": effort}} for effort in ("low", "high"))
    cached(Counting(pinned=True), GREEDY, wanted, args=low).reply(request())
    assert not cached(Counting(pinned=True), GREEDY, wanted, args=high).reply(request()).cached
    assert cached(Counting(pinned=True), GREEDY, wanted, args=low).reply(request()).cached


def test_what_another_version_of_ours_has_read_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cached(Counting(pinned=True), GREEDY, "auto").reply(request())
    monkeypatch.setattr("rise_bench.model.cache.version", lambda name: "0.0.0")
    assert not cached(Counting(pinned=True), GREEDY, "auto").reply(request()).cached


def test_a_fault_is_not_kept() -> None:
    model = cached(Counting(pinned=True), GREEDY, "on")
    for _ in range(2):
        with pytest.raises(ModelFault):
            model.reply(request(task="down"))


def test_renewing_asks_again_and_keeps_the_new_reply() -> None:
    cached(Counting(pinned=True), GREEDY, "on").reply(request())
    model = Counting(pinned=True)
    model.asked = 5
    assert cached(model, GREEDY, "on", renew=True).reply(request()).message.content == "answer 6"
    assert cached(Counting(pinned=True), GREEDY, "on").reply(request()).message.content == "answer 6"


@pytest.mark.parametrize(
    ("has", "sampling", "wanted", "kept"),
    [
        ({"pinned": True}, GREEDY, "auto", True),
        ({}, GREEDY, "auto", False),
        ({}, GREEDY, "on", True),
        ({"pinned": True}, GREEDY, "off", False),
        ({"pinned": True}, WARM, "auto", False),
        ({"pinned": True, "seeded": True}, WARM, "auto", True),
        ({"seeded": True}, WARM, "on", True),
        ({"pinned": True, "cacheable": False}, GREEDY, "auto", False),
    ],
)
def test_when_replies_are_kept(has: dict[str, object], sampling: Sampling, wanted: str, kept: bool) -> None:
    assert isinstance(cached(Counting(**has), sampling, wanted), CachedModel) is kept  # type: ignore[arg-type]


def test_one_kept_reply_must_not_stand_for_all_attempts_at_a_temperature() -> None:
    with pytest.raises(InputError, match="without a seed"):
        cached(Counting(), WARM, "on")


def test_a_model_that_does_more_than_answer_is_not_cached_and_says_why() -> None:
    with pytest.raises(InputError, match=r"--cache on.*does more than answer"):
        cached(Counting(cacheable=False), GREEDY, "on")


def test_what_else_the_model_has_is_reached_through_the_cache() -> None:
    model = cached(Counting(pinned=True, width=8), GREEDY, "on")
    assert (model.name, model.content(), getattr(model, "width", 0)) == ("counting", "weights-1", 8)
    assert not hasattr(model, "ended")


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "replies.sqlite").write_text("not a database, but long enough to be looked at" * 50, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be used"):
        cached(Counting(), GREEDY, "on")


def test_a_cache_that_breaks_under_way_is_one_clear_line(tmp_path: Path) -> None:
    model = cached(Counting(pinned=True), GREEDY, "auto")
    with sqlite3.connect(tmp_path / "replies.sqlite") as other:
        other.execute("DROP TABLE replies")
    other.close()
    with pytest.raises(
        InputError, match=r"replies.sqlite: the cache of replies cannot be used: no such table.*--cache off"
    ):
        model.reply(request())
    model.close()
