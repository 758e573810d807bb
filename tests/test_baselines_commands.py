"""`baselines ls|show|run|add|compare` and `eval --compare-to`, on a small suite played from a recording."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy
from misbehaving import says, serving

from rise_bench.baselines import MeasuredBaseline, load_baseline, load_registry
from rise_bench.baselines.registry import SHIPPED
from rise_bench.cli import main
from rise_bench.commands.arguments import model_args
from rise_bench.commands.baselines_run import written
from rise_bench.runs import Run

Complaint = Callable[..., str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`suite/`, and `runs/` with a finished run of oracle, of silent and of lexical; `few/`: one of two tasks."""
    folder = tmp_path_factory.mktemp("baselines")
    toy.make_suite(folder / "suite")
    for model in ("oracle", "silent", "lexical"):
        assert main(words(folder, "runs", model)) == 0
    assert main([*words(folder, "few", "silent"), "--limit", "2"]) == 0
    return folder


@pytest.fixture(scope="module")
def entries(place: Path) -> Path:
    """Two measured entries, made once."""
    for model in ("oracle", "silent"):
        assert main(["baselines", "add", *run_of(place, model), "--name", f"{model}-toy", *output(place)]) == 0
    return place / "own"


@pytest.fixture
def own(entries: Path, tmp_path: Path) -> Path:
    """A folder of one's own with these entries."""
    return Path(shutil.copytree(entries, tmp_path / "own"))


def words(folder: Path, runs: str, model: str) -> list[str]:
    line = ["eval", "--model", model, "--tasks", str(folder / "suite"), "--ground", "replay"]
    return [*line, "--output", str(folder / runs), "--json"]


def path_of(place: Path, model: str, runs: str = "runs") -> Path:
    (found,) = [path for path in (place / runs).iterdir() if Run.open(path).spec().model == model]
    return found


def run_of(place: Path, model: str, runs: str = "runs") -> list[str]:
    return [str(path_of(place, model, runs)), "--tasks", str(place / "suite")]


def output(tmp_path: Path) -> list[str]:
    return ["--output", str(tmp_path / "own")]


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Complaint:
    """What a command line says that is refused: one line and its remedy."""

    def run(*words: str) -> str:
        assert main([*words]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        lines = captured.err.splitlines()
        assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("  remedy: ")
        return captured.err

    return run


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) == 0
    return capsys.readouterr().out


# --- ls ---------------------------------------------------------------------------------------------------------------


def test_ls_has_a_table_a_kind_and_no_reported_figure_beside_a_measured_one(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "baselines", "ls", "--registry", str(own))
    blocks = {block.partition(":")[0]: block for block in out.split("\n\n")}
    assert list(blocks) == ["trivial", "measured", "reported", "runnable"]
    assert [kind for kind, block in blocks.items() if "35.28" in block] == ["reported"]
    assert [kind for kind, block in blocks.items() if "oracle-toy  " in block] == ["measured"]
    assert "  100.0  " in blocks["measured"] and "Acc_intent" in blocks["measured"]
    assert "Acc_intent" not in blocks["reported"].splitlines()[1]
    assert "oracle-toy" in next(line for line in blocks["trivial"].splitlines() if line.startswith("oracle "))


def test_ls_as_json_keeps_the_kinds_apart(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "baselines", "ls", "--registry", str(own), "--json"))
    assert list(found) == ["trivial", "measured", "reported", "runnable"]
    silent = next(row for row in found["measured"] if row["name"] == "silent-toy")
    assert (silent["acc_intent"]["value"], silent["judged"], silent["attempts"]) == (0.0, 7, 7)
    assert silent["acc_intent"]["low"] is None  # the toy suite is not a shipped one
    assert all("acc_task" not in row for kind in ("trivial", "reported", "runnable") for row in found[kind])
    assert found["reported"][0]["figures"][0]["value"] == 35.28


