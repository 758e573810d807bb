"""BFCL's parameter descriptions as JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from rise_bench.score.calls import Tools
from rise_bench.types import Tool

__all__ = ["json_schema", "literal_texts", "valid_default", "widen"]

TYPES = {
    "dict": "object",
    "hashmap": "object",
    "object": "object",
    "list": "array",
    "tuple": "array",
    "array": "array",
    "arraylist": "array",
    "set": "array",
    "str": "string",
    "char": "string",
    "string": "string",
    "bool": "boolean",
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "short": "integer",
    "byte": "integer",
    "bigint": "integer",
    "integer": "integer",
    "float": "number",
    "double": "number",
    "number": "number",
    "null": "null",
}
"""Spellings of types, lower case, in Python, Java and JavaScript; a type that is not here (`any`) says nothing."""

NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")


def json_schema(described: JsonValue) -> JsonValue:
    """The description with types spelled as JSON Schema spells them; everything else as published."""
    if isinstance(described, list):
        return [json_schema(item) for item in described]
    if not isinstance(described, dict):
        return described
    schema: dict[str, JsonValue] = {}
    for key, value in described.items():
        if key == "type" and isinstance(value, str):
            if value.casefold() in TYPES:
                schema[key] = TYPES[value.casefold()]
        elif key in NAMED_SCHEMAS and isinstance(value, dict):
            schema[key] = {name: json_schema(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties", "anyOf", "oneOf", "allOf", "not", "prefixItems"):
            schema[key] = json_schema(value)
        elif key == "required" and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
            continue  # `"required": true` inside a property is no JSON Schema
        else:
            schema[key] = value
    return schema


def widen(tool: Tool, argument: str, accepted: Sequence[JsonValue]) -> tuple[Tool, bool]:
    """(tool, changed): the tool with a contract that no longer refuses an accepted value of the argument.

    A reference that its own contract refuses could be met by no call (STYLE, "gold that no call can satisfy").
    """
    properties = tool.parameters.get("properties")
    if not isinstance(properties, dict) or not isinstance(schema := properties.get(argument), dict):
        return tool, False
    refused = _refused(schema, accepted)
    if not refused:
        return tool, False
    wider: dict[str, JsonValue] = {key: schema[key] for key in ("description", "default") if key in schema}
    wider["anyOf"] = [schema, {"enum": refused}]
    parameters: dict[str, JsonValue] = {**tool.parameters, "properties": {**properties, argument: wider}}
    return tool.model_copy(update={"parameters": parameters}), True


def valid_default(schema: dict[str, JsonValue]) -> bool:
    """True where the argument has a default that its own type takes (some are published as text: `"false"`)."""
    return "default" in schema and not _refused(schema, [schema["default"]])


def _refused(schema: dict[str, JsonValue], values: Sequence[JsonValue]) -> list[JsonValue]:
    """The values that a contract with this argument refuses, by the scorer's own check."""
    one: dict[str, JsonValue] = {"properties": {"value": schema}}
    contract = Tools([Tool(server="", name="tool", parameters=one)], {}, "")
    return [value for value in values if contract.invalid("tool", {"value": value})]


def literal_texts(values: Sequence[JsonValue]) -> list[JsonValue]:
    """The source text of each number and truth value, as Java and JavaScript write them: `true`, `50`, `2.5`."""
    return [json.dumps(value) for value in values if isinstance(value, bool | int | float)]
