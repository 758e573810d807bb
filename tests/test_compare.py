"""A comparison counts what both sides share, tests it as it says, and refuses what cannot be compared."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from compare_kit import side

from rise_bench.compare import Comparison, Side, compare
from rise_bench.compare.records import Contrast
from rise_bench.errors import InputError
from rise_bench.stats import Design, detectable_difference

TWENTY = "1111111111" + "0000000000"
BETTER = "1111111110" + "1111111110"
"""Against TWENTY: one task is lost, nine are won."""


def contrast(found: Comparison, score: str = "acc_intent", pair: int = 0) -> Contrast:
    return next(one for one in found.pairs[pair].contrasts if one.score == score)


def mid_p(wins: int, losses: int) -> float:
    """McNemar's mid-p by counting."""
    m, least = wins + losses, min(wins, losses)
    tail = sum(math.comb(m, k) for k in range(least + 1)) - math.comb(m, least) / 2
    return min(1.0, 2 * tail / 2**m)


def flip_p(sums: list[float]) -> float:
    """Two-sided p of flipping signs, every pattern."""
    seen = abs(sum(sums))
    totals = [sum(sign * one for sign, one in zip(signs, sums, strict=True)) for signs in patterns(len(sums))]
    return sum(abs(total) >= seen - 1e-9 for total in totals) / len(totals)


def patterns(count: int) -> list[tuple[int, ...]]:
    return list(itertools.product((1, -1), repeat=count))


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_tasks_that_are_their_own_clusters_are_compared_by_mcnemar_and_tango() -> None:
    found = compare([side("a", TWENTY), side("b", BETTER)])
    one = contrast(found)
    assert (found.estimand, one.only_first, one.only_second, one.attempts) == ("suite", 1, 9, 20)
    assert (one.first.value, one.second.value, one.difference.value) == pytest.approx((0.5, 0.9, 0.4))
    assert one.p == pytest.approx(mid_p(9, 1))
    assert one.p_adjusted == one.p
    assert one.difference.method == "Tango" and "McNemar" in one.method


def test_tasks_in_clusters_are_compared_by_flipping_whole_clusters() -> None:
    clusters = [f"c{n % 6}" for n in range(20)]
    found = compare([side("a", TWENTY, clusters=clusters), side("b", BETTER, clusters=clusters)])
    differences = [int(y) - int(x) for x, y in zip(TWENTY, BETTER, strict=True)]
    sums = [float(sum(differences[n] for n in range(c, 20, 6))) for c in range(6)]
    one = contrast(found)
    assert found.estimand == "servers" and found.pairs[0].clusters == 6
    assert one.p == pytest.approx(flip_p(sums))
    assert one.difference.clusters == 6 and one.difference.method.startswith("CR2")


@pytest.mark.parametrize(
    ("clusters", "estimand"),
    [(["x"] * 20, "suite"), ([], "suite"), (["x", "y"] * 10, "servers"), (["x", "x", *map(str, range(18))], "servers")],
)
def test_the_estimand_follows_from_the_suites_clusters_and_can_be_asked_for(clusters: list[str], estimand: str) -> None:
    sides = [side("a", TWENTY, clusters=clusters), side("b", BETTER, clusters=clusters)]
    found = compare(sides)
    assert found.estimand == estimand and found.why
    assert compare(sides, estimand="suite").estimand == "suite"
    assert compare(sides, estimand="servers").pairs[0].contrasts[0].difference.clusters == (len(set(clusters)) or 20)


def test_several_attempts_are_averaged_and_flipped_by_task() -> None:
    a, b = side("a", ("1010", "1000")), side("b", ("1110", "1110"))
    one = contrast(compare([a, b], estimand="suite"))
    assert one.p == pytest.approx(flip_p([0.0, 1.0, 0.5, 0.0]))
    assert one.difference.value == pytest.approx(1.5 / 4)
    assert (one.only_first, one.only_second, one.attempts) == (0, 3, 8)


