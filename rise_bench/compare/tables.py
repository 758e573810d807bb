"""A comparison as tables and lines of plain text, whatever prints them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rise_bench.baselines import Score
from rise_bench.compare.records import Comparison, Contrast, Pair, Slice
from rise_bench.compare.sentences import NAMES, p_text, points
from rise_bench.report import percent
from rise_bench.stats import Estimate

__all__ = [
    "Table",
    "letters",
    "none_as_0",
    "pairs_table",
    "parties_table",
    "reading",
    "settings",
    "slices_tables",
    "unshared",
]

SLICES = 40
"""Rows of slices that are shown; the others are counted."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, rows, and which columns hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()


def letters(comparison: Comparison) -> dict[str, str]:
    """Name of each party -> its letter: A to Z, then A2, B2, ..."""
    found = {}
    for number, party in enumerate(comparison.parties):
        rounds, place = divmod(number, 26)
        found[party.name] = chr(ord("A") + place) + (str(rounds + 1) if rounds else "")
    return found


def parties_table(comparison: Comparison) -> Table:
    """Who is compared, each by itself."""
    letter = letters(comparison)
    rows = [
        (
            letter[one.name],
            one.name,
            str(one.tasks) if one.tasks == one.suite_tasks else f"{one.tasks} of {one.suite_tasks}",
            str(one.attempts),
            percent(one.acc_intent),
            percent(one.acc_task),
            f"{percent(one.acc_intent_none_as_0)}, {percent(one.acc_task_none_as_0)}",
            f"{one.faults}, {one.unjudged}",
        )
        for one in comparison.parties
    ]
    columns = ("", "run", "tasks", "attempts", "Acc_intent", "Acc_task", "None as 0", "faults, unjudged")
    return Table("", columns, tuple(rows), (2, 3, 7))


def pairs_table(comparison: Comparison, score: Score) -> Table:
    """One score of all pairs, on the attempts that each two share."""
    letter = letters(comparison)
    rows = [
        _pair_row(one, letter[pair.first], letter[pair.second])
        for pair in comparison.pairs
        for one in pair.contrasts
        if one.score == score
    ]
    columns = (NAMES[score], "1st", "2nd", "2nd - 1st", "p", "Holm p", "only 1st, 2nd", "MDD", "")
    return Table("", columns, tuple(rows), (4, 5, 6, 7))


def sentences_table(comparison: Comparison) -> Table:
    """What follows, a sentence for each pair and score."""
    letter = letters(comparison)
    rows = [
        (f"{letter[pair.first]}, {letter[pair.second]}", one.sentence)
        for pair in comparison.pairs
        for one in pair.contrasts
    ]
    return Table("", ("", "what follows"), tuple(rows))


def _pair_row(one: Contrast, first: str, second: str) -> tuple[str, ...]:
    return (
        f"{first}, {second}",
        percent(one.first),
        percent(one.second),
        _difference(one.difference),
        p_text(one.p),
        p_text(one.p_adjusted),
        f"{one.only_first}, {one.only_second}",
        points(one.outlook.detectable),
        _short(one, first, second),
    )


def _short(one: Contrast, first: str, second: str) -> str:
    best = second if (one.difference.value or 0.0) > 0 else first
    words = {
        "better": f"{second} better",
        "worse": f"{first} better",
        "unguarded": f"{best} ahead, no claim",
        "not worse": f"{second} not worse",
        "not better": f"{first} not worse",
    }
    return words.get(one.verdict, one.verdict)


