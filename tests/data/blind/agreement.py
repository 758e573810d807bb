"""Holds the scorers against labels that were given by reading, without the scorers' verdicts.

python tests/data/blind/agreement.py            the tables of docs/blind_labels.md, as Markdown
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rise_bench.bench import score_attempt
from rise_bench.stats import Estimate, kappa
from rise_bench.store import LoadedSuite, load_suite, read_records
from rise_bench.types import Trajectory

HERE = Path(__file__).parent
SCORES = ("completed", "aligned")


@dataclass(frozen=True, slots=True)
class Judged:
    """One attempt with its label and our verdicts."""

    line: int
    task: str
    label: tuple[int, int]
    ours: tuple[float | None, float | None]
    sure: bool
    note: str
    why: str

    @property
    def differs(self) -> bool:
        """Label and verdicts are not the same pair."""
        return self.label != self.ours


def labels() -> dict[int, dict[str, object]]:
    """Line of attempts.jsonl -> its label."""
    lines = (HERE / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return {int(row["line"]): row for row in map(json.loads, lines)}


def judged(desk: LoadedSuite | None = None) -> list[Judged]:
    """Every labelled attempt, scored now."""
    desk = desk or load_suite("desk")
    tasks, given = desk.tasks, labels()
    found: list[Judged] = []
    for line, attempt in enumerate(read_records(Trajectory, HERE / "attempts.jsonl"), 1):
        row = given.get(line)
        if row is None:
            continue
        scored = score_attempt(tasks[attempt.task], attempt, desk)
        ours = (scored.acc_task.value, scored.acc_intent.value)
        label = (int(str(row["completed"])), int(str(row["aligned"])))
        why = f"{scored.acc_task.reason} / {scored.acc_intent.reason}"
        found.append(Judged(line, attempt.task, label, ours, bool(row["sure"]), str(row["note"]), why))
    return found


def agreement(rows: list[Judged], score: int) -> Estimate:
    """Cohen's kappa of label and verdict on one score, clustered by task; attempts without a verdict left out."""
    pairs = [(row.label[score], int(row.ours[score] or 0), row.task) for row in rows if row.ours[score] is not None]
    left, right, tasks = zip(*pairs, strict=True)
    return kappa(left, right, clusters=tasks)


TUNED = 165
"""Lines up to this one were looked at when the text rules were last changed; the later ones were labelled afterwards."""


def twice() -> tuple[int, int]:
    """(attempts labelled by two readers, those on which both gave the same pair)."""
    pairs = [(row, row["second"]) for row in labels().values() if isinstance(row.get("second"), dict)]
    same = sum(all(one[name] == two[name] for name in SCORES) for one, two in pairs)  # type: ignore[index]
    return len(pairs), same


def markdown() -> str:
    """The tables, ready for the page."""
    rows = judged()
    both, same = twice()
    parts = [f"Labelled by two readers independently: {both} attempts, the same pair on {same}.", ""]
    parts += ["| attempts | score | n | agreed | share | kappa | both 1 | both 0 | only label 1 | only ours 1 |"]
    parts += ["| --- " * 10 + "|"]
    halves = {
        "all": rows,
        f"lines 1-{TUNED}": [row for row in rows if row.line <= TUNED],
        f"lines {TUNED + 1}- (held out)": [row for row in rows if row.line > TUNED],
    }
    for title, some in halves.items():
        for number, name in enumerate(SCORES):
            pairs = Counter((row.label[number], row.ours[number]) for row in some)
            agreed, estimate = pairs[1, 1] + pairs[0, 0], agreement(some, number)
            interval = "" if estimate.low is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
            parts.append(
                f"| {title} | {name} | {len(some)} | {agreed} | {agreed / len(some):.3f} | {estimate.value:.3f}{interval} "
                f"| {pairs[1, 1]} | {pairs[0, 0]} | {pairs[1, 0]} | {pairs[0, 1]} |"
            )
    outcome = {(1, 1): "aligned", (1, 0): "silently deviated", (0, 0): "visibly failed"}
    cells = Counter((outcome[row.label], outcome.get(row.ours, "none")) for row in rows)  # type: ignore[arg-type]
    names = list(outcome.values())
    parts += ["", "| label \\ ours | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    parts += [f"| {one} | " + " | ".join(str(cells[one, two]) for two in names) + " |" for one in names]
    parts += ["", "| line | task | label | ours | sure | labeller's note | our reason |", "| --- " * 7 + "|"]
    for row in rows:
        if row.differs:
            ours = "/".join("-" if value is None else f"{value:g}" for value in row.ours)
            label = "/".join(map(str, row.label))
            cells_text = [str(row.line), row.task, label, ours, "yes" if row.sure else "no", row.note, row.why]
            parts.append("| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in cells_text) + " |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
