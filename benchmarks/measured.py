"""What a benchmark gives: figures with their aims, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass

__all__ = ["Measured", "show"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure. `aim` is the limit; `more` = the figure should be above it, else below; None = only told."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    more: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the aim was reached."""
        if self.aim is None:
            return ""
        return "reached" if (self.value >= self.aim) == self.more or self.value == self.aim else "MISSED"


def show(figures: Iterable[Measured]) -> None:
    """Print the table, then one line of JSON with the machine."""
    listed = list(figures)
    width = max(len(one.name) for one in listed)
    for one in listed:
        aim = "" if one.aim is None else f"aim {'at least' if one.more else 'at most'} {one.aim:g} {one.unit}"
        print(f"{one.name:<{width}}  {one.value:>10.3f} {one.unit:<10} {aim:<28} {one.verdict:<8} {one.note}".rstrip())
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    print(json.dumps({"machine": machine, "figures": [asdict(one) | {"verdict": one.verdict} for one in listed]}))
