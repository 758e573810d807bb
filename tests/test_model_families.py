"""Families: which parser a template or a configuration means, and the table in the docs that says so."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import yaml

from rise_bench.model.calls import PARSERS
from rise_bench.model.families import FAMILIES, family_of

DATA = Path(__file__).parent / "data" / "parsers"
PAGE = Path(__file__).parents[1] / "docs" / "models.md"

CHATML = "{{ '<|im_start|>' + message.role + '\\n' }}"
TEMPLATES = [
    (CHATML + "<tool_call>\\n{'name': name, 'arguments': args}\\n</tool_call>", "hermes"),
    (CHATML + "<tool_call>\\n<function=' + tool_call.name + '>\\n<parameter=' + key", "qwen3_xml"),
    ("[gMASK]<sop> <tool_call>{name}<arg_key>{key}</arg_key><arg_value>", "glm4"),
    ("{{ '[TOOL_CALLS] [' }}", "mistral"),
    ("{{ '[TOOL_CALLS]' + name + '[ARGS]' + arguments }}", "mistral"),
    ("'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + type + '<｜tool▁sep｜>' + name + '\\n```json\\n'", "deepseek"),
    ("'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + name + '<｜tool▁sep｜>'", "deepseek"),
    ("<|start_of_role|>assistant<|end_of_role|><|tool_call|>", "granite"),
    ("<|start_of_role|>system<|end_of_role|> within <tool_call></tool_call> XML tags", "hermes"),
    (
        '<|start_header_id|> Respond in the format {"name": function name, "parameters": dictionary of argument name',
        "llama3_json",
    ),
    ("<|start_header_id|> in the format of [func_name1(params_name1=params_value1", "toolace"),
    ("<|header_start|>system<|header_end|> Use exact format: [func_name1(param1=value1", "pythonic"),
    ("<|start_header_id|> <function=example_function_name>{example_parameters}</function>", "functionary"),
    ("<|start_header_id|>assistant<|end_header_id|>\\n\\n>>>all\\n", "functionary"),
    ('make calls in a single JSON array: [{"name": "tool_call_name", "arguments": {"arg1": "value1"}}]', "xlam"),
    ("<|tool_calls_section_begin|><|tool_call_begin|>", "kimi"),
    ("<|start|>assistant<|channel|>commentary to=functions.{name}<|message|>", "harmony"),
    ("<|START_OF_TURN_TOKEN|><|START_ACTION|>[", "cohere"),
    ("<|tool|>{tools}<|/tool|>", "phi4_mini"),
]


@pytest.mark.parametrize(("template", "parser"), TEMPLATES)
def test_a_template_s_marks_tell_the_parser_whatever_the_configuration_says(template: str, parser: str) -> None:
    for config in ({}, {"model_type": "qwen2"}, {"model_type": "llama"}):
        found = family_of(config, template)
        assert found is not None
        assert found.parser == parser


def test_every_family_is_told_by_a_template() -> None:
    found = [family_of({}, template) for template, _ in TEMPLATES]
    assert {family.name for family in FAMILIES} == {family.name for family in found if family}


def test_the_configuration_tells_where_the_template_shows_no_calls() -> None:
    def parser(config: dict[str, object]) -> str:
        found = family_of(config, "{{ message.content }}")
        return found.parser if found else ""

    assert parser({"model_type": "qwen3"}) == "hermes"
    assert parser({"model_type": "llama"}) == "llama3_json"
    assert parser({"model_type": "gemma_with_sight", "text_config": {"model_type": "qwen3_5_text"}}) == "qwen3_xml"
    assert [parser(config) for config in ({}, {"model_type": "gpt2"}, {"model_type": 3}, {"text_config": None})] == [
        ""
    ] * 4


def test_every_family_names_parsers_that_exist_and_no_type_twice() -> None:
    assert {family.parser for family in FAMILIES} <= set(PARSERS)
    counted = Counter(kind for family in FAMILIES for kind in family.model_types)
    assert [kind for kind, number in counted.items() if number > 1] == []
    compared = {json.loads(line)["vllm"] for line in (DATA / "texts.jsonl").read_text(encoding="utf-8").splitlines()}
    assert {family.tested for family in FAMILIES} <= {*compared, ""}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _marks(groups: tuple[tuple[str, ...], ...]) -> str:
    return " or ".join(" with ".join(f"`{mark}`" for mark in group) for group in groups)


def families() -> str:
    """The table of families, and what each parser was compared with."""
    texts = Counter(
        json.loads(line)["vllm"] for line in (DATA / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    )
    groups = yaml.safe_load((DATA / "differences.yaml").read_text(encoding="utf-8"))
    differing = Counter(name.rpartition("/")[0] for group in groups for name in group["ids"])
    lines = ["| family | its template shows | else `model_type` | parser | vLLM parser | compared with vLLM's |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for family in FAMILIES:
        by = f"{texts[family.tested]} texts, {differing[family.tested]} read otherwise" if family.tested else "no"
        kinds = ", ".join(f"`{kind}`" for kind in family.model_types) or "-"
        cells = (family.name, _marks(family.template_marks), kinds, f"`{family.parser}`", f"`{family.vllm_parser}`", by)
        lines.append("| " + " | ".join(_cell(cell if cell != "``" else "none") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def parsers() -> str:
    """The table of parsers."""
    lines = [
        "| parser | reads |",
        "| --- | --- |",
        *(f"| `{name}` | {_cell(reads)} |" for name, reads in PARSERS.items()),
    ]
    return "\n".join(lines) + "\n"


def differences() -> str:
    """The explained differences from vLLM's parsers."""
    groups = yaml.safe_load((DATA / "differences.yaml").read_text(encoding="utf-8"))
    lines = ["| why ours is kept | texts |", "| --- | --- |"]
    lines += [f"| {_cell(group['why'])} | {', '.join(f'`{name}`' for name in group['ids'])} |" for group in groups]
    return "\n".join(lines) + "\n"


def test_the_tables_in_the_docs_are_what_the_code_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    fresh = text
    for name, table in (("families", families()), ("parsers", parsers()), ("differences", differences())):
        head, _, rest = fresh.partition(f"<!-- table: {name} -->\n")
        fresh = f"{head}<!-- table: {name} -->\n{table}{rest[rest.index('<!-- end -->') :]}"
    if os.environ.get("RISE_BENCH_UPDATE_DOCS"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert fresh == text, "run this test with RISE_BENCH_UPDATE_DOCS=1 and read what changed"
