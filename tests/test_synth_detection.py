"""Departures that are scored otherwise than declared are shown, never relabelled, and nothing without a score is counted."""

from __future__ import annotations

from collections.abc import Iterator

from rise_bench.synth.gates.detection import detection
from rise_bench.synth.negatives.execute import aligned
from rise_bench.synth.negatives.operators import Material, Mutant, Operator
from rise_bench.synth.records import Dropped, Negative, Stage

DEVIATED, VISIBLE = (1.0, 0.0), (0.0, 0.0)


def departure(task: str, operator: str, declared: tuple[float, float], *observed: float | None) -> Negative:
    return Negative(task=task, operator=operator, declared=declared, observed=(observed[0], observed[1]))


def test_what_is_observed_stands_beside_what_was_declared() -> None:
    found = detection(
        [
            departure("a", "value:date+1d", DEVIATED, 1, 0),
            departure("b", "value:date+1d", DEVIATED, 0, 0),
            departure("c", "value:date+1d", DEVIATED, 1, 1),
            departure("a", "decision:ask", VISIBLE, 0, 0),
        ],
        [("a", 1.0), ("b", 1.0), ("c", 0.0)],
    )
    dates = found.by_operator["value:date+1d"]
    assert (dates.declared, dates.n, dates.as_declared) == (DEVIATED, 3, 1)
    assert dates.observed == {"0/0": 1, "1/0": 1, "1/1": 1}
    assert dates.caught.value == 2 / 3
    assert (found.sensitivity.value, found.sensitivity.n) == (3 / 4, 4)
    assert found.sensitivity.clusters == 3
    assert (found.specificity.value, found.specificity.n) == (2 / 3, 3)
    assert list(found.by_operator) == ["decision:ask", "value:date+1d"]


def test_what_could_not_be_scored_is_in_no_share() -> None:
    found = detection(
        [departure("a", "missing:item", DEVIATED, None, None), departure("b", "missing:item", DEVIATED, 1, 0)],
        [("a", None), ("b", 1.0)],
    )
    assert found.unscored == 2
    assert found.by_operator["missing:item"].observed == {"1/0": 1, "none/none": 1}
    assert (found.sensitivity.value, found.sensitivity.n) == (1, 1)
    assert (found.specificity.value, found.specificity.n) == (1, 1)


def test_of_nothing_there_is_no_figure() -> None:
    found = detection([], [])
    assert found.sensitivity.value is None
    assert found.specificity.value is None
    assert found.sensitivity.reason


def test_what_was_dropped_as_aligned_is_in_no_share_but_counted() -> None:
    found = detection(
        [departure("a", "value:zone", DEVIATED, 1, 0)], [("a", 1.0)], {"value:zone": 2, "structure:twice": 3}
    )
    assert found.dropped_as_aligned == {"structure:twice": 3, "value:zone": 2}
    assert list(found.by_operator) == ["value:zone"]
    assert (found.by_operator["value:zone"].n, found.sensitivity.n) == (1, 1)


def gone(what: str, reason: str = "as good as the reference", stage: Stage = "negate") -> Dropped:
    return Dropped(stage=stage, what=what, reason=reason)


def test_departures_that_were_scored_as_what_was_meant_are_counted_by_operator() -> None:
    dropped = [
        gone('my desk/a value:date+1d 0:/day "2026-05-21"'),
        gone('my desk/a value:date+1d 1:/day "2026-05-22"'),
        gone('my desk/a structure:twice 2: "s.book"'),
        gone('my desk/a value:date-1d 0:/day "2026-05-19"', "does not run"),
        gone("my desk/a value:date-1d 0:/day", "as good as the reference", "gate"),
    ]
    assert aligned("my desk/a", dropped) == {"value:date+1d": 2, "structure:twice": 1}
    assert aligned("my desk/a", []) == {}


def test_an_operator_of_a_plug_in_is_counted_under_its_whole_name() -> None:
    def nothing(material: Material, operator: Operator) -> Iterator[Mutant]:
        yield from ()

    plugged = [Operator("value", name, DEVIATED, nothing) for name in ("next", "next week")]
    dropped = [gone('a value:next week 0:/day "x"'), gone('a value:next 0:/day "x"')]
    assert aligned("a", dropped, plugged) == {"value:next week": 1, "value:next": 1}


def test_an_operator_that_is_no_more_is_counted_under_its_own_name() -> None:
    assert aligned("a", [gone('a value:date+1days 0:/day "x"')]) == {"value:date+1days": 1}
