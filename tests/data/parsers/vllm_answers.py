"""What vLLM's tool parsers make of `texts.jsonl`: run in vLLM's environment, prints JSON.

python tests/data/parsers/vllm_answers.py > tests/data/parsers/vllm.json
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import vllm
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.tool_parsers import ToolParserManager

HERE = Path(__file__).parent
MARKS = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<|tool_call|>", "[TOOL_CALLS]", "<|python_tag|>"),
    *("<|python_start|>", "<|python_end|>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
    *(
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
    ),
    *("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_end|>"),
    "<|tool_call_argument_begin|>",
)


def tokenizer(*more: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with every mark as a special token: parsers look their marks up in the vocabulary."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in (*MARKS, *more)])
    return PreTrainedTokenizerFast(tokenizer_object=plain)


TOKENIZERS = {"": tokenizer(), "v11": tokenizer("[ARGS]")}
"""`[ARGS]` in the vocabulary tells the Mistral parser which of two formats to read."""


def answer(row: dict[str, Any], tools: dict[str, Any]) -> dict[str, Any]:
    """The calls that the row's parser gives, each with its arguments as text; or the error that it raises."""
    name, _, variant = row["vllm"].partition("@")
    told = [{"type": "function", "function": {"name": key, "parameters": tools[key]}} for key in tools]
    request = ChatCompletionRequest(
        model="m", messages=[{"role": "user", "content": "?"}], tools=told if row.get("typed") else None
    )
    parser = ToolParserManager.get_tool_parser(name)(TOKENIZERS[variant], request.tools)
    try:
        found = parser.extract_tool_calls(row["text"], request)
    except Exception as error:  # whatever a parser of theirs raises is its answer
        return {"error": f"{type(error).__name__}: {error}"}
    return {"calls": [[call.function.name, call.function.arguments] for call in found.tool_calls]}


def main() -> None:
    """Print the version and the answer to each text."""
    logging.disable(logging.CRITICAL)
    tools = json.loads((HERE / "tools.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in (HERE / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {row["id"]: answer(row, tools) for row in rows}
    found = {"vllm": vllm.__version__.partition("+")[0], "answers": answers}
    lines = ",\n".join(
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in answers.items()
    )
    sys.stdout.write(f'{{"vllm": {json.dumps(found["vllm"])}, "answers": {{\n{lines}\n}}}}\n')


main()
