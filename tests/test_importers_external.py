"""The importers and scorers against official verdicts on outputs of real models; skipped where the data is absent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rise_bench.importers import Imported, Study, import_bfcl, import_tau, study
from rise_bench.importers.bfcl_text import parse_output
from rise_bench.importers.render import markdown
from rise_bench.score import score
from rise_bench.types import Assistant, Task, ToolCall, Trajectory, User

ROOT = Path(os.environ.get("RISE_BENCH_EXTERNAL", Path(__file__).parents[2] / "shared" / "external"))
BFCL, TAU = ROOT / "bfcl-2024-08", ROOT / "tau-airline"

pytestmark = pytest.mark.skipif(not BFCL.is_dir() or not TAU.is_dir(), reason=f"no external data at {ROOT}")

Arguments = dict[str, object]
Calls = list[tuple[str, Arguments]]


@pytest.fixture(scope="module")
def bfcl() -> Imported:
    return import_bfcl(BFCL)


@pytest.fixture(scope="module")
def bfcl_study(bfcl: Imported) -> Study:
    return study(bfcl)


def aligned(imported: Imported, task: Task, calls: Calls) -> float | None:
    made = tuple(
        ToolCall.model_validate({"id": str(i), "tool": tool, "arguments": arguments})
        for i, (tool, arguments) in enumerate(calls)
    )
    trajectory = Trajectory(
        task=task.id, mode="static", messages=(User(content=task.request), Assistant(tool_calls=made))
    )
    return score(task, trajectory, imported.ground)[1].value


def reference(task: Task) -> Calls:
    return [(call.tool, dict(call.arguments)) for call in task.reference]


def test_every_model_s_verdicts_agree_with_the_official_ones(bfcl_study: Study) -> None:
    calls = [a for a in bfcl_study.agreements if a.group == "calls"]
    assert len(calls) >= 6
    assert all(a.n == 1000 for a in calls)
    assert {a.model: a.agreement.value for a in calls if (a.agreement.value or 0) < 0.97} == {}


def test_relevance_differs_only_where_malformed_output_was_taken_for_abstention(bfcl_study: Study) -> None:
    differing = [d for d in bfcl_study.differences if d.task.startswith("relevance")]
    assert all(d.official and not d.ours for d in differing)
    assert all(any(label.name == "unparsable_call" for label in d.labels) for d in differing)


def test_every_gold_passes_in_any_order_and_with_every_accepted_value(bfcl: Imported) -> None:
    failed: list[str] = []
    for task in bfcl.tasks.values():
        calls = reference(task)
        if calls and (aligned(bfcl, task, calls) != 1 or aligned(bfcl, task, calls[::-1]) != 1):
            failed.append(task.id)
        for item in task.intent.critical:
            for value in item.accept:
                changed = reference(task)
                changed[item.call][1][item.argument[1:]] = value
                if aligned(bfcl, task, changed) != 1:
                    failed.append(f"{task.id}{item.argument}={value}")
    assert failed == []


def _doubled(calls: Calls) -> Calls:
    return [*calls, calls[0]]


def _skipped(calls: Calls) -> Calls:
    return calls[1:]


def _added(calls: Calls) -> Calls:
    return [(calls[0][0], {**calls[0][1], "made_up": 3}), *calls[1:]]


@pytest.mark.parametrize("spoil", [_doubled, _skipped, _added])
def test_no_gold_survives_a_call_too_many_a_call_too_few_or_a_made_up_argument(
    bfcl: Imported, spoil: Callable[[Calls], Calls]
) -> None:
    passed = [t.id for t in bfcl.tasks.values() if t.reference and aligned(bfcl, t, spoil(reference(t))) != 0]
    assert passed == []


def _other(value: object) -> object:
    """A value that is close, and not the same."""
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return [*value, 1] if isinstance(value, list) else {"made_up": 1}


def test_no_gold_survives_one_wrong_value(bfcl: Imported) -> None:
    passed: list[str] = []
    for number, task in enumerate(bfcl.tasks.values()):
        for item in task.intent.critical[number % 4 :: 4]:  # every fourth, each position in turn
            calls = reference(task)
            name = item.argument[1:]
            if isinstance(calls[item.call][1][name], bool):
                continue
            calls[item.call][1][name] = _other(calls[item.call][1][name])
            if aligned(bfcl, task, calls) != 0:
                passed.append(f"{task.id}{item.argument}")
    assert passed == []


def _python(calls: Calls) -> str:
    return "[" + ", ".join(f"{t}({', '.join(f'{k}={v!r}' for k, v in a.items())})" for t, a in calls) + "]"


def _json(calls: Calls) -> str:
    return json.dumps([{"name": tool, "arguments": arguments} for tool, arguments in calls])


def _tagged(calls: Calls) -> str:
    blocks = [json.dumps({"name": tool, "arguments": arguments}) for tool, arguments in calls]
    return "\n".join(f"<tool_call>\n{block}\n</tool_call>" for block in blocks)


@pytest.mark.parametrize("write", [_python, _json, _tagged])
def test_golds_written_as_text_in_any_syntax_read_back_as_the_same_calls(
    bfcl: Imported, write: Callable[[Calls], str]
) -> None:
    for task in bfcl.tasks.values():
        calls = reference(task)
        if calls and all(name.isidentifier() for _, arguments in calls for name in arguments):
            parsed = parse_output(write(calls))
            assert [(call.tool, call.arguments) for call in parsed.calls] == calls, task.id


def test_logged_simulations_agree_with_the_reward() -> None:
    imported = import_tau(TAU)
    found = next(a for a in study(imported).agreements if a.group == "calls")
    assert found.n == 40
    assert (found.agreement.value or 0) >= 0.95
    assert found.only_ours == 0


def test_the_tables_of_the_agreement_page_are_what_the_study_prints(bfcl_study: Study) -> None:
    page = Path(__file__).parents[1] / "docs" / "agreement.md"
    text = page.read_text(encoding="utf-8")
    fresh = text
    for name, found in (("bfcl", bfcl_study), ("tau", study(import_tau(TAU)))):
        head, _, rest = fresh.partition(f"<!-- table: {name} -->\n")
        fresh = f"{head}<!-- table: {name} -->\n{markdown(found)}{rest[rest.index('<!-- end -->') :]}"
    if os.environ.get("RISE_BENCH_UPDATE_DOCS"):
        page.write_text(fresh, encoding="utf-8")
    assert fresh == text, "run this test with RISE_BENCH_UPDATE_DOCS=1 and read what changed"


def test_every_class_of_difference_is_explained_on_the_agreement_page(bfcl_study: Study) -> None:
    page = (Path(__file__).parents[1] / "docs" / "agreement.md").read_text(encoding="utf-8")
    kinds = [*bfcl_study.classes, *study(import_tau(TAU)).classes]
    assert [kind for kind in kinds if f"\n| {kind} | " not in page.split("from its items", 1)[1]] == []
