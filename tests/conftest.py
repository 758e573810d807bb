"""What several rooms' tests share."""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock

TESTS = Path(__file__).resolve().parent

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("COLUMNS", None)  # pytest-xdist narrows what its workers print


def _made() -> ModuleType:
    """The module that makes it, imported only where a test needs it: it brings torch."""
    return importlib.import_module("tiny_model")


@pytest.fixture(scope="session")
def tiny_model(pytestconfig: pytest.Config) -> Path:
    """Folder of a tiny trained model, kept in pytest's cache from session to session."""
    made_from = (TESTS / "tiny_model.py").read_text(encoding="utf-8") + version("torch") + version("transformers")
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir(f"tiny-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}")
    with FileLock(cache / "lock"):
        return _made().make_tiny_model(cache / "model")


@pytest.fixture(scope="session")
def tiny_adapter(tiny_model: Path) -> Path:
    """Folder of a LoRA adapter for `tiny_model`."""
    return _made().make_tiny_adapter(tiny_model, tiny_model.with_name("adapter"))