def test_attempts_are_paired_one_by_one_and_a_fault_takes_its_partner_with_it() -> None:
    a, b = side("a", ("11", "1-")), side("b", ("10", "01"))
    found = compare([a, b])
    one, pair = contrast(found), found.pairs[0]
    assert pair.attempts == one.attempts == 3
    assert (one.first.value, one.second.value) == pytest.approx(((1 + 1) / 2, (0.5 + 0) / 2))
    assert (pair.unshared.none_first, pair.unshared.none_second) == (1, 0)


def test_p_values_of_a_score_are_adjusted_over_all_pairs_by_holm() -> None:
    lines = {"a": "1" * 30 + "0" * 70, "b": "1" * 45 + "0" * 55, "c": "1" * 80 + "0" * 20}
    found = compare([side(name, line) for name, line in lines.items()])
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    ps = [mid_p(0, wins) for wins in (15, 50, 35)]
    order = sorted(range(3), key=lambda place: ps[place])
    expected, highest = [0.0] * 3, 0.0
    for rank, place in enumerate(order):
        highest = max(highest, (3 - rank) * ps[place])
        expected[place] = min(1.0, highest)
    for score in ("acc_intent", "acc_task"):
        assert [contrast(found, score, n).p_adjusted for n in range(3)] == pytest.approx(expected)
        assert [contrast(found, score, n).outlook.alpha for n in range(3)] == pytest.approx([0.05 / 3] * 3)


def test_a_baseline_is_compared_with_each_other_side_only() -> None:
    sides = [side(name, line) for name, line in (("a", TWENTY), ("b", BETTER), ("c", "1" * 20))]
    found = compare(sides, baseline="b")
    assert [(pair.first, pair.second) for pair in found.pairs] == [("b", "a"), ("b", "c")]
    assert compare(sides, baseline="run-b").pairs == found.pairs
    with pytest.raises(InputError, match="0 sides have this name"):
        compare(sides, baseline="z")


def test_swapping_two_sides_turns_the_difference_and_nothing_else() -> None:
    clusters = [f"c{n % 16}" for n in range(60)]
    draw = random.Random(3)
    lines = ["".join(draw.choices("01", (3 - n, 3 + n), k=60)) for n in range(2)]
    a, b = (side(name, line, clusters=clusters) for name, line in zip("ab", lines, strict=True))
    there, back = contrast(compare([a, b])), contrast(compare([b, a]))
    assert there.difference.value == pytest.approx(-(back.difference.value or 0))
    assert (there.p, there.only_first) == (back.p, back.only_second)
    assert there.not_worse.p == pytest.approx(back.not_better.p)
    assert there.outlook.detectable == pytest.approx(back.outlook.detectable)


def test_the_same_seed_gives_the_same_p_and_another_one_may_not() -> None:
    clusters = [f"c{n}" for n in range(30) for _ in range(2)]
    draw = random.Random(1)
    lines = ["".join(draw.choices("01", k=60)) for _ in range(2)]
    sides = [side(name, line, clusters=clusters) for name, line in zip("ab", lines, strict=True)]
    first = compare(sides, rng=1)
    assert compare(sides, rng=1) == first
    assert compare(sides, rng=np.random.default_rng(5)) == compare(sides, rng=np.random.default_rng(5))
    assert {contrast(compare(sides, rng=seed)).p for seed in range(5)} != {contrast(first).p}


def test_a_comparison_is_one_json_document_without_nan() -> None:
    found = compare([side("a", "1-10"), side("b", "01-0")], by=("domain",))
    assert Comparison.model_validate_json(found.model_dump_json()) == found


# --- what a comparison can show ---------------------------------------------------------------------------------------


def test_the_detectable_difference_is_near_what_simulation_finds() -> None:
    rows = "1" * 40 + "0" * 160
    other = "1" * 20 + "0" * 20 + "1" * 20 + "0" * 140
    outlook = contrast(compare([side("a", rows), side("b", other)])).outlook
    simulated = detectable_difference(Design((1,) * 200, 0.2), draws=1000).difference
    assert simulated is not None and outlook.detectable == pytest.approx(simulated, rel=0.1)


