"""The command line's help loads no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rise_bench.cli import COMMANDS

HEAVY = {
    "datasets", "jinja2", "jsonschema", "mcp", "numpy", "openai", "pandas", "pydantic", "rich", "scipy", "sklearn", "sqlglot",
    "torch", "transformers", "yaml",
}  # fmt: skip
PROBE = """
import sys
from rise_bench.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def loaded(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, encoding="utf-8", check=True
    )
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_the_overview_loads_no_heavy_library(words: list[str]) -> None:
    assert loaded(*words) & HEAVY == set()


# these are nothing without servers: they may load their client
STARTS = {"tasks check", "ground check", "ground add", "ground diff", "ground record", "ground replay", "synth"}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in STARTS])
def test_a_commands_help_loads_no_engine(command: str) -> None:
    engines = {"datasets", "mcp", "openai", "pandas", "torch", "transformers"}
    assert loaded(*command.split(), "--help") & engines == set()


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import sys, rise_bench; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert set(done.stdout.split()) & HEAVY == set()
