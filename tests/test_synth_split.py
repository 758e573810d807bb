"""Parts: by server, then by primitive; whoever would cross is kept out, and the proof that nothing does."""

from __future__ import annotations

from collections import Counter

import pytest

from rise_bench.errors import InputError
from rise_bench.synth.gates.split import Holdings, crossings, neighbours, part_of, refuse_crossings
from rise_bench.synth.recipe import Splits
from rise_bench.types import Call, Task

SPLITS = Splits(shares={"train": 0.8, "dev": 0.1, "test-seen-tools": 0.1}, unseen_servers=("memory",))


def task(name: str, request: str, path: str = "a.txt") -> Task:
    return Task(id=name, request=request, reference=(Call(tool="files.read", arguments={"path": path}),))


def test_all_primitives_of_an_unseen_server_go_to_its_part_and_no_others() -> None:
    parts = {part_of("memory.read_graph", {"n": n}, SPLITS, 1) for n in range(20)}
    seen = {part_of("files.read", {"n": n}, SPLITS, 1) for n in range(200)}
    assert parts == {"test-unseen-servers"}
    assert seen == {"train", "dev", "test-seen-tools"}


def test_parts_get_their_shares() -> None:
    counts = Counter(part_of("files.read", {"n": n}, SPLITS, 1) for n in range(4000))
    assert abs(counts["train"] / 4000 - 0.8) < 0.03
    assert abs(counts["dev"] / 4000 - 0.1) < 0.02


def test_the_part_follows_from_tool_and_arguments_whatever_else_there_is() -> None:
    one = part_of("files.read", {"path": "a", "head": 3}, SPLITS, 1)
    assert part_of("files.read", {"head": 3, "path": "a"}, SPLITS, 1) == one
    assert len({part_of("files.read", {"path": "a"}, SPLITS, seed) for seed in range(60)}) > 1


def two_calls(name: str, request: str, first: str, second: str) -> Task:
    calls = tuple(Call(tool="files.read", arguments={"path": path}) for path in (first, second))
    return Task(id=name, request=request, reference=calls)


@pytest.mark.parametrize(
    ("other", "kinds"),
    [
        (two_calls("t/1", "Read b.", "c.txt", "d.txt"), ["tasks"]),
        (two_calls("t/2", "  READ a. ", "c.txt", "d.txt"), ["requests"]),
        (two_calls("t/2", "Read b.", "a.txt", "b.txt"), ["chains", "primitives"]),
        (two_calls("t/2", "Read b.", "c.txt", "b.txt"), ["primitives"]),
    ],
)
def test_whatever_two_parts_share_is_found(other: Task, kinds: list[str]) -> None:
    train, test = Holdings(), Holdings()
    train.add(two_calls("t/1", "Read a.", "a.txt", "b.txt"))
    assert train.shares(other) == kinds[0].removesuffix("s")
    test.add(other)
    found = crossings({"train": train, "test": test})
    assert [kind for line in found for kind in kinds if kind in line] == kinds
    with pytest.raises(InputError, match=kinds[0]):
        refuse_crossings({"train": train, "test": test}, "here")


def test_a_call_that_a_binding_makes_counts_as_the_call_that_it_was() -> None:
    bound = Call(tool="files.read", arguments={"path": {"$ref": [0, "/name"]}})
    listing = Call(tool="files.list", arguments={})
    one = Task(id="t/1", request="Read it.", reference=(listing, bound), recorded=({"name": "a.txt"}, "text"))
    train = Holdings()
    train.add(one)
    assert train.shares(task("t/2", "Read a.")) == "primitive"
    assert train.shares(task("t/2", "Read b.", "b.txt")) == ""


def test_the_two_test_parts_may_begin_with_the_same_look() -> None:
    seen, unseen = Holdings(), Holdings()
    seen.add(task("t/1", "Read a."))
    unseen.add(two_calls("t/2", "Read a and b.", "a.txt", "b.txt"))
    assert crossings({"test-seen-tools": seen, "test-unseen-servers": unseen}) == []
    assert len(crossings({"train": seen, "test-unseen-servers": unseen})) == 1


def test_parts_that_share_nothing_pass() -> None:
    train, test = Holdings(), Holdings()
    train.add(task("t/1", "Read a."))
    test.add(task("t/2", "Read b.", "b.txt"))
    assert crossings({"train": train, "test": test}) == []


def test_the_nearest_requests_of_two_parts_are_shown_with_their_cosine() -> None:
    found = neighbours(
        {
            "test": ["Move the March invoices into the archive.", "How warm was it on Tuesday?"],
            "train": ["Move the April invoices into the archive.", "Which rooms are free at noon?"],
        }
    )
    assert len(found) == 1
    near = found[0]
    assert near.nearest == ("Move the April invoices into the archive.", "Move the March invoices into the archive.")
    assert 0.4 < near.most < 1
    assert near.median < near.most


def test_the_same_request_has_cosine_one() -> None:
    (near,) = neighbours({"test": ["Read a."], "train": ["Read a."]})
    assert near.most == pytest.approx(1)


def test_one_part_alone_has_no_neighbours() -> None:
    assert neighbours({"test": ["Read a."], "train": []}) == ()