def test_as_many_tasks_as_a_difference_is_said_to_take_do_show_it() -> None:
    a, b = "1" * 8 + "0" * 12 + "1" * 80, "0" * 8 + "1" * 12 + "1" * 80
    few = contrast(compare([side("a", a), side("b", b)])).outlook
    assert few.tasks is not None and few.tasks > 100
    times = math.ceil(few.tasks / 100)
    many = contrast(compare([side("a", a * times), side("b", b * times)]))
    assert many.outlook.detectable == pytest.approx(abs(many.difference.value or 0), rel=0.1)


def test_two_sides_that_never_differ_are_told_what_would_have_been_seen() -> None:
    one = contrast(compare([side("a", "1" * 20), side("b", "1" * 20)]))
    assert one.verdict == "no evidence" and one.p == 1 and one.outlook.tasks is None
    least = math.ceil(math.log2(1 / 0.05))
    d = one.outlook.detectable or 0.0
    reached = sum(math.comb(20, k) * d**k * (1 - d) ** (20 - k) for k in range(least, 21))
    assert reached == pytest.approx(0.8)


def test_a_difference_that_so_few_clusters_cannot_show_is_called_so() -> None:
    clusters = ["v", "w", "x", "y", "z"] * 8
    sides = [side("a", "0" * 40, clusters=clusters), side("b", "1" * 40, clusters=clusters)]
    one = contrast(compare(sides))
    assert one.p == pytest.approx(2**-4) and one.smallest_p == pytest.approx(2**-4)
    assert one.verdict == "not worse" and one.outlook.too_few
    worse = [side("a", "01" * 20, clusters=clusters), side("b", "10" * 20, clusters=clusters)]
    assert contrast(compare(worse)).verdict == "too few clusters"
    assert contrast(compare(worse, alpha=0.1)).verdict != "too few clusters"


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_acc_intent_is_called_better_only_where_acc_task_is_not_worse() -> None:
    a = side("a", "1" * 120 + "0" * 180, "1" * 300)
    better = side("b", "1" * 210 + "0" * 90, "1" * 300)
    bought = side("c", "1" * 210 + "0" * 90, "1" * 210 + "0" * 90)
    assert contrast(compare([a, better])).verdict == "better"
    found = compare([a, bought])
    one = contrast(found)
    assert one.verdict == "unguarded" and (one.p_adjusted or 1) < 0.0001 and (one.p_claim_adjusted or 0) > 0.05
    assert contrast(found, "acc_task").verdict == "worse"
    assert contrast(compare([a, bought], scores=["acc_intent"])).verdict == "unguarded"


def test_two_sides_that_are_shown_to_be_within_delta_are_equivalent() -> None:
    a, b = "1" * 995 + "0" * 5, "0" * 5 + "1" * 995
    assert contrast(compare([side("a", a), side("b", b)])).verdict == "equivalent"
    assert contrast(compare([side("a", a), side("b", b)], delta=0.001)).verdict == "no evidence"


def test_a_side_with_too_many_faults_supports_no_claim_and_its_score_with_none_as_0_stands_beside() -> None:
    a, b = side("a", "-" * 5 + "1" * 95), side("b", "0" * 100)
    found = compare([a, b])
    one = contrast(found)
    assert one.verdict == "not ranked" and "5.0 % faults" in one.sentence
    assert found.parties[0].not_ranked and not found.parties[1].not_ranked
    assert one.attempts == 95 and one.first.value == 1
    assert one.none_as_0 is not None and one.none_as_0.attempts == 100
    assert (one.none_as_0.first, one.none_as_0.difference) == pytest.approx((0.95, -0.95))
    assert one.none_as_0.p == pytest.approx(mid_p(0, 95))
    assert found.parties[0].acc_intent_none_as_0 == pytest.approx(0.95)