def test_ls_shows_one_kind_or_one_suite(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["baselines", "ls", "--registry", str(own), "--json"]
    assert list(json.loads(printed(capsys, *line, "--kind", "runnable"))) == ["runnable"]
    for suite, names in (
        ("toy", ["oracle-toy", "silent-toy"]),
        ("toy@1-0", ["oracle-toy", "silent-toy"]),
        ("toy@9-9", []),
    ):
        assert [row["name"] for row in json.loads(printed(capsys, *line, "--suite", suite))["measured"]] == names
    assert printed(capsys, *line[:-1], "--suite", "nowhere") == "no measured baseline of nowhere\n"


def test_a_suite_goes_with_no_other_kind(complaint: Complaint) -> None:
    assert "--suite: does not go with --kind reported" in complaint(
        "baselines", "ls", "--kind", "reported", "--suite", "x"
    )


# --- show -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("oracle", ["ceiling", "--model oracle", "measured as", "oracle-toy"]),
        ("rise-paper", ["35.28", "1.17 to 54.93", "whether percent are relative or points", "no test compares these"]),
        ("qwen3-8b", ["Apache-2.0", "b968826d9c46", "nothing here comes from a run", "no run of it is registered"]),
        ("silent-toy", ["0.0 %", "replay", "toy 1-0", "acc_intent 2-0"]),
    ],
)
def test_show_says_all_that_is_known_of_an_entry(
    own: Path, capsys: pytest.CaptureFixture[str], name: str, told: list[str]
) -> None:
    out = printed(capsys, "baselines", "show", name, "--registry", str(own))
    assert [words for words in told if words not in out] == []


