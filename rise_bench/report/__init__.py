"""A run as numbers: scored attempts in, one `Report` out, as a record, as Markdown, as JSON."""

from rise_bench.report.records import About, Cost, Floor, Group, LabelCount, Outcomes, Pass, Report
from rise_bench.report.tally import FAMILIES, FAULT_LIMIT, NAMES, outcome_of, summarise
from rise_bench.report.text import doubts, how, percent, to_markdown

__all__ = [
    "FAMILIES",
    "FAULT_LIMIT",
    "NAMES",
    "About",
    "Cost",
    "Floor",
    "Group",
    "LabelCount",
    "Outcomes",
    "Pass",
    "Report",
    "doubts",
    "how",
    "outcome_of",
    "percent",
    "summarise",
    "to_markdown",
]
