"""Which parser reads a model's calls: families of models, told by their chat template or their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True, slots=True)
class Family:
    """Models that write calls in the same syntax."""

    name: str
    model_types: tuple[str, ...]
    """Values of `model_type` in `config.json` that mean this family where the template says nothing."""
    template_marks: tuple[tuple[str, ...], ...]
    """Texts that stand in its chat template: all of one group are needed, any group is enough."""
    parser: str
    """A name of `calls.PARSERS`."""
    vllm_parser: str
    """The value of `vllm serve --tool-call-parser` (checked against vLLM 0.32); empty where it has none."""
    tested: str
    """The texts of `tests/data/parsers` on which the parser was compared with vLLM's; empty where it was with nobody's."""


_SECTION = "<｜tool▁calls▁begin｜>"

FAMILIES: tuple[Family, ...] = (
    Family(
        "Kimi K2",
        ("kimi_k2", "kimi_k25", "kimi_linear"),
        (("<|tool_calls_section_begin|>",), ("<|tool_call_argument_begin|>",)),
        "kimi",
        "kimi_k2",
        "kimi_k2",
    ),
    Family("DeepSeek V3, R1", ("deepseek_v3",), ((_SECTION, "```json"),), "deepseek", "deepseek_v3", "deepseek_v3"),
    Family("DeepSeek V3.1", (), ((_SECTION,),), "deepseek", "deepseek_v31", "deepseek_v31"),
    Family(
        "gpt-oss",
        ("gpt_oss",),
        (("<|channel|>", "<|message|>"),),
        "harmony",
        "openai",
        "",
    ),
    Family(
        "Command R7B, A",
        ("cohere2", "cohere2_moe"),
        (("<|START_ACTION|>",),),
        "cohere",
        "cohere_command3",
        "",
    ),
    Family(
        "GLM 4.5 and later",
        ("glm4_moe", "glm4_moe_lite", "glm_moe_dsa"),
        (("<tool_call>", "<arg_key>"),),
        "glm4",
        "glm45",
        "glm45",
    ),
    Family(
        "Qwen3-Coder, Qwen3.5 and later",
        ("qwen3_5", "qwen3_5_moe"),
        (("<tool_call>", "<function="), ("<function=", "<parameter=")),
        "qwen3_xml",
        "qwen3_xml",
        "qwen3_xml",
    ),
    Family(
        "functionary v3",
        (),
        (("<function=",), (">>>all",)),
        "functionary",
        "",
        "",
    ),
    Family(
        "Granite 3",
        ("granite", "granitemoe"),
        (("<|tool_call|>", "<|start_of_role|>"), ("<|tool_call|>", "<|start_of_text|>")),
        "granite",
        "granite",
        "granite",
    ),
    Family("Phi-4-mini", ("phi3",), (("functools[",), ("<|tool|>",)), "phi4_mini", "phi4_mini_json", "phi4_mini_json"),
    Family(
        "Mistral since v11",
        (),
        (("[TOOL_CALLS]", "[ARGS]"),),
        "mistral",
        "mistral",
        "mistral@v11",
    ),
    Family(
        "Mistral, Mixtral, Ministral",
        ("mistral", "mistral3", "mixtral", "ministral", "ministral3"),
        (("[TOOL_CALLS]",),),
        "mistral",
        "mistral",
        "mistral",
    ),
    Family(
        "Hermes, Qwen2.5, Qwen3, SmolLM3, Granite 4",
        ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next", "smollm3", "granitemoehybrid"),
        (("<tool_call>",),),
        "hermes",
        "hermes",
        "hermes",
    ),
    Family(
        "Llama 4",
        ("llama4", "llama4_text"),
        (("<|header_start|>", "func_name1("), ("<|python_start|>",)),
        "pythonic",
        "llama4_pythonic",
        "llama4_pythonic",
    ),
    Family(
        "ToolACE, Llama 3.2 pythonic",
        (),
        (("[func_name1(",), ("[func1(params_name1",)),
        "toolace",
        "pythonic",
        "pythonic",
    ),
    Family("xLAM", (), (('[{"name": "tool_call_name"',), ("single JSON array",)), "xlam", "xlam", "xlam"),
    Family(
        "Llama 3.1, 3.2, 3.3",
        ("llama",),
        (("<|python_tag|>",), ('"parameters": dictionary of argument name',), ("<|start_header_id|>", '"parameters"')),
        "llama3_json",
        "llama3_json",
        "llama3_json",
    ),
)
"""In the order in which templates are tried: what names a syntax more closely stands before what it contains."""


def family_of(config: Mapping[str, Any], template: str) -> Family | None:
    """The family of a model; None where neither its template nor its configuration tells.

    The template decides, since fine-tunes keep their base's `model_type` and change how calls are written; only a model
    whose template shows no call syntax is told by `model_type`, then by the same of its text part.

    Args:
        config: `config.json`.
        template: the chat template's text; may be empty.
    """
    for family in FAMILIES:
        if any(all(mark in template for mark in group) for group in family.template_marks):
            return family
    inner = config.get("text_config")
    kinds = [config.get("model_type"), inner.get("model_type") if isinstance(inner, Mapping) else None]
    for kind in kinds:
        for family in FAMILIES:
            if kind in family.model_types or (
                isinstance(kind, str) and kind.removesuffix("_text") in family.model_types
            ):
                return family
    return None
