"""All pairs of six real models on BFCL are tested as one family; the example in the docs is what the command prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rise_bench.cli import main
from rise_bench.compare import Comparison
from rise_bench.importers import export, import_bfcl

ROOT = Path(os.environ.get("RISE_BENCH_EXTERNAL", Path(__file__).parents[2] / "shared" / "external"))
BFCL = ROOT / "bfcl-2024-08"
EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"

pytestmark = pytest.mark.skipif(not BFCL.is_dir(), reason=f"no external data at {ROOT}")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    suite, runs = export(import_bfcl(BFCL), tmp_path_factory.mktemp("bfcl"))
    return ["compare", *map(str, sorted(runs)), "--tasks", str(suite)]


def test_all_pairs_of_six_models_are_tested_with_holm(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 0
    found = Comparison.model_validate_json(capsys.readouterr().out)
    assert len(found.parties) >= 6 and len(found.pairs) == len(found.parties) * (len(found.parties) - 1) // 2
    assert (found.estimand, found.mode) == ("suite", "static")
    for pair in found.pairs:
        assert pair.tasks == 1240 and len(pair.contrasts) == 2
        for one in pair.contrasts:
            assert one.p is not None and one.p_adjusted is not None and one.p_adjusted >= one.p
    ranked = sorted(found.parties, key=lambda party: party.acc_intent.value or 0)
    ends = {ranked[0].name, ranked[-1].name}
    (extreme,) = (pair for pair in found.pairs if {pair.first, pair.second} == ends)
    assert extreme.contrasts[0].verdict in ("better", "worse")


def test_the_example_is_what_the_command_prints(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    update, text = bool(os.environ.get("RISE_BENCH_UPDATE_DOCS")), EXAMPLES / "compare_bfcl.txt"
    plot = ["--plot", str(EXAMPLES / "compare_bfcl.svg")] if update else []
    assert main([*words, *plot]) == 0
    fresh = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    if update:
        text.write_text(fresh, encoding="utf-8")
    assert fresh == text.read_text(encoding="utf-8"), (
        "run this test with RISE_BENCH_UPDATE_DOCS=1 and read what changed"
    )
