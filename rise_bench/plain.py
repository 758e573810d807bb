"""Foreign text made harmless to show: no escape sequence, control character or direction mark survives."""

from __future__ import annotations

import re

__all__ = ["one_line", "plain"]

# controls other than tab and line feed; marks and overrides of writing direction; halves of surrogate pairs
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(value: object) -> str:
    """The text with a replacement character where a terminal or a page would obey instead of show."""
    return _HARMFUL.sub("\ufffd", str(value).replace("\r\n", "\n"))


def one_line(value: object) -> str:
    """As `plain`, in one line."""
    return " ".join(plain(value).split())
