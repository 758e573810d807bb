"""The schemas that are checked in are those of the records."""

import pytest

from rise_bench.schemas import FOLDER, FORMATS, render
from rise_bench.types import Record


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.__name__)
def test_the_schema_that_is_checked_in_is_the_records(kind: type[Record]) -> None:
    path = FOLDER / f"{kind.__name__}.json"
    assert path.read_text(encoding="utf-8") == render(kind), "run `python -m rise_bench.schemas`"
