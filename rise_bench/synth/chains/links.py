"""How one verified call can lead to another: by a value that flows, by an object that both are about, by state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from rise_bench.synth.chains.known import Known, Want, is_distinct, leaves, mentions, place, words_of

__all__ = ["Bind", "Kind", "Link", "link", "touches"]

Kind = Literal["value", "made", "object", "text", "state"]
"""`value`: an argument equals a leaf of the earlier result. `made`: the earlier call made something and answered its id,
which takes the argument's place. `object`: the earlier call made something by a name that its own arguments give, and the
later one is about it instead. `text`: the argument stands in the earlier answer, which is prose. `state`: the later call
reads or changes what the earlier one changed."""

_ID = frozenset({"id", "uid", "uuid", "key", "hash", "number", "code"})
_VAGUE = frozenset({"value", "type", "status", "description", "content", "text", "message", "result", "total", "limit"})
_LISTING = frozenset({"list", "search", "find", "query", "show", "all"})
_PLAIN = frozenset(
    {"create", "add", "update", "get", "list", "delete", "remove", "set", "read", "write", "open", "new"}
)


@dataclass(frozen=True, slots=True)
class Bind:
    """What takes the place of one argument leaf of the later call."""

    argument: str
    pointer: str | None = None
    """Leaf of the earlier result; None where a literal takes the place."""
    before: str = ""
    after: str = ""
    """Text around the leaf, where it is only a part of the argument."""
    value: JsonValue = None
    """The literal."""


@dataclass(frozen=True, slots=True)
class Link:
    """An earlier call leads to a later one."""

    kind: Kind
    binds: tuple[Bind, ...] = ()
    about: tuple[str, ...] = ()
    """For `text`: the arguments of the later call that stand in the earlier answer."""


def link(earlier: Known, later: Known) -> Link | None:
    """The strongest way in which the earlier call leads to the later one; None where there is none."""
    if binds := tuple(_equal(earlier, later)):
        return Link("value", binds)
    if binds := tuple(_made(earlier, later)):
        return Link("made", binds)
    if binds := tuple(_renamed(earlier, later)):
        return Link("object", binds)
    if not earlier.changes and (about := tuple(w.argument for w in later.wants if _stands_in(earlier, w))):
        return Link("text", about=about)
    if earlier.changes and touches(earlier, later):
        return Link("state")
    return None


def touches(writer: Known, other: Known) -> bool:
    """Is the other call about something that the writer changes, or does it show it?"""
    if any(_is_about(other, name) for name in writer.writes):
        return True
    if other.changes:
        return bool(writer.spots & other.spots)
    if writer.server != other.server:
        return False
    if any(is_distinct(name) and mentions(other.shown, name) for name in writer.writes):
        return True
    lists = {*words_of(f"/{other.name}")} & _LISTING and _same_noun(writer.name, other.name)
    return bool(writer.makes and (lists or not other.wants)) and _same_frame(writer, other)


def _is_about(call: Known, name: str) -> bool:
    """Do its arguments name it, or the folder that it lies in?"""
    folder = name.rpartition("/")[0]
    if name in call.names or (folder and folder in call.names):
        return True
    return len(name) > 3 and "/" not in name and "." not in name and mentions(call.told, name)


# --- an equal value was seen -----------------------------------------------------------------------------------------


def _equal(earlier: Known, later: Known) -> Iterator[Bind]:
    found = list(_equals(earlier, later))
    items = {_item(bind.pointer) for bind in found if _names_thing(bind.argument)}
    for bind in found:
        if not items or _names_thing(bind.argument) or _item(bind.pointer) in items:
            yield bind  # what else is taken is taken of the very item that the later call is about


def _item(pointer: str | None) -> str:
    """The part of a pointer up to the last position in a list."""
    steps = (pointer or "").split("/")
    places = [number for number, step in enumerate(steps) if step.isdigit()]
    return "/".join(steps[: places[-1] + 1]) if places else ""


def _names_thing(argument: str) -> bool:
    last = words_of(argument)[-1:]
    return bool({*last} & (_ID | {"url", "path", "name", "query", "sql", "source"}))


def _equals(earlier: Known, later: Known) -> Iterator[Bind]:
    for want in later.wants:
        pointer = earlier.gives.get(want.value)
        if pointer is not None and type(want.value) is type(_at(earlier, pointer)) and _means(earlier, want, pointer):
            yield Bind(want.argument, pointer)
            continue
        for part in want.parts:
            pointer = earlier.gives.get(part)
            if pointer is not None and is_distinct(part) and isinstance(want.value, str):
                before, _, after = want.value.rpartition(part)
                yield Bind(want.argument, pointer, before, after)
                break


def _at(call: Known, pointer: str) -> JsonValue:
    return next(value for at, value in leaves(call.primitive.value) if at == pointer)


def _means(earlier: Known, want: Want, pointer: str) -> bool:
    """Does the leaf mean what the argument means? Distinct texts say it themselves; other values need a name in common."""
    if isinstance(want.value, str) and is_distinct(want.value) and not _is_date(want.value):
        return True
    if want.words[-1:] and want.words[-1] in _VAGUE:
        return False
    if want.words[-1:] and want.words[-1] in _ID and len(want.words) > 1 and words_of(pointer)[-1:] == want.words[-1:]:
        # customer 7 is not product 7: a bare id is of what its own record, or the call, is about
        return want.words[-2] in {*words_of(pointer), *words_of(f"/{earlier.name}")}
    return agree(words_of(pointer), want.words) or (
        isinstance(want.value, str) and bool({*words_of(pointer)} & {*want.words} - _VAGUE - _ID)
    )


def _is_date(value: str) -> bool:
    return len(value) >= 10 and value[:4].isdigit() and value[4] == "-" and value[7] == "-"


def agree(leaf: tuple[str, ...], argument: tuple[str, ...]) -> bool:
    """Do two names mean the same thing: is one the end of the other (`task id` of `id`, `entity name` of `entity`)?"""
    for one in (leaf, leaf[:-1] if leaf[-1:] in (("name",), ("title",)) else ()):
        if one and argument and argument[-1] not in _VAGUE:
            least = min(len(one), len(argument))
            if one[-least:] == argument[-least:]:
                return True
    return False


# --- something was made ----------------------------------------------------------------------------------------------


def _made(earlier: Known, later: Known) -> Iterator[Bind]:
    """Ids that the earlier call gave to what it made, in place of those of other things of the same kind."""
    if not earlier.makes or earlier.server != later.server or not _same_frame(earlier, later):
        return
    for want in later.wants:
        if not isinstance(want.value, str) or not want.words or want.words[-1] not in _ID:
            continue
        for value, pointer in earlier.gives.items():
            if not isinstance(value, str) or value == want.value:
                continue
            named = agree(words_of(pointer), want.words) or pointer == ""
            if named and (len(want.words) > 1 or _same_noun(earlier.name, later.name)):
                yield Bind(want.argument, pointer)
                break


def _renamed(earlier: Known, later: Known) -> Iterator[Bind]:
    """Names that the earlier call gave to what it made, in place of those of other things of the same kind."""
    if not earlier.makes or not _same_frame(earlier, later):
        return
    for own in earlier.wants:
        if not isinstance(own.value, str) or place(own.value) not in earlier.makes:
            continue
        for want in later.wants:
            if isinstance(want.value, str) and _same_kind(earlier, later, own, want):
                yield Bind(want.argument, value=own.value)
                return


def _same_kind(earlier: Known, later: Known, own: Want, want: Want) -> bool:
    """Could the one name stand where the other stands?"""
    assert isinstance(own.value, str)
    assert isinstance(want.value, str)
    if place(own.value) == place(want.value) or want.words[-1:] in (("destination",), ("target",)):
        return False
    if "/" in own.value or want.words[-1:] in (("path",), ("source",)):
        return _ending(own.value) == _ending(want.value) != ""
    bare = want.words[-1:] and want.words[-1] in _ID and len(want.words) == 1
    if bare and not _same_noun(earlier.name, later.name):
        return False
    return earlier.server == later.server and agree(own.words, want.words)


def _ending(path: str) -> str:
    """What stands after the last dot of a file's name; empty for folders."""
    return path.rpartition("/")[2].rpartition(".")[2] if "." in path.rpartition("/")[2] else ""


