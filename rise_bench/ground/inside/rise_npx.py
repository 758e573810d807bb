"""Runs inside the sandbox: starts a server for which `npx PACKAGE` runs what is installed, instead of fetching it.

As `rise_npx.py MODULES COMMAND...` it puts such an npx in front of PATH and becomes the command; as `rise_npx.py --run MODULES
WORDS...` it is that npx.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Become the command, or the program that npx was asked for."""
    if sys.argv[1] == "--run":
        _run(Path(sys.argv[2]), sys.argv[3:])
    modules, *command = sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix="npx-"))
    program = folder / "npx"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" --run "{modules}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.execvp(command[0], command)


def _run(modules: Path, words: list[str]) -> None:
    while words and words[0].startswith("-"):
        words = words[1:]
    if not words:
        sys.exit("npx: no package is named")
    name = words[0][:1] + words[0][1:].partition("@")[0]
    try:
        programs = json.loads((modules / name / "package.json").read_text(encoding="utf-8"))["bin"]
    except (OSError, KeyError):
        sys.exit(f"npx: {name} is not installed here, and nothing is fetched")
    short = name.rpartition("/")[2]
    place = programs if isinstance(programs, str) else programs.get(short) or next(iter(programs.values()))
    os.execvp("node", ["node", str(modules / name / place), *words[1:]])


if __name__ == "__main__":
    main()
