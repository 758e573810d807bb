"""The clock that servers see: libfaketime, set by a file that is read anew at each look."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from rise_bench.errors import InputError

__all__ = ["CLOCK", "clock_environment", "clock_text", "faketime_library", "parse_now"]

CLOCK = "clock"
"""Name of the file that says where the servers' clock stands."""

PROBE_SECONDS = 20


@lru_cache(maxsize=1)
def faketime_library() -> Path | None:
    """libfaketime, if it is installed and makes the clock stand. Probed once a process."""
    folders = [*Path("/usr/lib").glob("*/faketime"), Path("/usr/lib/faketime"), Path("/usr/lib64/faketime")]
    folders += [Path("/usr/local/lib/faketime"), *Path("/usr/lib").glob("*")]
    for folder in folders:
        library = folder / "libfaketimeMT.so.1"
        if library.is_file():
            with tempfile.TemporaryDirectory(prefix="rise-bench-probe-") as probe:
                clock = Path(probe) / CLOCK
                clock.write_text(clock_text(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)), encoding="ascii")
                environment = {"PATH": os.defpath, **clock_environment(library, str(clock))}
                try:
                    done = subprocess.run(
                        ["date", "+%s"],
                        env=environment,
                        capture_output=True,
                        text=True,
                        timeout=PROBE_SECONDS,
                        check=False,
                    )
                except (OSError, subprocess.TimeoutExpired):
                    continue
            if done.stdout.strip() == "981173106":
                return library
    return None


def clock_text(now: datetime | None) -> str:
    """What the clock file says: stand at this instant, or run as the machine's clock does."""
    return now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S\n") if now else "+0\n"


def clock_environment(library: Path, file: str) -> dict[str, str]:
    """Environment under which the wall clock stands where the file says, read anew at each look, so that a warm server
    can be set to another task's clock; the monotonic clock stays real, so timers work.
    """
    return {
        "TZ": "UTC",
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": file,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Its own remedy for old C libraries makes every wait with a time limit spin, reading the file all the while: threads
        # that wait for each other in a Python server then cost a hundred times the call.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "NO_FAKE_STAT": "1",
    }


def parse_now(now: str) -> datetime | None:
    """The instant of a task's `now`, None where it has none; without a zone it is UTC.

    Raises:
        InputError: `now` is no ISO 8601 instant.
    """
    if not now:
        return None
    try:
        instant = datetime.fromisoformat(now)
    except ValueError as error:
        raise InputError(f"now: {now!r} is no ISO 8601 instant") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
