"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rise_bench.commands.terminal import say, table, text, warn
from rise_bench.conditions import Difference
from rise_bench.plain import plain
from rise_bench.report import Report, doubts, how, percent
from rise_bench.stats import Estimate

__all__ = ["report_view", "say_differences"]

_STYLE = {"aligned": "green", "silently deviated": "yellow", "visibly failed": "red", "faults": "magenta"}


def report_view(report: Report, *, clusters: bool = False) -> RenderableType:
    """All that a reader needs to judge the numbers, the scores first.

    Args:
        report: the numbers.
        clusters: a row for every cluster too, not only for kinds and servers.
    """
    parts: list[RenderableType] = [_head(report), "", _scores(report), "", _outcomes(report)]
    if report.labels:
        parts += ["", _labels(report)]
    if report.groups:
        parts += ["", _groups(report, clusters)]
    if report.passes:
        parts += ["", _passes(report)]
    parts += ["", *_notes(report)]
    return Group(*parts)


def _head(report: Report) -> Text:
    about = report.about
    line = Text.assemble(
        (plain(about.model), "bold"), " on ", (plain(f"{about.suite} {about.suite_version}".strip()), "bold")
    )
    line.append(
        f"  {about.mode}, {report.attempts} attempts at {report.tasks_attempted} of {about.tasks} tasks", style="dim"
    )
    return line


def _scores(report: Report) -> Table:
    def line(name: str, meaning: str, value: Estimate, style: str = "") -> list[object]:
        return [text(name, "bold"), Text(percent(value), style=style), value.n, value.clusters, text(meaning, "dim")]

    made = table(
        ["", "value \\[95 % interval]", "tasks", "clusters", ""],
        [
            line("Acc_intent", "did what was meant", report.acc_intent, "bold green"),
            line("Acc_task", "looks done", report.acc_task, "bold"),
            line("silent deviation", "not as meant, among those that look done", report.silent_rate, "bold yellow"),
            line("ICP recall", "critical parameters matched", report.icp_recall),
        ],
        numbers=(2, 3),
    )
    for floor in report.floors:
        values = f"{percent(floor.acc_task)} / {percent(floor.acc_intent)}"
        made.add_row(
            text(f"floor: {floor.name}", "dim"), text(values, "dim"), "", "", text("Acc_task / Acc_intent", "dim")
        )
    return made


def _outcomes(report: Report) -> Table:
    counts = {
        "aligned": report.outcomes.aligned,
        "silently deviated": report.outcomes.silent,
        "visibly failed": report.outcomes.visible,
    }
    rows: list[list[object]] = [
        [name, n, percent(n / report.judged if report.judged else None), _bar(n, report.judged, _STYLE[name])]
        for name, n in counts.items()
    ]
    nones = report.outcomes.fault + report.outcomes.unjudged
    rows.append(["faults, unjudged", nones, "", text("not counted above" if nones else "", "dim")])
    return table(["outcome", "attempts", f"of {report.judged} judged", ""], rows, numbers=(1, 2))


def _bar(part: int, whole: int, style: str) -> Text:
    return Text("█" * round(30 * part / whole) if whole else "", style=style)


def _labels(report: Report) -> Table:
    rows = [
        [item.family, item.label, item.attempts, percent(item.attempts / report.judged), item.silent or ""]
        for item in report.labels
    ]
    return table(["deviations", "", "attempts", "share", "of these silent"], rows, numbers=(2, 3, 4))


def _groups(report: Report, clusters: bool) -> Table:
    rows = [
        [g.by, g.name, g.tasks, percent(g.acc_task), percent(g.acc_intent), percent(g.silent)]
        for g in report.groups
        if clusters or g.by != "cluster"
    ]
    return table(["by", "slice", "tasks", "Acc_task", "Acc_intent", "silent deviation"], rows, numbers=(2,))


def _passes(report: Report) -> Table:
    rows = [[f"pass^{p.k}", percent(p.acc_task), percent(p.acc_intent), p.acc_intent.n] for p in report.passes]
    return table(["", "Acc_task", "Acc_intent", "tasks"], rows, numbers=(3,))


def _notes(report: Report) -> list[Text]:
    cost, about = report.cost, report.about
    tokens = "tokens not counted"
    if cost.input_tokens is not None:
        tokens = f"{cost.input_tokens:,} + {cost.output_tokens:,} tokens"
    evidence = ", ".join(f"{kind} {n}" for kind, n in report.evidence.items()) or "none"
    notes = [
        text(
            f"cost      {cost.calls} calls (references: {cost.reference_calls}), {cost.turns} turns, {tokens}, "
            f"{cost.seconds:.0f} s of attempts" + (f", {cost.cached} turns from the cache" if cost.cached else ""),
            "dim",
        ),
        text(
            f"None as 0 Acc_task {percent(report.acc_task_none_as_0)}, Acc_intent {percent(report.acc_intent_none_as_0)} "
            f"of {report.tasks_attempted} tasks",
            "dim",
        ),
        text(
            f"rests on  evidence: {evidence}; {', '.join(report.scorers) or 'no scorer'}; ground {about.ground[:12] or '-'}; "
            f"seed {about.seed}",
            "dim",
        ),
        text(f"made      {how(about)}", "dim"),
        text(f"results   {about.results[:12] or '-'}", "dim"),
    ]
    notes += [text(line, "yellow") for line in doubts(about)]
    notes += [text(f"{n} x {why}", "magenta") for why, n in report.faults.items()]
    if report.not_ranked:
        notes.append(text("not ranked: " + "; ".join(report.not_ranked), "yellow"))
    return notes


def say_differences(found: Sequence[Difference], other: str) -> None:
    """Print in what settings two runs differ, with a warning where their numbers are not of the same question."""
    spoiling = [difference.name for difference in found if not difference.meant]
    if not found:
        say(text(f"same settings as {other}", "dim"))
        return
    rows = [[d.name, _short(d.first), _short(d.second), "compared" if d.meant else "differs"] for d in found]
    say("", table(["setting", "this run", other, ""], rows))
    if spoiling:
        warn(
            f"the two runs differ in more than the model ({', '.join(spoiling)}): read a difference of scores with care"
        )


def _short(value: object, most: int = 48) -> str:
    shown = "-" if value is None else str(value)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
