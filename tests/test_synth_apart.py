"""Values that a request says in pieces: day here and time there, each item of a list by words of its own, rates in per cent."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rise_bench.synth.records import Chain, Draft, World
from rise_bench.synth.requests.phrasebook import Phrasebooks, load_phrasebooks
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.words.apart import moment_apart, spots
from rise_bench.types import Call, Critical, Intent, MatchKind, Task

NOW = "2026-03-05T10:00:00Z"
NAMES = {
    "Lucas Thorne": ("Lucas", "Lucas with a c", "the pianist"),
    "Lukas Thorn": ("Lukas", "Lukas with a k"),
    "lists/keys.txt": ("the key list",),
    "lists/altos.csv": ("who sings alto",),
}


def draft(tool: str, argument: str, value: JsonValue, match: MatchKind, request: str, said: str = "") -> Draft:
    call = Call(tool=tool, arguments={argument: value})
    intent = Intent(critical=(Critical(call=0, argument=f"/{argument}", match=match),))
    task = Task(id="t", request=request, now=NOW, setup="x", reference=(call,), intent=intent)
    world = World(setup="x", now=NOW, servers=(tool.partition(".")[0],))
    told = {f"0:/{argument}": said} if said else {}
    return Draft(chain=Chain(world=world, calls=(call,), primitives=()), decisions=(), task=task, said=told)


def by(found: Draft, books: Phrasebooks | None = None) -> str:
    return recover(found, names=NAMES, books=books)[0].by


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-24T18:00:00Z", "24 March … 18:00"),
        ("2026-03-24T19:30:00Z", "24 March … 19:30"),
        ("2026-03-24T19:30", "24 March … 19:30"),
        ("2026-03-25T18:00:00Z", None),
        ("2026-03-24T20:30:00Z", None),
        ("2026-03-24T18:00:00+05:00", None),
    ],
)
def test_a_day_said_once_holds_for_the_times_that_are_said_after_it(value: str, expected: str | None) -> None:
    text = "One more evening for the altos on 24 March please, in the chapel, from 18:00 to 19:30."
    found = moment_apart(value, text, NOW)
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("From 9:00 am to 10:30 am tomorrow, if the room is free.", "2026-03-06"),
        ("Tomorrow is bad. 10:30 am on 9 March is the best of times.", "2026-03-09"),
        ("Move what is on 9 March to the 12th of March, from 8 am to 10:30 am.", "2026-03-12"),
    ],
)
def test_a_time_belongs_to_the_day_behind_it_else_to_the_last_one_before_it(text: str, day: str) -> None:
    days = [f"2026-03-{number:02}" for number in range(1, 29)]
    assert [one for one in days if moment_apart(f"{one}T10:30:00Z", text, NOW)] == [day]


def test_a_time_of_the_other_half_of_the_day_is_another_one() -> None:
    text = "On 9 March, from 8:30 pm to 10:30 pm."
    assert moment_apart("2026-03-09T22:30:00Z", text, NOW) is not None
    assert moment_apart("2026-03-09T10:30:00Z", text, NOW) is None


def test_start_and_end_follow_without_a_word_of_their_author() -> None:
    request = "The altos want 24 March as well, put them into the calendar from 18:00 to 19:30."
    for value in ("2026-03-24T18:00:00Z", "2026-03-24T19:30:00Z"):
        assert by(draft("calendar.create-event", "start", value, "datetime", request)) == "verbaliser"
    assert by(draft("calendar.create-event", "start", "2026-03-24T18:30:00Z", "datetime", request)) == "none"


@pytest.mark.parametrize("name", NAMES["Lucas Thorne"])
@pytest.mark.parametrize("said", [False, True])
def test_the_only_item_of_a_list_follows_by_any_of_its_nicknames(name: str, said: bool) -> None:
    request = f"What do we have on {name} in our records?"
    one = draft("memory.open_nodes", "names", ["Lucas Thorne"], "text", request, name if said else "")
    assert by(one) == "nickname"
    other = draft("memory.open_nodes", "names", ["Lukas Thorn"], "text", request, name if said else "")
    assert by(other) == "none"


def test_items_of_a_set_follow_in_any_order_those_of_a_list_in_theirs() -> None:
    request = "Show me who sings alto and then the key list."
    for match, expected in (("set", "nickname"), ("path", "none")):
        turned = draft("filesystem.read", "paths", ["lists/keys.txt", "lists/altos.csv"], match, request)  # type: ignore[arg-type]
        assert by(turned) == expected
    straight = draft("filesystem.read", "paths", ["{root}/lists/altos.csv", "lists/keys.txt"], "path", request)
    assert by(straight) == "nickname"
    missing = draft("filesystem.read", "paths", ["lists/keys.txt", "lists/basses.csv"], "set", request)
    assert by(missing) == "none"


@pytest.mark.parametrize("words", ["4.9%", "4.9 %", "4.9 per cent", "4.9 percent"])
def test_a_rate_follows_from_its_per_cent_where_the_phrasebook_says_that_it_is_one(words: str) -> None:
    books, request = load_phrasebooks(), f"The bank wants {words} a year on it."
    for said in ("", words):
        rate = draft("money.calculate_loan_payment", "annual_rate", 0.049, "number", request, said)
        assert by(rate, books) == "verbaliser"
        assert by(rate) == "none"
        wrong = draft("money.calculate_loan_payment", "annual_rate", 0.059, "number", request, said)
        assert by(wrong, books) == "none"


def test_words_stand_as_whole_words_and_every_time() -> None:
    assert spots("the list", "The list, not the lists, is the list.") == [(0, 8), (28, 36)]
