"""The plots of docs/statistics.md, from the files that the simulations wrote (needs matplotlib: the extra `plots`).

`python -m benchmarks.stats_plots docs/statistics` writes null_p.svg, coverage.svg, power.svg and detectable.svg there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import stats_detectable, stats_simulations
from benchmarks.stats_rows import BINS
from benchmarks.stats_scenes import ALPHA, CLUSTERS, METHODS
from rise_bench.stats.designs import Design
from rise_bench.stats.power import simulated_power
from rise_bench.store import write_atomic

__all__ = ["PLOTS", "draw"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's, which can be told apart by those who see fewer colours."""

MARKERS = "osD^vPX"


def null_p(folder: Path, figure: Figure) -> None:
    """p values where there is no difference: each bin should hold a twentieth."""
    found = stats_simulations.read(folder / "simulations.json")
    rates = [one for one in found.histograms if one.icc == max(h.icc for h in found.histograms)]
    axes = figure.subplots(1, len(CLUSTERS), sharey=True)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for panel, clusters in zip(axes, CLUSTERS, strict=True):
        for one, colour in zip([h for h in rates if h.clusters == clusters], COLOURS, strict=False):
            shares = np.cumsum([0, *one.counts]) / (sum(one.counts) + one.without)
            panel.plot(edges, shares, color=colour, lw=1.2, label=one.method)
        panel.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls=":")
        panel.set(title=f"{clusters} clusters", xlabel="p", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_ylabel("share of p values below")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)


def coverage(folder: Path, figure: Figure) -> None:
    """Coverage of each interval by number of clusters: mean over the scenes, and lowest."""
    found = stats_simulations.read(folder / "simulations.json")
    rows = [row for row in found.rows if row.kind == "coverage" and not (row.method == "Tango" and row.icc > 0)]
    methods = [one.name for one in METHODS if one.interval is not None]
    axes = figure.subplots(1, 2, sharey=True)
    summaries: tuple[tuple[str, Callable[[list[float]], float]], ...] = (
        ("mean over scenes", fmean),
        ("lowest scene", min),
    )
    for panel, (title, summary) in zip(axes, summaries, strict=True):
        for method, colour, marker in zip(methods, COLOURS, MARKERS, strict=False):
            here = {count: [r.value for r in rows if (r.method, r.clusters) == (method, count)] for count in CLUSTERS}
            values = [summary(rates) for rates in here.values()]
            panel.plot(CLUSTERS, values, color=colour, marker=marker, ms=4, lw=1, label=method)
        panel.axhline(1 - ALPHA, color="0.6", lw=0.8, ls=":")
        panel.set(title=title, xlabel="clusters", xscale="log", xticks=CLUSTERS, xticklabels=CLUSTERS)
        panel.minorticks_off()
    axes[0].set_ylabel("share of 95 % intervals that hold the truth")
    axes[1].legend(fontsize=7, frameon=False, loc="lower right")


def power(folder: Path, figure: Figure) -> None:
    """Power of the CR2 t test by the true difference: simulated, and by formula."""
    del folder
    axes = figure.subplots()
    differences = np.linspace(0.0, 0.16, 17)
    for icc, colour, marker in zip((0.0, 0.1, 0.3), COLOURS, MARKERS, strict=False):
        found = [simulated_power(Design((10,) * 30, 0.25, icc), float(one), draws=1000) for one in differences]
        axes.plot(100 * differences, [one.power for one in found], marker, color=colour, ms=4, label=f"ICC {icc:g}")
        axes.plot(100 * differences, [one.formula or 0.0 for one in found], color=colour, lw=1)
    axes.axhline(0.8, color="0.6", lw=0.8, ls=":")
    axes.axhline(ALPHA, color="0.6", lw=0.8, ls=":")
    axes.set(xlabel="true difference, points", ylabel="power", ylim=(0, 1.02))
    axes.set_title("300 tasks in 30 clusters, discordance 0.25")
    axes.legend(frameon=False)


def detectable(folder: Path, figure: Figure) -> None:
    """Smallest difference that is shown with power 0.8, by number of tasks."""
    found = stats_detectable.read(folder / "detectable.json")
    axes = figure.subplots(1, 2, sharey=True)
    for panel, (size, title) in zip(axes, ((1, "independent tasks"), (10, "clusters of 10, ICC 0.1")), strict=True):
        for share, colour, marker in zip(found.levels, COLOURS, MARKERS, strict=False):
            rows = [
                one
                for one in found.detectable
                if (one.cluster_size, one.discordance, one.alpha) == (size, share, ALPHA) and one.difference is not None
            ]
            differences = [100 * (one.difference or 0.0) for one in rows]
            panel.plot(
                [one.tasks for one in rows], differences, marker=marker, color=colour, ms=4, lw=1, label=f"{share:.2f}"
            )
        _claimed(panel)
        panel.set(title=title, xlabel="tasks", xscale="log", xticks=stats_detectable.TASKS)
        panel.set_xticklabels([str(count) for count in stats_detectable.TASKS])
        panel.minorticks_off()
    axes[0].set(ylabel="smallest difference, points", ylim=(0, None))
    axes[1].legend(title="discordance", frameon=False)


def _claimed(panel: Axes) -> None:
    smallest = 100 * stats_detectable.CLAIMED[0]
    panel.axhline(smallest, color="0.4", lw=0.8, ls="--")
    panel.annotate(
        f"{smallest:g} points", (stats_detectable.TASKS[0], smallest), xytext=(0, 3), textcoords="offset points"
    )


PLOTS: dict[str, tuple[Callable[[Path, Figure], None], tuple[float, float]]] = {
    "null_p": (null_p, (9.0, 3.0)),
    "coverage": (coverage, (8.0, 3.2)),
    "power": (power, (6.0, 3.6)),
    "detectable": (detectable, (8.0, 3.4)),
}
"""Name to how it is drawn and its size in inches."""


def draw(name: str, folder: Path, to: Path) -> None:
    """One plot, from the files in `folder` to a file `NAME.svg` in `to`."""
    drawn, size = PLOTS[name]
    with mpl.rc_context():
        # the same figures give the same file: names by a fixed salt, letters as letters, no date
        mpl.rc("svg", hashsalt="rise-bench", fonttype="none")
        mpl.rc("font", size=9)
        figure = Figure(figsize=size, layout="constrained")
        drawn(folder, figure)
        drawing = StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    write_atomic(to / f"{name}.svg", drawing.getvalue())


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where simulations.json and detectable.json are; the plots go there")
    folder = parser.parse_args().folder
    for name in PLOTS:
        draw(name, folder, folder)


if __name__ == "__main__":
    main()
