"""Requests written backwards from chains, and what follows from them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.ground import recipe as recipes
from rise_bench.refs import escape
from rise_bench.store import read_yaml
from rise_bench.synth.made import Recovered
from rise_bench.synth.records import Chain, Draft, Dropped, Edge, World
from rise_bench.synth.requests.author import PhrasebookAuthor, author
from rise_bench.synth.requests.masking import masked, masked_rates
from rise_bench.synth.requests.phrasebook import (
    FOLDER,
    Phrasebooks,
    leaks,
    load_nicknames,
    load_phrasebooks,
    problems,
    slots,
)
from rise_bench.synth.requests.recover import recover
from rise_bench.synth.requests.recoverability import recoverability
from rise_bench.types import Call, Critical, Derivation, Fact, Intent, MatchKind, Task, Tool

NOW = "2026-04-02T09:00:00Z"
CONTRACTS = Path(recipes.__file__).parent / "catalog" / "contracts"
NAMES = {"invoices/2026-03.csv": ("the March invoices",), "/user/work/": ("my work calendar",)}


@pytest.fixture(scope="module")
def books() -> Phrasebooks:
    return load_phrasebooks()


def draft_of(
    calls: list[Call],
    critical: list[tuple[int, str, MatchKind]],
    facts: tuple[Fact, ...] = (),
    edges: tuple[Edge, ...] = (),
    recorded: tuple[JsonValue, ...] = (),
) -> Draft:
    world = World(setup="desk-01", now=NOW, servers=tuple(sorted({call.tool.split(".")[0] for call in calls})))
    chain = Chain(world=world, calls=tuple(calls), primitives=(), edges=edges, recorded=recorded)
    intent = Intent(critical=tuple(Critical(call=n, argument=p, match=m) for n, p, m in critical))
    task = Task(id="t", request="", now=NOW, setup="desk-01", reference=tuple(calls), intent=intent, answer=facts)
    return Draft(chain=chain, decisions=(), facts=facts, task=task)


def reading() -> Draft:
    call = Call(tool="filesystem.read_text_file", arguments={"path": "{root}/invoices/2026-03.csv", "head": 3})
    return draft_of([call], [(0, "/path", "path"), (0, "/head", "number")])


def moving() -> Draft:
    calls = [
        Call(tool="filesystem.search_files", arguments={"path": "{root}/notes", "pattern": "*lease*"}),
        Call(tool="filesystem.get_file_info", arguments={"path": {"$ref": [0, "/content"]}}),
    ]
    fact = Fact(value=812, type="number", about=("size",), derive=Derivation(op="find", pattern=r"size: (\d+)"))
    critical: list[tuple[int, str, MatchKind]] = [(0, "/path", "path"), (0, "/pattern", "text"), (1, "/path", "path")]
    edge = Edge(producer=0, pointer="/content", consumer=1, argument="/path")
    return draft_of(calls, critical, (fact,), (edge,), ("{root}/notes/lease.txt", "size: 812\nisFile: true"))


def booking() -> Draft:
    arguments: dict[str, JsonValue] = {
        "summary": "Roof inspection",
        "start": "2026-04-09T10:00:00Z",
        "end": "2026-04-09T11:30:00Z",
        "calendarUrl": "/user/work/",
    }
    rules: list[tuple[int, str, MatchKind]] = [
        (0, "/summary", "text"),
        (0, "/start", "datetime"),
        (0, "/end", "datetime"),
        (0, "/calendarUrl", "exact"),
    ]
    return draft_of([Call(tool="calendar.create-event", arguments=arguments)], rules)


def two() -> Draft:
    calls = [
        Call(tool="filesystem.create_directory", arguments={"path": "archive/2026"}),
        Call(tool="filesystem.write_file", arguments={"path": "todo.md", "content": "Call the plumber"}),
    ]
    return draft_of(calls, [(0, "/path", "path"), (1, "/path", "path"), (1, "/content", "text")])


def editing() -> Draft:
    edits: list[JsonValue] = [{"oldText": "Monday", "newText": "Tuesday"}, {"oldText": "9 am", "newText": "10 am"}]
    call = Call(tool="filesystem.edit_file", arguments={"path": "notes/a.md", "edits": edits})
    rules: list[tuple[int, str, MatchKind]] = [(0, "/path", "path")]
    rules += [(0, f"/edits/{i}/{key}", "text") for i in range(2) for key in ("oldText", "newText")]
    return draft_of([call], rules)


DRAFTS = [reading, moving, booking, two, editing]


def written(draft: Draft, books: Phrasebooks, count: int = 40, seed: int = 1) -> list[Draft]:
    out = list(author(draft, books, seed, count, NAMES))
    assert all(isinstance(item, Draft) for item in out), out
    return [item for item in out if isinstance(item, Draft)]


@pytest.mark.parametrize("make", DRAFTS)
def test_every_critical_value_follows_from_every_request(make, books) -> None:  # type: ignore[no-untyped-def]
    drafts = written(make(), books)
    assert len(drafts) > 20
    for draft in drafts:
        found = recover(draft, names=NAMES, books=books)
        assert [item.by for item in found if item.by == "none"] == [], draft.task.request
        assert all(item.by in ("binding", "schema") or item.words for item in found)


@pytest.mark.parametrize("make", DRAFTS)
def test_no_request_has_an_open_slot_a_mark_or_a_path_of_the_sandbox(make, books) -> None:  # type: ignore[no-untyped-def]
    for draft in written(make(), books):
        for text in (draft.task.request, draft.response):
            assert not re.search("[\ue000\ue001]|\\{(root|[a-z_]+)\\}", text), text


@pytest.mark.parametrize("make", DRAFTS)
def test_a_request_without_the_words_of_a_value_does_not_give_it_away(make, books) -> None:  # type: ignore[no-untyped-def]
    rates = masked_rates(written(make(), books), names={"desk-01": NAMES}, books=books)
    assert rates.values > 0
    assert rates.recovered == 0.0


def test_values_are_masked_wherever_they_are_said(books: Phrasebooks) -> None:
    for draft in written(booking(), books):
        text = masked(draft, draft.task.intent.critical[0], NAMES)
        assert "Roof inspection" not in text


def test_the_masked_test_sees_a_value_that_the_request_also_says_elsewhere(books: Phrasebooks) -> None:
    draft = written(two(), books, 1)[0]
    chatty = draft.task.request + " Call the plumber, that is all."
    gossip = draft.model_copy(update={"task": draft.task.model_copy(update={"request": chatty})})
    assert masked_rates([draft], books=books).recovered == 0.0
    assert masked_rates([gossip], books=books).recovered > 0.0


def recovered(drafts: list[Draft], books: Phrasebooks) -> list[Recovered]:
    return [Recovered(draft=draft, recoveries=recover(draft, names=NAMES, books=books)) for draft in drafts]


def test_recoverability_counts_every_value_by_what_it_follows_from(books: Phrasebooks) -> None:
    kept = recovered([*written(reading(), books, 12), *written(moving(), books, 12)], books)
    found = recoverability(kept, {}, {"desk-01": NAMES}, books)
    assert found.requests == len(kept)
    assert found.values == sum(found.by.values()) == sum(len(item.recoveries) for item in kept)
    assert found.by["binding"] == 12
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.masked == 0.0
    assert found.base_rate == 0.0  # no other chain has these arguments, however often each was written


def test_the_reader_gets_what_stands_in_the_request_and_nothing_that_does_not(books: Phrasebooks) -> None:
    properties: dict[str, JsonValue] = {"path": {"type": "string"}, "head": {"type": "integer"}}
    schema: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": ["path"]}
    tool = Tool(server="filesystem", name="read_text_file", description="Read a text file.", parameters=schema)
    plain = reading()

    def asking(request: str) -> Recovered:
        task = plain.task.model_copy(update={"request": request})
        return recovered([plain.model_copy(update={"task": task})], books)[0]

    def share(request: str) -> float:
        found = recoverability([asking(request)], {tool.id: tool}, {}, books)
        assert (found.read, found.read_values) == (1, 2)
        return found.reader

    assert share("Read the text file invoices/2026-03.csv, its first 3 lines.") >= 0.5
    assert share("Read the text file that I mentioned, the beginning of it.") == 0.0


def test_the_same_seed_gives_the_same_requests_and_another_seed_others(books: Phrasebooks) -> None:
    first, again, other = (written(booking(), books, 12, seed) for seed in (1, 1, 2))
    assert first == again
    assert {d.task.request for d in first} != {d.task.request for d in other}


def test_all_tones_are_used(books: Phrasebooks) -> None:
    tones = Counter(draft.tone for draft in written(two(), books, 30))
    assert set(tones) == {"terse", "polite", "rambling", "indirect", "context", "two"}


def test_an_earlier_result_is_spoken_of_by_its_part_and_not_by_its_value(books: Phrasebooks) -> None:
    for draft in written(moving(), books):
        assert "lease.txt" not in draft.task.request
        assert draft.said["1:/path"] in draft.task.request
        assert recover(draft)[2].by == "binding"


def test_a_fact_is_asked_for_and_stated(books: Phrasebooks) -> None:
    for draft in written(moving(), books):
        assert "size" in draft.skeleton
        assert "812" in draft.response
        assert "812" not in draft.task.request


def test_wordings_are_seldom_shared(books: Phrasebooks) -> None:
    drafts = [draft for make in DRAFTS for draft in written(make(), books, 60)]
    shared = Counter(draft.skeleton for draft in drafts)
    assert sum(n for n in shared.values() if n > 1) / len(drafts) < 0.15


def test_a_skeleton_holds_no_value(books: Phrasebooks) -> None:
    for draft in written(booking(), books):
        assert "<summary>" in draft.skeleton
        assert "Roof" not in draft.skeleton


def test_a_tool_without_phrases_is_dropped_with_its_reason(books: Phrasebooks) -> None:
    nobody = draft_of([Call(tool="nowhere.do_it", arguments={"x": 1})], [(0, "/x", "number")])
    assert list(author(nobody, books, 1, 3)) == [
        Dropped(stage="author", what=nobody.chain.digest(), reason="tool without phrases", detail="nowhere.do_it")
    ]


def test_an_argument_that_no_phrase_speaks_of_is_dropped_with_its_reason(books: Phrasebooks) -> None:
    strange = draft_of(
        [Call(tool="filesystem.read_text_file", arguments={"path": "a.txt", "colour": "red"})], [(0, "/colour", "text")]
    )
    found = next(iter(author(strange, books, 1, 3)))
    assert isinstance(found, Dropped)
    assert found.reason == "argument without words"


def test_a_value_that_is_said_wrongly_is_not_recovered(books: Phrasebooks) -> None:
    draft = written(booking(), books, 1)[0]
    wrong = draft.model_copy(update={"task": draft.task.model_copy(update={"request": "Book it on 10 April."})})
    by = {item.argument: item.by for item in recover(wrong, names=NAMES, books=books)}
    assert by == {"/summary": "none", "/start": "none", "/end": "none", "/calendarUrl": "none"}


@pytest.mark.parametrize(
    ("request_", "by"),
    [
        ("Read invoices/2026-03.csv to me.", "verbatim"),
        ("Read the March invoices to me.", "nickname"),
        ("Read 2026-03.csv in the invoices folder to me.", "verbaliser"),
        ("Read old-invoices/2026-03.csv to me.", "none"),
        ("Read invoices/2026-03.csv.bak to me.", "none"),
    ],
)
def test_a_handwritten_request_is_searched_for_every_way_to_say_a_value(request_: str, by: str) -> None:
    draft = reading()
    asked = draft.model_copy(update={"task": draft.task.model_copy(update={"request": request_})})
    assert recover(asked, names=NAMES)[0].by == by


def test_a_default_follows_from_the_schema() -> None:
    call = Call(tool="s.t", arguments={"mode": "all", "kind": "x", "n": 3})
    draft = draft_of([call], [(0, "/mode", "exact"), (0, "/kind", "exact"), (0, "/n", "number")])
    properties: dict[str, JsonValue] = {"mode": {"enum": ["all"]}, "kind": {"default": "x"}, "n": {"default": 4}}
    tool = Tool(server="s", name="t", parameters={"properties": properties})
    assert [item.by for item in recover(draft, {"s.t": tool})] == ["schema", "schema", "none"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Use search_files on it", "filesystem.search_files"),
        ("Please search files for it", "filesystem.search_files"),
        ("create-event, please", "calendar.create-event"),
        ("CREATE EVENT please", "calendar.create-event"),
        ("Call calculator.calculate", "calculator.calculate"),
        ("Take the calculate tool", "calculator.calculate"),
        ("Calculate the sum and search the files for an event", ""),
        ("", ""),
    ],
)
def test_a_request_that_names_a_tool_is_seen(text: str, named: str) -> None:
    assert leaks(text, ["filesystem.search_files", "calendar.create-event", "calculator.calculate"]) == named


def test_no_request_names_an_offered_tool(books: Phrasebooks) -> None:
    offered = PhrasebookAuthor(books, NAMES, offered=("other.no_hurry",))
    texts = [d.task.request for d in offered.author(booking(), 3, 60) if isinstance(d, Draft)]
    assert texts and not any("no hurry" in text.casefold() for text in texts)


@pytest.mark.parametrize(
    "path", sorted(p for p in FOLDER.glob("*.yaml") if p.name != "common.yaml"), ids=lambda p: p.stem
)
def test_a_phrasebook_speaks_of_every_argument_that_its_servers_tools_take(path: Path, books: Phrasebooks) -> None:
    contract = json.loads((CONTRACTS / f"{path.stem}.json").read_text(encoding="utf-8"))
    tools = [Tool.model_validate(tool) for tool in contract["server"]["tools"]]
    assert problems(books.books[path.stem], tools) == []


def test_a_phrasing_with_one_argument_alone_leaves_the_rest_to_fragments(books: Phrasebooks) -> None:
    call = Call(
        tool="calendar.update-event", arguments={"uid": "w-101", "calendarUrl": "/user/work/", "location": "Oak"}
    )
    rules: list[tuple[int, str, MatchKind]] = [(0, "/uid", "exact"), (0, "/location", "text")]
    for draft in written(draft_of([call], rules), books, 10):
        assert "Oak" in draft.task.request
        assert "w-101" in draft.task.request


@pytest.mark.parametrize(
    "server",
    [
        *("agenda", "backlog", "calendar", "chess-rules", "decisions", "excel", "excel-negokaz", "fetch", "filesystem"),
        *("geometry", "git", "home-finance", "medcalc", "memory", "openapi-ivotoby", "profiler", "sqlite", "tasks"),
        *("todo", "units", "workdays"),
    ],
)
def test_every_known_call_of_a_server_can_be_asked_for_and_follows_from_the_request(
    server: str, books: Phrasebooks
) -> None:
    known = load_probes(CONTRACTS.parent / "probes" / server / "probes.yaml")
    asked = 0
    for number, call in enumerate(call for call in known if books.of(call.tool)):
        places: list[tuple[int, str, MatchKind]] = [(0, place, "exact") for place in leaves(dict(call.arguments))]
        for draft in author(draft_of([call], places), books, number, 4):
            if isinstance(draft, Draft):
                asked += 1
                assert {item.by for item in recover(draft, books=books)} <= {"verbatim", "verbaliser", "relative date"}
            else:  # only a field that no person would speak of
                assert draft.reason == "value without words"
                assert call.tool == "units.convert_batch"
    assert asked >= 16


def load_probes(path: Path) -> list[Call]:
    """The probes of a server that are calls of their own and succeed."""
    probes = [probe for probe in read_yaml(path) if not probe.get("fails") and "$" not in str(probe.get("arguments"))]
    return [Call(tool=f"{path.parent.name}.{probe['tool']}", arguments=probe.get("arguments", {})) for probe in probes]


def leaves(value: JsonValue, place: str = "") -> list[str]:
    """Pointers of what is said by itself: members of objects, lists of plain values as a whole."""
    if isinstance(value, dict) and value:
        return [found for key, item in value.items() for found in leaves(item, f"{place}/{escape(key)}")]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [found for index, item in enumerate(value) for found in leaves(item, f"{place}/{index}")]
    return [place] if place else []


def test_slots_are_read_with_and_without_their_preposition() -> None:
    assert slots("from {start} until {end:on}, {start}") == ("start", "end")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("server: s\ntools: {go: {do: [go there]}}", "go has 1 phrasings, not 12"),
        ("server: other\ntools: {}", "is of server 'other'"),
        ("server: s\ntools: {go: {done: [x]}}", "tools.go.done"),
    ],
)
def test_a_broken_phrasebook_is_refused_in_one_line(text: str, finding: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "common.yaml").write_text((FOLDER / "common.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(finding)):
        load_phrasebooks(tmp_path)


def test_nicknames_belong_to_one_thing_each(tmp_path: Path) -> None:
    assert load_nicknames(tmp_path) == {}
    (tmp_path / "nicknames.yaml").write_text("a.txt: [the list]\nb.txt: [the other list]", encoding="utf-8")
    assert load_nicknames(tmp_path) == {"a.txt": ("the list",), "b.txt": ("the other list",)}
    (tmp_path / "nicknames.yaml").write_text("a.txt: [the list]\nb.txt: [the list]", encoding="utf-8")
    with pytest.raises(InputError, match="'the list' is a name of both"):
        load_nicknames(tmp_path)
