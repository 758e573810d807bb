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
from rise_bench.ground.contract import (
    CONTRACTS,
    effect_of,
    load_contract,
    make_contract,
    unknown_effects,
    write_contract,
)
from rise_bench.ground.probes import Probed, load_probes
from rise_bench.ground.recipe import Recipe
from rise_bench.store import load_suite

DAY = date(2026, 1, 1)

PROBES = [
    {"tool": "write", "arguments": {"path": "notes/today.txt", "text": "milk"}, "save": "written"},
    {"tool": "echo", "arguments": {"again": {"$find": ["written", r"wrote (\S+)"]}}},
    {"tool": "fails", "fails": True},
]


def probes_in(folder: Path, rows: object) -> Path:
    path = folder / "probes" / "odd" / "probes.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
    return folder


def own_entry(folder: Path, recipe: Recipe | None = None) -> Path:
    """The file of an entry in a folder of one's own."""
    recipe = recipe or odd_recipe()
    path = folder / f"{recipe.name}.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return path


def checked(folder: Path, recipe: Recipe | None = None) -> Checked:
    (found,) = check_servers([(recipe or odd_recipe(), folder)])
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
    server = contract.server.model_copy(update={"tools": tools})
    write_contract(
        contract.model_copy(update={"server": server, "server_digest": server.digest()}), folder / "contracts"
    )
    again = checked(folder)
    assert again.drift is not None
    assert len(again.drift) == 1
    assert "echo" in again.drift[0]
    assert not again.ok


def test_a_tool_that_is_recorded_to_read_and_changes_something_is_a_finding(tmp_path: Path) -> None:
    folder = probes_in(tmp_path, PROBES)
    found = checked(folder)
    assert found.probed is not None
    contract = make_contract(found.recipe, found.probed, DAY)
    tools = tuple(
        tool.model_copy(update={"effect": "read"}) if tool.name == "write" else tool for tool in contract.server.tools
    )
    server = contract.server.model_copy(update={"tools": tools})
    recorded = contract.model_copy(update={"server": server, "server_digest": server.digest()})
    write_contract(recorded, folder / "contracts")
    again = checked(folder)
    assert again.drift == ("write: is recorded to read, and changed notes/today.txt",)
    assert not again.ok


@pytest.mark.parametrize(
    ("binding", "finding"),
    [
        ({"$find": ["written", "("]}, "is no regular expression"),
        ({"$find": ["written", "yoghurt"]}, "finds nothing"),
        ({"$find": ["written", "wrote|(yoghurt)"]}, "finds nothing"),
        ({"$number": ["written", r"wrote (\S+)"]}, "which is no whole number"),
        ({"$find": ["nothing", "a"]}, "nothing is saved as 'nothing'"),
    ],
)
def test_a_probe_that_binds_to_what_is_not_there_is_a_problem_in_words(
    tmp_path: Path, binding: dict[str, object], finding: str
) -> None:
    found = checked(probes_in(tmp_path, [PROBES[0], {"tool": "echo", "arguments": {"a": binding}}]))
    assert finding in found.problem
    assert "probe of echo" in found.problem


