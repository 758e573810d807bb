"""Things that answer a history with the next message: shipped agents, the chat endpoint, call parsers."""

from rise_bench.model.load import ModelFactory, identity_args, load

__all__ = ["ModelFactory", "identity_args", "load"]
