"""Step-level pairs: after the same history, the reference's next message and the one that departs from it."""

from __future__ import annotations

from collections.abc import Sequence

from rise_bench.ground.offer import mask_root
from rise_bench.refs import substitute_root
from rise_bench.synth.records import Dropped, Negative, Pair
from rise_bench.types import Assistant, Message, Trajectory

__all__ = ["moved", "pair"]


def pair(chosen: Trajectory, negative: Negative) -> Pair | Dropped:
    """The first step in which the negative departs from the reference's run, or why there is no such step.

    Both ran in sandboxes of their own: paths are written as the reference's run saw them. Where what the two had seen
    before the step differs, the rejected message would not follow from the chosen history, and there is no pair.
    """
    mine = _assistants(chosen.messages)
    its = _assistants(tuple(moved(message, negative.root, chosen.root) for message in negative.messages))
    for number, ((place, good), (other_place, bad)) in enumerate(zip(mine, its, strict=False)):
        history = chosen.messages[:place]
        if list(_seen(history)) != list(
            _seen(tuple(moved(m, negative.root, chosen.root) for m in negative.messages[:other_place]))
        ):
            return _none(negative, "the histories differ", f"before step {number}")
        if _what(good) != _what(bad):
            span = f"{negative.call}:{negative.argument}" if negative.argument and negative.call is not None else ""
            return Pair(
                task=negative.task, operator=negative.operator, history=history, chosen=good, rejected=bad, span=span
            )
    return _none(negative, "no step differs", "")


def _none(negative: Negative, reason: str, detail: str) -> Dropped:
    what = f"{negative.task} {negative.operator} {negative.call}:{negative.argument}"
    return Dropped(stage="negate", what=what, reason=reason, detail=detail)


def _assistants(messages: Sequence[Message]) -> list[tuple[int, Assistant]]:
    return [(i, message) for i, message in enumerate(messages) if isinstance(message, Assistant)]


def moved(message: Message, old: str, new: str) -> Message:
    """The message as it would read in the other sandbox.

    Args:
        old: path of the sandbox in which it was said; empty = it names none.
        new: of the other.
    """
    if not old or old == new:
        return message
    value = substitute_root(mask_root(message.model_dump(mode="json"), old), new)
    return type(message).model_validate(value)


def _what(message: Assistant) -> object:
    return message.content, [(call.tool, call.arguments) for call in message.tool_calls]


def _seen(messages: Sequence[Message]) -> list[object]:
    """What an agent sees of the messages."""
    return [_what(m) if isinstance(m, Assistant) else (m.role, m.content) for m in messages]
