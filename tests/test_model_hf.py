"""A real, tiny model of transformers in our own process."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from model_kit import REQUESTS, TOOLS, asked, side_by_side
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from rise_bench.errors import InputError, ModelFault, SetupError
from rise_bench.model import load
from rise_bench.model.hf import HuggingFace
from rise_bench.model.prompt import template_messages
from rise_bench.model.wire import Names, tool_schema
from rise_bench.types import Sampling

GREEDY = Sampling(max_tokens=48)
WARM = Sampling(max_tokens=24, temperature=1.0)


def model(path: Path | str, sampling: Sampling = GREEDY, **args: Any) -> HuggingFace:
    made = load(f"hf:{path}", {"device": "cpu", **args}, None, sampling)
    assert isinstance(made, HuggingFace)
    return made


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Iterator[HuggingFace]:
    made = model(tiny_model)
    yield made
    made.close()


@pytest.fixture(scope="module")
def warm(tiny_model: Path) -> Iterator[HuggingFace]:
    made = model(tiny_model, WARM)
    yield made
    made.close()


# --- replies ----------------------------------------------------------------------------------------------------------


def test_it_calls_a_tool_and_says_what_the_result_was(tiny: HuggingFace) -> None:
    call, answer = (tiny.reply(request) for request in REQUESTS[:2])
    assert [made.tool for made in call.message.tool_calls] == ["filesystem.read_text_file"]
    assert call.message.tool_calls[0].id == "call_0_0" and call.stop is None
    assert answer.message.content.startswith("It says") and answer.message.tool_calls == ()
    assert "<|im_end|>" not in answer.message.content


def test_tokens_are_counted_as_the_tokenizer_counts_them(tiny: HuggingFace, tiny_model: Path) -> None:
    names = Names.of(TOOLS)
    tokens = AutoTokenizer.from_pretrained(tiny_model).apply_chat_template(
        template_messages(REQUESTS[0].messages, names),
        tools=[tool_schema(tool, names) for tool in TOOLS],
        add_generation_prompt=True,
        return_dict=True,
    )["input_ids"]
    reply = tiny.reply(REQUESTS[0])
    assert reply.input_tokens == len(tokens)
    assert reply.output_tokens is not None and 0 < reply.output_tokens <= 48


def test_a_batch_says_what_each_request_alone_would(tiny: HuggingFace) -> None:
    assert side_by_side(tiny, REQUESTS) == [tiny.reply(request) for request in REQUESTS]


@pytest.mark.parametrize("started", [False, True], ids=["at the first request", "started ahead"])
def test_a_model_with_sliding_windows_is_read_in_padded_batches_and_says_the_same(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    shutil.copytree(tiny_model, tmp_path / "sliding")
    config = Qwen3Config.from_pretrained(tiny_model, use_sliding_window=True, sliding_window=64, max_window_layers=0)
    config.layer_types = ["sliding_attention"] * config.num_hidden_layers
    config.save_pretrained(tmp_path / "sliding")
    sliding = model(tmp_path / "sliding")
    if started:
        sliding.start()
    alone = [sliding.reply(request) for request in REQUESTS]
    assert side_by_side(sliding, REQUESTS) == alone
    assert not sliding._joinable
    monkeypatch.setattr("rise_bench.model.hf._MASK_BYTES", 400_000)  # three rows of these
    assert side_by_side(sliding, REQUESTS) == alone
    sliding.close()


def test_what_does_not_end_within_the_limit_is_cut_there(tiny_model: Path) -> None:
    short = model(tiny_model, Sampling(max_tokens=3))
    reply = short.reply(REQUESTS[0])
    assert (reply.stop, reply.output_tokens) == ("output_limit", 3)
    short.close()


def test_a_prompt_that_fills_the_context_overflows_it(tiny_model: Path) -> None:
    length = model(tiny_model).reply(REQUESTS[0]).input_tokens
    assert length is not None
    none_left, few_left = model(tiny_model, context=length), model(tiny_model, context=length + 2)
    reply = none_left.reply(REQUESTS[0])
    assert (reply.stop, reply.output_tokens, reply.input_tokens) == ("context_overflow", 0, length)
    assert few_left.reply(REQUESTS[0]).stop == "context_overflow"
    for made in (none_left, few_left):
        made.close()


def test_rows_of_one_batch_have_each_their_own_room(tiny_model: Path) -> None:
    longest = max(model(tiny_model).reply(request).input_tokens or 0 for request in REQUESTS)
    made = model(tiny_model, context=longest + 4)
    replies = side_by_side(made, REQUESTS)
    assert replies == [made.reply(request) for request in REQUESTS]
    assert {reply.stop for reply in replies} == {None, "context_overflow"}
    made.close()


def test_without_tool_choice_no_tools_are_told(tiny_model: Path, tiny: HuggingFace) -> None:
    bare = model(tiny_model, Sampling(max_tokens=2, tool_choice="none"))
    assert (bare.reply(REQUESTS[0]).input_tokens or 0) < (tiny.reply(REQUESTS[0]).input_tokens or 0) / 2
    bare.close()


def test_tools_told_in_words_are_longer_and_read_by_the_same_marks(tiny_model: Path) -> None:
    told = model(tiny_model, tools="prompted")
    assert told.settings()["tools"] == "prompted"
    reply = told.reply(REQUESTS[0])
    assert reply.message.tool_calls or reply.message.content
    told.close()


def test_a_model_without_a_template_continues_written_roles(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    base = model(tmp_path / "base")
    assert base.settings()["tools_reason"] == "no chat template: roles are written out"
    replies = side_by_side(base, REQUESTS)
    assert all("\nUser:" not in reply.message.content for reply in replies)
    base.close()


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_what_is_drawn_follows_the_seed_and_not_the_company(warm: HuggingFace) -> None:
    assert side_by_side(warm, REQUESTS) == [warm.reply(request) for request in REQUESTS]


def test_attempts_and_seeds_draw_differently(warm: HuggingFace) -> None:
    text = "Somebody rang about the roof."
    others = [asked(text, attempt=1), asked(text, seed=1), asked(text, task="other")]
    drawn = [reply.message for reply in side_by_side(warm, [asked(text), *others, asked(text)])]
    assert drawn[0] == drawn[-1]
    assert len({message.model_dump_json() for message in drawn}) == 4


def test_the_generation_defaults_of_the_model_count_where_nothing_else_is_asked(
    tiny_model: Path, tmp_path: Path, tiny: HuggingFace
) -> None:
    shutil.copytree(tiny_model, tmp_path / "cold")
    path = tmp_path / "cold" / "generation_config.json"
    defaults = json.loads(path.read_text(encoding="utf-8")) | {"do_sample": True, "top_k": 1, "temperature": 0.7}
    path.write_text(json.dumps(defaults), encoding="utf-8")
    cold = model(tmp_path / "cold", Sampling(max_tokens=48, temperature=None))
    assert cold.reply(REQUESTS[0]).message == tiny.reply(REQUESTS[0]).message
    assert cold.settings()["generation_defaults"]["top_k"] == 1  # type: ignore[index, call-overload]
    cold.close()


def test_deterministic_is_one_greedy_request_at_a_time(tiny_model: Path, tiny: HuggingFace) -> None:
    made = model(tiny_model, Sampling(max_tokens=48, temperature=1.0, deterministic=True))
    try:
        assert made.width == 1 and "same tokens" in str(made.settings()["guarantee"])
        assert side_by_side(made, REQUESTS[:3]) == [tiny.reply(request) for request in REQUESTS[:3]]
    finally:
        made.close()
        torch.use_deterministic_algorithms(False)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_the_identity_follows_weights_adapter_template_and_how_tools_are_told(
    tiny_model: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(tiny_model, moved)
    (tmp_path / "other.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    first = model(tiny_model).content()
    assert model(moved, batch_size=2).content() == first
    others = [
        model(tiny_model, peft=str(tiny_adapter)),
        model(tiny_model, tools="prompted"),
        model(tiny_model, chat_template=str(tmp_path / "other.jinja")),
        model(tiny_model, dtype="bfloat16"),
        model(tiny_model, template_args={"enable_thinking": False}),
        model(tiny_model, Sampling(parser="auto")),
    ]
    assert len({first, *(other.content() for other in others)}) == 7


def test_an_adapter_changes_what_is_said_whichever_way_it_is_named(
    tiny_model: Path, tiny_adapter: Path, warm: HuggingFace
) -> None:
    named, itself = model(tiny_model, WARM, peft=str(tiny_adapter)), model(tiny_adapter, WARM)
    assert named.content() == itself.content()
    adapted = side_by_side(named, REQUESTS)
    assert adapted == side_by_side(itself, REQUESTS) != side_by_side(warm, REQUESTS)
    assert "peft" in named.settings()
    for made in (named, itself):
        made.close()


def test_settings_say_what_answers(tiny: HuggingFace) -> None:
    settings = tiny.settings()
    wanted = {"engine": "transformers", "device": "cpu", "dtype": "float32", "batch_size": 8, "context": 32768}
    assert settings | wanted == settings
    assert (settings["tools"], settings["parser"]) == ("native", "harness:hermes")
    assert len(str(settings["template"])) == 64


def test_a_model_of_the_hubs_cache_is_found_offline(
    tiny_model: Path, tiny: HuggingFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    stored = tmp_path / "models--someone--tiny"
    shutil.copytree(tiny_model, stored / "snapshots" / commit)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = model("someone/tiny")
    assert cached.content() == tiny.content() and cached.settings()["commit"] == commit
    assert cached.reply(REQUESTS[0]) == tiny.reply(REQUESTS[0])
    cached.close()


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"colour": "red"}, "it takes: revision, tokenizer"),
        ({"batch_size": 0}, "batch_size"),
        ({"dtype": "int3"}, "dtype"),
        ({"device": "abacus"}, "device=abacus: this device cannot be used"),
        ({"chat_template": "nowhere.jinja"}, "nowhere.jinja: the chat template cannot be read"),
        ({"tools": "sung"}, "tools"),
    ],
)
def test_arguments_that_cannot_be_used_are_said_in_one_line(tiny_model: Path, args: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as raised:
        model(tiny_model, **args)
    assert says in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("sampling", [Sampling(strict=True), Sampling(tool_choice="required")])
def test_what_transformers_cannot_enforce_is_refused(tiny_model: Path, sampling: Sampling) -> None:
    with pytest.raises(InputError, match="cannot hold a model to it"):
        model(tiny_model, sampling)


def test_a_model_must_be_named() -> None:
    with pytest.raises(InputError, match="no model named"):
        model("")


def test_an_unknown_id_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError, match="someone/none: no such folder, and no model that can be fetched") as raised:
        model("someone/none")
    assert "\n" not in str(raised.value)


def test_weights_that_cannot_be_loaded_are_said_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"no weights")
    broken = model(tmp_path / "broken")
    with pytest.raises(SetupError, match="cannot be loaded") as raised:
        broken.reply(REQUESTS[0])
    assert "\n" not in str(raised.value)
    broken.close()


def test_a_batch_that_memory_does_not_hold_is_halved_and_one_alone_is_a_fault(tiny_model: Path) -> None:
    made = model(tiny_model)
    told: list[str] = []
    made.notice = told.append
    wanted = [made.reply(request) for request in REQUESTS]
    most = 2

    def full(module: torch.nn.Module, args: object, named: dict[str, torch.Tensor]) -> None:
        if len(named["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = made._model.register_forward_pre_hook(full, with_kwargs=True)
    assert side_by_side(made, REQUESTS) == wanted
    assert any("halved" in line for line in told)
    most = 0
    with pytest.raises(ModelFault, match="OutOfMemoryError"):
        made.reply(REQUESTS[0])
    hook.remove()
    assert made.reply(REQUESTS[0]) == wanted[0]
    made.close()


def test_closing_releases_who_waits_and_ends_what_would_be_written(tiny_model: Path) -> None:
    endless = model(tiny_model, Sampling(max_tokens=30_000, temperature=50.0))
    loading, go_on = threading.Event(), threading.Event()

    def notice(line: str) -> None:
        loading.set()
        go_on.wait()

    endless.notice = notice
    with ThreadPoolExecutor(2) as pool:
        reply = pool.submit(endless.reply, REQUESTS[0])
        loading.wait()
        closing = pool.submit(endless.close)
        with pytest.raises(ModelFault, match="the model is closed"):
            reply.result()
        go_on.set()
        closing.result()
    with pytest.raises(ModelFault, match="the model is closed"):
        endless.reply(REQUESTS[0])


def test_a_model_whose_tokens_never_end_a_message_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    config = Qwen3Config.from_pretrained(tiny_model)
    config.eos_token_id = None
    Qwen3ForCausalLM(config).save_pretrained(tmp_path / "endless")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "endless")
    (tmp_path / "endless" / "generation_config.json").unlink(missing_ok=True)
    with pytest.raises(SetupError, match="no token that ends a message"):
        model(tmp_path / "endless")
