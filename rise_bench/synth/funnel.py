"""How many of what came through each stage of synthesis, and why the others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import Field

from rise_bench.synth.folder import Row
from rise_bench.synth.records import Dropped
from rise_bench.types import Record

__all__ = ["Funnel", "Level", "counted", "level", "markdown", "rows_of"]

R = TypeVar("R", bound=Record)


class Level(Record):
    """One stage of the funnel."""

    stage: str
    word: str
    """What its records are called: `proposed`, `verified`, ..."""
    inputs: int
    made: int
    dropped: dict[str, int] = Field(default_factory=dict)
    """Reason to count, most frequent first."""
    note: str = ""

    @property
    def lost(self) -> int:
        """All that were dropped."""
        return sum(self.dropped.values())


class Funnel(Record):
    """All stages in order."""

    name: str
    levels: tuple[Level, ...] = ()

    def with_level(self, level: Level) -> Funnel:
        """The funnel with one more stage."""
        return self.model_copy(update={"levels": (*self.levels, level)})


def level(stage: str, word: str, rows: Iterable[Row[R]], *, note: str = "") -> Level:
    """What the rows of a stage say."""
    inputs = made = 0
    reasons: Counter[str] = Counter()
    for row in rows:
        inputs += 1
        made += len(row.made)
        reasons.update(dropped.reason for dropped in row.dropped)
    return Level(stage=stage, word=word, inputs=inputs, made=made, dropped=_ordered(reasons), note=note)


def counted(stage: str, word: str, inputs: int, made: int, dropped: Iterable[Dropped] = (), note: str = "") -> Level:
    """A level of a stage that keeps no rows of its own."""
    reasons = Counter(one.reason for one in dropped)
    return Level(stage=stage, word=word, inputs=inputs, made=made, dropped=_ordered(reasons), note=note)


def _ordered(reasons: Counter[str]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def rows_of(funnel: Funnel, most: int = 4) -> list[tuple[str, int, int, int, str]]:
    """The funnel as rows of a table: word, inputs, made, dropped, the most frequent reasons."""
    return [(one.word, one.inputs, one.made, one.lost, _reasons(one, most)) for one in funnel.levels]


def _reasons(one: Level, most: int) -> str:
    shown: Sequence[str] = [f"{reason} {count}" for reason, count in list(one.dropped.items())[:most]]
    more = len(one.dropped) - len(shown)
    listed = ", ".join([*shown, *([f"{more} other reasons"] if more else [])])
    return "; ".join(part for part in (listed, one.note) if part)


def markdown(funnel: Funnel) -> str:
    """The whole funnel with every reason, as a Markdown page."""
    lines = [f"# Funnel of {funnel.name}", "", "| | inputs | made | dropped |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {one.word} | {one.inputs} | {one.made} | {one.lost} |" for one in funnel.levels]
    for one in funnel.levels:
        if one.dropped or one.note:
            lines += ["", f"## {one.word}", ""]
            lines += [one.note, ""] if one.note else []
            lines += [f"- {count} {reason}" for reason, count in one.dropped.items()]
    return "\n".join(lines) + "\n"
