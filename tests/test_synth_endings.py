"""Twins in words: requests with one value unsaid, and the questions, refusals and claims that follow them."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from test_cold_start import loaded as loaded_by

from rise_bench.ground import recipe as recipes
from rise_bench.ground.contract import Contract
from rise_bench.score.decision import asked, claims_completion, declined
from rise_bench.store import read_record
from rise_bench.synth.gates.callonly import call_only
from rise_bench.synth.gates.extra import lacking
from rise_bench.synth.gates.split import neighbours
from rise_bench.synth.records import Chain, Draft, Dropped, World
from rise_bench.synth.requests.endings import Slot, capability_of, claim, ending, endings, question, refusal, slot_of
from rise_bench.synth.requests.twins import infeasible, underspecified
from rise_bench.synth.requests.unsaid import unsaid
from rise_bench.types import Call, Critical, Ground, Intent, MatchKind, Server, Task, Tool

CONTRACTS = sorted((Path(recipes.__file__).parent / "catalog" / "contracts").glob("*.json"))
NOW = "2026-04-02T09:00:00Z"


def twin(asks: tuple[str, ...] = (), reasons: tuple[str, ...] = (), name: str = "t") -> Task:
    kind = "underspecified" if asks else "infeasible"
    return Task.model_validate(
        {"id": name, "kind": kind, "request": "Do it.", "asks": [list(asks)] if asks else [], "reasons": reasons}
    )


def test_every_question_asks_for_what_is_missing_and_claims_nothing() -> None:
    for noun in sorted({slot.ask for slot in endings().slots.values() if slot}):
        task = twin((noun,))
        for wording in (*endings().which, *endings().value):
            text = wording.replace("{what}", noun)
            assert asked(task, text), text
            assert not asked(twin(("price",)), text), text


def test_every_refusal_declines_and_names_what_it_would_take() -> None:
    servers = [read_record(Contract, path).server for path in CONTRACTS]
    found = {capability_of(server.tools[0], server) for server in servers}
    assert len(found) > 20
    for capability in found:
        for wording in endings().refusals:
            text = wording.replace("{what}", capability.what)
            assert declined(twin(reasons=(capability.what,)), text), text
            assert not declined(twin(reasons=("teleportation",)), text), text


def test_every_claim_is_read_as_one() -> None:
    assert [text for text in endings().claims if not claims_completion(text)] == []


def test_wordings_are_drawn_by_seed_and_task_and_all_are_used() -> None:
    some = [twin(("date", "when"), name=f"t{n}") for n in range(300)]
    first = [ending(task, 1) for task in some]
    assert first == [ending(task, 1) for task in some]
    assert first != [ending(task, 2) for task in some]
    assert len(set(first)) == len(endings().value)
    rng = random.Random(1)
    assert len({refusal("your calendar", rng) for _ in range(300)}) == len(endings().refusals)
    assert len({claim(rng) for _ in range(300)}) == len(endings().claims)
    assert len({question("file", rng, value=False) for _ in range(300)}) == len(endings().which)


def test_a_slot_for_which_people_wrote_only_a_question_word_is_asked_for_by_it() -> None:
    task = twin(("when", "which"))
    assert ending(task, 1) == "When is it?"
    assert asked(task, ending(task, 1))


def test_an_argument_is_called_as_its_tool_calls_it() -> None:
    listed = slot_of("filesystem.list_directory", "path")
    assert listed is not None and listed.ask == "folder"
    read = slot_of("filesystem.read_file", "path")
    assert read is not None and read.ask == "file"
    assert slot_of("x.y", "sort_by_something") is None
    assert slot_of("time.convert_time", "time") is None  # without it somebody means now


# --- requests ---------------------------------------------------------------------------------------------------------

FILE = Slot(ask="file", choose=True, open=("one of the files",))
TEXT = Slot(ask="text", open=("something",))
COUNTRY = Slot(ask="country", drop=("in",))
CALENDAR = Slot(ask="calendar", drop=("in",))


def best(request: str, words: str, slot: Slot, fragments: tuple[str, ...] = (), argument: str = "x") -> str | None:
    found = sorted(unsaid(request, words, argument, fragments, slot), key=lambda one: one.how)
    return found[0].text if found else None


@pytest.mark.parametrize(
    ("request_text", "words", "slot", "fragments", "left"),
    [
        ("Read todo.md to me.", "todo.md", FILE, (), "Read one of the files to me."),
        ('Read "todo.md" to me.', "todo.md", FILE, (), "Read one of the files to me."),
        ("todo.md is what I'd like to see.", "todo.md", FILE, (), "One of the files is what I'd like to see."),
        ("Open my todo.md now.", "todo.md", FILE, (), None),  # `my one of the files`
        ("Put lunch down at noon. It belongs in Work.", "Work", CALENDAR, ("It belongs in {x}.",), "Put lunch down at noon."),
        ("Put lunch down at noon, on Work, please.", "Work", CALENDAR, (", on {x}",), "Put lunch down at noon, please."),
        ("It belongs in Work.", "Work", CALENDAR, (), None),  # `It belongs.`
        ("Is 4 May a working day in Germany?", "Germany", COUNTRY, (), "Is 4 May a working day?"),
        ("Is 4 May, in Germany I mean, free?", "Germany", COUNTRY, (), None),
        ("Read todo.md and then todo.md again.", "todo.md", FILE, (), None),
        ("Read it to me.", "todo.md", FILE, (), None),
        ('A file a.txt that says "It rains." Can you?', "It rains.", TEXT, (), "A file a.txt that says something. Can you?"),
        ("Say something with the text X in it.", "X", TEXT, (), None),
    ],
)  # fmt: skip
def test_a_value_is_left_out_without_a_hole_or_not_at_all(
    request_text: str, words: str, slot: Slot, fragments: tuple[str, ...], left: str | None
) -> None:
    assert best(request_text, words, slot, fragments) == left


class Nowhere:
    """A ground of which only the contracts are looked at."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground


