"""The rooms of ARCHITECTURE.md hold, those of the package and those of synthesis: imports go one way, and third-party code
stays in its rooms."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rise_bench"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "probes" not in path.parts)
SYNTH = [path for path in FILES if path.is_relative_to(PACKAGE / "synth") and path != PACKAGE / "synth" / "__init__.py"]

HOUSES = {"rise_bench": ("Rooms", FILES), "rise_bench.synth": ("Synthesis", SYNTH)}
"""Package to the section of ARCHITECTURE.md that has the table of its rooms, and to the files in them."""

# Every room may also import pydantic, of which records are made. The table of ARCHITECTURE.md names distributions.
MODULE_OF = {
    "pyyaml": "yaml",
    "rank-bm25": "rank_bm25",
    "scikit-learn": "sklearn",
    "python-dotenv": "dotenv",
    "huggingface-hub": "huggingface_hub",
    "lm-eval": "lm_eval",
    "inspect-ai": "inspect_ai",
}


def room_of(module: str, house: str) -> str:
    """`rise_bench.score.text` -> `score` in `rise_bench`; the package door is `__init__`."""
    return "__init__" if module == house else module.removeprefix(f"{house}.").split(".")[0]


def table(house: str) -> dict[str, tuple[int, set[str]]]:
    """Room -> (layer, third-party modules), as ARCHITECTURE.md says."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    text = text.partition(f"\n## {HOUSES[house][0]}\n")[2].partition("\n## ")[0]
    found: dict[str, tuple[int, set[str]]] = {}
    for layer, rooms, libraries in re.findall(r"^\| (\d) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", text, flags=re.MULTILINE):
        modules = {MODULE_OF.get(name.strip(), name.strip()) for name in libraries.split(",")} - {"-"}
        for room in re.findall(r"`([\w.]+)/?`", rooms):
            found[room.removesuffix(".py")] = int(layer), modules
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, `from a import b` as `a.b` where that is a module of ours, else `a`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            for alias in node.names:
                inner = ROOT / f"{base}.{alias.name}".replace(".", "/")
                names.add(f"{base}.{alias.name}" if inner.is_dir() or inner.with_suffix(".py").exists() else base)
    return names


def ours(path: Path, house: str = "rise_bench") -> set[str]:
    return {name for name in imports(path) if f"{name}.".startswith(f"{house}.")}


PLACES = [pytest.param(house, path, id=module_name(path)) for house, (_, files) in HOUSES.items() for path in files]


@pytest.mark.parametrize("house", HOUSES)
def test_the_architecture_names_every_room_and_no_other(house: str) -> None:
    there = {room_of(module_name(path), house) for path in HOUSES[house][1]}
    assert there == set(table(house)), "ARCHITECTURE.md's table and the package differ"


@pytest.mark.parametrize(("house", "path"), PLACES)
def test_a_file_imports_only_lower_layers_or_its_own_room_or_its_own_layer(house: str, path: Path) -> None:
    rooms, room = table(house), room_of(module_name(path), house)
    layer = rooms[room][0]
    there = {room_of(name, house): name for name in ours(path, house)}
    high = [name for other, name in there.items() if other != room and rooms[other][0] > layer]
    assert high == [], f"{room} (layer {layer}) imports upwards"


@pytest.mark.parametrize("house", HOUSES)
def test_rooms_do_not_import_each_other_in_a_circle(house: str) -> None:
    edges: dict[str, set[str]] = {}
    for path in HOUSES[house][1]:
        room = room_of(module_name(path), house)
        edges.setdefault(room, set()).update({room_of(name, house) for name in ours(path, house)} - {room})
    assert circle(edges) == []


def test_files_do_not_import_each_other_in_a_circle() -> None:
    assert circle({module_name(path): ours(path) - {module_name(path)} for path in FILES}) == []


@pytest.mark.parametrize(("house", "path"), PLACES)
def test_third_party_code_stays_in_its_rooms(house: str, path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
    if (
        path.parent.name == "inside"
    ):  # scripts of the sandbox, which import the scripts beside them and the servers' own code
        tops -= {beside.stem for beside in path.parent.glob("*.py")}
    allowed = table(house)[room_of(module_name(path), house)][1] | {"rise_bench", "pydantic", "pydantic_core"}
    assert tops - allowed == set()


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def circle(edges: dict[str, set[str]]) -> list[str]:
    """One circle of the graph as a path from a node to itself; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for target in sorted(edges.get(node, ())):
            if found := walk(target, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(edges):
        if found := walk(start, []):
            return found
    return []