def _same_frame(earlier: Known, later: Known) -> bool:
    """Are arguments of the same name, such as a repository or a calendar, the same in both?"""
    if earlier.server != later.server:
        return True
    frame = {
        want.argument: want.value
        for want in earlier.wants
        if isinstance(want.value, str) and place(want.value) not in earlier.makes and want.argument.count("/") == 1
    }
    return all(
        frame.get(want.argument, want.value) == want.value
        for want in later.wants
        if want.words[-1:] in (("url",), ("path",), ("id",), ("sheet",), ("database",), ("project",))
    )


def _same_noun(one: str, other: str) -> bool:
    """Are two tools about the same kind of thing, going by their names?"""
    return bool({*words_of(f"/{one}")} & {*words_of(f"/{other}")} - _PLAIN)


# --- prose ------------------------------------------------------------------------------------------------------------


def _stands_in(earlier: Known, want: Want) -> bool:
    """Does the argument, or its telling part, stand in the earlier answer without having been said before?"""
    if not earlier.text or not isinstance(want.value, str):
        return False
    if is_distinct(want.value) and not _is_date(want.value) and len(want.value) > 3:
        for text in (want.value, place(want.value)):
            if is_distinct(text) and mentions(earlier.text, text) and not mentions(earlier.told, text):
                return True
    for part in want.parts:
        if is_distinct(part) and mentions(earlier.text, part) and not mentions(earlier.told, part):
            folder = place(want.value).rpartition("/")[0] if "/" in want.value else ""
            if not folder or folder in earlier.names or mentions(earlier.text, folder.rpartition("/")[2]):
                return True
    return False
