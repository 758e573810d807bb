"""A run's attempts as one self-contained page: no external resource, opened from a file, everything escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import JsonValue

from rise_bench.plain import plain
from rise_bench.report import FAMILIES, Report, outcome_of, percent
from rise_bench.score.answer import Answer, judge_fact
from rise_bench.score.bind import expected_arguments
from rise_bench.score.calls import Made, calls_made, tools_of
from rise_bench.score.intent import Comparison, compare_calls
from rise_bench.score.scorers import final_text
from rise_bench.score.values import same
from rise_bench.types import Assistant, Ground, Label, Scored, StateChange, System, Task, Trajectory

__all__ = ["attempt_data", "page"]

LONGEST = 6_000
"""Characters of one result, message or state leaf that the page shows."""

_FAMILY_OF = {label: family for family, labels in FAMILIES.items() for label in labels}
_TEMPLATES = Path(__file__).parent / "templates"


def page(
    report: Report,
    attempts: Iterable[tuple[Task, Trajectory, Scored]],
    ground: Ground,
    *,
    left_out: int = 0,
) -> str:
    """The HTML page of a run.

    Args:
        report: the run's numbers, shown at the top.
        attempts: what to list, in the order to list it.
        ground: what the tasks stand on.
        left_out: attempts of the run that are not among `attempts`; the page says so.
    """
    script = (_TEMPLATES / "view.js").read_text(encoding="utf-8")
    items = [attempt_data(task, trajectory, scored, ground) for task, trajectory, scored in attempts]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent)
    return environment.get_template("view.html.j2").render(
        r=report,
        floors_intent=[(floor.name, floor.acc_intent) for floor in report.floors],
        floors_task=[(floor.name, floor.acc_task) for floor in report.floors],
        left_out=left_out,
        count=len(items),
        style=Markup((_TEMPLATES / "view.css").read_text(encoding="utf-8")),
        script=Markup(script),
        # even text that broke out of its element could not run: only this script's hash may
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_embedded(items),
    )


def _harmless(value: object) -> object:
    """What a template prints: foreign text without control characters, our own files and all else as they are."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _embedded(value: Any) -> Markup:
    """JSON that may stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def attempt_data(task: Task, trajectory: Trajectory, scored: Scored, ground: Ground) -> dict[str, Any]:
    """What the page shows of one attempt, as plain JSON values."""
    tools = tools_of(task, ground)
    made = calls_made(trajectory, tools)
    executed = trajectory.mode != "static"
    paired = Comparison()
    if task.reference:
        paired = compare_calls(task, made, tools, root=trajectory.root, executed=executed, judge=None)
    labels = [*scored.acc_intent.labels, *scored.acc_task.labels]
    usage = trajectory.usage
    return {
        "id": task.id,
        "attempt": trajectory.attempt,
        "kind": task.kind,
        "cluster": task.cluster,
        "outcome": outcome_of(scored),
        "request": plain(task.request),
        "facts": _meta(task, trajectory),
        "system": _cut(next((m.content for m in trajectory.messages if isinstance(m, System)), "")),
        "why_task": scored.acc_task.reason,
        "why_intent": scored.acc_intent.reason,
        "labels": [_label(label) for label in labels],
        "reference": [_reference_call(task, i, paired, trajectory.root) for i in range(len(task.reference))],
        "calls": [_made_call(call, paired) for call in made],
        "said": _said(trajectory),
        "answer": _cut(final_text(trajectory)),
        "asked": _facts(task, trajectory, made) if executed else [],
        "state": _state(task, trajectory),
        "cost": {
            "turns": usage.turns,
            "calls": usage.calls,
            "seconds": usage.seconds,
            "tokens": None if usage.input_tokens is None else usage.input_tokens + (usage.output_tokens or 0),
        },
    }


def _meta(task: Task, trajectory: Trajectory) -> list[list[str]]:
    """Lines of small print: name and value."""
    lines = {
        "now": task.now,
        "servers": ", ".join(task.servers) or ", ".join(tool.id for tool in task.tools),
        "fixture": task.setup,
        "ended": trajectory.stop.replace("_", " "),
        "fault": trajectory.fault,
        "way asked for": task.path_matters,
        "must ask about": "; ".join(" / ".join(slot) for slot in task.asks),
        "must name": " / ".join(task.reasons),
    }
    return [[name, value] for name, value in lines.items() if value]


def _label(label: Label) -> dict[str, Any]:
    return {
        "name": label.name,
        "family": _FAMILY_OF[label.name],
        "call": label.call,
        "reference": label.reference,
        "argument": label.argument,
        "expected": _shown(label.expected),
        "found": _shown(label.found),
        "note": label.note,
    }


def _reference_call(task: Task, index: int, paired: Comparison, root: str) -> dict[str, Any]:
    call = task.reference[index]
    critical = {
        item.argument.split("/")[1]: item.match for item in task.intent.critical if item.call == index and item.argument
    }
    arguments = expected_arguments(task, index, paired.chosen, root)
    partner = paired.chosen.get(index) or paired.siblings.get(index)
    return {
        "tool": call.tool,
        "arguments": [[name, _shown(value), critical.get(name, "")] for name, value in arguments.items()],
        "partner": partner.index if partner else None,
    }


def _made_call(call: Made, paired: Comparison) -> dict[str, Any]:
    pairs = {made.index: index for chosen in (paired.siblings, paired.chosen) for index, made in chosen.items()}
    result = call.result
    status: str = result.status if result else "not_executed"
    if status == "ok" and not call.succeeded:
        status = "failed_as_text"
    return {
        "tool": call.tool,
        "arguments": [[name, _shown(value)] for name, value in (call.arguments or {}).items()],
        "raw": _cut(call.raw),
        "status": status,
        "invalid": call.invalid,
        "result": _cut(result.content) if result else "",
        "changed": list(result.changed or ()) if result else [],
        "partner": pairs.get(call.index),
    }


def _said(trajectory: Trajectory) -> dict[str, str]:
    """Text that the agent wrote beside its calls: number of the next call -> text."""
    said: dict[str, str] = {}
    number = 0
    for message in trajectory.messages:
        if isinstance(message, Assistant):
            words = message.content.strip()
            if message.malformed:
                words = f"{words}\n[{message.malformed}]"
            if words and (message.tool_calls or message.malformed):
                said[str(number)] = _cut(words)
            number += len(message.tool_calls)
    return said


def _facts(task: Task, trajectory: Trajectory, made: Sequence[Made]) -> list[dict[str, Any]]:
    results = tuple(call.result.content for call in made if call.succeeded and call.result is not None)
    answer = Answer(final_text(trajectory), task.request, results, trajectory.root)
    rows = []
    for fact in task.answer:
        finding = judge_fact(fact, answer)
        rows.append(
            {
                "value": _shown(fact.value),
                "about": ", ".join(fact.about),
                "found": _shown(finding.found),
                "beside": _shown(finding.competitor),
                "stated": finding.stated,
                "supported": finding.supported,
            }
        )
    return rows


def _state(task: Task, trajectory: Trajectory) -> list[dict[str, Any]] | None:
    """Both differences side by side by leaf; None where no state was captured."""
    if trajectory.end_state is None:
        return None
    wanted = {change.path: change for change in task.reference_state or ()}
    found = {change.path: change for change in trajectory.end_state}
    rows: list[dict[str, Any]] = []
    for path in sorted(wanted.keys() | found.keys()):
        meant = _leaf(wanted[path].after) if path in wanted else None
        made = _leaf(found[path].after) if path in found else None
        mark = _mark(wanted.get(path), found.get(path), trajectory.root)
        rows.append(
            {
                "path": path,
                "before": _leaf((found.get(path) or wanted[path]).before),
                "wanted": meant,
                "found": made,
                "mark": mark,
                "odd": _odd_lines(meant or "", made or "") if mark == "different" else [[], []],
            }
        )
    return rows


def _odd_lines(wanted: str, found: str) -> list[list[int]]:
    """Numbers (from 0) of the lines of each text that the other does not have in that place."""
    matcher = SequenceMatcher(None, wanted.split("\n"), found.split("\n"), autojunk=False)
    blocks = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return [
        [line for _, start, end, _, _ in blocks for line in range(start, end)],
        [line for *_, start, end in blocks for line in range(start, end)],
    ]


def _mark(wanted: StateChange | None, found: StateChange | None, root: str) -> str:
    if wanted is None:
        return "unasked"
    if found is None:
        return "missing"
    if wanted.match == "any" and (wanted.after is None) == (found.after is None):
        return "free"
    if wanted.after == found.after or same(wanted.after, found.after, wanted.match, root=root):
        return "same"
    return "different"


def _leaf(text: str | None) -> str:
    return "(not there)" if text is None else _cut(text)


def _shown(value: JsonValue) -> str:
    """A value as the page shows it: text as it is, all else as JSON; empty for None."""
    if value is None:
        return ""
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n[{len(text) - LONGEST} more characters]"
    return plain(text)
