"""The report as Markdown, and shares as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import JsonValue

from rise_bench.plain import one_line
from rise_bench.report.records import About, Report
from rise_bench.stats import Estimate
from rise_bench.types import Conditions

__all__ = ["doubts", "how", "percent", "to_markdown"]


def percent(value: Estimate | float | None) -> str:
    """A share as per cent with one decimal, an estimate with its interval; a dash where there is none."""
    if isinstance(value, Estimate):
        if value.value is None:
            return "-"
        if value.low is None or value.high is None:
            return f"{100 * value.value:.1f} %"
        return f"{100 * value.value:.1f} % [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    return "-" if value is None else f"{100 * value:.1f} %"


DRIFTS = 5
"""Differences of contracts that are told one by one."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def how(about: About) -> str:
    """How the model was asked and read, and by what, on one line."""
    sampling = about.sampling
    greedy = sampling.temperature == 0
    asked: dict[str, JsonValue] = {
        "parser": sampling.parser,
        "tool_choice": sampling.tool_choice,
        "strict": sampling.strict,
        "deterministic": sampling.deterministic,
    }
    parts = ["greedy" if greedy else f"temperature {sampling.temperature}"]
    for conditions in about.conditions[-1:]:
        asked |= conditions.model  # a model says which parser `native` came to
    parts += [
        f"{key.replace('_', ' ')} {_brief(value)}" for key, value in asked.items() if value not in ("", None, [], {})
    ]
    for conditions in about.conditions[-1:]:
        parts.append(f"{conditions.executor}, {conditions.concurrency} at once, rise-bench {conditions.rise_bench}")
    return ", ".join(parts)


def _brief(value: JsonValue) -> str:
    """A setting as text, of a digest only the beginning; the whole is in `conditions.jsonl`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:12] if _DIGEST.fullmatch(text) else text


def doubts(about: About) -> tuple[str, ...]:
    """What a reader must know of the conditions before comparing the numbers, one line each."""
    found = []
    if changed := _changed(about.conditions):
        most = max(changed.values())
        found.append(f"made under {most} different conditions (conditions.jsonl): {', '.join(sorted(changed))}")
    last = about.conditions[-1] if about.conditions else None
    if last and not last.isolated:
        found.append("the servers ran without bubblewrap")
    if last and not last.clock:
        found.append("the servers' clock did not stand at the tasks' time")
    if drift := sorted({line for part in about.conditions for line in part.drift}):
        more = f"; and {len(drift) - DRIFTS} more (conditions.jsonl)" if len(drift) > DRIFTS else ""
        found.append(f"the servers were not as the suite froze them: {'; '.join(drift[:DRIFTS])}{more}")
    if last and last.model.get("confined") is False:
        found.append("the agent program was not confined: it could see this machine")
    return tuple(found)


def _changed(parts: Sequence[Conditions]) -> dict[str, int]:
    """What changed between the parts of a run, but for its width, and how many values it had."""
    values: dict[str, set[str]] = {}
    for part in parts:
        told = part.model_dump(mode="json", exclude={"since", "concurrency", "model", "drift"})
        # what a model can say only after its first answer is no change: only values that are there are compared
        told |= {f"model.{key}": value for key, value in part.model.items()}
        for name, value in told.items():
            values.setdefault(name, set()).add(json.dumps(value, sort_keys=True))
    return {name: len(found) for name, found in values.items() if len(found) > 1}


def _cell(value: object) -> str:
    """Text for one cell of a Markdown table: nothing of it is markup."""
    text = one_line(value)
    return "".join("\\" + c if c in "\\`*_{}[]<>#|~$!" else c for c in text)


_TEMPLATES = Path(__file__).parent.parent / "templates"
# Markdown, not HTML: the filter `cell` escapes
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters.update(percent=percent, cell=_cell, how=how, doubts=doubts)


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    return _ENVIRONMENT.get_template("report.md.j2").render(r=report)
