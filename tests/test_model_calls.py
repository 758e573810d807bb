"""Tool calls written as text: what is a call, what is none, and what only looks like one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.model.calls import Parsed, parse
from rise_bench.model.literals import MAX_CHARS
from rise_bench.types import Assistant

CALL = '{"name": "get", "arguments": {"city": "Rome"}}'
WANT = [("get", {"city": "Rome"})]


def made(text: str) -> list[tuple[str, Any]]:
    return [(call.tool, call.arguments) for call in parse(text).calls]


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        (CALL, "json"),
        (f"[{CALL}]", "json"),
        ('{"arguments": {"city": "Rome"}, "name": "get"}', "json"),
        ('{"name": "get", "parameters": {"city": "Rome"}}', "json"),
        ('{"name": "get", "arguments": "{\\"city\\": \\"Rome\\"}"}', "json"),
        ('{"function": {"name": "get", "arguments": {"city": "Rome"}}}', "json"),
        ('{"type": "function", "function": {"name": "get", "parameters": {"city": "Rome"}}}', "json"),
        ('{"function": "get", "arguments": {"city": "Rome"}}', "json"),
        (f'\n{{"tool_calls": [{CALL}]}}', "json"),
        ("{'name': 'get', 'arguments': {'city': 'Rome'}}", "json"),
        (f"```json\n{CALL}\n```", "json"),
        (f"```\n{CALL}\n```", "json"),
        (f"```tool_call\n{CALL}\n```", "json"),
        (f"<tool_call>\n{CALL}\n</tool_call>", "tool_call"),
        (f"<tool_call>{CALL}", "tool_call"),
        (f"<tool_call>{CALL}<|im_end|>", "tool_call"),
        ("<tool_call>{'name': 'get', 'arguments': {'city': 'Rome'}}</tool_call>", "tool_call"),
        (
            "<tool_call>\n<function=get>\n<parameter=city>\nRome\n</parameter>\n</function>\n</tool_call>",
            "tool_call",
        ),
        (f"<tool_calls>[{CALL}]</tool_calls>", "tool_call"),
        (f"<functioncall> {CALL}", "tool_call"),
        (f"[TOOL_CALLS] [{CALL}]</s>", "mistral"),
        ('[TOOL_CALLS]get{"city": "Rome"}', "mistral"),
        ('[TOOL_CALLS]get[CALL_ID]abc123[ARGS]{"city": "Rome"}', "mistral"),
        (f"<|python_tag|>{CALL}<|eom_id|>", "python_tag"),
        ('<|python_tag|>get.call(city="Rome")', "python_tag"),
        ('<function=get>{"city": "Rome"}</function>', "function"),
        ('<function=get>{"city": "Rome"}', "function"),
        ('[get(city="Rome")]', "python"),
        ('get(city="Rome")', "python"),
        ("```python\nget(city='Rome')\n```", "python"),
        ("<think>call get or not? {}</think>\n" + CALL, "json"),
        ('I could call {"name": "no", "arguments": {}}, but\n</think>\n' + CALL, "json"),
    ],
)
def test_each_syntax_gives_the_same_call(text: str, syntax: str) -> None:
    assert made(text) == WANT
    assert parse(text).malformed == ""
    assert parse(text).syntax == syntax


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>",
        f"[{CALL}, {CALL}]",
        f"{CALL}\n{CALL}",
        f"{CALL}; {CALL}",
        f"<tool_call>{CALL}\n{CALL}</tool_call>",
        '[get(city="Rome"), get(city="Rome")]',
        '[TOOL_CALLS]get{"city": "Rome"}[TOOL_CALLS]get{"city": "Rome"}',
        f"<|python_tag|>{CALL}; {CALL}",
        f"```json\n{CALL}\n```\nand\n```json\n{CALL}\n```",
    ],
)
def test_several_calls_are_all_read_in_order_with_ids_of_their_own(text: str) -> None:
    assert made(text) == WANT * 2
    assert [call.id for call in parse(text, id_prefix="x").calls] == ["x_0", "x_1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "[]",
        "\n[]",
        "```json\n[]\n```",
        '{"tool_calls": []}',
        "{}",
        "The weather in Rome is fine.",
        "You could call get(city) for that.",
        '"The functions lack parameters."',
        '{"name": "Bob", "age": 3}',
        '[{"name": "Bob"}, {"name": "Eve"}]',
        '{"arguments for": 1}',
        "[1, 2, 3]",
        "[see the list] and (this)",
        "Note(s): none",
        "Use this:\n```python\ndef f(x):\n    return x\n\nprint(f(3))\n```",
        "```python\nimport soundwave\nsoundwave.play(frequency=440)\n```",
        '```json\n{"total": 5}\n```',
        "<think>maybe " + CALL,
        '{"name": "broken',
    ],
)
def test_prose_data_and_empty_lists_attempt_no_call(text: str) -> None:
    parsed = parse(text)
    assert (parsed.calls, parsed.malformed) == ((), "")
    assert parsed.text == text.strip()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "get", "arguments": {"city": "Rome"}', "JSON ends at character 45 where ',' or a closing bracket"),
        (
            '{"name": "get", "arguments": {"n": 2 * <x>}}',
            "',' or a closing bracket should be at character 37, found '*'",
        ),
        ('I will call {"name": "get", "arguments": {"city": ', "ends at character 37 where a value should be"),
        ('{"name": "get", "arguments": {"n": NaN}}', "NaN"),
        ('{"name": "get", "arguments": {"n": 1e999}}', "JSON"),
        ('{"name": "", "arguments": {"a": 1}}', "without a name"),
        ('{"arguments": {"a": 1}}', "without a name"),
        ('{"tool_calls": 3}', "not a list"),
        ('{"tool_calls": ["get"]}', "a text where a call should be"),
        ("<tool_call>get the weather</tool_call>", "block 1: no JSON: a value should be at character 0, found 'g'"),
        ("<tool_call></tool_call>", "empty"),
        ("<tool_call>[1]</tool_call>", "a number where a call should be"),
        (f"<tool_call>{CALL} and so on</tool_call>", "<tool_call> block 1"),
        ("[TOOL_CALLS] none", "[TOOL_CALLS] block 1"),
        ("<|python_tag|>import os", "Import statement"),
        ("<|python_tag|>", "empty"),
        ("<function=get", "no name closed"),
        ("<function=get>city Rome</function>", "no JSON object"),
        ('[get("Rome")]', "positional"),
        ("[get(city=Rome)]", "not a literal"),
        ("[get(city=f'{x}')]", "not a literal"),
        ("[get(city=other(a=1))]", "not a literal"),
        ("[get(n=2**9)]", "not a literal"),
        ("[get(**{'a': 1})]", "**"),
        ("[get(a=1, a=2)]", "given twice"),
        ("[get(a=1e999)]", "JSON cannot hold"),
        ("[get(a={1: 2})]", "key that is not text"),
        ("[get(a=b'x')]", "bytes"),
        ("[get(city='Rome']", "not Python syntax"),
        ("[get(a=1), 3]", "Constant where a call should be"),
        ("```tool_call\n{broken\n```", "a key in double quotes should be at character 1, found 'b'"),
    ],
)
def test_an_attempt_that_fails_is_malformed_and_says_why(text: str, why: str) -> None:
    parsed = parse(text)
    assert why in parsed.malformed
    assert parsed.calls == () or "<tool_call>" in text


def test_calls_beside_a_malformed_one_are_kept() -> None:
    parsed = parse(f"<tool_call>{CALL}</tool_call><tool_call>{{broken</tool_call>")
    assert [(call.tool, call.arguments) for call in parsed.calls] == WANT
    assert parsed.malformed


def test_the_text_around_calls_is_kept() -> None:
    assert parse(f"Let me look.\n<tool_call>{CALL}</tool_call>\nDone.").text == "Let me look.\nDone."
    assert parse(f"I will use {CALL} now.").text == "I will use\nnow."


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("[1, -2, +3.5]", [1, -2, 3.5]),
        ("(1, 2)", [1, 2]),
        ("{'a': {'b': [None, True]}}", {"a": {"b": [None, True]}}),
        ("true", True),
        ("null", None),
        ("'it\\'s [(\"'", "it's [(\""),
        ('"\\d"', "\\d"),
        ("'\\ud800'", "?"),
    ],
)
def test_python_literals_become_json_values(literal: str, value: Any) -> None:
    assert made(f"[f(x={literal})]") == [("f", {"x": value})]


def test_dotted_names_and_calls_without_arguments_are_read() -> None:
    assert made("[a.b.c(), d()]") == [("a.b.c", {}), ("d", {})]
    assert made('<tool_call>{"name": "now"}</tool_call>') == [("now", {})]


def test_arguments_that_are_no_object_stay_raw() -> None:
    assert made('{"name": "f", "arguments": [1, 2]}') == [("f", "[1, 2]")]
    assert made('{"name": "f", "arguments": "{broken"}') == [("f", "{broken")]


def test_nothing_in_the_text_is_run(tmp_path: Any) -> None:
    target = tmp_path / "made"
    for text in (f"[open(file='{target}', mode='w')]", f"__import__('pathlib').Path('{target}').touch()"):
        parse(text)
    assert not target.exists()


DEEP = [
    "[" * 5000,
    "[f(a=" + "[" * 5000 + "]" * 5000 + ")]",
    "[f(a=" + "-" * 5000 + "1)]",
    "[f(a=" + "- " * 5000 + "1)]",
    "[f(a=" + "not " * 5000 + "1)]",
    "[f(a=" + "1+" * 20000 + "1)]",
    "[f(a=" + "b." * 20000 + "c)]",
    "[f(a=" + "lambda:" * 3000 + "1)]",
    "[f(a=" + "1 if 1 else " * 5000 + "1)]",
    "[f(a=" + "9" * 10000 + ")]",
    "f" + "(a=1)" * 20000,
    '{"name": "f", "arguments": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    '{"name": "f", "arguments": ' + '{"a":' * 200 + "1" + "}" * 201,
    "<tool_call>" * 15000,
    "<tool_call>{" * 15000,
    '{"name": "f", "arguments": {' * 7000,
    "```" * 60000,
    "```json\n{" * 20000,
    "<function=" * 20000,
    "<parameter=a>" * 10000,
    "[TOOL_CALLS]" * 15000,
    "'" * MAX_CHARS,
    "\\" * MAX_CHARS,
    "[f(a=" + "\\'" * (MAX_CHARS // 2 - 10) + ")]",
    '{"name": "f", "arguments": ' + "[" * 70 + '\\"' * (MAX_CHARS // 2 - 60) + "}",
    CALL * 4000,
    "x" * (MAX_CHARS + 1),
    "<tool_call>" + "x" * MAX_CHARS,
]


@pytest.mark.parametrize("text", DEEP, ids=lambda text: text[:24].replace("/", "_"))
def test_hostile_nesting_and_repetition_end_in_a_record(text: str) -> None:
    parsed = parse(text)
    assert Parsed.model_validate_json(parsed.model_dump_json()) == parsed


PIECES = (
    CALL,
    *("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<function=", ">", "</function>"),
    *("<parameter=a>", "</parameter>", "```", "```json\n", "[", "]", "{", "}", "(", ")", '"', "'", "\\", "f(a=1)"),
    *("name", '"name": ', '"arguments": ', '"tool_calls": ', "null", "-", "1e999", "\n", ";", ",", "\ud800", "é", "="),
    *("<think>", "</think>", "not ", "f", "**", "\x00"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_mixture_of_syntax_gives_a_record_that_can_be_stored(text: str) -> None:
    parsed = parse(text)
    message = Assistant(content=parsed.text, tool_calls=parsed.calls, malformed=parsed.malformed)
    assert Assistant.model_validate_json(message.model_dump_json()) == message
    message.digest()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_record(text: str) -> None:
    parse(text).digest()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=4))
def test_what_is_written_as_json_is_read_back(arguments: dict[str, Any]) -> None:
    text = json.dumps({"name": "f", "arguments": arguments}, ensure_ascii=False)
    assert made(text) == [("f", arguments)]
    assert made(f"Well.\n<tool_call>\n{text}\n</tool_call>") == [("f", arguments)]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}_", fullmatch=True), VALUES, max_size=4))
def test_what_is_written_as_python_is_read_back(arguments: dict[str, Any]) -> None:
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    assert made(f"[f({written})]") == [("f", arguments)]
