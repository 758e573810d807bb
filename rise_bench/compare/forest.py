"""A forest plot of a comparison: the difference of every pair with its interval, a panel for each score.

Reached by name (`plots.drawer`), since it needs matplotlib.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rise_bench.baselines import Score
from rise_bench.compare.records import Comparison, Contrast, Verdict
from rise_bench.compare.sentences import NAMES
from rise_bench.errors import InputError
from rise_bench.plain import one_line
from rise_bench.store import cannot_write

__all__ = ["FORMATS", "draw"]

FORMATS = (".svg", ".png")

_SHOWN, _SAME, _OPEN, _NONE = "#0b6e99", "#2e7d32", "#8a8a8a", "#b3541e"
_COLOURS: dict[Verdict, str] = {
    "better": _SHOWN,
    "worse": _SHOWN,
    "equivalent": _SAME,
    "not worse": _SAME,
    "not better": _SAME,
    "unguarded": _NONE,
    "not ranked": _NONE,
}
"""By what follows; everything else is open."""

_MEANING = {
    _SHOWN: "a difference is shown",
    _SAME: "equivalent, or one not worse",
    _NONE: "no claim (gate, faults)",
    _OPEN: "nothing is shown",
}
_LONGEST = 44
"""Characters of a name, beyond which its middle is left out."""


def draw(comparison: Comparison, path: Path) -> None:
    """Write the plot; its kind follows from the file's name.

    Raises:
        InputError: another kind than SVG or PNG, nothing to draw, or the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise InputError(
            f"{path.suffix or 'no suffix'} is no kind of plot", where=str(path), remedy="name it .svg or .png"
        )
    scores = list(dict.fromkeys(one.score for pair in comparison.pairs for one in pair.contrasts))
    if not scores:
        raise InputError("there is nothing to draw", where=str(path))
    buffer = BytesIO()
    # the same bytes for the same comparison: no date, ids from a fixed salt; text stays text, which keeps files small
    with mpl.rc_context(
        {"svg.hashsalt": "rise-bench", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9}
    ):
        figure = _figure(comparison, scores)
        figure.savefig(
            buffer, format=kind[1:], dpi=150, metadata={"Date": None} if kind == ".svg" else {"Software": None}
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise cannot_write(path, error) from error


def _figure(comparison: Comparison, scores: list[Score]) -> Figure:
    rows = len(comparison.pairs)
    figure = Figure(figsize=(4.2 + 3.1 * len(scores), 1.5 + 0.3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scores), sharex=True, sharey=True, squeeze=False)[0]
    for panel, score in zip(panels, scores, strict=True):
        _panel(panel, comparison, score)
    panels[0].set_yticks(range(rows), [f"{_name(pair.second)} minus {_name(pair.first)}" for pair in comparison.pairs])
    panels[0].set_ylim(rows - 0.5, -0.5)
    about = "new servers" if comparison.estimand == "servers" else "this suite"
    figure.suptitle(
        f"{_plain(comparison.suite)}, {comparison.mode}: differences ({about}), 95 % intervals", fontsize=10
    )
    used = {_colour(one) for pair in comparison.pairs for one in pair.contrasts}
    patches = [Patch(color=colour, label=text) for colour, text in _MEANING.items() if colour in used]
    band = Patch(color="#eeeeee", label=f"within {100 * comparison.delta:g} points")
    figure.legend(handles=[*patches, band], loc="outside lower center", ncols=5, fontsize=7.5, frameon=False)
    return figure


def _panel(panel: Axes, comparison: Comparison, score: Score) -> None:
    delta = 100 * comparison.delta
    panel.axvspan(-delta, delta, color="#eeeeee", zorder=0)
    panel.axvline(0, color="black", linewidth=0.8, zorder=1)
    for row, pair in enumerate(comparison.pairs):
        for one in pair.contrasts:
            if one.score == score and one.difference.value is not None:
                _bar(panel, row, one)
    panel.set_title(NAMES[score], fontsize=10)
    panel.set_xlabel("difference in points")
    panel.grid(axis="x", color="#dddddd", linewidth=0.5)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _bar(panel: Axes, row: int, one: Contrast) -> None:
    value, colour = 100 * (one.difference.value or 0.0), _colour(one)
    if one.difference.low is not None and one.difference.high is not None:
        panel.plot([100 * one.difference.low, 100 * one.difference.high], [row, row], color=colour, linewidth=1.6)
    # filled = Holm's p passes
    shown = one.verdict in ("better", "worse")
    panel.plot(value, row, "o", color=colour, markersize=5, markerfacecolor=colour if shown else "white")


def _colour(one: Contrast) -> str:
    return _COLOURS.get(one.verdict, _OPEN)


def _name(text: str) -> str:
    found = _plain(text)
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST // 2]}...{found[-_LONGEST // 2 + 3 :]}"


def _plain(text: str) -> str:
    """Foreign text: shown as it is, never read as mathematics."""
    return one_line(text).replace("$", r"\$")
