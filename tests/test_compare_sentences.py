"""A comparison's sentences say what its numbers say, and no more."""

from __future__ import annotations

import random
import re

import pytest
from compare_kit import side

from rise_bench.compare import Comparison, compare
from rise_bench.compare.records import Contrast, Verdict
from rise_bench.compare.sentences import p_text, points, sentence, verdict_of
from rise_bench.compare.tables import letters, none_as_0, pairs_table, parties_table, reading, settings, unshared

CLUSTERS = ["v", "w", "x", "y", "z"] * 8
CASES: dict[Verdict, Comparison] = {
    "better": compare([side("ann", "1" * 120 + "0" * 180), side("bob", "1" * 210 + "0" * 90)]),
    "worse": compare([side("ann", "1" * 210 + "0" * 90), side("bob", "1" * 120 + "0" * 180)]),
    "unguarded": compare([side("ann", "0" * 40, "1" * 40), side("bob", "1" * 30 + "0" * 10)]),
    "equivalent": compare([side("ann", "1" * 995 + "0" * 5), side("bob", "0" * 5 + "1" * 995)]),
    "not worse": compare([side("ann", "1" * 196 + "0" * 4), side("bob", "1" * 200)]),
    "not better": compare([side("ann", "1" * 200), side("bob", "1" * 196 + "0" * 4)]),
    "no evidence": compare([side("ann", "1" * 8 + "0" * 32), side("bob", "0" * 32 + "1" * 8)]),
    "too few clusters": compare(
        [side("ann", "01" * 20, clusters=CLUSTERS), side("bob", "10" * 19 + "01", clusters=CLUSTERS)]
    ),
    "not ranked": compare([side("ann", "-" * 5 + "1" * 95), side("bob", "0" * 100)]),
}
SAYS: dict[Verdict, tuple[str, str]] = {
    "better": ("bob is better than ann by 30.0 points [", "(p < 0.0001), and not worse by 2 points on Acc_task."),
    "worse": ("ann is better than bob by 30.0 points [", "(p < 0.0001), and not worse by 2 points on Acc_task."),
    "unguarded": (
        "bob is ahead of ann by 75.0 points [",
        "(p < 0.0001), but that it is not worse by 2 points on Acc_task is not shown (p = 0.999): no claim.",
    ),
    "equivalent": (
        "ann and bob are equivalent within 2 points (p < 0.0001); ",
        "bob minus ann is +0.0 points [-0.7, 0.7], p = 1.000.",
    ),
    "not worse": (
        "bob is not worse than ann by 2 points or more (p = ",
        "that it is better is not shown: bob minus ann ",
    ),
    "not better": (
        "ann is not worse than bob by 2 points or more (p = ",
        "that it is better is not shown: bob minus ann ",
    ),
    "no evidence": (
        "no evidence of a difference at this n (40 tasks): bob minus ann is +0.0 points [",
        " points would be shown with power 80 %.",
    ),
    "too few clusters": (
        "a difference cannot be shown with 40 tasks in 5 clusters (the least p of 5 clusters is 0.062, needed is 0.05): ",
        "bob minus ann is",
    ),
    "not ranked": (
        "no claim, since ann has 5.0 % faults (limit 2 %); bob minus ann is -100.0 points [",
        "], p < 0.0001.",
    ),
}


def first(found: Comparison) -> Contrast:
    return found.pairs[0].contrasts[0]


@pytest.mark.parametrize("verdict", CASES)
def test_each_verdict_has_its_sentence(verdict: Verdict) -> None:
    one = first(CASES[verdict])
    start, then = SAYS[verdict]
    assert one.sentence.startswith(f"Acc_intent: {start}") and then in one.sentence


@pytest.mark.parametrize("verdict", CASES)
def test_each_verdict_is_reached(verdict: Verdict) -> None:
    assert first(CASES[verdict]).verdict == verdict


def test_no_sentence_calls_a_side_better_unless_the_verdict_does() -> None:
    for verdict, found in CASES.items():
        assert ("is better than" in first(found).sentence) == (verdict in ("better", "worse"))


def test_a_missing_p_is_no_evidence_of_anything() -> None:
    one = first(CASES["better"]).model_copy(update={"p": None, "p_adjusted": None})
    assert verdict_of(one, 0.05, ranked=True) == "no test"
    said = sentence(one.model_copy(update={"verdict": "no test"}), "ann", "bob", delta=0.02, family=1)
    assert said == "Acc_intent: no test: there is nothing to compare."


