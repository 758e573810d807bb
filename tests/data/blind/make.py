"""Makes the attempts of the blind labelling: shipped agents and written histories, run live, shuffled, not scored.

    python tests/data/blind/make.py        writes attempts.jsonl beside this file

Who made an attempt is not written into it: the order and the attempt numbers are those of a shuffle with a fixed seed.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rise_bench.ground import doors
from rise_bench.model.load import load
from rise_bench.model.scripted import read_script
from rise_bench.rollout import attempt
from rise_bench.store import load_suite, write_lines
from rise_bench.types import Budget, Trajectory

HERE = Path(__file__).parent
SEED = 20260402
SIDE_BY_SIDE = 2
BUDGET = Budget(turns=12, calls=40, seconds=300.0)
"""Small, so that some attempts run out of it."""

SHIPPED: dict[str, tuple[str, ...]] = {
    "lexical": (
        "files-okafor-rate", "files-client-folder", "files-february-halden-total", "files-final-letter",
        "editing-dry-run-vat", "git-hotfix-branch", "git-switch-to-csv", "git-lerwick-port", "graph-becker-ext",
        "graph-illich-leave", "todo-website-next", "todo-newsletter", "shop-lead-days", "shop-open-orders",
        "units-imperial-gallons", "units-tyre-pressure", "numbers-percent", "time-nairobi-kolkata", "calendar-agenda-todo",
        "trips-workbook", "refuse-pay-supplier", "ask-voucher-percent",
    ),
    "random-tool": ("editing-new-todo", "graph-alder2-lead", "todo-van-date", "numbers-a3-order"),
    "silent": ("shop-brush-price", "git-no-push"),
    "always-ask": ("ask-claim-lena", "files-which-halden-invoice", "units-pump-run", "refuse-print-budget"),
    "always-decline": ("refuse-call-petrov", "files-no-mail", "editing-which-timeout", "calendar-board-room"),
}  # fmt: skip
"""Agent -> tasks of suite `desk` that it meets as it is."""


class Planned(NamedTuple):
    """One attempt to make: model text, task id, and the number that tells it from others at the same task."""

    model: str
    task: str
    number: int


def plan() -> list[Planned]:
    """All attempts in shuffled order; numbers count up per task in that order."""
    made = [(model, f"desk/{task}") for model, tasks in SHIPPED.items() for task in tasks]
    for script in sorted((HERE / "scripts").glob("*.yaml")):
        made += [(f"scripted:{script}", task) for task in read_script(script)]
    random.Random(SEED).shuffle(made)
    seen: Counter[str] = Counter()
    planned = []
    for model, task in made:
        planned.append(Planned(model, task, seen[task]))
        seen[task] += 1
    return planned


def run(planned: list[Planned]) -> Iterator[Trajectory]:
    """The trajectories, in the order of the plan."""
    loaded = load_suite("desk", proved=False)
    tasks = {task.id: task for task in loaded.suite.tasks}
    models = {name: load(name, suite=loaded.suite) for name in {item.model for item in planned}}
    ground = doors.live(loaded.ground, loaded.fixtures)

    def one(item: Planned) -> Trajectory:
        return attempt(
            models[item.model],
            ground,
            tasks[item.task],
            system_prompt=loaded.suite.system_prompt,
            budget=BUDGET,
            number=item.number,
            seed=SEED,
        )

    try:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            yield from pool.map(one, planned)
    finally:
        ground.close()


def main() -> None:
    """Write `attempts.jsonl`, or only those attempts whose model text holds `--only`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of the model text (a trial run)")
    parser.add_argument("--output", type=Path, default=HERE / "attempts.jsonl")
    options = parser.parse_args()
    planned = [item for item in plan() if options.only in item.model]
    write_lines(options.output, run(planned))


if __name__ == "__main__":
    main()
