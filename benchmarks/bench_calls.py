"""Call parsers on hostile and on honest text: time must grow with the text, not with its square."""

from __future__ import annotations

import gc
import time

from benchmarks.measured import Measured, show
from rise_bench.model.calls import PARSERS, parse
from rise_bench.model.literals import MAX_CHARS

CALL = '{"name": "get", "arguments": {"city": "Rome"}}'
PIECES = (
    *("<tool_call>", '<tool_call>{"', '<tool_call>["\\"</tool_call>', "<function=f><parameter=a>", "<parameter=a>1"),
    *("[TOOL_CALLS]", '[TOOL_CALLS]f[ARGS]{"a": ', "<|python_tag|>{", "<|tool_call|>[", "functools[", ">>>f\n{"),
    *("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{", "<｜tool▁call▁begin｜>", "<|START_ACTION|>["),
    *("<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_argument_begin|>", "<arg_key>a</arg_key>"),
    *(
        "<tool_call>f<arg_key>",
        "<|channel|>commentary to=functions.f<|message|>",
        "<|channel|>",
        "```json\n[{",
        "[f(a=1), ",
    ),
    *("[f(", "f(a=1)", "Get Weather(a=1),", '{"name": "f", ', '{"a": 1} ', CALL, '"', "'", "\\", " ", "\n"),
)
"""What a text is made of, over and over."""

NOISE = 0.03
"""Seconds under which a reading tells nothing about growth."""


def measure() -> list[Measured]:
    """Worst growth at four times the text (4 = linear, 16 = its square), the longest, the rate on an honest text."""
    worst, worst_name, longest, longest_name = 0.0, "", 0.0, ""
    for parser in PARSERS:
        for piece in PIECES:
            text = piece * (MAX_CHARS // 2 // len(piece))
            full = _seconds(text, parser)
            name = f"{parser} on {piece!r}"
            if full > longest:
                longest, longest_name = full, name
            if full < NOISE:
                continue
            full = min(full, *(_seconds(text, parser) for _ in range(2)))
            quarter = min(_seconds(piece * (MAX_CHARS // 8 // len(piece)), parser) for _ in range(3))
            if full / quarter > worst:
                worst, worst_name = full / quarter, name
    text = "Let me see.\n" + "\n".join(f"<tool_call>\n{CALL}\n</tool_call>" for _ in range(3))
    start = time.process_time()
    for _ in range(2000):
        parse(text, parser="hermes")
    rate = 2000 / (time.process_time() - start)
    return [
        Measured("parsers: time at four times the text", worst, "times", aim=8.0, more=False, note=worst_name),
        Measured("parsers: slowest 100,000 characters", longest, "s", aim=1.0, more=False, note=longest_name),
        Measured(
            "parsers: a reply of three calls", rate, "replies/s", aim=2000, more=True, note=f"{len(text)} characters"
        ),
    ]


def _seconds(text: str, parser: str) -> float:
    gc.collect()
    gc.disable()  # a collection in one of two readings would look like growth
    start = time.process_time()
    parse(text, parser=parser)
    seconds = time.process_time() - start
    gc.enable()
    return seconds


if __name__ == "__main__":
    show(measure())
