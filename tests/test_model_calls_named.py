"""Parsers by name: each reads its own syntax, names another's call for what it is, and says where a call is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rise_bench.errors import InputError
from rise_bench.model.calls import PARSERS, parse

Arguments = dict[str, Any]
ROME = {"city": "Rome"}


def _json(name: str, arguments: Arguments) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _xml(name: str, arguments: Arguments) -> str:
    inner = "".join(f"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{inner}</function>\n</tool_call>"


def _glm(name: str, arguments: Arguments) -> str:
    pairs = (f"<arg_key>{key}</arg_key>\n<arg_value>{_text(value)}</arg_value>\n" for key, value in arguments.items())
    return f"<tool_call>{name}\n{''.join(pairs)}</tool_call>"


def _python(name: str, arguments: Arguments) -> str:
    return f"[{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})]"


def _deepseek(name: str, arguments: Arguments) -> str:
    call = f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{json.dumps(arguments)}<｜tool▁call▁end｜>"
    return f"<｜tool▁calls▁begin｜>{call}<｜tool▁calls▁end｜>"


def _deepseek_v3(name: str, arguments: Arguments) -> str:
    fenced = f"function<｜tool▁sep｜>{name}\n```json\n{json.dumps(arguments)}\n```"
    return f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{fenced}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"


def _kimi(name: str, arguments: Arguments) -> str:
    call = f"functions.{name}:0<|tool_call_argument_begin|>{json.dumps(arguments)}"
    return f"<|tool_calls_section_begin|><|tool_call_begin|>{call}<|tool_call_end|><|tool_calls_section_end|>"


def _cohere(name: str, arguments: Arguments) -> str:
    call = {"tool_call_id": "0", "tool_name": name, "parameters": arguments}
    return f"<|START_ACTION|>[{json.dumps(call)}]<|END_ACTION|>"


def _harmony(name: str, arguments: Arguments) -> str:
    said = "<|channel|>analysis<|message|>Rome, then.<|end|><|start|>assistant"
    return (
        f"{said}<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"
    )


WRITERS: list[tuple[str, Callable[[str, Arguments], str]]] = [
    ("hermes", lambda name, arguments: f"<tool_call>\n{_json(name, arguments)}\n</tool_call>"),
    ("qwen3_xml", _xml),
    ("llama3_json", lambda name, arguments: json.dumps({"name": name, "parameters": arguments})),
    ("llama3_json", lambda name, arguments: f"<|python_tag|>{json.dumps({'name': name, 'parameters': arguments})}"),
    ("pythonic", _python),
    ("pythonic", lambda name, arguments: f"<|python_start|>{_python(name, arguments)}<|python_end|>"),
    ("toolace", _python),
    ("mistral", lambda name, arguments: f"[TOOL_CALLS][{_json(name, arguments)}]"),
    ("mistral", lambda name, arguments: f"[TOOL_CALLS]{name}{json.dumps(arguments)}"),
    ("mistral", lambda name, arguments: f"[TOOL_CALLS]{name}[ARGS]{json.dumps(arguments)}"),
    ("xlam", lambda name, arguments: f"[{_json(name, arguments)}]"),
    ("xlam", lambda name, arguments: f"```json\n[{_json(name, arguments)}]\n```"),
    ("functionary", lambda name, arguments: f"<function={name}>{json.dumps(arguments)}</function>"),
    ("functionary", lambda name, arguments: f">>>{name}\n{json.dumps(arguments)}"),
    ("functionary", lambda name, arguments: f"{name}\n{json.dumps(arguments)}"),
    ("deepseek", _deepseek),
    ("deepseek", _deepseek_v3),
    ("granite", lambda name, arguments: f"<|tool_call|>[{_json(name, arguments)}]"),
    ("granite", lambda name, arguments: f"<tool_call>[{_json(name, arguments)}]"),
    ("phi4_mini", lambda name, arguments: f"functools[{_json(name, arguments)}]"),
    ("phi4_mini", lambda name, arguments: f"<|tool_call|>[{_json(name, arguments)}]<|/tool_call|>"),
    ("cohere", _cohere),
    ("glm4", _glm),
    ("kimi", _kimi),
    ("harmony", _harmony),
    ("json", _json),
]
NUMBERED = [pytest.param(*pair, id=f"{pair[0]}-{number}") for number, pair in enumerate(WRITERS)]


def made(text: str, parser: str, **given: Any) -> list[tuple[str, Any]]:
    return [(call.tool, call.arguments) for call in parse(text, parser=parser, **given).calls]


def test_every_parser_has_a_writer_here() -> None:
    assert {name for name, _ in WRITERS} | {"auto"} == set(PARSERS)


@pytest.mark.parametrize(("parser", "write"), NUMBERED)
def test_a_call_is_read_by_its_parser_and_by_auto(parser: str, write: Callable[[str, Arguments], str]) -> None:
    text = write("get_weather", ROME)
    found = parse(text, parser=parser)
    assert ([(call.tool, call.arguments) for call in found.calls], found.malformed) == ([("get_weather", ROME)], "")
    if not text.startswith(("get_weather", "functools")):  # marks that a prompt holds, or words: a name must say so
        assert made(text, "auto") == made(text, "text") == [("get_weather", ROME)]


@pytest.mark.parametrize(("parser", "write"), NUMBERED)
def test_prose_is_no_call_to_any_parser(parser: str, write: Callable[[str, Arguments], str]) -> None:
    for text in ("It rains in Rome.", "Use {city} [1] for (that).", '{"city": "Rome"}', "", "[]", "1 < 2 > 0"):
        found = parse(text, parser=parser)
        assert (found.calls, found.malformed, found.text) == ((), "", text)


@pytest.mark.parametrize(
    ("parser", "text", "why"),
    [
        (
            "hermes",
            '[TOOL_CALLS][{"name": "f", "arguments": {}}]',
            "a mistral call at character 0 where hermes is read",
        ),
        ("hermes", 'Well. <|python_tag|>{"name": "f", "parameters": {}}', "a llama3_json call at character 6 where"),
        ("hermes", '{"name": "f", "arguments": {}}', "a json call where hermes is read"),
        ("hermes", "[f(a=1)]", "a pythonic call where hermes is read"),
        ("hermes", _xml("f", ROME), "hermes block 1: a qwen3_xml call where hermes is read"),
        ("hermes", _glm("f", ROME), "hermes block 1: a glm4 call where hermes is read"),
        ("hermes", '<tool_call>[{"name": "f", "arguments": {}}]</tool_call>', "a granite call where hermes is read"),
        ("hermes", _kimi("f", ROME), "a kimi call at character 0 where hermes is read"),
        ("qwen3_xml", f"<tool_call>{_json('f', ROME)}</tool_call>", "block 1: a hermes call where qwen3_xml is read"),
        ("glm4", f"<tool_call>{_json('f', ROME)}</tool_call>", "block 1: a hermes call where glm4 is read"),
        ("granite", f"<tool_call>{_json('f', ROME)}</tool_call>", "a hermes call where granite is read"),
        ("mistral", _xml("f", ROME), "a qwen3_xml call at character 0 where mistral is read"),
        ("mistral", _glm("f", ROME), "a glm4 call where mistral is read"),
        ("pythonic", _deepseek("f", ROME), "a deepseek call at character 0 where pythonic is read"),
        ("kimi", _harmony("f", ROME), "a harmony call at character 0 where kimi is read"),
        ("llama3_json", '<|python_tag|>f.call(a="b")', "no JSON object after <|python_tag|>"),
    ],
)
def test_a_call_in_another_syntax_is_malformed_and_named(parser: str, text: str, why: str) -> None:
    found = parse(text, parser=parser)
    assert found.calls == ()
    assert why in found.malformed


@pytest.mark.parametrize(
    ("parser", "text", "why"),
    [
        (
            "hermes",
            f'<tool_call>{_json("f", ROME)}</tool_call><tool_call>{{"name": "f", "arguments": {{"city": "Ro',
            "hermes block 2: JSON ends in the middle of a string that begins at character 36",
        ),
        ("hermes", '<tool_call>{"name": "f"}</tool_call>', "block 1: a call without `arguments`"),
        ("hermes", '<tool_call>{"name": 3, "arguments": {}}</tool_call>', "without a name: its `name` is no name"),
        ("hermes", '<tool_call>{"arguments": {}}</tool_call>', "without a name: no `name`"),
        (
            "hermes",
            '<tool_call>{"name": "f", "arguments": {"a": "x\ny"}}</tool_call>',
            "a raw '\\n' inside a JSON string",
        ),
        (
            "hermes",
            '<tool_call>{"name": "f", "arguments": {"a" 1}}</tool_call>',
            "':' should be at character 32, found '1'",
        ),
        ("hermes", '<tool_call>{"name": "\\q"}</tool_call>', "Invalid \\escape at character 10"),
        ("hermes", "<tool_call>3</tool_call>", "a number where a call should be"),
        ("qwen3_xml", "<tool_call>\nRome\n</tool_call>", "block 1: no <function= in it"),
        ("qwen3_xml", "<tool_call><function=f><parameter=a>1", "block 1, f: the text ends inside parameter 'a'"),
        (
            "qwen3_xml",
            "<tool_call><function=f><parameter=a",
            "f: a parameter without a name closed by > at character 0",
        ),
        ("qwen3_xml", '<function=f>{"a": 1', "its arguments are not written as parameters"),
        ("glm4", "<tool_call>f<arg_key>a</arg_key></tool_call>", "block 1: it ends before <arg_value>"),
        ("glm4", "<tool_call>f<arg_value>a</arg_value></tool_call>", "no tool's name before its arguments"),
        ("glm4", "<tool_call>f<arg_key>a<arg_value>1</arg_value></tool_call>", "</arg_key> should be at character 11"),
        ("llama3_json", '{"name": "f", "parameters": {"a": ', "object at character 0: JSON ends at character 33"),
        ("llama3_json", '{"parameters": {"a": 1}}', "object at character 0: a call without a name"),
        ("mistral", "[TOOL_CALLS]get_weather", "mistral block 1: no arguments after the name"),
        ("mistral", "[TOOL_CALLS]I will call it", "mistral block 1: no JSON"),
        ("pythonic", "[get_weather(city=Rome)]", "get_weather(city=): a Name is not a literal"),
        ("toolace", "[Get Weather(city=Rome)]", "Get Weather(city=): a Name is not a literal"),
        ("xlam", '[{"name": "f", "arguments": {}}, {"arguments": {}}]', "xlam list, call 2: a call without a name"),
        ("xlam", '[{"name": "f", "arguments": {}', "xlam list: JSON ends at character 30"),
        ("granite", "<|tool_call|>Rome", "granite list: no [ after its mark"),
        ("granite", '<|tool_call|>[{"name": "f", "arguments": {"a": 1}', "granite list, call 1: JSON ends"),
        ("deepseek", "<｜tool▁calls▁begin｜>x", "no <｜tool▁call▁begin｜> after <｜tool▁calls▁begin｜>"),
        ("deepseek", "<｜tool▁call▁begin｜>f", "at character 0 without <｜tool▁calls▁begin｜> before it"),
        ("deepseek", _deepseek("f", ROME)[:60], "deepseek call 1: it ends before <｜tool▁call▁end｜>"),
        ("deepseek", _deepseek("", ROME), "deepseek call 1: no name"),
        (
            "kimi",
            _kimi("f", ROME).replace("<|tool_call_argument_begin|>", ""),
            "no <|tool_call_argument_begin|> after its",
        ),
        ("cohere", '<|START_ACTION|>[{"tool_name": "f"', "cohere action: JSON ends at character 18"),
        ("cohere", '<|START_ACTION|>[{"tool_name": "f"}]<|END_ACTION|>', "a call without `parameters`"),
        ("harmony", "<|channel|>commentary to=functions.f<|message|>{a}<|call|>", "call 1: arguments of f: no JSON"),
        ("functionary", "<function=f>Rome</function>", "its arguments are no JSON object"),
        ("functionary", '<function=f>{"a": </function>', "f: its arguments are no JSON object"),
        ("functionary", ">>>f\nRome", "functionary section 1, f: no JSON"),
        ("functionary", '>>>f\n{"a": 1}>>>', "functionary section 2: no name"),
        ("phi4_mini", "functools[1]", "phi4_mini list: a number where a call should be"),
    ],
)
def test_a_broken_call_says_which_and_where(parser: str, text: str, why: str) -> None:
    assert why in parse(text, parser=parser).malformed


def test_a_parser_that_nobody_has_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match=r"no call parser 'herms'.*hermes"):
        parse("x", parser="herms")


def test_text_around_calls_is_kept_and_thoughts_are_not_said() -> None:
    assert parse("Look:\n" + _kimi("f", {}) + "Done.", parser="kimi").text == "Look:\nDone."
    assert parse("Look:\n" + _deepseek("f", {}), parser="deepseek").text == "Look:"
    assert parse(">>>all\nLook:\n>>>f\n{}", parser="functionary").text == "Look:"
    said = "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hello<|END_RESPONSE|>"
    assert parse(said, parser="cohere").text == "Hello"
    assert parse(said, parser="cohere").syntax == ""
    final = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello<|return|>"
    assert (parse(final, parser="harmony").text, parse(final).marked) == ("Hello", False)


SCHEMAS = {
    "f": {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "on": {"type": "boolean"},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "one": {"enum": ["1", "2"]},
            "maybe": {"type": ["string", "null"]},
            "what": {},
        },
    }
}


@pytest.mark.parametrize("write", [_xml, _glm])
@pytest.mark.parametrize(
    ("key", "written", "read"),
    [
        ("text", "12", "12"),
        ("text", "true", "true"),
        ("text", '{"a": 1}', '{"a": 1}'),
        ("text", '"quoted"', '"quoted"'),
        ("count", "12", 12),
        ("count", "twelve", "twelve"),
        ("on", "True", True),
        ("on", "false", False),
        ("either", "3", 3),
        ("either", "three", "three"),
        ("one", "1", "1"),
        ("maybe", "None", None),
        ("maybe", "7", "7"),
        ("what", "7", 7),
        ("other", "7", 7),
    ],
)
def test_values_without_quotes_have_the_type_that_the_schema_says(
    write: Callable[[str, Arguments], str], key: str, written: str, read: Any
) -> None:
    parser = "qwen3_xml" if write is _xml else "glm4"
    text = write("f", {key: written})
    assert made(text, parser, schemas=SCHEMAS) == made(text, "auto", schemas=SCHEMAS) == [("f", {key: read})]


def test_a_mark_inside_a_json_value_of_a_parameter_is_part_of_it() -> None:
    arguments = {"a": {"html": "</parameter><parameter=b>"}, "c": 'she said "yes', "d": 'and "no'}
    assert made(_xml("f", arguments), "qwen3_xml") == [("f", arguments)]


KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda key: key not in PYTHON_WORDS)
PYTHON_WORDS = {"and", "as", "if", "in", "is", "or", "not", "for", "def", "del", "from", "try", "with", "else", "elif"}
PYTHON_WORDS |= {"pass", "raise", "while", "yield", "class", "import", "global", "lambda", "assert", "async", "await"}
PYTHON_WORDS |= {"break", "return", "except", "finally", "continue", "nonlocal"}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda name: name not in {"all"})


@pytest.mark.parametrize(
    ("parser", "write"), [item for item in NUMBERED if item.values[0] not in ("qwen3_xml", "glm4")]
)
@settings(max_examples=40, deadline=None)
@given(name=NAMES, arguments=st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_json_arguments_survive_writing_and_reading(
    parser: str, write: Callable[[str, Arguments], str], name: str, arguments: Arguments
) -> None:
    assert made(write(name, arguments), parser) == [(name, arguments)]


def _schema(value: Any) -> dict[str, Any]:
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return {"type": kinds.get(type(value), "null")}


@pytest.mark.parametrize(("parser", "write"), [("qwen3_xml", _xml), ("glm4", _glm)])
@settings(max_examples=80, deadline=None)
@given(name=NAMES, arguments=st.dictionaries(KEYS, VALUES, max_size=3))
def test_any_arguments_written_without_quotes_survive_where_the_schema_is_known(
    parser: str, write: Callable[[str, Arguments], str], name: str, arguments: Arguments
) -> None:
    schema = {"type": "object", "properties": {key: _schema(value) for key, value in arguments.items()}}
    text = write(name, arguments)
    if not any("<" in value for value in arguments.values() if isinstance(value, str)):  # nothing escapes a mark there
        assert made(text, parser, schemas={name: schema}) == [(name, arguments)]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_a_toolace_name_may_hold_blanks(arguments: Arguments) -> None:
    text = _python("Get The Weather", arguments)
    assert made(text, "toolace") == [("Get The Weather", arguments)]


PIECES = (
    *(write("f", {"a": 1}) for _, write in WRITERS),
    *("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<function=", "f>", "</function>"),
    *("<parameter=a>", "</parameter>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "functools[", ">>>"),
    *("<|channel|>", "<|message|>", "to=functions.f", "<|call|>", "<|START_ACTION|>", "<|END_ACTION|>"),
    *(
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
        "<|tool_call_begin|>",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        '"',
        "'",
        "\\",
        ",",
        ":",
        "=",
        "\n",
        "```",
        "name",
        '"name": "f"',
        "\ud800",
        "é",
        "1e999",
    ),
)


@pytest.mark.parametrize("parser", sorted(PARSERS))
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=60))
def test_any_text_gives_a_record_that_can_be_stored(parser: str, text: str) -> None:
    found = parse(text, parser=parser)
    assert type(found).model_validate_json(found.model_dump_json()) == found