def _difference(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return points(found.value, signed=True)
    return f"{points(found.value, signed=True)} [{points(found.low, signed=True)}, {points(found.high, signed=True)}]"


def slices_tables(comparison: Comparison) -> Iterator[tuple[Table, str]]:
    """(slices of all pairs by one thing, the least adjusted p first; a line on those left out, or nothing)."""
    letter = letters(comparison)
    found = [(pair, one) for pair in comparison.pairs for one in pair.slices]
    for kind in dict.fromkeys(one.by for _, one in found):
        here = sorted(
            (_order(one.p_adjusted), _order(one.p), place) for place, (_, one) in enumerate(found) if one.by == kind
        )
        shown = [found[place] for _, _, place in here[:SLICES]]
        rows = [_slice_row(one, letter[pair.first], letter[pair.second]) for pair, one in shown]
        columns = (f"by {kind}", "pair", "score", "tasks", "clusters", "1st", "2nd", "2nd - 1st", "p", "BH p")
        left = len(here) - len(rows)
        more = f"{left} more with a larger p, or none: --json holds all" if left else ""
        yield Table("", columns, tuple(rows), (3, 4, 5, 6, 8, 9)), more


def _order(p: float | None) -> float:
    return 2.0 if p is None else p


def _slice_row(one: Slice, first: str, second: str) -> tuple[str, ...]:
    return (
        one.name,
        f"{first}, {second}",
        NAMES[one.score] if one.score else "attempts with it",
        str(one.tasks),
        str(one.clusters),
        percent(one.first),
        percent(one.second),
        _difference(one.difference),
        p_text(one.p),
        p_text(one.p_adjusted),
    )


def unshared(comparison: Comparison) -> Iterator[str]:
    """What of each pair is not compared, a line a pair; one line where there is nothing of it."""
    letter, told = letters(comparison), False
    for pair in comparison.pairs:
        parts = list(_left_out(pair, letter[pair.first], letter[pair.second]))
        if parts:
            told = True
            yield f"{letter[pair.first]}, {letter[pair.second]}: compared on {pair.tasks} tasks; " + "; ".join(parts)
    if not told:
        pair = comparison.pairs[0]
        yield f"all {pair.tasks} tasks with all attempts are shared by every pair"


def _left_out(pair: Pair, first: str, second: str) -> Iterator[str]:
    found = pair.unshared
    counts = [
        (found.tasks_first, f"task(s) only in {first}"),
        (found.tasks_second, f"task(s) only in {second}"),
        (found.attempts_first, f"attempt(s) only in {first}"),
        (found.attempts_second, f"attempt(s) only in {second}"),
        (found.none_first, f"attempt(s) without a verdict of {first}"),
        (found.none_second, f"attempt(s) without a verdict of {second}"),
    ]
    yield from (f"{count} {what}" for count, what in counts if count)
    yield from (f"not compared: {what}" for what in found.scores)


def none_as_0(comparison: Comparison) -> Iterator[str]:
    """The differences with every None as 0, for pairs that have any."""
    letter = letters(comparison)
    for pair in comparison.pairs:
        for one in pair.contrasts:
            if one.none_as_0:
                zero = one.none_as_0
                yield (
                    f"{letter[pair.first]}, {letter[pair.second]}: {NAMES[one.score]} with every None as 0: "
                    f"{points(zero.first)} and {points(zero.second)} %, difference {points(zero.difference, signed=True)} "
                    f"points, p {p_text(zero.p)} (unadjusted), {zero.attempts} pairs of attempts instead of {one.attempts}"
                )


def settings(comparison: Comparison) -> Table:
    """In what the runs differ: those that spoil a comparison first, then what it is about."""
    letter = letters(comparison)
    values: dict[str, dict[str, str]] = {}
    meant: dict[str, bool] = {}
    for pair in comparison.pairs:
        for one in pair.settings:
            meant[one.name] = one.meant
            here = values.setdefault(one.name, {})
            here[letter[pair.first]] = _brief(one.first)
            here[letter[pair.second]] = _brief(one.second)
    rows = [
        (name, _by_value(values[name]), "compared" if meant[name] else "differs")
        for name in sorted(values, key=lambda name: (meant[name], name))
    ]
    return Table("", ("setting", "values", ""), tuple(rows))


def _by_value(values: dict[str, str]) -> str:
    """`A, B: x; C: y`."""
    groups: dict[str, list[str]] = {}
    for letter, value in values.items():
        groups.setdefault(value, []).append(letter)
    return "; ".join(f"{', '.join(who)}: {value}" for value, who in groups.items())


def _brief(value: object, most: int = 48) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def reading(comparison: Comparison) -> Iterator[str]:
    """How the numbers are to be read: estimand, methods, multiplicity, margin."""
    about = "new servers (clusters)" if comparison.estimand == "servers" else "this suite (tasks)"
    yield f"estimand  {about}: {comparison.why}"
    every = [one for pair in comparison.pairs for one in pair.contrasts]
    yield f"methods   {'; '.join(dict.fromkeys(one.method for one in every))}; intervals 95 %, each by itself"
    count = len(comparison.pairs)
    family = f", Holm over {count} pairs for each score" if count > 1 else ""
    yield f"level     {comparison.alpha:g}{family}"
    yield (
        f"delta     {100 * comparison.delta:g} points ({comparison.delta_from}); Acc_intent is called better only where "
        "Acc_task is not worse by delta"
    )
    for outlook in [one.outlook for one in every][:1]:
        power = f"power {100 * outlook.power:.0f} %"
        yield f"MDD       true difference in points that is shown with {power} at level {outlook.alpha:.2g}"
