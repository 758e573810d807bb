"""The scorers agree with labels that were given by reading, and the page says what the command prints."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "data" / "blind"))

import agreement  # noqa: E402


def test_at_least_a_hundred_attempts_of_every_outcome_are_labelled() -> None:
    rows = agreement.judged()
    assert len(rows) >= 100
    assert all(sum(row.label == label for row in rows) >= 10 for label in ((1, 1), (1, 0), (0, 0)))


def test_the_verdicts_agree_with_the_labels() -> None:
    rows = agreement.judged()
    for number, name in enumerate(agreement.SCORES):
        found = agreement.agreement(rows, number)
        assert found.value is not None
        assert found.value >= 0.85, f"{name}: kappa {found.value:.3f}"


def test_no_attempt_is_left_without_a_verdict() -> None:
    assert [row.line for row in agreement.judged() if None in row.ours] == []


def test_the_page_holds_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "blind_labels.md").read_text(encoding="utf-8")
    assert agreement.markdown().strip() in page, "run `python tests/data/blind/agreement.py` and put its tables in"
