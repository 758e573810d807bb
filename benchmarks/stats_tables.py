"""The tables of docs/statistics.md, as text, from the files that the simulations wrote.

`python -m benchmarks.stats_tables docs/statistics.md` writes them into the page.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks import stats_detectable, stats_simulations
from benchmarks.stats_detectable import ALPHA, CLAIMED, MARGIN, TASKS, Detectable, Found
from benchmarks.stats_rows import Row
from benchmarks.stats_scenes import CLUSTERS, ONE_WAY
from benchmarks.stats_simulations import Simulated
from rise_bench.store import write_atomic

__all__ = ["filled", "tables"]


def tables(folder: Path) -> dict[str, str]:
    """Name to text of every table, from `simulations.json`, `detectable.json` and `speed.json`."""
    simulated = stats_simulations.read(folder / "simulations.json")
    found = stats_detectable.read(folder / "detectable.json")
    speed = json.loads((folder / "speed.json").read_text(encoding="utf-8"))
    return {
        "simulations": _sizes(simulated),
        "false positives": _ranges(simulated, "false positives"),
        "coverage": _ranges(simulated, "coverage"),
        "false claims": _claims(simulated, lambda row: row.discordance != ONE_WAY),
        "one way": _claims(simulated, lambda row: row.discordance == ONE_WAY),
        "power": _power(simulated),
        "discordance": _discordance(found),
        "detectable": _detectable(found),
        "needed": _needed(found),
        "reading": _reading(found),
        "speed": _markdown(
            ("what", "figure", "aim", ""),
            ([one["name"], f"{one['value']:.3g} {one['unit']}", _aim(one), one["note"]] for one in speed),
        ),
    }


def filled(page: str, fresh: dict[str, str]) -> str:
    """The page with each table between its markers replaced.

    Raises:
        ValueError: a table without its markers, or markers without a table.
    """
    there = set(re.findall(r"<!-- table: ([a-z ]+) -->", page))
    if there != set(fresh):
        raise ValueError(f"tables of the page and of the files differ: {sorted(there ^ set(fresh))}")
    for name, text in fresh.items():
        head, _, rest = page.partition(f"<!-- table: {name} -->\n")
        page = f"{head}<!-- table: {name} -->\n{text}{rest[rest.index('<!-- end -->') :]}"
    return page


def _sizes(simulated: Simulated) -> str:
    claimed = [row for row in simulated.rows if row.kind != "power" and row.verdict != "not claimed"]
    missed = [row for row in claimed if row.verdict == "MISSED"]
    error = (0.05 * 0.95 / simulated.simulations) ** 0.5
    scenes = len({row.scene for row in simulated.rows})
    worst = "".join(
        f"\n- {row.kind}, {row.method}, {row.scene}: {row.value:.3f}"
        for row in sorted(missed, key=lambda row: -abs(row.value - row.aim))[:10]
    )
    return (
        f"{simulated.simulations:,} simulations of each of {scenes} scenes, {simulated.resamples} draws in each resampling; "
        f"the Monte Carlo error of a rate of 0.05 (or of coverage 0.95) is {error:.4f}. {len(missed)} of the {len(claimed)} "
        f"rates that claim their level miss it by more than two such errors; of rates just at their level, one in forty does "
        f"by chance.{' The furthest:' if missed else ''}{worst}\n"
    )


def _ranges(simulated: Simulated, kind: str) -> str:
    """Lowest and highest rate of each method by number of clusters, over all scenes; in brackets what claims no level."""
    rows = [row for row in simulated.rows if row.kind == kind and row.discordance != ONE_WAY]
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = []
    for method in methods:
        cells = []
        for clusters in CLUSTERS:
            here = [row for row in rows if (row.method, row.clusters) == (method, clusters)]
            cells.append(", ".join(filter(None, (_span(here, claimed) for claimed in (True, False)))) or "-")
        lines.append([method, *cells])
    return _markdown(("method", *(f"{count} clusters" for count in CLUSTERS)), lines)


def _span(rows: Iterable[Row], claimed: bool) -> str:
    values = [row.value for row in rows if (row.verdict != "not claimed") == claimed]
    if not values:
        return ""
    text = f"{min(values):.3f} to {max(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
    return text if claimed else f"({text})"


def _claims(simulated: Simulated, where: Callable[[Row], bool]) -> str:
    """Highest rate of false claims over even and uneven clusters, one and five attempts."""
    rows = [row for row in simulated.rows if row.kind == "false claims" and where(row)]
    kinds = sorted({(row.icc, row.method) for row in rows})
    lines = []
    for icc, method in kinds:
        cells = []
        for clusters in CLUSTERS:
            values = [row.value for row in rows if (row.icc, row.method, row.clusters) == (icc, method, clusters)]
            cells.append(f"{max(values):.3f}" if values else "-")
        lines.append([f"{icc:g}", method, *cells])
    return _markdown(("ICC", "claim, method", *(f"{count} clusters" for count in CLUSTERS)), lines)


def _power(simulated: Simulated) -> str:
    rows = [row for row in simulated.rows if row.kind == "power"]
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = []
    for scene in dict.fromkeys(row.scene for row in rows):
        here = {row.method: row for row in rows if row.scene == scene}
        difference = next(iter(here.values())).difference
        cells = [f"{here[method].value:.3f}" if method in here else "-" for method in methods]
        lines.append([scene.clusters, f"{scene.icc:g}", scene.attempts, f"{difference:.3f}", *cells])
    table = _markdown(("clusters", "ICC", "attempts", "difference", *methods), lines)
    error = max(row.error for row in rows)
    return f"{table}\nThe Monte Carlo error of each, that of the prediction included, is {error:.3f}.\n"


def _discordance(found: Found) -> str:
    lines = [
        [
            one.first,
            one.second,
            one.tasks,
            one.only_first,
            one.only_second,
            _points(_gap(one)),
            f"{one.discordance:.3f}",
        ]
        for one in sorted(found.pairs, key=lambda one: one.discordance)
    ]
    again = "".join(
        f"\nTwo attempts of one system ({one.system}: {one.tasks} tasks, {one.attempts} attempts) disagree on "
        f"{one.discordance:.3f} of the tasks on average.\n"
        for one in found.repeated
    )
    names = ("first", "second", "tasks", "only the first", "only the second", "difference, points", "discordance")
    return _markdown(names, lines) + again


def _gap(pair: stats_detectable.Pair) -> float:
    return (pair.only_second - pair.only_first) / pair.tasks


def _detectable(found: Found) -> str:
    kinds = list(dict.fromkeys((one.cluster_size, one.icc, one.alpha) for one in found.detectable))
    lines = []
    for size, icc, alpha in kinds:
        here = [one for one in found.detectable if (one.cluster_size, one.icc, one.alpha) == (size, icc, alpha)]
        layout = "independent tasks" if size == 1 else f"clusters of {size}, ICC {icc:g}"
        for tasks in dict.fromkeys(one.tasks for one in here):
            cells = [_smallest(one) for one in here if one.tasks == tasks]
            lines.append([layout, f"{alpha:.4f}".rstrip("0"), tasks, *cells])
    shares = [f"discordance {share:.3f}" for share in found.levels]
    return _markdown(("layout", "alpha", "tasks", *shares), lines)


def _smallest(one: Detectable) -> str:
    return (
        "none" if one.difference is None or one.error is None else f"{_points(one.difference)} ± {100 * one.error:.2f}"
    )


def _needed(found: Found) -> str:
    kinds = dict.fromkeys((one.claim, one.size) for one in found.needed)
    lines = []
    for claim, size in kinds:
        here = {one.discordance: one for one in found.needed if (one.claim, one.size) == (claim, size)}
        words = f"different, if the difference is {_points(size)} points"
        if claim == "not worse":
            words = f"not worse by {_points(size)} points, if there is no difference"
        cells = [here.get(share) for share in found.levels]
        lines.append([words, *("-" if one is None or one.tasks is None else f"{one.tasks:,}" for one in cells)])
    return _markdown(("to show", *(f"discordance {share:.3f}" for share in found.levels)), lines)


def _reading(found: Found) -> str:
    """What follows for small margins, in sentences."""
    small = [one.tasks for one in found.needed if (one.claim, one.size) == ("different", CLAIMED[0]) and one.tasks]
    guard = [one.tasks for one in found.needed if one.claim == "not worse" and one.tasks]
    large = [one for one in found.detectable if one.tasks == max(TASKS) and one.cluster_size == 1]
    plain = [one.difference for one in large if one.alpha == ALPHA and one.difference is not None]
    holm = [one.difference for one in large if one.alpha < ALPHA and one.difference is not None]
    close = min(found.pairs, key=lambda pair: abs(_gap(pair)))
    return (
        f"- {close.first} and {close.second} differ by {_points(abs(_gap(close)))} points and disagree on "
        f"{close.discordance:.3f} of the items: equal scores do not mean equal behaviour.\n"
        f"- {max(TASKS):,} independent tasks show {_points(min(plain))} points (for the pair that disagrees least) "
        f"to {_points(max(plain))} points (for the one that disagrees most) and more; the first of {len(found.pairs)} pairs "
        f"after Holm has to be {_points(min(holm))} to {_points(max(holm))}.\n"
        f"- A difference of {_points(CLAIMED[0])} points needs {min(small):,} to {max(small):,} independent tasks.\n"
        f"- To show that an equal system is not worse by {_points(MARGIN)} points takes {min(guard):,} to {max(guard):,}.\n"
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _aim(figure: dict[str, float | str | None]) -> str:
    return "" if figure["aim"] is None else f"at most {figure['aim']:g} {figure['unit']}"


def _markdown(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    rows = [names, ["---"] * len(names), *lines]
    return "".join(f"| {' | '.join(str(cell) for cell in row)} |\n" for row in rows)


def main() -> None:
    """Write the tables into the page, from the folder of its name beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page
    write_atomic(page, filled(page.read_text(encoding="utf-8"), tables(page.with_suffix(""))))


if __name__ == "__main__":
    main()
