"""docs/statistics.md: its examples print what they say, its tables are those of its files, and its files can be made again."""

from __future__ import annotations

import doctest
import os
import re
from pathlib import Path

import pytest

from benchmarks.stats_simulations import Job, read, run
from benchmarks.stats_tables import filled, tables
from rise_bench import stats

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
FOLDER = PAGE.with_suffix("")


def test_every_example_prints_what_the_page_says() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    assert len(examples.examples) > 30
    printed: list[str] = []
    doctest.DocTestRunner().run(examples, out=printed.append)
    assert "".join(printed) == ""


def test_every_public_function_of_the_room_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in stats.__all__ if name[0].islower()]
    assert len(functions) > 20
    assert [name for name in functions if f"`{name}`" not in text] == []


def test_the_tables_are_those_of_the_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    fresh = filled(text, tables(FOLDER))
    if os.environ.get("RISE_BENCH_UPDATE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert fresh == text, "run this test with RISE_BENCH_UPDATE_DOCS=1 and read what changed"


def test_a_page_without_a_table_or_with_another_one_is_refused() -> None:
    page = "<!-- table: one -->\nold\n<!-- end -->\n<!-- table: two -->\n<!-- end -->\n"
    assert filled(page, {"one": "new\n", "two": "2\n"}).count("new\n<!-- end -->") == 1
    for wrong in ({"one": ""}, {"one": "", "two": "", "three": ""}):
        with pytest.raises(ValueError, match="differ"):
            filled(page, wrong)


def test_the_page_shows_every_plot_that_there_is() -> None:
    shown = re.findall(r"\(statistics/(\w+)\.svg\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(path.stem for path in FOLDER.glob("*.svg"))
    assert shown


def test_the_simulations_give_the_same_figures_again() -> None:
    """The cheapest rows of the smallest scenes, simulated anew."""
    found = read(FOLDER / "simulations.json")
    assert found.simulations >= 100
    count = 0
    for scene in [row.scene for row in found.rows if row.clusters == 5 and row.method == "not worse, CR2"][:6:5]:
        (again,) = run(Job("levels", scene, found.simulations, only="not worse, CR2"))
        kept = [row for row in found.rows if row.scene == scene and row.method == "not worse, CR2"]
        assert [(row.value, row.verdict) for row in kept] == [(pytest.approx(again.value, abs=1e-5), again.verdict)]
        count += 1
    assert count == 2
