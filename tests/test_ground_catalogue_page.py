"""What the catalogue's page says in words: counts, programs to install; and what its entries say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

from rise_bench.ground.criteria import entries

PAGE = Path(__file__).resolve().parent.parent / "docs" / "catalogue.md"
OURS = {"openapi-awslabs", "openapi-ivotoby", "everything"}
"""Two bridges to a toy shop of ours, and the test server of the MCP project."""

NEVER = {("chrome-devtools", "lighthouse_audit"), ("pcap", "analyze_geo_asn_mapping")}
"""Not even tried: the first never ends and takes its server with it, the second asks for every address a service that
cannot be reached."""


def test_the_page_counts_servers_and_tools_with_and_without_those_that_open_nothing_real() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = entries()
    real = [entry for entry in found if entry.recipe.name not in OURS]
    for some in (found, real):
        tools = sum(len(entry.contract.server.tools) for entry in some if entry.contract)
        assert f"{len(some)} servers, {tools} tools, {sum(entry.called for entry in some)} called" in text


def test_the_page_shows_a_check_of_every_server_with_its_date() -> None:
    block = PAGE.read_text(encoding="utf-8").split("<!-- check -->")[1].split("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines() if line.startswith("|")][2:]
    recorded = [
        [entry.recipe.name, str(len(entry.contract.server.tools)), str(entry.called)]
        for entry in entries()
        if entry.contract
    ]
    assert [[name, tools, called] for name, _, tools, called, *_ in rows] == recorded
    assert re.search(rf"^{len(recorded)} servers, .* with findings\. \d{{4}}-\d\d-\d\d\.$", block, re.MULTILINE)


def test_the_page_installs_every_program_that_a_server_needs() -> None:
    packages = sorted({package for entry in entries() for package in entry.recipe.needs.values()})
    assert f"apt-get install {' '.join(packages)}\n" in PAGE.read_text(encoding="utf-8")


def test_benchmarks_are_a_source_only_where_one_is_named() -> None:
    known = {e.recipe.name: e.recipe.popularity for e in entries() if e.recipe.popularity is not None}
    assert known
    assert [name for name, said in known.items() if "benchmarks" in said.source and not said.benchmarks] == []
    assert [name for name, said in known.items() if said.official and said.source.endswith("benchmarks named")] == []


def test_every_tool_was_tried() -> None:
    left = {
        (entry.recipe.name, tool)
        for entry in entries()
        if entry.contract
        for tool, seen in entry.contract.seen.items()
        if not seen.ok + seen.failed
    }
    assert left == NEVER
