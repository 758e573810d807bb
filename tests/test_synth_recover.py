"""What follows from a request that a person wrote: rows cell by cell, cells that are stated, the window of a search."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.synth.made import Recovered
from rise_bench.synth.records import Chain, Draft, Recovery, World
from rise_bench.synth.requests.phrasebook import load_phrasebooks
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.requests.recoverability import recoverability
from rise_bench.types import Call, Critical, Effect, Intent, Task, Tool

NOW = "2026-03-05T10:00:00Z"


def tool(name: str, effect: Effect) -> Tool:
    server, _, plain = name.partition(".")
    return Tool(server=server, name=plain, effect=effect)


TOOLS = {one.id: one for one in (tool("diary.list", "read"), tool("diary.block", "write"), tool("book.write", "write"))}


def draft(request: str, name: str, arguments: dict[str, JsonValue], *critical: str, said: str = "") -> Draft:
    call = Call(tool=name, arguments=arguments)
    chain = Chain(world=World(setup="w", now=NOW, servers=("diary", "book")), calls=(call,), primitives=())
    intent = Intent(critical=tuple(Critical(call=0, argument=place, match="exact") for place in critical))
    task = Task(id="t", request=request, now=NOW, setup="w", reference=(call,), intent=intent)
    declared = {f"0:{critical[0]}": said} if said else {}
    return Draft(chain=chain, decisions=(), facts=(), task=task, said=declared)


def found(one: Draft) -> list[Recovery]:
    return list(recover(one, TOOLS))


@pytest.mark.parametrize(
    ("request_", "by"),
    [
        ("Fifty of the altos are away on 12 March, cancel it.", "window"),
        ("Cancel the rehearsal of next month.", "none"),
        ("Cancel the rehearsal.", "none"),
    ],
)
def test_an_end_of_a_searched_window_follows_from_a_day_within_it(request_: str, by: str) -> None:
    window: dict[str, JsonValue] = {"start": "2026-03-09T00:00:00Z", "end": "2026-03-16T00:00:00Z"}
    assert [one.by for one in found(draft(request_, "diary.list", window, "/start", "/end"))] == [by, by]


def test_what_a_changing_call_writes_is_no_window() -> None:
    window: dict[str, JsonValue] = {"start": "2026-03-09T00:00:00Z", "end": "2026-03-16T00:00:00Z"}
    assert found(draft("Block 12 March.", "diary.block", window, "/start"))[0].by == "none"


@pytest.mark.parametrize(
    ("rows", "by"),
    [
        ([[90, "2026-03-05"]], "verbaliser"),
        ([[90, None]], "verbaliser"),
        ([[91, "2026-03-05"]], "none"),
        ([[]], "none"),
    ],
)
def test_rows_follow_where_each_of_their_cells_does(rows: JsonValue, by: str) -> None:
    one = draft("She has paid her 90, on 5 March 2026.", "book.write", {"rows": rows}, "/rows")
    assert found(one)[0].by == by


def test_a_cell_follows_from_the_words_that_its_author_declares_and_from_none_else() -> None:
    request = "Put 90 down as paid in the dues book."
    assert found(draft(request, "book.write", {"at": "D12"}, "/at", said="down as paid"))[0].by == "stated"
    assert found(draft(request, "book.write", {"at": "D12"}, "/at", said="as owed"))[0].by == "none"
    assert found(draft(request, "book.write", {"at": "D12"}, "/at"))[0].by == "none"


def test_words_by_which_a_value_was_found_are_masked_although_nobody_declared_them() -> None:
    one = draft("She has paid her 90, on 5 March 2026.", "book.write", {"rows": [[90, "2026-03-05"]]}, "/rows")
    kept = [Recovered(draft=one, recoveries=recover(one, TOOLS))]
    rates = recoverability(kept, TOOLS, {}, load_phrasebooks())
    assert (rates.masked_values, rates.masked) == (1, 0)
