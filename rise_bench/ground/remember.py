"""Remembers what small files were taken apart into: every attempt of a task begins with the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

__all__ = ["remembered"]

MAX_BYTES = 64 * 1024
MAX_CHARACTERS = 256 * 1024
"""Of a file (or the files of a repository), and of what it was taken apart into, up to which it is kept."""

ENTRIES = 256

Parts = Mapping[str, str] | None


class _Large(Exception):
    """Carries what is not kept past the cache."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts


def remembered(take: Callable[..., Parts]) -> Callable[..., Parts]:
    """The function, which must depend on its arguments alone and whose results nobody may change, with a bounded memory.

    Args:
        take: the bytes that it is given decide, together, whether a result is kept.
    """

    @lru_cache(maxsize=ENTRIES)
    def keep(*given: object) -> Parts:
        parts = take(*given)
        if sum(len(path) + len(text) for path, text in (parts or {}).items()) > MAX_CHARACTERS:
            raise _Large(parts)
        return parts

    def call(*given: object) -> Parts:
        if _bytes(given) > MAX_BYTES:
            return take(*given)
        try:
            return keep(*given)
        except _Large as large:
            return large.parts

    return call


def _bytes(given: object) -> int:
    if isinstance(given, bytes):
        return len(given)
    return sum(map(_bytes, given)) if isinstance(given, tuple) else 0
