"""The shipped catalogue: entries, probes and recorded contracts agree, and are what the docs say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rise_bench.cli import main
from rise_bench.ground.contract import CONTRACTS, Contract, effect_of, load_contract
from rise_bench.ground.criteria import entries, judged
from rise_bench.ground.probes import PROBES, load_probes
from rise_bench.ground.recipe import CATALOG, DOMAINS, Recipe, catalog, load_recipe
from rise_bench.store import load_suite, suites

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "catalogue.md"


def contract_of(name: str) -> Contract:
    contract = load_contract(name)
    assert contract is not None, f"{name}: run `rise-bench ground record {name}`"
    return contract


def named(recipe: Recipe, tool: str) -> bool:
    """Do the notes speak of the tool?"""
    return any(re.search(rf"\b{re.escape(tool)}\b", note) for note in recipe.notes)


def test_it_is_as_large_as_the_papers_ground() -> None:
    """The paper's: 100 servers, 728 tools, 19 domains; ours counts tools of which a call succeeded."""
    found = entries()
    assert len(found) >= 60
    assert sum(entry.called for entry in found) >= 728
    assert {entry.recipe.domain for entry in found} == set(DOMAINS)
    assert len(DOMAINS) == 19


@pytest.mark.parametrize("name", catalog())
def test_an_entry_says_all_that_is_asked_of_it(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title
    assert recipe.domain in DOMAINS
    assert recipe.package is not None
    assert re.fullmatch(r"[0-9][\w.+-]*", recipe.package.version), "an exact version"
    assert recipe.homepage.startswith("https://") or not recipe.homepage
    assert (
        recipe.keeps == "nothing"
        or recipe.risk != "reads"
        or not any(tool.effect == "write" for tool in contract_of(name).server.tools)
    )


@pytest.mark.parametrize("name", catalog())
def test_the_contract_is_that_of_the_entry(name: str) -> None:
    recipe, contract = load_recipe(name), contract_of(name)
    server = contract.server
    assert (server.name, server.version, server.license) == (name, recipe.version, recipe.license)
    assert (server.domain, server.failures) == (recipe.domain, recipe.failures)
    names = [tool.name for tool in server.tools]
    assert len(names) == len(set(names)) == len(contract.seen) > 0
    assert {tool.name: tool.group for tool in server.tools if tool.group} == {
        tool: group for group, tools in recipe.groups.items() for tool in tools
    }
    assert set(recipe.effects) <= set(names)


@pytest.mark.parametrize("name", catalog())
def test_every_tool_was_called_with_success_or_the_notes_say_why_not(name: str) -> None:
    contract = contract_of(name)
    never = {tool for tool, seen in contract.seen.items() if not seen.ok}
    assert {tool for tool in never if not named(load_recipe(name), tool)} == set()
    assert {probe.tool for probe in load_probes(PROBES / name)} >= set(contract.seen) - never


@pytest.mark.parametrize("name", catalog())
def test_every_effect_is_known_and_says_why(name: str) -> None:
    contract = contract_of(name)
    for tool in contract.server.tools:
        assert tool.effect != "unknown", tool.name
        assert contract.seen[tool.name].basis, tool.name
        assert effect_of(load_recipe(name), tool) == tool.effect, f"{tool.name}: a suite would freeze another"
        assert tool.effect == "write" or {"stated", "annotation"} & {*contract.seen[tool.name].basis}, tool.name


@pytest.mark.parametrize("name", catalog())
def test_failures_that_come_as_text_were_seen(name: str) -> None:
    recipe, contract = load_recipe(name), contract_of(name)
    assert bool(recipe.failures) == any(seen.as_text for seen in contract.seen.values())


def test_nothing_lies_about_that_belongs_to_no_entry() -> None:
    names = set(catalog())
    assert {path.stem for path in CONTRACTS.glob("*.json")} == names
    assert {path.name for path in PROBES.iterdir()} == names
    assert {path.name for path in CATALOG.iterdir() if path.is_dir() and path.name != "__pycache__"} == {
        "contracts",
        "probes",
    }


def test_shipped_suites_rest_on_permissive_licences() -> None:
    used = {server.name for suite in suites() for server in load_suite(suite).ground.servers}
    assert used
    assert {name for name in used if not load_recipe(name).releasable} == set()


def test_code_under_copyleft_is_shown_with_the_server_that_it_comes_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground", "ls", "chess"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "comes with chess (GPL-3.0-or-later), cairosvg (LGPL-3.0-or-later); may not be part of a released suite" in said
    )


def test_shipped_suites_agree_with_the_catalogue_on_effects_and_groups() -> None:
    for suite in suites():
        for server in load_suite(suite).ground.servers:
            recorded = {tool.name: (tool.effect, tool.group) for tool in contract_of(server.name).server.tools}
            assert {tool.name: (tool.effect, tool.group) for tool in server.tools} == recorded


def test_criteria_are_computed_for_every_server() -> None:
    for entry in entries():
        found = judged(entry)
        assert found is not None
        assert found.standardisation is not None
        assert 0 <= found.standardisation <= 1
        assert found.start_seconds > 0
        assert found.memory_mb > 0


def test_the_page_holds_what_the_code_computes(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    fresh = text
    for mark, words in (("servers", ["ground", "ls"]), ("criteria", ["ground", "ls", "--criteria"])):
        assert main([*words, "--markdown"]) == 0
        made = capsys.readouterr().out
        fresh = re.sub(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}\n{made}\n{m[2]}", fresh, flags=re.S)  # noqa: B023
    if os.environ.get("RISE_BENCH_UPDATE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert fresh == text, "run this test with RISE_BENCH_UPDATE_DOCS=1 and read what changed"
