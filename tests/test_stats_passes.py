"""pass^k and pass@k against enumeration of every draw, made up and real."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path

import pytest

from rise_bench.errors import InputError
from rise_bench.stats import pass_at_k, pass_hat_k

EXTERNAL = Path(os.environ.get("RISE_BENCH_EXTERNAL", Path(__file__).parents[2] / "shared" / "external"))
TAU = EXTERNAL / "tau-airline" / "gpt-4o-airline-tasks0-9.json"


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_both_equal_the_share_of_all_possible_draws(k: int) -> None:
    outcomes = [[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0, 1]]
    draws = [list(combinations(task, k)) for task in outcomes]
    every = sum(sum(all(d) for d in task) / len(task) for task in draws) / len(draws)
    some = sum(sum(any(d) for d in task) / len(task) for task in draws) / len(draws)
    won, tried = [sum(task) for task in outcomes], [len(task) for task in outcomes]
    assert pass_hat_k(won, tried, k).value == pytest.approx(every)
    assert pass_at_k(won, tried, k).value == pytest.approx(some)


def test_with_k_1_both_are_the_mean_success() -> None:
    assert (
        pass_hat_k([1, 2], [2, 4], 1).value == pytest.approx(pass_at_k([1, 2], [2, 4], 1).value) == pytest.approx(0.5)
    )


def test_the_interval_counts_tasks_and_their_clusters() -> None:
    found = pass_hat_k([4, 0, 2, 4], [4, 4, 4, 4], 2, clusters=["a", "a", "b", "c"])
    assert (found.n, found.clusters) == (4, 3)
    assert found.low is not None and found.value is not None and found.low < found.value


@pytest.mark.parametrize(
    ("won", "tried", "k"), [([1], [1], 2), ([1], [2], 0), ([3], [2], 1), ([1, 1], [2], 1), ([0.5], [2], 1)]
)
def test_counts_that_cannot_be_are_refused(won: list[float], tried: list[float], k: int) -> None:
    with pytest.raises(InputError):
        pass_hat_k(won, tried, k)


@pytest.mark.skipif(not TAU.is_file(), reason="no tau-airline data in the folder of RISE_BENCH_EXTERNAL")
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_of_real_simulations_both_equal_the_share_of_all_subsets_of_attempts(k: int) -> None:
    rewards: dict[int, list[float]] = {}
    for simulation in json.loads(TAU.read_text(encoding="utf-8")):
        rewards.setdefault(simulation["task_id"], []).append(simulation["reward"])
    assert {len(attempts) for attempts in rewards.values()} == {4}
    subsets = [list(combinations(attempts, k)) for attempts in rewards.values()]
    every = sum(sum(min(drawn) for drawn in task) / len(task) for task in subsets) / len(rewards)
    some = sum(sum(max(drawn) for drawn in task) / len(task) for task in subsets) / len(rewards)
    won, tried = [sum(attempts) for attempts in rewards.values()], [len(attempts) for attempts in rewards.values()]
    assert 0 < some < 1
    assert pass_hat_k(won, tried, k).value == pytest.approx(every)
    assert pass_at_k(won, tried, k).value == pytest.approx(some)
