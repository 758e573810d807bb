"""The report as Markdown, and shares as text."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rise_bench.plain import one_line
from rise_bench.report.records import Report
from rise_bench.stats import Estimate

__all__ = ["percent", "to_markdown"]


def percent(value: Estimate | float | None) -> str:
    """A share as per cent with one decimal, an estimate with its interval; a dash where there is none."""
    if isinstance(value, Estimate):
        if value.value is None:
            return "-"
        if value.low is None or value.high is None:
            return f"{100 * value.value:.1f} %"
        return f"{100 * value.value:.1f} % [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    return "-" if value is None else f"{100 * value:.1f} %"


def _cell(value: object) -> str:
    """Text for one cell of a Markdown table: nothing of it is markup."""
    text = one_line(value)
    return "".join("\\" + c if c in "\\`*_{}[]<>#|~$!" else c for c in text)


_TEMPLATES = Path(__file__).parent.parent / "templates"
# Markdown, not HTML: the filter `cell` escapes
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters.update(percent=percent, cell=_cell)


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    return _ENVIRONMENT.get_template("report.md.j2").render(r=report)
