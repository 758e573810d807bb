"""Every error of the package, as one tree.

    RiseError               one line and a remedy; the command line exits 2
     |- InputError          a file, option or record that cannot be used
     |- SetupError          a server, engine or endpoint that cannot be started or reached
     |- PluginError         a plug-in that cannot be loaded
     `- Fault               one attempt could not be run; not caused by the model's output
         |- GroundFault     the tools' side (server, sandbox, cassette)
         |   `- ServerDied  a server died or hung *in a call of this attempt*
         `- ModelFault      the model's side (endpoint 5xx / 429 after retries, gateway)

A `Fault` becomes a score of None, never 0 or 1 (DESIGN 4.2). Whatever is not a `RiseError` is a bug of ours and keeps
its traceback.
"""

from __future__ import annotations

__all__ = [
    "Fault",
    "GroundFault",
    "InputError",
    "ModelFault",
    "PluginError",
    "RiseError",
    "ServerDied",
    "SetupError",
]


class RiseError(Exception):
    """What was found, where, and what to do about it.

    Args:
        what: the finding, one line.
        where: file, line, field, server or address; shown first.
        remedy: what the reader can do.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line} ({self.remedy})" if self.remedy else line


class InputError(RiseError, ValueError):
    """A file, option or record that cannot be used as it is."""


class SetupError(RiseError, RuntimeError):
    """A server, engine or endpoint that cannot be started or reached before the first attempt."""


class PluginError(RiseError, LookupError):
    """A plug-in that is unknown, broken or of the wrong kind."""


class Fault(RiseError, RuntimeError):
    """An attempt that could not be run for a reason that the model's output did not cause."""


class GroundFault(Fault):
    """The tools' side failed: sandbox, server start, cassette without the recording."""


class ServerDied(GroundFault):
    """A server died or hung during a call of this attempt."""


class ModelFault(Fault):
    """The model's side failed after retries: endpoint, gateway, engine."""
