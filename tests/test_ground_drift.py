"""A contract that is not the frozen one is told in words, refused, and where it is allowed the report says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ground_kit import NOW, SERVERS, odd_ground, odd_recipe

from rise_bench.cli import main
from rise_bench.ground.contrast import differences
from rise_bench.types import JsonValue, Task, Tool

Edit = Callable[[dict[str, JsonValue]], None]

LOOK: dict[str, JsonValue] = {
    "server": "files",
    "name": "look",
    "description": "Looks into a file and returns all the lines that hold the text, each with its number.",
    "parameters": {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to look."},
            "limit": {"type": "number", "default": 10},
            "order": {"enum": ["up", "down"]},
            "also": {"type": "array", "items": {"type": "object", "properties": {"kind": {"type": "string"}}}},
            "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "at": {"$ref": "#/$defs/Place"},
        },
        "required": ["path"],
        "$defs": {"Place": {"type": "object", "properties": {"row": {"type": "integer"}}}},
    },
    "annotations": {"readOnlyHint": True},
}


def look(edit: str = "", value: JsonValue = None) -> Tool:
    """The tool, with the value at that path set (None = taken away)."""
    data = json.loads(json.dumps(LOOK))
    *way, last = edit.split("/") if edit else [""]
    place = data
    for word in way:
        place = place[int(word) if isinstance(place, list) else word]
    if edit and value is None:
        del place[last]
    elif edit:
        place[int(last) if isinstance(place, list) else last] = value
    return Tool.model_validate(data)


PROPERTIES = "parameters/properties"


@pytest.mark.parametrize(
    ("edit", "value", "words"),
    [
        (f"{PROPERTIES}/deep", {"type": "boolean"}, "look: parameter deep added (optional)"),
        (f"{PROPERTIES}/limit", None, "look: parameter limit is gone"),
        (f"{PROPERTIES}/limit/type", "string", "look: parameter limit: type number -> string"),
        (f"{PROPERTIES}/limit/default", 20, "look: parameter limit: default 10 -> 20"),
        (f"{PROPERTIES}/limit/default", None, "look: parameter limit: default 10 is gone"),
        (f"{PROPERTIES}/limit/maximum", 5, "look: parameter limit: maximum 5 is new"),
        (f"{PROPERTIES}/order/enum", ["down"], "look: parameter order: enum lost up"),
        (f"{PROPERTIES}/order/enum", ["up", "side"], "look: parameter order: enum lost down and gained side"),
        (f"{PROPERTIES}/order/enum", ["down", "up"], "look: parameter order: enum is in another order"),
        (f"{PROPERTIES}/also/items/properties/kind/type", "integer", "look: parameter also[].kind: type string -> integer"),
        (f"{PROPERTIES}/who/anyOf/0/type", "integer", "look: parameter who: type string -> integer"),
        ("parameters/$defs/Place/properties/row/type", "string", "look: parameter $defs.Place.row: type integer -> string"),
        ("parameters/required", ["path", "limit"], "look: parameter limit is now required"),
        ("parameters/required", [], "look: parameter path is now optional"),
        ("parameters/additionalProperties", False, "look: additionalProperties false is new"),
        ("annotations/readOnlyHint", False, "look: annotation readOnlyHint true -> false"),
        ("annotations/readOnlyHint", 1, "look: annotation readOnlyHint true -> 1"),
        ("annotations/destructiveHint", True, "look: annotation destructiveHint true is new"),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_words(edit: str, value: JsonValue, words: str) -> None:
    assert differences([look()], [look(edit, value)]) == (words,)


def test_of_a_changed_text_both_are_shown_around_the_place_where_they_part() -> None:
    (short,) = differences([look()], [look(f"{PROPERTIES}/path/description", "Where it is.")])
    assert short == 'look: parameter path: description changed: "Where to look." -> "Where it is."'
    text = str(LOOK["description"]).replace("number", "line number")
    (long,) = differences([look()], [look("description", text)])
    assert (
        long == 'look: description changed: "...text, each with its number." -> "...text, each with its line number."'
    )


def test_a_required_parameter_that_comes_is_told_once() -> None:
    new = json.loads(json.dumps(LOOK))
    new["parameters"]["properties"]["deep"] = {"type": "boolean"}
    new["parameters"]["required"].append("deep")
    assert differences([look()], [Tool.model_validate(new)]) == ("look: parameter deep added (required)",)


def test_tools_that_come_and_go_are_named_and_like_lists_do_not_differ() -> None:
    other = look("name", "see")
    assert differences([look()], [other]) == ("look is gone", "see is new")
    assert differences([look(), other], [other, look()]) == ()
    assert "look is published twice" in differences([look()], [look(), look()])


def test_what_has_no_words_of_its_own_is_told_all_the_same() -> None:
    schemas = [{"type": "object", "required": required} for required in (["a", "b"], ["b", "a"])]
    one, other = (look("parameters", schema) for schema in schemas)
    assert differences([one], [other]) == ("look: changed in a detail, such as the order of a list",)


def test_foreign_text_in_a_difference_obeys_nothing() -> None:
    (found,) = differences([look()], [look("description", "\x1b[31mred\nnew line")])
    assert "\x1b" not in found and "\n" not in found


# --- the commands -----------------------------------------------------------------------------------------------------


def write_suite(folder: Path, start: str) -> None:
    """A suite over the odd server, frozen when it was well, whose server starts as it is told."""
    task = Task(
        id="odd/no",
        kind="infeasible",
        request="Fly me to the moon.",
        now=NOW,
        servers=("odd",),
        reasons=("fly",),
        cluster="c",
    )
    (folder / "recipes").mkdir(parents=True)
    recipe = odd_recipe(start).model_dump(mode="json", exclude_defaults=True)
    (folder / "recipes" / "odd.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    (folder / "suite.yaml").write_text("servers: [odd]\n", encoding="utf-8")
    (folder / "ground.json").write_text(odd_ground().model_dump_json(), encoding="utf-8")
    (folder / "tasks.jsonl").write_text(
        task.model_copy(update={"reference_state": ()}).model_dump_json() + "\n", encoding="utf-8"
    )


def test_diff_shows_what_drifted_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipes = tmp_path / "suite" / "recipes"
    write_suite(tmp_path / "suite", "well")
    assert main(["ground", "record", "--recipes", str(recipes)]) == 0
    assert main(["ground", "diff", "--recipes", str(recipes)]) == 0
    assert main(["ground", "diff", "--tasks", str(tmp_path / "suite")]) == 0
    capsys.readouterr()
    entry = recipes / "odd.yaml"
    entry.write_text(entry.read_text(encoding="utf-8").replace("- well", "- other"), encoding="utf-8")
    assert main(["ground", "diff", "odd", "--recipes", str(recipes)]) == 1
    assert 'odd: echo: description changed: "echo in {root}" -> "echo in {root} now"' in capsys.readouterr().out
    assert main(["ground", "diff", "--tasks", str(tmp_path / "suite"), "--json"]) == 1
    (words,) = json.loads(capsys.readouterr().out)["odd"]["drift"]
    assert words.startswith("echo: description changed")


def test_diff_says_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_suite(tmp_path / "suite", "broken")
    assert main(["ground", "diff", "--recipes", str(tmp_path / "suite" / "recipes")]) == 1
    assert "odd: is not recorded" in capsys.readouterr().out
    assert main(["ground", "diff", "--tasks", str(tmp_path / "suite")]) == 1
    assert "cannot find my configuration" in capsys.readouterr().out
    assert main(["ground", "diff", "--recipes", str(SERVERS)]) == 2
    assert main(["ground", "diff", "nope", "--tasks", str(tmp_path / "suite")]) == 2


def test_eval_refuses_a_drifted_server_and_a_report_says_where_it_was_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_suite(tmp_path / "suite", "other")
    line = ["eval", "--model", "oracle", "--tasks", str(tmp_path / "suite"), "--output", str(tmp_path / "runs")]
    assert main([*line, "--concurrency", "1"]) == 2
    refusal = capsys.readouterr().err
    assert 'odd: publishes other contracts than the frozen ones: echo: description changed: "echo in {root}"' in refusal
    assert "--allow-drift" in refusal
    assert main([*line, "--concurrency", "1", "--allow-drift"]) == 0
    said = capsys.readouterr()
    assert "odd is not as it was frozen: echo: description changed" in said.err
    assert "the servers were not as the suite froze them: odd: echo: description" in " ".join(said.out.split())
    (report,) = (tmp_path / "runs").glob("*/report.md")
    assert "the servers were not as the suite froze them" in report.read_text(encoding="utf-8")


def test_a_run_that_is_recorded_tells_of_drift_too(tmp_path: Path) -> None:
    write_suite(tmp_path / "suite", "other")
    line = ["eval", "--model", "oracle", "--tasks", str(tmp_path / "suite"), "--output", str(tmp_path / "runs")]
    assert main([*line, "--concurrency", "1", "--allow-drift", "--record", str(tmp_path / "cassette.jsonl")]) == 0
    (conditions,) = (tmp_path / "runs").glob("*/conditions.jsonl")
    assert "odd: echo: description changed" in conditions.read_text(encoding="utf-8")
