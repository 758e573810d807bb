"""A study of agreement as Markdown tables: what `docs/agreement.md` shows is what this prints."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rise_bench.importers.agreement import Agreement, Interval, Study

__all__ = ["markdown"]


def markdown(study: Study, examples: int = 2) -> str:
    """Scores, agreement by group and by category, classes of difference with example ids, and what was not scored.

    Args:
        study: the figures.
        examples: most example ids of each class.
    """
    groups: dict[str, list[Agreement]] = defaultdict(list)
    for row in study.agreements:
        groups["category" if row.group.startswith("category:") else row.group].append(row)
    parts = [_scores(study)]
    if "calls" in groups:
        parts.append("Items with reference calls:\n\n" + _agreements(groups["calls"]))
    if "no_call" in groups:
        parts.append("Items where no call is right:\n\n" + _agreements(groups["no_call"]))
    if "category" in groups:
        parts.append("Agreement by category:\n\n" + _categories(groups["category"]))
    if study.differences:
        parts.append("Differences by class:\n\n" + _classes(study, examples))
    parts.append(f"Attempts without a verdict of ours: {len(study.unscored)}.")
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines.extend("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(found: Interval) -> str:
    if found.low is None or found.high is None:
        return _number(found.value)
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def _scores(study: Study) -> str:
    most = max((len(row.pass_k_ours) for row in study.scores), default=0)
    powers = [f"pass^{k} (ours / official)" for k in range(1, most + 1)]
    rows = []
    for row in study.scores:
        pairs = [*zip(row.pass_k_ours, row.pass_k_official, strict=False)]
        cells = [f"{_number(a)} / {_number(b)}" for a, b in pairs] + ["-"] * (most - len(pairs))
        counts = [str(row.attempts), str(row.scored)]
        rows.append([row.model, *counts, _number(row.acc_task), _number(row.acc_intent), _number(row.official), *cells])
    return _table(["model", "attempts", "scored", "Acc_task", "Acc_intent", "official", *powers], rows)


def _agreements(found: Sequence[Agreement]) -> str:
    head = ["model", "n", "agreed", "agreement", "kappa", "both pass", "both fail", "only ours", "only official"]
    return _table(
        head,
        (
            [
                row.model,
                str(row.n),
                str(row.agreed),
                _interval(row.agreement),
                _interval(row.kappa),
                *(str(n) for n in (row.both_pass, row.both_fail, row.only_ours, row.only_theirs)),
            ]
            for row in found
        ),
    )


def _categories(found: Sequence[Agreement]) -> str:
    names = list(dict.fromkeys(row.group.removeprefix("category:") for row in found))
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for row in found:
        cells[row.model][row.group.removeprefix("category:")] = f"{row.agreed}/{row.n}"
    return _table(["model", *names], ([model, *(by.get(name, "-") for name in names)] for model, by in cells.items()))


def _classes(study: Study, examples: int) -> str:
    models: dict[str, Counter[str]] = defaultdict(Counter)
    tasks: dict[str, dict[str, None]] = defaultdict(dict)
    for item in study.differences:
        models[item.kind][item.model] += 1
        tasks[item.kind][f"{item.task}" if item.attempt == 0 else f"{item.task} (attempt {item.attempt})"] = None
    return _table(
        ["class", "attempts", "tasks", "models", "for example"],
        (
            [kind, str(count), str(len(tasks[kind])), str(len(models[kind])), ", ".join([*tasks[kind]][:examples])]
            for kind, count in study.classes.items()
        ),
    )
