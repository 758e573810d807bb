"""What the commands on baselines share: the registry they read, and the suite that an entry was measured on."""

from __future__ import annotations

import argparse
from pathlib import Path

from rise_bench.baselines import MeasuredBaseline, Registry, load_registry
from rise_bench.baselines.figures import Figures, figures
from rise_bench.errors import InputError
from rise_bench.report import percent
from rise_bench.store import load_suite

__all__ = ["Suites", "add_registry", "left_out", "registry_of"]


def add_registry(parser: argparse.ArgumentParser) -> None:
    """`--registry`."""
    parser.add_argument(
        "--registry", type=Path, metavar="FOLDER", help="entries of your own (`baselines add`), beside the shipped ones"
    )


def registry_of(args: argparse.Namespace) -> Registry:
    """The shipped entries and those of `--registry`.

    Raises:
        InputError: as `load_registry`.
    """
    return load_registry(args.registry)


class Suites:
    """The clusters of suites, each read once, for the intervals of what was measured on them."""

    def __init__(self, given: str = "") -> None:
        self._given = given
        self._read: dict[str, tuple[str, tuple[str, ...]] | None] = {}

    def clusters(self, entry: MeasuredBaseline) -> tuple[str, ...] | None:
        """Clusters of the tasks of the suite that an entry was measured on; None where that version is not at hand."""
        name = self._given or entry.spec.suite
        if name not in self._read:
            self._read[name] = _digest_and_clusters(name)
        found = self._read[name]
        return None if found is None or found[0] != entry.spec.suite_digest else found[1]

    def figures(self, entry: MeasuredBaseline) -> Figures:
        """The figures of an entry, with intervals where its suite is at hand."""
        return figures(entry, self.clusters(entry))


def _digest_and_clusters(name: str) -> tuple[str, tuple[str, ...]] | None:
    try:
        suite = load_suite(name).suite
    except InputError:
        return None
    return suite.digest(), tuple(task.own_cluster for task in suite.tasks)


def left_out(found: Figures) -> str:
    """What the figures leave out, in words; empty where every attempt was made and judged."""
    parts = []
    if found.made < found.attempts:
        parts.append(f"{found.made} of {found.attempts} attempts were made")
    if found.judged < found.made:
        as_0 = " / ".join(map(percent, found.none_as_0))
        parts.append(f"{found.made - found.judged} have no verdict (Acc_task / Acc_intent with them as 0: {as_0})")
    return "; ".join(parts)
