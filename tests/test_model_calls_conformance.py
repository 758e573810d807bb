"""Our parsers against vLLM's on the same texts: same calls, or a difference that is explained."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from rise_bench.model.calls import PARSERS, parse, read_arguments

DATA = Path(__file__).parent / "data" / "parsers"
MAIN = {
    "hermes",
    "llama3_json",
    "mistral",
    "pythonic",
    "xlam",
    "deepseek_v3",
    "granite",
    "qwen3_xml",
    "kimi_k2",
    "glm45",
}
VLLM = os.environ.get("RISE_BENCH_VLLM_PYTHON", "")

Calls = list[tuple[str, Any]]


@cache
def texts() -> dict[str, dict[str, Any]]:
    lines = (DATA / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


@cache
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "vllm.json").read_text(encoding="utf-8"))
    return found


@cache
def explained() -> dict[str, str]:
    groups = yaml.safe_load((DATA / "differences.yaml").read_text(encoding="utf-8"))
    return {name: group["why"] for group in groups for name in group["ids"]}


def ours(row: dict[str, Any]) -> Calls:
    schemas = json.loads((DATA / "tools.json").read_text(encoding="utf-8")) if row.get("typed") else None
    return [(call.tool, call.arguments) for call in parse(row["text"], parser=row["parser"], schemas=schemas).calls]


def theirs(row: dict[str, Any]) -> Calls:
    return [(name, read_arguments(arguments)) for name, arguments in stored()["answers"][row["id"]].get("calls", [])]


def same(first: Calls, second: Calls) -> bool:
    """Equal as JSON: 1 is not true."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_every_text_is_read_as_vllm_reads_it_or_the_difference_is_explained() -> None:
    differing = {name for name, row in texts().items() if not same(ours(row), theirs(row))}
    assert differing - set(explained()) == set(), "explain these in differences.yaml, or read them as vLLM does"
    assert set(explained()) - differing == set(), "these differ no longer: take them out of differences.yaml"


def test_a_text_that_ours_finds_no_call_in_is_either_prose_to_both_or_malformed() -> None:
    for name, row in texts().items():
        parsed = parse(row["text"], parser=row["parser"])
        if theirs(row) and not parsed.calls and not row.get("typed"):
            assert parsed.malformed, name


def test_every_main_syntax_has_enough_texts_with_and_without_calls() -> None:
    made = Counter(row["vllm"] for row in texts().values() if theirs(row))
    none = Counter(row["vllm"] for row in texts().values() if not theirs(row))
    assert {name for name in MAIN if made[name] < 10 or none[name] < 10} == set()
    assert {row["parser"] for row in texts().values()} <= set(PARSERS)
    assert set(stored()["answers"]) == set(texts())


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.skipif(not VLLM, reason="RISE_BENCH_VLLM_PYTHON names no Python with vLLM")
def test_the_stored_answers_are_what_vllm_gives_today(tmp_path: Path) -> None:
    answers = tmp_path / "vllm.json"
    with answers.open("wb") as out:
        command = [VLLM, str(DATA / "vllm_answers.py")]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    fresh = json.loads(answers.read_text(encoding="utf-8"))
    assert fresh["answers"] == stored()["answers"], f"vLLM {fresh['vllm']} answers otherwise than {stored()['vllm']}"
