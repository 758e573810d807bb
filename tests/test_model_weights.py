"""What identifies a model's weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rise_bench.errors import SetupError
from rise_bench.model.weights import tokenizer_digest, weights_digest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RISE_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def saved(folder: Path, weights: bytes = b"weights", name: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(weights)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


def test_the_same_files_elsewhere_are_the_same_weights(tmp_path: Path) -> None:
    assert weights_digest(saved(tmp_path / "a")) == weights_digest(saved(tmp_path / "b"))


@pytest.mark.parametrize(
    ("name", "text"),
    [("model.safetensors", "others"), ("config.json", '{"a": 1}'), ("generation_config.json", '{"eos_token_id": 1}')],
)
def test_other_weights_or_another_configuration_are_another_model(tmp_path: Path, name: str, text: str) -> None:
    before = weights_digest(saved(tmp_path / "a"))
    (saved(tmp_path / "b") / name).write_text(text, encoding="utf-8")
    assert weights_digest(tmp_path / "b") != before


def test_what_stands_beside_the_weights_does_not_count(tmp_path: Path) -> None:
    before = weights_digest(saved(tmp_path / "a"))
    (tmp_path / "a" / "README.md").write_text("read me", encoding="utf-8")
    (tmp_path / "a" / "pytorch_model.bin").write_bytes(b"the same in another format")
    assert weights_digest(tmp_path / "a") == before


def test_an_index_names_the_files(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", name="model-00001-of-00002.safetensors")
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"more")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    before = weights_digest(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"other")
    assert weights_digest(folder) != before
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(SetupError, match=r"model-00002-of-00002\.safetensors is missing, one of 2 files"):
        weights_digest(folder)


def test_a_broken_index_is_said_in_one_line(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a", name="part.safetensors")
    (folder / "model.safetensors.index.json").write_text("[]", encoding="utf-8")
    with pytest.raises(SetupError, match="no index of weights"):
        weights_digest(folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SetupError, match="no weights in this folder"):
        weights_digest(tmp_path)


def test_a_file_is_read_once_as_long_as_its_time_of_change_stays(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a")
    before, state = weights_digest(folder), (folder / "model.safetensors").stat()
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    os.utime(folder / "model.safetensors", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert weights_digest(folder) == before
    os.utime(folder / "model.safetensors", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert weights_digest(folder) != before


def test_a_cache_that_cannot_be_used_costs_no_answer(tmp_path: Path, cache: Path) -> None:
    before = weights_digest(saved(tmp_path / "a"))
    for note in (cache / "weights").iterdir():
        note.write_text("[1, ", encoding="utf-8")
    assert weights_digest(tmp_path / "a") == before


def test_files_of_a_hubs_cache_are_known_by_the_names_that_it_gave_them(tmp_path: Path) -> None:
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir(parents=True)
    snapshot = saved(tmp_path / "models--a--b" / "snapshots" / "c0ffee")
    before = weights_digest(saved(tmp_path / "plain"))
    named = "b2083dcbfa6d1b7a9e1a0d6a4b1d9b7b8ae02d28dbd3c9bd9fca56b4a2c7f0a1"
    (blobs / named).write_bytes(b"never read")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(blobs / named)
    there = weights_digest(snapshot)
    (blobs / named).write_bytes(b"not even now")
    assert weights_digest(snapshot) == there != before


def test_a_tokenizer_is_its_own_files(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a")
    assert tokenizer_digest(folder) == ""
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    before = tokenizer_digest(folder)
    (folder / "tokenizer.json").write_text('{"a": 1}', encoding="utf-8")
    assert "" != tokenizer_digest(folder) != before