def test_a_server_without_tools_is_judged_without_a_share_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_entry(tmp_path)
    empty = make_contract(odd_recipe(), Probed((), 0.1, 1.0), DAY)
    write_contract(empty, tmp_path / "contracts")
    assert main(["ground", "ls", "--criteria", "--json", "--recipes", str(tmp_path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["server"], row["standardisation"]) == ("odd", None)


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


def test_a_call_that_changed_nothing_does_not_make_a_tool_a_reader(tmp_path: Path) -> None:
    folder = probes_in(tmp_path, [{"tool": "echo"}])
    recipe = odd_recipe()
    probed = checked(folder, recipe).probed
    assert probed is not None
    silent = [tool.model_copy(update={"annotations": {}}) for tool in probed.tools]
    probed.tools = tuple(silent)
    contract = make_contract(recipe, probed, DAY)
    (echo,) = (tool for tool in contract.server.tools if tool.name == "echo")
    assert (echo.effect, contract.seen["echo"].ok, contract.seen["echo"].basis) == ("unknown", 1, ())
    assert unknown_effects(contract).startswith("not known whether they read or write: ")
    stated = recipe.model_copy(update={"effects": {"echo": "read"}})
    assert make_contract(stated, probed, DAY).seen["echo"].basis == ("stated", "observed")
    assert all(effect_of(recipe, tool) == "unknown" for tool in silent), "as a suite's ground is frozen"


def test_a_contract_that_was_edited_by_hand_is_refused_and_can_be_recorded_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = own_entry(probes_in(tmp_path, PROBES))
    assert main(["ground", "record", str(entry)]) == 0
    path = tmp_path / "contracts" / "odd.json"
    contract = load_contract("odd", path.parent)
    assert contract is not None
    assert contract.server_digest in "".join(capsys.readouterr().out.split())
    assert main(["ground", "ls", str(entry)]) == 0
    assert f"digest {contract.server_digest}" in " ".join(capsys.readouterr().out.split())
    path.write_text(path.read_text(encoding="utf-8").replace('"effect": "write"', '"effect": "read"'), encoding="utf-8")
    for words in (["check", str(entry)], ["diff", "odd", "--recipes", str(tmp_path)], ["ls", str(entry)]):
        assert main(["ground", *words]) != 0
        said = capsys.readouterr()
        assert "edited by hand" in " ".join((said.out + said.err).split())
    with pytest.raises(InputError, match=f"edited by hand.*ground record odd --recipes {tmp_path}"):
        load_contract("odd", path.parent)
    assert main(["ground", "record", "odd", "--recipes", str(tmp_path)]) == 0
    assert main(["ground", "check", str(entry)]) == 0


def test_a_recipe_file_brings_the_probes_and_the_contract_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under a name that the catalogue has, too: the installed package is neither read nor written."""
    recipe = odd_recipe(name="time")
    probes_in(tmp_path, PROBES)
    (tmp_path / "probes" / "odd").rename(tmp_path / "probes" / "time")
    shipped = (CONTRACTS / "time.json").read_bytes()
    entry = own_entry(tmp_path, recipe)
    assert main(["ground", "check", str(entry), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["calls"], row["drift"]) == (len(PROBES), "not recorded")
    assert main(["ground", "diff", str(entry)]) == 1
    assert "is not recorded" in capsys.readouterr().out
    assert main(["ground", "record", str(entry)]) == 0
    assert (CONTRACTS / "time.json").read_bytes() == shipped
    contract = load_contract("time", tmp_path / "contracts")
    assert contract is not None
    assert contract.seen["write"].ok == 1
    assert main(["ground", "diff", str(entry)]) == 0
    assert "1 as recorded" in capsys.readouterr().out


def test_an_entry_of_ones_own_is_shown_with_its_tools_and_no_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_entry(probes_in(tmp_path, PROBES))
    assert main(["ground", "record", "--recipes", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    for words in (["odd", "--recipes", "."], ["odd.yaml"]):
        assert main(["ground", "ls", *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.rstrip() for line in lines[:2]] == ["odd", "no licence stated"]
        assert any(line.startswith("echo ") for line in lines)


def test_programs_that_are_missing_are_named_in_one_line_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, needs in (("one", {"no-such-b": "pack-b", "sh": "dash"}), ("two", {"no-such-a": "pack-a"})):
        own_entry(tmp_path, odd_recipe(name=name, needs=needs))
    for command in ("check", "record"):
        assert main(["ground", command, "--recipes", str(tmp_path)]) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last == "programs are missing: apt-get install pack-a pack-b"


def test_a_suite_on_servers_without_a_permissive_licence_is_told_that_it_may_not_be_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "tasks").mkdir()
    own_entry(tmp_path / "recipes", odd_recipe(name="copyleft", license="AGPL-3.0-only"))
    own_entry(tmp_path / "recipes", odd_recipe(name="free", license="MIT"))
    (tmp_path / "suite.yaml").write_text("servers: [copyleft, free]\n", encoding="utf-8")
    task = {"id": "a/b", "request": "Nothing.", "servers": ["free"], "kind": "no_call"}
    (tmp_path / "tasks" / "a.yaml").write_text(yaml.safe_dump([task]), encoding="utf-8")
    main(["tasks", "check", str(tmp_path), "--refreeze"])
    said = capsys.readouterr().err.splitlines()
    assert (
        "warning: the suite can be used but may not be released, for the licences of copyleft (AGPL-3.0-only)" in said
    )


def test_a_server_that_does_not_start_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    dead = odd_recipe(name="dead", command=str(Path(sys.executable).resolve()), args=(str(SERVERS / "none.py"),))
    found = {one.recipe.name: one for one in check_servers([(dead, tmp_path), (odd_recipe(), tmp_path)])}
    assert found["dead"].probed is None
    assert "cannot be started" in found["dead"].problem
    assert "\n" not in found["dead"].problem
    assert found["odd"].ok


def test_a_reset_that_leaves_something_behind_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = probes_in(tmp_path, [{"tool": "count"}])
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
        load_probes(probes_in(tmp_path, rows) / "probes" / "odd")
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
