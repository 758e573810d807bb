"""The whole of `rise-bench synth` on real servers: to its end, again, stopped and killed, and on bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from synth_kit import Said, changed, contents, copied_recipe, lines_in, made_in, process, read, rows_of, synth

ONE_EACH = {"verify", "reproduce", "ground", "recover"}
"""Stages in which an input becomes one thing or one line that says why not."""
WORDS = ["worlds listed", "proposed", "verified", "composed", "reproduced", "grounded", "in words", "recoverable"]
WORDS += ["parted", "twins", "twins chosen", "with departures", "departures balanced", "departures not given away"]
WORDS += ["departures kept"]
HANDED_ON = {
    **{"proposed": "verified", "composed": "reproduced", "reproduced": "grounded", "grounded": "in words"},
    **{"in words": "recoverable", "recoverable": "parted", "twins": "twins chosen"},
    **{"departures balanced": "departures not given away", "departures not given away": "departures kept"},
}
"""Levels of the funnel of which one takes all that the other made."""
DISTINCT = ("chains", "requests", "contexts", "systems", "operators", "mutants")
"""What is counted beside the rows, in the order in which it is printed."""

pytestmark = [pytest.mark.servers, pytest.mark.slow]


class Whole(NamedTuple):
    """A synthesis that nothing disturbed."""

    recipe: Path
    folder: Path
    said: Said


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_recipe(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    output = tmp_path_factory.mktemp("whole")
    running = process(recipe, output)
    out, errors = running.communicate()
    assert running.returncode == 0, errors
    return Whole(recipe, made_in(output), Said(0, out, errors))


@pytest.fixture(scope="module")
def levels(whole: Whole) -> dict[str, dict[str, Any]]:
    """The funnel, by what comes out of each level."""
    told = json.loads((whole.folder / "funnel.json").read_text(encoding="utf-8"))["levels"]
    return {level["word"]: level for level in told}


# --- to its end -------------------------------------------------------------------------------------------------------


def test_whatever_came_in_came_out_or_has_a_line_that_says_why_not(
    whole: Whole, levels: dict[str, dict[str, Any]]
) -> None:
    assert list(levels) == WORDS
    for word, level in levels.items():
        file = whole.folder / f"{level['stage']}.jsonl"
        if file.exists():
            rows = rows_of(file)
            gone = [one for row in rows for one in row["dropped"]]
            assert (len(rows), sum(len(row["made"]) for row in rows)) == (level["inputs"], level["made"]), word
            assert all(row["made"] or row["dropped"] for row in rows), word
        else:
            gone = read(whole.folder / f"{word.replace(' ', '-')}.dropped.jsonl")
            assert level["made"] + len(gone) == level["inputs"], word
        assert Counter(one["reason"] for one in gone) == level["dropped"], word
        assert all(one["reason"] and one["what"] for one in gone), word
        if level["stage"] in ONE_EACH:
            assert level["made"] + len(gone) == level["inputs"], word
    for word in ("verified", "grounded", "in words", "twins", "twins chosen", "with departures"):
        assert levels[word]["dropped"], f"this recipe tries {word} on nothing that is refused"


def test_each_level_begins_with_all_that_the_one_before_made(whole: Whole, levels: dict[str, dict[str, Any]]) -> None:
    assert {later: levels[later]["inputs"] for later in HANDED_ON.values()} == {
        later: levels[word]["made"] for word, later in HANDED_ON.items()
    }
    recovered = [one["draft"] for row in rows_of(whole.folder / "recover.jsonl") for one in row["made"]]
    chains = {json.dumps(draft["chain"]["calls"], sort_keys=True) for draft in recovered}
    assert len(chains) + levels["twins chosen"]["made"] == levels["with departures"]["inputs"]
    rejected = [lesson["rejected"] for row in rows_of(whole.folder / "negate.jsonl") for lesson in row["made"]]
    assert sum(map(len, rejected)) == levels["departures balanced"]["inputs"] > 0


def test_rows_and_what_is_distinct_in_them_are_counted_as_they_stand_in_the_files(whole: Whole) -> None:
    counts = json.loads((whole.folder / "training" / "counts.json").read_text(encoding="utf-8"))
    kinds = [(one["kind"], one["part"]) for one in counts]
    assert sorted(kinds) == [(kind, part) for kind in ("pairs", "trajectories") for part in ("dev", "train")]
    for one in counts:
        rows = read(whole.folder / "training" / f"{one['kind']}.{one['part']}.jsonl")
        said = [row.get("messages") or row["prompt"] for row in rows]
        places = [row["id"].rsplit("-", 2 if one["kind"] == "trajectories" else 3) for row in rows]
        assert one["rows"] == len({row["id"] for row in rows}) > 0
        assert one["chains"] == len({place[0] for place in places})
        assert one["systems"] == len({some[0]["content"] for some in said})
        assert one["requests"] == len({some[1]["content"].casefold() for some in said})
        assert one["contexts"] == len({frozenset(row["tools"]) for row in rows})
        if one["kind"] == "pairs":
            assert one["operators"] == len({row["operator"] for row in rows})
            assert one["mutants"] == len({(place[0], place[-1]) for place in places})
            assert all(row["chosen"] != row["rejected"] for row in rows)
        told = [str(one[name]) for name in ("kind", "part", "rows", *DISTINCT)]
        assert told in [line.split() for line in whole.said.out.splitlines()], "not as it was printed"


# --- again ------------------------------------------------------------------------------------------------------------


def test_the_same_command_again_starts_no_server_and_changes_no_byte(
    whole: Whole, levels: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path / "no servers here"))
    before = contents(whole.folder)
    again = synth(whole.recipe, whole.folder.parent, "--json")
    assert again.code == 0, again.errors
    assert contents(whole.folder) == before
    assert list(tmp_path.iterdir()) == []
    told = json.loads(again.out)
    assert told["funnel"] == list(levels.values())
    assert told["rows"] == json.loads(before["training/counts.json"])


def kept(folder: Path) -> dict[str, Any]:
    """A synthesis without what hangs on the order in which threads finish: rows and runs as sets, all else as it is."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name == "runs.jsonl":
            found[name] = sorted(row["key"] for row in read(path))
        elif path.parent == folder and path.suffix == ".jsonl" and rows_of(path):
            found[name] = sorted(json.dumps(row, sort_keys=True) for row in rows_of(path))
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def killed(recipe: Path, output: Path, stage: str) -> None:
    """Run until the stage has rows, then kill all processes of the run."""
    running = process(recipe, output, "--concurrency", "3")
    file = made_in(output) / f"{stage}.jsonl"
    try:
        while not lines_in(file):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert not (file.parent / "training" / "counts.json").exists(), "it was finished before it could be killed"


