"""Arguments that several commands share, and the reading of their values."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

from dotenv import find_dotenv, load_dotenv
from pydantic import JsonValue

from rise_bench.errors import InputError

__all__ = [
    "add_json",
    "add_run",
    "add_sample_id",
    "amount",
    "find_run",
    "model_args",
    "positive",
    "read_env_file",
    "sample_ids",
    "whole",
]

RUNS = Path("runs")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")


def add_run(parser: argparse.ArgumentParser) -> None:
    """The run that a command reads, and where its suite is."""
    parser.add_argument("run", nargs="?", default="latest", help="run folder, or 'latest' under --output (default)")
    parser.add_argument("--output", type=Path, default=RUNS, metavar="DIR", help="folder of the runs (default: runs)")
    parser.add_argument(
        "--tasks", default="", metavar="SUITE", help="folder of the run's suite, if it is not a shipped one"
    )


def add_sample_id(parser: argparse.ArgumentParser) -> None:
    """`--sample-id`, once or several times, or several ids with commas."""
    parser.add_argument("--sample-id", action="append", default=[], metavar="ID", help="only this task (repeatable)")


def sample_ids(args: argparse.Namespace) -> list[str]:
    """The ids that were given."""
    return [name.strip() for text in args.sample_id for name in text.split(",") if name.strip()]


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = whole(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def whole(text: str) -> int:
    """A whole number from 0, for argparse."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def amount(text: str) -> float:
    """A finite number from 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be a finite number from 0")
    return value


def model_args(texts: list[str]) -> dict[str, JsonValue]:
    """`k=v,k2=v2` texts as one mapping; numbers, true, false, null and JSON objects are read as such, later ones win.

    Raises:
        InputError: a part that is no `key=value`.
    """
    found: dict[str, JsonValue] = {}
    for part in (part for text in texts for part in _parts(text) if part.strip()):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{part!r} is no key=value", where="--model-args", remedy="write k=v,k2=v2")
        read = _value(value.strip())
        if not _is_finite(read):
            raise InputError(f"{key.strip()} is beyond all numbers", where="--model-args", remedy="give a finite one")
        found[key.strip()] = read
    return found


def _parts(text: str) -> Iterator[str]:
    """The text cut at its commas, but for those inside a JSON object that stands as a value."""
    while text:
        start = text.find("={")
        comma = text.find(",")
        if start >= 0 and (comma < 0 or start < comma):
            try:
                _, end = json.JSONDecoder().raw_decode(text, start + 1)
            except ValueError:
                end = start
            comma = text.find(",", end)
        if comma < 0:
            comma = len(text)
        yield text[:comma]
        text = text[comma + 1 :]


def _is_finite(value: JsonValue) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _value(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=str)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool | dict) or value is None else text


def find_run(name: str, output: Path) -> Path:
    """The folder of a run by its path, by its name under `output`, or the one written last.

    Raises:
        InputError: there is none.
    """
    if name != "latest":
        beside = output / name
        return beside if not Path(name).exists() and beside.is_dir() else Path(name)
    # a run that could not begin (no cassette, no endpoint) leaves a folder without attempts: not what "latest" means
    runs = [path.parent for path in output.glob("*/trajectories.jsonl") if path.stat().st_size]
    if not runs:
        remedy = "make one: rise-bench eval --model lexical --tasks desk"
        raise InputError("there is no run here", where=str(output), remedy=remedy)
    return max(runs, key=_last_written)


def _last_written(run: Path) -> float:
    return max((path.stat().st_mtime for path in run.glob("*.json*")), default=0.0)


def read_env_file() -> None:
    """Take keys from the nearest `.env`, from the working folder upwards; the environment's own values win."""
    path = find_dotenv(usecwd=True)
    if path:
        try:
            load_dotenv(path, override=False, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"cannot be read: {error}", where=path, remedy="save it as UTF-8 text, KEY=value a line"
            ) from error
