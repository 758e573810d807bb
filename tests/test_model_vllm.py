"""`vllm:ID`: the command it comes to, who reads calls, what is one model and what another, and a server that dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_vllm
import pytest
import toy

from rise_bench import bench
from rise_bench.errors import InputError, ModelFault, SetupError
from rise_bench.model.load import load
from rise_bench.model.vllm import Attached, Vllm
from rise_bench.runs import Run
from rise_bench.types import ModelRequest, Sampling, User

HERMES = "{% if tools %}<tools>{{ tools }}</tools> <tool_call>{% endif %}{{ messages }}"
STRANGE = "{{ messages }}"


def model_folder(folder: Path, template: str = HERMES, model_type: str = "qwen3") -> Path:
    """What can be known of a model without its weights."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return use(fake_vllm.install(tmp_path / "fake"), monkeypatch)


def use(program: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISE_BENCH_VLLM", str(program))
    monkeypatch.setenv("RISE_BENCH_CACHE", str(program.parent.parent / "cache"))
    return program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "tiny")


def make(folder: Path, sampling: Sampling | None = None, **args: Any) -> Vllm:
    model = load(f"vllm:{folder}", {"backoff": 0, **args}, sampling=sampling)
    assert isinstance(model, Vllm)
    model.notice = lambda line: None
    return model


def request(text: str = "Hello") -> ModelRequest:
    return ModelRequest(messages=(User(content=text),), tools=toy.GROUND.servers[0].tools, task="t")


def ask(model: Any) -> str:
    found: str = model.reply(request()).message.content
    return found


def words_of(model: Vllm, program: Path) -> list[str]:
    """The words after `serve` that its server was started with, without address and port."""
    try:
        ask(model)
    finally:
        model.close()
    (start,) = fake_vllm.happened(program, "starts")
    words: list[str] = start["words"]
    assert words[0] == "serve"
    assert words[-4:-1] == ["--host", "127.0.0.1", "--port"]
    return words[1:-4]


def sent(program: Path) -> dict[str, Any]:
    found: dict[str, Any] = fake_vllm.happened(program, "requests")[-1]
    return found


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_server_gets_the_family_s_parser_and_whatever_else_was_asked_for(program: Path, folder: Path) -> None:
    args = {"tensor_parallel_size": 2, "dtype": "float32", "enforce-eager": True, "enable_chunked_prefill": False}
    args |= {"hf_overrides": {"a": 1}, "allowed_origins": ["x", "y"], "quantization": None}
    words = words_of(make(folder, **args), program)
    assert words[:3] == [str(folder), "--served-model-name", str(folder)]
    assert words[3:6] == ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    assert " ".join(words[6:]) == (
        "--tensor-parallel-size 2 --dtype float32 --enforce-eager --no-enable-chunked-prefill "
        '--hf-overrides {"a":1} --allowed-origins x y'
    )


def test_an_adapter_is_served_and_asked_for_under_a_name_of_its_own(
    program: Path, folder: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "mine"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 20}', encoding="utf-8")
    (adapter / "adapter_model.safetensors").write_bytes(b"adapter")
    model = make(folder, peft=str(adapter))
    plain = make(folder)
    assert model.content() != plain.content()
    words = words_of(model, program)
    assert words[-5:] == ["--enable-lora", "--lora-modules", f"mine-adapter={adapter}", "--max-lora-rank", "32"]
    assert sent(program)["model"] == "mine-adapter"


def test_deterministic_means_no_cached_prefixes_a_seed_and_one_request_at_a_time(program: Path, folder: Path) -> None:
    model = make(folder, Sampling(deterministic=True))
    assert model.width == 1
    assert "same tokens" in str(model.settings()["guarantee"])
    assert words_of(model, program)[-3:] == ["--no-enable-prefix-caching", "--seed", "0"]
    assert sent(program)["temperature"] == 0
    assert "guarantee" not in make(folder).settings()


