"""Where a model's small files are, and what they say: its configuration, chat template and commit. No weights are read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from rise_bench.errors import SetupError

__all__ = ["Located", "digest", "locate"]

_SMALL = ("*.json", "*.jinja", "*.model", "*.txt")


@dataclass(frozen=True)
class Located:
    """A model's folder, or the snapshot of a hub model's small files."""

    target: str
    folder: Path
    commit: str = ""
    """Of a hub model; empty for a folder."""

    def json(self, name: str) -> Mapping[str, Any]:
        """A JSON object among the files; empty where there is none."""
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def config(self) -> Mapping[str, Any]:
        """`config.json`."""
        return self.json("config.json")

    @property
    def template(self) -> str:
        """The chat template that is used where tools are given; empty where there is none."""
        try:
            return (self.folder / "chat_template.jinja").read_text(encoding="utf-8")
        except OSError:
            pass
        named = self.json("tokenizer_config.json").get("chat_template") or self.json("chat_template.json").get(
            "chat_template"
        )
        if isinstance(named, list):
            by_name = {str(each.get("name")): each.get("template") for each in named if isinstance(each, dict)}
            named = by_name.get("tool_use") or by_name.get("default")
        return named if isinstance(named, str) else ""


def digest(text: str) -> str:
    """SHA-256 (hex) of a text; empty for an empty one."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def locate(target: str, revision: str = "") -> Located:
    """The folder `target`, or the hub model of that id at the commit that `revision` now means.

    Raises:
        SetupError: neither; or the hub cannot be asked and nothing is in its cache.
    """
    folder = Path(target).expanduser()
    if folder.is_dir():
        if not ((folder / "config.json").is_file() or (folder / "adapter_config.json").is_file()):
            raise SetupError("a folder without config.json", where=target, remedy="name the folder of a saved model")
        return Located(target, folder.absolute())
    try:
        found = Path(snapshot_download(target, revision=revision or None, allow_patterns=list(_SMALL)))
    except HFValidationError:
        raise SetupError("no such folder, and no hub id", where=target, remedy="check the path") from None
    except RepositoryNotFoundError:
        remedy = "check the id; for a gated or private model set HF_TOKEN"
        raise SetupError("the hub has no such model, or not for you", where=target, remedy=remedy) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE") not in (None, "", "0")
        why = "it is not in the hub's cache and HF_HUB_OFFLINE is set" if offline else _short(error)
        remedy = "check the network, or download it first and name its folder"
        raise SetupError(
            f"no such folder, and no model that can be fetched: {why}", where=target, remedy=remedy
        ) from None
    return Located(target, found, commit=found.name)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
