"""Plug-ins by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rise_bench import plugins
from rise_bench.errors import PluginError


def test_every_built_in_can_be_loaded() -> None:
    for kind in plugins.KINDS:
        for name in plugins.known(kind):
            assert callable(plugins.load(kind, name)), (kind, name)


def test_listing_imports_no_plug_in() -> None:
    code = (
        "import sys; from rise_bench import plugins\n"
        "for kind in plugins.KINDS: plugins.known(kind)\n"
        "print([m for m in ('openai', 'rise_bench.model', 'rise_bench.ground', 'mcp', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert ran.stdout.strip() == "[]"


def test_module_and_attribute_name_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_plugin.py").write_text("class Box:\n    make = staticmethod(lambda: 7)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.load("scorer", "mine_plugin:Box.make")() == 7


def test_an_entry_point_is_listed_and_loaded_but_never_replaces_a_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n", encoding="utf-8")
    points = "[rise_bench.model]\nextra = json:loads\nsilent = json:dumps\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert "extra" in plugins.known("model")
    assert plugins.load("model", "extra").__name__ == "loads"
    assert plugins.load("model", "silent").__module__ == "rise_bench.model.trivial"


def test_an_unknown_name_is_refused_with_what_is_known_and_what_is_close() -> None:
    with pytest.raises(PluginError, match="did you mean 'oracle'") as caught:
        plugins.load("model", "orcale")
    assert "lexical" in str(caught.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PluginError, match="one of: scorer"):
        plugins.known("modle")


@pytest.mark.parametrize(
    ("source", "attribute", "said"),
    [
        ("1/0", "x", "ZeroDivisionError"),
        ("import no_such_package", "x", "no_such_package"),
        ("raise SyntaxError('odd')", "x", "odd"),
        ("y = 1", "x", "no attribute 'x'"),
    ],
)
def test_a_broken_plug_in_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, attribute: str, said: str
) -> None:
    (tmp_path / "broken_plugin.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)
    with pytest.raises(PluginError, match=said):
        plugins.load("model", f"broken_plugin:{attribute}")


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PluginError, match="cannot import nowhere_to_be_found"):
        plugins.load("model", "nowhere_to_be_found:x")
