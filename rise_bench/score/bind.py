"""What a reference argument must be in this trajectory: bindings resolved, the critical parameter's own value found."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.refs import at, bindings, resolve, result_value, substitute_root
from rise_bench.score.calls import Made
from rise_bench.score.plan import plan_of
from rise_bench.types import Task

__all__ = ["MISSING", "Missing", "expected_arguments", "is_bound", "part"]


class Missing:
    """A value that is not there; apart from null, which is one."""

    def __repr__(self) -> str:
        return "(missing)"


MISSING = Missing()


def expected_arguments(task: Task, index: int, chosen: Mapping[int, Made], root: str) -> dict[str, JsonValue]:
    """The reference call's arguments with bindings resolved.

    To the value that the reference run recorded; only where that leaf is volatile, to the same leaf of the call that
    stands for the producer in this trajectory (DESIGN 3). A binding that finds nothing stays a binding: see `is_bound`.
    """
    arguments = task.reference[index].arguments
    bound = plan_of(task).bindings[index]
    if bound:
        results: list[JsonValue] = list(task.recorded)
        for _, producer, pointer in bound:
            made = chosen.get(producer)
            if _is_volatile(task, producer, pointer) and producer < len(results):
                # without the producer's own call there is nothing to bind to: another run's value is not meant
                results[producer] = result_value(made.result) if made is not None and made.result is not None else None
        arguments = {name: _resolved(value, results) for name, value in arguments.items()}
    return {name: substitute_root(value, root) for name, value in arguments.items()} if root else arguments


def _resolved(value: JsonValue, results: list[JsonValue]) -> JsonValue:
    try:
        return resolve(value, results)
    except InputError:
        return value


def _is_volatile(task: Task, producer: int, pointer: str) -> bool:
    """True where the bound leaf, something that holds it or something in it differs between honest runs."""
    leaf, whole = f"result:{producer}:{pointer}", f"result:{producer}:"
    return any(
        name in (leaf, whole) or leaf.startswith(name + "/") or name.startswith(leaf + "/") for name in task.volatile
    )


def is_bound(arguments: dict[str, JsonValue], pointer: str) -> bool:
    """True where the part at the pointer is, holds or lies in a binding to an earlier result."""
    return any(
        place == pointer or place.startswith(pointer + "/") or pointer.startswith(place + "/")
        for place, _, _ in bindings(arguments)
    )


def part(arguments: dict[str, JsonValue] | None, pointer: str) -> JsonValue | Missing:
    """The part of the arguments that a pointer names, or `MISSING`."""
    if arguments is None:
        return MISSING
    if pointer.count("/") == 1 and "~" not in pointer:  # nearly every pointer
        return arguments.get(pointer[1:], MISSING)
    try:
        return at(arguments, pointer)
    except InputError:
        return MISSING
