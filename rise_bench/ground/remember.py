"""Remembers what small files were taken apart into: every attempt of a task begins with the same ones."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

__all__ = ["NotKept", "remembered"]

MAX_HELD = 64 * 1024
MAX_CHARACTERS = 256 * 1024
"""What a result may hang on (bytes, and names) and hold (characters) to be kept."""

ENTRIES = 256

P = ParamSpec("P")
R = TypeVar("R", bound=Mapping[str, str] | None)


class NotKept(Exception):
    """Carries a result past the memory: raised instead of a return where something passing shaped the result."""

    def __init__(self, parts: Mapping[str, str] | None) -> None:
        super().__init__("not kept")
        self.parts = parts


def remembered(take: Callable[P, R]) -> Callable[P, R]:
    """The function with a bounded memory of its results, which nobody may change.

    Args:
        take: hangs on its arguments alone, or raises `NotKept`; arguments are bytes, text, None and tuples of these.
    """

    @lru_cache(maxsize=ENTRIES)
    def keep(*given: Hashable) -> R:
        parts = take(*given)  # type: ignore[call-arg,arg-type]  # as `call` was given them
        if _characters(parts) > MAX_CHARACTERS:
            raise NotKept(parts)
        return parts

    @wraps(take)
    def call(*given: P.args, **named: P.kwargs) -> R:
        try:
            return take(*given, **named) if named or _held(given) > MAX_HELD else keep(*given)
        except NotKept as passing:
            return passing.parts  # type: ignore[return-value]  # what `take` would have returned

    return call


def _characters(parts: Mapping[str, str] | None) -> int:
    return sum(len(path) + len(text) for path, text in (parts or {}).items())


def _held(given: object) -> int:
    """About how many bytes the arguments take."""
    if isinstance(given, tuple):
        return 64 + sum(map(_held, given))
    return len(given) if isinstance(given, bytes | str) else 0
