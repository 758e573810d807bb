"""`doctor` looks at this machine; needs no key and no network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from rise_bench.cli import main
from rise_bench.ground.sandbox import means
from rise_bench.ground.trial import WALLS

NAMES = {"Python", "node", "npm", "git", "uv", "bubblewrap", "faketime", "chromium", "servers' folder", "runs' folder"}
NAMES |= {f"sandbox: {name}" for name in WALLS}


def findings(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = main(["doctor", "--json", *words])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] == (code == 0)
    return code, {item["name"]: item for item in found["findings"]}


def test_everything_is_looked_at_and_what_is_not_there_has_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = findings(capsys)
    assert set(found) >= NAMES
    assert "server filesystem" in found
    lacking = [item for item in found.values() if item["state"] != "ok" and not item["name"].startswith("server ")]
    assert [item["name"] for item in lacking if not item["remedy"]] == []


def test_a_bare_machine_lacks_something_needed_and_is_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    means.cache_clear()
    try:
        code, found = findings(capsys)
    finally:
        means.cache_clear()
    assert code == 1
    assert found["bubblewrap"]["state"] != "ok"
    assert found["sandbox: network"]["state"] != "ok"
    assert "loopback answers" in found["sandbox: network"]["found"]
    assert {found[name]["state"] for name in ("node", "npm", "git")} == {"missing"}
    assert found["chromium"]["state"] == "degraded"


def test_a_folder_that_cannot_be_written_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RISE_BENCH_CACHE", "/proc/nowhere")
    code, found = findings(capsys)
    assert code == 1
    assert found["servers' folder"]["state"] == "missing"
    assert "RISE_BENCH_CACHE" in found["servers' folder"]["remedy"]


def test_servers_that_are_not_installed_yet_are_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path))
    _, found = findings(capsys)
    assert found["server filesystem"]["state"] == "degraded"
    assert "installed on first use" in found["server filesystem"]["found"]


def test_a_suite_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = findings(capsys, "--tasks", "nowhere")
    assert code == 1
    assert "nowhere" in found["suite"]["found"]


def test_the_table_ends_with_the_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor"])
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last == ("all that is needed is there" if code == 0 else "something needed is missing")


def test_a_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    main(["doctor"])
    assert "very-secret" not in capsys.readouterr().out


def suite_of(folder: Path, **recipe: object) -> Path:
    """A suite with one server of its own."""
    (folder / "recipes").mkdir()
    (folder / "suite.yaml").write_text("servers: [mine]\n", encoding="utf-8")
    entry = {"name": "mine", "command": "mine", **recipe}
    (folder / "recipes" / "mine.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    return folder


def test_a_program_that_a_server_needs_is_missing_with_its_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = suite_of(tmp_path, needs={"no-such-server": "no-such-package", "sh": "dash"})
    code, found = findings(capsys, "--tasks", str(suite))
    assert code == 1
    assert (found["no-such-server"]["state"], found["no-such-server"]["remedy"]) == (
        "missing",
        "apt-get install no-such-package",
    )
    assert "sh" not in found


@pytest.mark.parametrize(("version", "state"), [("v18.19.1", "degraded"), ("v20.19.0", "ok"), ("v22.3.0", "ok")])
def test_a_node_that_is_too_old_is_said(
    version: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    _, found = findings(capsys)
    assert found["node"]["state"] == state
    assert ("install Node.js 20.19 or newer" in found["node"]["remedy"]) == (state != "ok")


@pytest.mark.parametrize("output", ["afile", "afile/runs"])
def test_a_runs_folder_that_is_a_file_is_missing(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "afile").touch()
    code, found = findings(capsys, "--output", str(tmp_path / output))
    assert code == 1
    assert "is no folder" in found["runs' folder"]["found"]
