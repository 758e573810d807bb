"""The base rate of masked values is that of naming what other chains have: a value does not count as its own example."""

from __future__ import annotations

import pytest

from rise_bench.synth.records import Chain, Draft, World
from rise_bench.synth.requests.masking import masked_rates
from rise_bench.types import Call, Critical, Intent, Task

WORLD = World(setup="desk-01", now="2026-04-02T09:00:00Z", servers=("s",))


def draft(tool: str, *values: str, wording: str = "Please look.") -> Draft:
    """A chain of calls, each with one critical text, of which the request says nothing."""
    calls = tuple(Call(tool=f"s.{tool}", arguments={"name": value}) for value in values)
    critical = tuple(Critical(call=number, argument="/name", match="text") for number in range(len(calls)))
    task = Task(id=f"kit/{tool}-{'-'.join(values)}", request=wording, reference=calls, intent=Intent(critical=critical))
    chain = Chain(world=WORLD, calls=calls, primitives=("0" * 64,) * len(calls))
    return Draft(chain=chain, decisions=(), task=task)


def test_the_base_rate_of_a_hand_example() -> None:
    rates = masked_rates(
        [
            draft("look", "oak"),  # other chains: oak 2, elm 1: right
            draft("look", "oak", wording="Have a look, please."),  # the same chain in other words: right
            draft("look", "oak", "oak"),  # other chains: oak 2, elm 1: right, twice
            draft("look", "elm"),  # other chains: oak 4: wrong
            draft("note", "ash"),  # no other chain has the argument: nothing can be named
        ]
    )
    assert rates.values == 6
    assert rates.base_rate == pytest.approx((1 + 1 + 1 + 1 + 0 + 0) / 6)


def test_of_equally_common_values_one_is_drawn() -> None:
    rates = masked_rates([draft("look", "oak", "oak"), draft("look", "oak"), draft("look", "elm")])
    # the first chain sees oak 1, elm 1: half, twice; the second sees oak 2, elm 1: right; the third sees oak 3: wrong
    assert rates.base_rate == pytest.approx((0.5 + 0.5 + 1 + 0) / 4)


def test_a_value_that_occurs_once_is_not_its_own_base_rate() -> None:
    assert masked_rates([draft("look", "oak")]).base_rate == 0.0
    assert masked_rates([draft("look", "oak"), draft("look", "elm")]).base_rate == 0.0


def test_a_chain_in_other_words_tells_nothing_about_itself() -> None:
    told = [draft("look", "oak", wording=f"Look {number} times.") for number in range(12)]
    assert masked_rates(told).base_rate == 0.0


def test_a_value_that_all_chains_have_is_always_named() -> None:
    found = masked_rates(
        [draft("look", "oak", wording="One."), draft("look", "oak", "oak"), draft("note", "oak", "oak")]
    )
    assert found.values == 5
    assert found.base_rate == pytest.approx(3 / 5)  # of `note` there is but one chain


def test_of_nothing_there_is_no_rate() -> None:
    rates = masked_rates([])
    assert (rates.values, rates.recovered, rates.base_rate) == (0, 0.0, 0.0)