def test_two_percent_of_faults_are_borne_and_unjudged_attempts_are_no_faults() -> None:
    b = side("b", "0" * 100)
    assert contrast(compare([side("a", "--" + "1" * 98), b])).verdict == "worse"
    found = compare([side("a", "?" * 9 + "1" * 91), b])
    assert contrast(found).verdict == "worse"
    assert (found.parties[0].faults, found.parties[0].unjudged) == (0, 9)


def test_an_attempt_that_one_scorer_could_not_judge_is_left_out_of_both() -> None:
    found = compare([side("a", "?111", "1111"), side("b", "0000", "0000")])
    assert contrast(found, "acc_task").attempts == 3


# --- what is shared ---------------------------------------------------------------------------------------------------


def test_tasks_and_attempts_of_one_side_only_are_counted_and_left_out() -> None:
    a, b = side("a", ("1110", "111.")), side("b", ("..01", "..0."))
    pair = compare([a, b]).pairs[0]
    assert (pair.tasks, pair.attempts) == (2, 3)
    assert (pair.unshared.tasks_first, pair.unshared.tasks_second) == (2, 0)
    one = side("c", "1111")
    other = compare([a, one]).pairs[0]
    assert (other.unshared.attempts_first, other.unshared.attempts_second, other.attempts) == (3, 0, 4)


def test_tasks_that_differ_between_two_suites_are_not_compared() -> None:
    a, b = side("a", "1100"), side("b", "0110", suite_digest="7" * 64, suite_version="1-1")
    changed = replace(b.tasks[1], task=b.tasks[1].task.model_copy(update={"request": "something else"}))
    b = replace(b, tasks=(b.tasks[3], changed, b.tasks[0], b.tasks[2]))
    with pytest.raises(InputError, match=r"suite s 1-1 \(777777777777\), run-a has s 1-0") as caught:
        compare([a, b])
    assert "--common" in caught.value.remedy
    found = compare([a, b], common=True)
    one = contrast(found)
    assert found.pairs[0].tasks == 3 and one.attempts == 3
    # t0: 1 against 1, t2: 0 against 0, t3: 0 against 0
    assert (one.first.value, one.second.value) == pytest.approx((1 / 3, 1 / 3))
    assert found.pairs[0].unshared.tasks_first == 1


def test_only_scores_of_one_scorer_version_are_compared_and_then_a_claim_lacks_its_gate() -> None:
    a = side("a", "1" * 40)
    b = side("b", "0" * 40, versions={"acc_task": ("3-0",)})
    with pytest.raises(InputError, match="acc_task version 3-0, run-a has version 2-0") as caught:
        compare([a, b])
    assert "rise-bench score" in caught.value.remedy
    found = compare([a, b], common=True)
    assert [one.score for one in found.pairs[0].contrasts] == ["acc_intent"]
    assert contrast(found).verdict == "unguarded"
    assert found.pairs[0].unshared.scores == ("acc_task: version 2-0 against version 3-0",)


def test_a_pairs_settings_say_in_what_else_the_runs_differ() -> None:
    a, b = side("a", "10"), side("b", "01", seed=3)
    found = {one.name: (one.first, one.second, one.meant) for one in compare([a, b]).pairs[0].settings}
    assert found == {"seed": (0, 3, False), "model": ("a", "b", True)}


def test_tasks_without_a_cluster_are_told_and_count_as_clusters() -> None:
    clusters = ["x"] * 4 + ["y"] * 4 + [""] * 2
    found = compare([side("a", "1" * 10, clusters=clusters), side("b", "01" * 5, clusters=clusters)])
    assert found.pairs[0].clusters == 4
    assert any("2 of 10 tasks name no cluster" in note for note in found.notes)


# --- slices -----------------------------------------------------------------------------------------------------------