def test_limited_and_stopped_after_a_stage_then_killed_in_two_others_it_ends_with_the_same_bytes(
    whole: Whole, tmp_path: Path
) -> None:
    stopped = synth(whole.recipe, tmp_path, "--until", "verify", "--limit", "2")
    folder = made_in(tmp_path)
    assert stopped.code == 1
    assert stopped.errors.splitlines()[-1] == "stopped: after the stage verify, as asked"
    assert 0 < len(rows_of(folder / "verify.jsonl")) < len(rows_of(whole.folder / "verify.jsonl"))
    assert not (folder / "compose.jsonl").exists()
    told = json.loads((folder / "funnel.json").read_text(encoding="utf-8"))["levels"]
    assert [level["word"] for level in told] == WORDS[:3]
    for stage in ("ground", "negate"):
        killed(whole.recipe, tmp_path, stage)
    ended = synth(whole.recipe, tmp_path)
    assert ended.code == 0, ended.errors
    found, wanted = kept(folder), kept(whole.folder)
    assert {name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)} == set()
    assert len(set(found["runs.jsonl"])) == len(found["runs.jsonl"]), "something was executed twice"


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda value: value.update(chians={}), "chians"),
        (lambda value: value["chains"].update(per_wrold=3), "chains.per_wrold"),
        (lambda value: value["worlds"][0].update(setup="shde"), "fixture 'shde'"),
        (lambda value: value["worlds"][0].update(servers=["todo"]), "'todo'"),
        (lambda value: value.update(servers=["memory", "tme"]), "'tme'"),
        (lambda value: value.update(servers=["memory", "todo"]), "'todo'"),
        (lambda value: value["worlds"][0].update(now="noon"), "'noon'"),
        (lambda value: value["splits"].update(apart_from=["dsek"]), "dsek"),
        (lambda value: value["requests"].update(author="nobody"), "'nobody'"),
        (lambda value: value["negatives"].update(mutations=["nobody"]), "'nobody'"),
    ],
    ids=[
        "key",
        "key inside",
        "fixture",
        "world's server",
        "no server",
        "not frozen",
        "clock",
        "suite",
        "author",
        "mutation",
    ],
)
def test_bad_input_is_one_line_with_file_place_and_remedy_and_writes_nothing(
    whole: Whole, tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str
) -> None:
    output = Path(shutil.copytree(whole.folder.parent, tmp_path / "out"))
    bad = changed(whole.recipe, change)
    before = contents(output), contents(bad.parent)
    said = synth(bad, output, "--until", "entities")
    assert (contents(output), contents(bad.parent)) == before
    assert (said.code, said.out) == (2, "")
    line, remedy = said.errors.splitlines()
    assert line.startswith(f"error: {bad}")
    assert named in line
    assert remedy.startswith("  remedy: ")
