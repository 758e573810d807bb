"""Requests by hand, suites and training rows: joined, refused, byte for byte the same; totals beside distinct counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rise_bench.errors import InputError
from rise_bench.store import load_suite
from rise_bench.synth.keys import chain_key, task_chain_key
from rise_bench.synth.output.composition import composition
from rise_bench.synth.output.suite import release_evidence, release_suite
from rise_bench.synth.output.training import Lesson, Material, Rejected, Wording, joined, spread
from rise_bench.synth.recipe import Spread
from rise_bench.synth.records import Chain, Draft, Dropped, Negative, Pair, Primitive, World
from rise_bench.synth.requests.by_hand import HandAuthor, load_written, twins_of, worksheet
from rise_bench.types import (
    Assistant,
    Call,
    Critical,
    Fact,
    Ground,
    Intent,
    Server,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
)

WORLD = World(setup="w1", now="2026-04-02T09:00:00Z", servers=("files", "mail"))
GROUND = Ground(
    name="g",
    servers=(
        Server(name="files", tools=tuple(Tool(server="files", name=name) for name in ("read", "list", "move"))),
        Server(name="mail", tools=tuple(Tool(server="mail", name=name) for name in ("send", "search"))),
    ),
)


def draft(path: str = "notes/a.txt") -> Draft:
    call = Call(tool="files.read", arguments={"path": path})
    fact = Fact(value=12, type="number", about=("boxes",))
    task = Task(
        id=f"s/{path}",
        request="",
        now=WORLD.now,
        servers=WORLD.servers,
        setup="w1",
        reference=(call,),
        intent=Intent(critical=(Critical(call=0, argument="/path", match="path"),)),
        answer=(fact,),
        cluster="w1/files",
        recorded=("12 boxes",),
    )
    chain = Chain(world=WORLD, calls=(call,), primitives=("p",), recorded=("12 boxes",))
    return Draft(chain=chain, decisions=(), facts=(fact,), task=task)


def write(folder: Path, *entries: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text(yaml.safe_dump(list(entries), sort_keys=False), encoding="utf-8")
    return folder


def entry(one: Draft, **more: Any) -> dict[str, Any]:
    return {"chain": chain_key(one.chain), "request": "How many boxes are in the plan?", **more}


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_request_is_joined_to_the_very_chain_it_was_written_for(tmp_path: Path) -> None:
    written = load_written(write(tmp_path, entry(draft(), facts=[["plan"]], said={"0:/path": "the plan"})))
    (made,) = HandAuthor(written).author(draft(), 0, 1)
    assert isinstance(made, Draft)
    assert made.task.request == "How many boxes are in the plan?"
    assert made.task.answer[0].about == ("plan",)
    (other,) = HandAuthor(written).author(draft("notes/b.txt"), 0, 1)
    assert isinstance(other, Dropped)
    assert other.reason == "no request written yet"


def test_the_key_does_not_hang_on_what_was_recorded() -> None:
    one = draft()
    again = one.chain.model_copy(update={"recorded": ("13 boxes",), "volatile": ("result:0:",)})
    assert chain_key(one.chain) == chain_key(again) == task_chain_key(one.task)


def test_a_chain_that_its_author_declines_is_dropped_with_the_words(tmp_path: Path) -> None:
    written = load_written(write(tmp_path, {"chain": chain_key(draft().chain), "decline": "Nobody wants that."}))
    (made,) = HandAuthor(written).author(draft(), 0, 1)
    assert isinstance(made, Dropped)
    assert made.detail == "Nobody wants that."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"said": {"0:/path": "the memo"}}, "'the memo' does not occur in the request"),
        ({"path_matters": "by mail"}, "`path_matters` does not occur"),
        ({"decline": "no"}, "either a `request` or a reason to `decline`"),
        ({"chain": "x"}, "chain"),
        ({"reqest": "a"}, "reqest"),
    ],
)
def test_a_mistake_in_a_request_file_is_said_with_file_and_entry(
    tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as error:
        load_written(write(tmp_path, entry(draft(), **more)))
    assert said in error.value.what
    assert "a.yaml [0]" in error.value.where


def test_two_requests_for_one_chain_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a request already"):
        load_written(write(tmp_path, entry(draft()), entry(draft())))


@pytest.mark.parametrize(
    ("more", "said"),
    [({"facts": [["a"], ["b"]]}, "words for 2 facts"), ({"said": {"0:/mode": "plan"}}, "no argument of its calls")],
)
def test_what_does_not_fit_the_chain_is_refused(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    written = load_written(write(tmp_path, entry(draft(), **more)))
    with pytest.raises(InputError, match=said):
        list(HandAuthor(written).author(draft(), 0, 1))


def test_twins_by_hand_are_tasks_of_the_same_world(tmp_path: Path) -> None:
    twins = [
        {"kind": "underspecified", "request": "How many boxes?", "asks": [["plan", "which"]]},
        {"kind": "infeasible", "request": "Mail me the boxes.", "reasons": ["mail"], "without": ["mail"]},
    ]
    written = load_written(write(tmp_path, entry(draft(), twins=twins)))[chain_key(draft().chain)]
    ask, no = twins_of(draft(), written)
    assert (ask.kind, ask.setup, ask.servers) == ("underspecified", "w1", ("files", "mail"))
    assert (no.kind, no.servers) == ("infeasible", ("files",))
    assert len({ask.id, no.id, draft().task.id}) == 3


def test_an_infeasible_twin_that_withholds_nothing_is_refused(tmp_path: Path) -> None:
    twins = [{"kind": "infeasible", "request": "Mail me.", "reasons": ["mail"], "without": ["fax"]}]
    written = load_written(write(tmp_path, entry(draft(), twins=twins)))[chain_key(draft().chain)]
    with pytest.raises(InputError, match="withholds none"):
        list(twins_of(draft(), written))


def test_a_worksheet_is_a_request_file_once_its_requests_are_filled_in(tmp_path: Path) -> None:
    text = worksheet([draft(), draft("notes/b.txt")])
    assert "to be said: 0:/path" in text
    (tmp_path / "a.yaml").write_text(text.replace("request: ''", "request: How many boxes?"), encoding="utf-8")
    assert set(load_written(tmp_path)) == {chain_key(draft().chain), chain_key(draft("notes/b.txt").chain)}


# --- suites -----------------------------------------------------------------------------------------------------------


def source(folder: Path) -> Path:
    (folder / "fixtures" / "w1" / "files").mkdir(parents=True)
    (folder / "fixtures" / "w2" / "files").mkdir(parents=True)
    (folder / "fixtures" / "w1" / "files" / "a.txt").write_text("12 boxes", encoding="utf-8")
    (folder / "suite.yaml").write_text("name: s\nversion: '1-0'\nsystem_prompt: Help.\n", encoding="utf-8")
    return folder


def task(number: int) -> Task:
    return draft(f"notes/{number}.txt").task.model_copy(
        update={"tags": ("test-seen-tools",), "request": f"Read {number}."}
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_is_a_suite_and_the_same_in_whatever_order_tasks_come(tmp_path: Path) -> None:
    primitive = Primitive(world=WORLD, tool="files.read", arguments={"path": "a"}, scenario="all")
    hand = source(tmp_path / "hand")
    done = release_suite(tmp_path / "one", hand, GROUND, [task(1), task(2)], [primitive])
    release_suite(tmp_path / "two", hand, GROUND, [task(2), task(1)], [primitive, primitive])
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert (done.tasks, done.parts, done.primitives) == (2, {"test-seen-tools": 2}, 1)
    loaded = load_suite(str(tmp_path / "one"))
    assert [one.id for one in loaded.suite.tasks] == ["s/notes/1.txt", "s/notes/2.txt"]
    assert not (tmp_path / "one" / "fixtures" / "w2").exists()


def test_a_page_says_what_a_suite_is_made_of() -> None:
    page = composition([task(1), task(2)], unseen=["files"])
    assert page.startswith("# 2 tasks\n")
    assert "| complete |" in page
    assert "| files * | 2 |" in page
    assert composition([]).startswith("# 0 tasks\n")


def test_what_is_known_of_a_suite_is_put_beside_it_as_far_as_it_is_there(tmp_path: Path) -> None:
    made = tmp_path / "synth"
    made.mkdir()
    (made / "funnel.md").write_text("# Funnel\n", encoding="utf-8")
    (made / "runs.jsonl").write_text("{}\n", encoding="utf-8")
    release_evidence(tmp_path / "suite", made)
    assert [path.name for path in (tmp_path / "suite" / "evidence").iterdir()] == ["funnel.md"]


def test_a_release_into_its_own_source_leaves_what_is_written_by_hand(tmp_path: Path) -> None:
    hand = source(tmp_path / "hand")
    before = contents(hand)
    release_suite(hand, hand, GROUND, [task(1)], [])
    after = contents(hand)
    assert before.items() <= after.items()
    assert set(after) - set(before) == {"ground.json", "tasks.jsonl", "primitives.jsonl"}


def test_two_tasks_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is there twice"):
        release_suite(tmp_path / "one", source(tmp_path / "hand"), GROUND, [task(1), task(1)], [])


# --- training rows ----------------------------------------------------------------------------------------------------


def lesson(name: str, rejects: int, root: str = "/tmp/box") -> Lesson:
    call = ToolCall(id="call-0", tool="files.read", arguments={"path": f"{root}/{name}"})
    history = (User(content="as executed"),)
    messages = (
        *history,
        Assistant(tool_calls=(call,)),
        ToolResult(call_id="call-0", tool="files.read", content=f"{root}/{name}: 12 boxes"),
        Assistant(content="12 boxes."),
    )
    rejected = []
    for number in range(rejects):
        other = ToolCall(id="call-0", tool="mail.search", arguments={"text": str(number)})
        negative = Negative(task=name, operator=f"tool:{number}", made=str(number), declared=(1.0, 0.0))
        pair = Pair(
            task=name,
            operator=negative.operator,
            history=history,
            chosen=Assistant(tool_calls=(call,)),
            rejected=Assistant(tool_calls=(other,)),
        )
        rejected.append(Rejected(negative=negative, pair=pair))
    run = Trajectory(task=name, mode="live", messages=messages, root=root)
    return Lesson(task=name, chosen=run, rejected=tuple(rejected))


def material(name: str, part: str = "train", rejects: int = 2) -> Material:
    wordings = tuple(Wording(f"{name} in words {n}", f"Answer {n}.") for n in range(3))
    return Material(name, part, WORLD.now, WORLD.servers, lesson(name, rejects), wordings)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


SETTINGS = Spread(trajectories=20, pairs=30, contexts=2, offered=(2, 4), sample=3)


def test_every_chain_is_told_once_before_any_is_told_twice(tmp_path: Path) -> None:
    spread(tmp_path, [material(f"c{n}") for n in range(8)], GROUND, SETTINGS, 1)
    ids = [row["id"] for row in rows(tmp_path / "trajectories.train.jsonl")]
    assert len(ids) == len(set(ids)) == 20
    assert {name.split("-")[0] for name in ids[:8]} == {f"c{n}" for n in range(8)}
    assert {name.split("-")[1] for name in ids[:8]} == {"0"}


def test_every_reject_is_told_once_before_any_is_told_twice(tmp_path: Path) -> None:
    """A cut that took rejects in the order of their operators would undo what was balanced."""
    some = [material(f"c{n}", rejects=1 + n % 5) for n in range(8)]
    spread(tmp_path, some, GROUND, SETTINGS, 1)
    ids = [row["id"].rsplit("-", 3) for row in rows(tmp_path / "pairs.train.jsonl")]
    rejects = sum(len(one.lesson.rejected) for one in some)
    first = {(name, which) for name, _, _, which in ids[:rejects]}
    assert len(first) == rejects == 21
    assert {wording for _, wording, _, _ in ids[:rejects]} == {"0"}
    assert {wording for _, wording, _, _ in ids[rejects:]} == {"1"}
    assert [which for _, _, _, which in ids[:rejects]] != sorted(which for _, _, _, which in ids[:rejects])


def test_distinct_counts_stand_beside_the_totals(tmp_path: Path) -> None:
    counts = spread(tmp_path, [material(f"c{n}") for n in range(2)], GROUND, SETTINGS, 1)
    by_kind = {one.kind: one for one in counts}
    assert (by_kind["trajectories"].rows, by_kind["trajectories"].chains) == (12, 2)
    assert by_kind["trajectories"].requests == 6
    assert (by_kind["pairs"].rows, by_kind["pairs"].mutants, by_kind["pairs"].operators) == (24, 4, 2)
    assert json.loads((tmp_path / "counts.json").read_text())[0]["chains"] == 2


def test_a_row_holds_its_own_words_and_no_path_of_the_sandbox_it_ran_in(tmp_path: Path) -> None:
    spread(tmp_path, [material("c0")], GROUND, SETTINGS, 1)
    row = rows(tmp_path / "trajectories.train.jsonl")[1]
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    assert row["messages"][1]["content"] == "c0 in words 1"
    assert row["messages"][-1]["content"] == "Answer 1."
    assert "/tmp/box" not in json.dumps(row)
    assert "files__read" in row["tools"]


def test_a_pair_is_one_message_each_after_the_same_history_and_offers_both_tools(tmp_path: Path) -> None:
    spread(tmp_path, [material("c0")], GROUND, SETTINGS, 1)
    for row in rows(tmp_path / "pairs.train.jsonl"):
        assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        (chosen,), (rejected,) = row["chosen"], row["rejected"]
        assert chosen["tool_calls"][0]["function"]["name"] == "files__read"
        assert rejected["tool_calls"][0]["function"]["name"] == "mail__search"
        assert {"files__read", "mail__search"} <= set(row["tools"])


def test_the_same_material_and_seed_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    some = [material(f"c{n}", "dev" if n == 3 else "train") for n in range(4)]
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / name).mkdir()
        spread(tmp_path / name, some, GROUND, SETTINGS, seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "three")
    assert (tmp_path / "one" / "pairs.dev.jsonl").is_file()


def test_joined_rows_have_the_schemas_of_their_tools(tmp_path: Path) -> None:
    spread(tmp_path, [material("c0")], GROUND, SETTINGS, 1)
    for row in joined(tmp_path / "trajectories.train.jsonl"):
        assert {tool["type"] for tool in row["tools"]} == {"function"}
        assert "files__read" in {tool["function"]["name"] for tool in row["tools"]}
