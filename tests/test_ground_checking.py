"""Servers of the catalogue, started and called: what differs from the record is a finding with a reason."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from ground_kit import SERVERS, odd_recipe

from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.ground.checking import Checked, check_servers
from rise_bench.ground.contract import make_contract, write_contract
from rise_bench.ground.probes import load_probes
from rise_bench.ground.recipe import Recipe
from rise_bench.store import load_suite

DAY = date(2026, 1, 1)

PROBES = [
    {"tool": "write", "arguments": {"path": "notes/today.txt", "text": "milk"}, "save": "written"},
    {"tool": "echo", "arguments": {"again": {"$find": ["written", r"wrote (\S+)"]}}},
    {"tool": "fails", "fails": True},
]


def probes_in(folder: Path, rows: object) -> Path:
    path = folder / "odd" / "probes.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
    return folder


def checked(folder: Path, recipe: Recipe | None = None) -> Checked:
    (found,) = check_servers([recipe or odd_recipe()], probes=folder, contracts=folder / "contracts")
    return found


def test_probes_run_in_order_and_show_what_changed(tmp_path: Path) -> None:
    found = checked(probes_in(tmp_path, PROBES))
    assert found.probed is not None
    assert [(made.probe.tool, made.status) for made in found.probed.made] == [
        ("write", "ok"),
        ("echo", "ok"),
        ("fails", "tool_error"),
    ]
    assert found.probed.made[0].changed == ("notes/today.txt",)
    assert "notes/today.txt" in found.probed.made[1].text
    assert found.probed.memory_mb > 1
    assert found.probed.start_seconds > 0
    assert (found.ok, found.drift, found.problem) == (True, None, "")


def test_a_probe_that_does_otherwise_is_a_finding(tmp_path: Path) -> None:
    found = checked(probes_in(tmp_path, [{"tool": "fails"}, {"tool": "echo", "fails": True}]))
    assert [made.probe.tool for made in found.unlike] == ["fails", "echo"]
    assert not found.ok


def test_a_failure_told_as_text_is_one(tmp_path: Path) -> None:
    rows = [{"tool": "echo", "arguments": {"status": "no such row"}, "fails": True}]
    folder = probes_in(tmp_path, rows)
    assert not checked(folder).ok
    recipe = odd_recipe(failures=("no such row",))
    found = checked(folder, recipe)
    assert found.ok
    assert found.probed is not None
    contract = make_contract(recipe, found.probed, DAY)
    assert (contract.seen["echo"].failed, contract.seen["echo"].as_text) == (1, 1)


def test_drift_from_the_record_is_told_in_words(tmp_path: Path) -> None:
    folder = probes_in(tmp_path, PROBES)
    found = checked(folder)
    assert found.probed is not None
    contract = make_contract(found.recipe, found.probed, DAY)
    write_contract(contract, folder / "contracts")
    assert checked(folder).drift == ()
    tools = tuple(tool for tool in contract.server.tools if tool.name != "echo")
    write_contract(
        contract.model_copy(update={"server": contract.server.model_copy(update={"tools": tools})}),
        folder / "contracts",
    )
    again = checked(folder)
    assert again.drift is not None
    assert len(again.drift) == 1
    assert "echo" in again.drift[0]
    assert not again.ok


def test_effects_rest_on_what_was_seen_then_on_the_entry_then_on_the_annotation(tmp_path: Path) -> None:
    folder = probes_in(tmp_path, PROBES)
    recipe = odd_recipe(effects={"write": "read", "fails": "write"})
    found = checked(folder, recipe)
    assert found.probed is not None
    contract = make_contract(recipe, found.probed, DAY)
    effects = {tool.name: tool.effect for tool in contract.server.tools}
    assert (effects["write"], contract.seen["write"].basis, contract.seen["write"].contradicted) == (
        "write",
        ("observed", "annotation"),
        ("stated",),
    )
    assert (effects["fails"], contract.seen["fails"].basis) == ("write", ("stated",))
    assert contract.seen["fails"].contradicted == ("annotation",)


def test_a_server_that_does_not_start_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    dead = odd_recipe(name="dead", command=str(Path(sys.executable).resolve()), args=(str(SERVERS / "none.py"),))
    found = {one.recipe.name: one for one in check_servers([dead, odd_recipe()], probes=tmp_path, contracts=tmp_path)}
    assert found["dead"].probed is None
    assert "cannot be started" in found["dead"].problem
    assert "\n" not in found["dead"].problem
    assert found["odd"].ok


def test_a_reset_that_leaves_something_behind_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = probes_in(tmp_path / "probes", [{"tool": "count"}])
    recipe = odd_recipe("well", reset="wipe")
    (tmp_path / "odd.yaml").write_text(recipe.model_dump_json(exclude_defaults=True), encoding="utf-8")
    assert checked(folder, recipe).ok, "not asked"
    assert main(["ground", "check", "--recipes", str(tmp_path), "--reset", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["problem"] == "not clean after `wipe`, use `early`: count (probe 1): '2' instead of '1'"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ({"tool": "echo"}, "is no list of probes"),
        ([{"tool": "echo", "argument": {}}], "probe 1: argument: Extra inputs are not permitted"),
        ([{"arguments": {}}], "probe 1: tool: Field required"),
    ],
)
def test_a_file_that_holds_no_probes_is_named(tmp_path: Path, rows: object, why: str) -> None:
    with pytest.raises(InputError) as caught:
        load_probes(probes_in(tmp_path, rows) / "odd")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"a": {"$ref": ["nothing", "/a"]}}, "nothing is saved as 'nothing'"),
        ({"a": {"$find": ["written", "no such text"]}}, "finds nothing in"),
    ],
)
def test_a_probe_that_binds_to_nothing_is_named(tmp_path: Path, arguments: object, why: str) -> None:
    found = checked(probes_in(tmp_path, [PROBES[0], {"tool": "echo", "arguments": arguments}]))
    assert why in found.problem


@pytest.mark.servers
@pytest.mark.slow
def test_the_desks_servers_are_as_they_were_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    names = [server.name for server in load_suite("desk").ground.servers]
    code = main(["ground", "check", *names, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["server"], row["drift"], row["problem"]) for row in rows] == [
        (name, "none", "") for name in sorted(names)
    ]
    assert code == 0
    assert all(row["called"] == row["tools"] for row in rows)
