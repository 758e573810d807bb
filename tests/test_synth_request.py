"""How wishes become one request: what a value is said with, where additions stand, how quotations end."""

from __future__ import annotations

import re

import pytest
from pydantic import JsonValue

from rise_bench.synth.records import Chain, Draft, Edge, World
from rise_bench.synth.requests.author import author
from rise_bench.synth.requests.phrasebook import Phrasebooks, load_phrasebooks
from rise_bench.types import Call, Critical, Intent, Task

NOW = "2026-04-02T09:00:00Z"


@pytest.fixture(scope="module")
def books() -> Phrasebooks:
    return load_phrasebooks()


def draft_of(calls: list[tuple[str, dict[str, JsonValue]]], edges: tuple[Edge, ...] = ()) -> Draft:
    """A draft whose every argument is critical."""
    made = tuple(Call(tool=tool, arguments=arguments) for tool, arguments in calls)
    world = World(setup="x", now=NOW, servers=tuple(sorted({call.tool.split(".")[0] for call in made})))
    critical = tuple(
        Critical(call=number, argument=f"/{name}", match="exact")
        for number, call in enumerate(made)
        for name, value in call.arguments.items()
        if not isinstance(value, dict)
    )
    task = Task(id="t", request="", now=NOW, setup="x", reference=made, intent=Intent(critical=critical))
    chain = Chain(world=world, calls=made, primitives=(), edges=edges, recorded=())
    return Draft(chain=chain, decisions=(), facts=(), task=task)


def requests(draft: Draft, books: Phrasebooks, count: int = 40) -> list[str]:
    written = [item for item in author(draft, books, 3, count) if isinstance(item, Draft)]
    assert len(written) > count // 2
    return [item.task.request for item in written]


def test_a_number_is_said_with_what_it_numbers_and_an_earlier_result_is_not(books: Phrasebooks) -> None:
    edge = Edge(producer=0, pointer="/customer_id", consumer=1, argument="/customer_id")
    calls: list[tuple[str, dict[str, JsonValue]]] = [
        ("openapi-ivotoby.get-order", {"order_id": 17}),
        ("openapi-ivotoby.get-customer", {"customer_id": {"$ref": [0, "/customer_id"]}}),
    ]
    for text in requests(draft_of(calls, (edge,)), books):
        assert re.search(r"order (number |with the number )?(17|seventeen)", text), text
        assert not re.search(r"customer (number |with the number )?the (customer|person)", text), text


def test_what_is_counted_stands_in_the_singular_where_it_is_one(books: Phrasebooks) -> None:
    one, two = (
        requests(draft_of([("filesystem.read_text_file", {"path": "notes.txt", "head": count})]), books)
        for count in (1, 2)
    )
    assert not any(re.search(r"\b(1|one) lines", text, re.IGNORECASE) for text in one)
    assert any(re.search(r"\b(1|one) line\b", text, re.IGNORECASE) for text in one)
    assert any(re.search(r"\b(2|two) lines", text, re.IGNORECASE) for text in two)


def test_a_text_that_the_call_writes_is_said_although_it_is_free(books: Phrasebooks) -> None:
    draft = draft_of([("calendar.update-todo", {"uid": "of-t3", "description": "Six metres by three"})])
    critical, text = draft.task.intent.critical
    free = Intent(critical=(critical,), free=((text.call, text.argument),))
    for request in requests(draft.model_copy(update={"task": draft.task.model_copy(update={"intent": free})}), books):
        assert "Six metres by three" in request, request


def test_what_adds_to_a_wish_stands_before_the_next_wish(books: Phrasebooks) -> None:
    calls: list[tuple[str, dict[str, JsonValue]]] = [
        ("backlog.task_create", {"title": "Stand", "milestone": "Fair"}),
        ("backlog.task_create", {"title": "Monitors", "milestone": "Audit"}),
    ]
    for text in requests(draft_of(calls), books):
        places = [text.index(word) for word in ("Stand", "Fair", "Monitors", "Audit")]
        assert places[1] < places[2] < places[3], text


def test_a_quotation_that_ends_with_a_full_stop_gets_no_second_one(books: Phrasebooks) -> None:
    draft = draft_of([("decisions.adr_create", {"title": "Cents", "context": "Rounding differed."})])
    texts = requests(draft, books)
    assert not any('.".' in text for text in texts)
    assert any('differed."' in text for text in texts)