def test_the_server_has_its_own_key_and_its_own_programs_first(
    program: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "of-another-server")
    words_of(make(folder), program)
    (start,) = fake_vllm.happened(program, "starts")
    assert len(start["key"]) > 30
    assert start["key"] != "of-another-server"


@pytest.mark.parametrize(
    "name", ["host", "port", "api_key", "api-key", "served_model_name", "tool_call_parser", "lora_modules", "uds"]
)
def test_options_that_are_ours_to_give_are_refused_with_the_reason(program: Path, folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be given"):
        make(folder, **{name: "x"})


@pytest.mark.parametrize("args", [{"start_seconds": 0}, {"tools": "magic"}, {"restarts": -1}, {"a;b": 1}])
def test_arguments_out_of_range_are_refused_before_anything_starts(
    program: Path, folder: Path, args: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        make(folder, **args)
    assert fake_vllm.happened(program, "starts") == []


def test_a_model_that_is_nowhere_is_one_line(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    for target, said in (("", "no model named"), (str(tmp_path / "empty"), "config.json"), ("no//id", "no hub id")):
        with pytest.raises((InputError, SetupError), match=said) as caught:
            load(f"vllm:{target}")
        assert "\n" not in str(caught.value)


# --- who reads calls --------------------------------------------------------------------------------------------------


def test_an_unknown_family_is_told_its_tools_in_words_and_read_by_us(program: Path, tmp_path: Path) -> None:
    model = make(model_folder(tmp_path / "strange", STRANGE, "strange"))
    assert model.settings()["parser"] == "harness:hermes"
    assert "tool_parser=" in str(model.settings()["parser_reason"])
    assert "--tool-call-parser" not in words_of(model, program)
    assert "tools" not in sent(program)
    assert "files__list" in sent(program)["messages"][0]["content"]


def test_a_parser_of_ours_reads_the_whole_text_while_tools_stay_in_the_template(program: Path, folder: Path) -> None:
    model = make(folder, Sampling(parser="xlam"))
    assert model.settings()["parser"] == "harness:xlam"
    assert "--enable-auto-tool-choice" not in words_of(model, program)
    body = sent(program)
    assert (body["tool_choice"], body["skip_special_tokens"], len(body["tools"])) == ("none", False, 4)


def test_a_named_engine_parser_is_taken(program: Path, tmp_path: Path) -> None:
    model = make(model_folder(tmp_path / "strange", STRANGE, "strange"), tool_parser="jamba")
    assert model.settings()["parser"] == "engine:jamba"
    assert "jamba" in words_of(model, program)
    assert "tool_choice" not in sent(program)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_weights_template_and_reading_make_the_model_and_its_place_does_not(program: Path, tmp_path: Path) -> None:
    first = make(model_folder(tmp_path / "a")).content()
    assert make(model_folder(tmp_path / "b")).content() == first
    assert make(model_folder(tmp_path / "c", HERMES + " ")).content() != first
    other = model_folder(tmp_path / "d")
    (other / "model.safetensors").write_bytes(b"others")
    assert make(other).content() != first
    assert make(tmp_path / "a", tools="prompted").content() != first
    assert fake_vllm.happened(program, "starts") == []


def test_another_template_given_to_the_server_is_another_model(program: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(STRANGE, encoding="utf-8")
    model, other = make(folder), make(folder, chat_template=str(tmp_path / "own.jinja"))
    assert model.content() != other.content()
    assert model.settings()["template"] != other.settings()["template"]


# --- attaching --------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(program: Path, folder: Path) -> Iterator[Vllm]:
    model = make(folder)
    model.start()
    yield model
    model.close()


def address(program: Path) -> tuple[str, str]:
    """(address, key) of the server that was started last."""
    start = fake_vllm.happened(program, "starts")[-1]
    return f"http://127.0.0.1:{start['words'][-1]}", start["key"]


def test_a_running_server_is_attached_to_and_left_running(
    started: Vllm, program: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = address(program)
    monkeypatch.setenv("VLLM_API_KEY", key)
    model = load(f"vllm:{folder}", {"base_url": f"{url}/v1"})
    assert isinstance(model, Attached)
    assert (ask(model), model.settings()["engine_version"]) == ("Answer 1.", "0.0.fake")
    assert json.loads(model.content())["root"] == "/fake"
    model.close()
    assert ask(started) == "Answer 2."
    assert len(fake_vllm.happened(program, "starts")) == 1


def test_attaching_to_the_wrong_place_is_said_at_once(
    started: Vllm, program: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = address(program)
    monkeypatch.setenv("VLLM_API_KEY", key)
    with pytest.raises(SetupError, match=f"serves {folder}; not 'other'"):
        load("vllm:other", {"base_url": url})
    with pytest.raises(InputError, match="tensor_parallel_size"):
        load(f"vllm:{folder}", {"base_url": url, "tensor_parallel_size": 2})
    monkeypatch.setenv("VLLM_API_KEY", "wrong")
    with pytest.raises(SetupError, match="key is refused"):
        load(f"vllm:{folder}", {"base_url": url})
    started.close()
    with pytest.raises(SetupError, match="nobody answers"):
        load(f"vllm:{folder}", {"base_url": url})


# --- death ------------------------------------------------------------------------------------------------------------


def test_a_server_that_dies_is_started_again_and_asked_anew(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = use(fake_vllm.install(tmp_path / "fake", dies_at=[2]), monkeypatch)
    model = make(folder, retries=0)
    told: list[str] = []
    model.notice = told.append
    assert [ask(model), ask(model)] == ["Answer 1.", "Answer 3."]
    assert len(fake_vllm.happened(program, "starts")) == 2
    assert any("the server died, starting it again" in line for line in told)
    model.close()
    assert fake_vllm.running(program) == []


def test_one_that_dies_again_is_a_fault_and_every_later_request_too(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = use(fake_vllm.install(tmp_path / "fake", dies_at=[1, 2]), monkeypatch)
    model = make(folder, retries=0)
    for _ in range(2):
        with pytest.raises(ModelFault, match=r"the server died: .*log: .*--retry-faults"):
            ask(model)
    assert len(fake_vllm.happened(program, "starts")) == 2
    model.close()
    assert fake_vllm.running(program) == []
    with pytest.raises(ModelFault):
        ask(model)


def test_a_server_that_cannot_be_started_ends_the_run_with_one_line(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = use(fake_vllm.install(tmp_path / "fake", fails=["ValueError: no such dtype"]), monkeypatch)
    model = make(folder)
    with pytest.raises(SetupError, match="ValueError: no such dtype; log: "):
        ask(model)
    model.close()
    assert fake_vllm.running(program) == []


def test_a_server_killed_in_mid_run_loses_nothing_and_the_run_goes_on_later(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = toy.make_suite(tmp_path / "suite")
    program = use(fake_vllm.install(tmp_path / "fake", dies_at=[3]), monkeypatch)
    options = bench.Options(
        suite=str(suite.path),
        model=f"vllm:{folder}",
        model_args={"restarts": 0, "retries": 0},
        ground="replay",
        output=tmp_path / "runs",
        concurrency=1,
    )
    first = bench.evaluate(options)
    stops = [made.stop for made in Run.open(first.run).trajectories()]
    assert stops == ["answered"] * 2 + ["fault"] * (len(toy.TASKS) - 2)
    assert bench.report(first.run, str(suite.path)).outcomes.fault == len(toy.TASKS) - 2
    use(fake_vllm.install(tmp_path / "mended"), monkeypatch)
    second = bench.evaluate(replace(options, retry_faults=True))
    assert second.made == len(toy.TASKS) - 2
    report = bench.report(second.run, str(suite.path))
    assert report.outcomes.fault == 0
    assert fake_vllm.running(program) == []
