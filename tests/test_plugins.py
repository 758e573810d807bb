"""Plug-ins by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rise_bench import plugins
from rise_bench.errors import PluginError
from rise_bench.synth.negatives import operators
from rise_bench.synth.negatives.operators import Material, plugged
from rise_bench.synth.records import Chain, Draft, World
from rise_bench.synth.requests.author import plugged_author
from rise_bench.types import Call, Critical, Ground, Intent, Task


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


POINTS = """
[rise_bench.author]
terse = mine_words:Terse
[rise_bench.mutation]
always-first = mine_words:FIRST
"""
OFFERED = '''
"""An author, and an operator declared as those of `rise_bench.synth.negatives.operators`."""
from rise_bench.synth.negatives.operators import Mutant, Operator

class Terse:
    def author(self, draft, seed, count):
        yield draft.model_copy(update={"task": draft.task.model_copy(update={"request": "Go."}), "author": "terse"})

def _first(material, operator):
    yield Mutant(operator.id, operator.declared, material.task.reference[:1], 0)

FIRST = Operator("structure", "only-first", (0.0, 0.0), _first)
OTHER = Operator("value", "date+1d", (1.0, 0.0), _first)
'''


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that offers an author and a mutation."""
    info = tmp_path / "words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: words\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(POINTS, encoding="utf-8")
    (tmp_path / "mine_words.py").write_text(OFFERED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_words", raising=False)


@pytest.mark.usefixtures("offered")
def test_an_author_of_an_installed_package_writes_requests() -> None:
    assert "terse" in plugins.known("author")
    call = Call(tool="files.read", arguments={"path": "a"})
    chain = Chain(world=World(setup="w", now="", servers=("files",)), calls=(call,), primitives=("p",))
    task = Task(id="t", request="", reference=(call,))
    (made,) = plugged_author("terse").author(Draft(chain=chain, decisions=(), task=task), 1, 1)
    assert isinstance(made, Draft)
    assert (made.task.request, made.author) == ("Go.", "terse")


@pytest.mark.usefixtures("offered")
def test_a_mutation_of_an_installed_package_is_an_operator_like_any_other() -> None:
    assert "always-first" in plugins.known("mutation")
    (added,) = plugged(["always-first"])
    assert operators.operator("structure:only-first") is added
    assert plugged(["always-first"]) == (added,)
    calls = (Call(tool="files.read", arguments={"path": "a"}), Call(tool="files.drop", arguments={"path": "a"}))
    material = Material(Task(id="t", request="Go.", reference=calls), Ground(name="g", servers=()))
    assert [mutant.calls for mutant in added.mutants(material)] == [calls[:1]]


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine_words:OTHER", "'value:date\\+1d' is taken"),
        ("mine_words:OFFERED", "no attribute"),
        ("json:loads", "is no mut"),
    ],
)
def test_a_mutation_that_is_none_or_takes_anothers_id_is_refused(name: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        plugged([name])


def test_the_mutation_that_the_docs_show_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "synthesis.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "shown_in_docs.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    (weekend,) = plugged(["shown_in_docs:WEEKEND"])
    call = Call(tool="s.book", arguments={"day": "2026-05-20"})
    intent = Intent(critical=(Critical(call=0, argument="/day", match="date"),))
    task = Task(id="t", request="Book it.", reference=(call,), intent=intent, recorded=("ok",))
    (mutant,) = weekend.mutants(Material(task, Ground(name="g", servers=())))
    assert (mutant.was, mutant.made, mutant.declared) == ("2026-05-20", "2026-05-23", (1.0, 0.0))


def test_an_author_that_cannot_write_is_refused() -> None:
    with pytest.raises(PluginError, match="it lacks `author"):
        plugged_author("collections:OrderedDict")


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
