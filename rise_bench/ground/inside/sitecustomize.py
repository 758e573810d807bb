"""Runs inside the sandbox before a Python server: makes `time.sleep` work although the clock stands still.

libfaketime 0.9.10 turns the absolute deadline of `clock_nanosleep`, which `time.sleep` uses since Python 3.11, into a
negative one, and every sleep ends with EINVAL. `select` with a time-out is left alone.
"""

import select
import time
import typing


def _sleep(seconds: typing.SupportsFloat) -> None:
    length = float(seconds)
    if length < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], length)


time.sleep = _sleep  # type: ignore[assignment]
