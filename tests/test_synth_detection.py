"""Departures that are scored otherwise than declared are shown, never relabelled, and nothing without a score is counted."""

from __future__ import annotations

from rise_bench.synth.gates.detection import detection
from rise_bench.synth.records import Negative

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