def test_a_measured_entry_is_shown_with_its_interval_where_the_suite_is_named(
    own: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["baselines", "show", "silent-toy", "--registry", str(own)]
    assert "its clusters are not known" in " ".join(printed(capsys, *line).split())
    assert "0.0 % [" in printed(capsys, *line, "--tasks", str(place / "suite"))


def test_show_as_json_is_the_entry(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "baselines", "show", "silent-toy", "--registry", str(own), "--json")
    assert MeasuredBaseline.model_validate_json(out) == load_baseline(own / "silent-toy.yaml")


def test_an_unknown_name_is_told_with_the_nearest(complaint: Complaint) -> None:
    assert "did you mean 'oracle'?" in complaint("baselines", "show", "oracl")
    assert "did you mean 'oracle'?" in complaint("baselines", "run", "oracl", "--tasks", "desk")


def test_a_broken_entry_is_told_with_its_line(own: Path, complaint: Complaint) -> None:
    (own / "bad.yaml").write_text("kind: measured\nname: [\n", encoding="utf-8")
    for command in (["ls"], ["show", "oracle"], ["run", "oracle", "--tasks", "desk"]):
        assert f"{own / 'bad.yaml'}:3: is not YAML" in complaint("baselines", *command, "--registry", str(own))


# --- add --------------------------------------------------------------------------------------------------------------


def test_add_writes_the_entry_and_says_what_it_holds(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["baselines", "add", *run_of(place, "silent"), "--name", "mine", *output(tmp_path)]
    out = printed(capsys, *line, "--by", "somebody", "--note", "a", "--note", "b", "--title", "T")
    assert f"baselines show mine --registry {tmp_path / 'own'}" in out.replace("\n", "")
    assert "mine: a run of silent; 7 of 7 attempts judged" in out and "Acc_intent 0.0 % [" in out
    entry = load_baseline(tmp_path / "own" / "mine.yaml")
    assert isinstance(entry, MeasuredBaseline)
    assert (entry.of, entry.by, entry.notes, entry.title) == ("silent", "somebody", ("a", "b"), "T")
    assert entry.run.startswith(path_of(place, "silent").name.removeprefix("toy-"))
    assert entry in load_registry(tmp_path / "own").runs_of("silent")


def test_a_name_that_is_taken_is_refused(own: Path, place: Path, complaint: Complaint) -> None:
    kept = (own / "silent-toy.yaml").read_bytes()
    for name, kind in (("silent-toy", "measured"), ("qwen3-8b", "runnable"), ("rise-paper", "reported")):
        told = complaint("baselines", "add", *run_of(place, "silent"), "--name", name, "--output", str(own))
        assert f"{name}: is the name of a {kind} baseline" in told
    assert (own / "silent-toy.yaml").read_bytes() == kept


def test_a_limited_run_is_registered_only_if_that_is_said(
    place: Path, tmp_path: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["baselines", "add", *run_of(place, "silent", "few"), "--name", "few", *output(tmp_path)]
    assert "2 of 7 attempts were made" in complaint(*line)
    assert not (tmp_path / "own").exists()
    assert "2 of 7 attempts were made" in printed(capsys, *line, "--incomplete")
    entry = load_baseline(tmp_path / "own" / "few.yaml")
    assert isinstance(entry, MeasuredBaseline) and sum(map(sum, entry.made())) == 2


def test_a_run_with_faults_is_registered_only_if_that_is_said(
    place: Path, tmp_path: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(path_of(place, "silent"), folder)
    for file in (folder / "trajectories.jsonl", folder / "verdicts.jsonl"):
        first, *rest = file.read_text(encoding="utf-8").splitlines()
        row = json.loads(first) | {"stop": "fault", "fault": "GroundFault: gone"}
        if "acc_task" in row:
            row |= {name: row[name] | {"value": None} for name in ("acc_task", "acc_intent")}
        file.write_text("\n".join([json.dumps(row, separators=(",", ":")), *rest, ""]), encoding="utf-8")
    line = ["baselines", "add", str(folder), "--tasks", str(place / "suite"), "--name", "broken", *output(tmp_path)]
    assert "1 of 7 attempts are faults; the limit is 2 %" in complaint(*line)
    assert "1 have no verdict (Acc_task / Acc_intent with them as 0: " in printed(capsys, *line, "--faulty")


def test_what_is_no_run_or_of_another_suite_is_refused(place: Path, tmp_path: Path, complaint: Complaint) -> None:
    line = ["--name", "x", *output(tmp_path)]
    assert "is no run folder" in complaint("baselines", "add", str(tmp_path), *line)
    run = str(path_of(place, "silent"))
    assert "was run on toy 1-0" in complaint("baselines", "add", run, "--tasks", "desk", *line)
    told = complaint("baselines", "add", *run_of(place, "silent"), "--of", "oracle", *line)
    assert "oracle: the run is of silent, not of oracle" in told


# --- run --------------------------------------------------------------------------------------------------------------


def test_a_trivial_one_runs_as_eval_runs_it(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--tasks", str(place / "suite"), "--ground", "replay", "--output", str(tmp_path), "--json"]
    found = json.loads(printed(capsys, "baselines", "run", "oracle", *line))
    assert (found["made"], found["report"]["acc_intent"]["value"]) == (7, 1.0)
    assert Run.open(Path(found["run"])).spec() == Run.open(path_of(place, "oracle")).spec()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rise-paper", "is a reported baseline: others published its figures"),
        ("silent-toy", "run what it is of: rise-bench baselines run silent --tasks desk"),
    ],
)
def test_what_is_no_agent_is_not_run(own: Path, complaint: Complaint, name: str, told: str) -> None:
    assert told in complaint("baselines", "run", name, "--tasks", "desk", "--registry", str(own))


def test_a_checkpoint_is_not_run_but_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--tasks", "desk", "--attempts", "4", "--sample-id", "a b", "--strict", "--model-args", "concurrency=8"]
    out = printed(capsys, "baselines", "run", "qwen3-8b", *line)
    assert (
        "vllm serve Qwen/Qwen3-8B --enable-auto-tool-choice --tool-call-parser hermes --reasoning-parser deepseek_r1\n"
        in out
    )
    assert "--revision b968826d9c46dd6066d109eabc6255188de91218" in out and "not tried" in out
    more = "--model-args concurrency=8 --tasks desk --attempts 4 --strict --sample-id 'a b'"
    assert f"baselines run qwen3-8b --base-url http://127.0.0.1:8000/v1 {more}\n" in out
    assert (
        "eval --model vllm:Qwen/Qwen3-8B --model-args tool_parser=hermes --model-args reasoning_parser=deepseek_r1 "
        in out
    )
    found = json.loads(printed(capsys, "baselines", "run", "qwen3-8b", *line, "--json"))
    assert f"{found['then']}\n" in out and f"{found['or']}\n" in out


def test_a_checkpoint_whose_serving_nobody_states_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "baselines", "run", "toolace-2-8b", "--tasks", "desk")
    assert "serve   not stated: " in out and "no commit is known" in out


def test_a_checkpoint_runs_against_the_endpoint_that_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with serving() as peer:
        peer.script = [says("Done.")]
        url = f"http://127.0.0.1:{peer.server_port}/v1"
        line = ["--tasks", str(place / "suite"), "--ground", "replay", "--output", str(tmp_path), "--json"]
        assert main(["baselines", "run", "qwen3-8b", *line, "--base-url", url, "--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert f"{url} decides over tool_parser=hermes, reasoning_parser=deepseek_r1, revision=b968826d" in captured.err
    spec = Run.open(Path(json.loads(captured.out)["run"])).spec()
    assert (spec.model, spec.model_args) == ("openai:Qwen/Qwen3-8B", {"base_url": url})
    assert {body["model"] for body in peer.bodies} == {"Qwen/Qwen3-8B"}


def test_an_entrys_own_settings_are_not_changed(complaint: Complaint) -> None:
    line = ["baselines", "run", "qwen3-8b", "--tasks", "desk", "--base-url", "http://127.0.0.1:9/v1"]
    assert "tool_parser is the entry's own" in complaint(*line, "--model-args", "tool_parser=xlam")
    assert "oracle needs no endpoint" in complaint("baselines", "run", "oracle", *line[3:])


@pytest.mark.parametrize("values", [{"a": "x", "n": 1, "t": True, "o": {"p": {"q": False}}, "z": None}, {}])
def test_model_arguments_are_written_as_they_are_read(values: dict[str, Any]) -> None:
    assert model_args(written(values)) == values


def test_a_value_that_no_option_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be given as options"):
        written({"a": "x,b=y"})


# --- compare ----------------------------------------------------------------------------------------------------------


def test_compare_tests_a_run_against_every_measured_one_of_its_suite(
    own: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(capsys, "baselines", "compare", *run_of(place, "lexical"), "--registry", str(own), "--json")
    found = json.loads(out)
    assert found["left_out"] == {}
    pairs = {(pair["first"], pair["second"]): pair for pair in found["comparison"]["pairs"]}
    assert set(pairs) == {("lexical", "oracle-toy"), ("lexical", "silent-toy")}
    scores = {one["score"]: one for one in pairs["lexical", "oracle-toy"]["contrasts"]}
    assert scores["acc_intent"]["second"]["value"] == 1.0
    assert scores["acc_intent"]["p_adjusted"] >= scores["acc_intent"]["p"]


def test_compare_says_what_it_left_out_and_why(
    own: Path, place: Path, capsys: pytest.CaptureFixture[str], complaint: Complaint
) -> None:
    entry = load_baseline(own / "oracle-toy.yaml")
    assert isinstance(entry, MeasuredBaseline)
    older = entry.spec.model_copy(update={"suite_version": "0-9", "suite_digest": "0" * 64})
    (own / "oracle-toy.yaml").write_text(entry.model_copy(update={"spec": older}).model_dump_json(), encoding="utf-8")
    line = ["baselines", "compare", *run_of(place, "lexical"), "--registry", str(own)]
    assert "not compared: oracle-toy, measured on toy 0-9 (000000000000)" in printed(capsys, *line)
    (own / "silent-toy.yaml").unlink()
    assert "oracle-toy is not one: measured on toy 0-9" in complaint(*line)


def test_a_baseline_of_a_part_of_the_suite_is_compared_on_that_part_and_has_no_faults(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*run_of(place, "silent", "few"), "--name", "few", "--incomplete", *output(tmp_path)]
    assert main(["baselines", "add", *line]) == 0
    capsys.readouterr()
    more = ["--registry", str(tmp_path / "own"), "--json"]
    found = json.loads(printed(capsys, "baselines", "compare", *run_of(place, "oracle"), *more))["comparison"]
    few = next(party for party in found["parties"] if party["name"] == "few")
    assert (few["tasks"], few["attempts"], few["faults"], few["not_ranked"]) == (2, 2, 0, "")
    assert (found["pairs"][0]["tasks"], found["pairs"][0]["unshared"]["tasks_first"]) == (2, 5)


def test_a_run_is_not_compared_with_its_own_entry(own: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "baselines", "compare", *run_of(place, "silent"), "--registry", str(own))
    assert "not compared: silent-toy, this run itself" in out and "oracle-toy" in out


def test_eval_ends_with_the_comparison(
    own: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [word for word in words(place, "runs", "lexical") if word != "--json"]
    out = printed(capsys, *line, "--compare-to", str(own))
    report, _, compared = out.partition("page  rise-bench view")
    assert "silent deviation" in report and "oracle-toy" not in report
    assert "oracle-toy" in compared and "silent-toy" in compared and "Holm p" in compared
    found = json.loads(printed(capsys, *line, "--json", "--compare-to", str(own)))["compared"]
    assert len(found["comparison"]["pairs"]) == 2 and found["problem"] == ""


def test_eval_without_a_measured_baseline_of_its_suite_says_so_and_is_fine(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*words(place, "runs", "lexical"), "--compare-to", "baselines"]
    assert json.loads(printed(capsys, *line))["compared"] == {"comparison": None, "left_out": {}, "problem": ""}
    assert main([word for word in line if word != "--json"]) == 0
    told = [row for row in capsys.readouterr().err.splitlines() if "measured baseline" in row]
    remedy = "rise-bench baselines add RUN --name NAME makes one"
    assert told == [f"no measured baseline of toy 1-0 on ground replay to compare with: {remedy}"]


def test_a_registry_that_cannot_be_read_is_told_before_anything_is_run(
    place: Path, tmp_path: Path, complaint: Complaint
) -> None:
    line = ["eval", "--model", "silent", "--tasks", str(place / "suite"), "--ground", "replay", *output(tmp_path)]
    assert "no such folder of baselines" in complaint(*line, "--compare-to", str(tmp_path / "none"))
    assert not (tmp_path / "own").exists()


def test_a_run_that_cannot_be_compared_is_still_a_run(
    own: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(place / "runs", folder)
    (run,) = [path for path in folder.iterdir() if Run.open(path).spec().model == "lexical"]
    text = (run / "verdicts.jsonl").read_text(encoding="utf-8")
    (run / "verdicts.jsonl").write_text(text.replace('"2-0"', '"1-0"', 1), encoding="utf-8")
    line = [word for word in words(place, "runs", "lexical") if word != "--json"]
    line[line.index("--output") + 1] = str(folder)
    assert main([*line, "--compare-to", str(own)]) == 0
    captured = capsys.readouterr()
    assert "Acc_intent" in captured.out
    assert "not compared: " in captured.err and "one version is needed" in captured.err


def test_the_shipped_folder_is_what_baselines_means(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [*words(place, "runs", "lexical"), "--compare-to"]
    one, other = (json.loads(printed(capsys, *line, given)) for given in ("baselines", str(SHIPPED)))
    assert one["compared"] == other["compared"]
