"""A tiny language model made from nothing, taught for some seconds to write tool calls.

Qwen3-shaped, some four hundred thousand parameters; it loads in transformers, vLLM and lm-eval alike. What it says is
often well-formed and mostly wrong, which is what the doors to a model are tested with. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from rise_bench.model.prompt import template_messages
from rise_bench.model.wire import Names, tool_schema, wire_name
from rise_bench.store import load_suite
from rise_bench.types import Assistant, Message, Tool, ToolCall, ToolResult, User

__all__ = ["TEMPLATE", "make_tiny_adapter", "make_tiny_model"]

CONTEXT = 32_768
STEPS = 240
ROWS = 6
"""Conversations in one step of training."""
SHORT, LONG = 160, 4_000
"""Tokens of tools before a conversation, at most: mostly few, and in the second half sometimes many."""
FAR = 20_000
"""How much longer that part may seem: real prompts have thousands of tokens of tools."""
_RANK = 8
"""Of the adapter; vLLM takes no smaller one as a maximum."""

TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n\\nYou may call these functions:\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools>\\n\\nA call is <tool_call>{\"name\": NAME, \"arguments\": {}}</tool_call>.<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' }}
{%- generation %}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{%- set function = call.function if call.function else call %}
{%- if message.content or not loop.first %}{{- '\\n' }}{%- endif %}
{{- '<tool_call>\\n{\"name\": \"' + function.name + '\", \"arguments\": ' }}
{%- if function.arguments is string %}{{- function.arguments }}{%- else %}{{- function.arguments | tojson }}{%- endif %}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>' }}
{%- endgeneration %}
{{- '\\n' }}
{%- elif message.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
{{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
"""The Hermes format, as Qwen's models use it."""

_WORDS = ("notes", "invoices", "minutes", "budget", "travel", "garden", "contracts", "photos", "letters", "recipes")
_CITIES = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "Europe/London", "Australia/Sydney")

_LESSONS: tuple[tuple[str, dict[str, Any], str, str, str], ...] = (
    (
        "filesystem.list_directory",
        {"path": "/home/user/{word}"},
        "What is in the {word} folder?",
        "[FILE] {word}.txt",
        "There is one file, {word}.txt.",
    ),
    (
        "filesystem.read_text_file",
        {"path": "/home/user/{word}.txt"},
        "Read me {word}.txt, please.",
        "Bring {n} boxes.",
        "It says: bring {n} boxes.",
    ),
    (
        "filesystem.write_file",
        {"path": "/home/user/{word}.txt", "content": "{n}"},
        "Write {n} into {word}.txt.",
        "Successfully wrote",
        "Done, {n} is in {word}.txt.",
    ),
    (
        "filesystem.search_files",
        {"path": "/home/user", "pattern": "*{word}*"},
        "How many files are about {word}?",
        "a.txt",
        "There is 1 file about {word}.",
    ),
    (
        "filesystem.create_directory",
        {"path": "/home/user/{word}"},
        "Make a folder for {word}.",
        "Successfully created",
        "The folder {word} is there.",
    ),
    (
        "calendar.list-events",
        {"calendarId": "work"},
        "What is in my calendar about {word}?",
        "[]",
        "There is nothing about {word}.",
    ),
    (
        "sqlite.read_query",
        {"query": "SELECT * FROM {word}"},
        "Look up the {word} in the shop database.",
        "[]",
        "There are no {word}.",
    ),
    (
        "sqlite.list_tables",
        {},
        "Which tables does the database have?",
        "[{word}]",
        "It has one table, {word}.",
    ),
    (
        "time.get_current_time",
        {"timezone": "{city}"},
        "What time is it in {city}?",
        "09:{n}",
        "It is 09:{n} in {city}.",
    ),
    (
        "calculator.calculate",
        {"expression": "{n} * 3"},
        "How much is {n} times 3?",
        "{n}",
        "It is {n}.",
    ),
    (
        "units.convert_length",
        {"value": 5, "from_unit": "mile", "to_unit": "kilometer"},
        "How long is 5 miles in km?",
        "8.05",
        "It is 8.05 km.",
    ),
    (
        "memory.search_nodes",
        {"query": "{word}"},
        "Who looks after the {word}?",
        "Anna",
        "Anna looks after the {word}.",
    ),
    (
        "tasks.list_requests",
        {},
        "Which {word} are open on our task list?",
        "none",
        "Nothing is open.",
    ),
    (
        "",
        {},
        "Move my {word} appointment, would you?",
        "",
        "To which date shall I move it?",
    ),
    (
        "",
        {},
        "Send the {word} to the printer.",
        "",
        "I cannot do that: no tool prints.",
    ),
)
"""Tool, arguments, request, result and answer; what is in braces is drawn."""


def make_tiny_model(path: Path, seed: int = 0) -> Path:
    """The folder `path` with model and tokenizer, made unless it is there. Same seed and machine, same weights.

    Takes some 30 s on an idle core; the fixture `tiny_model` keeps one in pytest's cache.
    """
    if (path / "tokenizer_config.json").exists():
        return path
    rng = random.Random(seed)
    tools = [tool for server in load_suite("desk").ground.servers for tool in server.tools]
    tokenizer = _tokenizer(tools)
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(_config(tokenizer))
    _teach(model, tokenizer, tools, rng)
    half_made = path.with_name(f"{path.name}.{os.getpid()}")
    model.save_pretrained(half_made)
    tokenizer.save_pretrained(half_made)
    try:
        half_made.rename(path)
    except OSError:  # somebody else was faster: theirs is the same
        shutil.rmtree(half_made)
    return path


