"""The end state against the reference's: equal or not, and what is left over that nobody asked for (residue)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rise_bench.score.calls import Made
from rise_bench.score.values import same
from rise_bench.types import StateChange, Task, canonical

__all__ = ["residue", "state_equal", "strayed"]


def state_equal(task: Task, end_state: Iterable[StateChange], root: str) -> bool:
    """True iff the attempt changed exactly what the reference changed, leaf by leaf.

    A leaf that a free argument writes is `any`; one that a critical argument writes is compared by that argument's rule
    (DESIGN 3). Volatile leaves count as `any`.
    """
    wanted = {change.path: change for change in task.reference_state or ()}
    found = {change.path: change for change in end_state}
    return wanted.keys() == found.keys() and all(_same_leaf(wanted[path], found[path], root) for path in wanted)


def _same_leaf(wanted: StateChange, found: StateChange, root: str) -> bool:
    if (wanted.after is None) != (found.after is None):
        return False
    if wanted.match == "any" or wanted.after == found.after:
        return True
    return wanted.match != "exact" and same(wanted.after, found.after, wanted.match, root=root)


def strayed(task: Task, end_state: Iterable[StateChange], call: Made, root: str) -> bool:
    """True iff the call changed a leaf that is now there and is not as the reference left it."""
    wanted = {change.path: change for change in task.reference_state or ()}
    touched = set(call.result.changed or ()) if call.result else set()
    return any(
        change.path in touched and not (change.path in wanted and _same_leaf(wanted[change.path], change, root))
        for change in end_state
    )


def _doubled(made: Iterable[Made]) -> set[int]:
    """Indices of the calls that changed something and were made more than once, word for word."""
    twins: dict[str, list[int]] = {}
    for call in made:
        if call.succeeded and call.result is not None and call.result.changed:
            twins.setdefault(canonical([call.tool, call.arguments]), []).append(call.index)
    return {index for indices in twins.values() if len(indices) > 1 for index in indices}


def residue(
    task: Task, end_state: Sequence[StateChange], made: Iterable[Made], chosen: Mapping[int, Made], root: str
) -> list[tuple[StateChange, Made | None]]:
    """Changes that are neither in the reference state nor last written by a call that stands for a reference call.

    Each comes with the call that wrote it last, where one is known. Undone changes are not in the end state, and so
    are no residue; but where another call took back what was asked for, that is one. So is what a write left that was
    made twice: either of the two may be the one that is assigned.
    """
    wanted = {change.path: change for change in task.reference_state or ()}
    assigned = {call.index for call in chosen.values()}
    made = list(made)
    doubled = _doubled(made)
    last_writer: dict[str, Made] = {}
    for call in made:
        for path in (call.result.changed or ()) if call.result else ():
            last_writer[path] = call
    left: list[tuple[StateChange, Made | None]] = []
    for change in end_state:
        writer = last_writer.get(change.path)
        reference = wanted.get(change.path)
        as_meant = reference is not None and _same_leaf(reference, change, root)
        if writer is not None and writer.index in assigned:
            excused = as_meant or writer.index not in doubled
        else:
            excused = as_meant and reference is not None and (reference.match != "any" or writer is None)
        if not excused:
            left.append((change, writer))
    there = {change.path for change in end_state}
    for path, reference in wanted.items():
        writer = last_writer.get(path)
        if path not in there and writer is not None and writer.index not in assigned:
            left.append((reference.model_copy(update={"after": reference.before}), writer))
    return left
