"""Tells secrets from settings, so that a catalogue entry names the variable and never holds the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["Hidden", "is_secret", "variables_in"]

_NAMES = re.compile(
    r"key|token|secret|passw|passphrase|pwd|credential|auth(?!or)|cookie|session_?id|(^|[_-])(pass|pat|dsn)($|[_-])",
    re.I,
)
_VALUES = re.compile(
    r"(sk|pk|rk)[-_]\w|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AKIA[0-9A-Z]{12}|AIza[\w-]{20}|hf_\w{20}|eyJ[\w-]+\."
    r"|-----BEGIN|(?i:bearer|basic)\s+\S|\w+://[^/@\s]*:[^/@\s]+@"
)
_SWITCH = re.compile(r"(?i:true|false|yes|no|on|off|none|null|default|auto)|\d{1,5}")
"""Values too plain to be a secret, whatever they are called."""

_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/_=-]{32,}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_SCHEME = re.compile(r"((?i:bearer|basic|token)\s+)(\S.*)")


def is_secret(name: str, value: str) -> bool:
    """Whether a value is one to hide, by what it is called or by what it looks like; `${NAME}` alone is none."""
    bare = _VARIABLE.sub("", value).strip()
    return (
        bool(bare)
        and not _SWITCH.fullmatch(bare)
        and bool(_NAMES.search(name) or _VALUES.match(bare) or (_RANDOM.fullmatch(bare) and not bare.startswith("/")))
    )


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
        query = [
            (name, self._variable(f"{self._server}_{name}", value) if is_secret(name, value) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        user, at, host = parts.netloc.rpartition("@")
        if at and not _VARIABLE.fullmatch(user):
            user = self._variable(f"{self._server}_USER", user)
        words = urlencode(query, safe="${}") if query else parts.query
        return urlunsplit((parts.scheme, f"{user}{at}{host}", parts.path, words, parts.fragment))

    def mask(self, text: str) -> str:
        """The text without any of the values."""
        for name, value in self.values.items():
            text = text.replace(value, f"${{{name}}}") if len(value) > 3 else text
        return text

    def _variable(self, name: str, value: str) -> str:
        fit = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").upper() or "SECRET"
        fit = f"_{fit}" if fit[0].isdigit() else fit
        if self._taken.get(fit, value) != value:
            fit = f"{re.sub(r'[^A-Za-z0-9]+', '_', self._server).strip('_').upper()}_{fit}"
        self.values[fit] = value
        return f"${{{fit}}}"
