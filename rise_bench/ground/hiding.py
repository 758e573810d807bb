"""Tells secrets from settings, so that a catalogue entry names the variable and never holds the value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import chain, count
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["Hidden", "is_secret", "variables_in"]

_NAMES = re.compile(
    r"key|token|secret|passw|passphrase|pwd|credential|auth(?!or)|cookie|session_?id|(^|[_-])(pass|pat|dsn)($|[_-])",
    re.I,
)
_VALUES = re.compile(
    r"(sk|pk|rk)[-_]\w|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AKIA[0-9A-Z]{12}|AIza[\w-]{20}|hf_\w{20}|eyJ[\w-]+\."
    r"|-----BEGIN|(?i:bearer|basic)\s+\S|[\w+.-]+://[^/@\s]*:[^/@\s]+@"
)
_INSIDE = re.compile(
    r"(?i)(^|[\s;&?,])(password|passwd|pwd|secret|token|api_?key|access_?key|account_?key)\s*=\s*[^\s;&]"
)
"""A connection string or URL that hands over a secret by name."""
_SWITCH = re.compile(r"(?i:true|false|yes|no|on|off|none|null|default|auto)|\d{1,5}")
"""Values too plain to be a secret, whatever they are called."""

_LETTERS = re.compile(r"[A-Za-z0-9+/_=-]{32,}")
_RUN = re.compile(r"(?=(?:[A-Za-z+]*\d){2})(?=[\d+]*[A-Za-z])[A-Za-z0-9+]{18,}")
"""What nobody would write: names and titles, however long, have hyphens between their words."""

_PART = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}")
"""Part of a key that is written in groups, such as a UUID."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_SCHEME = re.compile(r"((?i:bearer|basic|token)\s+)(\S.*)")


def is_secret(name: str, value: str) -> bool:
    """Whether a value is one to hide, by what it is called or by what it looks like; `${NAME}` alone is none."""
    bare = _VARIABLE.sub("", value).strip()
    return (
        bool(bare)
        and not _SWITCH.fullmatch(bare)
        and bool(
            _NAMES.search(name) or _VALUES.match(bare) or _INSIDE.search(bare) or _has_key(bare) or _is_random(bare)
        )
    )


def _has_key(url: str) -> bool:
    """Whether the path of a URL holds a key, as those of webhooks do."""
    return "://" in url and any(map(_RUN.search, url.split("?")[0].split("/")[3:]))


def _is_random(text: str) -> bool:
    if not _LETTERS.fullmatch(text) or text.startswith("/"):
        return False
    return bool(_RUN.search(text)) or len(_PART.findall(text)) > 1 + ("/" in text)


def variables_in(text: str) -> tuple[str, ...]:
    """The variables that a text names as `${NAME}`."""
    return tuple(_VARIABLE.findall(text))


class Hidden:
    """Variables that stand for the secrets of one server.

    Args:
        server: its name, the beginning of names that nobody has given.
        taken: variables of other servers with their values; the same name with another value gets a new one.
    """

    def __init__(self, server: str, taken: Mapping[str, str]) -> None:
        self._server = server
        self._taken = taken
        self.values: dict[str, str] = {}
        """Variable to what it stood for."""

    def setting(self, name: str, value: str) -> str:
        """The value of an environment variable as it may be written."""
        return self._variable(name, value) if is_secret(name, value) else value

    def header(self, name: str, value: str) -> str:
        """The value of an HTTP header as it may be written; the word for its scheme stays."""
        if not is_secret(name, value):
            return value
        scheme = _SCHEME.fullmatch(value)
        if scheme and not scheme[2].startswith("${"):
            return scheme[1] + self._variable(f"{self._server}_{name}", scheme[2])
        return value if scheme else self._variable(f"{self._server}_{name}", value)

    def address(self, url: str) -> str:
        """A URL as it may be written: secrets among its parameters hidden, and all of its user part."""
        parts = urlsplit(url)
        path = "/".join(
            self._variable(f"{self._server}_PATH", word) if _RUN.search(word) or _VALUES.match(word) else word
            for word in parts.path.split("/")
        )
        query = [
            (name, self._variable(f"{self._server}_{name}", value) if is_secret(name, value) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        user, at, host = parts.netloc.rpartition("@")
        if at and not _VARIABLE.fullmatch(user):
            user = self._variable(f"{self._server}_USER", user)
        words = urlencode(query, safe="${}") if query else parts.query
        return urlunsplit((parts.scheme, f"{user}{at}{host}", path, words, parts.fragment))

    def mask(self, text: str) -> str:
        """The text without any of the values."""
        for name, value in self.values.items():
            text = text.replace(value, f"${{{name}}}") if len(value) > 3 else text
        return text

    def _variable(self, name: str, value: str) -> str:
        fit = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").upper() or "SECRET"
        fit = f"_{fit}" if fit[0].isdigit() else fit
        first = re.sub(r"[^A-Za-z0-9]+", "_", self._server).strip("_").upper()
        own = fit if fit.startswith(f"{first}_") else f"{first}_{fit}"
        names = chain((fit, own), (f"{own}_{number}" for number in count(2)))
        fit = next(name for name in names if not self._is_other(name, value))
        self.values[fit] = value
        return f"${{{fit}}}"

    def _is_other(self, name: str, value: str) -> bool:
        """Whether a variable stands for something else already: of another server, of this one, or of the user's own."""
        return any(known.get(name, value) != value for known in (self._taken, self.values, os.environ))
