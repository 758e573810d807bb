"""Servers that nobody can evaluate are refused in one line, with nothing written; odd but honest ones are taken."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from rise_bench.cli import main
from rise_bench.ground.contract import load_contract

SERVERS = Path(__file__).parent / "fixtures" / "ground" / "servers"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command puts into the environment ends with its test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def hosts(folder: Path, kind: str) -> Path:
    """A host's JSON that names the bad server."""
    path = folder / "mcp.json"
    server = {"command": sys.executable, "args": [str(SERVERS / "bad.py"), kind]}
    path.write_text(json.dumps({"mcpServers": {"bad": server}}), encoding="utf-8")
    return path


def add(folder: Path, kind: str, *more: str) -> int:
    return main(["ground", "add", str(hosts(folder, kind)), "--to", str(folder / "recipes"), *more])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("silent", "bad: cannot be started: no answer within 1 s"),
        ("leaves", "bad: died: .*while listing its tools; it last wrote: out of memory"),
        ("changes", "bad: changes its tools while it runs: new is new"),
        ("flood", "bad: died: the answer is larger than 16777216 bytes, while listing its tools"),
        ("pages", "bad: its list of tools does not end"),
        ("many", "bad: publishes 3000 tools, more than 2000"),
        ("none", "bad: publishes no tools"),
        ("twins", "bad: publishes more than one tool named 'look'"),
        ("nameless", "bad: publishes a tool named ' '"),
        ("no-schema", "bad: its list of tools is no valid one: tools.0.inputSchema: "),
        ("not-a-schema", "bad: tool 'look': its schema is no JSON Schema: properties/a/type: 'banana' is not valid"),
        ("properties-list", "bad: its list of tools is no valid one: tools.0.inputSchema.properties: "),
        ("array", "bad: its list of tools is no valid one: tools.0.inputSchema.type: Input should be 'object'"),
        ("no-type", "bad: its list of tools is no valid one: tools.0.inputSchema.type: Field required"),
        ("dangling", "bad: tool 'look': its schema refers to '#/\\$defs/gone', which is not there"),
        ("remote-ref", "bad: tool 'look': its schema refers to 'https://example.org/a.json', and nothing is fetched"),
    ],
)
def test_a_server_that_cannot_be_frozen_is_refused_in_one_line_and_nothing_is_written(
    kind: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patience = "1" if kind == "silent" else "30"
    assert add(tmp_path, kind, "--start-seconds", patience) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert re.search(why, said[0]), said
    assert not (tmp_path / "recipes").exists()


@pytest.mark.parametrize("kind", ["talks", "odd-names", "recursive", "no-type-within", "dies", "floods"])
def test_a_server_that_is_only_odd_is_added(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(tmp_path, kind, "--json") == 0
    (added,) = json.loads(capsys.readouterr().out)["added"]
    contract = load_contract("bad", tmp_path / "recipes" / "contracts")
    assert contract is not None
    assert len(contract.server.tools) == added["tools"] > 0
    told = "\n".join(added["told"])
    assert ("'größe messen'" in told) == (kind == "odd-names")
    assert ("segmentation fault" in told) == (kind == "dies")


def test_an_invalid_schema_is_taken_as_it_is_where_that_is_asked_for(tmp_path: Path) -> None:
    assert add(tmp_path, "dangling", "--force") == 0
    contract = load_contract("bad", tmp_path / "recipes" / "contracts")
    assert contract is not None
    assert "$ref" in json.dumps(contract.server.tools[0].parameters)


def test_of_several_servers_those_that_can_be_added_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = ({"command": sys.executable, "args": [str(SERVERS / "bad.py"), kind]} for kind in ("well", "none"))
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"bad": bad, "good": good}}), encoding="utf-8")
    assert main(["ground", "add", str(path), "--to", str(tmp_path / "recipes")]) == 2
    assert "error: bad was not added: bad: publishes no tools" in capsys.readouterr().err
    assert [entry.name for entry in (tmp_path / "recipes").glob("*.yaml")] == ["good.yaml"]
