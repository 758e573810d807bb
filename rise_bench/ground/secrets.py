"""Variables of the user's own environment that a catalogue entry asks for: filled in at launch, kept out of all records."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from pydantic import JsonValue

from rise_bench.errors import SetupError
from rise_bench.ground.recipe import Recipe

__all__ = ["VARIABLE", "Redactor", "from_user", "secrets_of"]

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""`${NAME}` in `env` and `headers` of an entry."""

SHORTEST = 6
"""Characters of the shortest value that is looked for: a shorter one would be found in innocent text."""


def from_user(recipe: Recipe, text: str) -> str:
    """The text with each `${NAME}` replaced by that variable of the user's environment.

    Raises:
        SetupError: it is not set.
    """

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in os.environ:
            raise SetupError(f"needs {name}, which is not set", where=recipe.name, remedy=f"set {name}, also in .env")
        return os.environ[name]

    return VARIABLE.sub(value, text)


def secrets_of(recipes: Iterable[Recipe]) -> dict[str, str]:
    """Name to value of the user's variables that these entries ask for and that are set."""
    texts = (text for recipe in recipes for text in (*recipe.env.values(), *recipe.headers.values(), recipe.url))
    names = {name for text in texts for name in VARIABLE.findall(text)}
    return {name: os.environ[name] for name in sorted(names) if os.environ.get(name)}


class Redactor:
    """Strikes values of secrets out of what servers answer and write, also percent-encoded, as JSON writes them, and as base64
    of the whole value.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._marks: dict[str, str] = {}
        for name, value in secrets.items():
            if len(value) >= SHORTEST:
                encoded = base64.b64encode(value.encode()).decode("ascii")
                inside = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
                for form in (value, quote(value, safe=""), *inside, encoded, encoded.rstrip("=")):
                    self._marks[form] = f"[secret {name}]"
        longest = sorted(self._marks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest))) if longest else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._marks[found.group()], text)

    def value(self, value: JsonValue) -> JsonValue:
        """The value with every text, keys included, without secrets."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value
