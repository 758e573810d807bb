"""`--version`: the installed version."""

from __future__ import annotations

import argparse
from importlib.metadata import version

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(args: argparse.Namespace) -> int:
    """Print name and version; 0."""
    print(f"rise-bench {version('rise-bench')}")
    return 0