def test_slices_are_compared_by_themselves_and_adjusted_together() -> None:
    domains = ["files"] * 20 + ["mail"] * 20 + ["web"] * 2
    a = side("a", "1" * 20 + "10" * 10 + "11", domains=domains, labels={"wrong_value": "0" * 42})
    b = side("b", "0" * 20 + "01" * 10 + "00", domains=domains, labels={"wrong_value": "1" * 20 + "0" * 22})
    found = compare([a, b], by=("domain", "kind", "deviation"))
    slices = {(one.by, one.name, one.score): one for one in found.pairs[0].slices}
    files, mail, web = (slices["domain", name, "acc_intent"] for name in ("files", "mail", "web"))
    assert (files.tasks, files.first, files.second) == (20, 1.0, 0.0)
    assert files.p == pytest.approx(mid_p(0, 20)) and mail.p == pytest.approx(mid_p(10, 10))
    assert (web.p, web.p_adjusted) == (None, None)  # two tasks show nothing at 0.05
    assert files.p_adjusted == pytest.approx(min(1.0, 2 * (files.p or 0)))
    assert mail.p_adjusted == pytest.approx(mail.p)
    label = slices["deviation", "wrong_value", None]
    assert (label.first, label.second) == pytest.approx((0, 20 / 42)) and label.p == pytest.approx(mid_p(0, 20))
    assert slices["kind", "complete", "acc_task"].tasks == 42
    assert compare([a, b]).pairs[0].slices == ()


def test_sides_without_labels_are_not_compared_by_deviation_and_that_is_told() -> None:
    found = compare([side("a", "10", labels={}), side("b", "01")], by=("deviation",))
    assert found.pairs[0].slices == ()
    assert any("labels" in note for note in found.notes)


# --- bad input --------------------------------------------------------------------------------------------------------


def spoilt(value: float) -> Side:
    one = side("b", "1010")
    values = one.acc_intent.copy()
    values[2, 0] = value
    return replace(one, acc_intent=values)


A = side("a", "1010")
BAD: list[tuple[list[Side], dict[str, Any], str]] = [
    ([A], {}, "1 side"),
    ([A, A], {}, "is there twice"),
    ([A, replace(A, path="elsewhere")], {}, "this name"),
    ([A, side("b", "1010", mode="replay")], {}, "ground mode replay, run-a has live"),
    ([A, side("b", "1010", mode="replay")], {"common": True}, "ground mode replay"),
    ([A, spoilt(math.inf)], {}, "acc_intent holds inf"),
    ([A, spoilt(1.5)], {}, r"acc_intent holds 1\.5"),
    ([A, replace(side("b", "1010"), acc_task=np.ones((3, 1)))], {}, "shape"),
    ([A, side("b", "1010", versions={"acc_task": ("1-0", "2-0")})], {}, "several versions of acc_task"),
    ([A, side("b", "----")], {}, "share no judged attempt"),
    ([side("a", "11.."), side("b", "..11")], {}, "share no judged attempt"),
    ([A, side("b", "1010")], {"delta": 0.0}, "delta"),
    ([A, side("b", "1010")], {"delta": 2.0}, "delta"),
    ([side("a", "10", margin=0.0), side("b", "01")], {}, "the suite's margin"),
    ([A, side("b", "1010")], {"alpha": 0.7}, "alpha"),
]


@pytest.mark.parametrize(("sides", "options", "told"), BAD, ids=[told for _, _, told in BAD])
def test_what_cannot_be_compared_is_refused_with_a_remedy(
    sides: list[Side], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told) as caught:
        compare(sides, **options)
    assert caught.value.remedy or caught.value.where


def test_suites_without_a_common_task_are_refused() -> None:
    other = side("b", "1010", suite_digest="7" * 64)
    other = replace(
        other,
        tasks=tuple(replace(t, task=t.task.model_copy(update={"id": f"x{n}"})) for n, t in enumerate(other.tasks)),
    )
    with pytest.raises(InputError, match="share no task"):
        compare([A, other], common=True)
