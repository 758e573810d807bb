"""`ground ls`: the catalogue of servers, or one server with its tools."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rise_bench.commands.arguments import add_json
from rise_bench.commands.grounds import chosen
from rise_bench.commands.terminal import markdown_table, print_json, say, table, text
from rise_bench.errors import InputError
from rise_bench.ground.contract import Contract, load_contract
from rise_bench.ground.criteria import Criteria, Entry, entries, judged
from rise_bench.ground.recipe import Recipe

__all__ = ["add_arguments", "run"]


_CRITERIA = {
    "standardisation": "standardisation",
    "tools described": "tools_described",
    "parameters described": "parameters_described",
    "typed": "parameters_typed",
    "annotated": "annotated",
    "start s": "start_seconds",
    "call ms": "milliseconds",
    "MiB": "memory_mb",
    "called": "called",
    "errors told": "errors_told",
    "popularity": "popularity",
}
"""Column to the field of `Criteria`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One server, or all; facts, or the criteria of the choice."""
    parser.add_argument("server", nargs="?", help="show its tools (default: list the servers)")
    parser.add_argument("--recipes", type=Path, metavar="FOLDER", help="your own servers instead of the catalogue")
    parser.add_argument("--criteria", action="store_true", help="show by what servers are chosen")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 0.

    Raises:
        InputError: no such server, or its contract is damaged.
    """
    if args.server:
        ((recipe, folder),) = chosen([args.server], args.recipes)
        return _show(recipe, load_contract(recipe.name, folder / "contracts"), as_json=args.json)
    found = entries(args.recipes)
    if not found:
        raise InputError("holds no servers", where=str(args.recipes), remedy="rise-bench ground add FILE --to FOLDER")
    rows = [_criteria_row(entry) if args.criteria else _row(entry) for entry in found]
    if args.json:
        print_json(rows)
        return 0
    columns, cells, numbers = list(rows[0]), [list(map(_cell, row.values())) for row in rows], _numbers(rows)
    if args.markdown:
        sys.stdout.write(markdown_table(columns, cells, numbers=numbers))
        return 0
    say(table(columns, cells, numbers=numbers), "")
    tools, called = sum(len(entry.tools) for entry in found), sum(entry.called for entry in found)
    domains = len({entry.recipe.domain for entry in found})
    say(text(f"{len(found)} servers, {tools} tools, {called} of them called with success, {domains} domains", "bold"))
    return 0


def _row(entry: Entry) -> dict[str, Any]:
    recipe, tools = entry.recipe, entry.tools
    return {
        "server": recipe.name,
        "domain": recipe.domain,
        "version": recipe.version,
        "license": recipe.license or "none stated",
        "releasable": recipe.releasable,
        "copyleft": ", ".join(recipe.copyleft),
        "tools": len(tools),
        "called": entry.called,
        "read": sum(tool.effect == "read" for tool in tools),
        "write": sum(tool.effect == "write" for tool in tools),
        "risk": recipe.risk,
        "keeps": recipe.keeps,
        "reset": recipe.reset,
        "needs": ", ".join(recipe.needs),
    }


def _criteria_row(entry: Entry) -> dict[str, Any]:
    found: Criteria | None = judged(entry)
    return {"server": entry.recipe.name} | {
        name: getattr(found, field) if found else None for name, field in _CRITERIA.items()
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    return "-" if value is None else str(value)


def _numbers(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    first = rows[0].values()
    return tuple(i for i, value in enumerate(first) if isinstance(value, int | float) and not isinstance(value, bool))


def _show(recipe: Recipe, contract: Contract | None, *, as_json: bool) -> int:
    if as_json:
        recorded = contract.model_dump(mode="json", exclude_defaults=True) if contract else None
        print_json({"entry": recipe.model_dump(mode="json", exclude_defaults=True), "contract": recorded})
        return 0
    name = " ".join(filter(None, (recipe.name, recipe.version)))
    about = (recipe.domain, recipe.license or "no licence stated", recipe.homepage)
    say(text(": ".join(filter(None, (name, recipe.title))), "bold"), text(", ".join(filter(None, about))))
    if recipe.copyleft:
        parts = ", ".join(f"{package} ({license})" for package, license in recipe.copyleft.items())
        say(text(f"comes with {parts}; may {'' if recipe.releasable else 'not '}be part of a released suite"))
    if contract is not None:
        say(text(f"recorded {contract.recorded}, digest {contract.server_digest}", "dim"))
        rows = [
            (
                tool.name,
                tool.effect,
                ", ".join(seen.basis),
                seen.ok,
                seen.failed,
                " ".join(tool.description.split())[:100],
            )
            for tool in contract.server.tools
            for seen in [contract.seen[tool.name]]
        ]
        say(table(["tool", "effect", "says", "ok", "failed", "description"], rows, numbers=(3, 4)))
    for note in recipe.notes:
        say(text(f"- {note}", "dim"))
    return 0
