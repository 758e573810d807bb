"""BFCL folders become tasks and static trajectories that our scorers judge as the benchmark means them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.importers import Imported, import_bfcl
from rise_bench.importers.accepted import critical, expand, match_kind
from rise_bench.importers.bfcl_schema import json_schema
from rise_bench.importers.bfcl_text import parse_output
from rise_bench.score import score
from rise_bench.types import Assistant, System, ToolResult

FOLDER = Path(__file__).parent / "fixtures" / "bfcl-small"
Copy = Callable[[], Path]


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_bfcl(FOLDER)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "bfcl"))


def verdicts(imported: Imported, model: str) -> dict[str, float | None]:
    return {
        a.trajectory.task: score(imported.tasks[a.trajectory.task], a.trajectory, imported.ground)[1].value
        for a in imported
        if a.model == model
    }


def test_native_calls_are_judged_by_type_and_in_any_order(imported: Imported) -> None:
    assert verdicts(imported, "native") == {
        "simple_0": 1,  # another spelling of the date, case, and optional arguments left out
        "simple_1": 0,  # a whole number that is off by one in its tenth digit
        "simple_2": 0,  # arguments that are no JSON
        "simple_3": None,  # the runner's error text is a fault
        "parallel_0": 1,
        "relevance_0": 1,  # prose that names a tool, by a model with native calls
        "relevance_1": 0,
        "relevance_2": 0,  # no abstention
        "relevance_3": 0,
        "relevance_4": 0,
    }


def test_calls_written_as_text_are_read_in_the_model_s_own_syntax(imported: Imported) -> None:
    assert verdicts(imported, "prompted") == {
        "simple_0": 1,  # raw tool name, nested alternatives, one nested key left out
        "simple_1": 1,  # constant arithmetic
        "simple_2": 0,
        "simple_3": 1,  # unquoted names stand for themselves
        "relevance_0": 1,  # an empty list abstains
        "relevance_1": 0,  # call syntax that cannot be read does not
    }


def test_the_benchmark_s_verdict_comes_along_with_its_reason(imported: Imported) -> None:
    native = {a.trajectory.task: a for a in imported if a.model == "native"}
    assert native["simple_0"].official is True
    assert (native["simple_1"].official, native["simple_1"].official_reason) == (False, "value_error:others")
    assert native["parallel_0"].official is None, "a category without verdicts says nothing"
    assert all(a.official is None for a in imported if a.model == "prompted")


def test_static_calls_are_marked_as_not_executed_and_usage_is_kept(imported: Imported) -> None:
    first = next(a.trajectory for a in imported if a.model == "native" and a.trajectory.task == "simple_0")
    results = [m for m in first.messages if isinstance(m, ToolResult)]
    assert [r.status for r in results] == ["not_executed"]
    assert (first.mode, first.usage.input_tokens, first.usage.calls) == ("static", 10, 1)


def test_types_are_spelled_as_json_schema_and_the_rest_is_kept(imported: Imported) -> None:
    tool = imported.tasks["simple_0"].tools[0]
    properties = tool.parameters["properties"]
    assert isinstance(properties, dict)
    assert tool.parameters["type"] == "object"
    assert properties["price"] == {"type": "number"}
    assert properties["corner"] == {"type": "array", "items": {"type": "number"}}
    assert properties["source"] == {}
    assert properties["cabin"] == {"type": "string", "enum": ["inside", "outside"], "default": "inside"}


def test_a_parameter_named_like_a_keyword_keeps_its_own_description() -> None:
    properties: JsonValue = {"type": {"type": "float"}, "items": {"type": "any"}}
    described: JsonValue = {"type": "dict", "properties": properties, "required": True}
    assert json_schema(described) == {"type": "object", "properties": {"type": {"type": "number"}, "items": {}}}


def test_what_the_answer_gets_wrong_is_noted_and_can_still_be_met(imported: Imported) -> None:
    assert any("misspells" in note and "simple_2" in note for note in imported.notes)
    assert any("type widened" in note and "simple_3" in note for note in imported.notes)
    assert imported.tasks["simple_2"].reference[0].tool == "ferry_times"


def test_an_argument_that_may_only_be_left_out_is_no_parameter_to_match(imported: Imported) -> None:
    task = imported.tasks["simple_3"]
    assert "price" not in task.reference[0].arguments
    assert all(item.argument != "/price" for item in task.intent.critical)


def test_a_system_message_before_the_question_becomes_history(imported: Imported) -> None:
    task = imported.tasks["simple_2"]
    assert task.history == (System(content="Be brief."),)
    assert task.request == "When do ferries to Oslo leave?"


def test_nested_alternatives_multiply_and_a_key_may_be_left_out() -> None:
    assert expand({"meal": ["fish", ""], "seat": [4, 5]}) == [
        {"meal": "fish", "seat": 4},
        {"meal": "fish", "seat": 5},
        {"seat": 4},
        {"seat": 5},
    ]
    assert expand([{"a": [1, 2]}, "x"]) == [[{"a": 1}, "x"], [{"a": 2}, "x"]]


@pytest.mark.parametrize(
    ("values", "schema", "kind"),
    [
        ([5, 6.5], {"type": "number"}, "number"),
        ([True], {"type": "boolean"}, "text"),
        (["km"], {"type": "string", "enum": ["km", "mi"]}, "enum"),
        (["2024-05-05", "5 May 2024"], {"type": "string"}, "date"),
        (["20240505"], {"type": "string"}, "text"),
        (["3pm", "15:00"], {"type": "string"}, "datetime"),
        (["2024-05-05", "tomorrow"], {"type": "string"}, "text"),
        ([["a", "b"]], {"type": "array"}, "text"),
    ],
)
def test_the_match_kind_follows_declared_type_and_accepted_values(
    values: list[object], schema: object, kind: str
) -> None:
    assert match_kind(values, schema) == kind  # type: ignore[arg-type]


def test_whole_numbers_are_compared_exactly_and_others_with_a_tolerance() -> None:
    assert critical(0, "id", [1234567890], None).tolerance == 0
    assert critical(0, "share", [0.3], None).tolerance > 0


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("[f(a=my_table)]", [("f", {"a": "my_table"})]),
        ("[f(a=data['x'], b=1/4)]", [("f", {"a": "data['x']", "b": 0.25})]),
        ("f(a=[x, (1, 2)], b={'k': g(1)})", [("f", {"a": ["x", [1, 2]], "b": {"k": "g(1)"}})]),
        ("<<function>>f(a=1)<<function>>g.h(b=2)", [("f", {"a": 1}), ("g.h", {"b": 2})]),
        ("Call: f(a=1)<bot_end> Thought: fine", [("f", {"a": 1})]),
        ("[f(a=9**9**9)]", [("f", {"a": "9 ** 9 ** 9"})]),
    ],
)
def test_expressions_in_python_style_calls_are_read_without_running_them(
    text: str, calls: list[tuple[str, dict[str, object]]]
) -> None:
    assert [(call.tool, call.arguments) for call in parse_output(text).calls] == calls


@pytest.mark.parametrize("text", ["[f(10)]", "[" * 500 + "f(a=x)", "[f(a=x"])
def test_calls_that_cannot_be_read_stay_unread(text: str) -> None:
    assert parse_output(text).calls == ()


def test_java_values_may_be_given_as_texts_of_literals(copied: Path) -> None:
    tool = {"name": "f", "parameters": {"type": "dict", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}}
    (copied / "questions/java.jsonl").write_text(json.dumps({"id": "java_0", "question": "q", "function": tool}))
    (copied / "answers/java.jsonl").write_text(json.dumps({"id": "java_0", "ground_truth": {"f": {"on": [True]}}}))
    row = {"id": "java_0", "result": [{"f": '{"on": "true"}'}]}
    (copied / "results/native/java.jsonl").write_text(json.dumps(row))
    assert verdicts(import_bfcl(copied, ["native"]), "native")["java_0"] == 1


def test_later_layouts_of_answers_are_read(copied: Path) -> None:
    (copied / "answers/parallel.jsonl").write_text(
        json.dumps(
            {"id": "parallel_0", "ground_truth": [{"ferry_times": {"route": ["Oslo"]}}, "ferry_times(route='Bergen')"]}
        )
    )
    task = import_bfcl(copied, []).tasks["parallel_0"]
    assert [call.arguments for call in task.reference] == [{"route": "Oslo"}, {"route": "Bergen"}]


def test_several_turns_and_missing_answers_are_left_out_with_a_note(copied: Path) -> None:
    turn = [{"role": "user", "content": "x"}]
    rows = [
        {"id": "parallel_0", "question": [turn, turn], "function": []},
        {"id": "parallel_1", "question": "x", "function": []},
    ]
    (copied / "questions/parallel.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (copied / "questions/rest.jsonl").write_text(json.dumps({"id": "rest_0", "question": "x", "function": []}))
    imported = import_bfcl(copied)
    assert not {"parallel_0", "parallel_1", "rest_0"} & set(imported.tasks)
    assert sum("left out" in note for note in imported.notes) == 3


def _break_json(folder: Path) -> None:
    (folder / "results/native/simple.jsonl").write_text('{"id": "simple_0", "result": []}\n{"id": \n')


def _break_nan(folder: Path) -> None:
    (folder / "results/native/simple.jsonl").write_text('{"id": "simple_0", "result": [], "latency": NaN}\n')


def _break_encoding(folder: Path) -> None:
    (folder / "questions/simple.jsonl").write_bytes(b'{"id": "\xff"}\n')


def _break_verdicts(folder: Path) -> None:
    (folder / "official/native.json").write_text('{"simple": 0.5}')


def _break_id(folder: Path) -> None:
    (folder / "questions/simple.jsonl").write_text('{"question": "x"}\n')


def _break_tool(folder: Path) -> None:
    (folder / "questions/simple.jsonl").write_text('{"id": "simple_0", "question": "x", "function": [{}]}\n')


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        (_break_tool, "questions/simple.jsonl:1"),
        (_break_json, "native/simple.jsonl:2"),
        (_break_nan, "native/simple.jsonl:1"),
        (_break_encoding, "questions/simple.jsonl:1"),
        (_break_verdicts, "official/native.json"),
        (_break_id, "questions/simple.jsonl:1"),
    ],
)
def test_damage_is_named_with_file_and_line(copied: Path, damage: Callable[[Path], None], place: str) -> None:
    damage(copied)
    with pytest.raises(InputError) as caught:
        list(import_bfcl(copied))
    assert place in caught.value.where


def test_a_folder_without_questions_and_an_unknown_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="questions"):
        import_bfcl(tmp_path)
    with pytest.raises(InputError, match="no results of 'nobody'"):
        import_bfcl(FOLDER, ["nobody"])


def test_a_model_with_native_calls_writes_prose_in_every_category(copied: Path) -> None:
    row = {"id": "relevance_0", "result": "```python\nferry_times(route='love')\n```"}
    (copied / "results/native/relevance.jsonl").write_text(json.dumps(row))
    (copied / "results/prompted/relevance.jsonl").write_text(json.dumps(row))
    imported = import_bfcl(copied)
    assert verdicts(imported, "native")["relevance_0"] == 1
    assert verdicts(imported, "prompted")["relevance_0"] == 0


def test_a_model_s_odd_result_is_kept_as_malformed_and_not_dropped(copied: Path) -> None:
    (copied / "results/native/parallel.jsonl").write_text(json.dumps({"id": "parallel_0", "result": [{"f": "{}"}, 7]}))
    found = next(a.trajectory for a in import_bfcl(copied) if a.trajectory.task == "parallel_0")
    assert any(isinstance(m, Assistant) and m.malformed for m in found.messages)
