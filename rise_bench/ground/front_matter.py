"""Takes the front matter of a Markdown file apart into canonical leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from rise_bench.ground.leaves import Leaves, Unreadable, decode, escape
from rise_bench.types import canonical

__all__ = ["markdown_leaves"]

MAX_FRONT = 16 * 1024
"""Characters of a front matter, which is read slowly."""

MAX_BRACKETS = 500
"""That open in one: its reader looks behind each for as long as it may be a key."""

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def markdown_leaves(data: bytes) -> tuple[str, dict[str, str]]:
    """The text below a front matter, and RFC 6901 pointer to text of every scalar and empty container in that.

    Values are texts as they stand there: a date, a number and the same in quotes are alike.

    Raises:
        Unreadable: no front matter that is a YAML mapping, or one with comments, which no leaf would hold.
    """
    text = decode(data)
    front = _FRONT.match(text)
    if front is None or front.end() > MAX_FRONT or "\0" in text or sum(map(front[1].count, "[{")) > MAX_BRACKETS:
        raise Unreadable
    try:
        root = yaml.compose(front[1], Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable from error
    if not isinstance(root, yaml.MappingNode) or _has_comments(front[1], root):
        raise Unreadable
    leaves = Leaves()
    for pointer, value in _nodes(root, ""):
        leaves.put(pointer, value)
    return text[front.end() :], leaves


def _nodes(node: yaml.Node, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.MappingNode) and node.value:
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable
            yield from _nodes(item, f"{pointer}/{escape(key.value)}")
    elif isinstance(node, yaml.SequenceNode) and node.value:
        for index, item in enumerate(node.value):
            yield from _nodes(item, f"{pointer}/{index}")
    else:
        yield pointer, node.value if isinstance(node, yaml.ScalarNode) else canonical(node.value)


def _has_comments(text: str, root: yaml.Node) -> bool:
    """Is there a `#` outside of all scalars?"""
    end = 0
    spans = sorted((node.start_mark.index, node.end_mark.index) for node in _scalars(root))
    for start, after in [*spans, (len(text), len(text))]:
        if "#" in text[end:start]:
            return True
        end = max(end, after)
    return False


def _scalars(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Each once, however often it is referred to."""
    open_nodes, met = [root], {id(root)}
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, yaml.ScalarNode):
            yield node
            continue
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        fresh = [part for part in inner if id(part) not in met]
        met.update(map(id, fresh))
        open_nodes.extend(fresh)
