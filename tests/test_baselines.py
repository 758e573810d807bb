"""Registered baselines: every shipped file loads, the four kinds stay apart, and nothing is claimed that was not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rise_bench import bench, plugins
from rise_bench.baselines import (
    KINDS,
    Baseline,
    Known,
    MeasuredBaseline,
    Registry,
    ReportedBaseline,
    RunnableBaseline,
    TrivialBaseline,
    attempted,
    load_baseline,
    load_registry,
    pack,
    unpack,
    verdict_lines,
    write_baseline,
)
from rise_bench.baselines.registry import SHIPPED
from rise_bench.baselines.verdicts import LONG
from rise_bench.errors import InputError
from rise_bench.model.vllm_options import sort_args
from rise_bench.runs import Run
from rise_bench.store import load_suite
from rise_bench.types import Conditions, RunSpec, Scored, Verdict

FILES = sorted(SHIPPED.glob("*.yaml"))


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry()


def spec(attempts: int = 2) -> RunSpec:
    return RunSpec(
        suite="desk",
        suite_version="1-0",
        suite_digest="5" * 64,
        ground_digest="6" * 64,
        mode="live",
        model="lexical",
        system_prompt="Help.",
        attempts=attempts,
    )


def measured(**changes: Any) -> dict[str, Any]:
    """What stands in the file of a measured entry: 2 attempts at 3 tasks."""
    return {
        "kind": "measured",
        "name": "lexical-mine",
        "title": "lexical on desk 1-0",
        "of": "lexical",
        "run": spec().digest(),
        "results": "7" * 64,
        "spec": spec().model_dump(mode="json"),
        "conditions": [
            Conditions(
                since="2026-11-23T10:00:00Z", rise_bench="0.1.0", python="3.11", executor="local", concurrency=2
            ).model_dump(mode="json")
        ],
        "date": "2026-11-23",
        "scorers": {"acc_task": "2-0", "acc_intent": "2-0"},
        "tasks": 3,
        "acc_task": ["11-", "010"],
        "acc_intent": ["10-", "010"],
    } | changes


def runnable(**changes: Any) -> dict[str, Any]:
    known = {"value": "Apache-2.0", "source": "https://example.org/card", "read": "2026-11-23"}
    unknown = {"value": None, "note": "Not stated."}
    return {
        "kind": "runnable",
        "name": "tiny",
        "title": "Tiny",
        "hf": "someone/tiny",
        "status": "not run",
        "license": known,
        **dict.fromkeys(("revision", "base", "parameters", "context"), unknown),
        "serving": dict.fromkeys(("command", "tool_call_parser", "chat_template"), unknown),
        "model": "vllm:someone/tiny",
    } | changes


def reported(**changes: Any) -> dict[str, Any]:
    figure = {"measure": "Acc_task", "value": [1, 2], "unit": "percent", "what": "margin"}
    return {
        "kind": "reported",
        "name": "paper",
        "title": "A paper",
        "source": "https://example.org/paper",
        "read": "2026-11-23",
        "figures": [figure],
        "unknown": ["the test set"],
    } | changes


def put(folder: Path, value: Any, name: str = "") -> Path:
    """The file that holds a value as an entry; JSON is YAML."""
    path = folder / f"{name or value['name']}.yaml"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


# --- what is shipped --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_file_is_an_entry_named_as_its_file(path: Path) -> None:
    assert load_baseline(path).name == path.stem


def test_what_is_shipped_is_all_that_the_registry_holds(shipped: Registry) -> None:
    assert sorted(shipped.entries) == sorted(path.stem for path in FILES)
    assert sum(len(shipped.of(kind)) for kind in KINDS.values()) == len(FILES)


def test_trivial_entries_name_agents_of_the_package(shipped: Registry) -> None:
    agents = {entry.model for entry in shipped.of(TrivialBaseline)}
    assert agents <= set(plugins.known("model"))
    assert agents >= {"oracle", "silent", "random-tool", "lexical"}


def test_each_checkpoint_has_a_licence_and_can_be_asked_for_with_our_options(shipped: Registry) -> None:
    for entry in shipped.of(RunnableBaseline):
        assert entry.license.value
        door, _, target = entry.model.partition(":")
        assert door in plugins.known("model") and target == entry.hf
        own, _, _ = sort_args(entry.model_args)
        stated = entry.serving.tool_call_parser.value
        assert own.tool_parser in ("", stated), f"{entry.name}: our parser is not the one that its source states"
        assert own.revision == (entry.revision.value or "")


def test_the_serving_line_says_what_its_parts_say(shipped: Registry) -> None:
    for entry in shipped.of(RunnableBaseline):
        line = entry.serving.command.value
        if line is not None:
            words = line.split()
            assert words[:3] == ["vllm", "serve", entry.hf]
            assert words[words.index("--tool-call-parser") + 1] == entry.serving.tool_call_parser.value
            template = words[words.index("--chat-template") + 1] if "--chat-template" in words else "own"
            assert template == entry.serving.chat_template.value


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def test_no_entry_that_was_not_run_carries_a_figure(shipped: Registry) -> None:
    for entry in (*shipped.of(RunnableBaseline), *shipped.of(TrivialBaseline)):
        found = leaves(entry.model_dump(mode="json"))
        assert not [leaf for leaf in found if isinstance(leaf, int | float) and not isinstance(leaf, bool)]
        assert not [leaf for leaf in found if isinstance(leaf, str) and ("%" in leaf or "percent" in leaf)]


def test_the_papers_figures_stand_with_what_is_unknown_of_them(shipped: Registry) -> None:
    paper = shipped.get(ReportedBaseline, "rise-paper")
    figures = [(figure.measure, figure.value) for figure in paper.figures]
    assert figures == [
        ("Acc_task", 35.28),
        ("Acc_intent", 23.27),
        ("Acc_task", (1.20, 42.09)),
        ("Acc_intent", (1.17, 54.93)),
    ]
    assert "whether percent are relative or points" in paper.unknown


# --- kinds apart ------------------------------------------------------------------------------------------------------


def test_a_reported_figure_is_never_given_where_a_measured_one_is_asked_for(shipped: Registry) -> None:
    with pytest.raises(InputError) as caught:
        shipped.get(MeasuredBaseline, "rise-paper")
    assert "is a reported baseline, not a measured one: its figures were published by others" in str(caught.value)


def test_nothing_is_given_for_another_kind(shipped: Registry) -> None:
    for name, entry in shipped.entries.items():
        for kind in KINDS.values():
            if isinstance(entry, kind):
                assert shipped.get(kind, name) is entry
            else:
                with pytest.raises(InputError, match=r"is a \w+ baseline, not a"):
                    shipped.get(kind, name)


def test_an_unknown_name_is_told_with_those_that_are_known(shipped: Registry) -> None:
    with pytest.raises(InputError) as caught:
        shipped.get(ReportedBaseline, "rise")
    assert str(caught.value).startswith("rise: no reported baseline of that name")
    assert caught.value.remedy == "known: rise-paper"


@pytest.mark.parametrize(
    ("value", "alien"),
    [
        (runnable(), {"acc_task": ["1"]}),
        (runnable(), {"figures": []}),
        (reported(), {"acc_intent": ["1"]}),
        (reported(), {"run": "5" * 64}),
        (measured(), {"figures": []}),
        (measured(), {"status": "not run"}),
    ],
)
def test_an_entry_cannot_hold_what_another_kind_holds(tmp_path: Path, value: dict[str, Any], alien: Any) -> None:
    path = put(tmp_path, value | alien)
    with pytest.raises(InputError, match=f"unknown key '{next(iter(alien))}'"):
        load_baseline(path)


# --- a folder of one's own --------------------------------------------------------------------------------------------


def test_own_entries_stand_beside_the_shipped_ones(tmp_path: Path, shipped: Registry) -> None:
    put(tmp_path, measured())
    put(tmp_path, runnable())
    registry = load_registry(tmp_path)
    assert set(registry.entries) - set(shipped.entries) == {"lexical-mine", "tiny"}
    assert [entry.name for entry in registry.runs_of("lexical")] == ["lexical-desk", "lexical-mine"]
    assert registry.runs_of("tiny") == ()


def test_the_shipped_folder_may_be_named_as_ones_own(shipped: Registry) -> None:
    assert load_registry(SHIPPED) == shipped


def test_an_unknown_name_of_any_kind_is_told_with_the_nearest(shipped: Registry) -> None:
    assert shipped.find("rise-paper").kind == "reported"
    with pytest.raises(InputError) as caught:
        shipped.find("rise-papre")
    assert caught.value.remedy == "did you mean 'rise-paper'?"
    with pytest.raises(InputError) as caught:
        shipped.find("zzzzzzzz")
    assert caught.value.remedy == "see `rise-bench baselines ls`"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_registry(tmp_path / "none")


def test_a_shipped_name_cannot_be_taken(tmp_path: Path) -> None:
    path = put(tmp_path, runnable(name="qwen3-8b"))
    with pytest.raises(InputError) as caught:
        load_registry(tmp_path)
    assert caught.value.where == str(path)
    assert "name: 'qwen3-8b' is there twice, also in " in caught.value.what


def test_a_name_stands_once_whatever_the_kind_and_the_suffix(tmp_path: Path) -> None:
    put(tmp_path, runnable(name="mine"), "a")
    put(tmp_path, reported(name="mine"), "b").rename(tmp_path / "b.yml")
    with pytest.raises(InputError, match="'mine' is there twice"):
        load_registry(tmp_path)


@pytest.mark.parametrize("of", ["nothing", "rise-paper"])
def test_a_run_is_of_something_that_can_be_run(tmp_path: Path, of: str) -> None:
    put(tmp_path, measured(of=of))
    with pytest.raises(InputError, match=f"of: '{of}' is"):
        load_registry(tmp_path)


# --- bad files --------------------------------------------------------------------------------------------------------

SOURCED = {"value": "x", "source": "https://example.org", "read": "2026-11-23"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (runnable(kind="measurd"), "kind: 'measurd' is none"),
        (runnable(kind=["runnable"]), "kind: ['runnable'] is none"),
        ({"name": "x"}, "kind: is missing"),
        (runnable(name="Tiny Model"), "name: "),
        (runnable(status="run"), "status: "),
        (runnable(hf="tiny"), "hf: "),
        (runnable(license={"value": None, "note": "?"}), "license: an entry without a known licence"),
        (runnable(license={"value": "MIT"}), "license: a known value has a `source`"),
        (runnable(license=SOURCED | {"source": "the card"}), "license.source: "),
        (runnable(license=SOURCED | {"read": "yesterday"}), "license.read: "),
        (runnable(context={"value": None}), "context: a null value says in `note` why"),
        (
            runnable(context=SOURCED | {"value": 4096}),
            "context.value: 4096 is read as a number; put the text in quotes",
        ),
        (runnable(revision=SOURCED | {"value": "main"}), "revision: 'main' is no commit"),
        (runnable(model_args={"revision": "main"}), "model_args: `revision` differs"),
        (reported(unknown=[]), "unknown: "),
        (reported(figures=[]), "figures: "),
        (reported(source=""), "source: "),
        (measured(acc_task=["11-"]), "acc_task: holds 1 attempts, the run asked for 2"),
        (measured(acc_task=["11-", "01"]), "acc_task: attempt 1 has 2 verdicts, there are 3 tasks"),
        (measured(acc_intent=["10-", "011"]), "acc_intent: 1 where acc_task is 0 (attempt 1, task 2)"),
        (measured(acc_task=["11-", "0x0"]), "acc_task.1: verdicts are written 1, 0, - and ., not 'x'"),
        (measured(acc_task=["11-", "01."]), "acc_intent: says of other attempts than acc_task"),
        (measured(acc_task=["11-", 10]), "acc_task.1: 10 is read as a number; put the text in quotes"),
        (measured(scorers={"acc_task": "2-0"}), "scorers: names the versions of both"),
        (measured(conditions=[]), "conditions: "),
        (measured(run="5"), "run: "),
    ],
)
def test_a_bad_entry_is_told_with_file_key_and_remedy(tmp_path: Path, value: Any, told: str) -> None:
    path = put(tmp_path, value, "entry")
    with pytest.raises(InputError) as caught:
        load_baseline(path)
    assert caught.value.where == str(path)
    assert caught.value.what.startswith(told)
    assert "\n" not in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize(
    ("text", "told"), [("- a\n- b\n", "is not a mapping"), ("", "is not a mapping"), ("a: [", "is not YAML")]
)
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "entry.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load_baseline(path)


def test_a_digit_line_without_quotes_is_not_taken_for_other_verdicts(tmp_path: Path) -> None:
    text = json.dumps(measured()).replace('"010"', "010")  # YAML reads 010 as eight
    (tmp_path / "entry.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="put the text in quotes"):
        load_baseline(tmp_path / "entry.yaml")


def test_a_known_value_is_closed_and_frozen() -> None:
    known = Known.model_validate(SOURCED)
    with pytest.raises(ValidationError, match="frozen"):
        known.value = "y"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Known.model_validate(SOURCED | {"by": "me"})


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_a_measured_entry_gives_its_verdicts_back() -> None:
    entry = MeasuredBaseline.model_validate(measured())
    assert entry.values("acc_task") == ((1, 1, None), (0, 1, 0))
    assert entry.values("acc_intent") == ((1, 0, None), (0, 1, 0))
    assert entry.run == entry.spec.digest()


@given(st.lists(st.sampled_from([0, 1, None]), max_size=40))
def test_short_lines_are_readable_and_read_back(values: list[int | None]) -> None:
    text = pack(values)
    assert set(text) <= set("10-") and unpack(text) == tuple(values)


def test_long_lines_are_packed_the_same_each_time_and_read_back() -> None:
    values = [(n * n) % 7 % 3 == 1 for n in range(10 * LONG)]
    text = pack(values)
    assert text.startswith("gz:") and len(text) < len(values) / 4
    assert text == pack(values) and unpack(text) == tuple(values)


@pytest.mark.parametrize("value", [0.5, 2, float("nan")])
def test_a_share_is_no_verdict(value: float) -> None:
    with pytest.raises(ValueError, match="a verdict is 1, 0 or None"):
        pack([1, value])


@pytest.mark.parametrize(
    "spoil",
    [lambda text: text[:-8], lambda text: "gz:AAAA", lambda text: "gz:?", lambda text: "gz:", lambda text: "gz:é"],
)
def test_packed_lines_that_are_broken_are_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="packed verdicts"):
        unpack(spoil(pack([1] * LONG)))


def test_a_packed_line_that_would_not_end_is_refused() -> None:
    bomb = pack([1] * 10_000_001)
    assert len(bomb) < 20_000
    with pytest.raises(ValueError, match="more than 10,000,000"):
        unpack(bomb)


def scored(task: str, attempt: int, done: float | None, meant: float | None) -> Scored:
    def verdict(name: str, value: float | None) -> Verdict:
        return Verdict(task=task, attempt=attempt, scorer=name, version="2-0", value=value, reason="-")

    return Scored(
        task=task, attempt=attempt, acc_task=verdict("acc_task", done), acc_intent=verdict("acc_intent", meant)
    )


def test_a_runs_attempts_come_in_the_suites_order_and_missing_ones_are_none() -> None:
    rows = [scored("b", 1, 1, 0), scored("a", 0, 1, 1), scored("c", 0, None, None), scored("b", 0, 0, 0)]
    assert verdict_lines(rows, ["a", "b", "c"], 2) == (("10-", ".1."), ("10-", ".0."))
    assert verdict_lines([], ["a"], 1) == ((".",), (".",))


def test_an_attempt_that_was_not_made_is_told_from_one_without_a_verdict() -> None:
    entry = MeasuredBaseline.model_validate(measured(acc_task=["11-", "0.."], acc_intent=["10-", "0.."]))
    assert entry.values("acc_task") == ((1, 1, None), (0, None, None))
    assert entry.made() == ((True, True, True), (True, False, False))
    packed = pack([None] * LONG, absent=[1])
    assert packed.startswith("gz:") and attempted(packed)[:3] == (True, False, True)


@pytest.mark.parametrize("row", [scored("z", 0, 1, 1), scored("a", 2, 1, 1), scored("a", 0, 0.5, 0)])
def test_attempts_that_do_not_fit_are_refused(row: Scored) -> None:
    with pytest.raises(InputError):
        verdict_lines([row], ["a", "b"], 2)


def test_a_run_that_is_registered_keeps_every_verdict_and_the_reports_scores(tmp_path: Path) -> None:
    sample_run.make_suite(tmp_path / "suite")
    loaded = load_suite(str(tmp_path / "suite"))
    run = Run.open(sample_run.make_run(tmp_path / "runs", loaded))
    attempts = run.spec().attempts
    done, meant = verdict_lines(run.scored(), list(loaded.tasks), attempts)
    conditions = run.conditions() or measured()["conditions"]
    told = {"run": run.spec().digest(), "results": run.results_digest(), "spec": run.spec(), "conditions": conditions}
    lines = {"tasks": len(loaded.tasks), "acc_task": done, "acc_intent": meant}
    entry = MeasuredBaseline.model_validate(measured(**told, **lines))

    kept = {
        (task, attempt): (entry.values("acc_task")[attempt][place], entry.values("acc_intent")[attempt][place])
        for place, task in enumerate(loaded.tasks)
        for attempt in range(attempts)
    }
    made = {(row.task, row.attempt): (row.acc_task.value, row.acc_intent.value) for row in run.scored()}
    assert kept == dict.fromkeys(kept, (None, None)) | made
    means = [
        sum(judged) / len(judged)
        for task in loaded.tasks
        if (judged := [value for n in range(attempts) if (value := kept[task, n][1]) is not None])
    ]
    report = bench.report(run.path, str(tmp_path / "suite"))
    assert report.acc_intent.value == pytest.approx(sum(means) / len(means))


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        measured(),
        measured(tasks=LONG, acc_task=[pack([1] * LONG)] * 2, acc_intent=[pack([0] * LONG)] * 2),
        runnable(),
        reported(),
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, value: dict[str, Any]) -> None:
    entry: Baseline = KINDS[value["kind"]].model_validate(value)
    path = write_baseline(tmp_path, entry)
    assert load_baseline(path) == entry
    with pytest.raises(InputError, match="is there already"):
        write_baseline(tmp_path, entry)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_each_kind_has_a_closed_schema(kind: type[Baseline]) -> None:
    schema = kind.model_json_schema()
    assert schema["additionalProperties"] is False
    assert {"name", "title"} <= set(schema["required"])
