"""JSON Schemas of the file formats, generated from the records; `python -m rise_bench.schemas` writes them again."""

from __future__ import annotations

import json
from pathlib import Path

from rise_bench.baselines.records import MeasuredBaseline, ReportedBaseline, RunnableBaseline, TrivialBaseline
from rise_bench.ground.contract import Contract
from rise_bench.ground.recipe import Recipe
from rise_bench.store import write_atomic
from rise_bench.synth.recipe import SynthRecipe
from rise_bench.types import Conditions, Ground, Record, RunSpec, Scored, Suite, Task, Trajectory

__all__ = ["FOLDER", "FORMATS", "render"]

FORMATS: tuple[type[Record], ...] = (
    Conditions,
    Contract,
    Ground,
    MeasuredBaseline,
    Recipe,
    ReportedBaseline,
    RunSpec,
    RunnableBaseline,
    Scored,
    Suite,
    SynthRecipe,
    Task,
    Trajectory,
    TrivialBaseline,
)
"""Records that stand in files by themselves."""

FOLDER = Path(__file__).resolve().parent.parent / "schemas"
"""Where a checkout keeps the generated schemas."""


def render(kind: type[Record]) -> str:
    """The JSON Schema of a record as the text of its file."""
    schema = kind.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every schema."""
    for kind in FORMATS:
        write_atomic(FOLDER / f"{kind.__name__}.json", render(kind))


if __name__ == "__main__":
    main()
