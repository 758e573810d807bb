"""Prints what a labeller needs of an attempt, and nothing that says what was expected, meant or scored.

    python tests/data/blind/sheet.py 1-20 35        attempts by their line in attempts.jsonl
    python tests/data/blind/sheet.py                all of them

The task's id and kind, its reference, intent and facts, the agent's name and any verdict stay hidden.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from rise_bench.store import load_suite, read_records
from rise_bench.types import Assistant, StateChange, Task, ToolResult, Trajectory, User

HERE = Path(__file__).parent
RESULT_LENGTH = 600
ARGUMENT_LENGTH = 1500
FINAL = "FINAL MESSAGE"


def short(text: str, length: int = RESULT_LENGTH) -> str:
    """The text, its middle left out where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    head, tail = length * 3 // 4, length // 4
    return f"{text[:head]} [... {len(text) - head - tail} characters ...] {text[-tail:]}"


def indented(text: str) -> str:
    """The text, each line set in."""
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"


def written(arguments: dict[str, JsonValue] | str) -> str:
    """A call's arguments in one line."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def state_line(change: StateChange) -> str:
    """One leaf of the state difference; of a text with several lines only the lines that differ."""
    if change.before is None or change.after is None:
        sign, text = ("removed", change.before) if change.after is None else ("new", change.after)
        return f"  {sign}: {change.path}\n{indented(short(text or ''))}"
    if "\n" not in change.before + change.after:
        return f"  changed: {change.path}\n    - {short(change.before)}\n    + {short(change.after)}"
    lines = list(difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), n=1, lineterm=""))
    kept = "\n".join(line for line in lines[2:] if not line.startswith("@@"))
    if change.before.endswith("\n") != change.after.endswith("\n"):
        kept += "\n(the line end at the end of the file is " + ("new)" if change.after.endswith("\n") else "gone)")
    return f"  changed: {change.path}\n{indented(short(kept, ARGUMENT_LENGTH))}"


def message_lines(trajectory: Trajectory) -> Iterator[str]:
    """The request, what was said and called in between, the results, and the final message."""
    last = len(trajectory.messages) - 1
    number = 0
    for position, message in enumerate(trajectory.messages):
        if isinstance(message, User):
            yield f"REQUEST\n{indented(message.content)}"
        elif isinstance(message, Assistant):
            final = position == last and not message.tool_calls
            if final or message.content:
                yield f"{FINAL if final else 'SAYS'}\n{indented(message.content)}"
            for call in message.tool_calls:
                number += 1
                yield f"CALL {number} {call.tool} {short(written(call.arguments), ARGUMENT_LENGTH)}"
        elif isinstance(message, ToolResult):
            yield f"  result of {message.tool} [{message.status}]\n{indented(short(message.content))}"
    if not trajectory.messages or not isinstance(trajectory.messages[-1], Assistant):
        yield f"{FINAL}\n    (none: the attempt ended before one)"


def sheet(number: int, trajectory: Trajectory, task: Task) -> str:
    """All that a labeller sees of one attempt."""
    changes = [state_line(change) for change in trajectory.end_state or ()]
    state = "\n".join(changes) if changes else "  (none)"
    if trajectory.end_state is None:
        state = "  (not captured)"
    now, servers = task.now or "not stated", ", ".join(task.servers)
    head = f"=== No. {number}   now {now}   servers: {servers}   files at the start: {task.setup}"
    foot = f"STATE DIFFERENCE\n{state}\nSTOP {trajectory.stop} {trajectory.fault}".rstrip()
    return "\n".join([head, *message_lines(trajectory), foot]) + "\n"


def chosen(ranges: Sequence[str]) -> set[int]:
    """Line numbers that texts like `7` and `1-20` name; empty for none."""
    numbers: set[int] = set()
    for text in ranges:
        first, _, last = text.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def main() -> None:
    """Print the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", help="lines of attempts.jsonl, like 7 or 1-20")
    parser.add_argument("--attempts", type=Path, default=HERE / "attempts.jsonl")
    options = parser.parse_args()
    wanted = chosen(options.numbers)
    tasks = load_suite("desk", proved=False).tasks
    for number, trajectory in enumerate(read_records(Trajectory, options.attempts), start=1):
        if not wanted or number in wanted:
            sys.stdout.write(sheet(number, trajectory, tasks[trajectory.task]) + "\n")


if __name__ == "__main__":
    main()
