"""The page of a run: complete in one file, harmless whatever a model wrote, and drawn by a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sample_run

from rise_bench import bench
from rise_bench.runs import Run
from rise_bench.store import LoadedSuite
from rise_bench.types import Assistant, StateChange
from rise_bench.view import LONGEST, attempt_data, page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> LoadedSuite:
    return sample_run.make_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def written(suite: LoadedSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    path = sample_run.make_run(folder, suite, model=f"by-hand {sample_run.HOSTILE}")
    run = Run.open(path)
    attempts = [(suite.tasks[m.task], m, s) for m, s in zip(run.trajectories(), run.scored(), strict=True)]
    target = path / "view.html"
    target.write_text(page(bench.report(path, str(suite.path)), attempts, suite.ground, left_out=3), encoding="utf-8")
    return target


def data(suite: LoadedSuite, task: str, number: int) -> dict[str, Any]:
    made = next(t for t in sample_run.trajectories() if (t.task, t.attempt) == (task, number))
    return attempt_data(suite.tasks[task], made, bench.score_attempt(suite.tasks[task], made, suite), suite.ground)


def test_nothing_is_loaded_from_anywhere(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    own = text[: text.index('<script type="application/json"')]
    assert re.findall(r"""<[^>]*\s(?:src|href|action)\s*=|@import|url\(""", own) == []
    assert "default-src 'none'" in own


def test_model_text_stands_in_the_page_only_escaped(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script") == 2
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_embedded_data_is_json_that_holds_the_text_unchanged(written: Path) -> None:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', written.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    items = json.loads(found[1])
    assert len(items) == 6
    assert "</script><script>" in items[1]["answer"]


def test_calls_are_paired_with_what_they_stand_for(suite: LoadedSuite) -> None:
    item = data(suite, "sample/archive-notes", 1)
    assert [call["partner"] for call in item["calls"]] == [0, 1, None]
    assert [call["partner"] for call in item["reference"]] == [0, 1]
    marked = {(label["name"], label["argument"]) for label in item["labels"]}
    assert {("wrong_value", "/source"), ("wrong_value", "/destination"), ("unrequested_effect", "")} <= marked


def test_critical_parameters_are_marked_in_the_reference(suite: LoadedSuite) -> None:
    reference = data(suite, "sample/archive-notes", 0)["reference"]
    assert [[(name, kind) for name, _, kind in call["arguments"]] for call in reference] == [
        [("path", "")],
        [("source", "path"), ("destination", "path")],
    ]


def test_each_state_leaf_says_what_is_wrong_with_it(suite: LoadedSuite) -> None:
    def marks(number: int) -> dict[str, str]:
        return {leaf["path"]: leaf["mark"] for leaf in data(suite, "sample/archive-notes", number)["state"]}

    assert marks(0) == {"archive/2026/planning.md": "same", "notes/planning.md": "same"}
    assert marks(1) == {
        "archive/2026/planning-old.md": "unasked",
        "archive/2026/planning.md": "missing",
        "log.txt": "unasked",
        "notes/planning-old.md": "unasked",
        "notes/planning.md": "missing",
    }


def test_lines_of_a_changed_text_that_are_not_as_meant_are_shaded(suite: LoadedSuite) -> None:
    task = suite.tasks["sample/archive-notes"]
    meant = StateChange(path="todo.md", before="", after="open\n- van\ndone\n- permits")
    made = StateChange(path="todo.md", before="", after="open\n- permits\n- van\ndone")
    attempt = next(t for t in sample_run.trajectories() if (t.task, t.attempt) == (task.id, 0))
    task, attempt = (
        task.model_copy(update={"reference_state": (meant,)}),
        attempt.model_copy(update={"end_state": (made,)}),
    )
    (leaf,) = attempt_data(task, attempt, bench.score_attempt(task, attempt, suite), suite.ground)["state"]
    assert (leaf["mark"], leaf["odd"]) == ("different", [[3], [1]])


def test_a_fact_stated_beside_a_competing_value_shows_that_value(suite: LoadedSuite) -> None:
    made = sample_run.trajectory(
        sample_run.COUNT,
        *sample_run.call(0, "list", "7 invoices, 9 letters", path="inbox/2026-03"),
        Assistant(content="There are 7 or 9 invoices."),
    )
    item = attempt_data(sample_run.COUNT, made, bench.score_attempt(sample_run.COUNT, made, suite), suite.ground)
    (fact,) = item["asked"]
    assert (fact["stated"], fact["found"], fact["beside"]) == (False, "7", "9")


def test_facts_show_what_was_found_instead(suite: LoadedSuite) -> None:
    right, wrong = (data(suite, "sample/count-invoices", n)["asked"][0] for n in (0, 1))
    assert (right["stated"], right["supported"]) == (True, True)
    assert (wrong["value"], wrong["found"], wrong["stated"]) == ("7", "9", False)


def test_a_fault_is_shown_with_its_reason(suite: LoadedSuite) -> None:
    item = data(suite, "sample/ask-which-date", 1)
    assert item["outcome"] == "fault"
    assert ["fault", "GroundFault: calendar: the server did not start"] in item["facts"]


def test_a_result_of_a_million_characters_is_cut_and_says_so(suite: LoadedSuite) -> None:
    made = sample_run.trajectory(
        sample_run.COUNT,
        *sample_run.call(0, "list", "x" * 1_000_000, path="inbox/2026-03"),
        Assistant(content="7"),
    )
    item = attempt_data(sample_run.COUNT, made, bench.score_attempt(sample_run.COUNT, made, suite), suite.ground)
    assert item["calls"][0]["result"] == "x" * LONGEST + f"\n[{1_000_000 - LONGEST} more characters]"


def browse(url: str, folder: Path, *options: str) -> str:
    """What Chromium says after it drew the page."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
        "--no-first-run", f"--user-data-dir={folder / 'profile'}", *options, url,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=180, check=True
    )
    return done.stdout


@needs_chromium
def test_a_browser_draws_every_attempt_and_runs_no_text_of_a_model(written: Path, tmp_path: Path) -> None:
    drawn = browse(f"{written.as_uri()}#a1", tmp_path, "--virtual-time-budget=10000", "--dump-dom")
    assert drawn.count('<details class="attempt"') == 6
    title = re.search(r"<title>(.*?)</title>", drawn, re.DOTALL)
    assert title is not None
    assert html.unescape(title[1]).startswith("by-hand </script><script>document.title")
    assert "<img" not in drawn
    assert "6 attempts" in drawn


@needs_chromium
def test_the_attempt_that_a_link_names_is_open_with_its_deviations(written: Path, tmp_path: Path) -> None:
    drawn = browse(f"{written.as_uri()}#a3", tmp_path, "--virtual-time-budget=10000", "--dump-dom")
    opened = drawn[drawn.index('id="a3"') :].split('id="a4"')[0]
    for words in ("meant (reference)", "wrong value", "not asked for", "notes/planning-old.md", "Moved the notes."):
        assert words in opened
    assert drawn.count('class="inside"') == 1


@needs_chromium
@pytest.mark.parametrize(("name", "size"), [("wide", "1280,1800"), ("phone", "500,1800")])
def test_a_browser_takes_a_picture_of_the_page(written: Path, tmp_path: Path, name: str, size: str) -> None:
    picture = tmp_path / f"{name}.png"
    browse(written.as_uri(), tmp_path, f"--window-size={size}", f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000  # a blank page of this size is a few kilobytes
