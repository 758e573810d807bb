"""`ground siblings`: the tools that an agent could take for a tool, and how they differ."""

from __future__ import annotations

import argparse

from rise_bench.commands.arguments import add_json
from rise_bench.commands.terminal import print_json, say, table
from rise_bench.errors import InputError
from rise_bench.ground.contract import load_contract
from rise_bench.ground.recipe import catalog
from rise_bench.ground.siblings import near_miss_map
from rise_bench.store import load_suite
from rise_bench.types import Tool

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which tools, and among which."""
    parser.add_argument("tool", nargs="?", help="such as git.git_diff; none = the whole map")
    parser.add_argument("--tasks", metavar="SUITE", help="among this suite's tools (default: the whole catalogue)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: no such tool.
    """
    tools = _tools(args.tasks)
    if args.tool and args.tool not in {tool.id for tool in tools}:
        raise InputError("no such tool", where=args.tool, remedy="see `rise-bench ground ls`; write SERVER.TOOL")
    found = near_miss_map(tools)
    if args.tool:
        found = {args.tool: found.get(args.tool, ())}
    if args.json:
        print_json({name: [one.model_dump(mode="json") for one in others] for name, others in found.items()})
        return 0
    rows = [(name, one.tool, one.relation, one.similarity) for name, others in sorted(found.items()) for one in others]
    say(table(["tool", "sibling", "relation", "similarity"], rows, numbers=(3,)))
    return 0


def _tools(suite: str | None) -> tuple[Tool, ...]:
    if suite:
        return tuple(tool for server in load_suite(suite).ground.servers for tool in server.tools)
    contracts = (load_contract(name) for name in catalog())
    return tuple(tool for contract in contracts if contract for tool in contract.server.tools)
