"""Ids that servers generate: which word of a new answer stands where which word of an older one stood."""

from __future__ import annotations

import re

from pydantic import JsonValue

from rise_bench.ground.state import UUID
from rise_bench.types import canonical

__all__ = ["Generated"]

_WORD = re.compile(rf"{UUID.pattern}|[0-9A-Za-z]+(?:[-_][0-9A-Za-z]+)*")
_PART = re.compile(r"[-_]")
_RANDOM = re.compile(
    rf"{UUID.pattern}"
    r"|(?!\d{4}-?\d\d-?\d\dT)"  # no instant
    r"(?=[-_0-9A-Za-z]*(?:\d[A-Za-z]+\d|[A-Za-z]\d+[A-Za-z]))[-_0-9A-Za-z]{8,}"  # digits among letters
    r"|\d{10,}"
)


class Generated:
    """Ids of an older run and what stands for them in a new one, in the order in which they appeared.

    An id is a UUID, or a word of eight characters or more with digits among its letters, or a number of ten digits or
    more, that differs between the two runs at the same place: two numbers of things or two dates are not.
    """

    def __init__(self) -> None:
        self._now: dict[str, str] = {}

    def learn(self, before: JsonValue, now: JsonValue) -> None:
        """Note the ids that stand at the same places in two values."""
        if isinstance(before, dict) and isinstance(now, dict):
            self.learn([*before, *before.values()], [*now, *now.values()])
        elif isinstance(before, list) and isinstance(now, list):
            if len(before) == len(now):
                for one, other in zip(before, now, strict=True):
                    self.learn(one, other)
        elif type(before) is type(now) and isinstance(before, str | int):
            self._words(str(before), str(now))

    def _words(self, before: str, now: str) -> None:
        one, other = _WORD.findall(before), _WORD.findall(now)
        if len(one) == len(other):
            for pair in zip(one, other, strict=True):
                self._word(*pair)

    def _word(self, before: str, now: str) -> None:
        if before == now or before in self._now or now in self._now.values():
            return
        parts, others = _PART.split(before), _PART.split(now)
        if len(parts) == len(others) > 1 and not UUID.fullmatch(before) and set(parts) & set(others):
            for pair in zip(parts, others, strict=True):  # such as `task-` before the id itself
                self._word(*pair)
        elif len(before) == len(now) and (_RANDOM.fullmatch(before) or _RANDOM.fullmatch(now)):
            self._now[before] = now

    def renewed(self, value: JsonValue) -> JsonValue:
        """The older run's value with the new ids."""
        if isinstance(value, dict):
            return {str(self.renewed(key)): self.renewed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.renewed(item) for item in value]
        if isinstance(value, int):
            now = self._now.get(str(value), "")
            return int(now) if now.isdigit() else value
        if not isinstance(value, str) or not self._now:
            return value
        known = "|".join(map(re.escape, self._now))
        return re.sub(rf"(?<![0-9A-Za-z])(?:{known})(?![0-9A-Za-z])", lambda match: self._now[match[0]], value)

    def unknown(self, value: JsonValue) -> set[str]:
        """Words of the older run's value that could be ids and of which nothing is known yet."""
        words = _WORD.findall(canonical(value))
        return {word for word in words if _RANDOM.fullmatch(word)} - self._now.keys()


def blank(value: JsonValue) -> str:
    """Canonical text without what could be an id: an order that does not depend on their random values."""
    return _WORD.sub(lambda match: "" if _RANDOM.fullmatch(match[0]) else match[0], canonical(value))
