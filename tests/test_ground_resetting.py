"""A claim on how a server is reset is tried: what serves again must serve as a new process does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ground_kit import odd_recipe

from rise_bench.ground.install import Installed
from rise_bench.ground.probes import Made, Probe
from rise_bench.ground.resetting import Reset, check_reset, unlike

NOWHERE = Installed(None, None, None)


def probes(folder: Path, *rows: dict[str, object]) -> Path:
    (folder / "probes.yaml").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "files").mkdir()
    (folder / "files" / "a.txt").write_text("first", encoding="utf-8")
    return folder


def reset(folder: Path, start: str, **claim: object) -> Reset:
    return check_reset(odd_recipe(start, **claim), NOWHERE, folder)


def test_a_server_without_a_memory_is_reset_by_a_wipe(tmp_path: Path) -> None:
    folder = probes(tmp_path, {"tool": "write", "arguments": {"path": "b.txt", "text": "x"}}, {"tool": "echo"})
    found = reset(folder, "well", reset="wipe")
    assert (found.claimed, found.probes, found.possible, found.holds, found.against) == ("wipe", 2, "wipe", True, ())


def test_a_server_that_counts_its_calls_is_not_reset_by_a_wipe_but_may_start_early(tmp_path: Path) -> None:
    folder = probes(tmp_path, {"tool": "count"}, {"tool": "echo"})
    found = reset(folder, "well", reset="wipe")
    assert (found.possible, found.holds) == ("early", False)
    assert found.against == ("count (probe 1): '2' instead of '1'",)
    assert reset(folder, "well", reset="restart", early=True).holds


def test_a_result_that_a_later_probe_cannot_bind_to_speaks_against_the_claim(tmp_path: Path) -> None:
    again = {"tool": "echo", "arguments": {"n": {"$find": ["first", "^1$"]}}}
    found = reset(probes(tmp_path, {"tool": "count", "save": "first"}, again), "well", reset="wipe")
    assert (found.possible, found.against) == ("early", ("count (probe 1): not answered",))


@pytest.mark.parametrize("claim", [{"reset": "wipe"}, {"reset": "restart", "early": True}])
def test_a_server_that_reads_its_folder_when_it_starts_is_kept_only_for_the_same_files(
    tmp_path: Path, claim: dict[str, object]
) -> None:
    folder = probes(tmp_path, {"tool": "found_at_start"})
    found = reset(folder, "well", **claim)
    assert (found.possible, found.holds) == ("refill", False)
    assert found.against == ("found_at_start (probe 1): '[]' instead of '[\"a.txt\"]'",)
    assert reset(folder, "well", reset="refill").holds
    assert reset(folder, "well", reset="restart").holds


def test_a_server_that_remembers_calls_and_files_can_only_be_restarted(tmp_path: Path) -> None:
    found = reset(probes(tmp_path, {"tool": "count"}, {"tool": "found_at_start"}), "well", reset="refill")
    assert (found.possible, found.against) == ("restart", ("count (probe 1): '2' instead of '1'",))


def test_without_probes_nothing_is_claimed_to_be_shown(tmp_path: Path) -> None:
    assert reset(tmp_path, "well", reset="wipe").probes == 0


def made(text: str, status: str = "ok", changed: tuple[str, ...] = ()) -> list[Made]:
    return [Made(Probe(tool="t"), status, text, changed, 1.0)]


@pytest.mark.parametrize(
    ("one", "two", "other", "same"),
    [
        ("id 81f3, 4 rows", "id 09aa, 4 rows", "id 77bc, 4 rows", True),
        ("id 81f3, 4 rows", "id 09aa, 4 rows", "id 77bc, 5 rows", False),
        ("4 rows", "4 rows", "5 rows", False),
        ("a\nb", "a\nb", "a\nb", True),
        ("(x", "(y", "(z", True),
        ("k xx, 4", "k yy, 4", "k 4", False),
        ("at 10:00:01", "at 10:00:01", "at 10:00:02.5", True),
    ],
)
def test_what_differs_between_two_new_processes_is_not_compared(one: str, two: str, other: str, same: bool) -> None:
    assert (unlike([made(one), made(two)], made(other)) == ()) == same


def test_long_random_texts_are_compared_where_they_agree() -> None:
    def rows(step: int, last: str) -> str:
        return " ".join([*(f"row {n}: {n * step % 9973}" for n in range(120)), last])

    new = [made(rows(31, "end")), made(rows(57, "end"))]
    assert unlike(new, made(rows(73, "end"))) == ()
    assert unlike(new, made(rows(73, "more"))) != ()
    assert unlike(new, made(rows(73, "end").replace("row 100", "column 100"))) != ()


def test_what_is_random_in_a_way_that_two_runs_do_not_show_is_told_by_a_third() -> None:
    two = [made("[a, b, c]"), made("[b, a, c]")]
    assert unlike(two, made("[c, b, a]"))
    assert unlike([*two, made("[c, a, b]")], made("[c, b, a]")) == ()


def test_status_changes_and_silence_are_compared_too() -> None:
    assert "tool_error instead of ok" in unlike([made("a"), made("a")], made("a", "tool_error"))[0]
    assert "changes ['x']" in unlike([made("a"), made("a")], made("a", changed=("x",)))[0]
    assert unlike([made("a"), made("a")], []) == ("t (probe 1): not answered",)
