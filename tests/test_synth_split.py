"""Parts: by server, then by primitive; whoever would cross is kept out, and the proof that nothing does."""

from __future__ import annotations

from collections import Counter

import pytest

from rise_bench.errors import InputError
from rise_bench.synth.recipe import Splits
from rise_bench.synth.split import Holdings, crossings, neighbours, part_of, refuse_crossings
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


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (("t/1", "Read b.", "b.txt", "p2"), "tasks"),
        (("t/2", "  READ a. ", "b.txt", "p2"), "requests"),
        (("t/2", "Read b.", "a.txt", "p2"), "chains"),
        (("t/2", "Read b.", "b.txt", "p1"), "primitives"),
    ],
)
def test_whatever_two_parts_share_is_found(other: tuple[str, str, str, str], kind: str) -> None:
    train, test = Holdings(), Holdings()
    train.add(task("t/1", "Read a."), ["p1"])
    name, request, path, primitive = other
    assert train.shares(task(name, request, path), [primitive]) == kind.removesuffix("s")
    test.add(task(name, request, path), [primitive])
    found = crossings({"train": train, "test": test})
    assert len(found) == 1
    assert kind in found[0]
    with pytest.raises(InputError, match=kind):
        refuse_crossings({"train": train, "test": test}, "here")


def test_parts_that_share_nothing_pass() -> None:
    train, test = Holdings(), Holdings()
    train.add(task("t/1", "Read a."), ["p1"])
    test.add(task("t/2", "Read b.", "b.txt"), ["p2"])
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