def test_what_a_tool_can_do_without_makes_no_twin() -> None:
    schema = {"type": "object", "properties": {"path": {}, "head": {}, "edits": {}}, "required": ["path", "edits"]}
    tools = (Tool(server="s", name="read", parameters=schema),)
    ground = Ground(name="g", servers=(Server(name="s", version="1", tools=tools),))
    call = Call(tool="s.read", arguments={"path": "a", "head": 3, "edits": [{"old": "x"}]})
    places: list[tuple[str, MatchKind]] = [("/head", "number"), ("/edits/0/old", "text"), ("/path", "path")]
    critical = tuple(Critical(call=0, argument=place, match=match) for place, match in places)
    task = Task(id="t", request="Read it.", now=NOW, reference=(call,), intent=Intent(critical=critical))
    found = list(underspecified(draft_of(task), Nowhere(ground), ()))  # type: ignore[arg-type]
    assert [one.reason for one in found if isinstance(one, Dropped)] == [
        "twin: it may be left out",
        "twin: it may be left out",
        "twin: its words cannot go",
    ]


def draft_of(task: Task) -> Draft:
    chain = Chain(world=World(setup="w", now=NOW, servers=("s",)), calls=task.reference, primitives=("p",))
    return Draft(chain=chain, decisions=(), task=task)


def test_a_twin_that_cannot_be_done_names_the_capability_first() -> None:
    calendar = Server(
        name="calendar", version="1", domain="calendar and time", tools=(Tool(server="calendar", name="create-event"),)
    )
    files = Server(name="filesystem", version="1", domain="files", tools=(Tool(server="filesystem", name="read_file"),))
    task = Task(
        id="t",
        request="Note lunch.",
        servers=("calendar", "filesystem"),
        reference=(Call(tool="calendar.create-event"),),
    )
    made = infeasible(task, Ground(name="g", servers=(calendar, files)))
    assert isinstance(made, Task)
    assert made.reasons[0] == "your calendar"
    assert {"calendar", "event", "create"} <= set(made.reasons)
    assert declined(made, ending(made, 1))


# --- without the extra ------------------------------------------------------------------------------------------------


def test_without_scikit_learn_it_is_said_what_is_missing_and_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = {"train": ["Read the plan."], "dev": ["Read the plans."]}
    assert lacking() == ""
    assert len(neighbours(texts)) == 1
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert "pip install 'rise-bench[synth]'" in lacking()
    assert neighbours(texts) == ()
    assert call_only([]).all.accuracy is None


def test_the_help_of_synth_loads_no_scikit_learn() -> None:
    assert "sklearn" not in loaded_by("synth", "--help")