def make_tiny_adapter(model_path: Path, path: Path, seed: int = 0) -> Path:
    """The folder `path` with a LoRA adapter of the model, its weights drawn so that it changes what is said.

    Written as PEFT writes one, without importing it: that alone takes seconds.
    """
    torch.manual_seed(seed)
    config = json.loads((model_path / "config.json").read_text(encoding="utf-8"))
    wide, heads = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    weights = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{name}.lora_A.weight"] = torch.randn(_RANK, wide) * 0.1
        weights[f"{name}.lora_B.weight"] = torch.randn(heads, _RANK) * 0.3
    path.mkdir(parents=True, exist_ok=True)
    half_made = path / f"{os.getpid()}"
    save_file(weights, half_made)
    half_made.replace(path / "adapter_model.safetensors")  # another process may be reading the one before
    kind = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "target_modules": ["q_proj"], "r": _RANK, "lora_alpha": 16}
    named = {**kind, "base_model_name_or_path": str(model_path), "inference_mode": True}
    half_made.write_text(json.dumps(named, indent=1), encoding="utf-8")
    half_made.replace(path / "adapter_config.json")
    return path


def _config(tokenizer: PreTrainedTokenizerFast) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=1024,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        rope_theta=100_000.0,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        initializer_range=0.07,  # learns twice as fast as with the usual 0.02
    )


def _tokenizer(tools: list[Tool]) -> PreTrainedTokenizerFast:
    """Byte-level pairs over what the model will read. The marks of calls are no special tokens: engines drop those."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    rng = random.Random(0)
    corpus = [json.dumps(tool_schema(tool, Names.of([tool]))) for tool in tools]
    corpus += [str(_conversation(rng)) for _ in range(200)]
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(corpus, trainer)
    marks = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
    whole = sorted({wire_name(tool) for tool, *_ in _LESSONS if tool} | {"/home/user/"})
    trained.add_tokens([AddedToken(text, special=False, normalized=False) for text in (*marks, *whole)])
    found = PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=CONTEXT
    )
    found.chat_template = TEMPLATE
    return found


def _conversation(rng: random.Random) -> list[Message]:
    """A request and what follows it."""
    tool, arguments, request, result, answer = rng.choice(_LESSONS)
    drawn = {"word": rng.choice(_WORDS), "n": str(rng.randint(2, 59)), "city": rng.choice(_CITIES)}

    def fill(text: str) -> str:
        for key, value in drawn.items():
            text = text.replace(f"{{{key}}}", value)
        return text

    messages: list[Message] = [User(content=fill(request))]
    if not tool:
        return [*messages, Assistant(content=fill(answer))]
    filled = {key: fill(value) if isinstance(value, str) else value for key, value in arguments.items()}
    messages.append(Assistant(tool_calls=(ToolCall(id="call_0_0", tool=tool, arguments=filled),)))
    messages.append(ToolResult(call_id="call_0_0", tool=tool, content=fill(result)))
    return [*messages, Assistant(content=fill(answer))]


def _example(
    tokenizer: PreTrainedTokenizerFast, tools: list[Tool], rng: random.Random, most: int
) -> list[tuple[int, int, int]]:
    """Conversation after the end of a list of tools: (token, label, position), label -100 where none is learnt."""
    names = Names.of(tools)
    shown = [tool_schema(tool, names) for tool in rng.sample(tools, 3 if most == SHORT else 20)]
    system = [{"role": "system", "content": "You work for one person at a desk."}]
    head = tokenizer(tokenizer.apply_chat_template(system, tools=shown, tokenize=False)).input_ids
    head = head[-rng.randint(40, most) :]
    messages = [message for _ in range(1 if most == SHORT else 4) for message in _conversation(rng)]
    talk = tokenizer.apply_chat_template(
        template_messages(messages, names), return_dict=True, return_assistant_tokens_mask=True
    )
    begins = len(head) + rng.choice([0, rng.randint(0, FAR)])
    spoken = zip(talk["input_ids"], talk["assistant_masks"], strict=True)
    found = [(token, -100, position) for position, token in enumerate(head)]
    return found + [(token, token if said else -100, begins + at) for at, (token, said) in enumerate(spoken)]


def _batch(rows: list[list[tuple[int, int, int]]]) -> dict[str, torch.Tensor]:
    width = max(len(row) for row in rows)
    padded = torch.tensor([row + [(0, -100, 0)] * (width - len(row)) for row in rows])
    return dict(zip(("input_ids", "labels", "position_ids"), padded.unbind(-1), strict=True))


def _teach(model: Any, tokenizer: PreTrainedTokenizerFast, tools: list[Tool], rng: random.Random) -> None:
    """Next-token loss on what the assistant says. One thread: the sums are the same however many cores there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=STEPS, pct_start=0.1)
    for step in range(STEPS):
        far = step > STEPS // 2 and step % 3 == 0
        rows = [_example(tokenizer, tools, rng, LONG if far else SHORT) for _ in range(1 if far else ROWS)]
        model(**_batch(rows)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    torch.set_num_threads(threads)