def test_a_difference_within_delta_that_is_shown_says_that_it_is_small() -> None:
    ann, bob = "1" * 9900 + "0" * 100, "1" * 9940 + "0" * 60
    found = first(compare([side("ann", ann), side("bob", bob)]))
    assert found.verdict == "better" and found.sentence.endswith("; the difference is within 2 points.")


def test_a_sentence_names_the_family_that_p_was_adjusted_for() -> None:
    sides = [side(name, line) for name, line in (("a", "1" * 40), ("b", "0" * 40), ("c", "10" * 20))]
    assert "after Holm over 3 pairs" in first(compare(sides)).sentence
    assert "Holm" not in first(compare(sides[:2])).sentence


def test_no_evidence_says_how_many_tasks_a_difference_as_seen_takes_rounded_to_two_digits() -> None:
    ann, bob = "1" * 8 + "0" * 12 + "1" * 80, "0" * 8 + "1" * 12 + "1" * 80
    one = first(compare([side("ann", ann), side("bob", bob)]))
    assert one.outlook.tasks is not None
    told = re.search(r"takes about ([\d,]+) tasks\.$", one.sentence)
    assert told and 0 <= int(told[1].replace(",", "")) - one.outlook.tasks < 100


@pytest.mark.parametrize(
    ("p", "told"), [(None, "-"), (0.00001, "<0.0001"), (0.0012, "0.0012"), (0.0312, "0.031"), (1.0, "1.000")]
)
def test_a_p_value_has_the_digits_it_deserves(p: float | None, told: str) -> None:
    assert p_text(p) == told


@pytest.mark.parametrize(
    ("share", "told"), [(None, "-"), (0.0512, "+5.1"), (-0.0004, "+0.0"), (-0.3, "-30.0"), (0.0, "+0.0")]
)
def test_points_have_a_sign_and_no_minus_before_0(share: float | None, told: str) -> None:
    assert points(share, signed=True) == told


# --- tables -----------------------------------------------------------------------------------------------------------


def test_tables_hold_the_numbers_of_the_record() -> None:
    found = CASES["better"]
    one, row = first(found), pairs_table(found, "acc_intent").rows[0]
    assert row[0] == "A, B" and row[1].startswith("40.0 %") and row[2].startswith("70.0 %")
    assert row[3].startswith("+30.0 [") and row[6] == f"{one.only_first}, {one.only_second}" == "0, 90"
    assert row[7] == points(one.outlook.detectable) and row[8] == "B better"
    assert [row[1] for row in parties_table(found).rows] == ["ann", "bob"]


def test_more_than_26_sides_have_letters_of_their_own() -> None:
    draw = random.Random(0)
    sides = [side(f"m{n}", "".join(draw.choices("01", k=10))) for n in range(28)]
    found = compare(sides, baseline="m0")
    told = letters(found)
    assert len(set(told.values())) == 28 and (told["m0"], told["m25"], told["m26"]) == ("A", "Z", "A2")


def test_what_is_not_shared_is_told_pair_by_pair() -> None:
    found = compare([side("ann", "111.-"), side("bob", "10011")])
    assert list(unshared(found)) == [
        "A, B: compared on 3 tasks; 1 task(s) only in B; 1 attempt(s) without a verdict of A"
    ]
    assert list(unshared(CASES["better"])) == ["all 300 tasks with all attempts are shared by every pair"]


def test_none_as_0_is_told_for_pairs_that_have_any() -> None:
    lines = list(none_as_0(CASES["not ranked"]))
    assert lines[0].startswith("A, B: Acc_intent with every None as 0: 95.0 and 0.0 %, difference -95.0 points")
    assert "100 pairs of attempts instead of 95" in lines[0]
    assert list(none_as_0(CASES["better"])) == []


def test_settings_are_told_by_value_those_that_spoil_a_comparison_first() -> None:
    sides = [side("a", "10", seed=1), side("b", "01", seed=2), side("c", "11", seed=1)]
    rows = settings(compare(sides, baseline="a")).rows
    assert rows[0] == ("seed", "A: 1; B: 2", "differs")
    assert rows[1] == ("model", "A: a; B: b; C: c", "compared")


def test_the_reading_names_estimand_methods_level_and_margin() -> None:
    told = "\n".join(reading(CASES["too few clusters"]))
    assert "new servers (clusters): the 40 tasks stand in 5 clusters" in told
    assert "sign-flip permutation of clusters; CR2 interval" in told
    assert "delta     2 points (the suite's margin)" in told and "level     0.05" in told
